"""What surveillance reads of the events: a few fields of a few kinds.

Shapes are structs, not named tuples: a field of those takes four times as long to look up, and
every detector looks up several of every order and trade.
"""

import struct
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from messages.layout import Record, fields_reader
from messages.trading import events as e

_HEADER = struct.Struct("<HHxxxxQ8xq")
"""Length, kind, number, stamp: what every event begins with."""

_LENGTHS = {kind: cls.LENGTH for kind, cls in e.EVENTS.by_kind.items()}

Handler = Callable[[bytes, int], None]


class UnreadableEventsError(Exception):
    """The events are not what they should be: a gap, an unknown kind, half a record."""

    exit_code = 70


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Fields of an event, by their names in its layout and in its order."""


class SeenOrder(Seen, frozen=True, gc=False):
    """An order's state after an event of command ``sequence``."""

    number: int
    sequence: int
    time_ns: int
    account: int
    instrument: int
    order_id: int
    side: int
    order_type: int
    order_flags: int
    reason: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    filled_lots: int


class SeenPrevention(Seen, frozen=True, gc=False):
    """An order that self-trade prevention cancelled or cut, and what it did not trade."""

    number: int
    sequence: int
    time_ns: int
    account: int
    instrument: int
    order_id: int
    reason: int
    counter_order_id: int
    prevented_lots: int


class SeenTrade(Seen, frozen=True, gc=False):
    """A trade, without its money."""

    number: int
    time_ns: int
    instrument: int
    taker_side: int
    is_auction: int
    is_negotiated: int
    price_ticks: int
    quantity_lots: int
    maker_order_id: int
    maker_account: int
    maker_quantity_lots: int
    taker_order_id: int
    taker_account: int
    taker_quantity_lots: int


class SeenAccount(Seen, frozen=True, gc=False):
    """An account, and whose it is."""

    number: int
    account: int
    firm: int
    owner_group: int
    name: bytes


class SeenInstrument(Seen, frozen=True, gc=False):
    """An instrument's name."""

    number: int
    instrument: int
    symbol: bytes


class SeenPhase(Seen, frozen=True, gc=False):
    """A market's phase, and the one before."""

    number: int
    time_ns: int
    instrument: int
    phase: int
    previous_phase: int
    reason: int


class SeenIndication(Seen, frozen=True, gc=False):
    """Where an auction would uncross."""

    number: int
    time_ns: int
    instrument: int
    price_ticks: int


class SeenUncross(Seen, frozen=True, gc=False):
    """Where an auction did uncross."""

    number: int
    time_ns: int
    instrument: int
    price_ticks: int
    volume_lots: int


Shape = TypeVar("Shape", bound=Seen)


def reader(record: type[Record], shape: type[Shape]) -> Callable[[bytes, int], Shape]:
    """Return what reads a record's fields of a shape, and passes over the others."""
    unpack = fields_reader(record, shape.__struct_fields__)

    def read(data: bytes, offset: int) -> Shape:
        return shape(*unpack(data, offset))

    return read


def walk(data: bytes, first: int, handlers: Mapping[int, Handler]) -> tuple[int, int]:
    """Give each event of a kind in ``handlers`` to its handler, checking that none is missing.

    Args:
        data: whole records.
        first: the number that the first one must have.
        handlers: by kind.

    Returns:
        The last event's number and stamp; ``first - 1`` and zero when there is none.

    Raises:
        UnreadableEventsError: a gap, an unknown kind, a record that is cut short.
    """
    offset, end, expected, time_ns = 0, len(data), first, 0
    read_header, lengths = _HEADER.unpack_from, _LENGTHS
    while offset < end:
        if end - offset < _HEADER.size:
            raise UnreadableEventsError(f"event {expected}: cut short")
        length, kind, number, time_ns = read_header(data, offset)
        if number != expected:
            raise UnreadableEventsError(f"expected event {expected}, found {number}")
        if lengths.get(kind) != length or offset + length > end:
            raise UnreadableEventsError(f"event {number}: kind {kind} with {length} bytes")
        handler = handlers.get(kind)
        if handler is not None:
            handler(data, offset)
        expected += 1
        offset += length
    return expected - 1, time_ns
