"""PostgreSQL cut and killed at random points: nothing missing, nothing double.

Each run prints its seed through the run's own (``--seed`` repeats it).
"""

import asyncio
import os
import random
import shutil
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from bench.settlement import generate
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.postgres import Connection, connect
from settlement import database
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.chart import Consumer
from settlement.reconcile_loader import load, reconcile
from settlement.service import SettlementService
from tests.integration.settlement.conftest import dump, fast_settings, running, settle, until
from tests.integration.settlement.proxy import Cut, CuttingProxy
from tests.unit.settlement.flow import VENUE, Flow, flow_of

# The messages themselves: 'Q', length, "commit\0"; and CommandComplete with ReadyForQuery.
COMMIT_BYTES = 12
ANSWER_BYTES = 18


@pytest.fixture
async def proxy(ledger_dsn: str) -> AsyncIterator[CuttingProxy]:
    address = urlsplit(ledger_dsn)
    assert address.hostname is not None
    assert address.port is not None
    async with CuttingProxy(address.hostname, address.port) as made:
        yield made


def through(proxy: CuttingProxy, dsn: str) -> str:
    address = urlsplit(dsn)
    return dsn.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{proxy.port}")


def more(flow: Flow, commands: int) -> list[MemoryBatch]:
    """Let the venue go on, and return the frames of what is new."""
    flow.commands.clear()
    for _ in range(commands):
        flow.step()
    return flow.batches(commands_max=4)


def random_cut(chance: random.Random, number: int) -> Cut:
    """Cut somewhere: anywhere, inside COMMIT, anywhere, inside its answer, and so on."""
    if number % 2:
        return Cut(at_commit=False, client_bytes=chance.randint(0, 3000))
    if number % 4:
        return Cut(at_commit=True, client_bytes=chance.randint(0, COMMIT_BYTES - 1))
    return Cut(
        at_commit=True,
        client_bytes=COMMIT_BYTES,
        server_bytes=chance.randint(0, ANSWER_BYTES - 1),
    )


def recovered(service: SettlementService) -> int:
    """How many commits happened whose answer was lost."""
    counter = service.metrics.outcomes_recovered
    return sum(int(counter.labels(str(consumer))._value.get()) for consumer in Consumer)


def outages(service: SettlementService) -> dict[str, int]:
    counter = service.metrics.outages
    return {str(consumer): int(counter.labels(str(consumer))._value.get()) for consumer in Consumer}


async def all_settled(service: SettlementService, last: int) -> None:
    await until(lambda: service.poster.position == service.projector.position == last)


async def assert_as_if_nothing_happened(dsn: str, owner: Connection, flow: Flow) -> None:
    """The tables are right, and are those that an undisturbed run makes."""
    report = await reconcile(owner, flow.engine())
    assert report.differences == []
    disturbed = await dump(owner)
    await database.migrate(dsn, revision="base")
    await database.migrate(dsn)
    await settle(dsn, flow_batches(flow))
    assert await dump(owner) == disturbed


def flow_batches(flow: Flow) -> list[MemoryBatch]:
    data = b"".join(record.pack() for record in flow.records)
    return [MemoryBatch(1, flow.number, data)]


@pytest.mark.parametrize("cuts", [15, pytest.param(300, marks=pytest.mark.long)])
async def test_cut_connections_lose_and_double_nothing(
    ledger_dsn: str,
    owner: Connection,
    proxy: CuttingProxy,
    chance: random.Random,
    cuts: int,
) -> None:
    flow = flow_of(chance, steps=20)
    # A frame or two fill a batch, so that two of the ledger's are often there at once.
    settings = fast_settings(through(proxy, ledger_dsn), batch_events_max=20, batch_bytes_max=2_000)
    async with running(settings, flow.batches(commands_max=5)) as (service, feeds):
        await all_settled(service, flow.number)
        for index in range(cuts):
            proxy.arm(random_cut(chance, index))
            batches = more(flow, chance.randint(1, 12))
            for batch in batches:
                for feed in feeds:
                    feed.add(batch)
            await until(proxy.done.is_set)
            await all_settled(service, flow.number)
        kinds = Counter(cut.at_commit for cut in proxy.cuts_done)
        assert len(proxy.cuts_done) == cuts
        assert kinds[True] >= cuts // 2
        # Some commits came through though their answer did not: the hard case was there.
        assert recovered(service) > 0
        assert service.metrics.batches_beside.labels("ledger")._value.get() > 0
    await assert_as_if_nothing_happened(ledger_dsn, owner, flow)


@pytest.mark.parametrize("client_bytes", range(COMMIT_BYTES))
async def test_a_cut_at_each_byte_of_commit_is_a_rollback(
    ledger_dsn: str, proxy: CuttingProxy, chance: random.Random, client_bytes: int
) -> None:
    flow = flow_of(chance, steps=3)
    async with running(fast_settings(through(proxy, ledger_dsn)), flow.batches(commands_max=5)) as (
        service,
        feeds,
    ):
        await all_settled(service, flow.number)
        proxy.arm(Cut(at_commit=True, client_bytes=client_bytes))
        for batch in more(flow, 3):
            for feed in feeds:
                feed.add(batch)
        await all_settled(service, flow.number)
        assert len(proxy.cuts_done) == 1
        assert recovered(service) == 0


@pytest.mark.parametrize("server_bytes", range(ANSWER_BYTES))
async def test_a_cut_at_each_byte_of_the_answer_is_found_to_have_committed(
    ledger_dsn: str,
    owner: Connection,
    proxy: CuttingProxy,
    chance: random.Random,
    server_bytes: int,
) -> None:
    flow = flow_of(chance, steps=3)
    async with running(fast_settings(through(proxy, ledger_dsn)), flow.batches(commands_max=5)) as (
        service,
        feeds,
    ):
        await all_settled(service, flow.number)
        proxy.arm(Cut(at_commit=True, client_bytes=COMMIT_BYTES, server_bytes=server_bytes))
        for batch in more(flow, 3):
            for feed in feeds:
                feed.add(batch)
        await all_settled(service, flow.number)
        assert len(proxy.cuts_done) == 1
        assert recovered(service) == 1
    assert (await reconcile(owner, flow.engine())).is_clean


async def test_a_server_that_falls_silent_is_given_up_and_asked_again(
    ledger_dsn: str, owner: Connection, proxy: CuttingProxy, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=3)
    settings = fast_settings(through(proxy, ledger_dsn), post_seconds_max=1.5)
    async with running(settings, flow.batches(commands_max=5)) as (service, feeds):
        await all_settled(service, flow.number)
        proxy.arm(Cut(at_commit=True, client_bytes=0, is_silent=True))
        for batch in more(flow, 5):
            for feed in feeds:
                feed.add(batch)
        await all_settled(service, flow.number)
        assert len(proxy.cuts_done) == 1
    assert (await reconcile(owner, flow.engine())).is_clean


async def test_a_line_cut_within_a_large_batch_costs_an_attempt(
    ledger_dsn: str, owner: Connection, proxy: CuttingProxy
) -> None:
    frames, stop = generate(6_000, accounts=50, seed=1), asyncio.Event()
    # Its time is up long after the patience of this test.
    settings = fast_settings(through(proxy, ledger_dsn), post_seconds_max=300.0)
    feed = MemoryFeed(frames, venue=VENUE)
    poster = SettlementService(settings, lambda _: feed, CollectorRegistry()).poster
    proxy.arm(Cut(at_commit=False, client_bytes=100, bytes_min=40_000))
    async with asyncio.TaskGroup() as group:
        group.create_task(poster.run(stop))
        await until(lambda: poster.position == frames[-1].last)
        stop.set()
    assert len(proxy.cuts_done) == 1
    assert (await load(owner, frames[-1].last, deep=False)).findings == []


async def test_terminated_sessions_lose_and_double_nothing(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=20)
    settings = fast_settings(ledger_dsn, batch_events_max=10, batch_bytes_max=2_000)
    async with running(settings, flow.batches(commands_max=5)) as (service, feeds):
        for _ in range(15):
            for batch in more(flow, 10):
                for feed in feeds:
                    feed.add(batch)
            await asyncio.sleep(chance.uniform(0, 0.02))
            await owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'settlement.%' and datname = current_database()"
            )
        await all_settled(service, flow.number)
    await assert_as_if_nothing_happened(ledger_dsn, owner, flow)


async def test_memory_stays_bounded_while_postgres_is_away(
    ledger_dsn: str, owner: Connection, proxy: CuttingProxy, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=300)
    batches = flow.batches(commands_max=3)
    handed_out = Counter[str]()

    class CountingFeed(MemoryFeed):
        async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
            async for batch in super().read(after, until):
                handed_out[str(id(self))] += len(batch.data)
                yield batch

    settings = fast_settings(through(proxy, ledger_dsn))
    limits = {"pending_bytes_max": 5_000, "batch_bytes_max": 3_000}
    bounded = fast_settings(settings.dsn, **limits)
    async with running(bounded, batches[:5], feed=CountingFeed) as (service, feeds):
        await all_settled(service, batches[4].last)
        # Away from here on: the server is there, and nobody gets through to it.
        proxy.close_door()
        for batch in batches[5:]:
            for feed in feeds:
                feed.add(batch)
        before = dict(handed_out)
        await until(lambda: min(outages(service).values()) >= 4)
        # Somebody who watches sees that it is behind, and that the database is away.
        assert service.metrics.lag_events.labels("ledger")._value.get() > 0
        assert service.health()["healthy"] is False
        largest = max(len(batch.data) for batch in batches)
        for name, amount in handed_out.items():
            # What is pending, two transactions and the rows of the next, and the frames that
            # crossed each bound.
            assert amount - before[name] <= 5_000 + 3 * 3_000 + 4 * largest
        proxy.open_door()
        await all_settled(service, flow.number)
        assert service.metrics.lag_events.labels("ledger")._value.get() == 0
        assert service.health()["healthy"] is True
    assert (await reconcile(owner, flow.engine())).is_clean


# --- the server itself is killed ---


@pytest.fixture
def own_server() -> Iterator[tuple[EmbeddedPostgres, str]]:
    folder = Path(tempfile.mkdtemp(prefix="rialto-fault-"))
    folder.chmod(0o711)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = EmbeddedPostgres(folder / "postgres", port=port)
    try:
        yield server, server.start().url()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.long)])
async def test_a_killed_server_loses_and_doubles_nothing(
    own_server: tuple[EmbeddedPostgres, str], chance: random.Random, kills: int
) -> None:
    server, dsn = own_server
    await database.migrate(dsn)
    flow = flow_of(chance, steps=20)
    settings = fast_settings(dsn, batch_events_max=10, batch_bytes_max=2_000)
    async with running(settings, flow.batches(commands_max=5)) as (service, feeds):
        for kill in range(kills):
            for batch in more(flow, 60):
                for feed in feeds:
                    feed.add(batch)
            await asyncio.sleep(chance.uniform(0, 0.05))
            await kill_something(server, dsn, is_postmaster=kill % 2 == 0)
        await all_settled(service, flow.number)
    owner = await connect(dsn)
    try:
        await assert_as_if_nothing_happened(dsn, owner, flow)
    finally:
        await owner.close()


async def kill_something(server: EmbeddedPostgres, dsn: str, *, is_postmaster: bool) -> None:
    if is_postmaster:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        return
    try:
        witness = await connect(dsn)
    except OSError:
        return
    rows = await witness.fetch(
        "select pid from pg_stat_activity where application_name like 'settlement.%'"
    )
    witness.terminate()
    for row in rows[:1]:
        # The server takes all sessions down with it and recovers from its log.
        os.kill(row["pid"], signal.SIGKILL)
