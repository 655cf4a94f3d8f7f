"""Reading the terms of a request: type, time in force, flags, amounts, expiry and scope."""

from fix_gateway.translation import tags
from fix_gateway.translation.request import Reader
from fix_gateway.translation.text import shown
from fix_gateway.translation.times import day_end_ns
from messages.trading.codes import RejectCode
from messages.trading.terms import (
    MassActionType,
    OrderFlag,
    OrderType,
    Scope,
    SelfTradePrevention,
    TimeInForce,
)

_ORDER_TYPES = {
    tags.ORD_TYPE_MARKET: OrderType.MARKET,
    tags.ORD_TYPE_LIMIT: OrderType.LIMIT,
    tags.ORD_TYPE_STOP: OrderType.STOP,
    tags.ORD_TYPE_STOP_LIMIT: OrderType.STOP_LIMIT,
}
_TIMES_IN_FORCE = {
    tags.TIME_IN_FORCE_DAY: TimeInForce.DAY,
    tags.TIME_IN_FORCE_GOOD_TILL_CANCEL: TimeInForce.GOOD_TILL_CANCEL,
    tags.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL: TimeInForce.IMMEDIATE_OR_CANCEL,
    tags.TIME_IN_FORCE_FILL_OR_KILL: TimeInForce.FILL_OR_KILL,
    tags.TIME_IN_FORCE_GOOD_TILL_DATE: TimeInForce.GOOD_TILL_DATE,
}
_SELF_TRADE_PREVENTIONS = {
    tags.SELF_MATCH_PREVENTION_INSTRUCTION_CANCEL_AGGRESSIVE: SelfTradePrevention.CANCEL_INCOMING,
    tags.SELF_MATCH_PREVENTION_INSTRUCTION_CANCEL_PASSIVE: SelfTradePrevention.CANCEL_RESTING,
    tags.SELF_MATCH_PREVENTION_INSTRUCTION_CANCEL_AGGRESSIVE_PASSIVE: (
        SelfTradePrevention.CANCEL_BOTH
    ),
    tags.SELF_MATCH_PREVENTION_INSTRUCTION_DECREMENT_AND_CANCEL: (
        SelfTradePrevention.DECREMENT_AND_CANCEL
    ),
}
_SCOPES = {
    tags.MASS_CANCEL_REQUEST_TYPE: "MassCancelRequestType",
    tags.MASS_STATUS_REQ_TYPE: "MassStatusReqType",
    tags.MASS_ACTION_SCOPE: "MassActionScope",
}
_MASS_ACTIONS = {
    tags.MASS_ACTION_TYPE_SUSPEND_ORDERS: MassActionType.SUSPEND,
    tags.MASS_ACTION_TYPE_RELEASE_ORDERS_FROM_SUSPENSION: MassActionType.RELEASE,
    tags.MASS_ACTION_TYPE_CANCEL_ORDERS: MassActionType.CANCEL,
}
_SHAPES = {
    OrderType.MARKET: "a market order has nothing to amend",
    OrderType.LIMIT: "40=2 goes with 44",
    OrderType.STOP: "40=3 goes with 99 and without 44",
    OrderType.STOP_LIMIT: "40=4 goes with 44 and 99",
}


def read_order_type(reader: Reader) -> int:
    """Read OrdType (40), which must be there."""
    value = reader.fields.get(tags.ORD_TYPE)
    if value is None:
        return reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "OrdType (40) is missing")
    order_type = _ORDER_TYPES.get(value)
    if order_type is None:
        return reader.refuse(
            RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED, f"OrdType (40) {shown(value)}"
        )
    return order_type


def read_amended_order_type(reader: Reader) -> int:
    """Read OrdType (40) of an amend, which must fit the prices given: the core never sees it.

    An amend cannot change an order's type, and has no field to say it with. What could not be
    said of any order that can be amended is therefore refused here, before a client that wants
    another type gets an amend of the price alone.
    """
    order_type = read_order_type(reader)
    has_price, has_stop = tags.PRICE in reader.fields, tags.STOP_PX in reader.fields
    fits = {
        0: True,  # unreadable, and refused by now
        OrderType.LIMIT: has_price,
        OrderType.STOP: has_stop and not has_price,
        OrderType.STOP_LIMIT: has_price and has_stop,
    }
    if not fits.get(order_type, False):
        reader.refuse(
            RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED,
            f"OrdType cannot be changed: {_SHAPES[OrderType(order_type)]}",
        )
    return order_type


def read_time_in_force(reader: Reader) -> int:
    """Read TimeInForce (59); day when it is not given."""
    value = reader.fields.get(tags.TIME_IN_FORCE, tags.TIME_IN_FORCE_DAY)
    time_in_force = _TIMES_IN_FORCE.get(value)
    if time_in_force is None:
        return reader.refuse(
            RejectCode.GATEWAY_TIME_IN_FORCE_UNSUPPORTED, f"TimeInForce (59) {shown(value)}"
        )
    return time_in_force


def read_flags(reader: Reader) -> int:
    """Read ExecInst (18) as the flags of an order."""
    value = reader.fields.get(tags.EXEC_INST)
    if value is None:
        return 0
    if value == tags.EXEC_INST_PARTICIPATE_DONT_INITIATE:
        return OrderFlag.POST_ONLY
    return reader.refuse(
        RejectCode.GATEWAY_FIELD_MALFORMED,
        f"ExecInst (18) {shown(value)}: only 6, participate don't initiate",
    )


def read_prevention(reader: Reader) -> int:
    """Read SelfMatchPreventionInstruction (2964); the account's default when it is not given."""
    value = reader.fields.get(tags.SELF_MATCH_PREVENTION_INSTRUCTION)
    if value is None:
        return SelfTradePrevention.ACCOUNT_DEFAULT
    prevention = _SELF_TRADE_PREVENTIONS.get(value)
    if prevention is None:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED,
            f"SelfMatchPreventionInstruction (2964) {shown(value)}",
        )
    return prevention


def read_price(reader: Reader, order_type: int) -> int:
    """Read Price (44) in ticks, which a limit order must have."""
    price = reader.price(tags.PRICE, "Price")
    if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and tags.PRICE not in reader.fields:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MISSING, "Price (44) is missing from a limit order"
        )
    return price


def read_expiry(reader: Reader, time_in_force: int) -> int:
    """Read when an order ends, which a good-till-date order must say."""
    expire_at_ns = read_expire_time(reader)
    if time_in_force == TimeInForce.GOOD_TILL_DATE and expire_at_ns == 0:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MISSING,
            "ExpireTime (126) or ExpireDate (432) is missing from a good-till-date order",
        )
    return expire_at_ns


def read_expire_time(reader: Reader) -> int:
    """Read ExpireTime (126), or the end in UTC of ExpireDate (432)."""
    if tags.EXPIRE_TIME in reader.fields or tags.EXPIRE_DATE not in reader.fields:
        return reader.time(tags.EXPIRE_TIME, "ExpireTime")
    date = reader.fields[tags.EXPIRE_DATE]
    end_ns = day_end_ns(date)
    if end_ns is None:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED, f"ExpireDate {shown(date)} is not a date"
        )
    return end_ns


def read_amounts(reader: Reader, order_type: int) -> tuple[int, int]:
    """Read OrderQty (38) in lots or CashOrderQty (152) in quote atoms, the other being zero.

    Which orders may have a cash quantity is the core's to decide.
    """
    if tags.CASH_ORDER_QTY not in reader.fields:
        return reader.required_quantity(), 0
    if tags.ORDER_QTY in reader.fields:
        reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED, "both OrderQty (38) and CashOrderQty (152)"
        )
    elif order_type not in (0, OrderType.MARKET):
        reader.refuse(RejectCode.GATEWAY_FIELD_MALFORMED, "CashOrderQty (152) goes with 40=1")
    return 0, reader.cash()


def read_mass_action(reader: Reader) -> int:
    """Read MassActionType (1373), which must be there."""
    value = reader.fields.get(tags.MASS_ACTION_TYPE)
    if value is None:
        return reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "MassActionType (1373) is missing")
    action = _MASS_ACTIONS.get(value)
    if action is None:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED, f"MassActionType (1373) {shown(value)}"
        )
    return action


def read_firm_scope(reader: Reader, scope: int, tag: int) -> int:
    """Widen the scope of a request about many orders to the firm, where it may be."""
    if scope == Scope.SESSION:
        return reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED, f"a target party goes with {tag}=1 or 7"
        )
    return Scope.FIRM


def read_scope(reader: Reader, tag: int) -> tuple[int, int]:
    """Read 530, 585 or 1374, which have the same values, and the symbol that only 1 may name."""
    value = reader.fields.get(tag)
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_SECURITY:
        return Scope.ACCOUNT, reader.symbol()
    if tags.SYMBOL in reader.fields:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED, f"Symbol (55) goes with {tag}=1 and no other"
        )
        return 0, 0
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS:
        return Scope.ACCOUNT, 0
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_TRADING_SESSION:
        return Scope.SESSION, 0
    name = _SCOPES[tag]
    if value is None:
        reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, f"{name} ({tag}) is missing")
    else:
        reader.refuse(RejectCode.GATEWAY_SCOPE_UNSUPPORTED, f"{name} ({tag}) {shown(value)}")
    return 0, 0
