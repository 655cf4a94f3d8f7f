"""The sequencer and the journal's writer at the bounds of both: full batches, a disk that is slow.

The disk is the worst there can be: a sync ends only when the sequencer may do no more.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from messages.trading.commands import COMMANDS
from messages.trading.identity import source_number
from runtime.link_frames import EventBatch
from runtime.log_files import SegmentedLog
from runtime.log_format import FrameKind, Stream
from runtime.log_scan import LogScan
from runtime.log_writer import LogWriter
from runtime.simulated_storage import SimulatedStorage
from tests.venue_support import GATEWAY, settings_in, until
from venue.admission import Inbox
from venue.counting_engine import CountingEngine
from venue.metrics import MetricsInMemory
from venue.rolling import RollingHash
from venue.sequencer import Sequencer
from venue.settings import BatchSettings, JournalSettings, Principal

VENUE = bytes(16)
LARGEST = max(COMMANDS.by_kind.values(), key=lambda kind: kind.LENGTH)


class SlowDisk(SimulatedStorage):
    """A disk whose syncs end when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync = threading.Event()
        self.may_sync.set()

    def may_fail(self) -> None:
        assert self.may_sync.wait(120)


class MuteEngine(CountingEngine):
    """Takes every command and says nothing, so that only the journal has work."""

    def __init__(self) -> None:
        super().__init__()
        self.through = 0

    @property
    def last_sequence(self) -> int:
        return self.through

    def apply(self, commands: bytes) -> bytes:
        self.through += len(commands) // LARGEST.LENGTH
        return b""


def largest(number: int) -> bytes:
    """The largest command there is."""
    source = source_number(GATEWAY, 1)
    return LARGEST.make(source=source, epoch=1, source_sequence=number).pack()


class Load:
    """A sequencer and a writer, put together as the core does, under as much as they take."""

    def __init__(self, folder: Path, batch: BatchSettings, check_interval: int) -> None:
        journal = JournalSettings(check_interval=check_interval)
        settings = settings_in(folder, batch=batch, journal=journal)
        self.batch = batch
        self.disk = SlowDisk()
        scan = LogScan(self.disk, Stream.JOURNAL, venue=VENUE)
        assert list(scan.frames()) == []
        segmented = SegmentedLog(
            self.disk,
            Stream.JOURNAL,
            scan.end,
            venue=VENUE,
            segment_bytes=1 << 22,
            clock_ns=lambda: 7,
        )
        self.writer = LogWriter(
            segmented,
            name="journal",
            syncs_each_group=True,
            sync_seconds=1.0,
            queued_bytes_max=batch.journal_bytes_max,
            written=self.written,
        )
        self.failures: list[BaseException] = []
        self.sequencer = Sequencer(
            MuteEngine(),
            RollingHash(check_interval, venue=VENUE),
            settings,
            submit=self.writer.submit,
            publish=self.refuse_events,
            may_go_on=lambda: True,
            failed=self.failures.append,
            clock_ns=lambda: 1000,
            metrics=MetricsInMemory(),
        )
        gateway = Principal(number=GATEWAY, token_file="", may_send=(LARGEST.__name__,))
        self.links = [Inbox("gateway", gateway) for _ in range(4)]
        self.frame = b"".join(largest(number) for number in range(batch.commands_per_link_max))

    def written(self, last: int) -> None:
        self.sequencer.journal_written(last)

    def refuse_events(self, batch: EventBatch, _time_ns: int) -> None:
        raise AssertionError(f"a mute engine said {batch}")

    async def run(self, batches: int) -> None:
        """Sequence so many batches, always the fullest, then drain."""
        last = batches * self.batch.commands_max
        while self.sequencer.applied.sequence < last and not self.failures:
            for link in self.links:
                if not link.queued:
                    assert self.sequencer.admission.admit(link, self.frame) is None
            self.sequencer.wake()
            await asyncio.sleep(0)
            if self.sequencer._is_held_up:
                self.disk.may_sync.set()
            else:
                self.disk.may_sync.clear()
        self.disk.may_sync.set()
        if not self.failures:
            await self.sequencer.drain()
            await until(lambda: self.writer.log.synced == self.sequencer.applied.sequence)


@pytest.mark.parametrize(
    ("batch", "check_interval", "batches"),
    [
        (BatchSettings(), JournalSettings().check_interval, 300),
        (BatchSettings(), BatchSettings().commands_max, 300),
        (BatchSettings(commands_max=1, commands_per_link_max=1), 1, 2000),
        (BatchSettings(commands_max=1, commands_per_link_max=1, batches_in_flight_max=1), 1, 200),
    ],
)
async def test_what_the_sequencer_may_have_in_flight_always_finds_room(
    tmp_path: Path, batch: BatchSettings, check_interval: int, batches: int
) -> None:
    load = Load(tmp_path, batch, check_interval)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.writer.run(stop))
        await load.run(batches)
        stop.set()
    assert load.failures == []
    frames = list(LogScan(load.disk, Stream.JOURNAL, venue=VENUE).frames())
    commands = [frame for frame in frames if frame.head.kind is FrameKind.COMMANDS]
    assert commands[-1].head.last == load.sequencer.applied.sequence
    assert len(frames) - len(commands) >= batches * batch.commands_max // check_interval
