"""The desk for what everybody may know: the time, the markets with their filters, the limits."""

import re
from typing import Any, Final

import msgspec

from messages.trading.decimals import decimal_text
from messages.trading.terms import PPM, Phase
from retail_gateway.allowances import Allowances
from retail_gateway.answers import Empty, RateLimitAnswer, ServerTime
from retail_gateway.market import Instrument
from retail_gateway.parameters import SYMBOL_DOUBLED, Parameters, Symbols, malformed
from retail_gateway.ports import Clock
from retail_gateway.refusals import INVALID_SYMBOL, DoorCode, Refusal, door_refusal
from retail_gateway.state import RetailState
from retail_gateway.trading import Asked
from retail_gateway.translation.reports import MILLISECOND
from retail_gateway.translation.requests import ORDER_TYPES, SELF_TRADE_PREVENTION

_STATUS: Final = {
    Phase.CONTINUOUS: "TRADING",
    Phase.PRE_OPEN: "PRE_TRADING",
    Phase.CALL_AUCTION: "AUCTION_MATCH",
    Phase.HALTED: "HALT",
    Phase.CLOSED: "BREAK",
}
_SYMBOL_LIST = re.compile(r'\[("[A-Z0-9-_.]{1,33}")(,"[A-Z0-9-_.]{1,33}")*\]')
_BOTH: Final = door_refusal(
    DoorCode.PARAMETER_NOT_ALLOWED, -1128, "Combination of optional parameters invalid."
)


class GeneralDesk:
    """Answers strangers."""

    def __init__(
        self, state: RetailState, allowances: Allowances, clock: Clock, *, name: str
    ) -> None:
        self._state = state
        self._allowances = allowances
        self._clock = clock
        self._name = name

    async def ping(self, _asked: Asked, _wanted: Parameters) -> Empty:
        """Answer."""
        return Empty()

    async def time(self, _asked: Asked, _wanted: Parameters) -> ServerTime:
        """Say what time it is here."""
        return ServerTime(server_time=self._clock() // MILLISECOND)

    async def exchange_info(self, _asked: Asked, wanted: Symbols) -> dict[str, Any] | Refusal:
        """Tell of the markets: all, or those that are named."""
        chosen = self._chosen(wanted)
        if isinstance(chosen, Refusal):
            return chosen
        return {
            "timezone": "UTC",
            "serverTime": self._clock() // MILLISECOND,
            "exchange": self._name,
            "rateLimits": self.rate_limits(),
            "exchangeFilters": [],
            "symbols": [
                described
                for described in map(_described, chosen)
                if wanted.symbol_status in (None, described["status"])
            ],
        }

    def _chosen(self, wanted: Symbols) -> list[Instrument] | Refusal:
        market = self._state.market
        if wanted.symbol is not None and wanted.symbols is not None:
            return _BOTH
        if wanted.symbol is None and wanted.symbols is None:
            return list(market.by_symbol.values())
        names = [wanted.symbol] if wanted.symbol is not None else []
        if wanted.symbols is not None:
            if _SYMBOL_LIST.fullmatch(wanted.symbols) is None:
                return malformed("symbols")
            names = msgspec.json.decode(wanted.symbols, type=list[str])
            if len(set(names)) < len(names):
                return SYMBOL_DOUBLED
        found = [market.instrument(name or "") for name in names]
        known = [instrument for instrument in found if instrument is not None]
        return known if len(known) == len(found) else INVALID_SYMBOL

    def rate_limits(self) -> list[RateLimitAnswer]:
        """Say how much a client may ask."""
        allowances = self._allowances
        return [
            RateLimitAnswer(
                rate_limit_type=window.kind,
                interval=window.interval,
                interval_num=window.interval_number,
                limit=window.limit,
            )
            for window in (allowances.weight, *allowances.orders, allowances.raw)
        ]

    async def order_counts(self, asked: Asked, _wanted: Parameters) -> list[RateLimitAnswer]:
        """Say how many orders were counted."""
        counts = await self._allowances.order_counts(asked.account, self._clock())
        return [
            RateLimitAnswer(
                rate_limit_type=window.kind,
                interval=window.interval,
                interval_num=window.interval_number,
                limit=window.limit,
                count=count,
            )
            for window, count in counts
        ]


def _described(instrument: Instrument) -> dict[str, Any]:
    """Describe a market as exchangeInfo does."""
    base, quote = instrument.base, instrument.quote
    return {
        "symbol": instrument.symbol,
        "status": _STATUS[Phase(instrument.phase)],
        "baseAsset": base.symbol,
        "baseAssetPrecision": base.scale,
        "quoteAsset": quote.symbol,
        "quotePrecision": quote.scale,
        "quoteAssetPrecision": quote.scale,
        "baseCommissionPrecision": base.scale,
        "quoteCommissionPrecision": quote.scale,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(instrument),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(SELF_TRADE_PREVENTION),
    }


def _filters(instrument: Instrument) -> list[dict[str, Any]]:
    limits = instrument.limits
    if limits is None:
        return []
    lot = {
        "minQty": instrument.quantity(limits.quantity_lots_min),
        "maxQty": instrument.quantity(limits.quantity_lots_max),
        "stepSize": instrument.quantity(1),
    }
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": instrument.price(limits.price_ticks_min),
            "maxPrice": instrument.price(limits.price_ticks_max),
            "tickSize": instrument.price(1),
        },
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **lot},
        {
            "filterType": "NOTIONAL",
            "minNotional": instrument.quote.text(limits.notional_min_atoms),
            "applyMinToMarket": True,
            "maxNotional": instrument.quote.text(limits.notional_max_atoms),
            "applyMaxToMarket": True,
            "avgPriceMins": 0,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 1000},
    ]
    if limits.collar_ppm:
        up, down = PPM + limits.collar_ppm, max(PPM - limits.collar_ppm, 0)
        filters.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": decimal_text(up, 6),
                "bidMultiplierDown": "0.000000",
                "askMultiplierUp": decimal_text(1000 * PPM, 6),
                "askMultiplierDown": decimal_text(down, 6),
                "avgPriceMins": 0,
            }
        )
    return filters
