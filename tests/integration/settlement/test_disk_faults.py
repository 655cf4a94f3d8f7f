"""A disk that is full, and one that was set back: settlement goes on, or says why it does not."""

import asyncio
import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.embedded_postgres import EmbeddedPostgres
from runtime.postgres import connect
from settlement import database
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.errors import PositionMovedError
from settlement.reconcile_loader import reconcile
from tests.integration.settlement.conftest import fast_settings, running, settle, until
from tests.integration.settlement.test_faults import (
    all_settled,
    assert_as_if_nothing_happened,
    more,
    outages,
)
from tests.unit.settlement.flow import Flow, flow_of


@pytest.fixture
def own_server() -> Iterator[tuple[EmbeddedPostgres, str]]:
    folder = Path(tempfile.mkdtemp(prefix="rialto-fault-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "postgres", port=free_port())
    try:
        yield server, server.start().url()
    finally:
        server.stop()
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def test_a_ledger_restored_from_an_old_backup_is_noticed_and_goes_on_from_there(
    own_server: tuple[EmbeddedPostgres, str], chance: random.Random
) -> None:
    server, dsn = own_server
    await database.migrate(dsn)
    flow = flow_of(chance, steps=20)
    frames, saved = flow.batches(commands_max=5), flow.number

    with pytest.raises(BaseExceptionGroup) as caught:
        await restore_under_it(server, dsn, flow, frames)

    # The service that knew better refuses; the next one begins where the backup stands.
    refusals = caught.value.subgroup(PositionMovedError)
    assert refusals is not None
    assert f"the database stands at event {saved}" in str(deepest(refusals))
    await settle(dsn, frames)
    owner = await connect(dsn)
    try:
        await assert_as_if_nothing_happened(dsn, owner, flow)
    finally:
        await owner.close()


async def restore_under_it(
    server: EmbeddedPostgres, dsn: str, flow: Flow, frames: list[MemoryBatch]
) -> None:
    """Save the data, book on, and put the saved data in its place while settlement runs."""
    data = server._data
    backup = data.with_name("backup")
    settings = fast_settings(dsn, batch_events_max=10)
    async with running(settings, list(frames)) as (service, feeds):
        await all_settled(service, flow.number)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(shutil.copytree, data, backup)
        await asyncio.to_thread(server.start)
        book_on(flow, frames, feeds)
        await all_settled(service, flow.number)
        await asyncio.to_thread(server.stop)
        shutil.rmtree(data)
        backup.rename(data)
        await asyncio.to_thread(server.start)
        book_on(flow, frames, feeds)
        await until(lambda: False)


def book_on(flow: Flow, frames: list[MemoryBatch], feeds: list[MemoryFeed]) -> None:
    for batch in more(flow, 30):
        frames.append(batch)
        for feed in feeds:
            feed.add(batch)


def deepest(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of our own that can be filled; mounting one is root's."""
    folder = Path(tempfile.mkdtemp(prefix="rialto-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0711", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("only root may mount a disk that is small enough to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


async def test_a_full_disk_stops_nothing_for_ever(small_disk: Path, chance: random.Random) -> None:
    settings_of_server = {"max_wal_size": "32MB"}
    server = EmbeddedPostgres(
        small_disk / "postgres", port=free_port(), settings=settings_of_server
    )
    try:
        dsn = (await asyncio.to_thread(server.start)).url()
        await database.migrate(dsn)
        flow = flow_of(chance, steps=20)
        settings = fast_settings(dsn, batch_events_max=200)
        async with running(settings, flow.batches(commands_max=5)) as (service, feeds):
            await all_settled(service, flow.number)
            fill(small_disk / "ballast")
            # Whatever the server still has room for is written; then it has none.
            while min(outages(service).values()) < 2:
                for batch in more(flow, 200):
                    for feed in feeds:
                        feed.add(batch)
                await asyncio.sleep(0.01)
            assert service.poster.position < flow.number
            (small_disk / "ballast").unlink()
            if server.pid is None:  # it found no room for its own log, and is started again
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
            await all_settled(service, flow.number)
        owner = await connect(dsn)
        try:
            assert (await reconcile(owner, flow.engine())).differences == []
        finally:
            await owner.close()
    finally:
        await asyncio.to_thread(server.stop)


def fill(path: Path) -> None:
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
