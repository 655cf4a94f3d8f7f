"""From the feed into the database, exactly once: trades, candles and the position together.

The reader takes events and prepares a batch while the writer stores the one before. Whatever
fails, the way on is the same: connect, take the lock, and see from the stored position whether
the last commit came through. Nothing is remembered that is not in the database, so a restart
needs nothing but its position.
"""

import asyncio
import time

import structlog

from runtime.postgres import Connection
from runtime.sole_writer import Faults, SoleWriter, Terms
from services.market_data import database, store
from services.market_data.errors import (
    DatabaseError,
    DatabaseRefusedError,
    PositionMovedError,
    RecorderBusyError,
)
from services.market_data.intake import Intake
from services.market_data.metrics import MarketDataMetrics
from services.market_data.ports import EventFeed, FeedFactory
from services.market_data.settings import RecorderSettings

log = structlog.get_logger()

APPLICATION = "market_data recorder"
"""What the server shows of the connection that writes."""

_FAULTS = Faults(
    moved=PositionMovedError,
    refused=DatabaseRefusedError,
    busy=RecorderBusyError,
    login=DatabaseError,
)


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
        terms = Terms(
            application=APPLICATION,
            role=database.ROLE,
            lock=store.LOCK,
            check=database.check,
            faults=_FAULTS,
            connected=metrics.connected,
            outages=metrics.outages,
        )
        self._writer = SoleWriter(settings, terms)
        self._store = store.Store()
        self._intake = Intake(0)
        self._seen = 0
        """What was read when the writer looked last."""
        self._is_full = asyncio.Event()
        self._has_room = asyncio.Event()
        self._moved = asyncio.Condition()

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._writer.is_connected

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
            self._intake = Intake(kept.number)
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
            self._writer.disconnect()

    # --- the feed ---

    async def _take_all(self, feed: EventFeed, stop: asyncio.Event) -> None:
        intake = self._intake
        async for batch in feed.read(intake.through, stop):
            intake.take(batch)
            if len(intake.pending.trades) >= self._settings.commit_trades_max:
                self._has_room.clear()
                self._is_full.set()
                await self._has_room.wait()
            else:
                # History comes without a pause; who follows us has a turn in between.
                await asyncio.sleep(0)

    # --- the database ---

    async def _store_all(
        self, feed: EventFeed, stop: asyncio.Event, reading: "asyncio.Task[None]"
    ) -> None:
        """Store what is pending, at its pace, until the reader is done and all is stored."""
        stored_at = -self._settings.position_seconds
        while True:
            is_done, pending = reading.done(), self._intake.pending
            if is_done:
                # Where reading failed, what is pending may end within a batch of events, beyond
                # the position that it would be stored with: it is read again at the next start.
                reading.result()
            if pending.through > self.stored and (is_done or self._is_due(pending, stored_at)):
                batch = self._intake.hand_over()
                self._is_full.clear()
                self._has_room.set()
                await self._store_batch(batch, feed, stop)
                stored_at = time.monotonic()
                if self.stored < batch.through:
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
        """Store a batch, however often it takes; not at all when stopped meanwhile.

        What is not stored then is read again at the next start.
        """

        async def act() -> None:
            stored = await self._writer.resume(
                _stored_event, stop, left_at=self.stored, through=batch.through
            )
            if stored == batch.through:
                await self._note_stored(stored)
            else:
                await self._transact(batch, feed)

        await self._writer.persist(act, stop, through=self.stored)

    async def _transact(self, batch: store.Batch, feed: EventFeed) -> None:
        assert feed.venue is not None, "the feed yielded events of no venue"
        rebuilt = await self._store.store(
            self._writer.connection, batch, venue=feed.venue, after=self.stored
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
        async def act() -> store.Position:
            return await store.load(await self._writer.open(stop))

        return await self._writer.persist(act, stop, through=self.stored)


async def _stored_event(connection: Connection) -> int:
    return (await store.read_position(connection)).number
