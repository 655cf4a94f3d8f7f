"""What a person is told of orders and money as they change, in Binance's words."""

from typing import Any, Final

from messages.layout import plain_text
from messages.trading import events
from messages.trading.terms import CancelReason, OrderStatus
from retail_gateway.market import Instrument
from retail_gateway.orders import Order
from retail_gateway.translation.reports import MILLISECOND, order_answer

_EXECUTION: Final[dict[type[events.Event], str]] = {
    events.OrderAccepted: "NEW",
    events.OrderTriggered: "NEW",
    events.OrderAmended: "REPLACED",
    events.OrderRestated: "REPLACED",
    events.OrderExpired: "EXPIRED",
    events.OrderCancelled: "CANCELED",
}


def order_report(event: events.OrderEvent, order: Order, instrument: Instrument) -> dict[str, Any]:
    """Report what happened to an order, other than a trade."""
    report = _report(order, instrument, event.number, event.time_ns)
    report["x"] = _EXECUTION[type(event)]
    if isinstance(event, events.OrderCancelled):
        # The order's id is then the request's, and the order's own stands beside it.
        request = plain_text(event.request_client_order_id)
        report |= {"c": request or order.client_order_id, "C": order.client_order_id}
        if event.reason == CancelReason.SELF_TRADE:
            report["x"] = "TRADE_PREVENTION"
            report |= {
                "v": event.counter_order_id,
                "A": instrument.quantity(event.prevented_lots),
                "pl": instrument.quantity(event.prevented_lots),
                "pL": instrument.price(event.prevented_price_ticks),
            }
    elif isinstance(event, events.OrderAmended):
        report["C"] = plain_text(event.previous_client_order_id)
    return report


def trade_report(
    event: events.TradeExecuted, order: Order, instrument: Instrument, *, is_maker: bool
) -> dict[str, Any]:
    """Report a trade of an order."""
    fee = event.maker_fee_atoms if is_maker else event.taker_fee_atoms
    report = _report(order, instrument, event.number, event.time_ns)
    return report | {
        "x": "TRADE",
        "l": instrument.quantity(event.quantity_lots),
        "L": instrument.price(event.price_ticks),
        "Y": instrument.quote.text(event.notional_atoms),
        "n": instrument.quote.text(fee),
        "N": instrument.quote.symbol,
        "t": event.trade_id,
        "m": is_maker,
    }


def _report(order: Order, instrument: Instrument, number: int, time_ns: int) -> dict[str, Any]:
    at, said = time_ns // MILLISECOND, order_answer(order, instrument)
    is_resting = order.is_open and order.status != OrderStatus.PENDING_TRIGGER
    return {
        "e": "executionReport",
        "E": at,
        "s": said.symbol,
        "c": said.client_order_id,
        "S": said.side,
        "o": said.type,
        "f": said.time_in_force,
        "q": said.orig_qty,
        "p": said.price,
        "P": said.stop_price,
        "F": said.iceberg_qty,
        "g": -1,
        "C": "",
        "x": "",
        "X": said.status,
        "r": "NONE",
        "i": order.order_id,
        "l": instrument.quantity(0),
        "z": said.executed_qty,
        "L": instrument.price(0),
        "n": "0",
        "N": None,
        "T": at,
        "t": -1,
        "I": number,
        "w": is_resting,
        "m": False,
        "M": False,
        "O": said.time,
        "Z": said.cumulative_quote_qty,
        "Y": instrument.quote.text(0),
        "Q": said.orig_quote_order_qty,
        "W": said.working_time,
        "V": said.self_trade_prevention_mode,
    }


def position(rows: list[tuple[str, str, str]], *, now_ms: int, at_ms: int) -> dict[str, Any]:
    """Tell what an account has of assets that moved: asset, free, locked."""
    balances = [{"a": asset, "f": free, "l": locked} for asset, free, locked in rows]
    return {"e": "outboundAccountPosition", "E": now_ms, "u": at_ms, "B": balances}


def balance_update(asset: str, change: str, *, now_ms: int, at_ms: int) -> dict[str, Any]:
    """Tell that money came or went outside of trading."""
    return {"e": "balanceUpdate", "E": now_ms, "a": asset, "d": change, "T": at_ms}
