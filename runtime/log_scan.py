"""One pass over a log at start: every frame checked, a torn tail told from damage.

A crash can only spoil what was not yet durable, and that is always the end. So what cannot be
read is cut off if nothing after it proves that it once was durable; otherwise nobody starts.
The proof is any later frame whose ``synced`` reaches the spoiled place, or a later segment:
segments begin only after the one before is durable.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import NamedTuple

from runtime.log_format import (
    FRAME_SIZE,
    HEAD_SIZE,
    MARK_BYTES,
    Frame,
    LogDamagedError,
    Place,
    SegmentHead,
    Stream,
    parse_frame,
    parse_head,
)
from runtime.storage import Storage

SEGMENT_SUFFIX = ".log"
SPARE_NAME = "spare"
ZEROS = bytes(1 << 20)


class Cut(NamedTuple):
    """A torn tail: everything of ``file`` from ``offset`` on is not part of the log."""

    file: str
    offset: int
    expected: int
    """The number that would have come next."""
    reason: str
    whole_frames: int
    """Frames after the torn one that were whole; never durable, so never visible."""


class LogEnd(NamedTuple):
    """Where a log ends: what a writer needs to go on."""

    venue: bytes | None
    number: int
    """Of the last segment; zero if there is none."""
    offset: int
    last: int
    is_torn: bool


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{number:012d}{SEGMENT_SUFFIX}"


def segment_numbers(storage: Storage) -> list[int]:
    """Return the numbers of the segments there, sorted."""
    stems = (name.removesuffix(SEGMENT_SUFFIX) for name in storage.names())
    return sorted(int(stem) for stem in stems if len(stem) == 12 and stem.isdigit())


class LogScan:
    """Reads a whole log once; ``cut`` and ``end`` are known after ``frames`` is exhausted."""

    def __init__(
        self,
        storage: Storage,
        stream: Stream,
        *,
        venue: bytes | None = None,
        through: int | None = None,
        trusted: int = 0,
    ) -> None:
        """Keep what to read.

        Args:
            storage: where the log is.
            stream: what it must hold.
            venue: the expected one; None to learn it from the log.
            through: end before the first frame that goes beyond this number, as if it and all
                after it were torn; that frame is then ``beyond``.
            trusted: the segments before the one that goes on after this number are not read:
                only that they are there, with heads that follow one another.
        """
        self.venue = venue
        self.cut: Cut | None = None
        self.beyond: Frame | None = None
        self._through = through
        self._trusted = trusted
        self._storage = storage
        self.stream = stream
        self._last = 0
        self._number = 0
        self._offset = 0
        self._previous: Future[bytes] | None = None
        """The digest of the segment before, if that was read."""

    @property
    def end(self) -> LogEnd:
        """Where the log ends."""
        return LogEnd(
            self.venue,
            self._number,
            self._offset,
            self._last,
            is_torn=self.cut is not None,
        )

    def frames(self) -> Iterator[Frame]:
        """Yield every frame in order, checked.

        Raises:
            LogDamagedError: something is wrong that no crash can explain.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="log-digest") as digesting:
            yield from self._frames(digesting)

    def _frames(self, digesting: Executor) -> Iterator[Frame]:
        numbers = segment_numbers(self._storage)
        start = self._first_to_read(numbers)
        for index, number in enumerate(numbers, start=1):
            if number != index:
                raise self._damaged(segment_name(index), 0, "the segment is missing")
            if number < start:
                self._pass_over(number)
                continue
            data = self._read(number)
            head = parse_head(data)
            if head is None:
                self._cut_head(numbers, number, data)
                return
            self._check_head(head, number, is_first_read=number == start)
            self._number, self._offset = number, HEAD_SIZE
            if number != numbers[-1]:  # which takes longer than all else that is done with it
                self._previous = digesting.submit(_digest, data)
            yield from self._segment(data, self._place(number))
            if not self._is_cut() and self._offset != len(data):
                self._settle_tail(numbers, number, data)
            if self._is_cut():
                return

    def _first_to_read(self, numbers: list[int]) -> int:
        """Return the last segment that begins at or before what follows the trusted number."""
        for number in reversed(numbers if self._trusted else []):
            head = self._read_head(number)
            if head is not None and head.first <= self._trusted + 1:
                return number
        return 1

    def _pass_over(self, number: int) -> None:
        head = self._read_head(number)
        if head is None:
            raise self._damaged(segment_name(number), 0, "the segment's head is not whole")
        self._check_head(head, number, is_first_read=True)

    def _read_head(self, number: int) -> SegmentHead | None:
        file = self._storage.open(segment_name(number))
        try:
            return parse_head(file.read(HEAD_SIZE, 0))
        finally:
            file.close()

    def _is_cut(self) -> bool:
        return self.cut is not None

    def _segment(self, data: bytes, place: Place) -> Iterator[Frame]:
        while (
            frame := parse_frame(data, self._offset, place=place, offset=self._offset)
        ) is not None:
            head = frame.head
            if head.first != self._last + 1 or head.last < head.first - 1:
                raise self._damaged(
                    segment_name(place.number),
                    self._offset,
                    f"a whole frame holds {head.first} to {head.last}",
                )
            if self._through is not None and head.last > self._through:
                self.beyond = frame
                described = self._storage.describe(segment_name(place.number))
                self.cut = Cut(described, self._offset, self._last + 1, "beyond what is wanted", 0)
                return
            stop = self._offset + FRAME_SIZE + head.size
            self._last, self._offset = head.last, stop
            yield frame

    def _settle_tail(self, numbers: list[int], number: int, data: bytes) -> None:
        """Decide what it means that a segment holds more than its whole frames."""
        name, expected = segment_name(number), self._last + 1
        is_last = number == numbers[-1]
        is_empty = _is_zeros(data, self._offset)
        if is_last and is_empty:
            return
        if not is_last and not self._is_unborn(numbers, number + 1):
            reason = "zeros" if is_empty else "no whole frame"
            raise self._damaged(name, self._offset, f"{reason}, and later segments exist")
        later = list(self._frames_after(data, self._place(number)))
        if any(frame.head.synced >= expected for frame in later):
            raise self._damaged(
                name,
                self._offset,
                f"a later frame at byte {later[0].offset} proves that it was durable",
            )
        if not is_empty:
            self.cut = Cut(
                self._storage.describe(name),
                self._offset,
                expected,
                "the last frame is torn",
                len(later),
            )

    def _cut_head(self, numbers: list[int], number: int, data: bytes) -> None:
        """Drop a last segment whose head never became whole, and which holds nothing."""
        venue = self.venue or bytes(16)
        later = list(self._frames_after(data, Place(venue, self.stream, number), start=0))
        if number != numbers[-1] or later:
            raise self._damaged(segment_name(number), 0, "the segment's head is not whole")
        described = self._storage.describe(segment_name(number))
        self.cut = Cut(described, 0, self._last + 1, "the segment's head is torn", 0)

    def _is_unborn(self, numbers: list[int], number: int) -> bool:
        """Say whether a segment is the last one and holds nothing: not even a whole head."""
        if number != numbers[-1]:
            return False
        data = self._read(number)
        place = self._place(number)
        return parse_head(data) is None and not any(self._frames_after(data, place, start=0))

    def _frames_after(self, data: bytes, place: Place, start: int | None = None) -> Iterator[Frame]:
        """Yield whole frames after the present place, wherever they begin."""
        at = data.find(MARK_BYTES, self._offset + 1 if start is None else start)
        while at >= 0:
            frame = parse_frame(data, at, place=place, offset=at) if at % 8 == 0 else None
            if frame is not None:
                yield frame
            skipped = 1 if frame is None else FRAME_SIZE + frame.head.size
            at = data.find(MARK_BYTES, at + skipped)

    def _check_head(self, head: SegmentHead, number: int, *, is_first_read: bool) -> None:
        """Compare a head with what is known; of segments that were not read only where they begin.

        From the first segment that is read on, numbers and chain are known.
        """
        if self.venue is None:
            self.venue = head.venue
        if is_first_read and number > 1:
            is_behind, expected = head.first <= self._last, head.previous_digest
            self._last = max(self._last, head.first - 1)
        else:
            is_behind = False
            expected = self._previous.result() if self._previous is not None else bytes(32)
        reasons = (
            (head.venue != self.venue, f"it belongs to venue {head.venue.hex()}"),
            (head.stream != self.stream, f"it holds {head.stream.name}"),
            (head.number != number, f"its head says segment {head.number}"),
            (is_behind or head.first != self._last + 1, f"it begins with number {head.first}"),
            (head.previous_digest != expected, "the segment before it is not the one it followed"),
        )
        for is_wrong, reason in reasons:
            if is_wrong:
                raise self._damaged(segment_name(number), 0, reason)

    def _place(self, number: int) -> Place:
        assert self.venue is not None
        return Place(self.venue, self.stream, number)

    def _read(self, number: int) -> bytes:
        file = self._storage.open(segment_name(number))
        try:
            return file.read(file.size(), 0)
        finally:
            file.close()

    def _damaged(self, name: str, offset: int, reason: str) -> LogDamagedError:
        return LogDamagedError(
            file=self._storage.describe(name),
            offset=offset,
            sequence=self._last + 1,
            reason=reason,
        )


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _is_zeros(data: bytes, start: int) -> bool:
    blocks = (data[at : at + len(ZEROS)] for at in range(start, len(data), len(ZEROS)))
    return all(block == ZEROS[: len(block)] for block in blocks)
