"""The bodies of execution reports, tag by tag in the standard's order.

Every message starts at 35 and leaves to the session layer what only it knows. AvgPx (6) is exact
to eight digits below the price's own and rounded down there.
"""

from typing import NamedTuple

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory, Instrument
from fix_gateway.translation.parts import (
    ORDER_STATUS,
    account,
    all_digits,
    capacity,
    cash,
    identifier,
    order_type,
    original,
    parties,
    price,
    quantity,
    quoted,
    sentence,
    side,
    stamps,
    time_in_force,
)
from fix_gateway.translation.reasons import (
    Figures,
    cancel_reason_name,
    order_reject_reason,
    refusal_text,
    restatement_reason,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.decimals import decimal_text, short_decimal_text
from messages.trading.identity import NO_CLIENT_ID, execution_id
from messages.trading.terms import CancelReason, OrderFlag, OrderType, Side, TimeInForce

_AVERAGE_DIGITS = 8
_POST_ONLY = int(OrderFlag.POST_ONLY)
_TIME_IN = tags.TRD_REG_TIMESTAMP_TYPE_TIME_IN
_TIME_OUT = tags.TRD_REG_TIMESTAMP_TYPE_TIME_OUT
_RESTING = (TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL, TimeInForce.GOOD_TILL_DATE)


def accepted(record: events.OrderAccepted, directory: Directory) -> str:
    """Report a new order: when it came, and when its book took it if it may rest there."""
    is_for_book = record.order_type == OrderType.LIMIT and record.time_in_force in _RESTING
    entered = record.time_ns if is_for_book else 0
    times = stamps(
        (record.received_at_ns, _TIME_IN),
        (entered, tags.TRD_REG_TIMESTAMP_TYPE_ORDERBOOK_ENTRY_TIME),
    )
    return order(record, directory, execution_type=tags.EXEC_TYPE_NEW, times=times)


def amended(record: events.OrderAmended, directory: Directory) -> str:
    """Report new terms, and since when they have their priority if they lost the old one."""
    times = stamps(
        (record.received_at_ns, _TIME_IN),
        (
            0 if record.kept_priority else record.time_ns,
            tags.TRD_REG_TIMESTAMP_TYPE_TIME_PRIORITY,
        ),
    )
    return order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_REPLACED,
        named=record.previous_client_order_id,
        times=times,
    )


def cancelled(record: events.OrderCancelled, directory: Directory) -> str:
    """Report a cancelled order, under the request's id when a cancel of it alone did it.

    When the request came is told only where the firm itself sent it.
    """
    is_asked = record.reason == CancelReason.REQUESTED
    is_own = is_asked or record.reason == CancelReason.MASS_CANCEL
    times = stamps((record.received_at_ns if is_own else 0, _TIME_IN), (record.time_ns, _TIME_OUT))
    kind = tags.EXEC_TYPE_CANCELED
    prevented = _prevented(record, directory)
    if not is_asked or record.request_client_order_id == NO_CLIENT_ID:
        text = order(record, directory, execution_type=kind, reason=record.reason, times=times)
        return text + prevented
    return order(
        record,
        directory,
        execution_type=kind,
        named=record.client_order_id,
        client_order_id=record.request_client_order_id,
        times=times,
    )


def _prevented(record: events.OrderCancelled | events.OrderRestated, directory: Directory) -> str:
    """Write with which order, how much and at which price self-trade prevention let not trade."""
    if not record.counter_order_id:
        return ""
    unit = directory.instrument(record.instrument)
    return (
        f"5032={record.counter_order_id}\x015033={quantity(record.prevented_lots, unit)}\x01"
        f"5034={price(record.prevented_price_ticks, unit)}\x01"
    )


def expired(record: events.OrderExpired, directory: Directory) -> str:
    """Report an order whose time ended."""
    return order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_EXPIRED,
        reason=record.reason,
        times=stamps((record.time_ns, _TIME_OUT)),
    )


def triggered(record: events.OrderTriggered, directory: Directory) -> str:
    """Report a stop that acts from now on."""
    is_for_book = record.order_type == OrderType.STOP_LIMIT and record.time_in_force in _RESTING
    entered = record.time_ns if is_for_book else 0
    return order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_TRIGGERED,
        times=stamps((entered, tags.TRD_REG_TIMESTAMP_TYPE_ORDERBOOK_ENTRY_TIME)),
    )


def restated(record: events.OrderRestated, directory: Directory) -> str:
    """Report what the venue itself changed."""
    kind = tags.EXEC_TYPE_RESTATED
    text = order(record, directory, execution_type=kind, reason=record.reason)
    return text + _prevented(record, directory)


def status(record: events.OrderReported, directory: Directory) -> str:
    """Answer an OrderStatusRequest."""
    return order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        request=record.request_id,
        times=stamps((record.received_at_ns, _TIME_IN)),
    )


def listed(record: events.OrderListed, directory: Directory) -> str:
    """Report one order of the answer to an OrderMassStatusRequest."""
    last = f"912={'Y' if record.place == record.count else 'N'}\x01"
    text = order(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        request_of_many=(
            f"584={safe_text(record.request_id) or 'NONE'}\x01911={record.count}\x01{last}"
        ),
        times=stamps((record.received_at_ns, _TIME_IN)),
    )
    return f"{text}5031={record.remaining}\x01" if record.remaining else text


def order(
    record: events.OrderEvent,
    directory: Directory,
    *,
    execution_type: str,
    reason: int = 0,
    client_order_id: bytes | None = None,
    named: bytes = NO_CLIENT_ID,
    request: bytes = NO_CLIENT_ID,
    request_of_many: str = "",
    times: str = "",
    execution: str = "",
) -> str:
    """Report an order's state after an event that is no trade.

    Args:
        record: the event.
        directory: the venue's definitions.
        execution_type: ExecType (150).
        reason: a CancelReason where the venue acted.
        client_order_id: ClOrdID (11); the order's own by default.
        named: OrigClOrdID (41).
        request: OrdStatusReqID (790).
        request_of_many: MassStatusReqID (584), and the report's place among several (911, 912).
        times: the report's TrdRegTimestamps (768).
        execution: ExecID (17); the event's number by default.
    """
    unit = directory.instrument(record.instrument)
    # An expiry is what was ordered, so there is no reason to restate.
    is_restated = reason and execution_type != tags.EXEC_TYPE_EXPIRED
    restatement = restatement_reason(reason) if is_restated else None
    return (
        f"35=8\x0137={record.order_id}\x01{identifier(client_order_id or record.client_order_id)}"
        + quoted(record.client_order_id, record.order_flags)
        + (original(named) if named != NO_CLIENT_ID else "")
        + (f"790={safe_text(request)}\x01" if request != NO_CLIENT_ID else request_of_many)
        + f"{parties(record.account, record.session, directory, trader=record.trader)}"
        f"17={execution or record.number}\x01150={execution_type}\x0139={status_of(record)}\x01"
        + (f"378={restatement}\x01" if restatement is not None else "")
        + f"{account(record.account, directory)}55={unit.symbol}\x0154={side(record.side)}\x01"
        f"{order_terms(record, unit, directory, record.expire_at_ns)}"
        f"{capacity(record.account, directory)}"
        f"{progress(record, unit)}60={timestamp_text(record.time_ns)}\x01"
        + (f"110={quantity(record.minimum_lots, unit)}\x01" if record.minimum_lots else "")
        + (f"1138={quantity(record.display_lots, unit)}\x01" if record.display_lots else "")
        + (f"58={cancel_reason_name(reason)}\x01" if reason else "")
        + times
    )


def trade(record: events.TradeExecuted, directory: Directory, *, side: Side) -> str:
    """Report a trade to one of its two sides."""
    unit = directory.instrument(record.instrument)
    is_taker = record.taker_side == side
    own = taker_of(record) if is_taker else maker_of(record)
    quote = directory.asset(unit.quote_asset)
    liquidity, aggressor = own.liquidity, f"1057={'Y' if is_taker else 'N'}\x01"
    if record.is_auction:
        liquidity, aggressor = tags.LAST_LIQUIDITY_IND_AUCTION, ""
    negotiated = tags.ORDER_CATEGORY_PRIVATELY_NEGOTIATED_TRADE
    category = f"1115={negotiated}\x01" if record.is_negotiated else ""
    executed = stamps((record.time_ns, tags.TRD_REG_TIMESTAMP_TYPE_EXECUTION_TIME))
    return (
        f"35=8\x0137={own.order_id}\x01{identifier(own.client_order_id)}"
        f"{quoted(own.client_order_id, own.order_flags)}"
        f"{parties(own.account, own.session, directory, trader=own.trader)}"
        f"880={record.trade_id}\x0117={execution_id(record.number, side)}\x01150=F\x01"
        f"39={status_of(own)}\x01{account(own.account, directory)}{category}"
        f"55={unit.symbol}\x0154={int(side)}\x01"
        f"{order_terms(own, unit, directory)}{aggressor}{capacity(own.account, directory)}"
        f"32={decimal_text(record.quantity_lots * unit.lot_units, unit.quantity_decimals)}\x01"
        f"31={decimal_text(record.price_ticks * unit.tick_units, unit.price_decimals)}\x01"
        f"30={directory.market}\x0129={tags.LAST_CAPACITY_AGENT}\x01"
        f"{progress(own, unit)}60={timestamp_text(record.time_ns)}\x01"
        f"851={liquidity}\x01136=1\x01137={decimal_text(own.fee_atoms, quote.scale)}\x01"
        f"138={quote.symbol}\x01139={tags.MISC_FEE_TYPE_EXCHANGE_FEES}\x01{executed}"
    )


def rejected(record: events.OrderRejected, directory: Directory) -> str:
    """Report a new order that the venue refused."""
    unit = directory.instruments.get(record.instrument)
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    terms = f"38={quantity(record.quantity_lots, unit)}\x01"
    if unit is not None:
        terms += cash(record.cash_atoms, unit, directory)
    terms += order_type(record.order_type)
    if record.price_ticks and unit is not None:
        terms += f"44={price(record.price_ticks, unit)}\x01"
    if record.stop_price_ticks and unit is not None:
        terms += f"99={price(record.stop_price_ticks, unit)}\x01"
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_REJECTED,
        terms=terms + time_in_force(record.time_in_force),
        trader=record.trader,
        text=refusal_text(record.code, figures, directory),
    )


def refused_order(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a new order that the gateway refused."""
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_REJECTED,
        terms=order_type(record.order_type) + time_in_force(record.time_in_force),
        text=sentence(record),
    )


def status_reject(record: events.QueryRejected, directory: Directory) -> str:
    """Answer an OrderStatusRequest that names no order of the account."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        order_id=record.order_id,
        request=record.original_client_order_id,
        text=refusal_text(record.code, figures, directory),
    )


def refused_status(record: events.RefusalRecorded, directory: Directory) -> str:
    """Answer an OrderStatusRequest that the gateway refused."""
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        order_id=record.order_id,
        request=record.original_client_order_id,
        text=sentence(record),
    )


def list_reject(record: events.OrdersQueryRejected, directory: Directory) -> str:
    """Answer an OrderMassStatusRequest that reaches no order, or that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        request_of_many=_no_list(record.request_id),
        text=refusal_text(record.code, figures, directory),
    )


def refused_list(record: events.RefusalRecorded, directory: Directory) -> str:
    """Answer an OrderMassStatusRequest that the gateway refused."""
    return _refused(
        record,
        directory,
        execution_type=tags.EXEC_TYPE_ORDER_STATUS,
        request_of_many=_no_list(record.original_client_order_id),
        text=sentence(record),
    )


def _no_list(request_id: bytes) -> str:
    return f"584={safe_text(request_id) or 'NONE'}\x01911=0\x01912=Y\x01"


def _refused(
    record: events.OrderRejected
    | events.QueryRejected
    | events.OrdersQueryRejected
    | events.RefusalRecorded,
    directory: Directory,
    *,
    execution_type: str,
    text: str,
    order_id: int = 0,
    request: bytes = NO_CLIENT_ID,
    request_of_many: str = "",
    terms: str = "",
    trader: int = 0,
) -> str:
    unit = directory.instruments.get(record.instrument)
    named = NO_CLIENT_ID
    if not isinstance(record, events.OrdersQueryRejected):
        named = record.client_order_id
    return (
        f"35=8\x0137={order_id or 'NONE'}\x01{identifier(named)}"
        + (f"790={safe_text(request)}\x01" if request != NO_CLIENT_ID else request_of_many)
        + f"{parties(record.account, record.session, directory, trader=trader)}"
        f"17={record.number}\x01150={execution_type}\x0139=8\x01"
        f"103={order_reject_reason(record.code)}\x01{account(record.account, directory)}"
        f"55={unit.symbol if unit else NO_SYMBOL}\x0154={side(record.side)}\x01{terms}"
        f"{capacity(record.account, directory)}151=0\x0114=0\x016=0\x01"
        f"60={timestamp_text(record.time_ns)}\x0158={text}\x01"
        f"{stamps((record.received_at_ns, _TIME_IN))}5001={record.code}\x01"
    )


def order_terms(
    own: "events.OrderEvent | TradeSide",
    unit: Instrument,
    directory: Directory,
    expire_at_ns: int = 0,
) -> str:
    """Write what was ordered: quantity, type, prices, time in force, flags."""
    text = (
        f"38={all_digits(own.quantity_lots, unit)}\x01"
        f"{cash(own.cash_atoms, unit, directory)}{order_type(own.order_type)}"
    )
    if own.price_ticks:
        text += f"44={price(own.price_ticks, unit)}\x01"
    if own.stop_price_ticks:
        text += f"99={price(own.stop_price_ticks, unit)}\x01"
    text += time_in_force(own.time_in_force)
    if expire_at_ns and own.time_in_force == TimeInForce.GOOD_TILL_DATE:
        text += f"126={timestamp_text(expire_at_ns)}\x01"
    if own.order_flags & _POST_ONLY:
        text += f"18={tags.EXEC_INST_PARTICIPATE_DONT_INITIATE}\x01"
    return text


def progress(own: "events.OrderEvent | TradeSide", unit: Instrument) -> str:
    """Write what is left, what is done and at which average price."""
    leaves, filled = own.leaves_lots, own.filled_lots
    if filled == 0:
        return f"151={quantity(leaves, unit)}\x0114=0\x016=0\x01"
    average = own.filled_value * unit.tick_units * 10**_AVERAGE_DIGITS // filled
    return (
        f"151={quantity(leaves, unit)}\x0114={quantity(filled, unit)}\x01"
        f"6={short_decimal_text(average, unit.price_decimals + _AVERAGE_DIGITS)}\x01"
    )


def status_of(own: "events.OrderEvent | TradeSide") -> str:
    """Write OrdStatus (39); of a status that is newer than this gateway, what the figures say."""
    known = ORDER_STATUS.get(own.status)
    if known is not None:
        return known
    if own.leaves_lots > 0:
        return tags.ORD_STATUS_PARTIALLY_FILLED if own.filled_lots else tags.ORD_STATUS_NEW
    is_cut = own.filled_lots < own.quantity_lots
    return tags.ORD_STATUS_CANCELED if is_cut else tags.ORD_STATUS_FILLED


class TradeSide(NamedTuple):
    """One side of a trade, in the words of an order event."""

    liquidity: str
    account: int
    cash_atoms: int
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
    session: int
    status: int
    stop_price_ticks: int
    time_in_force: int
    trader: int


Told = events.TradeExecuted | events.TradeBusted | events.TradeCorrected


def maker_of(record: Told) -> TradeSide:
    """Return the maker's side."""
    return TradeSide(
        liquidity=tags.LAST_LIQUIDITY_IND_ADDED_LIQUIDITY,
        account=record.maker_account,
        cash_atoms=0,
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
        session=record.maker_session,
        status=record.maker_status,
        stop_price_ticks=record.maker_stop_price_ticks,
        time_in_force=record.maker_time_in_force,
        trader=record.maker_trader,
    )


def taker_of(record: Told) -> TradeSide:
    """Return the taker's side."""
    return TradeSide(
        liquidity=tags.LAST_LIQUIDITY_IND_REMOVED_LIQUIDITY,
        account=record.taker_account,
        cash_atoms=record.taker_cash_atoms if isinstance(record, events.TradeExecuted) else 0,
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
        session=record.taker_session,
        status=record.taker_status,
        stop_price_ticks=record.taker_stop_price_ticks,
        time_in_force=record.taker_time_in_force,
        trader=record.taker_trader,
    )
