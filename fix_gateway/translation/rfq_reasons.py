"""Refusals and ends of requests for quote in the words of FIX."""

from types import MappingProxyType

from fix_gateway.translation import tags
from messages.trading.codes import RejectCode
from messages.trading.terms import RfqEnd

Code = RejectCode

_OTHER = 99

REQUEST_REJECT_REASON: MappingProxyType[int, int] = MappingProxyType(
    {
        Code.INSTRUMENT_UNKNOWN: 1,
        Code.GATEWAY_SYMBOL_UNKNOWN: 1,
        Code.INSTRUMENT_CLOSED: 2,
        Code.INSTRUMENT_HALTED: 2,
        Code.ORDER_NOT_ALLOWED_IN_PHASE: 2,
        Code.QUOTE_REQUESTS_EXCEEDED: 3,
        Code.MESSAGE_RATE_EXCEEDED: 3,
        Code.QUANTITY_ABOVE_MAXIMUM: 3,
        Code.EXPIRY_INVALID: 4,
        Code.SESSION_NOT_ENTITLED: 6,
        Code.SESSION_CLOSED: 6,
        Code.GATEWAY_ACCOUNT_NOT_ENTITLED: 6,
        Code.GATEWAY_RIGHTS_MISSING: 6,
    }
)
"""QuoteRequestRejectReason (658); what is not listed is 99."""

QUOTE_REJECT_REASON: MappingProxyType[int, int] = MappingProxyType(
    {
        Code.GATEWAY_SYMBOL_UNKNOWN: 1,
        Code.INSTRUMENT_UNKNOWN: 1,
        Code.INSTRUMENT_MISMATCH: 1,
        Code.INSTRUMENT_CLOSED: 2,
        Code.INSTRUMENT_HALTED: 2,
        Code.ORDER_NOT_ALLOWED_IN_PHASE: 2,
        Code.RFQ_QUOTES_EXCEEDED: 3,
        Code.MESSAGE_RATE_EXCEEDED: 3,
        Code.OPEN_ORDERS_EXCEEDED: 3,
        Code.POSITION_LIMIT_EXCEEDED: 3,
        Code.GATEWAY_QUOTE_ENTRIES_EXCEEDED: 3,
        Code.EXPIRY_INVALID: 4,
        Code.QUOTE_REQUEST_UNKNOWN: 5,
        Code.RFQ_QUOTE_UNKNOWN: 5,
        Code.DUPLICATE_CLIENT_ORDER_ID: 6,
        Code.QUOTE_ENTRY_REPEATED: 6,
        Code.RFQ_PRICES_CROSSED: 7,
        Code.QUOTE_CROSSED: 7,
        Code.PRICE_OUT_OF_RANGE: 8,
        Code.PRICE_OUTSIDE_COLLAR: 8,
        Code.PRICE_NOT_ALLOWED: 8,
        Code.PRICE_REQUIRED: 8,
        Code.GATEWAY_PRICE_OFF_TICK: 8,
        Code.SESSION_NOT_ENTITLED: 9,
        Code.SESSION_CLOSED: 9,
        Code.RFQ_OWN_FIRM: 9,
        Code.GATEWAY_ACCOUNT_NOT_ENTITLED: 9,
        Code.GATEWAY_RIGHTS_MISSING: 9,
    }
)
"""QuoteRejectReason (300); what is not listed is 99."""

_END_STATUS: MappingProxyType[int, str] = MappingProxyType(
    {
        RfqEnd.ACCEPTED: tags.QUOTE_STATUS_TRADED_AND_REMOVED,
        RfqEnd.EXPIRED: tags.QUOTE_STATUS_EXPIRED,
        RfqEnd.WITHDRAWN: tags.QUOTE_STATUS_CANCELED,
        RfqEnd.PASSED: tags.QUOTE_STATUS_PASSED,
    }
)
"""QuoteStatus (297) of an end; what is not listed is 6, removed from the market."""


def request_reject_reason(code: int) -> int:
    """Return QuoteRequestRejectReason (658) for a code."""
    return REQUEST_REJECT_REASON.get(code, _OTHER)


def quote_reject_reason(code: int) -> int:
    """Return QuoteRejectReason (300) for a code."""
    return QUOTE_REJECT_REASON.get(code, _OTHER)


def end_status(reason: int) -> str:
    """Return QuoteStatus (297) for an RfqEnd."""
    return _END_STATUS.get(reason, tags.QUOTE_STATUS_REMOVED_FROM_MARKET)


def end_name(reason: int) -> str:
    """Return an RfqEnd's name; of one that is newer than this gateway, its number."""
    try:
        return RfqEnd(reason).name
    except ValueError:
        return f"REASON_{reason}"
