"""What the log, and the next start, say of an engine that fails at a command."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import msgspec
import pytest

from messages.trading.commands import CancelOrder
from runtime.simulated_storage import SimulatedStorage
from tests.crash.killed_core import records
from tests.integration.venue.test_durability import follower_settings, make_history
from tests.venue_support import PATIENCE_SECONDS, command, core, read_events, settings_in
from venue.counting_engine import CountingEngine
from venue.errors import EngineBrokenError
from venue.follower import Follower
from venue.metrics import MetricsInMemory
from venue.replay import replay
from venue.service import run_core
from venue.settings import VenueSettings
from venue.state_files import Stores


class PoisonedEngine(CountingEngine):
    """Fails at one order's cancel."""

    def apply(self, commands: bytes) -> bytes:
        for record in records(commands):
            is_cancel = int.from_bytes(record[2:4], "little") == CancelOrder.KIND
            assert not is_cancel or CancelOrder.unpack(record).order_id != 77, "poison"
        return super().apply(commands)


async def poisoned(settings: VenueSettings) -> None:
    """Commands 1 to 70 one by one; then 71 to 90 in one batch, and 77 breaks the engine."""
    async with core(settings, PoisonedEngine()) as running:
        link = await running.link()
        for number in range(1, 71):
            link.send(command(number))
        await read_events(link, after=0, through=70)
        link.send(b"".join(command(number) for number in range(71, 91)))
        await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert await running.finish() == 70


async def test_the_batch_that_broke_the_engine_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await poisoned(settings_in(tmp_path))
    said = capfd.readouterr().out
    assert "first_sequence=71" in said
    assert "last_sequence=90" in said
    assert "AssertionError: poison" in said


@pytest.mark.parametrize("with_snapshot", [True, False])
async def test_a_restart_names_the_command_that_breaks_the_engine(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *, with_snapshot: bool
) -> None:
    settings = settings_in(tmp_path)
    await poisoned(settings)
    stores = Stores.on_disk(tmp_path / "venue")
    with pytest.raises(EngineBrokenError, match=r"command 77 \(segment 1, byte \d+\)") as broken:
        replay(stores.journal, PoisonedEngine())
    assert (broken.value.first, broken.value.last) == (77, 77)
    if with_snapshot:
        settings = follower_settings(tmp_path)
        settings = settings_at_64(settings)
        whole = replay(stores.journal, CountingEngine())
        follower = Follower(settings, CountingEngine, stores, MetricsInMemory(), venue=whole.venue)
        while follower.step():
            pass
        assert stores.snapshots.names() == [f"{64:020d}.snapshot"]
    capfd.readouterr()
    code = await run_core(settings, PoisonedEngine(), asyncio.Event(), MetricsInMemory())
    said = capfd.readouterr().out
    assert code == 70
    assert "the engine fails at command 77 (segment 1, byte " in said
    assert ("snapshot_restored" in said) == with_snapshot
    assert replay(stores.journal, CountingEngine()).last_sequence == 90, "a mended one goes on"


async def test_giving_up_the_frame_as_documented_lets_the_core_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await poisoned(settings)
    journal = tmp_path / "venue" / "journal" / "000000000001.log"
    with pytest.raises(EngineBrokenError) as broken:
        replay(Stores.read_only(tmp_path / "venue").journal, PoisonedEngine())
    os.truncate(journal, int(broken.value.place.rpartition(" ")[2]))
    async with core(settings, PoisonedEngine()) as running:
        link = await running.link()
        assert [each.source_sequence for each in link.welcome.positions] == [70]
        link.send(command(78))
        await read_events(link, after=0, through=72)
        await link.close()
        assert await running.finish() == 0


def settings_at_64(settings: VenueSettings) -> VenueSettings:
    snapshots = msgspec.structs.replace(settings.snapshots, every_commands=64)
    return msgspec.structs.replace(settings, snapshots=snapshots)


class FullStorage(SimulatedStorage):
    """Has room for nothing until told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True
        self.tries = 0

    def take_room(self, size: int) -> None:
        if self.is_full and size > 0:
            self.tries += 1
            raise OSError(errno.ENOSPC, "no space left on device")
        super().take_room(size)


async def test_a_follower_goes_on_while_the_disk_has_no_room_for_a_snapshot(
    tmp_path: Path,
) -> None:
    settings = follower_settings(tmp_path)
    snapshots = msgspec.structs.replace(settings.snapshots, retry_seconds=3600.0)
    settings = msgspec.structs.replace(settings, snapshots=snapshots)
    await make_history(settings, 1000)
    disk, full = Stores.on_disk(tmp_path / "venue"), FullStorage()
    stores = disk._replace(snapshots=full)
    venue = replay(disk.journal, CountingEngine()).venue
    follower = Follower(settings, CountingEngine, stores, MetricsInMemory(), venue=venue)
    while follower.step():
        pass
    assert follower.replayer.engine.last_sequence >= 1000
    assert full.tries == 1, "tried again only after a while"
    assert full.names() == [], "what was begun takes no room"
    full.is_full = False
    follower._retry_at = 0.0
    await make_more(settings, 1000)
    while follower.step():
        pass
    assert len(full.names()) == 2


async def make_more(settings: VenueSettings, count: int) -> None:
    async with core(settings) as running:
        link = await running.link()
        after = link.welcome.last_event
        for number in range(1, count + 1):
            link.send(command(number, epoch=2))
            if number % 64 == 0:
                await asyncio.sleep(0)
        await read_events(link, after=after, through=after + count)
        await link.close()
