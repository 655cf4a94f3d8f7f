"""From a request's words to the fields of a command: decimals to ticks, lots and atoms, exactly."""

from functools import cache
from typing import Final

from messages.trading.decimals import DecimalFault, steps
from messages.trading.identity import client_id
from messages.trading.terms import (
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from retail_gateway.market import Instrument
from retail_gateway.parameters import Terms, malformed, missing, not_allowed
from retail_gateway.refusals import DoorCode, Refusal, door_refusal

Fields = dict[str, int | bytes]

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GOOD_TILL_CANCEL,
    "IOC": TimeInForce.IMMEDIATE_OR_CANCEL,
    "FOK": TimeInForce.FILL_OR_KILL,
}
SELF_TRADE_PREVENTION: Final = {
    "EXPIRE_TAKER": SelfTradePrevention.CANCEL_INCOMING,
    "EXPIRE_MAKER": SelfTradePrevention.CANCEL_RESTING,
    "EXPIRE_BOTH": SelfTradePrevention.CANCEL_BOTH,
    "DECREMENT": SelfTradePrevention.DECREMENT_AND_CANCEL,
}
ORDER_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
}

_SENT: Final = ("timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice", "icebergQty")
_NEEDED: Final = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
}
_ALLOWED: Final = {
    "LIMIT": frozenset({"timeInForce", "quantity", "price", "icebergQty"}),
    "LIMIT_MAKER": frozenset({"quantity", "price", "icebergQty"}),
    "MARKET": frozenset({"quantity", "quoteOrderQty"}),
    "STOP_LOSS": frozenset({"quantity", "stopPrice"}),
    "STOP_LOSS_LIMIT": frozenset({"timeInForce", "quantity", "price", "stopPrice", "icebergQty"}),
}


def order_fields(terms: Terms, instrument: Instrument, name: str) -> Fields | Refusal:
    """Return the fields of a PlaceOrder, but for who sends it.

    Args:
        terms: what the client asked for.
        instrument: of the terms' symbol.
        name: the client's id for the order, or the one that it was given.
    """
    sent = (
        terms.time_in_force is not None,
        terms.quantity is not None,
        terms.quote_order_qty is not None,
        terms.price is not None,
        terms.stop_price is not None,
        terms.iceberg_qty is not None,
    )
    refused = _unfit(terms.type, sent)
    if refused is not None:
        return refused
    fields: Fields = {
        "instrument": instrument.number,
        "side": SIDES[terms.side],
        "order_type": ORDER_TYPES[terms.type],
        "time_in_force": _time_in_force(terms),
        "self_trade_prevention": SELF_TRADE_PREVENTION.get(
            terms.self_trade_prevention_mode or "", SelfTradePrevention.ACCOUNT_DEFAULT
        ),
        "client_order_id": client_id(name),
    }
    if terms.type == "LIMIT_MAKER":
        fields["order_flags"] = OrderFlag.POST_ONLY
    for text, reads, name_sent, field in (
        (terms.price, ticks, "price", "price_ticks"),
        (terms.stop_price, ticks, "stopPrice", "stop_price_ticks"),
        (terms.quantity, lots, "quantity", "quantity_lots"),
        (terms.iceberg_qty, lots, "icebergQty", "display_lots"),
    ):
        if text is None:
            continue
        number = reads(text, instrument, name_sent)
        if isinstance(number, Refusal):
            return number
        fields[field] = number
    if terms.quote_order_qty is not None:
        atoms = steps(terms.quote_order_qty, decimals=instrument.quote.scale, units=1)
        if isinstance(atoms, DecimalFault):
            return _fault(atoms, "quoteOrderQty", "NOTIONAL", DoorCode.AMOUNT_OUT_OF_RANGE)
        fields |= {"cash_atoms": atoms, "order_flags": OrderFlag.CASH_QUANTITY}
    return fields


@cache
def _unfit(kind: str, is_sent: tuple[bool, ...]) -> Refusal | None:
    """Say which parameter is missing for an order's type, or is one too many."""
    sent = dict(zip(_SENT, is_sent, strict=True))
    for name in _NEEDED[kind]:
        if not sent[name]:
            return missing(name)
    for name in _SENT:
        if sent[name] and name not in _ALLOWED[kind]:
            return not_allowed(name)
    if kind == "MARKET" and sent["quantity"] is sent["quoteOrderQty"]:
        return not_allowed("quoteOrderQty") if sent["quantity"] else missing("quantity")
    return None


def _time_in_force(terms: Terms) -> TimeInForce:
    if terms.time_in_force is not None:
        return TIMES_IN_FORCE[terms.time_in_force]
    if terms.type == "MARKET":
        return TimeInForce.IMMEDIATE_OR_CANCEL
    return TimeInForce.GOOD_TILL_CANCEL


def ticks(text: str, instrument: Instrument, name: str) -> int | Refusal:
    """Read a price."""
    terms = instrument.terms
    number = steps(text, decimals=terms.price_decimals, units=terms.tick_units)
    if isinstance(number, DecimalFault):
        return _fault(number, name, "PRICE_FILTER", DoorCode.PRICE_OFF_TICK)
    return number


def lots(text: str, instrument: Instrument, name: str) -> int | Refusal:
    """Read a quantity."""
    terms = instrument.terms
    number = steps(text, decimals=terms.quantity_decimals, units=terms.lot_units)
    if isinstance(number, DecimalFault):
        return _fault(number, name, "LOT_SIZE", DoorCode.QUANTITY_OFF_LOT)
    return number


def _fault(fault: DecimalFault, name: str, filter_name: str, code: DoorCode) -> Refusal:
    if fault is DecimalFault.MALFORMED:
        return malformed(name)
    if fault is DecimalFault.OUT_OF_RANGE:
        code = DoorCode.AMOUNT_OUT_OF_RANGE
    return door_refusal(code, -1013, f"Filter failure: {filter_name}")
