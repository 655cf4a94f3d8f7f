"""The parts that outgoing messages are made of: each writes whole fields, or one field's value.

Prices and quantities carry all digits of their instrument.
"""

from functools import lru_cache

from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory, Instrument
from fix_gateway.translation.reasons import code_name
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import nanosecond_text
from messages.trading import events
from messages.trading.decimals import decimal_text
from messages.trading.terms import OrderFlag, OrderStatus, OrderType, Side, TimeInForce

ORDER_STATUS: dict[int, str] = {
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

PARTIES_MAX = 65_536
"""Texts of parties that are kept; what comes later is written each time."""
_QUOTE = int(OrderFlag.QUOTE)
"""As a plain number: a flag's own arithmetic takes longer than the text it decides about."""


def identifier(client_order_id: bytes) -> str:
    """Write ClOrdID (11)."""
    return f"11={safe_text(client_order_id) or 'NONE'}\x01"


def quoted(client_order_id: bytes, flags: int) -> str:
    """Write QuoteID (117) and QuoteEntryID (299) of a side of a quote, which its name is made of.

    An entry's id has no slash, so the last one divides.
    """
    if not flags & _QUOTE:
        return ""
    quote, _, entry = safe_text(client_order_id).rpartition("/")
    return f"117={quote or 'NONE'}\x01299={entry or 'NONE'}\x01"


def original(client_order_id: bytes) -> str:
    """Write OrigClOrdID (41)."""
    return f"41={safe_text(client_order_id) or 'NONE'}\x01"


def account(number: int, directory: Directory) -> str:
    """Write Account (1); nothing for an account that we never heard of."""
    found = directory.accounts.get(number)
    return f"1={found.name}\x01" if found is not None else ""


def capacity(number: int, directory: Directory) -> str:
    """Write OrderCapacity (528); nothing for an account that we never heard of."""
    found = directory.accounts.get(number)
    return f"528={found.capacity}\x01" if found is not None else ""


def parties(number: int, session: int, directory: Directory, *, trader: int = 0) -> str:
    """Write Parties (453): firm, account, trader, and the session that the order came from."""
    key = number, session, trader
    kept = directory.parties
    known = kept.get(key)
    if known is None:
        known = _parties(number, session, directory, trader)
        if len(kept) < PARTIES_MAX:
            kept[key] = known
    return known


def _parties(number: int, session: int, directory: Directory, trader: int) -> str:
    found = directory.accounts.get(number)
    parts = []
    if found is not None:
        parts = [(directory.firm_names.get(found.firm), 1), (found.name, 24)]
    parts += [(str(trader) if trader else None, 11), (directory.session_names.get(session), 55)]
    texts = [f"448={name}\x01447=D\x01452={role}\x01" for name, role in parts if name]
    return f"453={len(texts)}\x01{''.join(texts)}" if texts else ""


def target_firm(number: int, directory: Directory) -> str:
    """Write TargetParties (1461): the firm of an account."""
    found = directory.accounts.get(number)
    firm = directory.firm_names.get(found.firm) if found is not None else None
    return f"1461=1\x011462={firm}\x011463=D\x011464=1\x01" if firm else ""


def stamps(*times: tuple[int, str]) -> str:
    """Write TrdRegTimestamps (768): times in nanoseconds, each with its type; zero is no time."""
    known = [
        f"769={nanosecond_text(time_ns)}\x01770={kind}\x01"
        for time_ns, kind in times
        if time_ns > 0
    ]
    return f"768={len(known)}\x01{''.join(known)}" if known else ""


def side(value: int) -> str:
    """Return Side (54)."""
    return str(value) if value in (Side.BUY, Side.SELL) else tags.SIDE_UNDISCLOSED


def order_type(value: int) -> str:
    """Write OrdType (40), if FIX has a word for it."""
    return f"40={_ORDER_TYPE[value]}\x01" if value in _ORDER_TYPE else ""


def time_in_force(value: int) -> str:
    """Write TimeInForce (59), if FIX has a word for it."""
    return f"59={_TIME_IN_FORCE[value]}\x01" if value in _TIME_IN_FORCE else ""


def price(ticks: int, unit: Instrument) -> str:
    """Return a price of an instrument."""
    return _price_text(ticks, unit.tick_units, unit.price_decimals)


@lru_cache(maxsize=4096)
def _price_text(ticks: int, tick_units: int, decimals: int) -> str:
    return decimal_text(ticks * tick_units, decimals)


def quantity(lots: int, unit: Instrument | None) -> str:
    """Return a quantity of an instrument."""
    if unit is None or lots == 0:
        return "0"
    return all_digits(lots, unit)


def all_digits(lots: int, unit: Instrument) -> str:
    """Return a quantity of an instrument, also a zero, with all its digits."""
    return _quantity_text(lots, unit.lot_units, unit.quantity_decimals)


@lru_cache(maxsize=4096)
def _quantity_text(lots: int, lot_units: int, decimals: int) -> str:
    return decimal_text(lots * lot_units, decimals)


def cash(atoms: int, unit: Instrument, directory: Directory) -> str:
    """Write CashOrderQty (152); nothing for an order that has a quantity."""
    if atoms <= 0:
        return ""
    return f"152={decimal_text(atoms, directory.asset(unit.quote_asset).scale)}\x01"


def sentence(record: events.RefusalRecorded) -> str:
    """Return Text (58) of what the gateway refused."""
    return f"{code_name(record.code)}: {safe_text(record.text)}"
