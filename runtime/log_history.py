"""Reading a log that somebody else is writing: from a number on, or following its end.

A frame that is not whole yet is simply not there yet. What is durable is not this module's
business: its callers stop at the number they know.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from typing import NamedTuple

from runtime.log_format import (
    FRAME_SIZE,
    HEAD_SIZE,
    Frame,
    LogDamagedError,
    Place,
    Stream,
    parse_frame,
    parse_frame_head,
    parse_head,
)
from runtime.log_scan import segment_name, segment_numbers
from runtime.storage import File, Storage

BLOCK = 256 * 1024
MARK_BYTES_APART = 64 * 1024
INDEXED_SEGMENTS_MAX = 64


class Cursor(NamedTuple):
    """A place in a log: the next frame stands there, or will."""

    segment: int
    offset: int
    after: int
    """The last number before the place."""


class LogHistory:
    """The reading end; safe to use from several threads beside the writer."""

    def __init__(self, storage: Storage, stream: Stream, *, venue: bytes) -> None:
        self._storage, self._stream, self._venue = storage, stream, venue
        self._firsts: dict[int, int] = {}
        self._marks: OrderedDict[int, list[tuple[int, int]]] = OrderedDict()
        self._lock = threading.Lock()

    def mark(self, segment: int, first: int, offset: int) -> None:
        """Remember where a number stands; the writer calls it for each frame."""
        with self._lock:
            marks = self._marks_of(segment)
            if not marks or offset - marks[-1][1] >= MARK_BYTES_APART:
                marks.append((first, offset))

    def seek(self, after: int) -> Cursor:
        """Return the place of the frame that holds number ``after + 1``, or will hold it.

        Raises:
            LogDamagedError: the way there cannot be read.
        """
        segment = self._segment_of(after + 1)
        if segment is None:
            return Cursor(1, HEAD_SIZE, 0)
        with self._lock:
            marks = self._marks_of(segment)
            index = bisect_right(marks, after + 1, key=lambda mark: mark[0]) - 1
            first, offset = marks[index] if index >= 0 else (self._firsts[segment], HEAD_SIZE)
        cursor = Cursor(segment, offset, first - 1)
        file = self._storage.open(segment_name(segment))
        try:
            return self._walk(file, cursor, after)
        finally:
            file.close()

    def read(self, cursor: Cursor, bytes_max: int) -> tuple[list[Frame], Cursor]:
        """Return whole frames from ``cursor`` on, at least one if one is there.

        Args:
            cursor: from ``seek``, or from the last ``read``.
            bytes_max: about how much to read at once.

        Returns:
            The frames, and where to go on. No frames: nothing more is there yet.

        Raises:
            LogDamagedError: what is there does not follow on, or a later segment exists though
                this one does not end whole.
        """
        try:
            file = self._storage.open(segment_name(cursor.segment))
        except FileNotFoundError:
            return [], cursor
        try:
            frames, reached, size = self._read_segment(file, cursor, bytes_max)
        finally:
            file.close()
        if frames or not self._exists(cursor.segment + 1):
            return frames, reached
        if reached.offset == size:
            return self.read(Cursor(cursor.segment + 1, HEAD_SIZE, reached.after), bytes_max)
        return self._read_sealed(reached, bytes_max)

    def _read_sealed(self, cursor: Cursor, bytes_max: int) -> tuple[list[Frame], Cursor]:
        """Read on in a segment that was sealed just now, or that is damaged."""
        file = self._storage.open(segment_name(cursor.segment))
        try:
            frames, reached, size = self._read_segment(file, cursor, bytes_max)
        finally:
            file.close()
        if not frames and reached.offset != size:
            raise self._damaged(reached, "no whole frame, and a later segment exists")
        return frames, reached

    def _read_segment(
        self, file: File, cursor: Cursor, bytes_max: int
    ) -> tuple[list[Frame], Cursor, int]:
        place = Place(self._venue, self._stream, cursor.segment)
        size = file.size()
        data = file.read(max(bytes_max, FRAME_SIZE), cursor.offset)
        head = parse_frame_head(data)
        if head is not None and FRAME_SIZE + head.size > len(data):
            data = file.read(FRAME_SIZE + head.size, cursor.offset)
        frames: list[Frame] = []
        at, after = 0, cursor.after
        while (frame := parse_frame(data, at, place=place, offset=cursor.offset + at)) is not None:
            if frame.head.first != after + 1:
                reason = f"a whole frame holds {frame.head.first} to {frame.head.last}"
                raise self._damaged(Cursor(cursor.segment, cursor.offset + at, after), reason)
            frames.append(frame)
            at += FRAME_SIZE + frame.head.size
            after = frame.head.last
        return frames, Cursor(cursor.segment, cursor.offset + at, after), size

    def _walk(self, file: File, cursor: Cursor, after: int) -> Cursor:
        """Hop over frame heads up to the one that holds ``after + 1``."""
        offset, position = cursor.offset, cursor.after
        block, block_at = b"", offset
        while position < after:
            if offset - block_at + FRAME_SIZE > len(block):
                block, block_at = file.read(BLOCK, offset), offset
            head = parse_frame_head(block, offset - block_at)
            if head is None or head.first != position + 1:
                break
            if head.last > after:
                break
            self.mark(cursor.segment, head.first, offset)
            offset, position = offset + FRAME_SIZE + head.size, head.last
        return Cursor(cursor.segment, offset, position)

    def _segment_of(self, number: int) -> int | None:
        """Return the last segment that begins at or before a number."""
        for segment in reversed(segment_numbers(self._storage)):
            if segment not in self._firsts:
                file = self._storage.open(segment_name(segment))
                try:
                    head = parse_head(file.read(HEAD_SIZE, 0))
                finally:
                    file.close()
                if head is None or head.venue != self._venue:
                    raise self._damaged(Cursor(segment, 0, number - 1), "not a head of this venue")
                self._firsts[segment] = head.first
            if self._firsts[segment] <= number:
                return segment
        return None

    def _marks_of(self, segment: int) -> list[tuple[int, int]]:
        marks = self._marks.setdefault(segment, [])
        self._marks.move_to_end(segment)
        if len(self._marks) > INDEXED_SEGMENTS_MAX:
            self._marks.popitem(last=False)
        return marks

    def _exists(self, segment: int) -> bool:
        try:
            self._storage.open(segment_name(segment)).close()
        except FileNotFoundError:
            return False
        return True

    def _damaged(self, cursor: Cursor, reason: str) -> LogDamagedError:
        return LogDamagedError(
            file=self._storage.describe(segment_name(cursor.segment)),
            offset=cursor.offset,
            sequence=cursor.after + 1,
            reason=reason,
        )
