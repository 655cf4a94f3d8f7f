"""The disconnect receipt: ListStatus (N), page by page, with the fate of every order.

The same fence gives the same bytes, whoever makes them and however often.
"""

from fix_gateway.statements.standing import Fence, Gone
from fix_gateway.translation import parts, tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading.decimals import short_decimal_text
from messages.trading.terms import CancelOnDisconnect, TimeInForce

ORDERS_PER_PAGE = 40
_AVERAGE_DIGITS = 8


def receipt_id(fence: Fence) -> str:
    """Return ListID (66)."""
    return f"FENCE-{fence.event}"


def receipt(fence: Fence, directory: Directory) -> list[str]:
    """Write a receipt's pages, unsigned, from 35 on and in the order that is signed.

    Args:
        fence: the connection's end.
        directory: the venue's definitions.
    """
    pages = max(1, -(-len(fence.orders) // ORDERS_PER_PAGE))
    return [_page(fence, directory, page, pages) for page in range(pages)]


def _page(fence: Fence, directory: Directory, page: int, pages: int) -> str:
    orders = fence.orders[page * ORDERS_PER_PAGE : (page + 1) * ORDERS_PER_PAGE]
    is_settled = fence.cancelled == len(fence.orders)
    status = tags.LIST_ORDER_STATUS_ALL_DONE if is_settled else tags.LIST_ORDER_STATUS_EXECUTING
    group = "".join(_order(fence, gone, directory) for gone in orders)
    return (
        f"35=N\x0160={timestamp_text(fence.time_ns)}\x0166={receipt_id(fence)}\x01"
        f"68={len(fence.orders)}\x01"
        + (f"73={len(orders)}\x01{group}" if orders else "")
        + f"82={pages}\x0183={page + 1}\x01429={tags.LIST_STATUS_TYPE_ALERT}\x01431={status}\x01"
        f"444={_sentence(fence, directory)}\x01"
        f"893={'Y' if page + 1 == pages else 'N'}\x01"
        f"5002={fence.event}\x015071={fence.last_sequence}\x01"
    )


def _sentence(fence: Fence, directory: Directory) -> str:
    name = safe_text(directory.session_names.get(fence.session, "").encode()) or fence.session
    mode = CancelOnDisconnect(fence.mode).name.lower()
    kept = len(fence.orders) - fence.cancelled
    waits = (
        f", cancelled at {timestamp_text(fence.grace_until_ns)} unless the session comes back"
        if fence.grace_until_ns
        else ""
    )
    return (
        f"session {name} connection {fence.connection} fenced at event {fence.event}: "
        f"last MsgSeqNum {fence.last_sequence} after {max(fence.epoch - 1, 0)} resets; "
        f"by {mode} {fence.cancelled} cancelled, {kept} rest{waits}"
    )


def _order(fence: Fence, gone: Gone, directory: Directory) -> str:
    order = gone.order
    unit = directory.instrument(order.instrument)
    cut = order.quantity_lots - order.filled_lots if gone.event else 0
    leaves = 0 if gone.event else order.leaves_lots
    status = tags.ORD_STATUS_CANCELED
    if not gone.event:
        is_partial = order.filled_lots > 0
        status = tags.ORD_STATUS_PARTIALLY_FILLED if is_partial else tags.ORD_STATUS_NEW
    average = "0"
    if order.filled_lots:
        value = order.filled_value * unit.tick_units * 10**_AVERAGE_DIGITS // order.filled_lots
        average = short_decimal_text(value, unit.price_decimals + _AVERAGE_DIGITS)
    return (
        f"{parts.identifier(order.client_order_id)}14={parts.quantity(order.filled_lots, unit)}\x01"
        f"39={status}\x01151={parts.quantity(leaves, unit)}\x01"
        f"84={parts.quantity(cut, unit)}\x016={average}\x01"
        f"58=order {order.order_id} {unit.symbol}: {_fate(fence, gone)}\x01"
    )


def _fate(fence: Fence, gone: Gone) -> str:
    if gone.event:
        return f"cancelled by disconnect at event {gone.event}"
    if fence.grace_until_ns:
        return "rests until the grace ends"
    mode = CancelOnDisconnect(fence.mode)
    if mode is CancelOnDisconnect.NONE:
        return "rests, for the mode is none"
    word = TimeInForce(gone.order.time_in_force).name.lower().replace("_", " ")
    return f"rests, {word}"
