"""What FIX market data reads of the events: a few fields of a few kinds."""

from typing import Final, NamedTuple

from messages.layout import reader
from messages.trading import events


class SeenOrder(NamedTuple):
    """An order, as far as the public's book follows it; what is hidden is in it, too."""

    instrument: int
    order_id: int
    side: int
    order_type: int
    time_in_force: int
    status: int
    price_ticks: int
    leaves_lots: int
    display_lots: int


class SeenAmendment(NamedTuple):
    """An order with new terms: the same, and whether it kept its place."""

    instrument: int
    order_id: int
    side: int
    order_type: int
    time_in_force: int
    status: int
    price_ticks: int
    leaves_lots: int
    display_lots: int
    kept_priority: int


class SeenEnd(NamedTuple):
    """An order that is gone."""

    instrument: int
    order_id: int


class SeenTrade(NamedTuple):
    """A trade, and what it leaves of both orders."""

    time_ns: int
    instrument: int
    taker_side: int
    is_auction: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    maker_order_id: int
    maker_time_in_force: int
    maker_leaves_lots: int
    taker_order_id: int
    taker_leaves_lots: int


class SeenLevel(NamedTuple):
    """A price of a book, and what it shows after its command."""

    number: int
    time_ns: int
    instrument: int
    side: int
    book_sequence: int
    price_ticks: int
    quantity_lots: int
    orders: int


read_order: Final = reader(
    events.OrderAccepted, SeenOrder, events.OrderTriggered, events.OrderRestated
)
read_amendment: Final = reader(events.OrderAmended, SeenAmendment)
read_end: Final = reader(events.OrderCancelled, SeenEnd, events.OrderExpired)
read_trade: Final = reader(events.TradeExecuted, SeenTrade)
read_level: Final = reader(events.BookLevelChanged, SeenLevel)
