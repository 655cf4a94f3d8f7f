"""Trades as they are stored and told, and how trades of one order become one aggregate. Pure.

An **aggregate** is all trades, one right after the other in a market, that one incoming order made
at one price with one command: same taker order, same side, same price. It is called by the id of
its first trade, so nothing counts aggregates and every process calls them the same.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from messages.trading.terms import Side
from services.market_data.records import NANOSECONDS_PER_MS, SeenTrade


class Trade(NamedTuple):
    """A trade of the book, as the public may see it."""

    instrument: int
    trade_id: int
    time_ns: int
    price_ticks: int
    lots: int
    quote_atoms: int
    taker_side: int
    is_auction: bool
    """Two resting orders met: the taker is the later one."""
    aggregate_id: int
    """The first trade of what one order did at one price; not what it is called after a bust."""

    @property
    def time_ms(self) -> int:
        """When it was, in milliseconds, rounded down."""
        return self.time_ns // NANOSECONDS_PER_MS

    @property
    def buyer_is_maker(self) -> bool:
        """Whether the seller came in."""
        return self.taker_side == Side.SELL


Row = tuple[int, int, int, int, int, int, int, bool, int]
"""The columns of a trade, in their order."""


class Aggregate(NamedTuple):
    """Trades of one incoming order at one price; ``first`` is its name."""

    first: int
    last: int
    time_ns: int
    price_ticks: int
    lots: int
    taker_side: int


class Numbering:
    """Finds the aggregate that a trade belongs to, as trades come."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[int, int, int, int]] = {}
        """By instrument: command, order, price and aggregate of the last trade."""

    def trade(self, seen: SeenTrade) -> Trade:
        """Give a trade its aggregate."""
        return Trade._make(self.row(seen))

    def row(self, seen: SeenTrade) -> Row:
        """Give a trade its aggregate; return its columns alone.

        A plain tuple of numbers is nothing to the garbage collector, unlike a ``Trade``: of a
        long history that is a third of the time.
        """
        _, command, time_ns, instrument, side, is_auction, _, number, price, lots, atoms, order = (
            seen
        )
        running = self._running.get(instrument)
        if running is not None and running[:3] == (command, order, price):
            aggregate = running[3]
        else:
            aggregate = number
            self._running[instrument] = (command, order, price, aggregate)
        return instrument, number, time_ns, price, lots, atoms, side, bool(is_auction), aggregate


class Joining:
    """Puts one market's trades together to aggregates, as the trades come in order.

    A corrected trade has another price than its neighbours and stands alone; so do the two sides
    of it.
    """

    def __init__(self) -> None:
        self._present: Aggregate | None = None
        self._of = 0

    def add(self, trades: Iterable[Trade]) -> Iterator[Aggregate]:
        """Take trades, and yield the aggregates that are complete by then."""
        for trade in trades:
            present = self._present
            if (
                present is not None
                and self._of == trade.aggregate_id
                and present.price_ticks == trade.price_ticks
            ):
                lots = present.lots + trade.lots
                self._present = present._replace(last=trade.trade_id, lots=lots)
                continue
            self._of = trade.aggregate_id
            self._present = Aggregate(
                trade.trade_id,
                trade.trade_id,
                trade.time_ns,
                trade.price_ticks,
                trade.lots,
                trade.taker_side,
            )
            if present is not None:
                yield present

    def end(self) -> Iterator[Aggregate]:
        """Yield the last aggregate, if there is one: nothing more comes."""
        if self._present is not None:
            yield self._present


def aggregates(trades: Iterable[Trade]) -> Iterator[Aggregate]:
    """Put one market's trades, all of them and in order, together to aggregates."""
    joining = Joining()
    yield from joining.add(trades)
    yield from joining.end()
