"""PlaceOrder: the order of checks, and what an accepted order does.

The first failing check wins. Nothing is changed before the last one has passed, except that the
throttle counts a message that got as far as the throttle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from messages.trading.codes import RejectCode
from messages.trading.commands import AmendOrder, Command, GroupHeader, PlaceOrder
from risk.decisions import (
    Refused,
    decide_access,
    decide_collar,
    decide_counts,
    decide_funds,
    decide_notional,
    decide_phase,
    decide_position,
    decide_quantity,
    decide_rate,
    decide_switches,
    decide_terms,
    hold_buy,
    is_client_id,
    protection_price,
)
from venue.reference.accounts import Account
from venue.reference.cash import most_lots
from venue.reference.event_writer import ACCEPTED
from venue.reference.instruments import Instrument
from venue.reference.orders import Order
from venue.reference.rejections import reject_order
from venue.reference.sessions import Session
from venue.reference.state import VenueState, decide_client_id, open_order
from venue.reference.suspensions import decide_suspension
from venue.reference.triggers import act, enter_stop
from venue.reference.values import (
    BUY,
    CASH_QUANTITY,
    DAY,
    LIMIT,
    MARKET,
    NEW,
    PENDING_TRIGGER,
    POST_ONLY,
    PRICED,
    STOP,
    STOP_LIMIT,
)

DAY_NS = 24 * 60 * 60 * 1_000_000_000


class NewOrder(NamedTuple):
    """An order that may pass, not yet accepted: what it would hold and be worth."""

    order: Order
    held_atoms: int
    notional_atoms: int


def place_order(venue: VenueState, command: PlaceOrder) -> None:
    """Accept a new order and let it act, or refuse it."""
    decided = decide_new(venue, command, pass_rate=pass_throttle)
    if isinstance(decided, Refused):
        reject_order(venue, command, decided)
    else:
        _accept(venue, decided.order, decided.held_atoms)


def decide_new(
    venue: VenueState,
    command: PlaceOrder,
    *,
    pass_rate: Callable[[VenueState, Account], Refused | None],
) -> Refused | NewOrder:
    """Say whether a new order may pass; only ``pass_rate`` may change anything."""
    account = venue.accounts.get(command.account)
    instrument = venue.instruments.get(command.instrument)
    refused = decide_asker(venue, command, account, instrument)
    if refused is not None:
        return refused
    refused = decide_suspension(
        venue,
        session=command.session,
        account=command.account,
        instrument=command.instrument,
        side=command.side,
    )
    if refused is not None:
        return refused
    if instrument is None:
        return Refused(RejectCode.INSTRUMENT_UNKNOWN)
    assert account is not None
    limits = instrument.limits
    refused = decide_phase(phase=instrument.phase, order=command) or decide_terms(
        order=command, limits=limits, now_ns=venue.last_time_ns
    )
    if refused is None and not is_client_id(command.client_order_id):
        refused = Refused(RejectCode.CLIENT_ORDER_ID_INVALID)
    if refused is None:
        refused = decide_price(instrument, command)
    if refused is not None:
        return refused
    new = _new_order(venue, command, account, instrument)
    order = new.order
    refused = (
        decide_quantity(quantity_lots=order.quantity_lots, limits=limits)
        or decide_notional(notional_atoms=new.notional_atoms, limits=limits)
        or pass_rate(venue, account)
        or decide_client_id(venue, account, command.client_order_id, is_needed=True)
        or decide_order_counts(venue, account, instrument)
        or decide_buying(order, more_lots=order.quantity_lots)
        or decide_funds(available_atoms=order.holding.available_atoms, needed_atoms=new.held_atoms)
        or decide_post_only(order, price_ticks=order.price_ticks)
    )
    return new if refused is None else refused


def _new_order(
    venue: VenueState, command: PlaceOrder, account: Account, instrument: Instrument
) -> NewOrder:
    """Make the order that would be accepted; one of a cash quantity gets its largest lots here."""
    price_ticks = _price_of(instrument, command)
    order = order_of(venue, command, account, instrument, price_ticks)
    if not order.order_flags & CASH_QUANTITY:
        notional_atoms = price_ticks * order.quantity_lots * instrument.tick_lot_atoms
        return NewOrder(order, hold_of_new(order, notional_atoms), notional_atoms)
    order.quantity_lots = order.leaves_lots = most_lots(
        order, best_ticks=_best_opposite(instrument, command.side)
    )
    is_buy = order.side == BUY
    held_atoms = order.cash_atoms if is_buy else order.quantity_lots * instrument.lot_atoms
    return NewOrder(order, held_atoms, order.cash_atoms)


def decide_asker(
    venue: VenueState,
    command: PlaceOrder | AmendOrder | GroupHeader,
    account: Account | None,
    instrument: Instrument | None,
) -> Refused | None:
    """Say whether the session may trade for the account now, kill switches included."""
    refused = decide_session(venue, command, account)
    if refused is not None:
        return refused
    assert account is not None
    return decide_switches(
        venue=venue.is_killed,
        firm=account.firm.is_killed,
        account=account.is_killed,
        session=venue.sessions[command.session].is_killed,
        instrument=instrument is not None and instrument.is_killed,
    )


def decide_session(venue: VenueState, command: Command, account: Account | None) -> Refused | None:
    """Say whether the account is known and the command's connection may act for it."""
    if account is None:
        return Refused(RejectCode.ACCOUNT_UNKNOWN)
    session: Session | None = venue.sessions.get(command.session)
    if session is None:
        return Refused(RejectCode.SESSION_NOT_ENTITLED)
    return decide_access(
        rights=session.rights.get(account.number, 0),
        open_connection=session.connection,
        connection=command.connection,
    )


def decide_price(instrument: Instrument, command: PlaceOrder) -> Refused | None:
    """Say whether the order's price is near enough, or whether one can be found for it.

    A stop-limit is compared with its own stop price: it acts only when trading is there, and
    is compared with the reference price then.
    """
    order_type = command.order_type
    if order_type == LIMIT:
        if not instrument.limits.collar_ppm:
            return None
        reference_ticks = instrument.reference_ticks
    elif order_type == STOP_LIMIT:
        reference_ticks = command.stop_price_ticks
    elif order_type == MARKET:
        if instrument.reference_ticks == 0:
            return Refused(RejectCode.NO_REFERENCE_PRICE)
        book = instrument.book
        opposite = book.asks if command.side == BUY else book.bids
        return Refused(RejectCode.MARKET_WITHOUT_LIQUIDITY) if opposite.best is None else None
    else:
        return None
    return decide_collar(
        side=command.side,
        price_ticks=command.price_ticks,
        reference_ticks=reference_ticks,
        collar_ppm=instrument.limits.collar_ppm,
    )


def _price_of(instrument: Instrument, command: PlaceOrder) -> int:
    """Return the order's limit price, or the protection price of one that has none."""
    order_type = command.order_type
    if order_type in PRICED:
        return command.price_ticks
    if order_type == STOP:
        from_ticks = command.stop_price_ticks
    else:
        from_ticks = _best_opposite(instrument, command.side)
    return protection_price(
        side=command.side,
        from_ticks=from_ticks,
        protection_ppm=instrument.limits.protection_ppm,
        limits=instrument.limits,
    )


def _best_opposite(instrument: Instrument, side: int) -> int:
    best = (instrument.book.asks if side == BUY else instrument.book.bids).best
    assert best is not None
    return best.price_ticks


def pass_throttle(venue: VenueState, account: Account) -> Refused | None:
    """Count one message of the account, or refuse it; a refused one costs nothing."""
    interval_ns = account.message_interval_ns
    if interval_ns == 0 or account.message_burst == 0:
        return None
    refused = look_at_throttle(venue, account)
    if refused is None:
        account.next_free_ns = max(venue.last_time_ns, account.next_free_ns) + interval_ns
    return refused


def look_at_throttle(venue: VenueState, account: Account) -> Refused | None:
    """Say whether the account's throttle would admit one more message now."""
    return decide_rate(
        now_ns=venue.last_time_ns,
        next_free_ns=account.next_free_ns,
        burst=account.message_burst,
        interval_ns=account.message_interval_ns,
    )


def decide_order_counts(
    venue: VenueState, account: Account, instrument: Instrument
) -> Refused | None:
    """Say whether one more open order fits the account, the book and the venue."""
    assert venue.configuration is not None
    return decide_counts(
        account_orders=len(account.open_orders),
        account_orders_max=account.open_orders_max,
        book_orders=instrument.open_orders,
        book_orders_max=instrument.limits.orders_max,
        venue_orders=venue.open_orders,
        venue_orders_max=venue.configuration.open_orders_max,
    )


def decide_buying(order: Order, *, more_lots: int) -> Refused | None:
    """Say whether a buy of ``more_lots`` more keeps the account within its largest position."""
    if order.side != BUY or more_lots <= 0:
        return None
    base = order.base
    return decide_position(
        balance_atoms=base.balance_atoms,
        buying_atoms=base.buying_atoms,
        more_atoms=more_lots * order.instrument.lot_atoms,
        position_max_atoms=base.position_max_atoms,
    )


def decide_post_only(order: Order, *, price_ticks: int) -> Refused | None:
    """Say whether a post-only order at a price would stay passive, now or at an uncross."""
    if not order.order_flags & POST_ONLY:
        return None
    book = order.instrument.book
    best = (book.asks if order.side == BUY else book.bids).best
    if best is None:
        return None
    would_take = (
        price_ticks >= best.price_ticks if order.side == BUY else price_ticks <= best.price_ticks
    )
    return (
        Refused(RejectCode.POST_ONLY_WOULD_TAKE, best.price_ticks, price_ticks)
        if would_take
        else None
    )


def order_of(
    venue: VenueState,
    command: PlaceOrder,
    account: Account,
    instrument: Instrument,
    price_ticks: int,
) -> Order:
    """Return the order that a command asks for, not yet numbered and holding nothing."""
    definition = instrument.definition
    order = Order()
    order.account = account
    order.account_number = command.account
    order.session = command.session
    order.connection = command.connection
    order.instrument = instrument
    order.instrument_number = command.instrument
    order.base = account.balance(definition.base_asset)
    order.quote = account.balance(definition.quote_asset)
    order.order_id = 0
    order.arrival = 0
    order.side = command.side
    order.order_type = command.order_type
    order.time_in_force = command.time_in_force
    order.status = PENDING_TRIGGER if command.order_type >= STOP else NEW
    order.self_trade_prevention = command.self_trade_prevention or account.self_trade_prevention
    order.order_flags = command.order_flags
    order.reason = 0
    order.trader = command.trader
    order.price_ticks = price_ticks
    order.quantity_lots = order.leaves_lots = quantity_lots = command.quantity_lots
    order.filled_lots = 0
    order.filled_value = 0
    order.stop_price_ticks = command.stop_price_ticks
    order.display_lots = 0 if command.display_lots == quantity_lots else command.display_lots
    order.minimum_lots = command.minimum_lots
    order.expire_at_ns = command.expire_at_ns
    order.expires_at_ns = command.expire_at_ns
    if order.time_in_force == DAY:
        order.expires_at_ns = _end_of_day(venue)
    order.held_atoms = 0
    order.cash_atoms = command.cash_atoms
    order.fee_credit = 0
    order.maker_ppm, order.taker_ppm = venue.fee_rates(account, instrument)
    order.client_order_id = command.client_order_id
    order.client_ids = []
    order.quoted = None
    order.protection_group = order.last_trade_id = 0
    order.shown_lots = 0
    order.level = order.previous = order.next = None
    return order


def _end_of_day(venue: VenueState) -> int:
    """Return the first end of a trading day after now: a UTC day's end plus the offset."""
    assert venue.configuration is not None
    offset_ns = venue.configuration.day_offset_ns
    return ((venue.last_time_ns - offset_ns) // DAY_NS + 1) * DAY_NS + offset_ns


def hold_of_new(order: Order, notional_atoms: int) -> int:
    """Return what a new order ties up, worth so much at its limit or protection price."""
    if order.side == BUY:
        rate_ppm = max(order.maker_ppm, order.taker_ppm, 0)
        return hold_buy(notional_atoms=notional_atoms, rate_ppm=rate_ppm, credit=0)
    return order.quantity_lots * order.instrument.lot_atoms


def _accept(venue: VenueState, order: Order, held_atoms: int) -> None:
    venue.last_order_id += 1
    order.order_id = venue.last_order_id
    order.arrival = venue.next_arrival()
    order.held_atoms = held_atoms
    order.holding.held_atoms += held_atoms
    open_order(venue, order, client_order_id=order.client_order_id)
    venue.events.order(ACCEPTED, order)
    if order.status == PENDING_TRIGGER:
        enter_stop(venue, order)
    else:
        act(venue, order)
