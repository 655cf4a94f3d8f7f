"""Accepting a quote: it trades at once, for whoever gave it cannot take another look.

Both sides become orders, the maker's the earlier one, and fill each other whole. The price is
negotiated: it moves neither the last price nor stops, reference or band.
"""

from __future__ import annotations

from messages.trading.codes import RejectCode
from messages.trading.commands import AcceptRfqQuote, PlaceOrder
from risk.decisions import (
    Refused,
    decide_collar,
    decide_funds,
    decide_notional,
    decide_price_range,
    decide_quantity,
    is_client_id,
)
from venue.reference.accounts import Account
from venue.reference.entry import (
    decide_buying,
    decide_order_counts,
    order_of,
    pass_throttle,
)
from venue.reference.event_writer import ACCEPTED
from venue.reference.instruments import Instrument
from venue.reference.matching import record_trade
from venue.reference.orders import Order
from venue.reference.quote_requests import (
    RfqQuote,
    end_request,
    release_quote,
    say_quote_ended,
)
from venue.reference.rejections import reject_order
from venue.reference.requests_for_quote import decide_negotiator
from venue.reference.rfq_decisions import decide_negotiation_phase, decide_terms_match
from venue.reference.state import VenueState, decide_client_id, hold_of, open_order
from venue.reference.values import BUY, FILL_OR_KILL, LIMIT, RFQ_ACCEPTED, SELL


def accept_rfq_quote(venue: VenueState, command: AcceptRfqQuote) -> None:
    """Trade with a quote at once, or refuse to; the maker is not asked again."""
    account = venue.accounts.get(command.account)
    quote = venue.rfq_quotes.get(command.quote_id)
    if quote is not None and quote.request.account is not account:
        quote = None  # somebody else's is nobody's
    asked = _order_asked_for(command, quote)
    refused = _decide_taker(venue, command, account, quote)
    if refused is not None:
        reject_order(venue, asked, refused)
        return
    assert account is not None
    assert quote is not None
    instrument = quote.request.instrument
    taker = order_of(venue, asked, account, instrument, asked.price_ticks)
    needed_atoms = _hold_of_new(taker)
    refused = (
        decide_order_counts(venue, account, instrument)
        or decide_buying(taker, more_lots=taker.quantity_lots)
        or decide_funds(available_atoms=taker.holding.available_atoms, needed_atoms=needed_atoms)
    )
    if refused is not None:
        reject_order(venue, asked, refused)
        return
    _trade(venue, quote, taker)


def _order_asked_for(command: AcceptRfqQuote, quote: RfqQuote | None) -> PlaceOrder:
    """Return the order that an acceptance is; without a quote, on the terms that it names."""
    instrument, quantity_lots = command.instrument, command.quantity_lots
    price_ticks = command.price_ticks
    if quote is not None:
        instrument = quote.request.instrument.number
        quantity_lots = quote.request.quantity_lots
        price_ticks = quote.ask_ticks if command.side == BUY else quote.bid_ticks
    return PlaceOrder.make(
        account=command.account,
        session=command.session,
        connection=command.connection,
        instrument=instrument,
        side=command.side,
        order_type=LIMIT,
        time_in_force=FILL_OR_KILL,
        trader=command.trader,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        client_order_id=command.client_order_id,
    )


def _decide_taker(
    venue: VenueState,
    command: AcceptRfqQuote,
    account: Account | None,
    quote: RfqQuote | None,
) -> Refused | None:
    """Say whether the account may trade with the quote now, on the terms that it names."""
    instrument = None if quote is None else quote.request.instrument
    refused = decide_negotiator(venue, command, account, instrument)
    if refused is not None:
        return refused
    if quote is None or instrument is None:
        return Refused(RejectCode.RFQ_QUOTE_UNKNOWN)
    assert account is not None
    if command.instrument not in {0, instrument.number}:
        return Refused(RejectCode.INSTRUMENT_MISMATCH, instrument.number, command.instrument)
    refused = decide_negotiation_phase(phase=instrument.phase) or _decide_terms(
        command, quote, now_ns=venue.last_time_ns
    )
    if refused is not None:
        return refused
    price_ticks = quote.ask_ticks if command.side == BUY else quote.bid_ticks
    notional_atoms = quote.request.notional_at(price_ticks)
    return (
        _decide_both_collars(instrument, price_ticks)
        or decide_notional(notional_atoms=notional_atoms, limits=instrument.limits)
        or pass_throttle(venue, account)
        or decide_client_id(venue, account, command.client_order_id, is_needed=True)
    )


def _decide_terms(command: AcceptRfqQuote, quote: RfqQuote, *, now_ns: int) -> Refused | None:
    """Say whether what is accepted is quoted so, and within the instrument's bounds of now."""
    if command.side not in {BUY, SELL}:
        return Refused(RejectCode.FIELD_INVALID)
    price_ticks = quote.ask_ticks if command.side == BUY else quote.bid_ticks
    if not price_ticks:
        return Refused(RejectCode.RFQ_SIDE_NOT_QUOTED, 0, command.side)
    if command.valid_until_ns and now_ns > command.valid_until_ns:
        return Refused(RejectCode.EXPIRY_INVALID, command.valid_until_ns, now_ns)
    limits, quantity_lots = quote.request.instrument.limits, quote.request.quantity_lots
    refused = (
        decide_terms_match(given=command.price_ticks, agreed=price_ticks)
        or decide_terms_match(given=command.quantity_lots, agreed=quantity_lots)
        or decide_price_range(price_ticks=price_ticks, limits=limits)
        or decide_quantity(quantity_lots=quantity_lots, limits=limits)
    )
    if refused is None and not is_client_id(command.client_order_id):
        refused = Refused(RejectCode.CLIENT_ORDER_ID_INVALID)
    return refused


def _decide_both_collars(instrument: Instrument, price_ticks: int) -> Refused | None:
    """Say whether a price is within the collar either way: one side buys and the other sells."""
    refused = None
    for side in (BUY, SELL):
        refused = refused or decide_collar(
            side=side,
            price_ticks=price_ticks,
            reference_ticks=instrument.reference_ticks,
            collar_ppm=instrument.limits.collar_ppm,
        )
    return refused


def _hold_of_new(order: Order) -> int:
    return hold_of(
        order,
        leaves_lots=order.leaves_lots,
        price_ticks=order.price_ticks,
        maker_ppm=order.maker_ppm,
        taker_ppm=order.taker_ppm,
    )


def _trade(venue: VenueState, quote: RfqQuote, taker: Order) -> None:
    """Let both sides be orders and fill each other; then all that the request was is over."""
    request = quote.request
    maker = _maker_order(venue, quote, taker)
    release_quote(venue, quote)
    _enter(venue, maker)
    _enter(venue, taker)
    maker.leaves_lots = taker.leaves_lots = 0
    record_trade(
        venue,
        maker=maker,
        taker=taker,
        lots=request.quantity_lots,
        price_ticks=taker.price_ticks,
        is_negotiated=True,
    )
    say_quote_ended(venue, quote, reason=RFQ_ACCEPTED)
    end_request(venue, request, reason=RFQ_ACCEPTED)


def _maker_order(venue: VenueState, quote: RfqQuote, taker: Order) -> Order:
    """Return the order that a quote becomes: at the rates of when it was given."""
    place = PlaceOrder.make(
        account=quote.account.number,
        session=quote.session,
        connection=quote.connection,
        instrument=taker.instrument_number,
        side=SELL if taker.side == BUY else BUY,
        order_type=LIMIT,
        time_in_force=FILL_OR_KILL,
        trader=quote.trader,
        price_ticks=taker.price_ticks,
        quantity_lots=taker.quantity_lots,
        client_order_id=quote.client_quote_id,
    )
    order = order_of(venue, place, quote.account, taker.instrument, taker.price_ticks)
    order.maker_ppm, order.taker_ppm = quote.maker_ppm, quote.taker_ppm
    return order


def _enter(venue: VenueState, order: Order) -> None:
    """Accept an order that fills in the same command, without passing the book."""
    venue.last_order_id += 1
    order.order_id = venue.last_order_id
    order.arrival = venue.next_arrival()
    order.held_atoms = _hold_of_new(order)
    order.holding.held_atoms += order.held_atoms
    open_order(venue, order, client_order_id=order.client_order_id)
    venue.events.order(ACCEPTED, order)
