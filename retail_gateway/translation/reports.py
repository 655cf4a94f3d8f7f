"""From orders, trades and events to the words of an answer."""

from typing import Final

from messages.trading import events
from messages.trading.decimals import decimal_text
from messages.trading.terms import (
    CancelReason,
    OrderFlag,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from retail_gateway.answers import (
    AmendedAnswer,
    CancelledAnswer,
    CommissionRates,
    FillAnswer,
    OrderAnswer,
    PlacedAnswer,
    TradeAnswer,
)
from retail_gateway.market import Instrument
from retail_gateway.orders import Order, Trade

MILLISECOND: Final = 1_000_000
_POST_ONLY: Final = int(OrderFlag.POST_ONLY)

# By numbers too: each is its enumeration's member.
_STATUS: Final[dict[int, str]] = {
    OrderStatus.PENDING_TRIGGER: "NEW",
    OrderStatus.NEW: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}
SIDE: Final[dict[int, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPE: Final[dict[int, str]] = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
TIME_IN_FORCE: Final[dict[int, str]] = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GOOD_TILL_CANCEL: "GTC",
    TimeInForce.IMMEDIATE_OR_CANCEL: "IOC",
    TimeInForce.FILL_OR_KILL: "FOK",
    TimeInForce.GOOD_TILL_DATE: "GTD",
}
SELF_TRADE: Final[dict[int, str]] = {
    SelfTradePrevention.ACCOUNT_DEFAULT: "EXPIRE_MAKER",
    SelfTradePrevention.CANCEL_RESTING: "EXPIRE_MAKER",
    SelfTradePrevention.CANCEL_INCOMING: "EXPIRE_TAKER",
    SelfTradePrevention.CANCEL_BOTH: "EXPIRE_BOTH",
    SelfTradePrevention.DECREMENT_AND_CANCEL: "DECREMENT",
}


def status_text(status: int, reason: int) -> str:
    """Say where an order stands; an end that matching itself brought is named apart."""
    if status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED) and reason == CancelReason.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    if status == OrderStatus.CANCELLED and reason in _BY_THE_VENUE:
        return "EXPIRED"
    return _STATUS[status]


_BY_THE_VENUE: Final = frozenset(
    {
        CancelReason.IMMEDIATE_REMAINDER,
        CancelReason.FILL_OR_KILL,
        CancelReason.DAY_ENDED,
        CancelReason.DATE_REACHED,
        CancelReason.PRICE_BAND,
        CancelReason.PRICE_COLLAR,
        CancelReason.CASH_SPENT,
    }
)


def type_text(order: Order) -> str:
    """Say an order's type in Binance's words."""
    if order.order_type == OrderType.LIMIT and order.order_flags & _POST_ONLY:
        return "LIMIT_MAKER"
    return TYPE[order.order_type]


def limit_price(order: Order, instrument: Instrument) -> str:
    """Write the price that the client gave: of a market order none, whatever protects it."""
    is_priced = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return instrument.price(order.price_ticks if is_priced else 0)


def order_answer(order: Order, instrument: Instrument) -> OrderAnswer:
    """Say where an order stands."""
    created, updated = order.created_at_ns // MILLISECOND, order.updated_at_ns // MILLISECOND
    is_working = order.status != OrderStatus.PENDING_TRIGGER
    is_iceberg = 0 < order.display_lots < order.quantity_lots
    return OrderAnswer(
        symbol=instrument.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        price=limit_price(order, instrument),
        orig_qty=instrument.quantity(order.quantity_lots),
        executed_qty=instrument.quantity(order.filled_lots),
        orig_quote_order_qty=instrument.quote.text(order.cash_atoms),
        cumulative_quote_qty=instrument.value(order.filled_value),
        status=status_text(order.status, order.reason),
        time_in_force=TIME_IN_FORCE[order.time_in_force],
        type=type_text(order),
        side=SIDE[order.side],
        stop_price=instrument.price(order.stop_price_ticks),
        iceberg_qty=instrument.quantity(order.display_lots if is_iceberg else 0),
        time=created,
        update_time=updated,
        is_working=is_working,
        working_time=created if is_working else -1,
        self_trade_prevention_mode=SELF_TRADE[order.self_trade_prevention],
    )


def fill_answer(
    trade: events.TradeExecuted, account: int, order_id: int, instrument: Instrument
) -> FillAnswer | None:
    """Say what an order traded; None if the trade is not its own."""
    if trade.taker_order_id == order_id and trade.taker_account == account:
        fee = trade.taker_fee_atoms
    elif trade.maker_order_id == order_id and trade.maker_account == account:
        fee = trade.maker_fee_atoms
    else:
        return None
    return FillAnswer(
        price=instrument.price(trade.price_ticks),
        qty=instrument.quantity(trade.quantity_lots),
        commission=instrument.quote.text(fee),
        commission_asset=instrument.quote.symbol,
        trade_id=trade.trade_id,
    )


def placed_answer(
    order: Order, instrument: Instrument, fills: list[FillAnswer], response: str
) -> PlacedAnswer:
    """Say what became of a new order, as much as the client asked for."""
    at = order.updated_at_ns // MILLISECOND
    if response == "ACK":
        return PlacedAnswer(
            symbol=instrument.symbol,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            transact_time=at,
        )
    is_working = order.status != OrderStatus.PENDING_TRIGGER
    stop_price_ticks = order.stop_price_ticks
    return PlacedAnswer(
        symbol=instrument.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        transact_time=at,
        price=limit_price(order, instrument),
        orig_qty=instrument.quantity(order.quantity_lots),
        executed_qty=instrument.quantity(order.filled_lots),
        orig_quote_order_qty=instrument.quote.text(order.cash_atoms),
        cumulative_quote_qty=instrument.value(order.filled_value),
        status=status_text(order.status, order.reason),
        time_in_force=TIME_IN_FORCE[order.time_in_force],
        type=type_text(order),
        side=SIDE[order.side],
        stop_price=instrument.price(stop_price_ticks) if stop_price_ticks else None,
        working_time=order.created_at_ns // MILLISECOND if is_working else -1,
        self_trade_prevention_mode=SELF_TRADE[order.self_trade_prevention],
        fills=fills if response == "FULL" else None,
    )


def cancelled_answer(order: Order, instrument: Instrument, request: str) -> CancelledAnswer:
    """Say that an order went; ``request`` is the id of the request that did it."""
    full = order_answer(order, instrument)
    return CancelledAnswer(
        symbol=full.symbol,
        orig_client_order_id=order.client_order_id,
        order_id=order.order_id,
        client_order_id=request,
        transact_time=full.update_time,
        price=full.price,
        orig_qty=full.orig_qty,
        executed_qty=full.executed_qty,
        orig_quote_order_qty=full.orig_quote_order_qty,
        cumulative_quote_qty=full.cumulative_quote_qty,
        status=full.status,
        time_in_force=full.time_in_force,
        type=full.type,
        side=full.side,
        self_trade_prevention_mode=full.self_trade_prevention_mode,
    )


def amended_answer(
    event: events.OrderAmended, order: Order, instrument: Instrument
) -> AmendedAnswer:
    """Say that an order is smaller now."""
    return AmendedAnswer(
        transact_time=event.time_ns // MILLISECOND,
        execution_id=event.number,
        amended_order=order_answer(order, instrument),
    )


def trade_answer(trade: Trade, instrument: Instrument) -> TradeAnswer:
    """Say one side of a trade."""
    return TradeAnswer(
        symbol=instrument.symbol,
        id=trade.trade_id,
        order_id=trade.order_id,
        price=instrument.price(trade.price_ticks),
        qty=instrument.quantity(trade.quantity_lots),
        quote_qty=instrument.quote.text(trade.notional_atoms),
        commission=instrument.quote.text(trade.fee_atoms),
        commission_asset=instrument.quote.symbol,
        time=trade.time_ns // MILLISECOND,
        is_buyer=trade.side == Side.BUY,
        is_maker=trade.is_maker,
    )


def rates_answer(rates_ppm: tuple[int, int]) -> CommissionRates:
    """Write rates of parts per million as fractions."""
    maker, taker = rates_ppm
    return CommissionRates(maker=decimal_text(maker, 6), taker=decimal_text(taker, 6))
