"""Group commit by native threads, as the loop sees it: what is told, and when nothing is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime import log_writer
from runtime.log_files import Entry, SegmentedLog
from runtime.log_format import HEAD_SIZE, Frame, FrameKind, Stream
from runtime.log_history import LogHistory
from runtime.log_scan import LogScan, segment_name
from runtime.log_writer import LogFailedError, LogWriter
from runtime.simulated_storage import SimulatedFile, SimulatedStorage
from runtime.storage import DiskStorage, Storage
from tests.twins.log import NaiveLog, merged_runs
from tests.venue_support import until

VENUE = bytes(range(16))
SEGMENT_BYTES = 4096


class Disk(SimulatedStorage):
    """A disk that can hold its syncs, and knows who syncs and what was asked of it."""

    def __init__(self, *, room: int | None = None) -> None:
        super().__init__(room=room)
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.syncing = threading.Event()
        self.asked = 0
        self.fails_at: int | None = None
        self.error = OSError(errno.EIO, "input/output error (simulated)")

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        self.ask()
        return super().open(name, create=create)

    def may_fail(self) -> None:
        self.syncing.set()
        assert self.may_sync.wait(20)
        self.ask()

    def take_room(self, size: int) -> None:
        self.ask()
        super().take_room(size)

    def ask(self) -> None:
        self.asked += 1
        if self.fails_at is not None and self.asked >= self.fails_at:
            raise self.error


class Heard:
    """What a writer told."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.syncs: list[float] = []
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def last(self) -> int:
        return max(self.written, default=0)

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()

    async def through(self, last: int) -> None:
        """Wait until number ``last`` was told; a failure shows when the writer is left."""
        await until(lambda: self.is_over or self.last >= last)


def open_log(
    storage: Storage,
    history: LogHistory | None = None,
    clock_ns: Callable[[], int] = lambda: 7,
) -> SegmentedLog:
    scan = LogScan(storage, Stream.JOURNAL, venue=VENUE)
    for _ in scan.frames():
        pass
    return SegmentedLog(
        storage,
        Stream.JOURNAL,
        scan.end,
        venue=VENUE,
        segment_bytes=SEGMENT_BYTES,
        clock_ns=clock_ns,
        mark=None if history is None else history.mark,
    )


@contextlib.asynccontextmanager
async def writing(
    segmented: SegmentedLog, *, syncs_each_group: bool = True, queued_bytes_max: int = 1 << 20
) -> AsyncIterator[tuple[LogWriter, Heard]]:
    heard = Heard()
    writer = LogWriter(
        segmented,
        name="journal",
        syncs_each_group=syncs_each_group,
        sync_seconds=0.005,
        queued_bytes_max=queued_bytes_max,
        written=heard.written.append,
        observe_sync=heard.syncs.append,
    )
    heard.task = asyncio.create_task(writer.run(heard.stop))
    yield writer, heard
    heard.stop.set()
    await heard.task


@contextlib.asynccontextmanager
async def failing(segmented: SegmentedLog, reason: str) -> AsyncIterator[tuple[LogWriter, Heard]]:
    with pytest.raises(LogFailedError, match=reason):
        async with writing(segmented) as parts:
            yield parts


def entry(number: int, *, size: int = 64, kind: FrameKind = FrameKind.COMMANDS) -> Entry:
    return Entry(kind, number, number, number, bytes([number % 256]) * size)


def submit_all(writer: LogWriter, numbers: Iterable[int], *, size: int = 64) -> None:
    for number in numbers:
        writer.submit(entry(number, size=size))


def frames_of(storage: Storage) -> list[Frame]:
    return list(LogScan(storage, Stream.JOURNAL, venue=VENUE).frames())


async def test_what_is_submitted_is_told_once_it_is_there_and_is_there_after_the_end() -> None:
    disk = Disk()
    async with writing(open_log(disk)) as (writer, heard):
        for number in range(1, 201):
            writer.submit(entry(number))
            if number % 7 == 0:
                await asyncio.sleep(0)
        await heard.through(200)
        assert writer.log.synced == 200
    assert heard.written == sorted(set(heard.written))
    assert len(heard.syncs) >= len(heard.written)
    assert b"".join(frame.payload for frame in frames_of(disk)) == b"".join(
        entry(number).payload for number in range(1, 201)
    )


@pytest.mark.parametrize("syncs_each_group", [True, False])
async def test_what_gathers_is_written_as_the_twin_writes_it(syncs_each_group: bool) -> None:
    disk, twin_disk = Disk(), SimulatedStorage()
    check = Entry(FrameKind.CHECK, 6, 5, 5, bytes(56))
    gathered = [entry(2), entry(3), entry(4), entry(5), check, check, entry(6), entry(7)]
    segmented = open_log(disk)
    async with writing(segmented, syncs_each_group=syncs_each_group) as (writer, heard):
        # The first group is held where it begins the first segment.
        await until(lambda: segmented.has_spare)
        disk.may_sync.clear()
        disk.syncing.clear()
        writer.submit(entry(1))
        await asyncio.to_thread(disk.syncing.wait, 120)
        for each in gathered:
            writer.submit(each)
        await asyncio.sleep(0)
        assert not heard.written
        disk.may_sync.set()
        await heard.through(7)
    twin = NaiveLog(
        twin_disk,
        Stream.JOURNAL,
        LogScan(twin_disk, Stream.JOURNAL).end,
        venue=VENUE,
        segment_bytes=SEGMENT_BYTES,
        created_ns=7,
    )
    for group in ([entry(1)], gathered):
        for run in merged_runs(group) if syncs_each_group else group:
            twin.append([run])
            if syncs_each_group:
                twin.sync()
    if syncs_each_group:
        names = segment_name(1)
        assert disk.open(names).read(1 << 20, 0) == twin_disk.open(names).read(1 << 20, 0)
    else:  # when what was synced depends on the time
        found, expected = frames_of(disk), frames_of(twin_disk)
        assert [frame.head[:4] for frame in found] == [frame.head[:4] for frame in expected]
        assert [frame.payload for frame in found] == [frame.payload for frame in expected]


async def test_groups_that_are_not_synced_are_told_before_they_are_durable() -> None:
    disk = Disk()
    async with writing(open_log(disk), syncs_each_group=False) as (writer, heard):
        writer.submit(entry(1))
        await heard.through(1)
        await until(lambda: writer.log.synced == 1)
        disk.may_sync.clear()
        writer.submit(entry(2))
        await heard.through(2)
        writer.submit(entry(3))
        await heard.through(3)
        assert writer.log.synced == 1
        disk.may_sync.set()
        await until(lambda: writer.log.synced == 3)
    assert heard.syncs


async def test_more_than_may_be_queued_is_a_broken_invariant_but_one_entry_always_may() -> None:
    disk = Disk()
    async with writing(open_log(disk), queued_bytes_max=1000) as (writer, heard):
        disk.may_sync.clear()
        writer.submit(entry(1, size=8000))
        with pytest.raises(AssertionError, match="journal: more is queued than may be, at num"):
            submit_all(writer, range(2, 100))
        disk.may_sync.set()
        await heard.through(1)


async def test_a_listener_that_fails_ends_the_writer_and_is_told_nothing_more() -> None:
    disk, told = Disk(), list[int]()

    def listen(last: int) -> None:
        told.append(last)
        writer.submit(entry(2))
        raise LookupError("broken")

    writer = LogWriter(
        open_log(disk),
        name="journal",
        syncs_each_group=True,
        sync_seconds=1.0,
        queued_bytes_max=1 << 20,
        written=listen,
    )
    task = asyncio.create_task(writer.run(asyncio.Event()))
    writer.submit(entry(1))
    with pytest.raises(LookupError, match="broken"):
        await asyncio.wait_for(task, 120)
    assert told == [1]
    assert [frame.head.last for frame in frames_of(disk)] == [1, 2]


async def test_an_entry_out_of_order_is_refused_where_it_is_submitted() -> None:
    async with writing(open_log(Disk())) as (writer, heard):
        writer.submit(entry(1))
        with pytest.raises(ValueError, match="does not follow"):
            writer.submit(entry(3))
        writer.submit(entry(2))
        await heard.through(2)


async def test_what_comes_after_the_end_is_refused_and_not_lost_in_silence() -> None:
    disk = Disk()
    async with writing(open_log(disk)) as (writer, heard):
        writer.submit(entry(1))
    with pytest.raises(ValueError, match="told to stop"):
        writer.submit(entry(2))
    assert heard.last == 1
    assert len(frames_of(disk)) == 1


@pytest.mark.parametrize("syncs_each_group", [True, False])
async def test_a_disk_that_fails_is_told_once_with_its_reason(syncs_each_group: bool) -> None:
    failed = 0
    for fails_at in range(8, 40, 2):
        disk = Disk()
        disk.fails_at = fails_at
        segmented = open_log(disk)
        with contextlib.suppress(LogFailedError):
            async with writing(segmented, syncs_each_group=syncs_each_group) as (writer, heard):
                for number in range(1, 20):
                    writer.submit(entry(number, size=512))
                    await heard.through(number)
        assert heard.task is not None
        error = heard.task.exception()
        if error is not None:
            failed += 1
            assert isinstance(error, LogFailedError)
            assert error.__cause__ is disk.error
            assert "journal: [Errno 5] input/output error" in str(error)
            writer.submit(entry(20))  # goes nowhere
            asked = disk.asked
            await asyncio.sleep(0.002)
            assert disk.asked == asked, "something was asked of a disk that had failed"
        if syncs_each_group:
            assert segmented.synced >= heard.last
    assert failed >= 10


async def test_a_segment_that_is_gone_is_named(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path / "journal")
    segmented = open_log(storage)
    segmented.prepare_spare()
    (tmp_path / "journal" / "spare").unlink()
    async with failing(segmented, "No such file") as (writer, heard):
        writer.submit(entry(1))
        await heard.through(1)
    assert heard.task is not None
    error = heard.task.exception()
    assert error is not None
    cause = error.__cause__
    assert isinstance(cause, FileNotFoundError)
    assert cause.errno == errno.ENOENT
    assert cause.filename == str(tmp_path / "journal" / "spare")
    assert not heard.written


@pytest.mark.parametrize("clock", [lambda: "noon", lambda: 1 << 70, lambda: 1 // 0])
async def test_a_clock_that_is_none_fails_the_log_and_says_why(
    clock: Callable[[], int],
) -> None:
    async with failing(open_log(Disk(), clock_ns=clock), "journal: ") as (writer, heard):
        writer.submit(entry(1))
        await heard.through(1)
    assert heard.task is not None
    error = heard.task.exception()
    assert error is not None
    assert isinstance(error.__cause__, (TypeError, ZeroDivisionError)), error.__cause__
    assert not heard.written


class ShortDisk(SimulatedStorage):
    """A disk that gives fewer bytes than it has, and cannot even name its files."""

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        found = super().open(name, create=create)
        setattr(found, "read", lambda _size, _offset: b"")  # noqa: B010  # of this one file
        return found

    def describe(self, name: str) -> str:
        raise LookupError(name)


def test_an_error_that_nobody_waits_for_is_no_reason_of_another() -> None:
    whole, disk = SimulatedStorage(), ShortDisk()
    log = open_log(whole)
    log.append([entry(1)])
    log.sync()
    end = LogScan(whole, Stream.JOURNAL, venue=VENUE)
    assert len(list(end.frames())) == 1
    disk._seen = whole._seen
    with pytest.raises(OSError, match="Input/output error") as raised:
        SegmentedLog(
            disk,
            Stream.JOURNAL,
            end.end,
            venue=VENUE,
            segment_bytes=SEGMENT_BYTES,
            clock_ns=lambda: 7,
        )
    assert raised.value.errno == errno.EIO
    assert raised.value.filename == segment_name(1)


async def test_a_full_disk_is_told_and_room_is_told_too() -> None:
    disk = Disk(room=2 * SEGMENT_BYTES)
    segmented = open_log(disk)
    with capture_logs() as logs:
        async with writing(segmented) as (writer, heard):
            assert writer.has_room(1 << 30), "nothing has been refused yet"
            for number in (1, 2):
                writer.submit(entry(number, size=3000))
                await heard.through(number)
            await until(lambda: not writer.has_room(segmented.room + 1))
            assert writer.has_room(segmented.room)
            assert segmented.room > 512
            writer.submit(entry(3, size=512))
            await heard.through(3)
            disk.room = 10 * SEGMENT_BYTES
            await until(lambda: writer.has_room(1 << 30))
            assert segmented.has_spare
            writer.submit(entry(4, size=3000))
            await heard.through(4)
    told = [line for line in logs if line["event"].startswith("log_")]
    assert [line["event"] for line in told] == ["log_is_full", "log_has_room_again"]
    assert told[0]["reason"].startswith("memory:spare: no room for 4096 bytes: No space left")


async def test_no_room_for_what_was_submitted_ends_the_writer() -> None:
    disk = Disk(room=SEGMENT_BYTES)
    async with failing(open_log(disk), "memory:spare: no room for") as (writer, heard):
        submit_all(writer, range(1, 4), size=1000)
        await heard.through(3)
        submit_all(writer, range(4, 20), size=1000)
        await heard.through(19)
    assert heard.last == 3


async def test_a_writer_that_is_given_up_does_not_wait_for_its_disk_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "ENDING_SECONDS", 0.01)
    disk = Disk()
    with capture_logs() as logs, contextlib.suppress(asyncio.CancelledError):
        async with writing(open_log(disk)) as (writer, heard):
            disk.may_sync.clear()
            writer.submit(entry(1))
            await asyncio.to_thread(disk.syncing.wait, 120)
            assert heard.task is not None
            heard.task.cancel()
    assert [line["event"] for line in logs] == ["log_still_writing"]
    assert not heard.written
    disk.may_sync.set()
    await until(lambda: len(frames_of(disk)) == 1)


async def test_readers_are_told_where_frames_stand(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path / "events")
    history = LogHistory(storage, Stream.JOURNAL, venue=VENUE)
    async with writing(open_log(storage, history)) as (writer, heard):
        for number in range(1, 50):
            writer.submit(entry(number, size=80_000))
            await heard.through(number)
    for segment in range(1, 50):
        assert history._marks[segment] == [(segment, HEAD_SIZE)]
    assert history.seek(37)[:2] == (38, HEAD_SIZE)
