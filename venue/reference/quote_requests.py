"""Requests for quote, the firm quotes that answer them, and the steps that begin and end both.

A quote ties up what it could cost at worst from when it is given until it ends, so that accepting
it cannot fail for the maker: there is no last look.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from messages.trading.events import QuoteRequested, QuoteRequestEnded, RfqQuoteEnded, RfqQuoteGiven
from risk.decisions import hold_buy
from venue.reference.accounts import Account, Balance
from venue.reference.deadlines import QUOTE_REQUEST_END, RFQ_QUOTE_END
from venue.reference.event_writer import Shape, shape
from venue.reference.instruments import Instrument
from venue.reference.state import VenueState
from venue.reference.values import RFQ_REQUEST_ENDED

_REQUESTED: Final = shape(QuoteRequested)
_REQUEST_ENDED: Final = shape(QuoteRequestEnded)
_GIVEN: Final = shape(RfqQuoteGiven)
_QUOTE_ENDED: Final = shape(RfqQuoteEnded)


class QuoteRequest:
    """An open request for quote, and the quotes that stand for it, by the maker's account."""

    __slots__ = (
        "account",
        "client_request_id",
        "connection",
        "expires_at_ns",
        "instrument",
        "number",
        "quantity_lots",
        "quotes",
        "session",
        "side",
        "trader",
    )

    def __init__(
        self,
        *,
        number: int,
        account: Account,
        session: int,
        connection: int,
        instrument: Instrument,
        side: int,
        quantity_lots: int,
        expires_at_ns: int,
        trader: int,
        client_request_id: bytes,
    ) -> None:
        self.number = number
        self.account = account
        self.session = session
        self.connection = connection
        self.instrument = instrument
        self.side = side
        self.quantity_lots = quantity_lots
        self.expires_at_ns = expires_at_ns
        self.trader = trader
        self.client_request_id = client_request_id
        self.quotes: dict[int, RfqQuote] = {}

    def is_own_of(self, account: Account) -> bool:
        """Say whether an account is of the requester's firm or owner group, and so not asked."""
        return self.account.firm is account.firm or self.account.group == account.group

    def notional_at(self, price_ticks: int) -> int:
        """Return what the quantity is worth at a price, in quote atoms."""
        return price_ticks * self.quantity_lots * self.instrument.tick_lot_atoms


class RfqQuote:
    """A firm quote for a request's whole quantity; a price of 0 is a side that is not quoted.

    ``bid_held_atoms`` of the quote asset and ``ask_held_atoms`` of the base asset are tied up by
    it; ``maker_ppm`` and ``taker_ppm`` are the account's rates when it was given.
    """

    __slots__ = (
        "account",
        "ask_held_atoms",
        "ask_ticks",
        "bid_held_atoms",
        "bid_ticks",
        "client_quote_id",
        "connection",
        "expires_at_ns",
        "maker_ppm",
        "number",
        "request",
        "session",
        "taker_ppm",
        "trader",
    )

    def __init__(
        self,
        *,
        number: int,
        request: QuoteRequest,
        account: Account,
        session: int,
        connection: int,
        bid_ticks: int,
        ask_ticks: int,
        expires_at_ns: int,
        bid_held_atoms: int,
        ask_held_atoms: int,
        maker_ppm: int,
        taker_ppm: int,
        trader: int,
        client_quote_id: bytes,
    ) -> None:
        self.number = number
        self.request = request
        self.account = account
        self.session = session
        self.connection = connection
        self.bid_ticks = bid_ticks
        self.ask_ticks = ask_ticks
        self.expires_at_ns = expires_at_ns
        self.bid_held_atoms = bid_held_atoms
        self.ask_held_atoms = ask_held_atoms
        self.maker_ppm = maker_ppm
        self.taker_ppm = taker_ppm
        self.trader = trader
        self.client_quote_id = client_quote_id

    @property
    def base(self) -> Balance:
        """The maker's balance that the ask ties up."""
        return self.account.balance(self.request.instrument.definition.base_asset)

    @property
    def quote(self) -> Balance:
        """The maker's balance that the bid ties up."""
        return self.account.balance(self.request.instrument.definition.quote_asset)

    @property
    def buying_atoms(self) -> int:
        """What the bid would bring of the base asset."""
        return (
            self.request.quantity_lots * self.request.instrument.lot_atoms if self.bid_ticks else 0
        )

    def bid_hold(self) -> int:
        """Return what the bid ties up: its cost and the largest fee on it, in quote atoms."""
        return hold_buy(
            notional_atoms=self.request.notional_at(self.bid_ticks),
            rate_ppm=max(self.maker_ppm, self.taker_ppm, 0),
            credit=0,
        )

    def ask_hold(self) -> int:
        """Return what the ask ties up: the base atoms that it offers."""
        request = self.request
        return request.quantity_lots * request.instrument.lot_atoms if self.ask_ticks else 0


def add_request(venue: VenueState, request: QuoteRequest) -> None:
    """Let an open request be known, counted and ended by its time."""
    venue.quote_requests[request.number] = request
    request.account.quote_requests += 1
    request.instrument.quote_requests += 1
    venue.deadlines.add(request.expires_at_ns, QUOTE_REQUEST_END, request.number)


def open_request(venue: VenueState, request: QuoteRequest) -> None:
    """Open a request and say so."""
    add_request(venue, request)
    venue.events.emit(_REQUESTED, *request_fields(request))


def end_request(venue: VenueState, request: QuoteRequest, *, reason: int) -> None:
    """End a request, and before it every quote that stands for it."""
    for quote in list(request.quotes.values()):
        end_quote(venue, quote, reason=RFQ_REQUEST_ENDED)
    del venue.quote_requests[request.number]
    request.account.quote_requests -= 1
    request.instrument.quote_requests -= 1
    venue.deadlines.remove(request.expires_at_ns, QUOTE_REQUEST_END, request.number)
    venue.events.emit(_REQUEST_ENDED, *request_fields(request, reason=reason))


def request_fields(request: QuoteRequest, *, reason: int = 0) -> tuple[int | bytes, ...]:
    """Return the fields of QuoteRequestState."""
    return (
        request.account.number,
        request.session,
        request.connection,
        request.instrument.number,
        request.number,
        request.side,
        reason,
        len(request.quotes),
        request.trader,
        request.quantity_lots,
        request.expires_at_ns,
        request.client_request_id,
    )


def add_quote(venue: VenueState, quote: RfqQuote) -> None:
    """Let a quote be known, by its client's id too, and ended by its time."""
    venue.rfq_quotes[quote.number] = quote
    quote.request.quotes[quote.account.number] = quote
    quote.account.client_ids[quote.client_quote_id] = quote
    venue.client_ids.count += 1
    quote.base.buying_atoms += quote.buying_atoms
    venue.deadlines.add(quote.expires_at_ns, RFQ_QUOTE_END, quote.number)


def give_quote(venue: VenueState, quote: RfqQuote) -> None:
    """Let a quote stand: hold the maker's funds for it, and say so."""
    quote.bid_held_atoms = quote.bid_hold()
    quote.ask_held_atoms = quote.ask_hold()
    quote.quote.held_atoms += quote.bid_held_atoms
    quote.base.held_atoms += quote.ask_held_atoms
    add_quote(venue, quote)
    _tell_quote(venue, _GIVEN, quote)


def release_quote(venue: VenueState, quote: RfqQuote) -> None:
    """Let a quote hold nothing and be known no more; its client's id is free for an order."""
    quote.quote.held_atoms -= quote.bid_held_atoms
    quote.base.held_atoms -= quote.ask_held_atoms
    quote.base.buying_atoms -= quote.buying_atoms
    quote.bid_held_atoms = quote.ask_held_atoms = 0
    del venue.rfq_quotes[quote.number]
    del quote.request.quotes[quote.account.number]
    del quote.account.client_ids[quote.client_quote_id]
    venue.client_ids.count -= 1
    venue.deadlines.remove(quote.expires_at_ns, RFQ_QUOTE_END, quote.number)


def end_quote(venue: VenueState, quote: RfqQuote, *, reason: int) -> None:
    """End a quote that did not trade; its client's id is remembered for a while."""
    release_quote(venue, quote)
    venue.client_ids.remember_mass_cancel(
        quote.account, quote.client_quote_id, now_ns=venue.last_time_ns
    )
    say_quote_ended(venue, quote, reason=reason)


def say_quote_ended(venue: VenueState, quote: RfqQuote, *, reason: int) -> None:
    """Say that a quote, which was released, stands no more."""
    _tell_quote(venue, _QUOTE_ENDED, quote, reason=reason)


def _tell_quote(venue: VenueState, event: Shape, quote: RfqQuote, *, reason: int = 0) -> None:
    venue.events.emit(event, *quote_fields(quote, reason=reason))


def quote_fields(quote: RfqQuote, *, reason: int = 0) -> tuple[int | bytes, ...]:
    """Return the fields of RfqQuoteState."""
    request = quote.request
    return (
        quote.account.number,
        quote.session,
        quote.connection,
        request.instrument.number,
        quote.number,
        request.number,
        request.account.number,
        request.session,
        request.connection,
        request.side,
        reason,
        0,
        quote.trader,
        0,
        quote.bid_ticks,
        quote.ask_ticks,
        request.quantity_lots,
        quote.expires_at_ns,
        quote.bid_held_atoms,
        quote.ask_held_atoms,
        quote.client_quote_id,
        request.client_request_id,
    )


def end_all(
    venue: VenueState,
    *,
    requests: Iterable[QuoteRequest],
    quotes: Iterable[RfqQuote],
    reason: int,
) -> tuple[int, int]:
    """End quotes, then requests, each by ascending number; return how many of each."""
    ending_quotes = sorted(quotes, key=lambda each: each.number)
    ending_requests = sorted(requests, key=lambda each: each.number)
    for quote in ending_quotes:
        end_quote(venue, quote, reason=reason)
    for request in ending_requests:
        end_request(venue, request, reason=reason)
    return len(ending_requests), len(ending_quotes)


def end_requests_in(venue: VenueState, instrument: Instrument, *, reason: int) -> None:
    """End every request in an instrument, which can trade no more for now."""
    if instrument.quote_requests:
        found = [each for each in venue.quote_requests.values() if each.instrument is instrument]
        end_all(venue, requests=found, quotes=(), reason=reason)
