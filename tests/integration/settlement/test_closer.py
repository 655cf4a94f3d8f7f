"""Cycles that close by the clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.chart import Consumer
from settlement.closer import CycleCloser, next_cutoff_ns
from settlement.consumer import FeedConsumer
from settlement.cycle_terms import SettlementMode
from settlement.instructions import Chosen, fail
from settlement.ledger import LedgerProjection
from settlement.metrics import SettlementMetrics
from settlement.service import SettlementService
from tests.integration.settlement.conftest import fast_settings, until
from tests.integration.settlement.cycle_model import START_NS, Model
from tests.unit.settlement.flow import START_NS as FLOW_START_NS
from tests.unit.settlement.flow import VENUE, flow_of

SECOND = 1_000_000_000
DAY = 86_400 * SECOND


@given(st.integers(0, 1 << 61), st.integers(0, 1439))
def test_the_next_cutoff_is_the_first_closing_time_after_a_stamp(after_ns: int, at: int) -> None:
    cutoff = next_cutoff_ns(after_ns, close_utc_minutes=at)
    assert after_ns < cutoff <= after_ns + DAY
    told = datetime.fromtimestamp(cutoff // SECOND, UTC)
    assert (told.hour * 60 + told.minute, told.second) == (at, 0)


class Clock:
    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return self.now_ns

    async def is_looked_at(self) -> None:
        """Wait until a whole look of the closer has seen the present time."""
        seen = self.looks
        await until(lambda: self.looks > seen + 4)


def idle() -> int | None:
    """Stand where the venue does."""
    return 1


@asynccontextmanager
async def closing(
    dsn: str,
    clock: Clock,
    registry: CollectorRegistry,
    standing: Callable[[], int | None] = idle,
) -> AsyncIterator[None]:
    settings = fast_settings(
        dsn, cycle_close_utc_minutes=0, cycle_grace_seconds=60, cycle_poll_seconds=0.01
    )
    stop = asyncio.Event()
    task = asyncio.create_task(CycleCloser(settings, registry, standing, clock).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
async def model(application: Connection, chance: random.Random) -> Model:
    made = Model(application, chance)
    await made.found()
    for _ in range(10):
        await made.trade()
    return made


async def rows(connection: Connection) -> list[tuple[int, ...]]:
    found = await connection.fetch(
        "select cycle, after_event, through_event, cutoff_ns from settlement.cycles order by cycle"
    )
    return [tuple(row) for row in found]


async def test_days_that_were_missed_are_closed_one_by_one_and_only_once(
    ledger_dsn: str, model: Model
) -> None:
    first = next_cutoff_ns(START_NS, close_utc_minutes=0)
    wanted = [(1, 0, model.event, first)]
    wanted += [(n, model.event, model.event, first + (n - 1) * DAY) for n in (2, 3)]
    clock = Clock(first + 2 * DAY)

    async def are_closed() -> bool:
        return await rows(model.connection) == wanted

    for _ in range(2):  # a restart closes nothing again
        async with closing(ledger_dsn, clock, CollectorRegistry()):
            await clock.is_looked_at()
            clock.now_ns += 60 * SECOND
            await clock.is_looked_at()
            await until(are_closed)
    dates = await model.connection.fetch("select business_date from settlement.cycles")
    assert str(dates[0][0]) == str(datetime.fromtimestamp(first // SECOND - 1, UTC).date())


async def test_a_cycle_waits_for_what_came_before_its_cutoff(ledger_dsn: str, model: Model) -> None:
    first = next_cutoff_ns(START_NS, close_utc_minutes=0)
    clock, registry = Clock(first + 59 * SECOND), CollectorRegistry()
    before = model.event

    async with closing(ledger_dsn, clock, registry):
        looks = registry.get_sample_value
        await until(lambda: looks("settlement_cycle") == 0 and clock.now_ns > first)
        assert await rows(model.connection) == []
        # The first event at the cutoff says that nothing earlier can come.
        model.event += (first - model.time_ns) // SECOND + 1
        await model.trade()

        async def is_closed() -> bool:
            return await rows(model.connection) == [(1, 0, before, first)]

        await until(is_closed)


async def test_grace_counts_from_when_the_poster_had_nothing_more(
    ledger_dsn: str, model: Model
) -> None:
    first = next_cutoff_ns(START_NS, close_utc_minutes=0)
    clock, stands = Clock(first + DAY), list[int | None]([None])

    async with closing(ledger_dsn, clock, CollectorRegistry(), lambda: stands[0]):
        for now in (None, 1, 2, None, 3):  # behind, caught up, moved on, behind, caught up
            stands[0] = now
            await clock.is_looked_at()
            clock.now_ns += 59 * SECOND
            await clock.is_looked_at()
            assert await rows(model.connection) == []
        clock.now_ns += SECOND
        await until(lambda: has_cycles(model.connection, 2))


async def has_cycles(connection: Connection, count: int) -> bool:
    return len(await rows(connection)) == count


class HeldFeed(MemoryFeed):
    """Tells how far the venue is, and hands out one batch until it is let go."""

    def __init__(self, batches: Sequence[MemoryBatch], *, venue: bytes) -> None:
        super().__init__(batches, venue=venue)
        self.is_free = asyncio.Event()

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
        async for batch in super().read(after, until):
            yield batch
            await self.is_free.wait()


async def test_a_restarted_poster_books_all_that_it_missed_before_a_cycle_closes(
    ledger_dsn: str, application: Connection, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=60).batches(commands_max=5)
    feed, stop, registry = HeldFeed(batches, venue=VENUE), asyncio.Event(), CollectorRegistry()
    poster = FeedConsumer(
        LedgerProjection(),
        lambda _venue: feed,
        settings=fast_settings(ledger_dsn),
        metrics=SettlementMetrics(CollectorRegistry()),
    )
    posting = asyncio.create_task(poster.run(stop))
    await until(lambda: poster.position == batches[0].last)
    # Two days later: everything of the first day is still to be booked but for one batch.
    clock = Clock(next_cutoff_ns(FLOW_START_NS, close_utc_minutes=0) + DAY)
    async with closing(ledger_dsn, clock, registry, poster.standing):
        for _ in range(2):
            await clock.is_looked_at()
            clock.now_ns += 100 * SECOND
        assert await rows(application) == []
        feed.is_free.set()
        await until(lambda: poster.position == batches[-1].last)
        await clock.is_looked_at()
        clock.now_ns += 60 * SECOND
        await until(lambda: has_cycles(application, 2))
    stop.set()
    await posting
    last = await application.fetchval("select max(event_number) from settlement.entries")
    assert [row[2] for row in await rows(application)] == [last, last]


async def test_a_service_that_decides_nothing_closes_no_cycle(
    ledger_dsn: str, application: Connection, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=10).batches(commands_max=5)
    settings = fast_settings(
        ledger_dsn, cycle_close_utc_minutes=0, cycle_grace_seconds=0, decides=False
    )
    feeds = [MemoryFeed(batches, venue=VENUE) for _ in Consumer]
    stop, unused = asyncio.Event(), iter(feeds)
    service = SettlementService(
        settings, lambda _: next(unused), CollectorRegistry(), modes={11: SettlementMode.NET}
    )
    running = asyncio.create_task(service.run(stop))
    await until(lambda: service.poster.standing() == batches[-1].last)
    stop.set()
    await running
    assert await application.fetchval("select count(*) from settlement.decisions") == 0


async def test_what_is_unsettled_and_its_age_are_metrics(ledger_dsn: str, model: Model) -> None:
    first = next_cutoff_ns(START_NS, close_utc_minutes=0)
    clock, registry = Clock(first), CollectorRegistry()
    sample = registry.get_sample_value

    async with closing(ledger_dsn, clock, registry):
        await clock.is_looked_at()
        clock.now_ns += 60 * SECOND
        await until(lambda: bool(sample("settlement_instructions_unsettled")))
        assert sample("settlement_oldest_unsettled_cycles") == 0
        await fail(model.connection, model.ask(), Chosen(numbers=(1,)))
        await until(lambda: sample("settlement_instructions_failed") == 1)
        clock.now_ns += DAY
        # The next close asks again, so nothing stands failed; and all is a cycle older.
        await until(lambda: sample("settlement_instructions_failed") == 0)
        assert sample("settlement_oldest_unsettled_cycles") == 1
        assert sample("settlement_cycle") == 2
