"""What market data keeps in PostgreSQL: trades, candles, and its position, written together."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from runtime.postgres import Connection
from services.market_data.candles import COLUMNS, CandlesByKey, Gathering
from services.market_data.errors import PositionMovedError
from services.market_data.intervals import INTERVALS, Interval
from services.market_data.rebuilding import rebuild
from services.market_data.records import NANOSECONDS_PER_MS, SeenChange
from services.market_data.trades import Row, Trade

LOCK: Final = (0x52494C54, 200)
"""Our advisory lock: the space that settlement has its own in, and a place far from those."""

_MONTH: Final = INTERVALS["1M"]

_SUMS: Final = ("lots", "quote_atoms", "trades", "taker_bought_lots", "taker_bought_atoms")

_ADD = f"""
    insert into market_data.candles as stored (instrument, span, opened_ms, {", ".join(COLUMNS)})
    select instrument, $1::integer, opened_ms, {", ".join(COLUMNS)}
    from unnest($2::bigint[], $3::bigint[], {
    ", ".join(f"${at}::bigint[]" for at in range(4, 4 + len(COLUMNS)))
}) as new (instrument, opened_ms, {", ".join(COLUMNS)})
    on conflict (instrument, span, opened_ms) do update set
        high = greatest(stored.high, excluded.high),
        low = least(stored.low, excluded.low),
        close = excluded.close,
        last_trade = excluded.last_trade,
        {", ".join(f"{name} = stored.{name} + excluded.{name}" for name in _SUMS)}"""  # noqa: S608

_TRADE_COLUMNS: Final = Trade._fields
_TIME_NS: Final = _TRADE_COLUMNS.index("time_ns")


class Position(NamedTuple):
    """How far the events were recorded, and of which venue they are."""

    venue: bytes | None
    number: int


@dataclass(slots=True)
class Batch:
    """What is to be stored of the events from one position to the next."""

    through: int = 0
    time_ns: int = 0
    trades: list[Row] = field(default_factory=list)
    gatherings: list[Gathering] = field(default_factory=lambda: [Gathering()])
    """The trades as candles, in as many steps as their sums need."""
    changes: list[SeenChange] = field(default_factory=list)
    """Busts and corrections, of trades before and in this batch."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the position would move."""
        return not self.trades and not self.changes


async def read_position(connection: Connection) -> Position:
    """Return the position; the beginning when there is none."""
    row = await connection.fetchrow("select venue, event_number from market_data.position")
    if row is None:
        return Position(None, 0)
    return Position(None if row["venue"] is None else row["venue"].bytes, row["event_number"])


async def load(connection: Connection) -> Position:
    """Read the position, making its row when there is none."""
    await connection.execute(
        "insert into market_data.position (single, event_number, time_ns)"
        " values (true, 0, 0) on conflict do nothing"
    )
    return await read_position(connection)


class Store:
    """Writes batches over one connection after another."""

    def __init__(self) -> None:
        self._provided: set[int] = set()
        """Months whose parts of the tables are there."""

    async def store(self, connection: Connection, batch: Batch, *, venue: bytes, after: int) -> int:
        """Add a batch that follows event ``after``, and move on, all or nothing.

        Returns:
            How many candles were made again.

        Raises:
            PositionMovedError: the stored position is not ``after``.
        """
        candles = [(name, each) for g in batch.gatherings for name, each in g.candles() if each]
        months = _months(batch.trades, candles) - self._provided
        rebuilt = 0
        async with connection.transaction():
            await _move(connection, batch, venue=venue, after=after)
            for month in sorted(months):
                await _provide(connection, month)
            if batch.trades:
                await connection.copy_records_to_table(
                    "trades",
                    schema_name="market_data",
                    columns=_TRADE_COLUMNS,
                    records=batch.trades,
                )
            for name, each in candles:
                await _add(connection, INTERVALS[name], each)
            for change in batch.changes:
                rebuilt += await rebuild(connection, change)
        self._provided |= months
        return rebuilt


async def _move(connection: Connection, batch: Batch, *, venue: bytes, after: int) -> None:
    moved = await connection.execute(
        "update market_data.position set event_number = $1, time_ns = $2, venue = $3"
        " where event_number = $4 and (venue is null or venue = $3)",
        batch.through,
        batch.time_ns,
        uuid.UUID(bytes=venue),
        after,
    )
    if moved != "UPDATE 1":
        raise PositionMovedError(
            f"the position is no longer event {after} of venue {venue.hex()}, and we hold the lock"
        )


def _months(trades: Sequence[Row], candles: Iterable[tuple[str, CandlesByKey]]) -> set[int]:
    """Return when the months open that the rows belong to."""
    opening = _MONTH.opening
    first_last = (trades[0], trades[-1]) if trades else ()
    times = chain(
        (each[_TIME_NS] // NANOSECONDS_PER_MS for each in first_last),
        # A week or three days may have opened in the month before.
        (key.opened_ms for name, each in candles if name not in _FINE for key in each),
    )
    found = {opening(time_ms) for time_ms in times}
    return set(_MONTH.openings(min(found), max(found))) if found else set()


_FINE: Final = frozenset(name for name in INTERVALS if name not in ("1d", "3d", "1w", "1M"))
"""Intervals whose candles are in no other month than their trades."""


async def _provide(connection: Connection, month_ms: int) -> None:
    end_ms = _MONTH.next_opening(month_ms)
    part = await connection.fetchval(
        "select to_char(to_timestamp($1::bigint / 1000) at time zone 'utc', 'YYYY_MM')", month_ms
    )
    await connection.execute("select market_data.provide($1, $2, $3)", part, month_ms, end_ms)


async def _add(connection: Connection, interval: Interval, candles: CandlesByKey) -> None:
    columns = zip(*(candle.numbers() for candle in candles.values()), strict=True)
    await connection.execute(
        _ADD,
        span_of(interval),
        [key.instrument for key in candles],
        [key.opened_ms for key in candles],
        *map(list, columns),
    )


def span_of(interval: Interval) -> int:
    """Return what stands for an interval in the table: its seconds."""
    return interval.span_ms // 1000
