"""What is stored, read: every answer as of one position, which it says.

Trades are found by their id. A time is found by the candle of its second, which knows its first
trade, so nothing is indexed twice.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import structlog

from runtime.postgres import FAILURES, Connection, is_outage
from services.market_data import database
from services.market_data.candles import COLUMNS, Candle
from services.market_data.errors import HistoryAwayError
from services.market_data.intervals import FINEST, INTERVALS, MINUTE, Interval
from services.market_data.market import HISTORY_MS, TRADES_KEPT, Past
from services.market_data.rolling import Minute
from services.market_data.store import read_position, span_of
from services.market_data.trades import Trade

log = structlog.get_logger()

APPLICATION = "market_data history"
"""What the server shows of the connections that read."""

_TRADE: Final = ", ".join(Trade._fields)
_CANDLE: Final = ", ".join(COLUMNS)

# Names of ours are put in; what people gave is an argument.
_TRADES_FROM = f"""
    select {_TRADE} from market_data.trades
    where instrument = $1 and trade_id >= $2 and not is_busted
    order by trade_id limit $3"""  # noqa: S608

_LAST_TRADES = f"""
    select {_TRADE} from market_data.trades
    where instrument = $1 and not is_busted order by trade_id desc limit $2"""  # noqa: S608

_AGGREGATE_AT = """
    select aggregate_id from market_data.trades
    where instrument = $1 and trade_id >= $2 order by trade_id limit 1"""

_FIRST_TRADE_SINCE = """
    select first_trade from market_data.candles
    where instrument = $1 and span = $2 and opened_ms >= $3 order by opened_ms limit 1"""

_CANDLES = f"""
    select opened_ms, {_CANDLE} from market_data.candles
    where instrument = $1 and span = $2 and opened_ms between $3 and $4
    order by opened_ms"""  # noqa: S608

_CANDLE_BEFORE = f"""
    select opened_ms, {_CANDLE} from market_data.candles
    where instrument = $1 and span = $2 and opened_ms < $3
    order by opened_ms desc limit 1"""  # noqa: S608

_FIRST_OPENING = """
    select opened_ms from market_data.candles
    where instrument = $1 and span = $2 order by opened_ms limit 1"""

_FOREVER_MS: Final = 1 << 62


class Picture:
    """What is stored as of one position."""

    def __init__(self, connection: Connection, position: int) -> None:
        self.position = position
        self._connection = connection

    async def trades(self, instrument: int, first: int, count: int) -> list[Trade]:
        """Return trades from an id on."""
        return [Trade(*row) for row in await self._fetch(_TRADES_FROM, instrument, first, count)]

    async def last_trades(self, instrument: int, count: int) -> list[Trade]:
        """Return the last trades, oldest first."""
        rows = await self._fetch(_LAST_TRADES, instrument, count)
        return [Trade(*row) for row in reversed(rows)]

    async def aggregate_at(self, instrument: int, trade_id: int) -> int:
        """Return the first trade of the aggregate of the first trade from an id on.

        Where there is none it is the id itself.
        """
        found = await self._connection.fetchval(_AGGREGATE_AT, instrument, trade_id)
        return trade_id if found is None else int(found)

    async def first_trade_since(self, instrument: int, time_ms: int) -> int | None:
        """Return the first trade of the first second that is not over at a time."""
        found = await self._connection.fetchval(
            _FIRST_TRADE_SINCE, instrument, span_of(FINEST), FINEST.opening(time_ms)
        )
        return None if found is None else int(found)

    async def candles(
        self, instrument: int, interval: Interval, first_ms: int, last_ms: int
    ) -> dict[int, Candle]:
        """Return the candles that opened between two times, both included, by their opening."""
        rows = await self._fetch(_CANDLES, instrument, span_of(interval), first_ms, last_ms)
        return {row[0]: _candle(row) for row in rows}

    async def candle_before(
        self, instrument: int, interval: Interval, opened_ms: int
    ) -> tuple[int, Candle] | None:
        """Return the last candle that opened before a time, with its opening."""
        rows = await self._fetch(_CANDLE_BEFORE, instrument, span_of(interval), opened_ms)
        return (rows[0][0], _candle(rows[0])) if rows else None

    async def first_opening(self, instrument: int, interval: Interval) -> int | None:
        """Return when the first candle opened."""
        found = await self._connection.fetchval(_FIRST_OPENING, instrument, span_of(interval))
        return None if found is None else int(found)

    async def past(self, instrument: int, now_ms: int) -> Past | None:
        """Return what a market begins with; None where nothing was traded."""
        latest = {}
        for name, interval in INTERVALS.items():
            found = await self.candle_before(instrument, interval, _FOREVER_MS)
            if found is None:
                return None
            latest[name] = found
        begin_ms = MINUTE.opening(now_ms - HISTORY_MS)
        before = await self.candle_before(instrument, MINUTE, begin_ms)
        minutes = await self.candles(instrument, MINUTE, begin_ms, _FOREVER_MS)
        return Past(
            trades=await self.last_trades(instrument, TRADES_KEPT),
            minutes=[Minute(opened_ms, candle) for opened_ms, candle in minutes.items()],
            latest=latest,
            close_before=0 if before is None else before[1].close,
        )

    async def _fetch(self, query: str, *arguments: int) -> Sequence[asyncpg.Record]:
        return await self._connection.fetch(query, *arguments)


def _candle(row: asyncpg.Record) -> Candle:
    return Candle(map(int, row[1:]))


class History:
    """The database, for reading, through a few connections."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, seconds_max: float) -> None:
        self._pool = pool
        self._seconds_max = seconds_max

    @asynccontextmanager
    async def picture(self) -> AsyncIterator[Picture]:
        """Look at what is stored at one moment.

        Raises:
            HistoryAwayError: the database is away, or too busy.
        """
        try:
            async with (
                self._pool.acquire(timeout=self._seconds_max) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                position = await read_position(connection)  # type: ignore[arg-type]  # a proxy
                yield Picture(connection, position.number)  # type: ignore[arg-type]  # a proxy
        except FAILURES as error:
            if isinstance(error, asyncpg.QueryCanceledError) or is_outage(error):
                log.warning("history_away", error=f"{type(error).__name__}: {error}")
                raise HistoryAwayError(str(error)) from error
            raise


@asynccontextmanager
async def history(dsn: str, *, connections: int, seconds_max: float) -> AsyncIterator[History]:
    """Open the way to the database; it connects when it is first needed.

    Args:
        dsn: as asyncpg reads it.
        connections: at most, so many questions are answered at once.
        seconds_max: for a question, waiting for a connection not counted.
    """
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=connections,
        command_timeout=seconds_max,
        timeout=seconds_max,
        server_settings={"application_name": APPLICATION, "role": database.ROLE, "jit": "off"},
    )
    async with pool:
        yield History(pool, seconds_max=seconds_max)
