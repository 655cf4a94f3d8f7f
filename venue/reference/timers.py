"""AdvanceTime: does what fell due, each thing in its documented place."""

from __future__ import annotations

from messages.trading.commands import AdvanceTime
from venue.reference.auction import publish_indicative
from venue.reference.connections import run_out_of_grace
from venue.reference.deadlines import (
    ORDER_EXPIRY,
    PHASE_END,
    PROTECTION_THAW,
    QUOTE_REQUEST_END,
    RFQ_QUOTE_END,
    SESSION_GRACE,
)
from venue.reference.phases import schedule_indicative
from venue.reference.protection import thaw
from venue.reference.rfq_ending import expire_quote, expire_request
from venue.reference.state import VenueState, expire_order
from venue.reference.transitions import end_phase
from venue.reference.triggers import run_late_stops
from venue.reference.values import DATE_REACHED, DAY, DAY_ENDED


def advance_time(venue: VenueState, command: AdvanceTime) -> None:
    """Do everything that is due at or before the command's stamp, earliest first.

    What is more than one command may do stays due, for the next AdvanceTime.
    """
    run_late_stops(venue)
    while venue.steps_left and (due := venue.deadlines.pop_due(command.time_ns)) is not None:
        _, kind, number = due
        if kind == ORDER_EXPIRY:
            _expire(venue, number, due)
        elif kind == SESSION_GRACE:
            run_out_of_grace(venue, venue.sessions[number])
        elif kind == PHASE_END:
            end_phase(venue, venue.instruments[number])
        elif kind == PROTECTION_THAW:
            venue.steps_left -= 1  # nothing else bounds how many thaw at once
            thaw(venue, number)
        elif kind == RFQ_QUOTE_END:
            expire_quote(venue, due)
        elif kind == QUOTE_REQUEST_END:
            expire_request(venue, due)
        else:
            instrument = venue.instruments[number]
            publish_indicative(venue, instrument)
            schedule_indicative(venue, instrument)


def _expire(venue: VenueState, order_id: int, due: tuple[int, int, int]) -> None:
    order = venue.client_ids.orders[order_id]
    venue.deadlines.add(*due)  # closing the order takes it out
    expire_order(venue, order, reason=DAY_ENDED if order.time_in_force == DAY else DATE_REACHED)
