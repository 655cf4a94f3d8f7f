"""The surveillance process: from the feed through the detectors into the database, exactly once.

Alerts and the position behind them commit together. Whatever fails, the way on is the same:
connect, take the lock, and see from the stored position whether the last commit came through. A
restart reads the events since the last checkpoint again; alerts up to the stored position are
those that are there already, and are left out.
"""

import asyncio
import time
from collections import Counter

import structlog
from prometheus_client import CollectorRegistry

from runtime.sole_writer import Faults, SoleWriter, Terms
from services.surveillance import database, store
from services.surveillance.alerts import Alert
from services.surveillance.errors import (
    ConsumerBusyError,
    DatabaseError,
    DatabaseRefusedError,
    PositionMovedError,
)
from services.surveillance.metrics import SurveillanceMetrics
from services.surveillance.ports import EventBatch, EventFeed, FeedFactory
from services.surveillance.settings import SurveillanceSettings
from services.surveillance.watch import Found, Watch, WatchState

log = structlog.get_logger()

LOGGED_MAX = 20
"""Alerts of one transaction that the log names; all are counted, and in the database."""

_FAULTS = Faults(
    moved=PositionMovedError,
    refused=DatabaseRefusedError,
    busy=ConsumerBusyError,
    login=DatabaseError,
)


class SurveillanceService:
    """Watches one feed until asked to stop."""

    name = "surveillance"

    def __init__(
        self, settings: SurveillanceSettings, make_feed: FeedFactory, registry: CollectorRegistry
    ) -> None:
        """Describe the service; nothing happens before ``run()``."""
        self.stored = 0
        """The last event whose alerts are in the database, as far as we know."""
        self._settings = settings
        self._make_feed = make_feed
        self._metrics = SurveillanceMetrics(registry)
        terms = Terms(
            application=self.name,
            role=database.SERVICE_ROLE,
            lock=store.LOCK,
            check=database.check,
            faults=_FAULTS,
            connected=self._metrics.connected,
            outages=self._metrics.outages,
        )
        self._writer = SoleWriter(settings, terms)
        self._watch = Watch(settings.parameters)
        self._pending = Found()
        self._checkpoint = 0
        self._stored_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._writer.is_connected

    def health(self) -> dict[str, object]:
        """Say where it stands; unhealthy while PostgreSQL is away."""
        return {
            "healthy": self.is_connected,
            "seen_event": self._watch.number,
            "stored_event": self.stored,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until asked to stop, and store what was seen by then.

        Raises:
            SurveillanceError, UnreadableEventsError: nothing that waiting would mend.
            Exception: what the feed raises.
        """
        try:
            kept = await self._begin(stop)
            if kept is None:
                return
            self.stored, self._checkpoint = kept.position, kept.state.number
            self._watch = Watch(self._settings.parameters, kept.state, kept.accounts)
            log.info("surveillance_started", after=self._checkpoint, stored=self.stored)
            feed = self._make_feed(kept.venue)
            async for batch in feed.read(self._checkpoint, stop):
                self._see(batch)
                if self._is_time_to_store():
                    await self._store(feed, stop)
            await self._store(feed, stop, is_last=True)
            log.info("surveillance_stopped", through=self.stored)
        finally:
            self._writer.disconnect()

    def _see(self, batch: EventBatch) -> None:
        found = self._watch.see(batch.data)
        pending = self._pending
        # What we see again after a restart was stored before it.
        pending.alerts += [each for each in found.alerts if each.event_number > self.stored]
        pending.accounts += [each for each in found.accounts if each.event_number > self.stored]
        pending.instruments += [
            each for each in found.instruments if each.event_number > self.stored
        ]
        self._metrics.seen.set(self._watch.number)

    def _is_time_to_store(self) -> bool:
        if self._watch.number <= self.stored:
            return False
        return bool(
            self._pending.alerts
            or self._watch.number - self.stored >= self._settings.commit_events_max
            or time.monotonic() - self._stored_at >= self._settings.commit_seconds_max
        )

    # --- the database ---

    async def _store(self, feed: EventFeed, stop: asyncio.Event, *, is_last: bool = False) -> None:
        """Store what is pending, however often it takes; not at all when stopped meanwhile."""
        through = self._watch.number
        is_due = is_last or through - self._checkpoint >= self._settings.checkpoint_events
        checkpoint = self._watch.state() if is_due else None

        async def act() -> None:
            stored = await self._writer.resume(
                store.read_position, stop, left_at=self.stored, through=through
            )
            if stored == through:
                self.stored = stored
            else:
                await self._transact(feed, through, checkpoint)

        if self.stored < through:
            await self._writer.persist(act, stop, through=self.stored)
        if self.stored < through:
            return  # it is read again at the next start
        if checkpoint is not None:
            self._checkpoint = through
        self._tell(self._pending.alerts)
        self._pending = Found()
        self._stored_at = time.monotonic()
        self._metrics.stored.set(self.stored)

    def _tell(self, alerts: list[Alert]) -> None:
        """Count and log what a transaction stored: one line, however many a flood brings."""
        if not alerts:
            return
        for kind, count in Counter(alert.kind for alert in alerts).items():
            self._metrics.alerts.labels(kind).inc(count)
        named = [alert.alert_id for alert in alerts[:LOGGED_MAX]]
        log.info("alerts_raised", count=len(alerts), alerts=named)

    async def _transact(self, feed: EventFeed, through: int, checkpoint: WatchState | None) -> None:
        assert feed.venue is not None, "the feed yielded events of no venue"
        await store.store(
            self._writer.connection,
            self._pending,
            venue=feed.venue,
            after=self.stored,
            through=through,
            time_ns=self._watch.time_ns,
            checkpoint=checkpoint,
        )
        self.stored = through

    async def _begin(self, stop: asyncio.Event) -> store.Kept | None:
        async def act() -> store.Kept:
            return await store.load(await self._writer.open(stop))

        return await self._writer.persist(act, stop, through=self.stored)
