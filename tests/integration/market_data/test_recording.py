"""Trades and candles in the database are those of the events, whatever happens to the process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection, connect
from services.market_data import database as schema
from services.market_data.candles import COLUMNS
from services.market_data.errors import (
    DatabaseError,
    PositionMovedError,
    RecorderBusyError,
    UnreadableEventsError,
)
from services.market_data.intervals import INTERVALS
from services.market_data.metrics import MarketDataMetrics
from services.market_data.recorder import APPLICATION, Recorder
from services.market_data.settings import RecorderSettings
from services.market_data.store import span_of
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from tests.conftest import Templates
from tests.integration.market_data.day import VENUE, Day, PlainCandle

PATIENCE_SECONDS = 180.0
COMMANDS = 1200


def settings(dsn: str, **changes: float) -> RecorderSettings:
    values: dict[str, float] = {
        "pause_seconds_first": 0.01,
        "pause_seconds_last": 0.1,
        "commit_trades_max": 20,
        "commit_seconds": 0.0,
        "position_seconds": 0.0,
    } | changes
    return RecorderSettings(dsn=dsn, **values)  # type: ignore[arg-type]


@pytest.fixture
async def dsn(templates: Templates) -> AsyncIterator[str]:
    async with templates.migrated("market_data", schema.migrate) as dsn:
        yield dsn


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(dsn, role=schema.ROLE)
    yield connection
    await connection.close()


@asynccontextmanager
async def recording(
    told: RecorderSettings, batches: Sequence[MemoryBatch], *, venue: bytes = VENUE
) -> AsyncIterator[tuple[Recorder, asyncio.Task[None]]]:
    recorder = Recorder(
        told,
        lambda _known: MemoryFeed(batches, venue=venue),
        MarketDataMetrics(CollectorRegistry()),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    try:
        yield recorder, task
    finally:
        stop.set()
        if not task.done():
            async with asyncio.timeout(PATIENCE_SECONDS):
                await task


async def record(told: RecorderSettings, batches: Sequence[MemoryBatch]) -> None:
    """Record to the end of what is there, and stop."""
    async with recording(told, batches) as (recorder, task):
        await stored(recorder, task, batches[-1].last)


async def stored(recorder: Recorder, task: asyncio.Task[None], number: int) -> None:
    waiting = asyncio.create_task(recorder.wait_stored(number))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    assert waiting.done()


async def candles(reader: Connection) -> dict[tuple[int, str, int], PlainCandle]:
    names = {span_of(interval): name for name, interval in INTERVALS.items()}
    rows = await reader.fetch(
        f"select instrument, span, opened_ms, {', '.join(COLUMNS)} from market_data.candles"  # noqa: S608
    )
    return {(row[0], names[row[1]], row[2]): PlainCandle(*map(int, tuple(row)[3:])) for row in rows}


async def trades(reader: Connection) -> dict[int, tuple[int, ...]]:
    rows = await reader.fetch(
        "select trade_id, instrument, time_ns, price_ticks, lots, quote_atoms, taker_side"
        " from market_data.trades where not is_busted order by trade_id"
    )
    return {row[0]: tuple(row)[1:] for row in rows}


async def check(reader: Connection, day: Day) -> None:
    """See that the database says what the events say."""
    expected = {
        each.trade_id: (
            each.instrument,
            each.time_ns,
            each.price_ticks,
            each.lots,
            each.quote_atoms,
            each.taker_side,
        )
        for each in day.trades.values()
    }
    assert await trades(reader) == expected
    assert await candles(reader) == day.candles()
    busted = await reader.fetch("select trade_id from market_data.trades where is_busted")
    assert {row[0] for row in busted} == day.busted


def test_a_day_has_everything() -> None:
    day = Day(random.Random(4), COMMANDS)
    day.go_on()
    assert len(day.trades) > 50
    assert day.busted
    assert day.corrected


@pytest.mark.parametrize("commit_trades_max", [1, 20, 100_000])
async def test_candles_are_those_of_the_trades(
    dsn: str, reader: Connection, chance: random.Random, commit_trades_max: int
) -> None:
    day = Day(chance, COMMANDS)
    day.go_on()
    await record(settings(dsn, commit_trades_max=commit_trades_max), day.batches)
    await check(reader, day)


async def test_a_process_that_dies_at_any_moment_loses_and_repeats_nothing(
    dsn: str, reader: Connection, chance: random.Random
) -> None:
    day = Day(chance, COMMANDS)
    day.go_on()
    for _ in range(25):
        async with recording(settings(dsn, commit_trades_max=5), day.batches) as (recorder, task):
            # As a kill would: no matter where it is, nothing is finished.
            seen = recorder.stored
            for _ in range(chance.randrange(400)):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert recorder.stored >= seen
    await record(settings(dsn), day.batches)
    await check(reader, day)


async def test_a_connection_that_is_cut_costs_nothing(
    dsn: str, reader: Connection, chance: random.Random
) -> None:
    day = Day(chance, COMMANDS)
    day.go_on(300)
    feed = MemoryFeed(day.batches, venue=VENUE)
    metrics = MarketDataMetrics(CollectorRegistry())
    recorder = Recorder(settings(dsn), lambda _known: feed, metrics)
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    owner = await connect(dsn)
    cut = 0
    for _ in range(8):
        await stored(recorder, task, day.last)
        cut += await owner.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where application_name = $1 and datname = current_database()",
            APPLICATION,
        )
        known = len(day.batches)
        day.go_on(120)
        for batch in day.batches[known:]:
            feed.add(batch)
    await stored(recorder, task, day.last)
    stop.set()
    await task
    await owner.close()
    assert cut == 8
    await check(reader, day)


async def test_another_venue_is_refused(dsn: str, chance: random.Random) -> None:
    day = Day(chance, 100)
    day.go_on()
    await record(settings(dsn), day.batches[:-1])
    with pytest.raises(PositionMovedError, match="of venue ffff"):
        async with recording(settings(dsn), day.batches, venue=b"\xff" * 16) as (_, task):
            await task


async def test_a_second_recorder_is_kept_out(dsn: str, chance: random.Random) -> None:
    day = Day(chance, 100)
    day.go_on()
    async with recording(settings(dsn), day.batches) as (recorder, first):
        await stored(recorder, first, day.last)
        hasty = settings(dsn, takeover_seconds_max=0.0)
        with pytest.raises(RecorderBusyError):
            async with recording(hasty, day.batches) as (_, second):
                await second


async def test_a_recorder_that_waits_for_the_lock_stops_when_asked(
    dsn: str, chance: random.Random
) -> None:
    day = Day(chance, 100)
    day.go_on()
    async with recording(settings(dsn), day.batches) as (recorder, first):
        await stored(recorder, first, day.last)
        patient = settings(dsn, takeover_seconds_max=1e9)
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            async with recording(patient, day.batches) as (second, _):
                while not second.is_connected:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.005)
        assert second.stored == -1


async def test_a_batch_that_is_cut_short_leaves_nothing_behind(
    dsn: str, reader: Connection, chance: random.Random
) -> None:
    day = Day(chance, 300)
    day.go_on()
    while not day.trade_events:  # a day may be without
        day = Day(chance, 300)
        day.go_on()
    at = next(
        index
        for index, each in reversed(list(enumerate(day.batches)))
        if any(each.first <= number <= each.last for number in day.trade_events)
    )
    broken = day.batches[at]._replace(data=day.batches[at].data + bytes(8))
    # All is pending when the reader fails.
    slow = settings(dsn, commit_trades_max=100_000, commit_seconds=1e9, position_seconds=1e9)
    with pytest.raises(UnreadableEventsError, match="cut short"):
        async with recording(slow, [*day.batches[:at], broken]) as (_, task):
            await task
    await record(settings(dsn), day.batches)
    await check(reader, day)


async def test_the_process_may_do_no_more_than_it_has_to(
    dsn: str, reader: Connection, chance: random.Random
) -> None:
    day = Day(chance, 300)
    day.go_on()
    await record(settings(dsn), day.batches)
    for forbidden in (
        "delete from market_data.trades",
        "truncate market_data.candles",
        "delete from market_data.position",
        "create table market_data.mine (a int)",
        "select market_data.provide('x; drop', 0, 1)",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await reader.execute(forbidden)


async def test_the_schema_goes_away_and_comes_back(dsn: str) -> None:
    await schema.migrate(dsn, revision="base")
    connection = await connect(dsn)
    with pytest.raises(DatabaseError, match=r"is at version none|migrate it first"):
        await schema.check(connection)
    await schema.migrate(dsn)
    await schema.check(connection)
    await connection.execute("create table market_data.mine (a int)")
    with pytest.raises(DatabaseError, match="no migration made: mine"):
        await schema.check(connection)
    await connection.close()
