"""The wire values that the engine compares with, as plain integers.

Comparing a decoded field with an enum member costs ten times what comparing two integers does.
"""

from typing import Final

from messages.trading.terms import (
    CancelOnDisconnect,
    CancelReason,
    OrderFlag,
    OrderStatus,
    OrderType,
    Phase,
    PhaseReason,
    RfqEnd,
    Scope,
    SelfTradePrevention,
    SessionRight,
    Side,
    TimeInForce,
)

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)

LIMIT: Final = int(OrderType.LIMIT)
MARKET: Final = int(OrderType.MARKET)
STOP: Final = int(OrderType.STOP)
STOP_LIMIT: Final = int(OrderType.STOP_LIMIT)

PRICED: Final = frozenset({LIMIT, STOP_LIMIT})

DAY: Final = int(TimeInForce.DAY)
IMMEDIATE_OR_CANCEL: Final = int(TimeInForce.IMMEDIATE_OR_CANCEL)
FILL_OR_KILL: Final = int(TimeInForce.FILL_OR_KILL)
GOOD_TILL_CANCEL: Final = int(TimeInForce.GOOD_TILL_CANCEL)
GOOD_TILL_DATE: Final = int(TimeInForce.GOOD_TILL_DATE)

NEVER_RESTS: Final = frozenset({IMMEDIATE_OR_CANCEL, FILL_OR_KILL})
WITHOUT_PRICE: Final = frozenset({MARKET, STOP})

CASH_QUANTITY: Final = int(OrderFlag.CASH_QUANTITY)
POST_ONLY: Final = int(OrderFlag.POST_ONLY)
QUOTE: Final = int(OrderFlag.QUOTE)

CANCEL_RESTING: Final = int(SelfTradePrevention.CANCEL_RESTING)
CANCEL_INCOMING: Final = int(SelfTradePrevention.CANCEL_INCOMING)
CANCEL_BOTH: Final = int(SelfTradePrevention.CANCEL_BOTH)
DECREMENT_AND_CANCEL: Final = int(SelfTradePrevention.DECREMENT_AND_CANCEL)

PENDING_TRIGGER: Final = int(OrderStatus.PENDING_TRIGGER)
NEW: Final = int(OrderStatus.NEW)
PARTIALLY_FILLED: Final = int(OrderStatus.PARTIALLY_FILLED)
FILLED: Final = int(OrderStatus.FILLED)
CANCELLED: Final = int(OrderStatus.CANCELLED)
EXPIRED: Final = int(OrderStatus.EXPIRED)
REJECTED: Final = int(OrderStatus.REJECTED)

PRE_OPEN: Final = int(Phase.PRE_OPEN)
CALL_AUCTION: Final = int(Phase.CALL_AUCTION)
CONTINUOUS: Final = int(Phase.CONTINUOUS)
HALTED: Final = int(Phase.HALTED)
CLOSED: Final = int(Phase.CLOSED)

BY_OPERATOR: Final = int(PhaseReason.OPERATOR)
BY_SCHEDULE: Final = int(PhaseReason.SCHEDULE)
BY_PRICE_BAND: Final = int(PhaseReason.PRICE_BAND)

VENUE: Final = int(Scope.VENUE)
FIRM: Final = int(Scope.FIRM)
ACCOUNT: Final = int(Scope.ACCOUNT)
SESSION: Final = int(Scope.SESSION)
INSTRUMENT: Final = int(Scope.INSTRUMENT)

CANCEL_SESSION_ORDERS: Final = int(CancelOnDisconnect.SESSION)
CANCEL_ACCOUNT_ORDERS: Final = int(CancelOnDisconnect.ACCOUNT)

RIGHT_TRADE: Final = int(SessionRight.TRADE)
RIGHT_QUOTE_REQUESTS: Final = int(SessionRight.QUOTE_REQUESTS)

REQUESTED: Final = int(CancelReason.REQUESTED)
MASS_CANCEL: Final = int(CancelReason.MASS_CANCEL)
IMMEDIATE_REMAINDER: Final = int(CancelReason.IMMEDIATE_REMAINDER)
UNFILLED_OR_KILLED: Final = int(CancelReason.FILL_OR_KILL)
MINIMUM_QUANTITY: Final = int(CancelReason.MINIMUM_QUANTITY)
SELF_TRADE: Final = int(CancelReason.SELF_TRADE)
KILL_SWITCH: Final = int(CancelReason.KILL_SWITCH)
DISCONNECT: Final = int(CancelReason.DISCONNECT)
DAY_ENDED: Final = int(CancelReason.DAY_ENDED)
DATE_REACHED: Final = int(CancelReason.DATE_REACHED)
CASH_SPENT: Final = int(CancelReason.CASH_SPENT)
PRICE_BAND: Final = int(CancelReason.PRICE_BAND)
PRICE_COLLAR: Final = int(CancelReason.PRICE_COLLAR)
BUST: Final = int(CancelReason.BUST)
QUOTE_REPLACED: Final = int(CancelReason.QUOTE_REPLACED)
QUOTE_WITHDRAWN: Final = int(CancelReason.QUOTE_WITHDRAWN)
PROTECTION: Final = int(CancelReason.PROTECTION)
WOULD_TAKE: Final = int(CancelReason.POST_ONLY)

RFQ_ACCEPTED: Final = int(RfqEnd.ACCEPTED)
RFQ_EXPIRED: Final = int(RfqEnd.EXPIRED)
RFQ_WITHDRAWN: Final = int(RfqEnd.WITHDRAWN)
RFQ_REPLACED: Final = int(RfqEnd.REPLACED)
RFQ_PASSED: Final = int(RfqEnd.PASSED)
RFQ_REQUEST_ENDED: Final = int(RfqEnd.REQUEST_ENDED)
RFQ_DISCONNECT: Final = int(RfqEnd.DISCONNECT)
RFQ_KILL_SWITCH: Final = int(RfqEnd.KILL_SWITCH)
RFQ_PHASE_CHANGED: Final = int(RfqEnd.PHASE_CHANGED)

NO_CLIENT_ID: Final = bytes(40)
