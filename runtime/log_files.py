"""A segmented, append-only log: the journal and the event log. ``core/native`` writes the files.

docs/protocols/journal.md says what is in them. The GIL is released wherever a disk is waited for.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from core import _native
from runtime.log_format import FrameKind, LogFullError, Stream
from runtime.log_history import MARK_BYTES_APART
from runtime.log_scan import LogEnd
from runtime.storage import DiskStorage, Storage

CrashPoint = Callable[[str], None]
"""Called with the name of each place where a test may want the process to die."""

Mark = Callable[[int, int, int], None]
"""Called with segment, first number and offset of frames, at intervals: a sparse index."""


class Entry(NamedTuple):
    """What to append: a frame that has no place yet."""

    kind: FrameKind
    first: int
    last: int
    time_ns: int
    payload: bytes
    """Whole records; a multiple of eight bytes."""


def no_crash_point(_name: str) -> None:
    """Never crash."""


class SegmentedLog:
    """The writing end. ``append``, ``sync`` and ``close`` belong to one thread."""

    def __init__(
        self,
        storage: Storage,
        stream: Stream,
        end: LogEnd,
        *,
        venue: bytes,
        segment_bytes: int,
        clock_ns: Callable[[], int],
        crash_point: CrashPoint = no_crash_point,
        mark: Mark | None = None,
    ) -> None:
        """Take over a scanned log, or begin a new one: a torn tail is cut off here, durably.

        A ``DiskStorage`` is written by the kernel's calls; any other is called from here.

        Raises:
            OSError: the disk failed.
        """
        assert end.venue in (None, venue)
        self._mark = mark
        self.native = _native.Log(
            storage=str(storage.folder) if type(storage) is DiskStorage else storage,
            stream=stream,
            venue=venue,
            end=(end.number, end.offset, end.last, end.is_torn),
            segment_bytes=segment_bytes,
            clock_ns=None if clock_ns is time.time_ns else clock_ns,
            crash_point=native_crash_point(crash_point),
            mark_bytes=0 if mark is None else MARK_BYTES_APART,
        )

    @property
    def last(self) -> int:
        """The last number appended."""
        return self.native.last

    @property
    def synced(self) -> int:
        """The last number known durable."""
        return self.native.synced

    @property
    def has_spare(self) -> bool:
        """Whether the next segment is ready."""
        return self.native.has_spare

    @property
    def room(self) -> int:
        """Bytes that can be appended without asking the disk for more."""
        return self.native.room

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, contiguous with what is there; they are durable after ``sync``.

        Raises:
            OSError: the disk failed; this log is never to be used again.
            LogFullError: there is no room for another segment; the same.
            ValueError: an entry is not contiguous, or cannot be a frame; nothing is written.
        """
        try:
            self.native.append(entries)
        except _native.NoRoomError as error:
            raise LogFullError(str(error)) from error
        self.note(self.native.take_marks())

    def sync(self) -> None:
        """Make what has been appended durable; may run beside ``append``.

        Raises:
            OSError: the disk failed; never retried, for a second try may lie.
        """
        self.native.sync()

    def prepare_spare(self) -> None:
        """Make the next segment's file ahead of need; may run beside ``append``.

        Raises:
            LogFullError: there is no room for it; what was made is removed again.
        """
        try:
            self.native.prepare_spare()
        except _native.NoRoomError as error:
            raise LogFullError(str(error)) from error

    def close(self) -> None:
        """Sync and let go."""
        self.native.close()

    def abandon(self) -> None:
        """Let go without syncing: after an error nothing more may be asked of the disk."""
        self.native.abandon()

    def note(self, marks: Sequence[tuple[int, int, int]]) -> None:
        """Pass on where frames stand: (segment, first number, offset) of each."""
        if self._mark is not None:
            for mark in marks:
                self._mark(*mark)


def native_crash_point(crash_point: CrashPoint) -> CrashPoint | None:
    """Return what native threads call: None, so that they need not ask for the GIL, for none."""
    return None if crash_point is no_crash_point else crash_point
