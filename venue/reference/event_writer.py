"""Writes events: numbers them, stamps them, and marks the last one of each command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from messages.layout import Record
from messages.trading.events import (
    LAST_OF_COMMAND,
    BookLevelChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderReported,
    OrderRestated,
    OrderTriggered,
)
from venue.reference.book import Book, BookSide
from venue.reference.orders import Order

_LIMIT_MAX: Final = (1 << 63) - 1

FLAGS_OFFSET: Final = next(f.offset for f in OrderAccepted.FIELDS if f.name == "flags")


def clipped(value: int) -> int:
    """Fit a limit or usage into its field: what is beyond is said as the largest value."""
    return max(-_LIMIT_MAX, min(value, _LIMIT_MAX))


class Shape(NamedTuple):
    """What packing an event needs at hand."""

    pack: Callable[..., bytes]
    length: int
    kind: int


def shape(event: type[Record]) -> Shape:
    """Return an event's shape.

    Everything is packed by position, which is what the engine spends most of its time on.
    """
    assert event.VERSION == 1, event
    return Shape(event.CODEC.pack, event.LENGTH, event.KIND)


ACCEPTED: Final = shape(OrderAccepted)
CANCELLED: Final = shape(OrderCancelled)
EXPIRED: Final = shape(OrderExpired)
AMENDED: Final = shape(OrderAmended)
TRIGGERED: Final = shape(OrderTriggered)
RESTATED: Final = shape(OrderRestated)
REPORTED: Final = shape(OrderReported)
_LEVEL_CHANGED: Final = shape(BookLevelChanged)


class EventWriter:
    """The events of one ``apply``, and the header that the present command gives them.

    ``touched`` are the book levels that the present command changed, in first-touch order; they
    are told at its end, so that a level changed many times is told once.
    """

    __slots__ = (
        "_last_at",
        "data",
        "number",
        "received_at_ns",
        "sequence",
        "time_ns",
        "touched",
    )

    def __init__(self) -> None:
        self.data = bytearray()
        self._last_at = -1
        self.number = 0
        self.sequence = 0
        self.time_ns = 0
        self.received_at_ns = 0
        self.touched: dict[tuple[BookSide, int], Book] = {}

    def emit(self, event: Shape, *fields: int | bytes) -> None:
        """Write an event: its header, then ``fields`` in the order of its layout."""
        self.number += 1
        self._last_at = len(self.data)
        self.data += event.pack(
            event.length,
            event.kind,
            1,
            0,
            0,
            self.number,
            self.sequence,
            self.time_ns,
            self.received_at_ns,
            *fields,
        )

    def order(self, event: Shape, order: Order, *further: int | bytes) -> None:
        """Write an event that carries an order's state, then ``further`` fields of its own."""
        pack, length, kind = event
        self.number = number = self.number + 1
        data = self.data
        self._last_at = len(data)
        data += pack(
            length,
            kind,
            1,
            0,
            0,
            number,
            self.sequence,
            self.time_ns,
            self.received_at_ns,
            order.account_number,
            order.session,
            order.connection,
            order.instrument_number,
            order.order_id,
            order.side,
            order.order_type,
            order.time_in_force,
            order.status,
            order.self_trade_prevention,
            order.order_flags,
            order.reason,
            order.price_ticks,
            order.quantity_lots,
            order.leaves_lots,
            order.filled_lots,
            order.filled_value,
            order.stop_price_ticks,
            order.display_lots,
            order.minimum_lots,
            order.expire_at_ns,
            order.held_atoms,
            order.cash_atoms,
            order.trader,
            0,
            order.client_order_id,
            *further,
        )

    def end_command(self, data_at: int) -> None:
        """Tell the levels that changed, and mark the last event since ``data_at``, if any."""
        if self.touched:
            self._tell_levels()
        if len(self.data) > data_at:
            self.data[self._last_at + FLAGS_OFFSET] |= LAST_OF_COMMAND

    def _tell_levels(self) -> None:
        pack, length, kind = _LEVEL_CHANGED
        number, data = self.number, self.data
        for (side, price_ticks), book in self.touched.items():
            level = side.levels.get(price_ticks)
            book.sequence += 1
            number += 1
            self._last_at = len(data)
            data += pack(
                length,
                kind,
                1,
                0,
                0,
                number,
                self.sequence,
                self.time_ns,
                self.received_at_ns,
                side.instrument_number,
                side.side,
                0,
                0,
                book.sequence,
                price_ticks,
                0 if level is None else level.shown_lots,
                0 if level is None else level.orders,
                0,
            )
        self.number = number
        self.touched.clear()
