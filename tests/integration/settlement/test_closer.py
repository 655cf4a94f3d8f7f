"""Cycles that close by the clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection
from settlement.closer import CycleCloser, next_cutoff_ns
from settlement.instructions import Chosen, fail
from tests.integration.settlement.conftest import fast_settings, until
from tests.integration.settlement.cycle_model import START_NS, Model

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

    def __call__(self) -> int:
        return self.now_ns


@asynccontextmanager
async def closing(dsn: str, clock: Clock, registry: CollectorRegistry) -> AsyncIterator[None]:
    settings = fast_settings(
        dsn, cycle_close_utc_minutes=0, cycle_grace_seconds=60, cycle_poll_seconds=0.01
    )
    stop = asyncio.Event()
    task = asyncio.create_task(CycleCloser(settings, registry, clock).run(stop))
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
    clock = Clock(first + 2 * DAY + 60 * SECOND)

    async def are_closed() -> bool:
        return await rows(model.connection) == wanted

    for _ in range(2):  # a restart closes nothing again
        async with closing(ledger_dsn, clock, CollectorRegistry()):
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


async def test_what_is_unsettled_and_its_age_are_metrics(ledger_dsn: str, model: Model) -> None:
    first = next_cutoff_ns(START_NS, close_utc_minutes=0)
    clock, registry = Clock(first + 60 * SECOND), CollectorRegistry()
    sample = registry.get_sample_value

    async with closing(ledger_dsn, clock, registry):
        await until(lambda: bool(sample("settlement_instructions_unsettled")))
        assert sample("settlement_oldest_unsettled_cycles") == 0
        await fail(model.connection, model.ask(), Chosen(numbers=(1,)))
        await until(lambda: sample("settlement_instructions_failed") == 1)
        clock.now_ns += DAY
        # The next close asks again, so nothing stands failed; and all is a cycle older.
        await until(lambda: sample("settlement_instructions_failed") == 0)
        assert sample("settlement_oldest_unsettled_cycles") == 1
        assert sample("settlement_cycle") == 2
