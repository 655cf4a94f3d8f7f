"""What ends requests and quotes, or asks for them: withdrawals, queries, time, disconnects, kills.

Withdrawals and queries are taken in every phase and under every kill switch, like cancels.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from messages.trading.codes import RejectCode
from messages.trading.commands import QueryRfq, WithdrawRfq
from messages.trading.events import (
    QuoteRequestReported,
    RfqAnswered,
    RfqQuoteReported,
    RfqRefused,
)
from messages.trading.terms import RfqSubject
from risk.decisions import Refused
from venue.reference.accounts import Account
from venue.reference.entry import decide_session
from venue.reference.event_writer import clipped, shape
from venue.reference.quote_requests import (
    QuoteRequest,
    RfqQuote,
    end_all,
    end_quote,
    end_request,
    quote_fields,
    request_fields,
)
from venue.reference.state import VenueState
from venue.reference.values import (
    NO_CLIENT_ID,
    RFQ_EXPIRED,
    RFQ_PASSED,
    RFQ_WITHDRAWN,
    RIGHT_QUOTE_REQUESTS,
)

_REQUEST_REPORTED: Final = shape(QuoteRequestReported)
_QUOTE_REPORTED: Final = shape(RfqQuoteReported)
_ANSWERED: Final = shape(RfqAnswered)
_REFUSED: Final = shape(RfqRefused)

_REQUESTS: Final = int(RfqSubject.REQUESTS)
_QUOTES: Final = int(RfqSubject.QUOTES)
_OFFER: Final = int(RfqSubject.OFFER)

Found = tuple[list[QuoteRequest], list[RfqQuote]]


def withdraw_rfq(venue: VenueState, command: WithdrawRfq) -> None:
    """End requests or quotes of the account, or pass on a quote that it was given."""
    account = venue.accounts.get(command.account)
    refused = decide_session(venue, command, account)
    found: Found | Refused
    if refused is None:
        assert account is not None
        found = _withdrawn(venue, command, account)
    else:
        found = refused
    if isinstance(found, Refused):
        text = command.client_request_id
        _refuse(venue, command, found, subject=command.subject, text=text)
        return
    requests, quotes = found
    reason = RFQ_PASSED if command.subject == _OFFER else RFQ_WITHDRAWN
    ended = end_all(venue, requests=requests, quotes=quotes, reason=reason)
    _say_answered(venue, command, ended, subject=command.subject, text=command.client_request_id)


def _withdrawn(venue: VenueState, command: WithdrawRfq, account: Account) -> Found | Refused:
    """Return what a withdrawal names; what it names must be there, all there is need not be."""
    if command.subject == _REQUESTS:
        requests = [each for each in venue.quote_requests.values() if each.account is account]
        if command.request_id:
            requests = [each for each in requests if each.number == command.request_id]
        elif command.client_id != NO_CLIENT_ID:
            requests = [each for each in requests if each.client_request_id == command.client_id]
        else:
            return [each for each in requests if _is_in(each, command.instrument)], []
        return (requests, []) if requests else Refused(RejectCode.QUOTE_REQUEST_UNKNOWN)
    if command.subject == _QUOTES:
        quotes = [each for each in venue.rfq_quotes.values() if each.account is account]
        if command.quote_id:
            quotes = [each for each in quotes if each.number == command.quote_id]
        elif command.request_id:
            quotes = [each for each in quotes if each.request.number == command.request_id]
        elif command.client_id != NO_CLIENT_ID:
            quotes = [each for each in quotes if each.client_quote_id == command.client_id]
        else:
            return [], [each for each in quotes if _is_in(each.request, command.instrument)]
        return ([], quotes) if quotes else Refused(RejectCode.RFQ_QUOTE_UNKNOWN)
    if command.subject == _OFFER:
        offer = venue.rfq_quotes.get(command.quote_id)
        if offer is None or offer.request.account is not account:
            return Refused(RejectCode.RFQ_QUOTE_UNKNOWN)
        return [], [offer]
    return Refused(RejectCode.FIELD_INVALID, _OFFER, command.subject)


def _is_in(request: QuoteRequest, instrument: int) -> bool:
    return instrument in {0, request.instrument.number}


def query_rfq(venue: VenueState, command: QueryRfq) -> None:
    """Report the open requests that an account made or may answer, and the quotes it may see."""
    account = venue.accounts.get(command.account)
    refused = decide_session(venue, command, account)
    found: list[Visible] = []
    if refused is None:
        assert account is not None
        rights = venue.sessions[command.session].rights[account.number]
        found = [
            narrowed
            for _, request in sorted(venue.quote_requests.items())
            if (visible := _visible(request, account, rights)) is not None
            and (narrowed := _narrowed(visible, command, account)) is not None
        ]
        refused = _decide_found(command, found)
    if refused is not None:
        _refuse(venue, command, refused, subject=0, text=command.status_request_id)
        return
    assert account is not None
    origin = (account.number, command.session, command.connection, 0, command.status_request_id)
    for each in found:
        if each.is_told:
            venue.events.emit(_REQUEST_REPORTED, *request_fields(each.request), *origin)
        for quote in each.quotes:
            venue.events.emit(_QUOTE_REPORTED, *quote_fields(quote), *origin)
    counts = (sum(each.is_told for each in found), sum(len(each.quotes) for each in found))
    _say_answered(venue, command, counts, subject=0, text=command.status_request_id)


class Visible(NamedTuple):
    """A request, the quotes for it that an account may see, and whether it is told itself."""

    request: QuoteRequest
    quotes: list[RfqQuote]
    is_told: bool


def _visible(request: QuoteRequest, account: Account, rights: int) -> Visible | None:
    """Return what an account may see of a request, by quote number.

    A requester sees all quotes, a maker its own, and the requests that it may answer.
    """
    if request.account is account:
        return Visible(request, sorted(request.quotes.values(), key=lambda each: each.number), True)
    own = request.quotes.get(account.number)
    may_answer = bool(rights & RIGHT_QUOTE_REQUESTS) and not request.is_own_of(account)
    if own is None and not may_answer:
        return None
    return Visible(request, [] if own is None else [own], True)


def _narrowed(visible: Visible, command: QueryRfq, account: Account) -> Visible | None:
    """Leave what a query names: a quote or a request by number, or what has the client's id."""
    request, quotes, _ = visible
    if command.quote_id:
        quotes = [each for each in quotes if each.number == command.quote_id]
    elif command.request_id:
        return visible if request.number == command.request_id else None
    elif command.client_id == NO_CLIENT_ID or (
        request.account is account and request.client_request_id == command.client_id
    ):
        return visible
    else:
        quotes = [
            each
            for each in quotes
            if each.account is account and each.client_quote_id == command.client_id
        ]
    return Visible(request, quotes, False) if quotes else None


def _decide_found(command: QueryRfq, found: list[Visible]) -> Refused | None:
    """Say whether what a query names is there; a query that names nothing may find nothing."""
    if found:
        return None
    if command.quote_id:
        return Refused(RejectCode.RFQ_QUOTE_UNKNOWN)
    if command.request_id or command.client_id != NO_CLIENT_ID:
        return Refused(RejectCode.QUOTE_REQUEST_UNKNOWN)
    return None


def _refuse(
    venue: VenueState,
    command: WithdrawRfq | QueryRfq,
    refused: Refused,
    *,
    subject: int,
    text: bytes,
) -> None:
    venue.events.emit(
        _REFUSED,
        command.account,
        command.session,
        command.connection,
        command.kind,
        refused.code,
        command.request_id,
        command.quote_id,
        subject,
        0,
        0,
        0,
        clipped(refused.limit),
        clipped(refused.usage),
        command.client_id,
        text,
    )


def _say_answered(
    venue: VenueState,
    command: WithdrawRfq | QueryRfq,
    counts: tuple[int, int],
    *,
    subject: int,
    text: bytes,
) -> None:
    venue.events.emit(
        _ANSWERED,
        command.account,
        command.session,
        command.connection,
        command.kind,
        subject,
        0,
        *counts,
        text,
    )


def expire_quote(venue: VenueState, due: tuple[int, int, int]) -> None:
    """End a quote whose time is over."""
    venue.deadlines.add(*due)  # ending the quote takes it out
    end_quote(venue, venue.rfq_quotes[due[2]], reason=RFQ_EXPIRED)


def expire_request(venue: VenueState, due: tuple[int, int, int]) -> None:
    """End a request whose time is over."""
    venue.deadlines.add(*due)  # ending the request takes it out
    end_request(venue, venue.quote_requests[due[2]], reason=RFQ_EXPIRED)
