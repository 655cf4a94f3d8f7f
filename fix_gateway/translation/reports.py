"""The bodies of the messages that events cause, tag by tag.

Every message starts at 35 and leaves to the session layer what only it knows. Prices and
quantities carry all digits of their instrument. AvgPx (6) is exact to eight digits below the
price's own and rounded down there.
"""

from functools import lru_cache
from typing import NamedTuple

from fix_gateway.translation import tags
from fix_gateway.translation.decimal import decimal_text, short_decimal_text
from fix_gateway.translation.directory import NO_SYMBOL, Directory, Instrument
from fix_gateway.translation.kinds import message_type_of
from fix_gateway.translation.reasons import (
    Figures,
    cancel_reason_name,
    cancel_reject_reason,
    code_name,
    mass_cancel_reject_reason,
    order_reject_reason,
    refusal_text,
    restatement_reason,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import AmendOrder
from messages.trading.identity import NO_CLIENT_ID, execution_id
from messages.trading.terms import (
    CancelReason,
    OrderFlag,
    OrderStatus,
    OrderType,
    Scope,
    Side,
    TimeInForce,
)

_AVERAGE_DIGITS = 8
_ORDER_STATUS: dict[int, str] = {
    OrderStatus.PENDING_TRIGGER: tags.ORD_STATUS_NEW,
    OrderStatus.NEW: tags.ORD_STATUS_NEW,
    OrderStatus.PARTIALLY_FILLED: tags.ORD_STATUS_PARTIALLY_FILLED,
    OrderStatus.FILLED: tags.ORD_STATUS_FILLED,
    OrderStatus.CANCELLED: tags.ORD_STATUS_CANCELED,
    OrderStatus.EXPIRED: tags.ORD_STATUS_EXPIRED,
    OrderStatus.REJECTED: tags.ORD_STATUS_REJECTED,
}
_ORDER_TYPE: dict[int, str] = {
    OrderType.LIMIT: tags.ORD_TYPE_LIMIT,
    OrderType.MARKET: tags.ORD_TYPE_MARKET,
    OrderType.STOP: tags.ORD_TYPE_STOP,
    OrderType.STOP_LIMIT: tags.ORD_TYPE_STOP_LIMIT,
}
_TIME_IN_FORCE: dict[int, str] = {
    TimeInForce.DAY: tags.TIME_IN_FORCE_DAY,
    TimeInForce.GOOD_TILL_CANCEL: tags.TIME_IN_FORCE_GOOD_TILL_CANCEL,
    TimeInForce.IMMEDIATE_OR_CANCEL: tags.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
    TimeInForce.FILL_OR_KILL: tags.TIME_IN_FORCE_FILL_OR_KILL,
    TimeInForce.GOOD_TILL_DATE: tags.TIME_IN_FORCE_GOOD_TILL_DATE,
}


def order(
    record: events.OrderEvent,
    directory: Directory,
    *,
    execution_type: str,
    reason: int = 0,
    client_order_id: bytes | None = None,
    original: bytes = NO_CLIENT_ID,
) -> str:
    """Report an order's state after an event that is no trade."""
    unit = directory.instrument(record.instrument)
    text = (
        f"35=8\x0117={record.number}\x01150={execution_type}\x01"
        f"39={_status(record)}\x01"
        f"{_identity(record, directory, unit, client_order_id or record.client_order_id)}"
        f"{_terms(record, unit)}{_progress(record, unit)}"
        f"60={timestamp_text(record.time_ns)}\x01"
    )
    if original != NO_CLIENT_ID:
        text += _original(original)
    restatement = None
    if reason and execution_type != "C":
        restatement = restatement_reason(reason)
    if reason:
        text += f"58={cancel_reason_name(reason)}\x01"
    if restatement is not None:
        text += f"378={restatement}\x01"
    return text


def cancelled(record: events.OrderCancelled, directory: Directory) -> str:
    """Report a cancelled order, under the request's id when a cancel of it alone did it."""
    is_asked = record.reason == CancelReason.REQUESTED
    if not is_asked or record.request_client_order_id == NO_CLIENT_ID:
        return order(record, directory, execution_type="4", reason=record.reason)
    return order(
        record,
        directory,
        execution_type="4",
        original=record.client_order_id,
        client_order_id=record.request_client_order_id,
    )


def status(record: events.OrderReported, directory: Directory) -> str:
    """Answer an OrderStatusRequest."""
    text = order(record, directory, execution_type="I")
    if record.request_id != NO_CLIENT_ID:
        text += f"790={safe_text(record.request_id)}\x01"
    return text


def trade(record: events.TradeExecuted, directory: Directory, *, side: Side) -> str:
    """Report a trade to one of its two sides."""
    unit = directory.instrument(record.instrument)
    own = _maker(record) if record.taker_side != side else _taker(record)
    quote = directory.asset(unit.quote_asset)
    liquidity = "4" if record.is_auction else own.liquidity
    price = decimal_text(record.price_ticks * unit.tick_units, unit.price_decimals)
    quantity = decimal_text(record.quantity_lots * unit.lot_units, unit.quantity_decimals)
    return (
        f"35=8\x0117={execution_id(record.number, side)}\x01150=F\x01"
        f"39={_status(own)}\x0137={own.order_id}\x01"
        f"{_identifier(own.client_order_id)}{_account(own.account, directory)}"
        f"55={unit.symbol}\x0154={int(side)}\x01"
        f"{_terms(own, unit)}{_progress(own, unit)}"
        f"31={price}\x0132={quantity}\x01851={liquidity}\x01880={record.trade_id}\x01"
        f"136=1\x01137={decimal_text(own.fee_atoms, quote.scale)}\x01"
        f"138={quote.symbol}\x01139={tags.MISC_FEE_TYPE_EXCHANGE_FEES}\x01"
        f"60={timestamp_text(record.time_ns)}\x01"
    )


def rejected(record: events.OrderRejected, directory: Directory) -> str:
    """Report a new order that the venue refused."""
    unit = directory.instruments.get(record.instrument)
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    quantity = _quantity(record.quantity_lots, unit)
    text = (
        f"35=8\x0137=NONE\x0117={record.number}\x01150=8\x0139=8\x01"
        f"{_identifier(record.client_order_id)}{_account(record.account, directory)}"
        f"55={unit.symbol if unit else NO_SYMBOL}\x0154={_side(record.side)}\x01"
        f"38={quantity}\x01151=0\x0114=0\x016=0\x01"
        f"103={order_reject_reason(record.code)}\x015001={record.code}\x01"
        f"58={refusal_text(record.code, figures, directory)}\x01"
        f"60={timestamp_text(record.time_ns)}\x01"
    )
    text += _kind_of_order(record.order_type, record.time_in_force)
    if record.price_ticks and unit is not None:
        text += f"44={_price(record.price_ticks, unit)}\x01"
    if record.stop_price_ticks and unit is not None:
        text += f"99={_price(record.stop_price_ticks, unit)}\x01"
    return text


def cancel_reject(
    record: events.CancelRejected | events.AmendRejected, directory: Directory, *, response_to: str
) -> str:
    """Report a cancel (1) or amend (2) that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    state = _ORDER_STATUS.get(record.status, "8")
    return (
        f"35=9\x0137={record.order_id or 'NONE'}\x01"
        f"{_identifier(record.client_order_id)}{_original(record.original_client_order_id)}"
        f"39={state}\x01434={response_to}\x01{_account(record.account, directory)}"
        f"102={cancel_reject_reason(record.code)}\x015001={record.code}\x01"
        f"5002={record.number}\x01"
        f"58={refusal_text(record.code, figures, directory)}\x01"
        f"60={timestamp_text(record.time_ns)}\x01"
    )


def status_reject(record: events.QueryRejected, directory: Directory) -> str:
    """Answer an OrderStatusRequest that names no order of the account."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _status_reject(
        record,
        directory,
        code=record.code,
        request=record.original_client_order_id,
        sentence=refusal_text(record.code, figures, directory),
    )


def mass_cancel(record: events.MassCancelled, directory: Directory) -> str:
    """Report a mass cancel that is done."""
    return (
        f"{_mass_cancel_head(record, directory, record.instrument)}"
        f"530={_scope(record.scope, record.instrument)}\x01"
        f"531={_scope(record.scope, record.instrument)}\x01533={record.cancelled}\x01"
    )


def mass_cancel_reject(record: events.MassCancelRejected, directory: Directory) -> str:
    """Report a mass cancel that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return (
        f"{_mass_cancel_head(record, directory, record.instrument)}"
        f"530={_scope(record.scope, record.instrument)}\x01531=0\x01"
        f"532={mass_cancel_reject_reason(record.code)}\x015001={record.code}\x01"
        f"58={refusal_text(record.code, figures, directory)}\x01"
    )


def refused_order(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a new order that the gateway refused."""
    unit = directory.instruments.get(record.instrument)
    text = (
        f"35=8\x0137=NONE\x0117={record.number}\x01150=8\x0139=8\x01"
        f"{_identifier(record.client_order_id)}{_account(record.account, directory)}"
        f"55={unit.symbol if unit else NO_SYMBOL}\x0154={_side(record.side)}\x01"
        f"151=0\x0114=0\x016=0\x01"
        f"103={order_reject_reason(record.code)}\x015001={record.code}\x01"
        f"58={_sentence(record)}\x0160={timestamp_text(record.time_ns)}\x01"
    )
    text += _kind_of_order(record.order_type, record.time_in_force)
    return text


def refused_cancel(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a cancel or an amend that the gateway refused."""
    response_to = "2" if record.refused_kind == AmendOrder.KIND else "1"
    return (
        f"35=9\x0137={record.order_id or 'NONE'}\x01{_identifier(record.client_order_id)}"
        f"{_original(record.original_client_order_id)}39=8\x01434={response_to}\x01"
        f"{_account(record.account, directory)}102={cancel_reject_reason(record.code)}\x01"
        f"5001={record.code}\x015002={record.number}\x0158={_sentence(record)}\x01"
        f"60={timestamp_text(record.time_ns)}\x01"
    )


def refused_status(record: events.RefusalRecorded, directory: Directory) -> str:
    """Answer an OrderStatusRequest that the gateway refused."""
    return _status_reject(
        record,
        directory,
        code=record.code,
        request=record.original_client_order_id,
        sentence=_sentence(record),
    )


def refused_mass_cancel(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a mass cancel that the gateway refused; 530 is 7 where the scope is unknown."""
    return (
        f"{_mass_cancel_head(record, directory, record.instrument)}"
        f"530={_scope(0, record.instrument)}\x01531=0\x01"
        f"532={mass_cancel_reject_reason(record.code)}\x015001={record.code}\x01"
        f"58={_sentence(record)}\x01"
    )


def business_reject(record: events.RefusalRecorded) -> str:
    """Refuse a request of a session that may send none (380=6), or of a kind unknown to us (0)."""
    is_right_missing = record.code == RejectCode.GATEWAY_RIGHTS_MISSING
    reason = (
        tags.BUSINESS_REJECT_REASON_NOT_AUTHORIZED
        if is_right_missing
        else tags.BUSINESS_REJECT_REASON_OTHER
    )
    reference = safe_text(record.client_order_id)
    return (
        f"35=j\x01372={message_type_of(record.refused_kind)}\x01380={reason}\x01"
        f"5001={record.code}\x01"
        f"5002={record.number}\x0158={_sentence(record)}\x01"
        + (f"379={reference}\x01" if reference else "")
    )


def _status_reject(
    record: events.QueryRejected | events.RefusalRecorded,
    directory: Directory,
    *,
    code: int,
    request: bytes,
    sentence: str,
) -> str:
    unit = directory.instruments.get(record.instrument)
    text = (
        f"35=8\x0137={record.order_id or 'NONE'}\x0117={record.number}\x01150=I\x0139=8\x01"
        f"{_identifier(record.client_order_id)}{_account(record.account, directory)}"
        f"55={unit.symbol if unit else NO_SYMBOL}\x0154={_side(record.side)}\x01"
        f"151=0\x0114=0\x016=0\x01103={order_reject_reason(code)}\x015001={code}\x01"
        f"58={sentence}\x0160={timestamp_text(record.time_ns)}\x01"
    )
    return text + (f"790={safe_text(request)}\x01" if request != NO_CLIENT_ID else "")


def _identity(
    record: events.OrderEvent, directory: Directory, unit: Instrument, client_order_id: bytes
) -> str:
    return (
        f"37={record.order_id}\x01{_identifier(client_order_id)}"
        f"{_account(record.account, directory)}55={unit.symbol}\x0154={_side(record.side)}\x01"
    )


def _terms(own: "events.OrderEvent | _TradeSide", unit: Instrument) -> str:
    """Write what was ordered: type, quantity, prices, time in force, flags."""
    text = (
        f"38={decimal_text(own.quantity_lots * unit.lot_units, unit.quantity_decimals)}\x01"
        f"{_kind_of_order(own.order_type, own.time_in_force)}"
    )
    if own.price_ticks:
        text += f"44={_price(own.price_ticks, unit)}\x01"
    if own.stop_price_ticks:
        text += f"99={_price(own.stop_price_ticks, unit)}\x01"
    if own.order_flags & OrderFlag.POST_ONLY:
        text += "18=6\x01"
    if isinstance(own, events.OrderEvent):
        if own.display_lots:
            text += f"1138={_quantity(own.display_lots, unit)}\x01"
        if own.minimum_lots:
            text += f"110={_quantity(own.minimum_lots, unit)}\x01"
        if own.expire_at_ns and own.time_in_force == TimeInForce.GOOD_TILL_DATE:
            text += f"126={timestamp_text(own.expire_at_ns)}\x01"
    return text


def _progress(own: "events.OrderEvent | _TradeSide", unit: Instrument) -> str:
    """Write what is left, what is done and at which average price."""
    leaves, filled = own.leaves_lots, own.filled_lots
    if filled == 0:
        return f"151={_quantity(leaves, unit)}\x0114=0\x016=0\x01"
    average = own.filled_value * unit.tick_units * 10**_AVERAGE_DIGITS // filled
    return (
        f"151={_quantity(leaves, unit)}\x0114={_quantity(filled, unit)}\x01"
        f"6={short_decimal_text(average, unit.price_decimals + _AVERAGE_DIGITS)}\x01"
    )


class _TradeSide(NamedTuple):
    """One side of a trade, in the words of an order event."""

    liquidity: str
    account: int
    client_order_id: bytes
    fee_atoms: int
    filled_lots: int
    filled_value: int
    leaves_lots: int
    order_flags: int
    order_id: int
    order_type: int
    price_ticks: int
    quantity_lots: int
    status: int
    stop_price_ticks: int
    time_in_force: int


def _maker(record: events.TradeExecuted) -> _TradeSide:
    return _TradeSide(
        liquidity="1",
        account=record.maker_account,
        client_order_id=record.maker_client_order_id,
        fee_atoms=record.maker_fee_atoms,
        filled_lots=record.maker_filled_lots,
        filled_value=record.maker_filled_value,
        leaves_lots=record.maker_leaves_lots,
        order_flags=record.maker_order_flags,
        order_id=record.maker_order_id,
        order_type=record.maker_order_type,
        price_ticks=record.maker_price_ticks,
        quantity_lots=record.maker_quantity_lots,
        status=record.maker_status,
        stop_price_ticks=record.maker_stop_price_ticks,
        time_in_force=record.maker_time_in_force,
    )


def _taker(record: events.TradeExecuted) -> _TradeSide:
    return _TradeSide(
        liquidity="2",
        account=record.taker_account,
        client_order_id=record.taker_client_order_id,
        fee_atoms=record.taker_fee_atoms,
        filled_lots=record.taker_filled_lots,
        filled_value=record.taker_filled_value,
        leaves_lots=record.taker_leaves_lots,
        order_flags=record.taker_order_flags,
        order_id=record.taker_order_id,
        order_type=record.taker_order_type,
        price_ticks=record.taker_price_ticks,
        quantity_lots=record.taker_quantity_lots,
        status=record.taker_status,
        stop_price_ticks=record.taker_stop_price_ticks,
        time_in_force=record.taker_time_in_force,
    )


def _mass_cancel_head(
    record: events.MassCancelled | events.MassCancelRejected | events.RefusalRecorded,
    directory: Directory,
    instrument: int,
) -> str:
    unit = directory.instruments.get(instrument)
    text = (
        f"35=r\x0137={record.number}\x011369={record.number}\x01{_identifier(record.client_order_id)}"
        f"{_account(record.account, directory)}5002={record.number}\x01"
        f"60={timestamp_text(record.time_ns)}\x01"
    )
    if unit is not None:
        text += f"55={unit.symbol}\x01"
    if record.side:
        text += f"54={_side(record.side)}\x01"
    return text


def _scope(scope: int, instrument: int) -> str:
    if scope == Scope.SESSION:
        return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_TRADING_SESSION
    if instrument:
        return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_SECURITY
    return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS


def _identifier(client_order_id: bytes) -> str:
    return f"11={safe_text(client_order_id) or 'NONE'}\x01"


def _original(client_order_id: bytes) -> str:
    return f"41={safe_text(client_order_id) or 'NONE'}\x01"


def _sentence(record: events.RefusalRecorded) -> str:
    return f"{code_name(record.code)}: {safe_text(record.text)}"


def _account(number: int, directory: Directory) -> str:
    account = directory.accounts.get(number)
    return f"1={account.name}\x01" if account is not None else ""


def _side(side: int) -> str:
    return str(side) if side in (Side.BUY, Side.SELL) else tags.SIDE_UNDISCLOSED


def _status(own: "events.OrderEvent | _TradeSide") -> str:
    """Write OrdStatus (39); of a status that is newer than this gateway, what the figures say."""
    known = _ORDER_STATUS.get(own.status)
    if known is not None:
        return known
    if own.leaves_lots > 0:
        return "1" if own.filled_lots else "0"
    return "4" if own.filled_lots < own.quantity_lots else "2"


def _kind_of_order(order_type: int, time_in_force: int) -> str:
    """Write OrdType (40) and TimeInForce (59), each where it is given and FIX has a word for it."""
    text = ""
    if order_type in _ORDER_TYPE:
        text += f"40={_ORDER_TYPE[order_type]}\x01"
    if time_in_force in _TIME_IN_FORCE:
        text += f"59={_TIME_IN_FORCE[time_in_force]}\x01"
    return text


def _price(ticks: int, unit: Instrument) -> str:
    return _price_text(ticks, unit.tick_units, unit.price_decimals)


@lru_cache(maxsize=4096)
def _price_text(ticks: int, tick_units: int, decimals: int) -> str:
    return decimal_text(ticks * tick_units, decimals)


def _quantity(lots: int, unit: Instrument | None) -> str:
    if unit is None or lots == 0:
        return "0"
    return decimal_text(lots * unit.lot_units, unit.quantity_decimals)
