"""One market's price levels, as the public may see them, and which of them have changed."""

from collections.abc import Iterable, Iterator
from typing import Self

from sortedcontainers import SortedDict

from messages.trading.answers import RestingOrder
from messages.trading.terms import Side
from services.market_data.errors import BookGapError
from services.market_data.records import SeenLevel

Key = tuple[int, int]
"""Side and price in ticks."""


class Book:
    """Levels of one instrument, kept by what ``BookLevelChanged`` says."""

    def __init__(self, instrument: int) -> None:
        """Begin empty."""
        self.instrument = instrument
        self.sequence = 0
        self.time_ns = 0
        """The stamp of the last change."""
        self._bids: SortedDict[int, int] = SortedDict()
        """Lots by negative price, so that both sides have their best first."""
        self._asks: SortedDict[int, int] = SortedDict()
        self._watches: list[set[Key]] = []

    @classmethod
    def restored(cls, instrument: int, sequence: int, orders: Iterable[RestingOrder]) -> Self:
        """Make the engine's book again."""
        book = cls(instrument)
        book.sequence = sequence
        for order in orders:
            levels, key = book._place(order.side, order.price_ticks)
            levels[key] = levels.get(key, 0) + order.shown_lots
        return book

    def watch(self) -> set[Key]:
        """Return a set that is told of every level that changes; its owner empties it."""
        watch: set[Key] = set()
        self._watches.append(watch)
        return watch

    def change(self, level: SeenLevel) -> None:
        """Take a level's new state.

        Raises:
            BookGapError: a change of this book is missing.
        """
        if level.book_sequence != self.sequence + 1:
            raise BookGapError(
                f"instrument {self.instrument}: book sequence {level.book_sequence}"
                f" after {self.sequence}"
            )
        self.sequence, self.time_ns = level.book_sequence, level.time_ns
        levels, key = self._place(level.side, level.price_ticks)
        if level.quantity_lots:
            levels[key] = level.quantity_lots
        else:
            levels.pop(key, None)
        for watch in self._watches:
            watch.add((level.side, level.price_ticks))

    def lots(self, key: Key) -> int:
        """Return what a level shows; zero where there is none."""
        levels, place = self._place(*key)
        return int(levels.get(place, 0))

    def best(self, side: int, count: int) -> Iterator[tuple[int, int]]:
        """Yield a side's best levels, the best first: price in ticks, and lots."""
        levels = self._bids if side == Side.BUY else self._asks
        sign = -1 if side == Side.BUY else 1
        for key, lots in zip(levels.islice(0, count), levels.values(), strict=False):
            yield sign * key, lots

    def _place(self, side: int, price_ticks: int) -> "tuple[SortedDict[int, int], int]":
        if side == Side.BUY:
            return self._bids, -price_ticks
        return self._asks, price_ticks
