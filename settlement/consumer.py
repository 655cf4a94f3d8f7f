"""One consumer of the events: from the feed into the database, exactly once.

The effects of a batch and the position after it commit together. Whatever fails, the way on is
the same: connect, take the consumer's lock, read the position, and see from it whether the batch
in hand was committed. There is no second recovery path.

Two things keep two writers apart. The lock (PostgreSQL's advisory lock, held by the session) makes
a successor wait until the session of its predecessor is really gone, so that the position it reads
cannot move any more. And the position is set by compare-and-set in the same transaction, so that
even a writer without the lock could commit nothing twice.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import asyncpg
import structlog

from runtime.postgres import FAILURES, Connection, connect, drop, is_outage
from settlement import database
from settlement.backlog import Backlog
from settlement.chart import Consumer
from settlement.errors import (
    ConsumerBusyError,
    EventGapError,
    ForeignVenueError,
    LedgerRefusedError,
    LoginRefusedError,
    PositionMovedError,
)
from settlement.metrics import SettlementMetrics
from settlement.ports import EventBatch, EventFeed, FeedFactory
from settlement.records import contiguous
from settlement.settings import SettlementSettings

log = structlog.get_logger()

_LITTLE = 32
"""Below this part of a full transaction it is worth waiting for more."""

_WORK_MEMORY = "64MB"
"""What a statement's new rows take that triggers look at, and their sums: beyond it they would go
to the disk and come back."""

LOCK_SPACE = 0x52494C54
"""The first key of our advisory locks; the second is the consumer's place in ``Consumer``."""

_LOGIN_CLASSES = ("28", "3D")
"""Refused passwords and rights to connect; databases that do not exist."""

Ready = TypeVar("Ready")


class Projection(Protocol[Ready]):
    """What a consumer makes of the events."""

    @property
    def consumer(self) -> Consumer:
        """Whose position it advances."""
        ...

    async def load(self, connection: Connection) -> None:
        """Read what decoding needs, as of the stored position. Called once."""
        ...

    def decode(self, batches: Sequence[EventBatch]) -> tuple[Ready, int]:
        """Make rows of batches, without the database; returns them and the last event's stamp."""
        ...

    async def write(self, connection: Connection, ready: Ready) -> None:
        """Write rows in the transaction that advances the position."""
        ...


class FeedConsumer(Generic[Ready]):
    """Runs one projection over the feed until asked to stop."""

    def __init__(
        self,
        projection: Projection[Ready],
        make_feed: FeedFactory,
        *,
        settings: SettlementSettings,
        metrics: SettlementMetrics,
    ) -> None:
        self.name = f"settlement.{projection.consumer}"
        self.position = 0
        """The last event committed, as far as we know."""
        self._projection = projection
        self._make_feed = make_feed
        self._settings = settings
        self._metrics = metrics
        self._label = str(projection.consumer)
        self._connection: Connection | None = None
        self._read_through = 0
        self._committed_at_ns = 0
        self._venue: bytes | None = None
        self._feed: EventFeed | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._connection is not None and not self._connection.is_closed()

    def standing(self) -> int | None:
        """Return where we stand; None while something that the venue has is not committed.

        Without a link nobody knows what the venue has.
        """
        last = None if self._feed is None else self._feed.last_event
        if last is None or self.position < max(last, self._read_through):
            return None
        return self.position

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until asked to stop, finishing the transaction in hand.

        PostgreSQL may be away at the start and at any time after it: this waits, and the events
        wait with the core.

        Raises:
            SettlementError: nothing that waiting would mend.
            Exception: what the feed raises.
        """
        try:
            if not await self._reach_database(stop, is_first=True):
                return
            log.info("consumer_started", consumer=self._label, after=self.position)
            backlog = Backlog(bytes_max=self._settings.pending_bytes_max)
            self._feed = feed = self._make_feed(self._venue)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._fill(backlog, feed, stop), name=f"{self.name}.feed")
                group.create_task(self._drain(backlog, feed, stop), name=self.name)
            log.info("consumer_stopped", consumer=self._label, through=self.position)
        finally:
            self._disconnect()

    # --- from the feed to the database ---

    async def _fill(self, backlog: Backlog, feed: EventFeed, stop: asyncio.Event) -> None:
        self._read_through = self.position
        try:
            async for batch in feed.read(self.position, stop):
                if batch.first != self._read_through + 1:
                    raise EventGapError(
                        f"expected event {self._read_through + 1}, found {batch.first}"
                    )
                self._read_through = batch.last
                await backlog.put(batch)
        finally:
            backlog.close()

    async def _drain(self, backlog: Backlog, feed: EventFeed, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                batches = await backlog.take(
                    events_max=self._settings.batch_events_max,
                    bytes_max=self._settings.batch_bytes_max,
                )
                if not batches:
                    return
                self._meet(feed.venue)
                await self._post(list(contiguous(batches, self.position)), stop)
                if backlog.bytes_pending < self._settings.batch_bytes_max // _LITTLE:
                    await _wait(stop, self._settings.gather_seconds)
        finally:
            # The reader may be waiting for room that nobody will make any more.
            backlog.close()

    def _meet(self, venue: bytes | None) -> None:
        assert venue is not None, "the feed yielded events of no venue"
        if self._venue is not None and self._venue != venue:
            raise ForeignVenueError(
                f"the database holds venue {self._venue.hex()}, the feed is of {venue.hex()}"
            )
        self._venue = venue

    async def _post(self, batches: list[EventBatch], stop: asyncio.Event) -> None:
        ready, time_ns = self._projection.decode(batches)
        through = batches[-1].last
        pause = self._settings.pause_seconds_first
        while self.position < through:
            if not await self._reach_database(stop, through=through):
                return
            if self.position == through:
                self._metrics.outcomes_recovered.labels(self._label).inc()
                log.info("commit_recovered", consumer=self._label, through=through)
                break
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self._settings.post_seconds_max):
                    await self._transact(ready, through=through, time_ns=time_ns)
            except FAILURES as error:
                self._disconnect()
                self._judge(error)
                self._note_outage(error, pause)
                await _wait(stop, pause)
                if stop.is_set():
                    return
                pause = min(2 * pause, self._settings.pause_seconds_last)
                continue
            except BaseException:
                # Cancelled or broken inside a transaction: it must not stay open.
                self._disconnect()
                raise
            self._metrics.post_seconds.labels(self._label).observe(time.perf_counter() - started)
            self.position = through
        self._note_posted(batches, time_ns)

    async def _transact(self, ready: Ready, *, through: int, time_ns: int) -> None:
        connection, venue = self._connection, self._venue
        assert connection is not None
        assert venue is not None
        await connection.execute("begin")
        moved = await connection.execute(
            "update settlement.positions set event_number = $1, time_ns = $2"
            " where consumer = $3 and event_number = $4",
            through,
            time_ns,
            self._label,
            self.position,
        )
        if moved != "UPDATE 1":
            raise PositionMovedError(
                f"{self._label}: the position is no longer {self.position}, and we hold the lock"
            )
        if self.position == 0:
            await database.claim(connection, venue)
        await self._projection.write(connection, ready)
        await connection.execute("commit")

    def _judge(self, error: Exception) -> None:
        if is_outage(error):
            return
        if isinstance(error, asyncpg.PostgresError):
            state = str(getattr(error, "sqlstate", ""))
            if state[:2] in _LOGIN_CLASSES:
                raise LoginRefusedError(f"the database does not let us in: {error}") from error
            raise LedgerRefusedError(
                f"{self._label}: after event {self.position} the database refused:"
                f" {error} ({state})"
            ) from error
        raise error

    # --- the connection ---

    async def _reach_database(
        self, stop: asyncio.Event, *, is_first: bool = False, through: int | None = None
    ) -> bool:
        """Be connected, with lock and position; False when asked to stop before that."""
        pause = self._settings.pause_seconds_first
        while not self.is_connected:
            if stop.is_set():
                return False
            try:
                stored = await self._open(stop, is_first=is_first)
            except FAILURES as error:
                self._disconnect()
                self._judge(error)
                self._note_outage(error, pause)
                await _wait(stop, pause)
                pause = min(2 * pause, self._settings.pause_seconds_last)
                continue
            if stored is None:
                self._disconnect()
                return False
            if not is_first and stored not in (self.position, through):
                raise PositionMovedError(
                    f"{self._label}: the database stands at event {stored}; we left it at"
                    f" {self.position}, or {through} if our last commit came through"
                )
            self.position = stored
            self._metrics.connected.labels(self._label).set(1)
            self._metrics.position.labels(self._label).set(stored)
        return True

    async def _open(self, stop: asyncio.Event, *, is_first: bool) -> int | None:
        """Connect, check, lock; returns the position, or None when asked to stop meanwhile."""
        settings = self._settings
        self._connection = connection = await connect(
            settings.dsn, application=self.name, seconds_max=settings.connect_seconds_max
        )
        async with asyncio.timeout(settings.takeover_seconds_max + settings.post_seconds_max):
            await database.check(connection)
            await connection.execute(f"set role {database.APPLICATION_ROLE}")
            await connection.execute(f"set work_mem = '{_WORK_MEMORY}'")
            if not await self._lock(connection, stop):
                return None
            venue = await database.stored_venue(connection)
            if self._venue is not None and venue is not None and venue != self._venue:
                raise ForeignVenueError(
                    f"the database holds venue {venue.hex()}, not {self._venue.hex()} as before"
                )
            self._venue = venue or self._venue
            if is_first:
                await self._projection.load(connection)
            return await read_position(connection, self._projection.consumer)

    async def _lock(self, connection: Connection, stop: asyncio.Event) -> bool:
        settings = self._settings
        deadline = time.monotonic() + settings.takeover_seconds_max
        pause = settings.pause_seconds_first
        while not await try_lock(connection, self._projection.consumer):
            if stop.is_set():
                return False
            if time.monotonic() > deadline:
                raise ConsumerBusyError(
                    f"another process consumes into this database as {self._label}"
                )
            log.info("consumer_waits_for_lock", consumer=self._label, pause_seconds=pause)
            await _wait(stop, pause)
            pause = min(2 * pause, settings.pause_seconds_last)
        return True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)
        self._metrics.connected.labels(self._label).set(0)

    # --- what others see of it ---

    def _note_outage(self, error: Exception, pause: float) -> None:
        self._metrics.outages.labels(self._label).inc()
        self._note_lag()
        log.warning(
            "postgres_away",
            consumer=self._label,
            error=f"{type(error).__name__}: {error}",
            through=self.position,
            pause_seconds=pause,
        )

    def _note_posted(self, batches: list[EventBatch], time_ns: int) -> None:
        count, label = batches[-1].last - batches[0].first + 1, self._label
        self._committed_at_ns = time_ns
        self._metrics.position.labels(label).set(self.position)
        self._metrics.batch_events.labels(label).observe(count)
        self._note_lag()
        log.debug("events_posted", consumer=label, count=count, through=self.position)

    def _note_lag(self) -> None:
        behind = max(0, self._read_through - self.position)
        age_seconds = max(0.0, (time.time_ns() - self._committed_at_ns) / 1e9)
        self._metrics.lag_events.labels(self._label).set(behind)
        self._metrics.lag_seconds.labels(self._label).set(
            age_seconds if behind and self._committed_at_ns else 0.0
        )


async def try_lock(connection: Connection, consumer: Consumer) -> bool:
    """Take a consumer's lock for as long as the session lives, if nobody else has it."""
    key = list(Consumer).index(consumer)
    return bool(await connection.fetchval(f"select pg_try_advisory_lock({LOCK_SPACE}, $1)", key))


async def read_position(connection: Connection, consumer: Consumer) -> int:
    """Return the last event that a consumer committed, making its row when it has none."""
    await connection.execute(
        "insert into settlement.positions (consumer, event_number, time_ns)"
        " values ($1, 0, 0) on conflict do nothing",
        consumer,
    )
    found = await connection.fetchval(
        "select event_number from settlement.positions where consumer = $1", consumer
    )
    return int(found)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
