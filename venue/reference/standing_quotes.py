"""Quotes that stand: up to two orders, a bid and an ask, under one name of the maker's.

A quote's sides rest in the book like any order. No client id names them: ``<quote id>/<entry id>``
is what they go by, and it may come again. So a side is forgotten as soon as it is done, unless it
traded: then it is remembered as long as the last of its trades is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from risk.decisions import is_client_id
from venue.reference.values import BUY

if TYPE_CHECKING:
    from venue.reference.orders import Order

QuoteKey = tuple[int, bytes]
"""An instrument's number, and the entry id, without padding, within it."""

ENTRY_ID_SIZE: Final = 16
SEPARATOR: Final = b"/"


class Quote:
    """What one entry id of an account names in an instrument; one side at least is there."""

    __slots__ = ("ask", "bid", "key")

    def __init__(self, key: QuoteKey) -> None:
        self.key = key
        self.bid: Order | None = None
        self.ask: Order | None = None

    def side(self, side: int) -> Order | None:
        """Return the order that stands on a side."""
        return self.bid if side == BUY else self.ask


def join_quote(order: Order, key: QuoteKey) -> None:
    """Let an order be a side of its account's quote of that name."""
    quotes = order.account.quotes
    quote = quotes.get(key)
    if quote is None:
        quote = quotes[key] = Quote(key)
    assert quote.side(order.side) is None, key
    if order.side == BUY:
        quote.bid = order
    else:
        quote.ask = order
    order.quoted = quote


def leave_quote(order: Order) -> None:
    """Let an order be a side of its quote no more; a quote without sides is none."""
    quote = order.quoted
    assert quote is not None, order.order_id
    if order.side == BUY:
        quote.bid = None
    else:
        quote.ask = None
    if quote.bid is None and quote.ask is None:
        del order.account.quotes[quote.key]
    order.quoted = None


def name_of_side(quote_id: bytes, entry_id: bytes) -> bytes:
    """Return what the sides of a quote go by; both ids are in range."""
    return (quote_id.rstrip(b"\0") + SEPARATOR + entry_id.rstrip(b"\0")).ljust(40, b"\0")


def entry_id_of(name: bytes) -> bytes:
    """Return the entry id, without padding, in what a side goes by; empty when it has none."""
    return name.rstrip(b"\0").rpartition(SEPARATOR)[2]


def is_quote_name(name: bytes) -> bool:
    """Say whether a side of a quote may go by this: a quote's id and an entry's."""
    quote_id, separator, entry_id = name.rstrip(b"\0").rpartition(SEPARATOR)
    is_sized = 1 <= len(entry_id) <= ENTRY_ID_SIZE
    return is_client_id(name) and bool(quote_id and separator) and is_sized
