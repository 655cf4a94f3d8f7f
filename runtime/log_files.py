"""A segmented, append-only log, written by one thread: the journal and the event log.

Segments are written full of zeros before they are used, so that appending changes no file
length and a sync has only data to write; zeros mean the end. A segment is sealed by cutting it
to its content and syncing it, and only then does the next one begin, with the SHA-256 of the
sealed file in its head: any tool can check the chain.
"""

import contextlib
import errno
import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from runtime.log_format import (
    FRAME_SIZE,
    HEAD_SIZE,
    FrameHead,
    FrameKind,
    LogFullError,
    Place,
    SegmentHead,
    Stream,
    pack_frame,
    pack_head,
)
from runtime.log_scan import SPARE_NAME, LogEnd, segment_name, segment_numbers
from runtime.storage import File, Storage

ZEROS = bytes(1024 * 1024)

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
        """Take over a scanned log, or begin a new one: a torn tail is cut off here, durably."""
        assert end.venue in (None, venue)
        self.last = end.last
        """The last number appended."""
        self.synced = end.last
        """The last number known durable."""
        self.segment = end.number
        self._storage, self._stream, self._venue = storage, stream, venue
        self._segment_bytes = segment_bytes
        self._clock_ns = clock_ns
        self._crash_point = crash_point
        self._mark = mark
        self._offset = end.offset
        self._content = end.content
        self._file: File | None = None
        self._file_lock = threading.Lock()
        self._spare_lock = threading.Lock()
        self._spare_size = 0
        self._take_over(end)

    @property
    def has_spare(self) -> bool:
        """Whether the next segment is ready."""
        return self._spare_size > 0

    @property
    def room(self) -> int:
        """Bytes that can be appended without asking the disk for more."""
        return self._capacity - self._offset + self._spare_size

    @property
    def is_dirty(self) -> bool:
        """Whether something appended is not known durable."""
        return self.synced < self.last

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, contiguous with what is there; they are durable after ``sync``.

        Raises:
            OSError: the disk failed; this log is never to be used again.
            LogFullError: there is no room for another segment; the same.
        """
        parts: list[bytes] = []
        start = self._offset
        for entry in entries:
            assert entry.first == self.last + 1, f"{entry.first} after {self.last}"
            needed = FRAME_SIZE + len(entry.payload)
            if self._file is None or self._offset + needed > self._capacity:
                self._write(parts, start)
                self._begin_segment(needed)
                parts, start = [], self._offset
            head = FrameHead(
                entry.kind,
                len(entry.payload),
                entry.first,
                entry.last,
                self.synced,
                entry.time_ns,
            )
            if self._mark is not None:
                self._mark(self.segment, entry.first, self._offset)
            parts.append(pack_frame(head, entry.payload, place=self._place, offset=self._offset))
            self._offset += needed
            self.last = entry.last
        self._write(parts, start)

    def sync(self) -> None:
        """Make what has been appended durable; may run beside ``append``.

        Raises:
            OSError: the disk failed; never retried, for a second try may lie.
        """
        with self._file_lock:
            last = self.last
            if self._file is not None:
                self._file.sync()
            self.synced = max(self.synced, last)

    def prepare_spare(self) -> None:
        """Make the next segment's file ahead of need; may run beside ``append``.

        Raises:
            LogFullError: there is no room for it; what was made is removed again.
        """
        with self._spare_lock:
            if not self._spare_size:
                self._make_spare(self._segment_bytes)

    def close(self) -> None:
        """Sync and let go."""
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Let go without syncing: after an error nothing more may be asked of the disk."""
        with self._file_lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _take_over(self, end: LogEnd) -> None:
        self._place = Place(self._venue, self._stream, end.number)
        self._capacity = 0
        names = {segment_name(n) for n in segment_numbers(self._storage) if n > end.number}
        for name in (names | {SPARE_NAME}) & set(self._storage.names()):
            self._storage.remove(name)
        self._storage.sync_names()
        if end.number:
            self._file = self._storage.open(segment_name(end.number))
            self._capacity = self._file.size()
            if end.is_torn:
                _write_zeros(self._file, end.offset, self._capacity)
            self._file.sync()

    def _write(self, parts: list[bytes], offset: int) -> None:
        if not parts:
            return
        assert self._file is not None
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._file.write(data, offset)
        self._content.update(data)

    def _begin_segment(self, needed: int) -> None:
        """Seal the present segment, if any, and begin the next, durably."""
        with self._file_lock, self._spare_lock:
            digest = bytes(32)
            if self._file is not None:
                self._file.truncate(self._offset)
                self._file.sync()
                self._file.close()
                self._file = None
                self.synced = self.last
                digest = self._content.digest()
                self._crash_point("segment_sealed")
            size = max(self._segment_bytes, HEAD_SIZE + needed)
            if self._spare_size < size:
                self._make_spare(size)
            self.segment += 1
            self._place = Place(self._venue, self._stream, self.segment)
            head = pack_head(
                SegmentHead(
                    self._stream,
                    self._venue,
                    self.segment,
                    self.last + 1,
                    digest,
                    self._clock_ns(),
                )
            )
            self._file = self._storage.open(SPARE_NAME)
            self._file.write(head, 0)
            self._file.sync()
            self._crash_point("segment_rename")
            self._storage.rename(SPARE_NAME, segment_name(self.segment))
            self._storage.sync_names()
            self._content = hashlib.sha256(head)
            self._capacity, self._spare_size = self._spare_size, 0
            self._offset = HEAD_SIZE

    def _make_spare(self, size: int) -> None:
        file = self._storage.open(SPARE_NAME, create=True)
        try:
            _write_zeros(file, 0, size)
            file.sync()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            with contextlib.suppress(OSError):
                self._storage.remove(SPARE_NAME)
            described = self._storage.describe(SPARE_NAME)
            raise LogFullError(f"{described}: no room for {size} bytes: {error}") from error
        finally:
            file.close()
        self._spare_size = size


def _write_zeros(file: File, start: int, stop: int) -> None:
    for offset in range(start, stop, len(ZEROS)):
        file.write(ZEROS[: stop - offset], offset)
