"""One consumer of the events: from the feed into the database, exactly once.

The effects of a batch and the position after it commit together. Whatever fails, the way on is
the same: connect, take the consumer's locks, read the position, and see from it whether the batch
in hand was committed. There is no second recovery path.

Two things keep two writers apart. The locks (``settlement.locks``) make a successor wait until the
sessions of its predecessor are really gone, so that the position it reads cannot move any more. And
the position is set by compare-and-set in the same transaction, so that even a writer without the
lock could commit nothing twice.

While a backlog waits, a projection may have several batches in the database at once, each in a
session of its own: the rows of the second are added while the first moves balances and commits. The
second can only commit after the first, for it moves the position from where the first left it. What
it is told when that went wrong is not believed: it is given up, and posted again when it is alone.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

import asyncpg
import structlog

from runtime.postgres import FAILURES, Connection, drop, is_outage, lets_nobody_in, state_of
from runtime.waiting import stopped_within
from settlement import database
from settlement.backlog import Backlog
from settlement.chart import Consumer
from settlement.errors import (
    EventGapError,
    ForeignVenueError,
    LedgerRefusedError,
    LoginRefusedError,
    PositionMovedError,
)
from settlement.locks import AFTER_BATCH, TURN_SPACE, read_position, turn_key
from settlement.metrics import SettlementMetrics
from settlement.ports import EventBatch, EventFeed, FeedFactory
from settlement.records import contiguous
from settlement.sessions import Sessions
from settlement.settings import SettlementSettings

log = structlog.get_logger()

_LITTLE = 32
"""Below this part of a full transaction it is worth waiting for more."""

Ready = TypeVar("Ready")

Turn = Callable[[], Awaitable[None]]
"""Waits until every batch before this one has been committed."""


async def at_once() -> None:
    """Wait for nothing: no batch is before this one."""


class Projection(Protocol[Ready]):
    """What a consumer makes of the events."""

    @property
    def consumer(self) -> Consumer:
        """Whose position it advances."""
        ...

    @property
    def lanes(self) -> int:
        """How many batches may be in the database at once, each in a session of its own."""
        ...

    async def load(self, connection: Connection) -> None:
        """Read what decoding needs, as of the stored position. Called once."""
        ...

    def decode(self, batches: Sequence[EventBatch]) -> tuple[Ready, int]:
        """Make rows of batches, without the database; returns them and the last event's stamp.

        Called in a thread, for one batch after the other.
        """
        ...

    async def write(self, connection: Connection, ready: Ready, turn: Turn) -> None:
        """Write rows in the transaction that advances the position.

        Before its ``turn`` it may only add rows that depend on nothing in the batches before it,
        and lock no row that those may want. Entries may be added then: the trigger on them waits
        for the turn by itself.
        """
        ...


@dataclass(kw_only=True)
class _Posting(Generic[Ready]):
    """A batch on its way: events behind ``after`` up to ``through``, in the session of a lane."""

    ready: Ready
    after: int
    through: int
    time_ns: int
    lane: int
    is_placed: asyncio.Event = field(default_factory=asyncio.Event)
    """Its transaction has begun, and the next batch can wait for it in the database."""
    is_done: asyncio.Event = field(default_factory=asyncio.Event)
    """Committed, or given up for good."""


class _OutOfTurnError(Exception):
    """The batch before was not committed."""


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
        self._sessions = Sessions(
            settings, projection.consumer, lanes=projection.lanes, application=self.name
        )
        self._read_through = 0
        self._committed_at_ns = 0
        self._venue: bytes | None = None
        self._feed: EventFeed | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._sessions.are_open

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
        through, lanes = self.position, range(self._projection.lanes)
        on_their_way: deque[_Posting[Ready]] = deque()
        try:
            async with asyncio.TaskGroup() as group:
                for lane in itertools.cycle(lanes):
                    batches = await backlog.take(
                        events_max=self._settings.batch_events_max,
                        bytes_max=self._settings.batch_bytes_max,
                    )
                    if not batches or stop.is_set():
                        return
                    self._meet(feed.venue)
                    posting = await self._decode(list(contiguous(batches, through)), lane=lane)
                    through = posting.through
                    while len(on_their_way) >= len(lanes):
                        await on_their_way.popleft().is_done.wait()
                    before = on_their_way[-1] if on_their_way else None
                    on_their_way.append(posting)
                    group.create_task(self._post(posting, before, stop))
                    little = self._settings.batch_bytes_max // _LITTLE
                    if backlog.bytes_pending < little:
                        await posting.is_done.wait()
                        await backlog.gather(
                            bytes_min=little, seconds=self._settings.gather_seconds
                        )
        finally:
            # The reader may be waiting for room that nobody will make any more.
            backlog.close()

    async def _decode(self, batches: list[EventBatch], *, lane: int) -> _Posting[Ready]:
        ready, time_ns = await asyncio.to_thread(self._projection.decode, batches)
        return _Posting(
            ready=ready,
            after=batches[0].first - 1,
            through=batches[-1].last,
            time_ns=time_ns,
            lane=lane,
        )

    def _meet(self, venue: bytes | None) -> None:
        assert venue is not None, "the feed yielded events of no venue"
        if self._venue is not None and self._venue != venue:
            raise ForeignVenueError(
                f"the database holds venue {self._venue.hex()}, the feed is of {venue.hex()}"
            )
        self._venue = venue

    async def _post(
        self, posting: _Posting[Ready], before: _Posting[Ready] | None, stop: asyncio.Event
    ) -> None:
        """Commit a batch: beside the one before it while that is on its way, or else alone."""
        try:
            is_posted = before is not None and await self._post_beside(posting, before)
            if not is_posted and self.position == posting.after:
                is_posted = await self._post_alone(posting, stop)
            if is_posted:
                self._note_posted(posting)
        finally:
            for event in (posting.is_placed, posting.is_done):
                event.set()

    async def _post_beside(self, posting: _Posting[Ready], before: _Posting[Ready]) -> bool:
        """Try once to have a batch in the database before its turn; False when the turn has come.

        Where that failed, its session is gone: whether it committed is for the position to say.
        """
        await before.is_placed.wait()
        if before.is_done.is_set() or not self.is_connected:
            await before.is_done.wait()
            return False
        session = self._sessions[posting.lane]
        try:
            async with asyncio.timeout(self._settings.post_seconds_max):
                await self._transact(session, posting, before)
        except (*FAILURES, _OutOfTurnError) as error:
            posting.is_placed.clear()  # the one after it waits for our second attempt
            drop(session)
            self._metrics.batches_given_up.labels(self._label).inc()
            log.info(
                "batch_given_up",
                consumer=self._label,
                after=posting.after,
                error=f"{type(error).__name__}: {error}",
            )
            await before.is_done.wait()
            self._disconnect()
            return False
        except BaseException:
            drop(session)
            raise
        self._metrics.batches_beside.labels(self._label).inc()
        self.position = posting.through
        return True

    async def _post_alone(self, posting: _Posting[Ready], stop: asyncio.Event) -> bool:
        """Post until a batch is committed, however long PostgreSQL is away; False when stopped."""
        through, pause = posting.through, self._settings.pause_seconds_first
        while self.position < through:
            if not await self._reach_database(stop, through=through):
                return False
            if self.position == through:
                self._metrics.outcomes_recovered.labels(self._label).inc()
                log.info("commit_recovered", consumer=self._label, through=through)
                break
            try:
                async with asyncio.timeout(self._settings.post_seconds_max):
                    await self._transact(self._sessions[posting.lane], posting, None)
            except FAILURES as error:
                self._give_up(posting)
                self._judge(error)
                self._note_outage(error, pause)
                if await stopped_within(stop, pause):
                    return False
                pause = min(2 * pause, self._settings.pause_seconds_last)
                continue
            except BaseException:
                # Cancelled or broken inside a transaction: it must not stay open.
                self._disconnect()
                raise
            self.position = through
        return True

    def _give_up(self, posting: _Posting[Ready]) -> None:
        """Leave the database with all batches: one beside this may hold what this one wants."""
        posting.is_placed.clear()
        self._disconnect()

    async def _transact(
        self, session: Connection, posting: _Posting[Ready], before: _Posting[Ready] | None
    ) -> None:
        """Write and commit a batch; one that is beside another moves the position last."""
        venue, started = self._venue, time.perf_counter()
        assert venue is not None
        await session.execute(self._beginning(posting, before))
        posting.is_placed.set()
        if before is None:
            await self._advance(session, posting)
            if posting.after == 0:
                await database.claim(session, venue)
            await self._projection.write(session, posting.ready, at_once)
        else:
            await self._projection.write(session, posting.ready, partial(self._turn, before))
            await self._turn(before)
            await self._advance(session, posting)
        await session.execute("commit")
        self._metrics.post_seconds.labels(self._label).observe(time.perf_counter() - started)

    def _beginning(self, posting: _Posting[Ready], before: _Posting[Ready] | None) -> str:
        statements = ["begin"]
        if self._projection.lanes > 1:
            key = turn_key(posting.through)
            statements.append(f"select pg_advisory_xact_lock({TURN_SPACE}, {key})")
        if before is not None:
            statements.append(f"set local {AFTER_BATCH} = {turn_key(before.through)}")
        return "; ".join(statements)

    async def _turn(self, before: _Posting[Ready]) -> None:
        await before.is_done.wait()
        if self.position != before.through:
            raise _OutOfTurnError(f"the batch through event {before.through} was not committed")

    async def _advance(self, session: Connection, posting: _Posting[Ready]) -> None:
        moved = await session.execute(
            "update settlement.positions set event_number = $1, time_ns = $2"
            " where consumer = $3 and event_number = $4",
            posting.through,
            posting.time_ns,
            self._label,
            posting.after,
        )
        if moved != "UPDATE 1":
            raise PositionMovedError(
                f"{self._label}: the position is no longer {posting.after}, and we hold the lock"
            )

    def _judge(self, error: Exception) -> None:
        if is_outage(error):
            return
        if isinstance(error, asyncpg.PostgresError):
            if lets_nobody_in(error):
                raise LoginRefusedError(f"the database does not let us in: {error}") from error
            raise LedgerRefusedError(
                f"{self._label}: after event {self.position} the database refused:"
                f" {error} ({state_of(error)})"
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
                await stopped_within(stop, pause)
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
        if not await self._sessions.open(stop):
            return None
        async with asyncio.timeout(self._settings.post_seconds_max):
            session = self._sessions[0]
            venue = await database.stored_venue(session)
            if self._venue is not None and venue is not None and venue != self._venue:
                raise ForeignVenueError(
                    f"the database holds venue {venue.hex()}, not {self._venue.hex()} as before"
                )
            self._venue = venue or self._venue
            if is_first:
                await self._projection.load(session)
            return await read_position(session, self._projection.consumer)

    def _disconnect(self) -> None:
        self._sessions.close()
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

    def _note_posted(self, posting: _Posting[Ready]) -> None:
        count, label = posting.through - posting.after, self._label
        self._committed_at_ns = posting.time_ns
        self._metrics.position.labels(label).set(posting.through)
        self._metrics.batch_events.labels(label).observe(count)
        self._note_lag()
        log.debug("events_posted", consumer=label, count=count, through=posting.through)

    def _note_lag(self) -> None:
        behind = max(0, self._read_through - self.position)
        age_seconds = max(0.0, (time.time_ns() - self._committed_at_ns) / 1e9)
        self._metrics.lag_events.labels(self._label).set(behind)
        self._metrics.lag_seconds.labels(self._label).set(
            age_seconds if behind and self._committed_at_ns else 0.0
        )
