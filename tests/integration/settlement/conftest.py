import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection, connect
from settlement import database
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.chart import Consumer
from settlement.schema import metadata
from settlement.service import SettlementService
from settlement.settings import SettlementSettings
from tests.conftest import Templates
from tests.unit.settlement.flow import VENUE

PATIENCE_SECONDS = 180.0


@pytest.fixture
async def ledger_dsn(templates: Templates) -> AsyncIterator[str]:
    """A database with our schema in it."""
    async with templates.migrated("ledger", migrated) as dsn:
        yield dsn


async def migrated(dsn: str) -> None:
    await database.migrate(dsn)


@pytest.fixture
async def other_dsn(templates: Templates) -> AsyncIterator[str]:
    """Another database, with a schema and nothing in it."""
    async with templates.migrated("ledger", migrated) as dsn:
        yield dsn


@pytest.fixture
async def owner(ledger_dsn: str) -> AsyncIterator[Connection]:
    """A connection as the owner, who may do everything."""
    connection = await connect(ledger_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def application(ledger_dsn: str) -> AsyncIterator[Connection]:
    """A connection as the application's role."""
    connection = await connect(ledger_dsn, role=database.APPLICATION_ROLE)
    yield connection
    await connection.close()


def fast_settings(dsn: str, **changes: float) -> SettlementSettings:
    defaults = {
        "pause_seconds_first": 0.01,
        "pause_seconds_last": 0.2,
        "connect_seconds_max": 60.0,
        "post_seconds_max": 60.0,
    }
    return SettlementSettings(dsn=dsn, **(defaults | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    settings: SettlementSettings,
    batches: Sequence[MemoryBatch],
    *,
    venue: bytes = VENUE,
    feed: type[MemoryFeed] = MemoryFeed,
) -> AsyncIterator[tuple[SettlementService, list[MemoryFeed]]]:
    """Run settlement over batches; on leaving, ask it to stop and see it end well."""
    # Both exist before settlement reaches the database, which may take it several attempts.
    feeds = [feed(batches, venue=venue) for _ in Consumer]
    unused = iter(feeds)

    def make_feed(_stored: bytes | None) -> MemoryFeed:
        return next(unused)

    service, stop = SettlementService(settings, make_feed, CollectorRegistry()), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    waiter = asyncio.current_task()
    assert waiter is not None
    # Whoever waits for progress inside the block is woken when there will be none.
    task.add_done_callback(lambda _: None if stop.is_set() else waiter.cancel())
    try:
        yield service, feeds
    except asyncio.CancelledError:
        if not task.done():
            raise
        waiter.uncancel()
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until a condition holds; the settlement under test moves on meanwhile."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            held = condition()
            if held is True or (not isinstance(held, bool) and await held):
                return
            await asyncio.sleep(0.005)


async def settle(
    dsn: str, batches: Sequence[MemoryBatch], *, venue: bytes = VENUE, **changes: float
) -> None:
    """Run settlement until both consumers have committed everything."""
    last = batches[-1].last
    async with running(fast_settings(dsn, **changes), batches, venue=venue) as (service, _):
        await until(lambda: service.poster.position == service.projector.position == last)


async def dump(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Read every table of ours, in a stated order."""
    tables = {}
    for table in metadata.sorted_tables:
        keys = ", ".join(column.name for column in table.primary_key)
        # S608: the names are our schema's.
        rows = await connection.fetch(f"select * from {table.fullname} order by {keys}")  # noqa: S608
        tables[table.name] = [tuple(row) for row in rows]
    return tables
