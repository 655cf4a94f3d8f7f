"""What the venue needs to know of event records: their numbers and lengths, nothing else."""

import struct
from collections.abc import Iterator

from core import _native
from runtime.link_frames import EVENTS_DATA_MAX, EventBatch
from runtime.log_format import PAYLOAD_MAX
from venue.errors import EventsTooLargeError

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
    """Return the offset of the first record whose number is above ``number``.

    Raises:
        ValueError: not event records.
    """
    return _native.find_after(events, number)


def whole_commands(batch: EventBatch, bytes_max: int | None = None) -> Iterator[EventBatch]:
    """Divide events into batches of whole commands that fit into frames.

    Args:
        batch: events of whole commands; none give no batch.
        bytes_max: ``EVENTS_BYTES_MAX`` unless told otherwise.

    Raises:
        EventsTooLargeError: the events of one command alone do not fit.
        ValueError: not event records.
    """
    limit = EVENTS_BYTES_MAX if bytes_max is None else bytes_max
    first, events = batch.first, memoryview(batch.data)
    while len(events) > limit:
        size, last = _native.find_end_of_command(events, limit)
        if not size:
            raise EventsTooLargeError(
                f"the events of one command, from event {first} on, exceed {limit} bytes"
            )
        yield EventBatch(first, last, bytes(events[:size]))
        first, events = last + 1, events[size:]
    if events:
        whole = len(events) == len(batch.data)
        yield EventBatch(first, batch.last, batch.data if whole else bytes(events))
