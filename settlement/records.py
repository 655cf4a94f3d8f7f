"""Reading a stream of event records quickly: only the needed fields of the needed kinds."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence

from messages.layout import Record
from messages.trading.events import EVENTS, LAST_OF_COMMAND
from settlement.errors import EventGapError, UnsettleableEventError
from settlement.ports import EventBatch

# Length, kind, flags, number, stamp: what every event begins with.
_HEADER = struct.Struct("<HHxBxxQ8xq")

_LENGTHS = {kind: cls.LENGTH for kind, cls in EVENTS.by_kind.items()}

BIGINT_MAX = (1 << 63) - 1

Handler = Callable[[bytes, int], None]


def picker(record: type[Record], names: Sequence[str]) -> struct.Struct:
    """Make a codec that reads the named fields of a record and passes over the others.

    Args:
        record: whose layout it is.
        names: fields, in the order of the layout.
    """
    wanted = set(names)
    codes = [field.code if field.name in wanted else f"{field.size}x" for field in record.FIELDS]
    found = [field.name for field in record.FIELDS if field.name in wanted]
    assert found == list(names), f"not fields of {record.__name__} in order: {names}"
    return struct.Struct("<" + "".join(codes))


def dispatch(batch: EventBatch, handlers: Mapping[int, Handler]) -> int:
    """Give each event of a kind in ``handlers`` to its handler, checking that none is missing.

    Returns:
        The last event's stamp in nanoseconds.

    Raises:
        EventGapError: numbers that do not follow one another, or half a command.
        UnsettleableEventError: a kind or a length that this program does not know.
    """
    data, offset, expected = batch.data, 0, batch.first
    end, flags, time_ns = len(data), 0, 0
    read_header, lengths = _HEADER.unpack_from, _LENGTHS
    while offset < end:
        if end - offset < _HEADER.size:
            raise EventGapError(f"event {expected}: cut short")
        length, kind, flags, number, time_ns = read_header(data, offset)
        if number != expected:
            raise EventGapError(f"expected event {expected}, found {number}")
        if lengths.get(kind) != length or offset + length > end:
            raise UnsettleableEventError(f"event {number}: kind {kind} with {length} bytes")
        handler = handlers.get(kind)
        if handler is not None:
            handler(data, offset)
        expected += 1
        offset += length
    if expected != batch.last + 1 or not flags & LAST_OF_COMMAND:
        raise EventGapError(
            f"events {batch.first} to {batch.last}: ended at {expected - 1},"
            f" {'inside' if not flags & LAST_OF_COMMAND else 'after'} a command"
        )
    return time_ns


def contiguous(batches: Sequence[EventBatch], after: int) -> Iterator[EventBatch]:
    """Yield batches, checking that they follow event ``after`` without a gap."""
    for batch in batches:
        if batch.first != after + 1:
            raise EventGapError(f"expected event {after + 1}, found {batch.first}")
        yield batch
        after = batch.last


def stored_text(data: bytes) -> str:
    """Decode a zero-padded field for a text column.

    The venue lets only printable ASCII through. What a gateway put on record of a refused
    request may be anything: it is kept readable, and can never stop settlement.
    """
    return data.rstrip(b"\0").decode("ascii", "backslashreplace").replace("\0", "\\x00")


def stored_id(number: int) -> int | None:
    """Return an id for a nullable bigint column: zero is none, and so is one out of its range."""
    return number if 0 < number <= BIGINT_MAX else None
