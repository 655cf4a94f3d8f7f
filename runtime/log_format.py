"""The bytes of a segmented log: segment heads and frames. No I/O; docs/protocols/journal.md.

A frame's checksum is seeded with the venue, the segment and the offset it was written for. So a
frame that was moved, written twice, left over from before a cut, or taken from another venue is
as invalid as one with a flipped bit.
"""

import struct
from enum import IntEnum
from typing import ClassVar, NamedTuple

from google_crc32c import extend

LAYOUT = 3
"""The version of the segment and frame layouts and of the records inside."""

HEAD = struct.Struct("<8sHHI16sQQ32sq36x")
HEAD_SIZE = HEAD.size + 4
FRAME = struct.Struct("<HBBIQQQq4x")
FRAME_SIZE = FRAME.size + 4
FRAME_MARK = 0x52A7
MARK_BYTES = FRAME_MARK.to_bytes(2, "little")
PAYLOAD_MAX = 256 * 1024 * 1024
"""No frame is larger: what a length field may ask to be read."""

_CHECKSUM = struct.Struct("<I")
_PLACE = struct.Struct("<16sHQQ")

assert HEAD_SIZE == 128
assert FRAME_SIZE == 48


class Stream(IntEnum):
    """What a log holds."""

    JOURNAL = 1
    EVENTS = 2


class FrameKind(IntEnum):
    """What a frame holds. 4 and up are reserved."""

    COMMANDS = 1
    CHECK = 2
    EVENTS = 3


class LogError(Exception):
    """Anything wrong with a log: the disk's or the operator's fault, never the caller's."""

    exit_code: ClassVar[int] = 73


class LogDamagedError(LogError):
    """A log is damaged before a place that is known to be whole: nothing is cut, nobody starts."""

    exit_code: ClassVar[int] = 65

    def __init__(self, *, file: str, offset: int, sequence: int, reason: str) -> None:
        super().__init__(f"{file}: damaged at byte {offset}, expected number {sequence}: {reason}")
        self.file, self.offset, self.sequence, self.reason = file, offset, sequence, reason


class LogLayoutError(LogError):
    """A log was written by another version of the venue; nothing of it is touched."""

    exit_code: ClassVar[int] = 65


class LogFullError(LogError):
    """There is no room for another segment."""


class SegmentHead(NamedTuple):
    """The first bytes of a segment."""

    stream: Stream
    venue: bytes
    number: int
    first: int
    previous_digest: bytes
    """SHA-256 of the whole file of the segment before; zero in the first."""
    created_ns: int


class FrameHead(NamedTuple):
    """A frame without its payload.

    ``first`` to ``last`` are the numbers it holds; ``last`` is ``first - 1`` for none.
    ``synced`` is the last number that was known durable when the frame was written: damage at
    or before it cannot come from a power cut.
    """

    kind: FrameKind
    size: int
    first: int
    last: int
    synced: int
    time_ns: int


class Frame(NamedTuple):
    """A frame with its payload, and where it stands."""

    head: FrameHead
    payload: bytes
    offset: int


class Place(NamedTuple):
    """The segment a frame belongs to: what seeds its checksum, with the offset."""

    venue: bytes
    stream: Stream
    number: int

    def seed(self, offset: int) -> int:
        """Return the checksum of the place itself."""
        return int(extend(0, _PLACE.pack(self.venue, self.stream, self.number, offset)))


def parse_head(data: bytes) -> SegmentHead | None:
    """Return the segment head at the start of ``data``, or None if it is not whole.

    Raises:
        LogLayoutError: it is whole, and of another layout.
    """
    if len(data) < HEAD_SIZE or _CHECKSUM.unpack_from(data, HEAD.size)[0] != extend(
        0, data[: HEAD.size]
    ):
        return None
    magic, layout, stream, size, venue, number, first, digest, created = HEAD.unpack_from(data)
    if magic != b"RIALTOLG" or size != HEAD_SIZE:
        return None
    if layout != LAYOUT:
        raise LogLayoutError(f"the log has layout {layout}, and this version has {LAYOUT}")
    if stream not in list(Stream):
        return None
    return SegmentHead(Stream(stream), venue, number, first, digest, created)


def parse_frame_head(data: bytes, at: int = 0) -> FrameHead | None:
    """Return the frame head at ``at`` if it can be one; its checksum is not looked at."""
    if len(data) - at < FRAME_SIZE:
        return None
    mark, kind, version, size, first, last, synced, time_ns = FRAME.unpack_from(data, at)
    if mark != FRAME_MARK or version != 1 or kind not in _KINDS or size > PAYLOAD_MAX or size % 8:
        return None
    return FrameHead(_KINDS[kind], size, first, last, synced, time_ns)


def parse_frame(data: bytes, at: int, *, place: Place, offset: int) -> Frame | None:
    """Return the whole, valid frame at ``at``, or None.

    Args:
        data: bytes of the segment, or a part of it.
        at: where in ``data`` to look.
        place: the segment.
        offset: where in the segment ``at`` is.
    """
    head = parse_frame_head(data, at)
    if head is None or head.size > len(data) - at - FRAME_SIZE:
        return None
    payload = data[at + FRAME_SIZE : at + FRAME_SIZE + head.size]
    body = data[at : at + FRAME.size]
    (checksum,) = _CHECKSUM.unpack_from(data, at + FRAME.size)
    if extend(extend(place.seed(offset), body), payload) != checksum:
        return None
    return Frame(head, payload, offset)


_KINDS = {kind.value: kind for kind in FrameKind}
