"""From the feed into the database, exactly once: trades, candles and the position together.

The reader takes events and prepares a batch while the writer stores the one before. Whatever
fails, the way on is the same: connect, take the lock, and see from the stored position whether
the last commit came through. Nothing is remembered that is not in the database, so a restart
needs nothing but its position.
"""

import asyncio
import time

import asyncpg
import structlog

from messages.trading import events as e
from runtime.postgres import FAILURES, Connection, connect, drop, is_outage
from services.market_data import database, store
from services.market_data.candles import Gathering
from services.market_data.errors import (
    DatabaseError,
    DatabaseRefusedError,
    PositionMovedError,
    RecorderBusyError,
)
from services.market_data.metrics import MarketDataMetrics
from services.market_data.ports import EventBatch, EventFeed, FeedFactory
from services.market_data.records import Handler, read_change, read_trade, walk
from services.market_data.settings import RecorderSettings
from services.market_data.trades import Numbering

log = structlog.get_logger()

APPLICATION = "market_data recorder"
"""What the server shows of the connection that writes."""

_LOGIN_CLASSES = ("28", "3D")
"""Refused passwords and rights to connect; databases that do not exist."""


class Recorder:
    """Records one feed until asked to stop."""

    def __init__(
        self, settings: RecorderSettings, make_feed: FeedFactory, metrics: MarketDataMetrics
    ) -> None:
        """Describe it; nothing happens before ``run()``."""
        self.stored = -1
        """The last event whose trades are in the database, as far as we know; -1: unknown."""
        self._settings = settings
        self._make_feed = make_feed
        self._metrics = metrics
        self._connection: Connection | None = None
        self._store = store.Store()
        self._numbering = Numbering()
        self._read = 0
        """The last event taken from the feed."""
        self._seen = 0
        """What was read when the writer looked last."""
        self._pending = store.Batch()
        self._is_full = asyncio.Event()
        self._has_room = asyncio.Event()
        self._moved = asyncio.Condition()
        self._handlers: dict[int, Handler] = {
            e.TradeExecuted.KIND: self._traded,
            e.TradeBusted.KIND: self._changed,
            e.TradeCorrected.KIND: self._changed,
        }

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._connection is not None and not self._connection.is_closed()

    async def wait_stored(self, number: int) -> None:
        """Wait until an event's trades are in the database, however long it takes."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.stored >= number)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until asked to stop, and store what was read by then.

        Raises:
            MarketDataError: nothing that waiting would mend.
            Exception: what the feed raises.
        """
        try:
            kept = await self._begin(stop)
            if kept is None:
                return
            self._read = kept.number
            self._pending = store.Batch(through=kept.number)
            await self._note_stored(kept.number)
            log.info("recorder_started", after=kept.number)
            feed = self._make_feed(kept.venue)
            reading = asyncio.create_task(self._take_all(feed, stop), name="recorder.reading")
            try:
                await self._store_all(feed, stop, reading)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            log.info("recorder_stopped", through=self.stored)
        finally:
            self._disconnect()

    # --- the feed ---

    async def _take_all(self, feed: EventFeed, stop: asyncio.Event) -> None:
        async for batch in feed.read(self._read, stop):
            self._take(batch)
            if len(self._pending.trades) >= self._settings.commit_trades_max:
                self._has_room.clear()
                self._is_full.set()
                await self._has_room.wait()
            else:
                # History comes without a pause; who follows us has a turn in between.
                await asyncio.sleep(0)

    def _take(self, batch: EventBatch) -> None:
        pending = self._pending
        self._read, time_ns = walk(
            batch.data,
            self._read + 1,
            self._handlers,
            command_ended=self._numbering.command_ended,
        )
        pending.through = self._read
        pending.time_ns = time_ns or pending.time_ns

    def _traded(self, data: bytes, offset: int) -> None:
        seen = read_trade(data, offset)
        if seen.is_negotiated:
            return  # it passed by the book
        pending = self._pending
        pending.trades.append(self._numbering.row(seen))
        if not pending.gatherings[-1].takes(seen):
            pending.gatherings.append(Gathering())
            assert pending.gatherings[-1].takes(seen), "one trade fits"

    def _changed(self, data: bytes, offset: int) -> None:
        self._pending.changes.append(read_change(data, offset))

    # --- the database ---

    async def _store_all(
        self, feed: EventFeed, stop: asyncio.Event, reading: "asyncio.Task[None]"
    ) -> None:
        """Store what is pending, at its pace, until the reader is done and all is stored."""
        stored_at = -self._settings.position_seconds
        while True:
            is_done, pending = reading.done(), self._pending
            if is_done:
                # Where reading failed, what is pending may end within a batch of events, beyond
                # the position that it would be stored with: it is read again at the next start.
                reading.result()
            if pending.through > self.stored and (is_done or self._is_due(pending, stored_at)):
                self._pending = store.Batch(through=pending.through, time_ns=pending.time_ns)
                self._is_full.clear()
                self._has_room.set()
                await self._store_batch(pending, feed, stop)
                stored_at = time.monotonic()
                if self.stored < pending.through:
                    return  # stopped while the database was away
            elif is_done:
                return
            else:
                await self._rest(reading)

    def _is_due(self, pending: store.Batch, stored_at: float) -> bool:
        """Say whether to store now: what is full, or has waited long enough.

        While events keep coming there is more time, for few large transactions cost less.
        """
        settings, seen = self._settings, self._seen
        self._seen = pending.through
        if pending.is_empty:
            pace = settings.position_seconds
        else:
            is_quiet = seen == pending.through
            pace = settings.commit_seconds if is_quiet else settings.commit_seconds_max
        return self._is_full.is_set() or time.monotonic() - stored_at >= pace

    async def _rest(self, reading: "asyncio.Task[None]") -> None:
        full = asyncio.create_task(self._is_full.wait(), name="recorder.full")
        await asyncio.wait(
            {full, reading},
            timeout=self._settings.commit_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        full.cancel()

    async def _store_batch(self, batch: store.Batch, feed: EventFeed, stop: asyncio.Event) -> None:
        """Store a batch, however often it takes; not at all when stopped meanwhile."""
        pause = self._settings.pause_seconds_first
        while self.stored < batch.through:
            try:
                await self._reach(stop, through=batch.through)
                if self.stored < batch.through:
                    await self._transact(batch, feed)
            except FAILURES as error:
                self._disconnect()
                self._judge(error, pause)
                await _wait(stop, pause)
                if stop.is_set():
                    return  # it is read again at the next start
                pause = min(2 * pause, self._settings.pause_seconds_last)

    async def _transact(self, batch: store.Batch, feed: EventFeed) -> None:
        assert self._connection is not None
        assert feed.venue is not None, "the feed yielded events of no venue"
        rebuilt = await self._store.store(
            self._connection, batch, venue=feed.venue, after=self.stored
        )
        self._metrics.trades.inc(len(batch.trades))
        self._metrics.rebuilt.inc(rebuilt)
        await self._note_stored(batch.through)

    async def _note_stored(self, number: int) -> None:
        self.stored = number
        self._metrics.stored.set(number)
        async with self._moved:
            self._moved.notify_all()

    async def _begin(self, stop: asyncio.Event) -> store.Position | None:
        pause = self._settings.pause_seconds_first
        while not stop.is_set():
            try:
                return await store.load(await self._open(stop))
            except FAILURES as error:
                self._disconnect()
                self._judge(error, pause)
                await _wait(stop, pause)
                pause = min(2 * pause, self._settings.pause_seconds_last)
        return None

    async def _reach(self, stop: asyncio.Event, *, through: int) -> None:
        """Be connected, and know whether the transaction in hand came through before."""
        if self.is_connected:
            return
        if stop.is_set():
            raise TimeoutError("asked to stop while PostgreSQL is away")
        stored = (await store.read_position(await self._open(stop))).number
        if stored not in (self.stored, through):
            raise PositionMovedError(
                f"the database stands at event {stored}; we left it at {self.stored},"
                f" or {through} if our last commit came through"
            )
        if stored == through:
            await self._note_stored(stored)

    async def _open(self, stop: asyncio.Event) -> Connection:
        settings = self._settings
        self._connection = connection = await connect(
            settings.dsn, application=APPLICATION, seconds_max=settings.connect_seconds_max
        )
        await database.check(connection)
        await connection.execute(f"set role {database.ROLE}")
        deadline = time.monotonic() + settings.takeover_seconds_max
        while not await store.try_lock(connection):
            if time.monotonic() > deadline:
                raise RecorderBusyError("another market data process records into this database")
            await _wait(stop, settings.pause_seconds_first)
            if stop.is_set():
                raise TimeoutError("asked to stop while another process has the lock")
        self._metrics.connected.set(1)
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)
        self._metrics.connected.set(0)

    def _judge(self, error: Exception, pause: float) -> None:
        """Note an outage; raise what is none."""
        if is_outage(error):
            self._metrics.outages.inc()
            log.warning(
                "postgres_away",
                error=f"{type(error).__name__}: {error}",
                through=self.stored,
                pause_seconds=pause,
            )
            return
        if not isinstance(error, asyncpg.PostgresError):
            raise error
        state = str(getattr(error, "sqlstate", ""))
        if state[:2] in _LOGIN_CLASSES:
            raise DatabaseError(f"the database does not let us in: {error}") from error
        raise DatabaseRefusedError(
            f"after event {self.stored} the database refused: {error} ({state})"
        ) from error


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
