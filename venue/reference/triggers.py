"""Triggers waiting stops, one after the other, until no print reaches another."""

from __future__ import annotations

from risk.decisions import decide_collar
from venue.reference.event_writer import TRIGGERED
from venue.reference.instruments import Instrument
from venue.reference.matching import execute_order
from venue.reference.orders import Order
from venue.reference.state import VenueState, cancel_order
from venue.reference.values import BUY, CONTINUOUS, NEW, PRICE_COLLAR, STOP_LIMIT


def act(venue: VenueState, order: Order) -> None:
    """Let an accepted order act on the book, and then every stop that its trades reached."""
    execute_order(venue, order)
    if order.instrument.stops.high:
        run_stops(venue, order.instrument)


def run_stops(venue: VenueState, instrument: Instrument) -> None:
    """Trigger the stops that prints have reached, while trading is continuous.

    Each acts fully before the next is looked for, so what it prints counts for the others. When
    the price band halts trading meanwhile, the rest wait for the last price at the re-opening;
    when the command has done all that one may, they wait for the last price at AdvanceTime.
    """
    stops = instrument.stops
    while instrument.phase == CONTINUOUS:
        order = stops.due()
        if order is None:
            stops.forget_prints()
            return
        if venue.steps_left == 0:
            stops.forget_prints()
            venue.late_stops.add(instrument.number)
            return
        venue.steps_left -= 1
        stops.remove(order)
        _trigger(venue, order)


def run_late_stops(venue: VenueState) -> None:
    """Go on with the stops that an earlier command left waiting."""
    instruments = venue.late_instruments()
    venue.late_stops.clear()
    for instrument in instruments:
        instrument.stops.print(instrument.last_ticks)
        run_stops(venue, instrument)


def is_reached(order: Order, last_ticks: int) -> bool:
    """Say whether the last trade price already reaches a stop."""
    if last_ticks == 0:
        return False
    if order.side == BUY:
        return last_ticks >= order.stop_price_ticks
    return last_ticks <= order.stop_price_ticks


def enter_stop(venue: VenueState, order: Order) -> None:
    """Let a stop wait, or act at once when the last price reached it and trading is continuous."""
    instrument = order.instrument
    if instrument.phase == CONTINUOUS and is_reached(order, instrument.last_ticks):
        _trigger(venue, order)
        run_stops(venue, instrument)
    else:
        instrument.stops.add(order)


def _trigger(venue: VenueState, order: Order) -> None:
    order.status = NEW
    order.arrival = venue.next_arrival()
    venue.events.order(TRIGGERED, order)
    instrument = order.instrument
    if order.order_type == STOP_LIMIT:
        refused = decide_collar(
            side=order.side,
            price_ticks=order.price_ticks,
            reference_ticks=instrument.reference_ticks,
            collar_ppm=instrument.limits.collar_ppm,
        )
        if refused is not None:
            cancel_order(venue, order, reason=PRICE_COLLAR)
            return
    execute_order(venue, order)
