"""Open requests for quote and standing quotes in a snapshot: written, read back, and checked."""

from __future__ import annotations

from collections.abc import Iterator

from messages.layout import Record
from risk.decisions import is_client_id
from venue.reference import bounds
from venue.reference.accounts import Account
from venue.reference.quote_requests import QuoteRequest, RfqQuote, add_quote, add_request
from venue.reference.requests_for_quote import find_request
from venue.reference.rfq_decisions import decide_quoted_sides
from venue.reference.snapshot_checks import require
from venue.reference.state import VenueState
from venue.reference.state_records import QuoteRequestRecord, RfqQuoteRecord
from venue.reference.values import CONTINUOUS, SELL


def rfq_records(venue: VenueState) -> Iterator[bytes]:
    """Yield the records of all open requests, then of all standing quotes, by number."""
    for _, request in sorted(venue.quote_requests.items()):
        yield _pack(
            QuoteRequestRecord,
            request.side,
            request.number,
            request.account.number,
            request.session,
            request.connection,
            request.instrument.number,
            request.quantity_lots,
            request.expires_at_ns,
            request.trader,
            0,
            request.client_request_id,
        )
    for _, quote in sorted(venue.rfq_quotes.items()):
        yield _pack(
            RfqQuoteRecord,
            0,
            quote.number,
            quote.request.number,
            quote.account.number,
            quote.session,
            quote.connection,
            quote.trader,
            quote.bid_ticks,
            quote.ask_ticks,
            quote.expires_at_ns,
            quote.bid_held_atoms,
            quote.ask_held_atoms,
            quote.maker_ppm,
            quote.taker_ppm,
            quote.client_quote_id,
        )


def _pack(record: type[Record], mark: int, *fields: int | bytes) -> bytes:
    return record.CODEC.pack(record.LENGTH, record.KIND, record.VERSION, mark, 0, *fields)


def read_quote_request(venue: VenueState, record: QuoteRequestRecord) -> None:
    """Take over an open request."""
    number = record.request_id
    request = QuoteRequest(
        number=number,
        account=venue.accounts[record.account],
        session=record.session,
        connection=record.connection,
        instrument=venue.instruments[record.instrument],
        side=record.mark,
        quantity_lots=record.quantity_lots,
        expires_at_ns=record.expires_at_ns,
        trader=record.trader,
        client_request_id=record.client_request_id,
    )
    require(_is_request_in_range(venue, request), f"has request for quote {number} out of range")
    add_request(venue, request)


def _is_request_in_range(venue: VenueState, request: QuoteRequest) -> bool:
    account, instrument = request.account, request.instrument
    return (
        1 <= request.number <= venue.last_arrival
        and request.number not in venue.quote_requests
        and len(venue.quote_requests) < bounds.QUOTE_REQUESTS_MAX
        and account.quote_requests < bounds.QUOTE_REQUESTS_OF_ACCOUNT_MAX
        and _is_session_of(venue, request.session, account)
        and instrument.phase == CONTINUOUS
        and request.side <= SELL
        and 1 <= request.quantity_lots <= instrument.quantity_ceiling
        and _is_end(venue, request.expires_at_ns)
        and is_client_id(request.client_request_id)
        and find_request(venue, account, request.client_request_id) is None
    )


def _is_session_of(venue: VenueState, number: int, account: Account) -> bool:
    session = venue.sessions.get(number)
    return session is not None and session.firm is account.firm


def _is_end(venue: VenueState, expires_at_ns: int) -> bool:
    return 0 < expires_at_ns <= venue.last_time_ns + bounds.QUOTE_REQUEST_LIFETIME_MAX_NS


def read_rfq_quote(venue: VenueState, record: RfqQuoteRecord) -> None:
    """Take over a standing quote; its balance's record already counts what it holds."""
    number = record.quote_id
    quote = RfqQuote(
        number=number,
        request=venue.quote_requests[record.request_id],
        account=venue.accounts[record.account],
        session=record.session,
        connection=record.connection,
        bid_ticks=record.bid_price_ticks,
        ask_ticks=record.ask_price_ticks,
        expires_at_ns=record.expires_at_ns,
        bid_held_atoms=record.bid_held_atoms,
        ask_held_atoms=record.ask_held_atoms,
        maker_ppm=record.maker_ppm,
        taker_ppm=record.taker_ppm,
        trader=record.trader,
        client_quote_id=record.client_quote_id,
    )
    require(_is_quote_in_range(venue, quote), f"has quote {number} out of range")
    add_quote(venue, quote)


def _is_quote_in_range(venue: VenueState, quote: RfqQuote) -> bool:
    request, account = quote.request, quote.account
    price_ceiling = request.instrument.price_ceiling
    sides = decide_quoted_sides(
        request_side=request.side, bid_ticks=quote.bid_ticks, ask_ticks=quote.ask_ticks
    )
    return (
        request.number < quote.number <= venue.last_arrival
        and quote.number not in venue.rfq_quotes
        and account.number not in request.quotes
        and len(request.quotes) < bounds.QUOTES_OF_REQUEST_MAX
        and not request.is_own_of(account)
        and _is_session_of(venue, quote.session, account)
        and sides is None
        and all(0 <= each <= price_ceiling for each in (quote.bid_ticks, quote.ask_ticks))
        and 0 < quote.expires_at_ns <= request.expires_at_ns
        and (quote.maker_ppm, quote.taker_ppm) in venue.fee_schedules.values()
        and quote.bid_held_atoms == quote.bid_hold()
        and quote.ask_held_atoms == quote.ask_hold()
        and is_client_id(quote.client_quote_id)
        and quote.client_quote_id not in account.client_ids
    )
