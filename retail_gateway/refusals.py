"""Every refusal of the retail API: Binance's code and text, and beside them our own number.

``msg`` is what existing clients read, word for word; ``details`` has the venue's or the door's
number, its name, and the limit and the usage where there is one. docs/protocols/rest.md lists them.
"""

from enum import IntEnum
from typing import Final

import msgspec

from messages.trading.codes import RejectCode


class DoorCode(IntEnum):
    """Refusals of this door's own; the venue heard nothing of the request."""

    PARAMETER_MISSING = 1220
    PARAMETER_MALFORMED = 1221
    PARAMETER_UNKNOWN = 1222
    PARAMETER_REPEATED = 1223
    PARAMETER_NOT_ALLOWED = 1224
    KEY_MALFORMED = 1225
    SIGNATURE_REFUSED = 1226
    TIMESTAMP_OUTSIDE_WINDOW = 1227
    REQUEST_REPLAYED = 1228
    WEIGHT_EXCEEDED = 1229
    ORDER_COUNT_EXCEEDED = 1230
    ADDRESS_BANNED = 1231
    VENUE_AWAY = 1232
    OVERLOADED = 1233
    OUTCOME_UNKNOWN = 1234
    ACCOUNTS_EXCEEDED = 1235
    DATABASE_AWAY = 1236
    MARKET_DATA_AWAY = 1237
    ENDPOINT_UNKNOWN = 1238
    METHOD_UNKNOWN = 1239
    REQUEST_TOO_LARGE = 1240
    SYMBOL_UNKNOWN = 1241
    ORDER_NOT_FOUND = 1242
    PRICE_OFF_TICK = 1243
    QUANTITY_OFF_LOT = 1244
    AMOUNT_OUT_OF_RANGE = 1245
    RANGE_INVALID = 1246
    CANCEL_RESTRICTED = 1247
    COUNTDOWN_OUT_OF_RANGE = 1300
    COIN_UNKNOWN = 1301


class Details(msgspec.Struct, frozen=True):
    """Our own number of a refusal, and what it was about."""

    code: int
    name: str
    limit: int = 0
    usage: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """An answer that says no."""

    status: int
    code: int
    msg: str
    details: Details
    retry_after: int = 0


def door_refusal(
    number: DoorCode,
    code: int,
    msg: str,
    *,
    status: int = 400,
    limit: int = 0,
    usage: int = 0,
    retry_after: int = 0,
) -> Refusal:
    """Make a refusal of this door's own."""
    return Refusal(status, code, msg, Details(number, number.name, limit, usage), retry_after)


VENUE_AWAY: Final = door_refusal(
    DoorCode.VENUE_AWAY,
    -1001,
    "Internal error; unable to process your request. Please try again.",
    status=503,
)
"""The request was not sent: trying again is safe."""

OVERLOADED: Final = door_refusal(
    DoorCode.OVERLOADED,
    -1008,
    "Server is currently overloaded with other requests. Please try again in a few minutes.",
    status=503,
)
"""The request was not sent: trying again is safe."""

OUTCOME_UNKNOWN: Final = door_refusal(
    DoorCode.OUTCOME_UNKNOWN,
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; "
    "execution status unknown.",
    status=504,
)

DATABASE_AWAY: Final = door_refusal(
    DoorCode.DATABASE_AWAY,
    -1001,
    "Internal error; unable to process your request. Please try again.",
    status=503,
)

ORDER_NOT_FOUND: Final = door_refusal(DoorCode.ORDER_NOT_FOUND, -2013, "Order does not exist.")

INVALID_SYMBOL: Final = door_refusal(DoorCode.SYMBOL_UNKNOWN, -1121, "Invalid symbol.")

_DISABLED = (-2010, "This action is disabled on this account.")
_CLOSED = (-2010, "Market is closed.")
_INTERNAL = (-1001, "Internal error; unable to process your request. Please try again.")
_OVERLOADED = (OVERLOADED.code, OVERLOADED.msg)
_UNSUPPORTED = (-1020, "This operation is not supported.")
_PRICE_FILTER = (-1013, "Filter failure: PRICE_FILTER")
_LOT_SIZE = (-1013, "Filter failure: LOT_SIZE")
_UNKNOWN_ORDER = (-2011, "Unknown order sent.")
_AMEND = (-2038, "The order amend failed.")
_NEVER_ASKED = (-1000, "An unknown error occurred while processing the request.")
"""What no command of this door can be refused with."""

ANSWERS: Final[dict[RejectCode, tuple[int, str]]] = {
    RejectCode.NONE: _NEVER_ASKED,
    RejectCode.ACCOUNT_UNKNOWN: _DISABLED,
    RejectCode.SESSION_NOT_ENTITLED: _DISABLED,
    RejectCode.SESSION_CLOSED: _INTERNAL,
    RejectCode.VENUE_KILLED: _CLOSED,
    RejectCode.FIRM_KILLED: _DISABLED,
    RejectCode.ACCOUNT_KILLED: _DISABLED,
    RejectCode.SESSION_KILLED: _DISABLED,
    RejectCode.INSTRUMENT_KILLED: _CLOSED,
    RejectCode.INSTRUMENT_UNKNOWN: (-1121, "Invalid symbol."),
    RejectCode.INSTRUMENT_CLOSED: _CLOSED,
    RejectCode.INSTRUMENT_HALTED: _CLOSED,
    RejectCode.ORDER_NOT_ALLOWED_IN_PHASE: _CLOSED,
    RejectCode.FIELD_INVALID: (-1014, "Unsupported order combination."),
    RejectCode.PRICE_REQUIRED: (-1102, "Mandatory parameter 'price' was not sent."),
    RejectCode.PRICE_NOT_ALLOWED: (-1106, "Parameter 'price' sent when not required."),
    RejectCode.PRICE_OUT_OF_RANGE: _PRICE_FILTER,
    RejectCode.QUANTITY_BELOW_MINIMUM: _LOT_SIZE,
    RejectCode.QUANTITY_ABOVE_MAXIMUM: _LOT_SIZE,
    RejectCode.DISPLAY_QUANTITY_INVALID: (-1013, "Filter failure: ICEBERG_PARTS"),
    RejectCode.MINIMUM_QUANTITY_INVALID: _NEVER_ASKED,
    RejectCode.STOP_PRICE_INVALID: _PRICE_FILTER,
    RejectCode.EXPIRY_INVALID: (-1021, "Timestamp for this request is outside of the recvWindow."),
    RejectCode.NOT_SUPPORTED: _UNSUPPORTED,
    RejectCode.PRICE_OUTSIDE_COLLAR: (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    RejectCode.NO_REFERENCE_PRICE: _CLOSED,
    RejectCode.MARKET_WITHOUT_LIQUIDITY: (-2010, "There is no order to trade with."),
    RejectCode.NOTIONAL_ABOVE_MAXIMUM: (-1013, "Filter failure: NOTIONAL"),
    RejectCode.NOTIONAL_BELOW_MINIMUM: (-1013, "Filter failure: NOTIONAL"),
    RejectCode.MESSAGE_RATE_EXCEEDED: (-1015, "Too many new orders; wait before the next one."),
    RejectCode.CLIENT_ORDER_ID_INVALID: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'.",
    ),
    RejectCode.DUPLICATE_CLIENT_ORDER_ID: (-2010, "Duplicate order sent."),
    RejectCode.CLIENT_ORDER_ID_MEMORY_FULL: (-1015, "Too many new orders of today are remembered."),
    RejectCode.OPEN_ORDERS_EXCEEDED: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    RejectCode.BOOK_FULL: (-1013, "Filter failure: EXCHANGE_MAX_NUM_ORDERS"),
    RejectCode.POSITION_LIMIT_EXCEEDED: (-1013, "Filter failure: MAX_POSITION"),
    RejectCode.INSUFFICIENT_FUNDS: (
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    RejectCode.POST_ONLY_WOULD_TAKE: (-2010, "Order would immediately match and take."),
    RejectCode.ORDER_UNKNOWN: _UNKNOWN_ORDER,
    RejectCode.ORDER_ALREADY_DONE: _UNKNOWN_ORDER,
    RejectCode.AMEND_BELOW_FILLED: _AMEND,
    RejectCode.AMEND_CHANGES_NOTHING: _AMEND,
    RejectCode.INSTRUMENT_MISMATCH: _UNKNOWN_ORDER,
    RejectCode.SIDE_MISMATCH: _UNKNOWN_ORDER,
    RejectCode.CASH_QUANTITY_INVALID: (
        -1013,
        "Filter failure: NOTIONAL",
    ),
    RejectCode.CASH_QUANTITY_NOT_ALLOWED: (
        -1106,
        "Parameter 'quoteOrderQty' sent when not required.",
    ),
    RejectCode.SESSION_SUSPENDED: _DISABLED,
    RejectCode.ACCOUNT_SUSPENDED: _DISABLED,
    RejectCode.ALREADY_EXISTS: _INTERNAL,
    RejectCode.FIRM_UNKNOWN: _INTERNAL,
    RejectCode.LIMITS_INVALID: _INTERNAL,
    RejectCode.CAPACITY_EXCEEDED: _OVERLOADED,
    RejectCode.SCOPE_INVALID: _INTERNAL,
    RejectCode.NOT_CONFIGURED: _INTERNAL,
    RejectCode.IDENTIFIER_INVALID: _INTERNAL,
    RejectCode.SESSION_UNKNOWN: _INTERNAL,
    RejectCode.SOURCE_NOT_AUTHORISED: _INTERNAL,
    RejectCode.RECORD_UNKNOWN_KIND: _INTERNAL,
    RejectCode.RECORD_WRONG_VERSION: _INTERNAL,
    RejectCode.RECORD_WRONG_LENGTH: _INTERNAL,
    RejectCode.QUEUE_FULL: _OVERLOADED,
    RejectCode.VENUE_STOPPING: _INTERNAL,
    RejectCode.STORAGE_FULL: _OVERLOADED,
    RejectCode.ACCOUNT_OUTSIDE_REALM: _INTERNAL,
    RejectCode.SESSION_OUTSIDE_REALM: _INTERNAL,
    RejectCode.FIRM_OUTSIDE_REALM: _INTERNAL,
}
"""What a refusal of the venue is called here. The others cannot meet a command of this door:

quotes, requests for quote, suspensions, money, busts, and refusals of other doors.
"""

_STATUS = {-1001: 503, -1008: 503, -1015: 429}


def venue_refusal(number: int, *, limit: int = 0, usage: int = 0) -> Refusal:
    """Say a refusal of the venue's in Binance's words."""
    known = RejectCode(number)
    code, msg = ANSWERS.get(known, _NEVER_ASKED)
    return Refusal(_STATUS.get(code, 400), code, msg, Details(number, known.name, limit, usage))
