"""MassAction: a client suspends, releases or cancels a scope of its own."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import MassAction
from messages.trading.events import MassActionAccepted, MassActionCompleted, MassActionRejected
from messages.trading.terms import MassActionType
from risk.decisions import Refused
from venue.reference.accounts import Account
from venue.reference.cancels import (
    cancel_all,
    decide_scope,
    orders_in_scope,
    remember_request,
    tradable_accounts,
)
from venue.reference.event_writer import Shape, clipped, shape
from venue.reference.state import VenueState
from venue.reference.suspensions import Target, decide_room, release, suspend
from venue.reference.values import ACCOUNT, MASS_CANCEL, SESSION

_ACCEPTED: Final = shape(MassActionAccepted)
_COMPLETED: Final = shape(MassActionCompleted)
_REJECTED: Final = shape(MassActionRejected)
_SUSPEND: Final = int(MassActionType.SUSPEND)
_RELEASE: Final = int(MassActionType.RELEASE)
_CANCEL: Final = int(MassActionType.CANCEL)


def mass_action(venue: VenueState, command: MassAction) -> None:
    """Do to a scope what its client asks, between MassActionAccepted and MassActionCompleted."""
    account = venue.accounts.get(command.account)
    refused = None
    if not _SUSPEND <= command.action <= _CANCEL:
        refused = Refused(RejectCode.FIELD_INVALID, _CANCEL, command.action)
    refused = refused or decide_scope(venue, command, account)
    targets: list[Target] = []
    if refused is None:
        assert account is not None
        targets = _targets(venue, command, account)
        if command.action == _SUSPEND:
            refused = decide_room(venue, targets, instrument=command.instrument, side=command.side)
    if refused is not None:
        reject_mass_action(venue, command, refused)
        return
    assert account is not None
    remember_request(venue, account, command.client_order_id)
    _say(venue, _ACCEPTED, command, 0)
    _say(venue, _COMPLETED, command, _act(venue, command, account, targets))


def _targets(venue: VenueState, command: MassAction, account: Account) -> list[Target]:
    if command.scope == SESSION:
        return [(SESSION, command.session)]
    if command.scope == ACCOUNT:
        return [(ACCOUNT, account.number)]
    session = venue.sessions[command.session]
    return [(ACCOUNT, each.number) for each in tradable_accounts(venue, session)]


def _act(venue: VenueState, command: MassAction, account: Account, targets: list[Target]) -> int:
    if command.action == _CANCEL:
        return cancel_all(
            venue,
            orders_in_scope(venue, command, account),
            reason=MASS_CANCEL,
            origin_session=command.session,
            origin_connection=command.connection,
            request_id=command.client_order_id,
        )
    change = suspend if command.action == _SUSPEND else release
    return change(venue, targets, instrument=command.instrument, side=command.side)


def _say(
    venue: VenueState, event: Shape, command: MassAction, affected: int, *further: int
) -> None:
    venue.events.emit(
        event,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.action,
        command.scope,
        command.side,
        0,
        affected,
        command.client_order_id,
        *further,
    )


def reject_mass_action(venue: VenueState, command: MassAction, refused: Refused) -> None:
    """Refuse a MassAction."""
    limit, usage = clipped(refused.limit), clipped(refused.usage)
    _say(venue, _REJECTED, command, 0, refused.code, 0, 0, limit, usage)
