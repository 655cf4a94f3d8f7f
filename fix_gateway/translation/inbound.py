"""FIX requests to command records: text in, bytes out.

Every request becomes exactly one command with the session's MsgSeqNum as its source sequence: the
command it asks for, or a ``RecordRefusal`` that puts on record why it could not be asked.
"""

from collections.abc import Callable

from fix_gateway.translation import quote_requests, rfq_requests, tags, terms
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.heads import head, note, refusal
from fix_gateway.translation.kinds import KIND_OF
from fix_gateway.translation.post_trade import REASON_OF
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Arrival, Fault, Reader
from fix_gateway.translation.text import printable
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AmendOrder,
    CancelOrder,
    CheckOrder,
    CloseSession,
    Command,
    DisputeTrade,
    MassAction,
    MassCancel,
    OpenSession,
    OpenSessionOnTerms,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
    RecordRefusal,
)
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import OrderFlag


def translate(fields: Fields, arrival: Arrival, directory: Directory) -> bytes:
    """Turn one of the messages of ``KIND_OF`` into its command record.

    Args:
        fields: the whole message.
        arrival: where and when it came in.
        directory: the venue's definitions as known now.

    Returns:
        One record, or those of a mass quote, with zero sequence and time.
    """
    reader = Reader(fields, directory, arrival)
    kind = fields[tags.MSG_TYPE]
    if kind == tags.MASS_QUOTE:
        return quote_requests.mass_quote(reader)
    return _TRANSLATIONS[kind](reader).pack()


def refuse_rights(fields: Fields, arrival: Arrival, directory: Directory) -> bytes:
    """Record that a session without the right to trade sent a request."""
    reader = Reader(fields, directory, arrival)
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID", is_required=False)
    reader.fault = Fault(RejectCode.GATEWAY_RIGHTS_MISSING, "this session only receives copies")
    kind = KIND_OF[fields[tags.MSG_TYPE]]
    return refusal(reader, kind, client_id=client_order_id).pack()


def open_session(arrival: Arrival) -> bytes:
    """Build the command that says a session has a live connection."""
    return OpenSession(*head(OpenSession, arrival, 0)).pack()


def open_session_on_terms(
    arrival: Arrival, *, cancel_on_disconnect: int, disconnect_grace_ns: int
) -> bytes:
    """Build the command that says so, and what the connection's end shall do."""
    header = head(OpenSessionOnTerms, arrival, 0)
    return OpenSessionOnTerms(*header, cancel_on_disconnect, 0, 0, 0, disconnect_grace_ns).pack()


def close_session(arrival: Arrival, *, is_graceful: bool) -> bytes:
    """Build the command that fences off a connection."""
    return CloseSession(*head(CloseSession, arrival, 0), int(is_graceful), 0, 0, 0).pack()


def _place(reader: Reader) -> Command:
    if rfq_requests.names_quote(reader.fields):
        return rfq_requests.previously_quoted(reader)
    return _new_order(reader, PlaceOrder)


def _cancel_quotes(reader: Reader) -> Command:
    if quote_requests.is_quote_cancel(reader.fields):
        return quote_requests.cancel_quotes(reader)
    return rfq_requests.quote_cancel(reader)


def _quote_status(reader: Reader) -> Command:
    if quote_requests.names_protection(reader.fields):
        return quote_requests.protection_status(reader)
    return rfq_requests.quote_status_request(reader)


def _check(reader: Reader) -> PlaceOrder | RecordRefusal:
    return _new_order(reader, CheckOrder)


def _new_order(reader: Reader, record: type[PlaceOrder]) -> PlaceOrder | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    order_type = terms.read_order_type(reader)
    time_in_force = terms.read_time_in_force(reader)
    flags = terms.read_flags(reader)
    prevention = terms.read_prevention(reader)
    quantity, cash = terms.read_amounts(reader, order_type)
    price = terms.read_price(reader, order_type)
    stop_price = reader.price(tags.STOP_PX, "StopPx")
    display = reader.display_quantity()
    minimum = reader.quantity(tags.MIN_QTY, "MinQty")
    expire_at_ns = terms.read_expiry(reader, time_in_force)
    valid_until_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    reader.check_capacity(account)
    if reader.fault is not None:
        return refusal(
            reader,
            record.KIND,
            client_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
        )
    return record(
        *head(record, reader.arrival, account),
        instrument,
        side,
        order_type,
        time_in_force,
        prevention,
        flags | (OrderFlag.CASH_QUANTITY if cash else 0),
        reader.trader,
        price,
        quantity,
        stop_price,
        display,
        minimum,
        expire_at_ns,
        cash,
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
        return refusal(
            reader,
            CancelOrder.KIND,
            client_id=client_order_id,
            original=original,
            account=account,
            instrument=instrument,
            side=side,
            number=order_id,
        )
    return CancelOrder(
        *head(CancelOrder, reader.arrival, account),
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
    order_type = terms.read_amended_order_type(reader)
    quantity = reader.required_quantity()
    price = reader.price(tags.PRICE, "Price")
    stop_price = reader.price(tags.STOP_PX, "StopPx")
    display = reader.display_quantity()
    expire_at_ns = terms.read_expire_time(reader)
    valid_until_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    if reader.fault is not None:
        return refusal(
            reader,
            AmendOrder.KIND,
            client_id=client_order_id,
            original=original,
            account=account,
            instrument=instrument,
            side=side,
            number=order_id,
            order_type=order_type,
        )
    return AmendOrder(
        *head(AmendOrder, reader.arrival, account),
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
        return refusal(
            reader,
            QueryOrder.KIND,
            client_id=client_order_id,
            original=request_id,
            account=account,
            instrument=instrument,
            side=side,
            number=order_id,
        )
    return QueryOrder(
        *head(QueryOrder, reader.arrival, account),
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
    account, scope, instrument = _read_scope(reader, tags.MASS_CANCEL_REQUEST_TYPE)
    side = reader.side(is_required=False)
    if reader.fault is not None:
        return refusal(
            reader,
            MassCancel.KIND,
            client_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
        )
    return MassCancel(
        *head(MassCancel, reader.arrival, account), scope, side, 0, instrument, client_order_id
    )


def _dispute(reader: Reader) -> DisputeTrade | RecordRefusal:
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID", is_required=False)
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    order_id = reader.order_id()
    event_number = reader.execution()
    reason = REASON_OF.get(reader.fields.get(tags.DK_REASON, ""), 0)
    if not reason:
        reader.refuse(RejectCode.GATEWAY_FIELD_MALFORMED, "DKReason (127) is not one of ours")
    lots = reader.quantity(tags.LAST_QTY, "LastQty")
    price = reader.price(tags.LAST_PX, "LastPx")
    if reader.fault is not None:
        return refusal(
            reader,
            DisputeTrade.KIND,
            client_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
            number=order_id,
        )
    text = printable(reader.fields.get(tags.TEXT, ""))
    return DisputeTrade(
        *head(DisputeTrade, reader.arrival, account),
        instrument,
        side,
        reason,
        0,
        order_id,
        event_number,
        price,
        lots,
        client_order_id,
        note(text),
    )


def _mass_action(reader: Reader) -> Command:
    if quote_requests.names_protection(reader.fields):
        return quote_requests.reset_protection(reader)
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    action = terms.read_mass_action(reader)
    account, scope, instrument = _read_scope(reader, tags.MASS_ACTION_SCOPE)
    side = reader.side(is_required=False)
    if reader.fault is not None:
        return refusal(
            reader,
            MassAction.KIND,
            client_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
            order_type=action,  # the refusal's only place for it
        )
    return MassAction(
        *head(MassAction, reader.arrival, account),
        action,
        scope,
        side,
        0,
        instrument,
        client_order_id,
    )


def _query_orders(reader: Reader) -> QueryOrders | RecordRefusal:
    request_id = reader.client_order_id(tags.MASS_STATUS_REQ_ID, "MassStatusReqID")
    account, scope, instrument = _read_scope(reader, tags.MASS_STATUS_REQ_TYPE)
    side = reader.side(is_required=False)
    after = reader.order_id(tags.AFTER_ORDER_ID, "AfterOrderID")
    if reader.fault is not None:
        return refusal(
            reader,
            QueryOrders.KIND,
            client_id=NO_CLIENT_ID,
            original=request_id,
            account=account,
            instrument=instrument,
            side=side,
        )
    return QueryOrders(
        *head(QueryOrders, reader.arrival, account),
        scope,
        side,
        0,
        instrument,
        after,
        request_id,
    )


def _read_scope(reader: Reader, tag: int) -> tuple[int, int, int]:
    """Read the account, scope and instrument of a request about many orders."""
    is_firm = reader.is_firm_target()
    account = reader.any_account() if is_firm else reader.account()
    scope, instrument = terms.read_scope(reader, tag)
    if is_firm:
        scope = terms.read_firm_scope(reader, scope, tag)
    return account, scope, instrument


Translation = Callable[[Reader], Command]
_TRANSLATIONS: dict[str, Translation] = {
    tags.NEW_ORDER_SINGLE: _place,
    tags.ORDER_CANCEL_REQUEST: _cancel,
    tags.ORDER_CANCEL_REPLACE_REQUEST: _amend,
    tags.ORDER_STATUS_REQUEST: _query,
    tags.ORDER_MASS_CANCEL_REQUEST: _mass_cancel,
    tags.DONT_KNOW_TRADE: _dispute,
    tags.QUOTE_REQUEST: rfq_requests.request_for_quote,
    tags.QUOTE: rfq_requests.quote,
    tags.QUOTE_RESPONSE: rfq_requests.quote_response,
    tags.QUOTE_CANCEL: _cancel_quotes,
    tags.QUOTE_STATUS_REQUEST: _quote_status,
    tags.ORDER_MASS_ACTION_REQUEST: _mass_action,
    tags.ORDER_MASS_STATUS_REQUEST: _query_orders,
    tags.PARTY_RISK_LIMIT_CHECK_REQUEST: _check,
}
