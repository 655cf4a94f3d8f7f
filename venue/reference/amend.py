"""AmendOrder: other terms for an open order. A refused amend changes nothing at all.

An order keeps its place when only its quantity falls; any other change makes it a new arrival,
which may trade at once.
"""

from __future__ import annotations

from messages.trading.codes import RejectCode
from messages.trading.commands import AmendOrder
from risk.decisions import (
    InstrumentLimits,
    Refused,
    decide_amend_phase,
    decide_collar,
    decide_display_range,
    decide_funds,
    decide_notional,
    decide_price_range,
    decide_quantity,
    decide_stop_range,
    decide_switches,
    decide_tranches,
    protection_price,
)
from venue.reference.accounts import Account, change_hold
from venue.reference.cancels import decide_request_id, decide_target, find_order
from venue.reference.deadlines import ORDER_EXPIRY
from venue.reference.entry import (
    decide_asker,
    decide_buying,
    decide_post_only,
    pass_throttle,
)
from venue.reference.event_writer import AMENDED
from venue.reference.matching import reduce_resting
from venue.reference.orders import Order
from venue.reference.rejections import AMEND_REJECTED, reject_request
from venue.reference.state import VenueState, hold_of, leave_queue
from venue.reference.suspensions import decide_suspension
from venue.reference.triggers import act, enter_stop
from venue.reference.values import BUY, GOOD_TILL_DATE, NO_CLIENT_ID, PRICED, STOP


class AmendedTerms:
    """The terms an order would have: what the amend gives, and what it keeps."""

    __slots__ = (
        "display_lots",
        "expire_at_ns",
        "maker_ppm",
        "price_ticks",
        "quantity_lots",
        "stop_price_ticks",
        "taker_ppm",
    )

    def __init__(self, order: Order, command: AmendOrder, fee_rates: tuple[int, int]) -> None:
        limits = order.instrument.limits
        self.quantity_lots = command.quantity_lots or order.quantity_lots
        self.stop_price_ticks = command.stop_price_ticks or order.stop_price_ticks
        self.expire_at_ns = command.expire_at_ns or order.expire_at_ns
        self.display_lots = command.display_lots or order.display_lots
        is_display_kept = command.display_lots == 0
        if self.display_lots == self.quantity_lots or (
            is_display_kept and self.display_lots > self.quantity_lots
        ):
            self.display_lots = 0
        self.price_ticks = command.price_ticks or order.price_ticks
        if order.order_type == STOP and self.stop_price_ticks != order.stop_price_ticks:
            self.price_ticks = protection_price(
                side=order.side,
                from_ticks=self.stop_price_ticks,
                protection_ppm=limits.protection_ppm,
                limits=limits,
            )
        self.maker_ppm, self.taker_ppm = fee_rates

    @property
    def queue(self) -> tuple[int, int, int, int]:
        """What costs an order its place when it changes."""
        return (self.price_ticks, self.stop_price_ticks, self.display_lots, self.expire_at_ns)


def amend_order(venue: VenueState, command: AmendOrder) -> None:
    """Give an order other terms and let it act, or refuse to."""
    account = venue.accounts.get(command.account)
    order = None
    refused = decide_asker(venue, command, account, None)
    if refused is None:
        assert account is not None
        order = find_order(
            venue,
            account,
            order_id=command.order_id,
            client_order_id=command.original_client_order_id,
        )
        refused = decide_target(order, command)
    if refused is None and order is not None and order.quoted is not None:
        refused = Refused(RejectCode.QUOTE_NOT_AMENDABLE)
    if refused is None:
        assert account is not None
        assert order is not None
        terms = AmendedTerms(order, command, venue.fee_rates(account, order.instrument))
        refused = _decide(venue, command, account, order, terms)
        if refused is None:
            _amend(venue, command, order, terms)
            return
    reject_request(
        venue,
        AMEND_REJECTED,
        command,
        refused,
        order=order,
        client_order_id=command.client_order_id,
        original_client_order_id=command.original_client_order_id,
    )


def _decide(
    venue: VenueState,
    command: AmendOrder,
    account: Account,
    order: Order,
    terms: AmendedTerms,
) -> Refused | None:
    instrument = order.instrument
    refused = (
        decide_switches(
            venue=False,
            firm=False,
            account=False,
            session=False,
            instrument=instrument.is_killed,
        )
        or decide_suspension(
            venue,
            session=command.session,
            account=command.account,
            instrument=order.instrument_number,
            side=order.side,
        )
        or decide_amend_phase(phase=instrument.phase)
        or _decide_fields(venue, command, order, terms)
        or _decide_value(order, terms)
        or pass_throttle(venue, account)
        or decide_request_id(venue, account, command.client_order_id, is_needed=True)
        or decide_buying(order, more_lots=terms.quantity_lots - order.quantity_lots)
    )
    if refused is not None:
        return refused
    more_atoms = _hold_with(order, terms) - order.held_atoms
    refused = decide_funds(available_atoms=order.holding.available_atoms, needed_atoms=more_atoms)
    if refused is None and not _keeps_place(order, terms):
        refused = decide_post_only(order, price_ticks=terms.price_ticks)
    return refused


def _decide_fields(
    venue: VenueState, command: AmendOrder, order: Order, terms: AmendedTerms
) -> Refused | None:
    """Say whether the terms given are valid for such an order, and change anything."""
    limits = order.instrument.limits
    now_ns = venue.last_time_ns
    if command.valid_until_ns and now_ns > command.valid_until_ns:
        return Refused(RejectCode.EXPIRY_INVALID, command.valid_until_ns, now_ns)
    refused = (
        _decide_prices(command, order, limits)
        or _decide_quantities(command, order, limits)
        or _decide_expiry(command, order, now_ns=now_ns)
    )
    if refused is not None:
        return refused
    if terms.quantity_lots == order.quantity_lots and terms.queue == _queue_of(order):
        return Refused(RejectCode.AMEND_CHANGES_NOTHING)
    return None


def _queue_of(order: Order) -> tuple[int, int, int, int]:
    return (order.price_ticks, order.stop_price_ticks, order.display_lots, order.expire_at_ns)


def _decide_prices(command: AmendOrder, order: Order, limits: InstrumentLimits) -> Refused | None:
    if command.price_ticks:
        if order.order_type not in PRICED:
            return Refused(RejectCode.PRICE_NOT_ALLOWED, 0, command.price_ticks)
        refused = decide_price_range(price_ticks=command.price_ticks, limits=limits)
        if refused is not None:
            return refused
    if command.stop_price_ticks:
        if not order.is_pending:
            return Refused(RejectCode.STOP_PRICE_INVALID, 0, command.stop_price_ticks)
        return decide_stop_range(stop_price_ticks=command.stop_price_ticks, limits=limits)
    return None


def _decide_quantities(
    command: AmendOrder, order: Order, limits: InstrumentLimits
) -> Refused | None:
    quantity_lots = command.quantity_lots or order.quantity_lots
    if command.quantity_lots:
        if 0 < command.quantity_lots <= order.filled_lots:
            return Refused(RejectCode.AMEND_BELOW_FILLED, order.filled_lots, command.quantity_lots)
        refused = decide_quantity(quantity_lots=command.quantity_lots, limits=limits)
        if refused is not None:
            return refused
        if order.minimum_lots > command.quantity_lots:
            return Refused(
                RejectCode.MINIMUM_QUANTITY_INVALID, command.quantity_lots, order.minimum_lots
            )
    if command.display_lots == quantity_lots:
        return None
    if command.display_lots:
        if order.order_type not in PRICED or order.is_immediate:
            return Refused(RejectCode.DISPLAY_QUANTITY_INVALID, 0, command.display_lots)
        return decide_display_range(
            display_lots=command.display_lots, quantity_lots=quantity_lots, limits=limits
        )
    if order.display_lots:
        return decide_tranches(display_lots=order.display_lots, quantity_lots=quantity_lots)
    return None


def _decide_expiry(command: AmendOrder, order: Order, *, now_ns: int) -> Refused | None:
    if command.expire_at_ns == 0:
        return None
    if order.time_in_force != GOOD_TILL_DATE or command.expire_at_ns <= now_ns:
        return Refused(RejectCode.EXPIRY_INVALID, now_ns, command.expire_at_ns)
    return None


def _decide_value(order: Order, terms: AmendedTerms) -> Refused | None:
    """Say whether new prices are near enough and the whole order is worth what it may be."""
    instrument = order.instrument
    refused = None
    reference_ticks = terms.stop_price_ticks if order.is_pending else instrument.reference_ticks
    if order.order_type in PRICED and (
        terms.price_ticks != order.price_ticks or terms.stop_price_ticks != order.stop_price_ticks
    ):
        refused = decide_collar(
            side=order.side,
            price_ticks=terms.price_ticks,
            reference_ticks=reference_ticks,
            collar_ppm=instrument.limits.collar_ppm,
        )
    if refused is not None:
        return refused
    notional_atoms = terms.price_ticks * terms.quantity_lots * instrument.tick_lot_atoms
    return decide_notional(notional_atoms=notional_atoms, limits=instrument.limits)


def _hold_with(order: Order, terms: AmendedTerms) -> int:
    return hold_of(
        order,
        leaves_lots=terms.quantity_lots - order.filled_lots,
        price_ticks=terms.price_ticks,
        maker_ppm=terms.maker_ppm,
        taker_ppm=terms.taker_ppm,
    )


def _keeps_place(order: Order, terms: AmendedTerms) -> bool:
    """Say whether only the quantity falls; a display that it swallows does not count."""
    is_same = terms.queue == _queue_of(order)
    is_swallowed = terms.display_lots == 0 and order.display_lots >= terms.quantity_lots
    if is_swallowed:
        is_same = (
            terms.price_ticks == order.price_ticks
            and terms.stop_price_ticks == order.stop_price_ticks
            and terms.expire_at_ns == order.expire_at_ns
        )
    return is_same and terms.quantity_lots < order.quantity_lots


def _amend(venue: VenueState, command: AmendOrder, order: Order, terms: AmendedTerms) -> None:
    keeps_place = _keeps_place(order, terms)
    more_lots = terms.quantity_lots - order.quantity_lots
    held_atoms = _hold_with(order, terms)
    if not keeps_place:
        leave_queue(venue, order)
        order.leaves_lots += more_lots
        order.arrival = venue.next_arrival()
    elif order.is_pending:
        order.leaves_lots += more_lots
    else:
        reduce_resting(venue, order, -more_lots)
    if order.side == BUY:
        order.base.buying_atoms += more_lots * order.instrument.lot_atoms
    _move_expiry(venue, order, terms)
    order.quantity_lots = terms.quantity_lots
    order.price_ticks = terms.price_ticks
    order.stop_price_ticks = terms.stop_price_ticks
    order.display_lots = terms.display_lots
    order.maker_ppm, order.taker_ppm = terms.maker_ppm, terms.taker_ppm
    change_hold(order, held_atoms)
    previous_id = order.client_order_id
    if command.client_order_id != NO_CLIENT_ID:
        venue.client_ids.attach(order, command.client_order_id)
        order.client_order_id = command.client_order_id
    venue.events.order(
        AMENDED,
        order,
        command.session,
        command.connection,
        1 if keeps_place else 0,
        0,
        0,
        0,
        previous_id,
    )
    if keeps_place:
        return
    if order.is_pending:
        enter_stop(venue, order)
    else:
        act(venue, order)


def _move_expiry(venue: VenueState, order: Order, terms: AmendedTerms) -> None:
    if terms.expire_at_ns == order.expire_at_ns:
        return
    venue.deadlines.remove(order.expires_at_ns, ORDER_EXPIRY, order.order_id)
    order.expire_at_ns = order.expires_at_ns = terms.expire_at_ns
    venue.deadlines.add(order.expires_at_ns, ORDER_EXPIRY, order.order_id)
