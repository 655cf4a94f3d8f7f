"""Requests for quote: asking, and answering with a firm quote.

The order of checks is that of an order wherever the same is checked, and the first failure wins.
Nothing is changed before the last one has passed, except that the throttle counts a message that
got as far as the throttle.
"""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AcceptRfqQuote,
    GiveRfqQuote,
    QueryRfq,
    RequestForQuote,
    WithdrawRfq,
)
from messages.trading.events import QuoteRequestRejected, RfqQuoteRejected
from risk.decisions import (
    Refused,
    decide_funds,
    decide_notional,
    decide_position,
    decide_quantity,
    decide_switches,
    is_client_id,
)
from venue.reference import bounds
from venue.reference.accounts import Account
from venue.reference.entry import (
    decide_order_counts,
    decide_session,
    pass_throttle,
)
from venue.reference.event_writer import clipped, shape
from venue.reference.instruments import Instrument
from venue.reference.quote_requests import (
    QuoteRequest,
    RfqQuote,
    end_quote,
    give_quote,
    open_request,
)
from venue.reference.rfq_decisions import (
    decide_lifetime,
    decide_negotiation_phase,
    decide_quote_price,
    decide_quoted_sides,
    decide_terms_match,
)
from venue.reference.state import VenueState, decide_client_id
from venue.reference.suspensions import decide_suspension
from venue.reference.values import (
    BUY,
    RFQ_REPLACED,
    RIGHT_QUOTE_REQUESTS,
    SELL,
)

_REQUEST_REJECTED: Final = shape(QuoteRequestRejected)
_QUOTE_REJECTED: Final = shape(RfqQuoteRejected)

RfqCommand = RequestForQuote | GiveRfqQuote | AcceptRfqQuote | WithdrawRfq | QueryRfq


def decide_negotiator(
    venue: VenueState,
    command: RfqCommand,
    account: Account | None,
    instrument: Instrument | None,
) -> Refused | None:
    """Say whether the session may negotiate for the account now, all switches included.

    A quote may have two sides, so a suspension of either stops it.
    """
    refused = decide_session(venue, command, account)
    if refused is not None:
        return refused
    assert account is not None
    refused = decide_switches(
        venue=venue.is_killed,
        firm=account.firm.is_killed,
        account=account.is_killed,
        session=venue.sessions[command.session].is_killed,
        instrument=instrument is not None and instrument.is_killed,
    )
    for side in (BUY, SELL):
        refused = refused or decide_suspension(
            venue,
            session=command.session,
            account=command.account,
            instrument=0 if instrument is None else instrument.number,
            side=side,
        )
    return refused


def request_for_quote(venue: VenueState, command: RequestForQuote) -> None:
    """Open a request for quote, or refuse it."""
    account = venue.accounts.get(command.account)
    instrument = venue.instruments.get(command.instrument)
    refused = decide_negotiator(venue, command, account, instrument)
    if refused is None and instrument is None:
        refused = Refused(RejectCode.INSTRUMENT_UNKNOWN)
    if refused is None:
        assert account is not None
        assert instrument is not None
        refused = _decide_request(venue, command, account, instrument)
    if refused is not None:
        _reject_request(venue, command, refused)
        return
    assert account is not None
    assert instrument is not None
    request = QuoteRequest(
        number=venue.next_arrival(),
        account=account,
        session=command.session,
        connection=command.connection,
        instrument=instrument,
        side=command.side,
        quantity_lots=command.quantity_lots,
        expires_at_ns=command.expire_at_ns,
        trader=command.trader,
        client_request_id=command.client_request_id,
    )
    open_request(venue, request)


def _decide_request(
    venue: VenueState, command: RequestForQuote, account: Account, instrument: Instrument
) -> Refused | None:
    refused = decide_negotiation_phase(phase=instrument.phase)
    if refused is None and command.side > SELL:
        refused = Refused(RejectCode.FIELD_INVALID, SELL, command.side)
    refused = (
        refused
        or decide_quantity(quantity_lots=command.quantity_lots, limits=instrument.limits)
        or decide_lifetime(expire_at_ns=command.expire_at_ns, now_ns=venue.last_time_ns)
    )
    if refused is None and not is_client_id(command.client_request_id):
        refused = Refused(RejectCode.CLIENT_ORDER_ID_INVALID)
    refused = refused or pass_throttle(venue, account)
    if refused is None and find_request(venue, account, command.client_request_id) is not None:
        refused = Refused(RejectCode.DUPLICATE_QUOTE_REQUEST_ID)
    return refused or _decide_open_requests(venue, account)


def _decide_open_requests(venue: VenueState, account: Account) -> Refused | None:
    limit = bounds.QUOTE_REQUESTS_OF_ACCOUNT_MAX
    if account.quote_requests >= limit:
        return Refused(RejectCode.QUOTE_REQUESTS_EXCEEDED, limit, account.quote_requests + 1)
    limit, usage = bounds.QUOTE_REQUESTS_MAX, len(venue.quote_requests)
    if usage >= limit:
        return Refused(RejectCode.QUOTE_REQUESTS_EXCEEDED, limit, usage + 1)
    return None


def find_request(
    venue: VenueState, account: Account, client_request_id: bytes
) -> QuoteRequest | None:
    """Return an account's open request by its client's id."""
    for request in venue.quote_requests.values():
        if request.account is account and request.client_request_id == client_request_id:
            return request
    return None


def _reject_request(venue: VenueState, command: RequestForQuote, refused: Refused) -> None:
    venue.events.emit(
        _REQUEST_REJECTED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.side,
        0,
        refused.code,
        command.trader,
        command.quantity_lots,
        command.expire_at_ns,
        clipped(refused.limit),
        clipped(refused.usage),
        command.client_request_id,
    )


def give_rfq_quote(venue: VenueState, command: GiveRfqQuote) -> None:
    """Let a firm quote stand for a request, in place of an earlier one, or refuse it."""
    account = venue.accounts.get(command.account)
    request = venue.quote_requests.get(command.request_id)
    refused = _decide_maker(venue, command, account, request)
    quote = None
    if refused is None:
        assert account is not None
        assert request is not None
        quote = _quote_of(venue, command, account, request)
        refused = _decide_quote(venue, command, quote) or _decide_room(venue, quote)
    if refused is not None:
        _reject_quote(venue, command, request, refused)
        return
    assert quote is not None
    earlier = quote.request.quotes.get(quote.account.number)
    if earlier is not None:
        end_quote(venue, earlier, reason=RFQ_REPLACED)
    quote.number = venue.next_arrival()
    give_quote(venue, quote)


def _decide_maker(
    venue: VenueState,
    command: GiveRfqQuote,
    account: Account | None,
    request: QuoteRequest | None,
) -> Refused | None:
    """Say whether the session may answer this request for the account now."""
    instrument = None if request is None else request.instrument
    refused = decide_negotiator(venue, command, account, instrument)
    if refused is not None:
        return refused
    rights = venue.sessions[command.session].rights[command.account]
    if not rights & RIGHT_QUOTE_REQUESTS:
        return Refused(RejectCode.SESSION_NOT_ENTITLED, RIGHT_QUOTE_REQUESTS, rights)
    if request is None:
        return Refused(RejectCode.QUOTE_REQUEST_UNKNOWN)
    assert account is not None
    if request.is_own_of(account):
        return Refused(RejectCode.RFQ_OWN_FIRM)
    number = request.instrument.number
    if command.instrument not in {0, number}:
        return Refused(RejectCode.INSTRUMENT_MISMATCH, number, command.instrument)
    return decide_negotiation_phase(phase=request.instrument.phase)


def _quote_of(
    venue: VenueState, command: GiveRfqQuote, account: Account, request: QuoteRequest
) -> RfqQuote:
    """Return the quote that a command would give, not yet numbered and holding nothing."""
    maker_ppm, taker_ppm = venue.fee_rates(account, request.instrument)
    return RfqQuote(
        number=0,
        request=request,
        account=account,
        session=command.session,
        connection=command.connection,
        bid_ticks=command.bid_price_ticks,
        ask_ticks=command.ask_price_ticks,
        expires_at_ns=min(command.expire_at_ns or request.expires_at_ns, request.expires_at_ns),
        bid_held_atoms=0,
        ask_held_atoms=0,
        maker_ppm=maker_ppm,
        taker_ppm=taker_ppm,
        trader=command.trader,
        client_quote_id=command.client_quote_id,
    )


def _decide_quote(venue: VenueState, command: GiveRfqQuote, quote: RfqQuote) -> Refused | None:
    """Say whether a quote's own terms are valid, and whether the throttle lets it pass."""
    request = quote.request
    limits = request.instrument.limits
    refused = decide_quoted_sides(
        request_side=request.side, bid_ticks=quote.bid_ticks, ask_ticks=quote.ask_ticks
    ) or decide_terms_match(given=command.quantity_lots, agreed=request.quantity_lots)
    if refused is None and command.expire_at_ns and command.expire_at_ns <= venue.last_time_ns:
        refused = Refused(RejectCode.EXPIRY_INVALID, venue.last_time_ns, command.expire_at_ns)
    refused = refused or decide_quantity(quantity_lots=request.quantity_lots, limits=limits)
    for side, price_ticks in _quoted(quote):
        refused = refused or decide_quote_price(
            side=side,
            price_ticks=price_ticks,
            reference_ticks=request.instrument.reference_ticks,
            limits=limits,
        )
    if refused is None and not is_client_id(quote.client_quote_id):
        refused = Refused(RejectCode.CLIENT_ORDER_ID_INVALID)
    for _, price_ticks in _quoted(quote):
        notional_atoms = request.notional_at(price_ticks)
        refused = refused or decide_notional(notional_atoms=notional_atoms, limits=limits)
    return refused or pass_throttle(venue, quote.account)


def _quoted(quote: RfqQuote) -> list[tuple[int, int]]:
    """Return the sides that are quoted and their prices, the bid first."""
    sides = ((BUY, quote.bid_ticks), (SELL, quote.ask_ticks))
    return [(side, price_ticks) for side, price_ticks in sides if price_ticks]


def _decide_room(venue: VenueState, quote: RfqQuote) -> Refused | None:
    """Say whether there is room for a quote and its id, and whether its maker can afford it.

    What the account's earlier quote ties up counts as free: that one goes.
    """
    request, account = quote.request, quote.account
    earlier = request.quotes.get(account.number)
    refused = decide_client_id(
        venue, account, quote.client_quote_id, is_needed=True
    ) or decide_order_counts(venue, account, request.instrument)
    limit = bounds.QUOTES_OF_REQUEST_MAX
    if refused is None and earlier is None and len(request.quotes) >= limit:
        refused = Refused(RejectCode.RFQ_QUOTES_EXCEEDED, limit, len(request.quotes) + 1)
    return refused or _decide_means(quote, earlier)


def _decide_means(quote: RfqQuote, earlier: RfqQuote | None) -> Refused | None:
    refused = None
    if quote.bid_ticks:
        refused = decide_position(
            balance_atoms=quote.base.balance_atoms,
            buying_atoms=quote.base.buying_atoms - (earlier.buying_atoms if earlier else 0),
            more_atoms=quote.buying_atoms,
            position_max_atoms=quote.base.position_max_atoms,
        )
    free_bid_atoms = earlier.bid_held_atoms if earlier else 0
    free_ask_atoms = earlier.ask_held_atoms if earlier else 0
    return (
        refused
        or decide_funds(
            available_atoms=quote.quote.available_atoms + free_bid_atoms,
            needed_atoms=quote.bid_hold(),
        )
        or decide_funds(
            available_atoms=quote.base.available_atoms + free_ask_atoms,
            needed_atoms=quote.ask_hold(),
        )
    )


def _reject_quote(
    venue: VenueState, command: GiveRfqQuote, request: QuoteRequest | None, refused: Refused
) -> None:
    venue.events.emit(
        _QUOTE_REJECTED,
        command.account,
        command.session,
        command.connection,
        0 if request is None else request.instrument.number,
        command.request_id,
        refused.code,
        0,
        command.trader,
        command.bid_price_ticks,
        command.ask_price_ticks,
        command.quantity_lots,
        command.expire_at_ns,
        clipped(refused.limit),
        clipped(refused.usage),
        command.client_quote_id,
    )
