"""Pre-trade risk as pure decisions: plain integers in, nothing or a refusal out.

The engine asks these in the documented order and the first refusal wins, so equal inputs give
equal codes. Nothing outside the arguments is read or changed: that is what lets replay, and the
native gate, be checked against this. Prices are ticks, quantities lots, money atoms, times
nanoseconds, rates parts per million (ppm). Every product may need 128 bits before it is divided.

Source:
    docs/risk.md, "Order of checks".
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from messages.trading.codes import RejectCode
from messages.trading.commands import PlaceOrder
from messages.trading.terms import (
    AMOUNT_LIMIT,
    PPM,
    OrderFlag,
    OrderType,
    Phase,
    SessionRight,
    Side,
    TimeInForce,
)

# Plain integers: comparing a decoded field with an enum member costs ten times as much.
_BUY: Final = int(Side.BUY)
_LIMIT: Final = int(OrderType.LIMIT)
_MARKET: Final = int(OrderType.MARKET)
_STOP: Final = int(OrderType.STOP)
_STOP_LIMIT: Final = int(OrderType.STOP_LIMIT)
_IMMEDIATE_OR_CANCEL: Final = int(TimeInForce.IMMEDIATE_OR_CANCEL)
_FILL_OR_KILL: Final = int(TimeInForce.FILL_OR_KILL)
_GOOD_TILL_DATE: Final = int(TimeInForce.GOOD_TILL_DATE)
_TRADE: Final = int(SessionRight.TRADE)
_POST_ONLY: Final = int(OrderFlag.POST_ONLY)
_CASH_QUANTITY: Final = int(OrderFlag.CASH_QUANTITY)
_KNOWN_FLAGS: Final = _POST_ONLY | _CASH_QUANTITY
_CONTINUOUS: Final = int(Phase.CONTINUOUS)
_HALTED: Final = int(Phase.HALTED)
_CLOSED: Final = int(Phase.CLOSED)
_PRICED: Final = frozenset({_LIMIT, _STOP_LIMIT})
_NEVER_RESTS: Final = frozenset({_IMMEDIATE_OR_CANCEL, _FILL_OR_KILL})
_PRINTABLE: Final = bytes(range(32, 127))
CLIENT_ID_SIZE: Final = 36
ICEBERG_TRANCHES_MAX: Final = 1000
"""A constant of rule set 1: each tranche is a trade of its own, so they are bounded."""


class Refused(NamedTuple):
    """Why a command may not pass; ``limit`` and ``usage`` are in the unit of what was checked."""

    code: int
    limit: int = 0
    usage: int = 0


class InstrumentLimits(msgspec.Struct, frozen=True, gc=False):
    """An instrument's bounds, as SetInstrumentLimits gives them."""

    orders_max: int
    price_ticks_min: int
    price_ticks_max: int
    quantity_lots_min: int
    quantity_lots_max: int
    notional_min_atoms: int
    notional_max_atoms: int
    display_lots_min: int
    reference_ticks: int
    collar_ppm: int
    protection_ppm: int
    band_ppm: int
    band_window_ns: int
    halt_ns: int
    auction_ns: int


def decide_access(*, rights: int, open_connection: int, connection: int) -> Refused | None:
    """Say whether a session may act for an account on this connection.

    Args:
        rights: what the session was granted on the account; 0 for none or no such session.
        open_connection: the session's live connection, 0 when it has none.
        connection: the one the command came on. Any other than the live one is fenced off.
    """
    if not rights & _TRADE:
        return Refused(RejectCode.SESSION_NOT_ENTITLED, _TRADE, rights)
    if connection != open_connection or connection == 0:
        return Refused(RejectCode.SESSION_CLOSED, open_connection, connection)
    return None


def decide_approval(*, operator: int, approver: int) -> Refused | None:
    """Say whether two operators, not one and not nobody, stand behind a command."""
    if operator == 0 or approver in {0, operator}:
        return Refused(RejectCode.APPROVAL_MISSING, operator, approver)
    return None


def decide_switches(
    *, venue: bool, firm: bool, account: bool, session: bool, instrument: bool
) -> Refused | None:
    """Say which kill switch, widest first, stops a command; each argument is a thrown switch."""
    if venue:
        return Refused(RejectCode.VENUE_KILLED)
    if firm:
        return Refused(RejectCode.FIRM_KILLED)
    if account:
        return Refused(RejectCode.ACCOUNT_KILLED)
    if session:
        return Refused(RejectCode.SESSION_KILLED)
    if instrument:
        return Refused(RejectCode.INSTRUMENT_KILLED)
    return None


def decide_phase(*, phase: int, order: PlaceOrder) -> Refused | None:
    """Say whether an instrument's phase takes such an order.

    While orders gather for an auction nothing can trade at once, so what must trade at once, or
    must never take, is refused. Stops are taken and wait.
    """
    if phase == _CONTINUOUS:
        return None
    refused = decide_amend_phase(phase=phase)
    if refused is not None:
        return refused
    if (
        order.order_type == _MARKET
        or order.time_in_force in _NEVER_RESTS
        or order.order_flags & _POST_ONLY
        or order.minimum_lots
    ):
        return Refused(RejectCode.ORDER_NOT_ALLOWED_IN_PHASE, 0, phase)
    return None


def decide_amend_phase(*, phase: int) -> Refused | None:
    """Say whether an instrument's phase takes amends: all but HALTED and CLOSED do."""
    if phase == _CLOSED:
        return Refused(RejectCode.INSTRUMENT_CLOSED, 0, phase)
    if phase == _HALTED:
        return Refused(RejectCode.INSTRUMENT_HALTED, 0, phase)
    return None


def decide_terms(*, order: PlaceOrder, limits: InstrumentLimits, now_ns: int) -> Refused | None:
    """Say whether an order's own fields are valid and agree with one another."""
    order_type = order.order_type
    time_in_force = order.time_in_force
    if (
        not 1 <= order.side <= 2
        or not 1 <= order_type <= _STOP_LIMIT
        or not 1 <= time_in_force <= _GOOD_TILL_DATE
        or order.self_trade_prevention > 4
        or order.order_flags & ~_KNOWN_FLAGS
    ):
        return Refused(RejectCode.FIELD_INVALID)
    is_cash = bool(order.order_flags & _CASH_QUANTITY)
    if is_cash or order.cash_atoms:
        refused = _decide_cash(order)
        if refused is not None:
            return refused
    if order.order_flags & _POST_ONLY and (
        order_type != _LIMIT or _IMMEDIATE_OR_CANCEL <= time_in_force <= _FILL_OR_KILL
    ):
        return Refused(RejectCode.FIELD_INVALID)
    if order.valid_until_ns and now_ns > order.valid_until_ns:
        return Refused(RejectCode.EXPIRY_INVALID, order.valid_until_ns, now_ns)
    refused = _decide_price(order=order, limits=limits)
    if refused is None and not is_cash:
        refused = decide_quantity(quantity_lots=order.quantity_lots, limits=limits)
    if refused is not None:
        return refused
    if (
        order_type == _LIMIT
        and not (
            order.display_lots or order.minimum_lots or order.stop_price_ticks or order.expire_at_ns
        )
        and time_in_force != _GOOD_TILL_DATE
    ):
        return None  # by far the most orders: nothing further is given
    return (
        _decide_display(order=order, limits=limits)
        or _decide_minimum(order)
        or _decide_stop(order=order, limits=limits)
        or _decide_expiry(order=order, now_ns=now_ns)
    )


def _decide_cash(order: PlaceOrder) -> Refused | None:
    """Say whether an order may come to an amount of quote instead of having a quantity.

    It must be a market order that trades what it can: a quantity, a minimum, a display or "all or
    nothing" would say a second time how much.
    """
    is_amount = 0 < order.cash_atoms < AMOUNT_LIMIT
    if not order.order_flags & _CASH_QUANTITY or not is_amount:
        return Refused(RejectCode.CASH_QUANTITY_INVALID, AMOUNT_LIMIT - 1, order.cash_atoms)
    if (
        order.order_type != _MARKET
        or order.time_in_force == _FILL_OR_KILL
        or order.quantity_lots
        or order.minimum_lots
        or order.display_lots
    ):
        return Refused(RejectCode.CASH_QUANTITY_NOT_ALLOWED)
    return None


def _decide_price(*, order: PlaceOrder, limits: InstrumentLimits) -> Refused | None:
    price_ticks = order.price_ticks
    if order.order_type in _PRICED:
        if price_ticks == 0:
            return Refused(RejectCode.PRICE_REQUIRED)
        return decide_price_range(price_ticks=price_ticks, limits=limits)
    if price_ticks:
        return Refused(RejectCode.PRICE_NOT_ALLOWED, 0, price_ticks)
    return None


def decide_price_range(*, price_ticks: int, limits: InstrumentLimits) -> Refused | None:
    """Say whether a price is within the instrument's range, bounds included."""
    if price_ticks < limits.price_ticks_min:
        return Refused(RejectCode.PRICE_OUT_OF_RANGE, limits.price_ticks_min, price_ticks)
    if price_ticks > limits.price_ticks_max:
        return Refused(RejectCode.PRICE_OUT_OF_RANGE, limits.price_ticks_max, price_ticks)
    return None


def decide_quantity(*, quantity_lots: int, limits: InstrumentLimits) -> Refused | None:
    """Say whether an order's whole quantity is within the instrument's bounds."""
    if quantity_lots < limits.quantity_lots_min:
        return Refused(RejectCode.QUANTITY_BELOW_MINIMUM, limits.quantity_lots_min, quantity_lots)
    if quantity_lots > limits.quantity_lots_max:
        return Refused(RejectCode.QUANTITY_ABOVE_MAXIMUM, limits.quantity_lots_max, quantity_lots)
    return None


def _decide_display(*, order: PlaceOrder, limits: InstrumentLimits) -> Refused | None:
    display_lots = order.display_lots
    if display_lots in {0, order.quantity_lots}:
        return None
    may_rest = order.time_in_force not in _NEVER_RESTS
    if order.order_type not in _PRICED or not may_rest:
        return Refused(RejectCode.DISPLAY_QUANTITY_INVALID, 0, display_lots)
    return decide_display_range(
        display_lots=display_lots, quantity_lots=order.quantity_lots, limits=limits
    )


def decide_display_range(
    *, display_lots: int, quantity_lots: int, limits: InstrumentLimits
) -> Refused | None:
    """Say whether an iceberg shows enough and not more than it has."""
    if display_lots > quantity_lots:
        return Refused(RejectCode.DISPLAY_QUANTITY_INVALID, quantity_lots, display_lots)
    if display_lots < max(limits.display_lots_min, 1):
        return Refused(
            RejectCode.DISPLAY_QUANTITY_INVALID, max(limits.display_lots_min, 1), display_lots
        )
    return decide_tranches(display_lots=display_lots, quantity_lots=quantity_lots)


def decide_tranches(*, display_lots: int, quantity_lots: int) -> Refused | None:
    """Say whether an iceberg's whole quantity is at most ``ICEBERG_TRANCHES_MAX`` tranches.

    The limit reported is the smallest display that such a quantity may have.
    """
    if quantity_lots <= ICEBERG_TRANCHES_MAX * display_lots:
        return None
    display_lots_min = -(-quantity_lots // ICEBERG_TRANCHES_MAX)
    return Refused(RejectCode.DISPLAY_QUANTITY_INVALID, display_lots_min, display_lots)


def _decide_minimum(order: PlaceOrder) -> Refused | None:
    minimum_lots = order.minimum_lots
    if minimum_lots == 0:
        return None
    if order.time_in_force != _IMMEDIATE_OR_CANCEL:
        return Refused(RejectCode.MINIMUM_QUANTITY_INVALID, 0, minimum_lots)
    if not 1 <= minimum_lots <= order.quantity_lots:
        return Refused(RejectCode.MINIMUM_QUANTITY_INVALID, order.quantity_lots, minimum_lots)
    return None


def _decide_stop(*, order: PlaceOrder, limits: InstrumentLimits) -> Refused | None:
    stop_price_ticks = order.stop_price_ticks
    if order.order_type < _STOP:
        if stop_price_ticks:
            return Refused(RejectCode.STOP_PRICE_INVALID, 0, stop_price_ticks)
        return None
    return decide_stop_range(stop_price_ticks=stop_price_ticks, limits=limits)


def decide_stop_range(*, stop_price_ticks: int, limits: InstrumentLimits) -> Refused | None:
    """Say whether a stop price is within the instrument's range, bounds included."""
    if stop_price_ticks < limits.price_ticks_min:
        return Refused(RejectCode.STOP_PRICE_INVALID, limits.price_ticks_min, stop_price_ticks)
    if stop_price_ticks > limits.price_ticks_max:
        return Refused(RejectCode.STOP_PRICE_INVALID, limits.price_ticks_max, stop_price_ticks)
    return None


def _decide_expiry(*, order: PlaceOrder, now_ns: int) -> Refused | None:
    if order.time_in_force == _GOOD_TILL_DATE:
        if order.expire_at_ns <= now_ns:
            return Refused(RejectCode.EXPIRY_INVALID, now_ns, order.expire_at_ns)
    elif order.expire_at_ns:
        return Refused(RejectCode.EXPIRY_INVALID, 0, order.expire_at_ns)
    return None


def is_client_id(data: bytes) -> bool:
    """Say whether a 40-byte field holds 1 to 36 printable ASCII characters, zero-padded."""
    text = data.rstrip(b"\0")
    return 1 <= len(text) <= CLIENT_ID_SIZE and not text.translate(None, _PRINTABLE)


def decide_collar(
    *, side: int, price_ticks: int, reference_ticks: int, collar_ppm: int
) -> Refused | None:
    """Say whether a price reaches too far through the reference price.

    Only the aggressive direction is bounded: a buy above, a sell below. The comparison is exact;
    the limit reported is the last price allowed (floor for a buy, ceiling for a sell).

    Args:
        side: BUY or SELL.
        price_ticks: the order's limit price.
        reference_ticks: 0 when there is none yet, and then nothing is refused.
        collar_ppm: 0 for no collar.
    """
    if collar_ppm == 0 or reference_ticks == 0:
        return None
    limit = collar_price(side=side, reference_ticks=reference_ticks, collar_ppm=collar_ppm)
    is_inside = price_ticks <= limit if side == _BUY else price_ticks >= limit
    return None if is_inside else Refused(RejectCode.PRICE_OUTSIDE_COLLAR, limit, price_ticks)


def collar_price(*, side: int, reference_ticks: int, collar_ppm: int) -> int:
    """Return the last price that a collar allows a side: floor for a buy, ceiling for a sell."""
    reach = reference_ticks * collar_ppm // PPM
    return reference_ticks + reach if side == _BUY else reference_ticks - reach


def protection_price(
    *, side: int, from_ticks: int, protection_ppm: int, limits: InstrumentLimits
) -> int:
    """Return the worst price that an order without one may trade at.

    Args:
        side: BUY or SELL.
        from_ticks: the best opposite price, or the stop price.
        protection_ppm: how far beyond it.
        limits: the price range that the result is clipped into; it is at least 1.

    Returns:
        Ticks, rounded towards ``from_ticks``: down for a buy, up for a sell.
    """
    reach = from_ticks * protection_ppm // PPM
    price = from_ticks + reach if side == _BUY else from_ticks - reach
    return max(1, limits.price_ticks_min, min(price, limits.price_ticks_max))


def is_outside_band(*, price_ticks: int, reference_ticks: int, band_ppm: int) -> bool:
    """Say whether a trade at a price would leave the band around its reference, either way."""
    if band_ppm == 0 or reference_ticks == 0:
        return False
    return abs(price_ticks - reference_ticks) * PPM > reference_ticks * band_ppm


def decide_notional(*, notional_atoms: int, limits: InstrumentLimits) -> Refused | None:
    """Say whether an order's value at its limit or protection price is allowed; 0 is no bound."""
    if limits.notional_max_atoms and notional_atoms > limits.notional_max_atoms:
        return Refused(RejectCode.NOTIONAL_ABOVE_MAXIMUM, limits.notional_max_atoms, notional_atoms)
    if notional_atoms < limits.notional_min_atoms:
        return Refused(RejectCode.NOTIONAL_BELOW_MINIMUM, limits.notional_min_atoms, notional_atoms)
    return None


def decide_rate(*, now_ns: int, next_free_ns: int, burst: int, interval_ns: int) -> Refused | None:
    """Say whether the throttle (GCRA, in integers) admits one more message now.

    Args:
        now_ns: the command's stamp.
        next_free_ns: when all earlier messages will have been worked off.
        burst: how many messages may come together; 0 for no throttle.
        interval_ns: how long one message takes to work off; 0 for no throttle.

    Returns:
        Nothing, and the caller then sets ``next_free_ns`` to
        ``max(now_ns, next_free_ns) + interval_ns``; or a refusal, which costs nothing.
    """
    if burst == 0 or interval_ns == 0 or next_free_ns - now_ns <= (burst - 1) * interval_ns:
        return None
    pending = -((now_ns - next_free_ns) // interval_ns)
    return Refused(RejectCode.MESSAGE_RATE_EXCEEDED, burst, pending + 1)


def decide_counts(
    *,
    account_orders: int,
    account_orders_max: int,
    book_orders: int,
    book_orders_max: int,
    venue_orders: int,
    venue_orders_max: int,
) -> Refused | None:
    """Say whether one more open order fits the account, the book and the venue."""
    if account_orders >= account_orders_max:
        return Refused(RejectCode.OPEN_ORDERS_EXCEEDED, account_orders_max, account_orders + 1)
    if book_orders >= book_orders_max:
        return Refused(RejectCode.BOOK_FULL, book_orders_max, book_orders + 1)
    if venue_orders >= venue_orders_max:
        return Refused(RejectCode.BOOK_FULL, venue_orders_max, venue_orders + 1)
    return None


def decide_position(
    *, balance_atoms: int, buying_atoms: int, more_atoms: int, position_max_atoms: int
) -> Refused | None:
    """Say whether a buy keeps what the account owns and is buying within its largest position.

    Args:
        balance_atoms: base asset owned; negative when some of it is owed.
        buying_atoms: base asset of all its other open buys.
        more_atoms: base asset of this one.
        position_max_atoms: 0 for none; sums stay below 2**62 even then.
    """
    limit = position_max_atoms or AMOUNT_LIMIT - 1
    usage = balance_atoms + buying_atoms + more_atoms
    return None if usage <= limit else Refused(RejectCode.POSITION_LIMIT_EXCEEDED, limit, usage)


def decide_funds(*, available_atoms: int, needed_atoms: int) -> Refused | None:
    """Say whether what an order (or its amend) ties up anew is available."""
    if needed_atoms > available_atoms and needed_atoms > 0:
        return Refused(RejectCode.INSUFFICIENT_FUNDS, available_atoms, needed_atoms)
    return None


def decide_rebate(rates: Iterable[tuple[int, int]]) -> Refused | None:
    """Say whether the largest rebate of any maker is within the lowest fee of any taker.

    Any two schedules can meet in a trade, an order keeps the rates that it was accepted with, and
    a schedule lasts for ever: so the two extremes of all schedules say it for every trade to come.

    Args:
        rates: maker and taker rate (ppm) of each schedule; at least one.

    Source:
        docs/decisions/0009, which shows that no fill then pays out more than it takes in.
    """
    rates = list(rates)
    rebate = -min(maker_ppm for maker_ppm, _ in rates)
    lowest_fee = min(taker_ppm for _, taker_ppm in rates)
    return (
        None if rebate <= lowest_fee else Refused(RejectCode.REBATE_ABOVE_FEE, lowest_fee, rebate)
    )


def hold_buy(*, notional_atoms: int, rate_ppm: int, credit: int) -> int:
    """Return the quote atoms that an open buy ties up.

    Args:
        notional_atoms: what its leaves cost at its limit price.
        rate_ppm: the largest rate that could fall due, not negative.
        credit: millionths of an atom that its earlier fees already paid.

    Returns:
        The notional and the largest fee on it, rounded up.
    """
    owed = notional_atoms * rate_ppm - credit
    return notional_atoms - (-owed // PPM) if owed > 0 else notional_atoms


def fee_of_fill(*, notional_atoms: int, rate_ppm: int, credit: int) -> tuple[int, int]:
    """Return a fill's fee in quote atoms and the order's credit after it.

    A fee rounds up, and what that overpaid is carried as ``credit`` (millionths of an atom, 0 to
    999,999) to the order's next fill: all its fees together round up once. A rebate rounds down
    in size, each fill by itself, and leaves the credit alone.

    Args:
        notional_atoms: ticks x lots x tick_lot_atoms of the fill.
        rate_ppm: negative for a rebate.
        credit: what the order's earlier fills overpaid.
    """
    if rate_ppm < 0:
        return -(notional_atoms * -rate_ppm // PPM), credit
    owed = notional_atoms * rate_ppm - credit
    if owed <= 0:
        return 0, -owed
    fee = -(-owed // PPM)
    return fee, fee * PPM - owed
