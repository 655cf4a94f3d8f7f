"""The desk for questions: orders, trades, money and rates of one account.

What this process has seen wins over what the database says, which may lag; together they are
complete.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from retail_gateway.answers import (
    AccountAnswer,
    BalanceAnswer,
    CommissionAnswer,
    OrderAnswer,
    TradeAnswer,
)
from retail_gateway.market import Instrument
from retail_gateway.orders import Order, Trade
from retail_gateway.parameters import (
    AccountView,
    NamedOrder,
    OneSymbol,
    OptionalSymbol,
    OrderRange,
    TradeRange,
    missing,
)
from retail_gateway.ports import Clock, History, HistoryAwayError, Range
from retail_gateway.refusals import (
    DATABASE_AWAY,
    INVALID_SYMBOL,
    ORDER_NOT_FOUND,
    DoorCode,
    Refusal,
    door_refusal,
)
from retail_gateway.state import RetailState
from retail_gateway.translation import reports
from retail_gateway.translation.reports import MILLISECOND

Key = TypeVar("Key", int, tuple[int, bool])

_DAY_MS: Final = 86_400_000
_NO_RATES: Final = reports.rates_answer((0, 0))


class EnquiryDesk:
    """Answers what an account may know of itself."""

    def __init__(self, state: RetailState, history: History, clock: Clock) -> None:
        self._state = state
        self._history = history
        self._clock = clock

    async def account(self, account: int, wanted: AccountView) -> AccountAnswer:
        """Say what an account has and may do."""
        market = self._state.market
        rates = self._usual_rates(account)
        balances = []
        for asset in market.assets.values():
            balance, held = self._state.balance(account, asset.number)
            if balance or held or not wanted.omit_zero_balances:
                free, locked = asset.text(balance - held), asset.text(held)
                balances.append(BalanceAnswer(asset=asset.symbol, free=free, locked=locked))
        maker, taker = (int(rate) // 100 for rate in rates)  # whole basis points, as Binance says
        return AccountAnswer(
            maker_commission=maker,
            taker_commission=taker,
            commission_rates=reports.rates_answer(rates),
            can_trade=account in market.granted,
            can_withdraw=False,
            can_deposit=False,
            update_time=self._clock() // MILLISECOND,
            balances=balances,
            permissions=["SPOT"],
            uid=account,
        )

    def _usual_rates(self, account: int) -> tuple[int, int]:
        """Return the account's rates on the first market: each market's are asked for by it."""
        instrument = next(iter(self._state.market.instruments.values()), None)
        return (0, 0) if instrument is None else self._state.market.fee_rates(account, instrument)

    async def open_orders(
        self, account: int, wanted: OptionalSymbol
    ) -> list[OrderAnswer] | Refusal:
        """List what is open."""
        number = None
        if wanted.symbol is not None:
            instrument = self._state.market.instrument(wanted.symbol)
            if instrument is None:
                return INVALID_SYMBOL
            number = instrument.number
        markets = self._state.market.instruments
        return [
            reports.order_answer(order, markets[order.instrument])
            for order in self._state.open_orders(account, number)
        ]

    async def order(self, account: int, wanted: NamedOrder) -> OrderAnswer | Refusal:
        """Say where an order stands."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        if wanted.order_id is None and wanted.orig_client_order_id is None:
            return missing("orderId")
        try:
            order = await self._found(account, wanted)
        except HistoryAwayError:
            return DATABASE_AWAY
        if order is None or order.instrument != instrument.number:
            return ORDER_NOT_FOUND
        name = wanted.orig_client_order_id
        if wanted.order_id is not None and name not in (None, order.client_order_id):
            return ORDER_NOT_FOUND
        return reports.order_answer(order, instrument)

    async def _found(self, account: int, wanted: NamedOrder) -> Order | None:
        if wanted.order_id is not None:
            here = self._state.order(account, wanted.order_id)
            return here or await self._history.order(account, wanted.order_id)
        name = wanted.orig_client_order_id or ""
        here = self._state.order_of_client_id(account, name)
        return here or await self._history.order_of_client_id(account, name)

    async def orders(self, account: int, wanted: OrderRange) -> list[OrderAnswer] | Refusal:
        """List orders, open and done, by id."""
        found = self._scope(wanted, wanted.order_id)
        if isinstance(found, Refusal):
            return found
        instrument, scope = found
        here = self._state.kept_orders(account, instrument.number)
        try:
            there = await self._history.orders(account, instrument.number, scope)
        except HistoryAwayError:
            return DATABASE_AWAY
        merged = {order.order_id: order for order in there}
        merged |= {
            order.order_id: order
            for order in here
            if _is_within(scope, order.order_id, order.created_at_ns)
        }
        return [reports.order_answer(merged[number], instrument) for number in _page(merged, scope)]

    async def trades(self, account: int, wanted: TradeRange) -> list[TradeAnswer] | Refusal:
        """List trades by id."""
        found = self._scope(wanted, wanted.from_id)
        if isinstance(found, Refusal):
            return found
        instrument, scope = found
        if wanted.order_id is not None:
            scope = scope._replace(order_id=wanted.order_id)
        here = self._state.kept_trades(account, instrument.number)
        try:
            there = await self._history.trades(account, instrument.number, scope)
        except HistoryAwayError:
            return DATABASE_AWAY
        merged: dict[tuple[int, bool], Trade] = {
            (trade.trade_id, trade.is_maker): trade
            for trade in there
            if not self._state.is_busted(trade.trade_id)
        }
        merged |= {
            (trade.trade_id, trade.is_maker): trade
            for trade in here
            if _is_within(scope, trade.trade_id, trade.time_ns)
            and scope.order_id in (None, trade.order_id)
        }
        return [reports.trade_answer(merged[key], instrument) for key in _page(merged, scope)]

    def _scope(self, wanted: OrderRange, from_id: int | None) -> tuple[Instrument, Range] | Refusal:
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        start, end = wanted.start_time, wanted.end_time
        if start is not None and end is not None and not 0 <= end - start <= _DAY_MS:
            return door_refusal(
                DoorCode.RANGE_INVALID,
                -1127,
                "More than 24 hours between startTime and endTime.",
                limit=_DAY_MS,
                usage=end - start,
            )
        scope = Range(
            limit=wanted.limit,
            from_id=from_id,
            start_ns=None if start is None else start * MILLISECOND,
            end_ns=None if end is None else (end + 1) * MILLISECOND - 1,
        )
        return instrument, scope

    async def commission(self, account: int, wanted: OneSymbol) -> CommissionAnswer | Refusal:
        """Say an account's rates on a market."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        rates = self._state.market.fee_rates(account, instrument)
        return CommissionAnswer(
            symbol=instrument.symbol,
            standard_commission=reports.rates_answer(rates),
            special_commission=_NO_RATES,
            tax_commission=_NO_RATES,
        )


def _is_within(scope: Range, number: int, time_ns: int) -> bool:
    if scope.from_id is not None and number < scope.from_id:
        return False
    if scope.start_ns is not None and time_ns < scope.start_ns:
        return False
    return scope.end_ns is None or time_ns <= scope.end_ns


def _page(found: Iterable[Key], scope: Range) -> list[Key]:
    """Return the keys of one page: from the beginning if one is said, else the newest."""
    keys = sorted(found)
    if scope.from_id is not None or scope.start_ns is not None:
        return keys[: scope.limit]
    return keys[-scope.limit :]
