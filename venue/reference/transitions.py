"""Moves instruments from phase to phase, by the operator or by time."""

from __future__ import annotations

from messages.trading.codes import RejectCode
from messages.trading.commands import ChangePhase
from risk.decisions import Refused
from venue.reference.auction import uncross
from venue.reference.deadlines import PHASE_END
from venue.reference.instruments import Instrument
from venue.reference.phases import begin_phase
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState, expire_order
from venue.reference.triggers import run_stops
from venue.reference.values import (
    BY_OPERATOR,
    BY_SCHEDULE,
    CALL_AUCTION,
    CLOSED,
    CONTINUOUS,
    DAY,
    DAY_ENDED,
    HALTED,
    PRE_OPEN,
)


def change_phase(venue: VenueState, command: ChangePhase) -> None:
    """Move an instrument to another phase, or give a halt or call auction another end."""
    instrument = venue.instruments.get(command.instrument)
    if instrument is None:
        refused: Refused | None = Refused(RejectCode.INSTRUMENT_UNKNOWN)
    else:
        refused = _decide_change(venue, instrument, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.instrument)
        return
    assert instrument is not None
    enter_phase(
        venue,
        instrument,
        phase=command.phase,
        reason=BY_OPERATOR,
        until_ns=command.until_ns,
        operator=command.operator,
        approver=command.approver,
    )


def _decide_change(
    venue: VenueState, instrument: Instrument, command: ChangePhase
) -> Refused | None:
    phase = command.phase
    has_end = phase in {CALL_AUCTION, HALTED}
    if not PRE_OPEN <= phase <= CLOSED or (phase == instrument.phase and not has_end):
        return Refused(RejectCode.PHASE_INVALID, instrument.phase, phase)
    if command.until_ns and (not has_end or command.until_ns <= venue.last_time_ns):
        return Refused(RejectCode.PHASE_INVALID, venue.last_time_ns, command.until_ns)
    if phase != CLOSED and not instrument.has_limits:
        return Refused(RejectCode.LIMITS_INVALID)
    return None


def enter_phase(
    venue: VenueState,
    instrument: Instrument,
    *,
    phase: int,
    reason: int,
    until_ns: int = 0,
    operator: int = 0,
    approver: int = 0,
) -> None:
    """Enter a phase and do what that means.

    Continuous trading begins with an uncross, if there is anything to uncross or an auction was
    called, and with the stops that the last price has reached. An uncross that is more than one
    command may do leaves a call auction that ends at once: AdvanceTime goes on with it. Closing
    ends the day for DAY orders.
    """
    if phase == CONTINUOUS:
        uncross(venue, instrument, is_auction=instrument.phase == CALL_AUCTION)
        if instrument.book.is_crossed:
            phase, until_ns = CALL_AUCTION, venue.last_time_ns
    begin_phase(
        venue,
        instrument,
        phase=phase,
        reason=reason,
        until_ns=until_ns,
        operator=operator,
        approver=approver,
    )
    if phase == CONTINUOUS and instrument.last_ticks:
        instrument.stops.print(instrument.last_ticks)
        run_stops(venue, instrument)
    elif phase == CLOSED:
        _expire_day_orders(venue, instrument)


def _expire_day_orders(venue: VenueState, instrument: Instrument) -> None:
    book = instrument.book
    orders = [order for side in (book.bids, book.asks) for level in side for order in level]
    orders.extend(instrument.stops)
    for order in sorted(orders, key=lambda each: each.order_id):
        if order.time_in_force == DAY:
            expire_order(venue, order, reason=DAY_ENDED)


def end_phase(venue: VenueState, instrument: Instrument) -> None:
    """Do what follows when a phase's time is over: a halt is followed by a call auction.

    Its deadline has been taken out already.
    """
    until_ns = instrument.phase_until_ns
    assert until_ns, instrument.number
    venue.deadlines.add(until_ns, PHASE_END, instrument.number)  # begin_phase takes it out
    if instrument.phase == HALTED:
        enter_phase(
            venue,
            instrument,
            phase=CALL_AUCTION,
            reason=instrument.phase_reason,
            until_ns=venue.last_time_ns + instrument.limits.auction_ns,
        )
    else:
        enter_phase(venue, instrument, phase=CONTINUOUS, reason=BY_SCHEDULE)
