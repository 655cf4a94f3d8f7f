"""Which FIX message asks for which command: the one table of both."""

from types import MappingProxyType

from fix_gateway.translation import tags
from messages.trading.commands import (
    AcceptRfqQuote,
    AmendOrder,
    CancelOrder,
    CancelQuotes,
    CheckOrder,
    DisputeTrade,
    GiveRfqQuote,
    GroupHeader,
    MassAction,
    MassCancel,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
    QueryProtection,
    QueryRfq,
    RequestForQuote,
    ResetProtection,
    WithdrawRfq,
)

KIND_OF = MappingProxyType(
    {
        tags.NEW_ORDER_SINGLE: PlaceOrder.KIND,
        tags.ORDER_CANCEL_REQUEST: CancelOrder.KIND,
        tags.ORDER_CANCEL_REPLACE_REQUEST: AmendOrder.KIND,
        tags.ORDER_STATUS_REQUEST: QueryOrder.KIND,
        tags.ORDER_MASS_CANCEL_REQUEST: MassCancel.KIND,
        tags.DONT_KNOW_TRADE: DisputeTrade.KIND,
        tags.QUOTE_REQUEST: RequestForQuote.KIND,
        tags.QUOTE: GiveRfqQuote.KIND,
        tags.QUOTE_RESPONSE: AcceptRfqQuote.KIND,
        tags.QUOTE_CANCEL: WithdrawRfq.KIND,
        tags.QUOTE_STATUS_REQUEST: QueryRfq.KIND,
        tags.ORDER_MASS_ACTION_REQUEST: MassAction.KIND,
        tags.ORDER_MASS_STATUS_REQUEST: QueryOrders.KIND,
        tags.PARTY_RISK_LIMIT_CHECK_REQUEST: CheckOrder.KIND,
        tags.MASS_QUOTE: GroupHeader.KIND,
    }
)
"""The command of each application message (35) that a session may send; there are no others.

Some ask for another one where they are about quotes: ``_MORE_KINDS``.
"""

_MORE_KINDS = {
    CancelQuotes.KIND: tags.QUOTE_CANCEL,
    QueryProtection.KIND: tags.QUOTE_STATUS_REQUEST,
    ResetProtection.KIND: tags.ORDER_MASS_ACTION_REQUEST,
}
_MESSAGE_TYPE_OF = MappingProxyType({kind: name for name, kind in KIND_OF.items()} | _MORE_KINDS)


def message_type_of(kind: int) -> str:
    """Return the MsgType (35) that a kind of command came from; NONE for one that no message is."""
    return _MESSAGE_TYPE_OF.get(kind, "NONE")
