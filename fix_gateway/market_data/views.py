"""What subscribers see: a book cut to a depth, moment by moment, and what changed in between.

A ``View`` is shared by every subscriber that asked for the same. It knows the state that it told
last, and makes a ``Moment`` of what changed since: once for all of them. A subscriber who cannot
take every moment gets several merged into one, as if there had been no moments in between:
the states of what changed, not the changes. Whoever is too far behind begins again with the whole.
"""

import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from fix_gateway.market_data.books import Level, LevelKey, PublicBook, ShownOrder, Trade
from fix_gateway.market_data.pieces import Piece
from fix_gateway.translation.directory import Instrument
from fix_gateway.translation.parts import price, quantity
from messages.trading.terms import Side

CHECKED_LEVELS = 10

SIDES = (Side.BUY, Side.SELL)


class ViewKey(NamedTuple):
    """What makes two subscriptions one view."""

    instrument: int
    depth: int  # levels; zero for all
    is_by_order: bool
    sides: tuple[int, ...]
    has_trades: bool
    interval_ms: int


Key = TypeVar("Key")
Value = TypeVar("Value")

LevelChanges = dict[LevelKey, tuple[Level | None, Level | None]]
OrderChanges = dict[int, tuple[ShownOrder | None, ShownOrder | None]]


@dataclass(slots=True)
class Moment:
    """What changed from one told sequence to the next: before and after, by level or order."""

    since: int
    sequence: int
    time_ns: int
    levels: LevelChanges
    orders: OrderChanges
    trades: list[Trade]
    checksum: int
    pieces: list[Piece] = field(default_factory=list)
    """The encoded update, made for the first who gets it."""

    @property
    def is_empty(self) -> bool:
        """Whether everything that changed has changed back."""
        return not (self.levels or self.orders or self.trades)


class View:
    """One way to see a book."""

    def __init__(
        self,
        key: ViewKey,
        book: PublicBook,
        *,
        moments_max: int,
        trades_max: int,
        unit: Instrument,
    ) -> None:
        """Begin with the book as it is.

        Args:
            key: what is seen of it.
            book: kept by the feed.
            moments_max: how many moments a subscriber may be behind.
            trades_max: trades that are kept for those who are behind.
            unit: of the instrument, for prices and quantities as messages have them.
        """
        self.key = key
        self.sequence = book.sequence
        """What was told last."""
        self.time_ns = book.time_ns
        self.levels: dict[LevelKey, Level] = {}
        self.orders: dict[int, ShownOrder] = {}
        self.last_trade = book.last_trade
        self._book = book
        self.unit = unit
        self.pieces: list[Piece] = []
        """The encoded whole, made for the first who gets it."""
        self._moments: deque[Moment] = deque()
        self._moments_max = moments_max
        self._trades_max = trades_max
        self._kept_trades = 0
        self._dirty_levels: set[LevelKey] = set()
        self._dirty_orders: set[int] = set()
        self._trades: list[Trade] = []
        self._merged: dict[int, Moment] = {}
        if key.is_by_order:
            self.orders = {
                number: order for number, order in book.orders.items() if order.side in key.sides
            }
        else:
            self.levels = self._window()
        self.checksum = self._checksum()

    @property
    def is_dirty(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._dirty_levels or self._dirty_orders or self._trades)

    def note(self) -> None:
        """Take note of what the present command changed in the book."""
        book, key = self._book, self.key
        if key.has_trades:
            self._trades += book.trades
        if key.is_by_order:
            self._dirty_orders |= book.touched_orders
        elif key.sides:
            self._dirty_levels |= book.touched_levels

    def tick(self) -> Moment | None:
        """End a moment; None when nothing that is seen has changed."""
        levels, orders = self._level_changes(), self._order_changes()
        trades, self._trades = self._trades, []
        if not (levels or orders or trades):
            return None
        book = self._book
        self.checksum = self._checksum()
        self.last_trade = trades[-1] if trades else self.last_trade
        moment = Moment(
            self.sequence, book.sequence, book.time_ns, levels, orders, trades, self.checksum
        )
        self.sequence, self.time_ns = book.sequence, book.time_ns
        self._moments.append(moment)
        self._kept_trades += len(trades)
        while len(self._moments) > self._moments_max or (
            self._kept_trades > self._trades_max and len(self._moments) > 1
        ):
            self._kept_trades -= len(self._moments.popleft().trades)
        self._merged.clear()
        self.pieces = []
        return moment

    def following(self, sequence: int) -> Moment | None:
        """Return the moment after a told sequence; None for one that is too long ago."""
        for moment in reversed(self._moments):
            if moment.since == sequence:
                return moment
        return None

    def since(self, sequence: int) -> Moment | None:
        """Return all that changed since a told sequence; None for one that is too long ago."""
        last = self._moments[-1] if self._moments else None
        if last is not None and last.since == sequence:
            return last
        merged = self._merged.get(sequence)
        if merged is None:
            behind = []
            for moment in reversed(self._moments):
                behind.append(moment)
                if moment.since == sequence:
                    break
            else:
                return None
            behind.reverse()
            merged = self._merged[sequence] = merge(behind)
        return merged

    def _level_changes(self) -> LevelChanges:
        dirty = self._dirty_levels
        if not dirty:
            return {}
        self._dirty_levels = set()
        known, depth = self.levels, self.key.depth
        if depth:
            if not self._reaches(dirty):
                return {}
            now = self._window()
            keys: Iterable[LevelKey] = known.keys() | now.keys()
        else:
            now = self._book.levels
            keys = [key for key in dirty if key[0] in self.key.sides]
        changes: LevelChanges = {}
        for key in keys:
            before, after = known.get(key), now.get(key)
            if before != after:
                changes[key] = (before, after)
        if depth:
            self.levels = now
        else:
            _apply(known, changes)
        return changes

    def _order_changes(self) -> OrderChanges:
        dirty, self._dirty_orders = self._dirty_orders, set()
        known, now, sides = self.orders, self._book.orders, self.key.sides
        changes: OrderChanges = {}
        for number in dirty:
            before, after = known.get(number), now.get(number)
            if after is not None and after.side not in sides:
                continue
            if before != after:
                changes[number] = (before, after)
        _apply(known, changes)
        return changes

    def _reaches(self, dirty: set[LevelKey]) -> bool:
        """Say whether a change is within the depth, which is always so in a shorter book."""
        for side in self.key.sides:
            worst = self._book.worst_shown(side, self.key.depth)
            for changed, price_ticks in dirty:
                if changed != side:
                    continue
                if worst is None or (side, price_ticks) in self.levels:
                    return True
                if price_ticks >= worst if side == Side.BUY else price_ticks <= worst:
                    return True
        return False

    def _window(self) -> dict[LevelKey, Level]:
        return {
            (side, price_ticks): level
            for side in self.key.sides
            for price_ticks, level in self._book.best(side, self.key.depth)
        }

    def _checksum(self) -> int:
        """Sum up the best prices of what is seen: see docs/protocols/fix-market-data.md."""
        count = min(self.key.depth or CHECKED_LEVELS, CHECKED_LEVELS)
        parts, lines, unit = [], self._book.lines, self.unit
        for side in self.key.sides:
            for ticks, level in self._book.best(side, count):
                line = lines.get((side, ticks))
                if line is None:
                    size = quantity(level.lots, unit)
                    line = lines[side, ticks] = f"{price(ticks, unit)} {size} {level.orders}\n"
                parts.append(line)
        return zlib.crc32("".join(parts).encode("ascii"))


def merge(moments: list[Moment]) -> Moment:
    """Make one moment of several that follow each other."""
    levels: LevelChanges = {}
    orders: OrderChanges = {}
    trades: list[Trade] = []
    for moment in moments:
        _follow(levels, moment.levels)
        _follow(orders, moment.orders)
        trades += moment.trades
    last = moments[-1]
    return Moment(
        moments[0].since, last.sequence, last.time_ns, levels, orders, trades, last.checksum
    )


def _follow(
    changes: dict[Key, tuple[Value | None, Value | None]],
    later: dict[Key, tuple[Value | None, Value | None]],
) -> None:
    for key, (before, after) in later.items():
        first = changes[key][0] if key in changes else before
        if first == after:
            del changes[key]
        else:
            changes[key] = (first, after)


def _apply(known: dict[Key, Value], changes: dict[Key, tuple[Value | None, Value | None]]) -> None:
    for key, (_, after) in changes.items():
        if after is None:
            del known[key]
        else:
            known[key] = after
