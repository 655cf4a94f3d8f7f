"""Kill switches: thrown and lifted per venue, firm, account, session or instrument."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import Kill, Resume
from messages.trading.events import Killed, Resumed
from risk.decisions import Refused
from venue.reference.accounts import Account, Firm
from venue.reference.cancels import cancel_all
from venue.reference.event_writer import shape
from venue.reference.instruments import Instrument
from venue.reference.orders import Order
from venue.reference.quote_requests import end_all
from venue.reference.rejections import reject_command
from venue.reference.sessions import Session
from venue.reference.state import VenueState
from venue.reference.values import (
    ACCOUNT,
    FIRM,
    INSTRUMENT,
    KILL_SWITCH,
    RFQ_KILL_SWITCH,
    SESSION,
    VENUE,
)

_KILLED: Final = shape(Killed)
_RESUMED: Final = shape(Resumed)

_UNKNOWN: Final = {
    FIRM: RejectCode.FIRM_UNKNOWN,
    ACCOUNT: RejectCode.ACCOUNT_UNKNOWN,
    SESSION: RejectCode.SESSION_UNKNOWN,
    INSTRUMENT: RejectCode.INSTRUMENT_UNKNOWN,
}

Switched = VenueState | Firm | Account | Session | Instrument


def kill(venue: VenueState, command: Kill) -> None:
    """Stop new orders in a scope and, if asked, cancel its open ones; harmless when repeated."""
    switched = _switched(venue, command)
    if isinstance(switched, Refused):
        reject_command(venue, command, switched, subject=command.target)
        return
    switched.is_killed = True
    cancelled = 0
    if command.cancel_orders:
        orders = [each for each in _open_orders(venue) if _is_in(each, command)]
        cancelled = cancel_all(venue, orders, reason=KILL_SWITCH)
        _end_negotiations(venue, command)
    venue.events.emit(
        _KILLED,
        command.scope,
        0,
        0,
        command.target,
        cancelled,
        command.operator,
        command.approver,
        0,
        command.text,
    )


def resume(venue: VenueState, command: Resume) -> None:
    """Lift one kill switch; harmless when it was not thrown, refused while the account owes."""
    switched = _switched(venue, command)
    if isinstance(switched, Account) and (owed_assets := switched.owed_assets):
        switched = Refused(RejectCode.RECEIVABLE_OUTSTANDING, 0, owed_assets)
    if isinstance(switched, Refused):
        reject_command(venue, command, switched, subject=command.target)
        return
    switched.is_killed = False
    venue.events.emit(
        _RESUMED,
        command.scope,
        0,
        0,
        command.target,
        command.operator,
        command.approver,
        command.text,
    )


def _switched(venue: VenueState, command: Kill | Resume) -> Switched | Refused:
    """Return what carries the switch."""
    scope, target = command.scope, command.target
    if scope == VENUE:
        return Refused(RejectCode.IDENTIFIER_INVALID, 0, target) if target else venue
    found: Firm | Account | Session | Instrument | None
    if scope == FIRM:
        found = venue.firms.get(target)
    elif scope == ACCOUNT:
        found = venue.accounts.get(target)
    elif scope == SESSION:
        found = venue.sessions.get(target)
    elif scope == INSTRUMENT:
        found = venue.instruments.get(target)
    else:
        return Refused(RejectCode.SCOPE_INVALID, 0, scope)
    return Refused(_UNKNOWN[scope]) if found is None else found


def _end_negotiations(venue: VenueState, command: Kill) -> None:
    """End the requests for quote and quotes in the scope, after its orders."""
    end_all(
        venue,
        requests=[
            each
            for each in venue.quote_requests.values()
            if _reaches(command, each.account, each.session, each.instrument.number)
        ],
        quotes=[
            each
            for each in venue.rfq_quotes.values()
            if _reaches(command, each.account, each.session, each.request.instrument.number)
        ],
        reason=RFQ_KILL_SWITCH,
    )


def _open_orders(venue: VenueState) -> list[Order]:
    return [order for account in venue.accounts.values() for order in account.open_orders.values()]


def _is_in(order: Order, command: Kill) -> bool:
    return _reaches(command, order.account, order.session, order.instrument_number)


def _reaches(command: Kill, account: Account, session: int, instrument: int) -> bool:
    scope, target = command.scope, command.target
    return (
        scope == VENUE
        or (scope == FIRM and account.firm.number == target)
        or (scope == ACCOUNT and account.number == target)
        or (scope == SESSION and session == target)
        or (scope == INSTRUMENT and instrument == target)
    )
