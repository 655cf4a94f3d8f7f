"""Refusal codes in the words of FIX: standard reason values, and a sentence with the figures.

The standard values are coarse; the number in 5001 and the sentence in 58 say exactly what.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from fix_gateway.translation.directory import Directory
from messages.trading.codes import RejectCode
from messages.trading.decimals import decimal_text
from messages.trading.terms import CancelReason, Side

Code = RejectCode

_OTHER = 99


def _mapping(*pairs: tuple[int, tuple[Code, ...]]) -> MappingProxyType[int, int]:
    return MappingProxyType({code: value for value, codes in pairs for code in codes})


ORDER_REJECT_REASON = _mapping(
    (0, (Code.VENUE_KILLED, Code.FIRM_KILLED, Code.ACCOUNT_KILLED, Code.SESSION_KILLED)),
    (0, (Code.INSTRUMENT_KILLED, Code.SESSION_NOT_ENTITLED, Code.SESSION_CLOSED)),
    (0, (Code.SESSION_SUSPENDED, Code.ACCOUNT_SUSPENDED)),
    (0, (Code.GATEWAY_ACCOUNT_NOT_ENTITLED, Code.GATEWAY_RIGHTS_MISSING)),
    (1, (Code.INSTRUMENT_UNKNOWN, Code.GATEWAY_SYMBOL_UNKNOWN)),
    (2, (Code.INSTRUMENT_CLOSED, Code.INSTRUMENT_HALTED)),
    (3, (Code.NOTIONAL_BELOW_MINIMUM, Code.MESSAGE_RATE_EXCEEDED)),
    (3, (Code.OPEN_ORDERS_EXCEEDED, Code.BOOK_FULL, Code.CLIENT_ORDER_ID_MEMORY_FULL)),
    (3, (Code.POSITION_LIMIT_EXCEEDED, Code.QUANTITY_ABOVE_MAXIMUM)),
    (5, (Code.ORDER_UNKNOWN, Code.RFQ_QUOTE_UNKNOWN)),
    (6, (Code.DUPLICATE_CLIENT_ORDER_ID,)),
    (11, (Code.ORDER_NOT_ALLOWED_IN_PHASE, Code.NOT_SUPPORTED, Code.POST_ONLY_WOULD_TAKE)),
    (11, (Code.FIELD_INVALID, Code.PRICE_REQUIRED, Code.PRICE_NOT_ALLOWED)),
    (11, (Code.STOP_PRICE_INVALID, Code.EXPIRY_INVALID, Code.GATEWAY_SIDE_UNSUPPORTED)),
    (11, (Code.GATEWAY_ORDER_TYPE_UNSUPPORTED, Code.GATEWAY_TIME_IN_FORCE_UNSUPPORTED)),
    (13, (Code.QUANTITY_BELOW_MINIMUM, Code.DISPLAY_QUANTITY_INVALID)),
    (13, (Code.MINIMUM_QUANTITY_INVALID, Code.GATEWAY_QUANTITY_MALFORMED)),
    (13, (Code.GATEWAY_QUANTITY_OFF_LOT, Code.CASH_QUANTITY_INVALID)),
    (13, (Code.CASH_QUANTITY_NOT_ALLOWED,)),
    (15, (Code.ACCOUNT_UNKNOWN, Code.GATEWAY_ACCOUNT_UNKNOWN)),
    (16, (Code.PRICE_OUTSIDE_COLLAR, Code.PRICE_OUT_OF_RANGE)),
    (18, (Code.GATEWAY_PRICE_OFF_TICK,)),
    (19, (Code.NO_REFERENCE_PRICE,)),
    (25, (Code.INSUFFICIENT_FUNDS,)),
    (27, (Code.NOTIONAL_ABOVE_MAXIMUM,)),
)
"""OrdRejReason (103); what is not listed is 99."""

CANCEL_REJECT_REASON = _mapping(
    (0, (Code.ORDER_ALREADY_DONE,)),
    (1, (Code.ORDER_UNKNOWN,)),
    (2, (Code.SESSION_NOT_ENTITLED, Code.SESSION_CLOSED)),
    (2, (Code.GATEWAY_ACCOUNT_NOT_ENTITLED, Code.GATEWAY_RIGHTS_MISSING)),
    (6, (Code.DUPLICATE_CLIENT_ORDER_ID,)),
    (8, (Code.PRICE_OUTSIDE_COLLAR, Code.PRICE_OUT_OF_RANGE)),
    (18, (Code.GATEWAY_PRICE_OFF_TICK,)),
)
"""CxlRejReason (102); what is not listed is 99."""

MASS_CANCEL_REJECT_REASON = _mapping(
    (0, (Code.GATEWAY_SCOPE_UNSUPPORTED, Code.SCOPE_INVALID)),
    (1, (Code.GATEWAY_SYMBOL_UNKNOWN, Code.INSTRUMENT_UNKNOWN)),
)
"""MassCancelRejectReason (532); what is not listed is 99."""

MASS_ACTION_REJECT_REASON = _mapping(
    (0, (Code.GATEWAY_SCOPE_UNSUPPORTED, Code.SCOPE_INVALID)),
    (1, (Code.GATEWAY_SYMBOL_UNKNOWN, Code.INSTRUMENT_UNKNOWN)),
)
"""MassActionRejectReason (1376); what is not listed is 99."""

RISK_CHECK_RESULT = _mapping(
    (0, (Code.NONE,)),
    (2, (Code.INSUFFICIENT_FUNDS, Code.POSITION_LIMIT_EXCEEDED)),
    (3, (Code.QUANTITY_ABOVE_MAXIMUM,)),
    (4, (Code.NOTIONAL_ABOVE_MAXIMUM,)),
)
"""RiskLimitCheckRequestResult (2326); what is not listed is 99."""

RESTATEMENT_REASON = MappingProxyType(
    {
        CancelReason.SELF_TRADE: 17,
        CancelReason.KILL_SWITCH: 8,
        CancelReason.DISCONNECT: 12,
        CancelReason.PRICE_BAND: 6,
        CancelReason.PRICE_COLLAR: 15,
        CancelReason.BUST: 99,
        CancelReason.MASS_CANCEL: 99,
        CancelReason.IMMEDIATE_REMAINDER: 99,
        CancelReason.FILL_OR_KILL: 99,
        CancelReason.MINIMUM_QUANTITY: 99,
    }
)
"""ExecRestatementReason (378) of what nobody asked for; expiries have none."""


def order_reject_reason(code: int) -> int:
    """Return OrdRejReason (103) for a code."""
    return ORDER_REJECT_REASON.get(code, _OTHER)


def cancel_reject_reason(code: int) -> int:
    """Return CxlRejReason (102) for a code."""
    return CANCEL_REJECT_REASON.get(code, _OTHER)


def mass_cancel_reject_reason(code: int) -> int:
    """Return MassCancelRejectReason (532) for a code."""
    return MASS_CANCEL_REJECT_REASON.get(code, _OTHER)


def mass_action_reject_reason(code: int) -> int:
    """Return MassActionRejectReason (1376) for a code."""
    return MASS_ACTION_REJECT_REASON.get(code, _OTHER)


def risk_check_result(code: int) -> int:
    """Return RiskLimitCheckRequestResult (2326) for a code, zero for an approval."""
    return RISK_CHECK_RESULT.get(code, _OTHER)


class Unit(Enum):
    """What the ``limit`` and ``usage`` of a refusal count."""

    COUNT = 0
    PRICE = 1
    QUANTITY = 2
    QUOTE = 3
    BASE = 4
    FUNDS = 5  # quote for a buy, base for a sell


_UNITS: MappingProxyType[int, Unit] = MappingProxyType(
    {
        Code.PRICE_OUT_OF_RANGE: Unit.PRICE,
        Code.PRICE_NOT_ALLOWED: Unit.PRICE,
        Code.STOP_PRICE_INVALID: Unit.PRICE,
        Code.PRICE_OUTSIDE_COLLAR: Unit.PRICE,
        Code.POST_ONLY_WOULD_TAKE: Unit.PRICE,
        Code.QUANTITY_BELOW_MINIMUM: Unit.QUANTITY,
        Code.QUANTITY_ABOVE_MAXIMUM: Unit.QUANTITY,
        Code.DISPLAY_QUANTITY_INVALID: Unit.QUANTITY,
        Code.MINIMUM_QUANTITY_INVALID: Unit.QUANTITY,
        Code.AMEND_BELOW_FILLED: Unit.QUANTITY,
        Code.NOTIONAL_ABOVE_MAXIMUM: Unit.QUOTE,
        Code.NOTIONAL_BELOW_MINIMUM: Unit.QUOTE,
        Code.CASH_QUANTITY_INVALID: Unit.QUOTE,
        Code.POSITION_LIMIT_EXCEEDED: Unit.BASE,
        Code.INSUFFICIENT_FUNDS: Unit.FUNDS,
        Code.RFQ_PRICES_CROSSED: Unit.PRICE,
        Code.QUOTE_REQUESTS_EXCEEDED: Unit.COUNT,
        Code.RFQ_QUOTES_EXCEEDED: Unit.COUNT,
        Code.MESSAGE_RATE_EXCEEDED: Unit.COUNT,
        Code.OPEN_ORDERS_EXCEEDED: Unit.COUNT,
        Code.BOOK_FULL: Unit.COUNT,
        Code.CLIENT_ORDER_ID_MEMORY_FULL: Unit.COUNT,
        Code.SUSPENSIONS_EXCEEDED: Unit.COUNT,
    }
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a refusal measured: the limit, the usage, and what they are of."""

    instrument: int
    side: int
    limit: int
    usage: int


def refusal_text(code: int, figures: Figures, directory: Directory) -> str:
    """Say a code by name, with limit and usage in decimal units where it has any."""
    name = code_name(code)
    if figures.limit == 0 and figures.usage == 0:
        return name
    unit = _UNITS.get(code)
    if unit is None:
        return name
    limit = _amount(figures.limit, unit, figures, directory)
    usage = _amount(figures.usage, unit, figures, directory)
    return f"{name}: limit {limit}, requested {usage}"


def code_name(code: int) -> str:
    """Return a code's name; of a code that is newer than this gateway, its number."""
    try:
        return RejectCode(code).name
    except ValueError:
        return f"CODE_{code}"


def cancel_reason_name(reason: int) -> str:
    """Return a CancelReason's name; of one that is newer than this gateway, its number."""
    try:
        return CancelReason(reason).name
    except ValueError:
        return f"REASON_{reason}"


def restatement_reason(reason: int) -> int | None:
    """Return ExecRestatementReason (378) for a CancelReason; None where there is none to give."""
    try:
        return RESTATEMENT_REASON.get(CancelReason(reason))
    except ValueError:
        return _OTHER


def _amount(value: int, unit: Unit, figures: Figures, directory: Directory) -> str:
    instrument = directory.instruments.get(figures.instrument)
    if unit is Unit.COUNT or instrument is None:
        return str(value)
    if unit is Unit.PRICE:
        return decimal_text(value * instrument.tick_units, instrument.price_decimals)
    if unit is Unit.QUANTITY:
        return decimal_text(value * instrument.lot_units, instrument.quantity_decimals)
    is_base = unit is Unit.BASE or (unit is Unit.FUNDS and figures.side == Side.SELL)
    asset = directory.asset(instrument.base_asset if is_base else instrument.quote_asset)
    return f"{decimal_text(value, asset.scale)} {asset.symbol}"
