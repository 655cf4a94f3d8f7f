"""Sessions: their rights, and the fence around the connection that speaks for them."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    CloseSession,
    GrantSession,
    LinkLost,
    OpenSession,
    OpenSessionOnTerms,
)
from messages.trading.events import SessionClosed, SessionFenced, SessionGranted, SessionOpened
from messages.trading.identity import SOURCE_BITS, principal_of
from messages.trading.terms import AMOUNT_LIMIT, SessionRight
from risk.decisions import Refused
from venue.reference.cancels import cancel_all
from venue.reference.deadlines import SESSION_GRACE
from venue.reference.definitions import is_name
from venue.reference.event_writer import shape
from venue.reference.quote_requests import QuoteRequest, RfqQuote, end_all
from venue.reference.rejections import reject_command
from venue.reference.sessions import Session
from venue.reference.state import VenueState
from venue.reference.values import (
    CANCEL_ACCOUNT_ORDERS,
    CANCEL_SESSION_ORDERS,
    DISCONNECT,
    RFQ_DISCONNECT,
)

_SESSION_GRANTED: Final = shape(SessionGranted)
_SESSION_OPENED: Final = shape(SessionOpened)
_SESSION_CLOSED: Final = shape(SessionClosed)
_SESSION_FENCED: Final = shape(SessionFenced)

RIGHTS_KNOWN: Final = sum(SessionRight)


def grant_session(venue: VenueState, command: GrantSession) -> None:
    """Give a session rights on an account, or take them away.

    Cancel on disconnect and grace are the session's own: the latest grant's hold. Its name is
    that of its first grant, for ever.
    """
    refused = _decide_grant(venue, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.session)
        return
    session = venue.sessions.get(command.session)
    if session is None:
        firm = venue.firms[command.firm]
        session = venue.sessions[command.session] = Session(number=command.session, firm=firm)
        session.name = command.name
        venue.names[Session, command.name] = command.session
    session.cancel_on_disconnect = command.cancel_on_disconnect
    session.disconnect_grace_ns = command.disconnect_grace_ns
    if command.rights:
        session.rights[command.account] = command.rights
    else:
        session.rights.pop(command.account, None)
    fields = grant_fields(
        session,
        account=command.account,
        rights=command.rights,
        operator=command.operator,
        approver=command.approver,
    )
    venue.events.emit(_SESSION_GRANTED, *fields)


def grant_fields(
    session: Session, *, account: int, rights: int, operator: int = 0, approver: int = 0
) -> tuple[int | bytes, ...]:
    """Return the fields of SessionGranted."""
    return (
        account,
        session.number,
        rights,
        session.cancel_on_disconnect,
        0,
        session.firm.number,
        session.disconnect_grace_ns,
        operator,
        approver,
        session.name,
    )


def _decide_grant(venue: VenueState, command: GrantSession) -> Refused | None:
    assert venue.configuration is not None
    account = venue.accounts.get(command.account)
    if account is None:
        return Refused(RejectCode.ACCOUNT_UNKNOWN)
    if command.session == 0:
        return Refused(RejectCode.IDENTIFIER_INVALID)
    if command.firm not in venue.firms:
        return Refused(RejectCode.FIRM_UNKNOWN)
    session = venue.sessions.get(command.session)
    # A session acts for the accounts of one firm, its own, for ever.
    if account.firm.number != command.firm:
        return Refused(RejectCode.IDENTIFIER_INVALID, account.firm.number, command.firm)
    if session is not None and session.firm.number != command.firm:
        return Refused(RejectCode.IDENTIFIER_INVALID, session.firm.number, command.firm)
    if not is_name(command.name) or (session is not None and session.name != command.name):
        return Refused(RejectCode.IDENTIFIER_INVALID)
    if session is None and (Session, command.name) in venue.names:
        return Refused(RejectCode.ALREADY_EXISTS)
    if (
        command.rights > RIGHTS_KNOWN
        or command.cancel_on_disconnect > CANCEL_ACCOUNT_ORDERS
        or not 0 <= command.disconnect_grace_ns < AMOUNT_LIMIT
    ):
        return Refused(RejectCode.FIELD_INVALID)
    limit = venue.configuration.sessions_max
    if session is None and len(venue.sessions) >= limit:
        return Refused(RejectCode.CAPACITY_EXCEEDED, limit, len(venue.sessions) + 1)
    return None


def open_session(venue: VenueState, command: OpenSession) -> None:
    """Let a new connection speak for a session; an older one is closed first."""
    refused = _decide_opening(venue, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.session)
        return
    _open(venue, command, chosen=None)


def open_session_on_terms(venue: VenueState, command: OpenSessionOnTerms) -> None:
    """Let a new connection speak for a session, and keep what its end shall do."""
    refused = _decide_opening(venue, command)
    if refused is None and (
        command.cancel_on_disconnect > CANCEL_ACCOUNT_ORDERS
        or not 0 <= command.disconnect_grace_ns < AMOUNT_LIMIT
    ):
        refused = Refused(RejectCode.FIELD_INVALID)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.session)
        return
    _open(venue, command, chosen=(command.cancel_on_disconnect, command.disconnect_grace_ns))


def _decide_opening(venue: VenueState, command: OpenSession | OpenSessionOnTerms) -> Refused | None:
    session = venue.sessions.get(command.session)
    if session is None:
        return Refused(RejectCode.SESSION_UNKNOWN)
    if command.connection <= session.last_connection:
        return Refused(
            RejectCode.IDENTIFIER_INVALID, session.last_connection + 1, command.connection
        )
    return None


def _open(
    venue: VenueState,
    command: OpenSession | OpenSessionOnTerms,
    *,
    chosen: tuple[int, int] | None,
) -> None:
    session = venue.sessions[command.session]
    if session.connection:
        _close(venue, session, is_graceful=False)
    end_grace(venue, session)
    session.connection = session.last_connection = command.connection
    session.principal = principal_of(command.source)
    session.chosen = chosen
    venue.events.emit(_SESSION_OPENED, session.number, session.connection)


def close_session(venue: VenueState, command: CloseSession) -> None:
    """Fence a connection off; a connection that is not the live one was fenced off before."""
    session = venue.sessions.get(command.session)
    refused = None
    if session is None:
        refused = Refused(RejectCode.SESSION_UNKNOWN)
    elif session.connection == 0 or command.connection != session.connection:
        refused = Refused(RejectCode.SESSION_CLOSED, session.connection, command.connection)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.session)
        return
    assert session is not None
    _close(venue, session, is_graceful=command.graceful != 0)


def lose_link(venue: VenueState, command: LinkLost) -> None:
    """Close every open session that a gateway carried, the smallest number first."""
    for number in sorted(venue.sessions):
        session = venue.sessions[number]
        if session.connection and session.principal == command.principal:
            _close(venue, session, is_graceful=False)


def _close(venue: VenueState, session: Session, *, is_graceful: bool) -> None:
    connection = session.connection
    session.connection = 0
    cancelled = 0
    mode, grace_ns = session.terms
    if mode and grace_ns:
        session.grace_until_ns = venue.last_time_ns + grace_ns
        venue.deadlines.add(session.grace_until_ns, SESSION_GRACE, session.number)
    elif mode:
        cancelled = _cancel_for_disconnect(venue, session)
    venue.events.emit(
        _SESSION_CLOSED, session.number, connection, 1 if is_graceful else 0, 0, 0, cancelled
    )
    _say_fenced(venue, session, cancelled)


def _say_fenced(venue: VenueState, session: Session, cancelled: int) -> None:
    # A session's requests come from the sub-source of its own number.
    source = (session.principal << SOURCE_BITS | session.number) & 0xFFFFFFFF
    epoch, sequence = venue.sources.get(source, (0, 0))
    venue.events.emit(
        _SESSION_FENCED,
        session.number,
        session.last_connection,
        session.terms[0],
        0,
        0,
        cancelled,
        epoch,
        0,
        sequence,
        session.grace_until_ns,
    )


def end_grace(venue: VenueState, session: Session) -> None:
    """Forget that orders of a lost connection would go: it came back, or they went."""
    if session.grace_until_ns:
        venue.deadlines.remove(session.grace_until_ns, SESSION_GRACE, session.number)
        session.grace_until_ns = 0


def run_out_of_grace(venue: VenueState, session: Session) -> None:
    """Cancel what was kept for a session that did not come back in time."""
    session.grace_until_ns = 0
    _say_fenced(venue, session, _cancel_for_disconnect(venue, session))


def _cancel_for_disconnect(venue: VenueState, session: Session) -> int:
    """Cancel what a lost connection should take with it; return how many orders went.

    SESSION means the orders that came through the session, ACCOUNT all orders of every account
    that it has rights on: also those that a lost drop copy would have watched. Its requests for
    quote and quotes go likewise, after the orders.
    """
    mode, _ = session.terms
    if mode == CANCEL_SESSION_ORDERS:
        accounts = [each for each in venue.accounts.values() if each.firm is session.firm]
    else:
        accounts = [venue.accounts[number] for number in session.rights]
    orders = [
        order
        for account in accounts
        for order in account.open_orders.values()
        if mode == CANCEL_ACCOUNT_ORDERS or order.session == session.number
    ]
    cancelled = cancel_all(venue, orders, reason=DISCONNECT)
    _end_negotiations(venue, session, {each.number for each in accounts})
    return cancelled


def _end_negotiations(venue: VenueState, session: Session, accounts: set[int]) -> None:
    """End what a lost connection asked and quoted, by the same rule as its orders."""
    mode, _ = session.terms

    def goes(each: QuoteRequest | RfqQuote) -> bool:
        is_in = mode == CANCEL_ACCOUNT_ORDERS or each.session == session.number
        return is_in and each.account.number in accounts

    end_all(
        venue,
        requests=[each for each in venue.quote_requests.values() if goes(each)],
        quotes=[each for each in venue.rfq_quotes.values() if goes(each)],
        reason=RFQ_DISCONNECT,
    )
