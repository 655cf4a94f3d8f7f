"""The orders that are open, as a drop copy is told them after its Logon."""

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory
from fix_gateway.translation.reports import order
from fix_gateway.translation.times import timestamp_text
from messages.trading import events


def open_order(
    record: events.OrderReported, directory: Directory, *, event: int, total: int, is_last: bool
) -> str:
    """Tell a drop copy of an open order as it stands after an event, unasked.

    Args:
        record: the order, numbered zero.
        directory: the venue's definitions.
        event: after which it stands so.
        total: how many orders were open when the first was told.
        is_last: whether it ends them.
    """
    text = order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        execution=f"{OPEN}{event}-{record.order_id}",
        request_of_many=f"911={total}\x01912={'Y' if is_last else 'N'}\x01",
    )
    return f"{text}797=Y\x015002={event}\x01"


def no_open_orders(*, event: int, total: int, time_ns: int) -> str:
    """Tell a drop copy that nothing is open, or nothing more of which it was not told since."""
    more = "more " if total else ""
    return (
        f"35=8\x0137=NONE\x0111=NONE\x01911={total}\x01912=Y\x0117={OPEN}{event}-0\x01"
        f"150={tags.EXEC_TYPE_ORDER_STATUS}\x0139={tags.ORD_STATUS_REJECTED}\x01"
        f"55={NO_SYMBOL}\x0154={tags.SIDE_UNDISCLOSED}\x01151=0\x0114=0\x016=0\x01"
        f"60={timestamp_text(time_ns)}\x0158=no {more}open orders\x01797=Y\x015002={event}\x01"
    )


OPEN = "OPEN-"
"""How the ExecID of an open order that is told unasked begins: it reports no event."""
