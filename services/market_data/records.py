"""What market data reads of the events: a few fields of a few kinds."""

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from messages.layout import Record
from messages.trading import events as e
from services.market_data.errors import UnreadableEventsError

_HEADER: Final = struct.Struct("<HHxBxxQ8xq")
"""Length, kind, flags, number, stamp: what every event begins with."""

_LENGTHS: Final = {kind: cls.LENGTH for kind, cls in e.EVENTS.by_kind.items()}

NANOSECONDS_PER_MS: Final = 1_000_000

Handler = Callable[[bytes, int], None]


class SeenTrade(NamedTuple):
    """A trade, without the people in it."""

    number: int
    time_ns: int
    instrument: int
    taker_side: int
    is_auction: int
    is_negotiated: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    taker_order_id: int


class SeenLevel(NamedTuple):
    """A price of a book, and what it shows after its command."""

    number: int
    time_ns: int
    instrument: int
    side: int
    book_sequence: int
    price_ticks: int
    quantity_lots: int


class SeenChange(NamedTuple):
    """A bust or a correction: the trade, and its terms now, which are zero after a bust."""

    number: int
    instrument: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int


Shape = TypeVar("Shape", bound=tuple[int, ...])


def _reader(record: type[Record], shape: type[Shape]) -> Callable[[bytes, int], Shape]:
    """Return what reads a record's fields of a shape, and passes over the others."""
    wanted: tuple[str, ...] = shape._fields  # type: ignore[attr-defined]  # it is a NamedTuple
    found = [field for field in record.FIELDS if field.name in wanted]
    assert tuple(field.name for field in found) == wanted, (record.__name__, wanted)
    last = record.FIELDS.index(found[-1])
    codes = [
        field.code if field.name in wanted else f"{field.size}x"
        for field in record.FIELDS[: last + 1]
    ]
    unpack = struct.Struct("<" + "".join(codes)).unpack_from
    make = shape._make  # type: ignore[attr-defined]  # it is a NamedTuple

    def read(data: bytes, offset: int) -> Shape:
        return make(unpack(data, offset))  # type: ignore[no-any-return]  # of our shape

    return read


read_trade: Final = _reader(e.TradeExecuted, SeenTrade)
read_level: Final = _reader(e.BookLevelChanged, SeenLevel)
read_change: Final = _reader(e.TradeBusted, SeenChange)
"""Of a TradeCorrected, too: the two have one layout."""


def walk(
    data: bytes,
    first: int,
    handlers: Mapping[int, Handler],
    *,
    command_ended: Callable[[], None],
) -> tuple[int, int]:
    """Give each event of a kind in ``handlers`` to its handler, checking that none is missing.

    Args:
        data: whole records, of whole commands.
        first: the number that the first one must have.
        handlers: by kind.
        command_ended: called after a command's last event.

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
        length, kind, flags, number, time_ns = read_header(data, offset)
        if number != expected:
            raise UnreadableEventsError(f"expected event {expected}, found {number}")
        if lengths.get(kind) != length or offset + length > end:
            raise UnreadableEventsError(f"event {number}: kind {kind} with {length} bytes")
        handler = handlers.get(kind)
        if handler is not None:
            handler(data, offset)
        if flags & e.LAST_OF_COMMAND:
            command_ended()
        expected += 1
        offset += length
    return expected - 1, time_ns
