"""One market's price levels, as the public may see them, and which of them have changed."""

from collections.abc import Iterable, Iterator
from typing import Self

from sortedcontainers import SortedList

from messages.trading.answers import RestingOrder
from messages.trading.terms import Side
from services.market_data.errors import BookGapError
from services.market_data.records import SeenLevel

Key = tuple[int, int]
"""Side and price in ticks."""


class Book:
    """Levels of one instrument, kept by what ``BookLevelChanged`` says.

    Changes come in batches and count with ``settle``: a level that comes and goes within one is
    neither sorted in nor told of.
    """

    def __init__(self, instrument: int) -> None:
        """Begin empty."""
        self.instrument = instrument
        self.sequence = 0
        self.texts: dict[Key, tuple[str, str]] = {}
        """What has been written of levels; gone when the level changes."""
        self._lots: dict[Key, int] = {}
        self._prices: dict[int, SortedList[int]] = {Side.BUY: SortedList(), Side.SELL: SortedList()}
        self._coming: dict[Key, int] = {}
        """What levels are to show with ``settle``."""
        self._watches: list[set[Key]] = []

    @classmethod
    def restored(cls, instrument: int, sequence: int, orders: Iterable[RestingOrder]) -> Self:
        """Make the engine's book again."""
        book = cls(instrument)
        book.sequence = sequence
        for order in orders:
            key = (order.side, order.price_ticks)
            book._coming[key] = book._coming.get(key, 0) + order.shown_lots
        book.settle()
        return book

    def watch(self) -> set[Key]:
        """Return a set that is told of every level that changes; its owner empties it."""
        watch: set[Key] = set()
        self._watches.append(watch)
        return watch

    def change(self, level: SeenLevel) -> None:
        """Take a level's new state, which is to be seen after ``settle``.

        Raises:
            BookGapError: a change of this book is missing.
        """
        _, _, side, sequence, price_ticks, lots = level
        if sequence != self.sequence + 1:
            raise BookGapError(
                f"instrument {self.instrument}: book sequence {sequence} after {self.sequence}"
            )
        self.sequence = sequence
        self._coming[side, price_ticks] = lots

    def settle(self) -> None:
        """Let what was taken be seen."""
        known = self._lots
        changed = {key: lots for key, lots in self._coming.items() if lots != known.get(key, 0)}
        self._coming.clear()
        for key, lots in changed.items():
            self.texts.pop(key, None)
            side, price_ticks = key
            if lots == 0:
                del known[key]
                self._prices[side].remove(price_ticks)
                continue
            if key not in known:
                self._prices[side].add(price_ticks)
            known[key] = lots
        for watch in self._watches:
            watch.update(changed)

    def lots(self, key: Key) -> int:
        """Return what a level shows; zero where there is none."""
        return self._lots.get(key, 0)

    def top(self, side: int) -> Key | None:
        """Return a side's best level; None where there is none."""
        prices = self._prices[side]
        return (side, prices[-1 if side == Side.BUY else 0]) if prices else None

    def best(self, side: int, count: int) -> Iterator[Key]:
        """Yield a side's best levels, the best first."""
        prices = self._prices[side]
        size = min(count, len(prices))
        for price_ticks in prices[: -size - 1 : -1] if side == Side.BUY else prices[:size]:
            yield side, price_ticks
