"""What the venue needs to know of event records: their numbers and lengths, nothing else."""

import struct
from collections.abc import Iterator

from messages.trading.events import LAST_OF_COMMAND
from runtime.link_frames import EVENTS_DATA_MAX, EventBatch
from runtime.log_format import PAYLOAD_MAX
from venue.errors import EventsTooLargeError

_HEAD = struct.Struct("<HHBBxxQ")
"""Length, kind, version, flags, number."""
_LENGTH = struct.Struct("<H")
_NUMBER = struct.Struct("<Q")
_NUMBER_OFFSET = 8

EVENTS_BYTES_MAX = min(EVENTS_DATA_MAX, PAYLOAD_MAX)
"""What fits into a frame of the event log and into one of a link. The events of several commands
are divided where a command ends; those of one command must fit, for a consumer commits them at
once."""


def first_number(events: bytes) -> int:
    """Return the number of the first record."""
    return int(_NUMBER.unpack_from(events, _NUMBER_OFFSET)[0])


def split_after(events: bytes, number: int) -> int:
    """Return the offset of the first record whose number is above ``number``."""
    offset = 0
    while offset < len(events):
        if _NUMBER.unpack_from(events, offset + _NUMBER_OFFSET)[0] > number:
            return offset
        (length,) = _LENGTH.unpack_from(events, offset)
        assert length > 0, f"event record without length at byte {offset}"
        offset += length
    return offset


def whole_commands(batch: EventBatch, bytes_max: int | None = None) -> Iterator[EventBatch]:
    """Divide events into batches of whole commands that fit into frames.

    Args:
        batch: events of whole commands; none give no batch.
        bytes_max: ``EVENTS_BYTES_MAX`` unless told otherwise.

    Raises:
        EventsTooLargeError: the events of one command alone do not fit.
    """
    limit = EVENTS_BYTES_MAX if bytes_max is None else bytes_max
    first, events = batch.first, batch.data
    start = fits = offset = 0
    following = first
    while len(events) - start > limit:
        length, _, _, flags, number = _HEAD.unpack_from(events, offset)
        assert length > 0, f"event record without length at byte {offset}"
        offset += length
        if offset - start > limit:
            if fits == start:
                raise EventsTooLargeError(
                    f"the events of one command, from event {first} on, exceed {limit} bytes"
                )
            yield EventBatch(first, following - 1, events[start:fits])
            start, first = fits, following
        if flags & LAST_OF_COMMAND:
            fits, following = offset, number + 1
    if start < len(events):
        yield EventBatch(first, batch.last, events[start:] if start else events)
