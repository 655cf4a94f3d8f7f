"""Prices far from the usual one in the direction that costs, and sizes far above one's own."""

from typing import Final

import msgspec

from messages.trading.terms import OrderType, Side
from services.surveillance.alerts import Alert, AlertKind
from services.surveillance.market import Market, Remembered
from services.surveillance.parameters import MILLION, FatFinger
from services.surveillance.records import SeenOrder, SeenTrade

SIZES_KEPT = 32
RECKONED_EVERY = 16
"""Orders after which the usual size is reckoned again."""

_PRICED: Final = frozenset({int(OrderType.LIMIT), int(OrderType.STOP_LIMIT)})
_SELL: Final = int(Side.SELL)
"""As plain integers: an enumeration's member costs each use a call, and these are each order's."""


class Sizes(msgspec.Struct, array_like=True):
    """The last orders of an account in a market; ``usual_lots`` is zero before the first median."""

    last: list[int] = msgspec.field(default_factory=list)
    seen: int = 0
    usual_lots: int = 0


class FatFingerState(msgspec.Struct):
    """Sizes by (instrument, account); the order that was last called out in each market."""

    sizes: dict[tuple[int, ...], Sizes] = msgspec.field(default_factory=dict)
    named: dict[int, int] = msgspec.field(default_factory=dict)


class FatFingerDetector:
    """Holds each order against the median of the market's trades, and of its account's orders."""

    def __init__(
        self, parameters: FatFinger, market: Market, state: FatFingerState, *, owners_max: int
    ) -> None:
        self._parameters = parameters
        self._price_ppm = parameters.price_ppm
        self._size_multiple = parameters.size_multiple
        self._market = market
        self._named = state.named
        self._sizes = Remembered(state.sizes, owners_max)

    def state(self) -> FatFingerState:
        """Return what to go on from."""
        return FatFingerState(dict(self._sizes.table), self._named)

    def on_order(self, order: SeenOrder) -> list[Alert]:
        """See an order that was accepted."""
        usual_lots = self._usual_size(order)
        usual = self._market.usual_price(order.instrument, self._parameters.trades_min)
        if not usual:
            return []
        alerts: list[Alert] = []
        away_ppm, price_ppm = 0, self._price_ppm
        if order.order_type in _PRICED:
            away = order.price_ticks - usual
            if order.side == _SELL:
                away = -away
            away_ppm = away * MILLION // usual
            if away_ppm >= price_ppm:
                alerts.append(self._price_alert(order, usual, away))
        is_large = usual_lots and order.quantity_lots >= usual_lots * self._size_multiple
        if is_large and away_ppm > -price_ppm:
            figures = {"quantity_lots": order.quantity_lots, "usual_lots": usual_lots}
            alerts.append(self._alert(AlertKind.FAT_FINGER_SIZE, order, figures))
        return alerts

    def on_trade(self, trade: SeenTrade) -> list[Alert]:
        """See a trade, before its price is one of the last; meant is the side that it costs."""
        usual = self._market.usual_price(trade.instrument, self._parameters.trades_min)
        away = abs(trade.price_ticks - usual)
        if not usual or away * MILLION < usual * self._parameters.price_ppm:
            return []
        is_buyer = trade.price_ticks > usual
        if is_buyer == (trade.taker_side == Side.BUY):
            order_id, account = trade.taker_order_id, trade.taker_account
        else:
            order_id, account = trade.maker_order_id, trade.maker_account
        if self._named.get(trade.instrument) == order_id:
            return []
        self._named[trade.instrument] = order_id
        figures = _price_figures(trade.price_ticks, usual, away)
        return [
            Alert(
                kind=AlertKind.FAT_FINGER_PRICE,
                event_number=trade.number,
                time_ns=trade.time_ns,
                instrument=trade.instrument,
                owner=self._market.owner(account),
                accounts=(account,),
                events=(trade.number,),
                orders=(order_id,),
                figures={
                    "side": Side.BUY if is_buyer else Side.SELL,
                    **figures,
                    "quantity_lots": trade.quantity_lots,
                },
                parameters=self._parameters.numbers(),
            )
        ]

    def _usual_size(self, order: SeenOrder) -> int:
        """Return the usual size before this order, which counts for the next ones."""
        key = (order.instrument, order.account)
        sizes = self._sizes.table.get(key)
        if sizes is None:
            sizes = self._sizes.add(key, Sizes())
        usual_lots = sizes.usual_lots
        last = sizes.last
        last.append(order.quantity_lots)
        seen = sizes.seen = sizes.seen + 1
        if len(last) > SIZES_KEPT:
            del last[0]
        is_due = usual_lots == 0 or seen % RECKONED_EVERY == 0
        if is_due and seen >= self._parameters.orders_min:
            sizes.usual_lots = sorted(last)[len(last) // 2]
        return usual_lots

    def _price_alert(self, order: SeenOrder, usual: int, away: int) -> Alert:
        self._named[order.instrument] = order.order_id
        figures = _price_figures(order.price_ticks, usual, away)
        return self._alert(AlertKind.FAT_FINGER_PRICE, order, figures)

    def _alert(self, kind: AlertKind, order: SeenOrder, figures: dict[str, int]) -> Alert:
        return Alert(
            kind=kind,
            event_number=order.number,
            time_ns=order.time_ns,
            instrument=order.instrument,
            owner=self._market.owner(order.account),
            accounts=(order.account,),
            events=(order.number,),
            orders=(order.order_id,),
            figures={"side": order.side, **figures},
            parameters=self._parameters.numbers(),
        )


def _price_figures(price_ticks: int, usual_ticks: int, away_ticks: int) -> dict[str, int]:
    return {
        "price_ticks": price_ticks,
        "usual_ticks": usual_ticks,
        "away_ppm": away_ticks * MILLION // usual_ticks,
    }
