"""What the core answers to a query over a link: msgpack, but for the books."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec


class Balances(msgspec.Struct, frozen=True, array_like=True):
    """Answer to ``balances``: the engine's money, all in atoms.

    ``balances`` holds (account, asset, balance, held), sorted; ``assets`` holds (asset, supply,
    fees collected), sorted; ``receivables`` (account, asset, owed to the venue since a bust);
    ``rfq_holds`` (account, asset, what of ``held`` its answers to requests for quote tie up).
    """

    balances: list[tuple[int, int, int, int]]
    assets: list[tuple[int, int, int]]
    receivables: list[tuple[int, int, int]] = []
    rfq_holds: list[tuple[int, int, int]] = []


class LinkStatus(msgspec.Struct, frozen=True):
    """One link of the core: who it is, how far it has read, what waits to be sequenced."""

    principal: str
    reads_events: bool
    through_event: int
    queued_commands: int
    send_buffer_bytes: int


class VenueStatus(msgspec.Struct, frozen=True):
    """Answer to ``status``: where the core stands. All numbers are durable ones."""

    venue: str
    engine: str
    durability: str
    last_sequence: int
    last_event: int
    last_time_ns: int
    checked_sequence: int
    queued_commands: int
    is_admitting: bool
    links: list[LinkStatus]


OPEN_ORDERS_PAGE_MAX: Final = 2000
"""Orders in one answer to ``open_orders``: OrderReported records, numbered zero, by order id.

They stand as after the answer's event; the next page begins after the last one's order id. A page
that is not full is the last.
"""


class RestingOrder(NamedTuple):
    """An order in its queue. ``leaves_lots`` counts what is hidden too: never to be published."""

    order_id: int
    price_ticks: int
    shown_lots: int
    leaves_lots: int
    display_lots: int
    side: int


class Book(NamedTuple):
    """One instrument's book: bids, then asks, each best price first and then first to trade."""

    instrument: int
    sequence: int
    orders: list[RestingOrder]


BOOK_HEAD: Final = struct.Struct("<IIQ")
"""Instrument, number of orders, book sequence; the orders follow."""

RESTING_ORDER: Final = struct.Struct("<QqqqqB7x")
"""The fields of a RestingOrder."""


def read_books(payload: bytes) -> Iterator[Book]:
    """Read the answer to ``books``, by ascending instrument number.

    Raises:
        ValueError: the payload is cut short.
    """
    at = 0
    while at < len(payload):
        try:
            instrument, count, sequence = BOOK_HEAD.unpack_from(payload, at)
            at += BOOK_HEAD.size
            size = count * RESTING_ORDER.size
            orders = [
                RestingOrder(*fields)
                for fields in RESTING_ORDER.iter_unpack(payload[at : at + size])
            ]
        except struct.error as error:
            raise ValueError(f"books: cut short at byte {at}") from error
        if len(orders) != count:
            raise ValueError(f"books: {len(orders)} orders of {count} at byte {at}")
        at += size
        yield Book(instrument, sequence, orders)
