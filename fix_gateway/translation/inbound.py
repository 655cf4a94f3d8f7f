"""FIX requests to command records: text in, bytes out.

Every request becomes exactly one command with the session's MsgSeqNum as its source sequence: the
command it asks for, or a ``RecordRefusal`` that puts on record why it could not be asked.
"""

from collections.abc import Callable

from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.kinds import KIND_OF
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Arrival, Fault, Reader, shown
from fix_gateway.translation.times import day_end_ns
from messages.layout import padded_text
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AmendOrder,
    CancelOrder,
    CloseSession,
    MassCancel,
    OpenSession,
    PlaceOrder,
    QueryOrder,
    RecordRefusal,
)
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import (
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
_SHAPES = {
    OrderType.MARKET: "a market order has nothing to amend",
    OrderType.LIMIT: "40=2 goes with 44",
    OrderType.STOP: "40=3 goes with 99 and without 44",
    OrderType.STOP_LIMIT: "40=4 goes with 44 and 99",
}
_NOTE_SIZE = 96


def translate(fields: Fields, arrival: Arrival, directory: Directory) -> bytes:
    """Turn one of the messages of ``KIND_OF`` into its command record.

    Args:
        fields: the whole message.
        arrival: where and when it came in.
        directory: the venue's definitions as known now.

    Returns:
        One record, with zero sequence and time.
    """
    reader = Reader(fields, directory, arrival)
    return _TRANSLATIONS[fields[tags.MSG_TYPE]](reader).pack()


def refuse_rights(fields: Fields, arrival: Arrival, directory: Directory) -> bytes:
    """Record that a session without the right to trade sent a request."""
    reader = Reader(fields, directory, arrival)
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID", is_required=False)
    reader.fault = Fault(RejectCode.GATEWAY_RIGHTS_MISSING, "this session only receives copies")
    kind = KIND_OF[fields[tags.MSG_TYPE]]
    return _refusal(reader, kind, client_order_id=client_order_id).pack()


def open_session(arrival: Arrival) -> bytes:
    """Build the command that says a session has a live connection."""
    return OpenSession(*_header(OpenSession, arrival, 0)).pack()


def close_session(arrival: Arrival, *, is_graceful: bool) -> bytes:
    """Build the command that fences off a connection."""
    return CloseSession(*_header(CloseSession, arrival, 0), int(is_graceful), 0, 0, 0).pack()


Header = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int, int]


def _header(
    record: type[OpenSession | CloseSession | PlaceOrder | CancelOrder | AmendOrder]
    | type[MassCancel | QueryOrder | RecordRefusal],
    arrival: Arrival,
    account: int,
) -> Header:
    return (
        record.LENGTH,
        record.KIND,
        record.VERSION,
        0,
        0,
        0,
        0,
        arrival.received_at_ns,
        arrival.source,
        arrival.epoch,
        arrival.sequence,
        account,
        arrival.session,
        arrival.connection,
        0,
    )


def _place(reader: Reader) -> PlaceOrder | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    order_type = _order_type(reader)
    time_in_force = _time_in_force(reader)
    flags = _flags(reader)
    prevention = _self_trade_prevention(reader)
    quantity = reader.required_quantity()
    price = _price_for(reader, order_type)
    stop_price = reader.price(tags.STOP_PX, "StopPx")
    display = reader.display_quantity()
    minimum = reader.quantity(tags.MIN_QTY, "MinQty")
    expire_at_ns = _expiry(reader, time_in_force)
    valid_until_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    if reader.fault is not None:
        return _refusal(
            reader,
            PlaceOrder.KIND,
            client_order_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
        )
    return PlaceOrder(
        *_header(PlaceOrder, reader.arrival, account),
        instrument,
        side,
        order_type,
        time_in_force,
        prevention,
        flags,
        0,
        price,
        quantity,
        stop_price,
        display,
        minimum,
        expire_at_ns,
        0,
        valid_until_ns,
        client_order_id,
    )


def _cancel(reader: Reader) -> CancelOrder | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    order_id = reader.order_id()
    original = reader.client_order_id(tags.ORIG_CL_ORD_ID, "OrigClOrdID", is_required=order_id == 0)
    if reader.fault is not None:
        return _refusal(
            reader,
            CancelOrder.KIND,
            client_order_id=client_order_id,
            original=original,
            account=account,
            instrument=instrument,
            side=side,
            order_id=order_id,
        )
    return CancelOrder(
        *_header(CancelOrder, reader.arrival, account),
        instrument,
        side,
        0,
        0,
        order_id,
        client_order_id,
        original,
    )


def _amend(reader: Reader) -> AmendOrder | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    order_id = reader.order_id()
    original = reader.client_order_id(tags.ORIG_CL_ORD_ID, "OrigClOrdID", is_required=order_id == 0)
    order_type = _amended_order_type(reader)
    quantity = reader.required_quantity()
    price = reader.price(tags.PRICE, "Price")
    stop_price = reader.price(tags.STOP_PX, "StopPx")
    display = reader.display_quantity()
    expire_at_ns = _expire_time(reader)
    valid_until_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    if reader.fault is not None:
        return _refusal(
            reader,
            AmendOrder.KIND,
            client_order_id=client_order_id,
            original=original,
            account=account,
            instrument=instrument,
            side=side,
            order_id=order_id,
            order_type=order_type,
        )
    return AmendOrder(
        *_header(AmendOrder, reader.arrival, account),
        instrument,
        side,
        0,
        0,
        order_id,
        price,
        quantity,
        stop_price,
        display,
        expire_at_ns,
        valid_until_ns,
        client_order_id,
        original,
    )


def _query(reader: Reader) -> QueryOrder | RecordRefusal:
    order_id = reader.order_id()
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID", is_required=order_id == 0)
    request_id = reader.client_order_id(tags.ORD_STATUS_REQ_ID, "OrdStatusReqID", is_required=False)
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    if reader.fault is not None:
        return _refusal(
            reader,
            QueryOrder.KIND,
            client_order_id=client_order_id,
            original=request_id,
            account=account,
            instrument=instrument,
            side=side,
            order_id=order_id,
        )
    return QueryOrder(
        *_header(QueryOrder, reader.arrival, account),
        instrument,
        side,
        0,
        0,
        order_id,
        client_order_id,
        request_id,
    )


def _mass_cancel(reader: Reader) -> MassCancel | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    scope, instrument = _scope(reader)
    side = reader.side(is_required=False)
    if reader.fault is not None:
        return _refusal(
            reader,
            MassCancel.KIND,
            client_order_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
        )
    return MassCancel(
        *_header(MassCancel, reader.arrival, account), scope, side, 0, instrument, client_order_id
    )


def _refusal(
    reader: Reader,
    kind: int,
    *,
    client_order_id: bytes,
    original: bytes = NO_CLIENT_ID,
    account: int = 0,
    instrument: int = 0,
    side: int = 0,
    order_type: int = 0,
    time_in_force: int = 0,
    order_id: int = 0,
) -> RecordRefusal:
    assert reader.fault is not None
    return RecordRefusal(
        *_header(RecordRefusal, reader.arrival, account),
        kind,
        reader.fault.code,
        instrument,
        side,
        order_type,
        time_in_force,
        0,
        0,
        order_id,
        client_order_id,
        original,
        padded_text(reader.fault.text[:_NOTE_SIZE], _NOTE_SIZE),
    )


def _order_type(reader: Reader) -> int:
    value = reader.fields.get(tags.ORD_TYPE)
    if value is None:
        return reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "OrdType (40) is missing")
    order_type = _ORDER_TYPES.get(value)
    if order_type is None:
        return reader.refuse(
            RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED, f"OrdType (40) {shown(value)}"
        )
    return order_type


def _amended_order_type(reader: Reader) -> int:
    """Read OrdType (40) of an amend, which must fit the prices given: the core never sees it.

    An amend cannot change an order's type, and has no field to say it with. What could not be
    said of any order that can be amended is therefore refused here, before a client that wants
    another type gets an amend of the price alone.
    """
    order_type = _order_type(reader)
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


def _time_in_force(reader: Reader) -> int:
    value = reader.fields.get(tags.TIME_IN_FORCE, tags.TIME_IN_FORCE_DAY)
    time_in_force = _TIMES_IN_FORCE.get(value)
    if time_in_force is None:
        return reader.refuse(
            RejectCode.GATEWAY_TIME_IN_FORCE_UNSUPPORTED, f"TimeInForce (59) {shown(value)}"
        )
    return time_in_force


def _flags(reader: Reader) -> int:
    value = reader.fields.get(tags.EXEC_INST)
    if value is None:
        return 0
    if value == tags.EXEC_INST_PARTICIPATE_DONT_INITIATE:
        return OrderFlag.POST_ONLY
    return reader.refuse(
        RejectCode.GATEWAY_FIELD_MALFORMED,
        f"ExecInst (18) {shown(value)}: only 6, participate don't initiate",
    )


def _self_trade_prevention(reader: Reader) -> int:
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


def _price_for(reader: Reader, order_type: int) -> int:
    price = reader.price(tags.PRICE, "Price")
    if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and tags.PRICE not in reader.fields:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MISSING, "Price (44) is missing from a limit order"
        )
    return price


def _expiry(reader: Reader, time_in_force: int) -> int:
    expire_at_ns = _expire_time(reader)
    if time_in_force == TimeInForce.GOOD_TILL_DATE and expire_at_ns == 0:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MISSING,
            "ExpireTime (126) or ExpireDate (432) is missing from a good-till-date order",
        )
    return expire_at_ns


def _expire_time(reader: Reader) -> int:
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


def _scope(reader: Reader) -> tuple[int, int]:
    """Read MassCancelRequestType (530) and the symbol that only 1 may, and must, name."""
    value = reader.fields.get(tags.MASS_CANCEL_REQUEST_TYPE)
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_SECURITY:
        return Scope.ACCOUNT, reader.symbol()
    if tags.SYMBOL in reader.fields:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED, "Symbol (55) goes with 530=1 and no other"
        )
        return 0, 0
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS:
        return Scope.ACCOUNT, 0
    if value == tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_TRADING_SESSION:
        return Scope.SESSION, 0
    if value is None:
        reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "MassCancelRequestType (530) is missing")
    else:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED, f"MassCancelRequestType (530) {shown(value)}"
        )
    return 0, 0


Translation = Callable[
    [Reader],
    PlaceOrder | CancelOrder | AmendOrder | QueryOrder | MassCancel | RecordRefusal,
]
_TRANSLATIONS: dict[str, Translation] = {
    tags.NEW_ORDER_SINGLE: _place,
    tags.ORDER_CANCEL_REQUEST: _cancel,
    tags.ORDER_CANCEL_REPLACE_REQUEST: _amend,
    tags.ORDER_STATUS_REQUEST: _query,
    tags.ORDER_MASS_CANCEL_REQUEST: _mass_cancel,
}
