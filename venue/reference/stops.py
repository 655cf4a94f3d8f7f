"""Stops that wait for their price, in the order in which they would be triggered."""

from __future__ import annotations

from collections.abc import Iterator

from sortedcontainers import SortedList

from venue.reference.orders import Order
from venue.reference.values import BUY


class StopBook:
    """The waiting stops of one instrument, and the prints they have not seen yet.

    ``low`` and ``high`` are the lowest and highest trade prices since stops were last evaluated,
    0 for none, as always between two commands. Buys wait for a price at or above theirs, the
    lowest first; sells for one at or below, the highest first; equal prices by arrival.
    """

    __slots__ = ("buys", "high", "low", "sells")

    def __init__(self) -> None:
        self.low = 0
        self.high = 0
        self.buys: SortedList[tuple[int, int, Order]] = SortedList()
        self.sells: SortedList[tuple[int, int, Order]] = SortedList()

    def __iter__(self) -> Iterator[Order]:
        for _, _, order in self.buys:
            yield order
        for _, _, order in self.sells:
            yield order

    def add(self, order: Order) -> None:
        """Let a stop wait."""
        if order.side == BUY:
            self.buys.add((order.stop_price_ticks, order.arrival, order))
        else:
            self.sells.add((-order.stop_price_ticks, order.arrival, order))

    def remove(self, order: Order) -> None:
        """Take a stop out, triggered or not."""
        if order.side == BUY:
            self.buys.remove((order.stop_price_ticks, order.arrival, order))
        else:
            self.sells.remove((-order.stop_price_ticks, order.arrival, order))

    def print(self, price_ticks: int) -> None:
        """Note a trade's price."""
        self.high = max(self.high, price_ticks)
        if price_ticks < self.low or self.low == 0:
            self.low = price_ticks

    def due(self) -> Order | None:
        """Return the next stop that the noted prints reached."""
        return self._first(low=self.low, high=self.high)

    def is_reached(self, price_ticks: int) -> bool:
        """Say whether a price, 0 for none, reaches any of the waiting stops."""
        return self._first(low=price_ticks, high=price_ticks) is not None

    def _first(self, *, low: int, high: int) -> Order | None:
        if high == 0:
            return None
        if self.buys and self.buys[0][0] <= high:
            return self.buys[0][2]
        if self.sells and -self.sells[0][0] >= low:
            return self.sells[0][2]
        return None

    def forget_prints(self) -> None:
        """Say that every stop has seen the noted prints."""
        self.low = self.high = 0
