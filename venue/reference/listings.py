"""QueryOrders: where the open orders of a scope stand, a bounded number at a time."""

from __future__ import annotations

from heapq import nsmallest
from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import QueryOrders
from messages.trading.events import OrderListed, OrdersQueryRejected
from risk.decisions import Refused
from venue.reference import bounds
from venue.reference.cancels import decide_scope, orders_in_scope
from venue.reference.event_writer import clipped, shape
from venue.reference.state import VenueState

_LISTED: Final = shape(OrderListed)
_REJECTED: Final = shape(OrdersQueryRejected)


def query_orders(venue: VenueState, command: QueryOrders) -> None:
    """List the scope's open orders, the smallest order number first, or say that none is there."""
    account = venue.accounts.get(command.account)
    refused = decide_scope(venue, command, account)
    if refused is not None:
        reject_orders_query(venue, command, refused)
        return
    assert account is not None
    orders = [
        order
        for order in orders_in_scope(venue, command, account)
        if order.order_id > command.after_order_id
    ]
    if not orders:
        reject_orders_query(venue, command, Refused(RejectCode.ORDER_UNKNOWN))
        return
    listed = nsmallest(bounds.ORDERS_PER_QUERY_MAX, orders, key=lambda order: order.order_id)
    remaining = len(orders) - len(listed)
    for place, order in enumerate(listed, 1):
        venue.events.order(
            _LISTED,
            order,
            command.session,
            command.connection,
            place,
            len(listed),
            remaining,
            0,
            command.request_id,
        )


def reject_orders_query(venue: VenueState, command: QueryOrders, refused: Refused) -> None:
    """Refuse a QueryOrders."""
    venue.events.emit(
        _REJECTED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.scope,
        command.side,
        refused.code,
        0,
        clipped(refused.limit),
        clipped(refused.usage),
        command.request_id,
    )
