"""A core at its default settings under more than it can take, on a disk that takes its time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from messages.trading.commands import PlaceOrder
from messages.trading.identity import source_number
from runtime.link import Link
from runtime.link_frames import Refusal
from runtime.storage import DiskFile, DiskStorage
from tests.venue_support import GATEWAY, RunningCore, core, settings_in
from venue.engines import create_engine
from venue.replay import replay
from venue.settings import BatchSettings, JournalSettings
from venue.state_files import Stores

LINKS = 4
SYNC_SECONDS = 0.003
BATCHES = 400
FRAMES_PER_TURN = 8


class SlowFile(DiskFile):
    def sync(self) -> None:
        super().sync()
        time.sleep(SYNC_SECONDS)  # what is simulated, not what is waited for


class SlowStorage(DiskStorage):
    """A disk each of whose syncs lasts as long as many batches take."""

    def open(self, name: str, *, create: bool = False) -> SlowFile:
        plain = super().open(name, create=create)
        return SlowFile(plain._descriptor)


async def flood(running: RunningCore, session: int, last: int, refused: list[Refusal]) -> None:
    """Send the same orders as fast as the link takes them until the venue has sequenced enough.

    The engine drops what it has seen; the journal, which this is about, writes it all down.
    """
    link: Link = await running.link(refusals=refused.extend)
    source = source_number(GATEWAY, session)
    orders = [PlaceOrder.make(source=source, epoch=1, source_sequence=n) for n in range(1, 257)]
    frame = b"".join(order.pack() for order in orders)
    while running.metrics.gauges["sequence", ""] < last:
        for _ in range(FRAMES_PER_TURN):
            link.send(frame)
        await asyncio.sleep(0)
    await link.close()


async def test_a_flood_over_several_links_is_refused_and_ends_no_core(tmp_path: Path) -> None:
    stores = Stores(
        journal=SlowStorage(tmp_path / "venue" / "journal"),
        events=DiskStorage(tmp_path / "venue" / "events"),
        snapshots=DiskStorage(tmp_path / "venue" / "snapshots"),
    )
    batch, refused = BatchSettings(), list[Refusal]()
    settings = settings_in(tmp_path, batch=batch, journal=JournalSettings())
    last = BATCHES * batch.commands_max
    async with core(settings, create_engine("native"), stores=stores) as running:
        async with asyncio.TaskGroup() as group:
            for session in range(1, LINKS + 1):
                group.create_task(flood(running, session, last, refused))
        assert await running.finish() == 0
        assert running.metrics.gauges["sequence", ""] >= last
    assert refused, "this was no flood"
    journal = Stores.read_only(tmp_path / "venue").journal
    assert replay(journal, create_engine("native")).last_sequence >= last
