"""Closes settlement cycles by the clock, and shows how old what is unsettled has become.

A cycle takes the entries that are stamped before its cutoff, so it does not matter when after the
cutoff it closes, as long as the ledger has them all: it waits for the first later event, or until
the poster has had nothing to do for ``cycle_grace_seconds``. While the poster is behind the venue,
or has no link to it, that time does not begin. What was missed is closed cycle by cycle.
"""

import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Gauge

from runtime.postgres import Connection
from settlement.chart import Consumer
from settlement.cycle_decisions import Ask
from settlement.cycle_terms import SCHEDULE
from settlement.cycles import close_cycle
from settlement.database_task import DatabaseTask
from settlement.open_instructions import OpenInstructions
from settlement.settings import SettlementSettings

log = structlog.get_logger()

_NANOSECONDS = 1_000_000_000
_MINUTE_NS = 60 * _NANOSECONDS
_DAY_NS = 24 * 60 * _MINUTE_NS

# Without a cutoff so far, the first entry's stamp: before it there is nothing to settle.
_SINCE = """
select coalesce(
    (select max(cutoff_ns) from settlement.cycles),
    (select time_ns from settlement.entries order by event_number limit 1)
)
"""


def next_cutoff_ns(after_ns: int, *, close_utc_minutes: int) -> int:
    """Return the first closing time after a stamp; both in nanoseconds since 1970."""
    close_ns = close_utc_minutes * _MINUTE_NS
    return ((after_ns - close_ns) // _DAY_NS + 1) * _DAY_NS + close_ns


class CycleCloser(DatabaseTask):
    """One task with a connection of its own, beside the poster."""

    name = "settlement.closer"

    def __init__(
        self,
        settings: SettlementSettings,
        registry: CollectorRegistry,
        standing: Callable[[], int | None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Describe the closer.

        Args:
            settings: when cycles close, and how to reach the database.
            registry: where its metrics are registered.
            standing: where the poster stands; None while it is behind the venue.
            clock: gives nanoseconds since 1970.
        """
        super().__init__(settings)
        self._standing = standing
        self._clock = clock
        self._stood: int | None = None
        self._idle_since_ns = 0
        self._read_over: Connection | None = None
        self._instructions = OpenInstructions()
        self._cycle = Gauge("settlement_cycle", "Last cycle closed", registry=registry)
        self._open = Gauge(
            "settlement_instructions_unsettled",
            "Instructions that are not settled, failed ones included",
            registry=registry,
        )
        self._failed = Gauge(
            "settlement_instructions_failed", "Of these, failed", registry=registry
        )
        self._oldest = Gauge(
            "settlement_oldest_unsettled_cycles",
            "Cycles closed since the oldest obligation that is not settled",
            registry=registry,
        )

    async def look(self, connection: Connection) -> None:
        """Close what is due, and show what is not settled."""
        if connection is not self._read_over:
            self._read_over, self._instructions = connection, OpenInstructions()
        while (cutoff_ns := await self._due(connection)) is not None:
            made = await close_cycle(
                connection,
                Ask(
                    operator=SCHEDULE,
                    reference=f"schedule-{cutoff_ns // _NANOSECONDS}",
                    decided_at_ns=self._clock(),
                    reason="the configured closing time",
                ),
                cutoff_ns=cutoff_ns,
            )
            log.info("cycle_closed", cycle=made.cycle, through=made.through_event)
        totals = await self._instructions.look(connection)
        for gauge, value in zip(
            (self._cycle, self._open, self._failed, self._oldest), totals, strict=True
        ):
            gauge.set(value)

    async def _due(self, connection: Connection) -> int | None:
        """Return the cutoff of the next cycle, once the ledger has all that came before it."""
        if self._settings.cycle_close_utc_minutes is None or not self._settings.decides:
            return None
        idle_since_ns = self._idle_since()
        since_ns = await connection.fetchval(_SINCE)
        if since_ns is None:
            return None
        cutoff_ns = next_cutoff_ns(
            since_ns, close_utc_minutes=self._settings.cycle_close_utc_minutes
        )
        now_ns = self._clock()
        if now_ns < cutoff_ns:
            return None
        stands_ns = await connection.fetchval(
            "select time_ns from settlement.positions where consumer = $1", Consumer.LEDGER
        )
        grace_ns = int(self._settings.cycle_grace_seconds * _NANOSECONDS)
        if (stands_ns or 0) >= cutoff_ns:
            return cutoff_ns
        if idle_since_ns is None or now_ns < max(cutoff_ns, idle_since_ns) + grace_ns:
            return None
        return cutoff_ns

    def _idle_since(self) -> int | None:
        """Return since when, as far as we saw, the poster has had all and got nothing new."""
        stands = self._standing()
        if stands is None or stands != self._stood:
            self._stood, self._idle_since_ns = stands, self._clock()
        return None if stands is None else self._idle_since_ns
