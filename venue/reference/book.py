"""One instrument's order book: price levels, each a queue in time order.

Queues are linked lists, so that an order anywhere in one leaves it at once and their order is
explicit. Of an iceberg only the present tranche counts in a level's ``shown_lots``.
"""

from __future__ import annotations

from collections.abc import Iterator

from sortedcontainers import SortedList

from venue.reference.orders import Order
from venue.reference.values import BUY, SELL


class Level:
    """The queue at one price, first to trade at ``head``."""

    __slots__ = ("head", "orders", "price_ticks", "shown_lots", "tail")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.shown_lots = 0
        self.orders = 0
        self.head: Order | None = None
        self.tail: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        order = self.head
        while order is not None:
            yield order
            order = order.next


class BookSide:
    """All levels of one side, best first by ``best`` and iteration."""

    __slots__ = ("best", "instrument_number", "is_buy", "levels", "prices", "side")

    def __init__(self, side: int, instrument_number: int) -> None:
        self.side = side
        self.is_buy = side == BUY
        self.instrument_number = instrument_number
        self.levels: dict[int, Level] = {}
        self.prices: SortedList[int] = SortedList()
        self.best: Level | None = None

    def __iter__(self) -> Iterator[Level]:
        for price_ticks in reversed(self.prices) if self.is_buy else self.prices:
            yield self.levels[price_ticks]

    def append(self, order: Order) -> None:
        """Put an order at the back of its price's queue, showing its tranche."""
        price_ticks = order.price_ticks
        level = self.levels.get(price_ticks)
        if level is None:
            level = self.levels[price_ticks] = Level(price_ticks)
            self.prices.add(price_ticks)
            best = self.best
            if best is None or (
                price_ticks > best.price_ticks if self.is_buy else price_ticks < best.price_ticks
            ):
                self.best = level
        shown = order.leaves_lots
        if 0 < order.display_lots < shown:
            shown = order.display_lots
        order.shown_lots = shown
        order.level = level
        order.previous = tail = level.tail
        order.next = None
        if tail is None:
            level.head = order
        else:
            tail.next = order
        level.tail = order
        level.shown_lots += shown
        level.orders += 1

    def remove(self, order: Order) -> None:
        """Take an order out of its queue, and the level out of the book when it was the last."""
        level = order.level
        assert level is not None, order.order_id
        before, after = order.previous, order.next
        if before is None:
            level.head = after
        else:
            before.next = after
        if after is None:
            level.tail = before
        else:
            after.previous = before
        order.level = order.previous = order.next = None
        level.shown_lots -= order.shown_lots
        level.orders -= 1
        order.shown_lots = 0
        if level.head is None:
            self._drop(level)

    def _drop(self, level: Level) -> None:
        del self.levels[level.price_ticks]
        prices = self.prices
        prices.remove(level.price_ticks)
        if level is self.best:
            if prices:
                self.best = self.levels[prices[-1] if self.is_buy else prices[0]]
            else:
                self.best = None

    def reduce(self, order: Order, lots: int) -> None:
        """Take ``lots`` off a resting order, from what is hidden first; it keeps its place.

        At least one lot stays: an order at zero is removed instead.
        """
        level = order.level
        assert level is not None, order.order_id
        assert 0 <= lots < order.leaves_lots, (order.order_id, lots)
        order.leaves_lots -= lots
        if order.shown_lots > order.leaves_lots:
            level.shown_lots -= order.shown_lots - order.leaves_lots
            order.shown_lots = order.leaves_lots

    def take(self, order: Order, lots: int) -> None:
        """Trade ``lots`` of a resting order's shown quantity.

        A tranche that is used up is replaced at the back of the queue; an order that is used up
        leaves the book.
        """
        level = order.level
        assert level is not None, order.order_id
        order.leaves_lots -= lots
        order.shown_lots -= lots
        level.shown_lots -= lots
        if order.shown_lots == 0:
            self.remove(order)
            if order.leaves_lots:
                self.append(order)


class Book:
    """Both sides of one instrument."""

    __slots__ = ("asks", "bids", "sequence")

    def __init__(self, instrument_number: int) -> None:
        self.bids = BookSide(BUY, instrument_number)
        self.asks = BookSide(SELL, instrument_number)
        self.sequence = 0

    def side(self, side: int) -> BookSide:
        """Return the side where orders of ``side`` rest."""
        return self.bids if side == BUY else self.asks

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid reaches the best ask."""
        bid, ask = self.bids.best, self.asks.best
        return bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks
