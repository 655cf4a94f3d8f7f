"""Price-time priority written down a second time, as plainly as possible, knowing no engine code.

All resting orders are one list; to match, it is sorted. Icebergs are a tranche with its own time.
"""

from __future__ import annotations

from dataclasses import dataclass

BUY, SELL = 1, 2


@dataclass
class Resting:
    """One resting order; ``since`` is when its present tranche began to wait."""

    order_id: int
    side: int
    price: int
    leaves: int
    display: int
    shown: int
    since: int


@dataclass(frozen=True)
class Trade:
    """A trade as the model expects it."""

    maker: int
    taker: int
    price: int
    lots: int


class NaiveBook:
    """A book of limit orders of strangers: no self-trades."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []
        self.clock = 0

    def place(
        self, order_id: int, side: int, price: int, lots: int, *, display: int, rests: bool
    ) -> list[Trade]:
        """Match an order and let the rest of it rest."""
        trades = []
        while lots:
            maker = self._best_against(side, price)
            if maker is None:
                break
            traded = min(lots, maker.shown)
            trades.append(Trade(maker.order_id, order_id, maker.price, traded))
            lots -= traded
            maker.leaves -= traded
            maker.shown -= traded
            if maker.leaves == 0:
                self.orders.remove(maker)
            elif maker.shown == 0:
                maker.shown = min(maker.display, maker.leaves)
                maker.since = self._tick()
        if lots and rests:
            shown = min(display, lots) if display else lots
            self.orders.append(Resting(order_id, side, price, lots, display, shown, self._tick()))
        return trades

    def cancel(self, order_id: int) -> None:
        """Take an order out."""
        self.orders = [each for each in self.orders if each.order_id != order_id]

    def reduce(self, order_id: int, leaves: int) -> None:
        """Leave an order with fewer lots, in its place."""
        for order in self.orders:
            if order.order_id == order_id:
                order.leaves = leaves
                order.shown = min(order.shown, leaves)

    def levels(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Return the shown lots and number of orders at each side and price."""
        totals: dict[tuple[int, int], tuple[int, int]] = {}
        for order in self.orders:
            lots, count = totals.get((order.side, order.price), (0, 0))
            totals[order.side, order.price] = (lots + order.shown, count + 1)
        return totals

    def _tick(self) -> int:
        self.clock += 1
        return self.clock

    def _best_against(self, side: int, price: int) -> Resting | None:
        if side == BUY:
            reached = [each for each in self.orders if each.side == SELL and each.price <= price]
            return min(reached, key=lambda each: (each.price, each.since), default=None)
        reached = [each for each in self.orders if each.side == BUY and each.price >= price]
        return min(reached, key=lambda each: (-each.price, each.since), default=None)
