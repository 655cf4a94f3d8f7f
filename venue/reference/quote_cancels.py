"""CancelQuotes: takes quotes away, as many as a scope reaches."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import CancelQuotes
from messages.trading.events import QuotesCancelled
from messages.trading.terms import QuoteScope
from risk.decisions import Refused
from venue.reference.accounts import Account
from venue.reference.cancels import cancel_all
from venue.reference.entry import decide_session
from venue.reference.event_writer import shape
from venue.reference.orders import Order
from venue.reference.rejections import reject_quoting
from venue.reference.state import VenueState
from venue.reference.values import QUOTE_WITHDRAWN

_QUOTES_CANCELLED: Final = shape(QuotesCancelled)

_ALL: Final = int(QuoteScope.ALL)
_INSTRUMENT: Final = int(QuoteScope.INSTRUMENT)
_PROTECTION_GROUP: Final = int(QuoteScope.PROTECTION_GROUP)
_ENTRY: Final = int(QuoteScope.ENTRY)


def cancel_quotes(venue: VenueState, command: CancelQuotes) -> None:
    """Cancel an account's quotes in a scope, oldest first, or refuse to.

    Like every cancel it is taken in each phase and under each kill switch; that nothing stands
    in its scope is no reason to refuse it.
    """
    account = venue.accounts.get(command.account)
    refused = decide_session(venue, command, account) or _decide_scope(venue, command)
    if refused is not None:
        reject_quoting(venue, command, refused)
        return
    assert account is not None
    cancelled = cancel_all(
        venue,
        _sides_in_scope(account, command),
        reason=QUOTE_WITHDRAWN,
        origin_session=command.session,
        origin_connection=command.connection,
        request_id=command.request_id,
    )
    venue.events.emit(
        _QUOTES_CANCELLED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.protection_group,
        command.scope,
        0,
        0,
        cancelled,
        0,
        command.entry_id,
        command.request_id,
    )


def _decide_scope(venue: VenueState, command: CancelQuotes) -> Refused | None:
    if not _ALL <= command.scope <= _ENTRY:
        return Refused(RejectCode.SCOPE_INVALID, 0, command.scope)
    if command.scope in {_INSTRUMENT, _ENTRY} and command.instrument not in venue.instruments:
        return Refused(RejectCode.INSTRUMENT_UNKNOWN)
    return None


def _sides_in_scope(account: Account, command: CancelQuotes) -> list[Order]:
    entry_id = command.entry_id.rstrip(b"\0")

    def is_in(order: Order) -> bool:
        if order.quoted is None:
            return False
        instrument, name = order.quoted.key
        if command.scope == _INSTRUMENT:
            return instrument == command.instrument
        if command.scope == _PROTECTION_GROUP:
            return order.protection_group == command.protection_group
        return command.scope == _ALL or (instrument == command.instrument and name == entry_id)

    return [order for order in account.open_orders.values() if is_in(order)]
