"""The phase an instrument is in, and the deadlines that come with it."""

from __future__ import annotations

from typing import Final

from messages.trading.events import PhaseChanged
from venue.reference.deadlines import INDICATIVE_PRICE, PHASE_END
from venue.reference.event_writer import shape
from venue.reference.instruments import Instrument
from venue.reference.quote_requests import end_requests_in
from venue.reference.state import VenueState
from venue.reference.values import (
    BY_PRICE_BAND,
    CALL_AUCTION,
    CONTINUOUS,
    HALTED,
    RFQ_PHASE_CHANGED,
)

_PHASE_CHANGED: Final = shape(PhaseChanged)


def begin_phase(
    venue: VenueState,
    instrument: Instrument,
    *,
    phase: int,
    reason: int,
    until_ns: int = 0,
    operator: int = 0,
    approver: int = 0,
) -> None:
    """Put an instrument into a phase and say so; the caller does what entering it means.

    ``until_ns`` is when a halt or a call auction ends by itself, 0 for never; ``operator`` and
    ``approver`` are 0 when the venue itself acts.
    """
    previous_phase = instrument.phase
    if instrument.phase_until_ns:
        venue.deadlines.remove(instrument.phase_until_ns, PHASE_END, instrument.number)
    instrument.phase = phase
    if phase != CONTINUOUS:
        instrument.stops.forget_prints()
    instrument.phase_reason = reason
    instrument.phase_until_ns = until_ns
    if until_ns:
        venue.deadlines.add(until_ns, PHASE_END, instrument.number)
    _plan_indicative(venue, instrument)
    if phase != CONTINUOUS:
        end_requests_in(venue, instrument, reason=RFQ_PHASE_CHANGED)
    venue.events.emit(
        _PHASE_CHANGED,
        instrument.number,
        phase,
        previous_phase,
        reason,
        0,
        until_ns,
        operator,
        approver,
    )


def _plan_indicative(venue: VenueState, instrument: Instrument) -> None:
    if instrument.indicative_at_ns:
        venue.deadlines.remove(instrument.indicative_at_ns, INDICATIVE_PRICE, instrument.number)
    instrument.indicative_at_ns = 0
    instrument.indicative = (0, 0, 0)
    if instrument.phase == CALL_AUCTION:
        schedule_indicative(venue, instrument)


def schedule_indicative(venue: VenueState, instrument: Instrument) -> None:
    """Let the indicative price fall due one interval from now, if it is published at all."""
    assert venue.configuration is not None
    interval_ns = venue.configuration.indicative_interval_ns
    instrument.indicative_at_ns = venue.last_time_ns + interval_ns if interval_ns else 0
    if instrument.indicative_at_ns:
        venue.deadlines.add(instrument.indicative_at_ns, INDICATIVE_PRICE, instrument.number)


def halt_by_band(venue: VenueState, instrument: Instrument) -> None:
    """Stop trading because the next trade would leave the price band."""
    begin_phase(
        venue,
        instrument,
        phase=HALTED,
        reason=BY_PRICE_BAND,
        until_ns=venue.last_time_ns + instrument.limits.halt_ns,
    )
