"""The native logs write the files of their slow twin, byte for byte, on every storage."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.log_files import Entry, SegmentedLog
from runtime.log_format import FrameKind, LogFullError, Stream
from runtime.log_scan import LogScan
from runtime.simulated_storage import SimulatedStorage
from runtime.storage import DiskStorage, Storage
from tests.twins.log import NaiveLog

VENUE = bytes(range(100, 116))
KINDS = (FrameKind.COMMANDS, FrameKind.CHECK, FrameKind.EVENTS)
CREATED_NS = (1 << 62) + 12345
SEGMENTS = st.sampled_from([512, 1024, 4096, 1 << 17])

# One step: entries as (kind, how many numbers, payload bytes, filled with), or what else to do.
ENTRY = st.tuples(
    st.sampled_from(KINDS),
    st.integers(1, 1000),
    st.one_of(st.integers(0, 40), st.integers(0, 3000)).map(lambda words: 8 * words),
    st.integers(0, 255),
)
STEP = st.one_of(
    st.lists(ENTRY, max_size=6),
    st.sampled_from(["sync", "prepare_spare", "restart"]),
    st.tuples(st.just("tear"), st.integers(1, 400)),
)


def entries_after(last: int, described: list[tuple[FrameKind, int, int, int]]) -> Iterator[Entry]:
    for kind, count, size, filled in described:
        first, last = last + 1, last + (0 if kind is FrameKind.CHECK else count)
        yield Entry(kind, first, last, -(1 << 40) + last, bytes([filled]) * size)


def files_of(storage: Storage) -> dict[str, bytes]:
    found = {}
    for name in storage.names():
        file = storage.open(name)
        found[name] = file.read(file.size(), 0)
        file.close()
    return found


class Twins:
    """One log on three storages: the twin's, and the native one's in memory and on a disk."""

    def __init__(self, folder: Path, stream: Stream, segment_bytes: int, room: int | None) -> None:
        self.stream, self.segment_bytes = stream, segment_bytes
        self.storages: list[Storage] = [SimulatedStorage(room=room), SimulatedStorage(room=room)]
        if room is None:
            self.storages.append(DiskStorage(folder / "log"))
        self.logs: list[NaiveLog | SegmentedLog] = []
        self.restart()

    def restart(self) -> None:
        ends = []
        for storage in self.storages:
            scan = LogScan(storage, self.stream, venue=VENUE)
            for _ in scan.frames():
                pass
            ends.append(scan.end)
        assert ends.count(ends[0]) == len(ends)
        for log in self.logs:
            if isinstance(log, SegmentedLog):
                log.close()
        size, end = self.segment_bytes, ends[0]
        self.logs = [
            NaiveLog(
                self.storages[0],
                self.stream,
                end,
                venue=VENUE,
                segment_bytes=size,
                created_ns=CREATED_NS,
            )
        ]
        for storage in self.storages[1:]:
            log = SegmentedLog(
                storage,
                self.stream,
                end,
                venue=VENUE,
                segment_bytes=size,
                clock_ns=lambda: CREATED_NS,
            )
            self.logs.append(log)

    def tear(self, size: int) -> None:
        """Spoil the last bytes of the last segment's content, as a cut does, and start again."""
        for storage in self.storages:
            name = max((name for name in storage.names() if name.endswith(".log")), default=None)
            if name is None:
                return
            file = storage.open(name)
            data = file.read(file.size(), 0).rstrip(b"\0")
            start = max(128, len(data) - size)
            file.write(b"\xff" * (len(data) - start), start)
            file.close()
        self.restart()

    def compare(self) -> None:
        files = [files_of(storage) for storage in self.storages]
        assert all(found == files[0] for found in files[1:])
        for log in self.logs[1:]:
            assert (log.last, log.synced) == (self.logs[0].last, self.logs[0].synced)


def take(twins: Twins, step: object) -> bool:
    """Take one step with every log; False when their disks are full, and they are to be left."""
    if step == "restart":
        twins.restart()
    elif isinstance(step, tuple):
        twins.tear(step[1])
    else:
        refused = [_is_refused(log, step) for log in twins.logs]
        assert refused.count(refused[0]) == len(refused)
        return not refused[0] or step == "prepare_spare"
    return True


def _is_refused(log: NaiveLog | SegmentedLog, step: object) -> bool:
    try:
        if step == "sync":
            log.sync()
        elif step == "prepare_spare":
            log.prepare_spare()
        else:
            assert isinstance(step, list)
            log.append(list(entries_after(log.last, step)))
    except (LogFullError, OSError):
        return True
    return False


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(Stream), SEGMENTS, st.lists(STEP, max_size=30))
def test_the_files_are_the_twins(stream: Stream, segment_bytes: int, steps: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        twins = Twins(Path(folder), stream, segment_bytes, room=None)
        for step in steps:
            assert take(twins, step)
            twins.compare()


@settings(deadline=None, max_examples=150)
@given(st.integers(2, 30), st.lists(STEP, max_size=30))
def test_a_full_disk_is_met_alike(segments: int, steps: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        twins = Twins(Path(folder), Stream.JOURNAL, 1024, room=512 * segments)
        for step in steps:
            goes_on = take(twins, step)
            twins.compare()
            if not goes_on:
                return


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(FrameKind.COMMANDS, 3, 3, 0, b"8 bytes."), "follow"),
        (Entry(FrameKind.COMMANDS, 1, 1, 0, b"8 bytes."), "follow"),
        (Entry(FrameKind.COMMANDS, 2, 0, 0, b"8 bytes."), "follow"),
        (Entry(FrameKind.COMMANDS, 2, 2, 0, b"7 bytes"), "multiple of 8"),
    ],
)
def test_what_cannot_be_a_frame_is_refused_and_nothing_is_written(
    entry: Entry, reason: str
) -> None:
    storage = SimulatedStorage()
    scan = LogScan(storage, Stream.JOURNAL)
    log = SegmentedLog(
        storage, Stream.JOURNAL, scan.end, venue=VENUE, segment_bytes=512, clock_ns=lambda: 1
    )
    log.append([Entry(FrameKind.COMMANDS, 1, 1, 0, bytes(8))])
    before = files_of(storage)
    with pytest.raises(ValueError, match=reason):
        log.append([entry])
    assert files_of(storage) == before
    log.append([Entry(FrameKind.COMMANDS, 2, 2, 0, bytes(8))])
