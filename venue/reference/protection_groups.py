"""The commands about protection groups: definition, reset and query."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import DefineProtection, QueryProtection, ResetProtection
from messages.trading.events import ProtectionDefined, ProtectionReported
from messages.trading.terms import AMOUNT_LIMIT, ThawCause
from risk.decisions import Refused
from venue.reference import bounds
from venue.reference.accounts import Account
from venue.reference.entry import decide_session
from venue.reference.event_writer import clipped, shape
from venue.reference.protection import PROTECTION_RESET, Protection, lift_freeze
from venue.reference.rejections import reject_command, reject_quoting
from venue.reference.state import VenueState

_PROTECTION_DEFINED: Final = shape(ProtectionDefined)
_PROTECTION_REPORTED: Final = shape(ProtectionReported)

_REQUESTED: Final = int(ThawCause.REQUESTED)


def define_protection(venue: VenueState, command: DefineProtection) -> None:
    """Define a protection group, or give it other limits; it counts from nothing, unfrozen."""
    refused = _decide_definition(venue, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.protection_group)
        return
    account = venue.accounts[command.account]
    number = command.protection_group
    protection = account.protections.get(number)
    if protection is None:
        protection = account.protections[number] = Protection(
            number=number, base_asset=command.base_asset, quote_asset=command.quote_asset
        )
    lift_freeze(venue, account, protection)
    protection.begin_anew()
    protection.quantity_max_atoms = command.quantity_max_atoms
    protection.notional_max_atoms = command.notional_max_atoms
    protection.delta_max_atoms = command.delta_max_atoms
    protection.trades_max = command.trades_max or bounds.PROTECTION_TRADES_MAX
    protection.window_ns = command.window_ns
    protection.frozen_ns = command.frozen_ns
    fields = protection_fields(
        account, protection, operator=command.operator, approver=command.approver
    )
    venue.events.emit(_PROTECTION_DEFINED, *fields)


def protection_fields(
    account: Account, protection: Protection, *, operator: int = 0, approver: int = 0
) -> tuple[int, ...]:
    """Return the fields of ProtectionDefined."""
    return (
        account.number,
        protection.number,
        protection.base_asset,
        protection.quote_asset,
        protection.quantity_max_atoms,
        protection.notional_max_atoms,
        protection.delta_max_atoms,
        protection.window_ns,
        protection.frozen_ns,
        protection.trades_max,
        operator,
        approver,
        0,
    )


def _decide_definition(venue: VenueState, command: DefineProtection) -> Refused | None:
    account = venue.accounts.get(command.account)
    if account is None:
        return Refused(RejectCode.ACCOUNT_UNKNOWN)
    if command.protection_group == 0:
        return Refused(RejectCode.IDENTIFIER_INVALID)
    if command.base_asset not in venue.assets or (
        command.quote_asset and command.quote_asset not in venue.assets
    ):
        return Refused(RejectCode.ASSET_UNKNOWN)
    refused = decide_protection_limits(command)
    if refused is not None:
        return refused
    known = account.protections.get(command.protection_group)
    if known is None:
        limit = bounds.PROTECTIONS_OF_ACCOUNT_MAX
        if len(account.protections) >= limit:
            return Refused(RejectCode.CAPACITY_EXCEEDED, limit, len(account.protections) + 1)
    elif (known.base_asset, known.quote_asset) != (command.base_asset, command.quote_asset):
        return Refused(RejectCode.PROTECTION_ASSETS_DIFFER, known.base_asset, command.base_asset)
    return None


def decide_protection_limits(wanted: DefineProtection | Protection) -> Refused | None:
    """Say whether a group may have such limits: a notional has an asset, a window some length."""
    amounts = (wanted.quantity_max_atoms, wanted.notional_max_atoms, wanted.delta_max_atoms)
    if (
        not all(0 <= each < AMOUNT_LIMIT for each in amounts)
        or not 0 < wanted.window_ns < AMOUNT_LIMIT
        or not 0 <= wanted.frozen_ns < AMOUNT_LIMIT
        or (wanted.notional_max_atoms and not wanted.quote_asset)
        or wanted.base_asset == wanted.quote_asset
    ):
        return Refused(RejectCode.LIMITS_INVALID)
    limit = bounds.PROTECTION_TRADES_MAX
    if wanted.trades_max > limit:
        return Refused(RejectCode.LIMITS_INVALID, limit, wanted.trades_max)
    return None


def reset_protection(venue: VenueState, command: ResetProtection) -> None:
    """Let a group count from nothing and quote again, or refuse to."""
    found = _find(venue, command)
    if isinstance(found, Refused):
        reject_quoting(venue, command, found)
        return
    account, (protection,) = found
    was_frozen = protection.is_frozen
    lift_freeze(venue, account, protection)
    protection.begin_anew()
    venue.events.emit(
        PROTECTION_RESET,
        command.account,
        command.session,
        command.connection,
        protection.number,
        _REQUESTED,
        int(was_frozen),
        0,
        0,
        command.request_id,
    )


def query_protection(venue: VenueState, command: QueryProtection) -> None:
    """Say where a group stands now, or all groups of the account, or refuse to."""
    found = _find(venue, command)
    if isinstance(found, Refused):
        reject_quoting(venue, command, found)
        return
    _, protections = found
    for left, protection in zip(range(len(protections) - 1, -1, -1), protections, strict=True):
        protection.forget(venue.last_time_ns)
        venue.events.emit(
            _PROTECTION_REPORTED,
            command.account,
            command.session,
            command.connection,
            protection.number,
            protection.base_asset,
            protection.quote_asset,
            int(protection.is_frozen),
            0,
            left,
            len(protection.fills),
            protection.trades_max,
            0,
            clipped(protection.quantity_atoms),
            protection.quantity_max_atoms,
            clipped(protection.notional_atoms),
            protection.notional_max_atoms,
            clipped(protection.delta_atoms),
            protection.delta_max_atoms,
            protection.window_ns,
            protection.frozen_until_ns,
            command.request_id,
        )


def _find(
    venue: VenueState, command: ResetProtection | QueryProtection
) -> tuple[Account, list[Protection]] | Refused:
    """Return the groups that a request names; a query of none names all, if there are any."""
    account = venue.accounts.get(command.account)
    refused = decide_session(venue, command, account)
    if refused is not None:
        return refused
    assert account is not None
    number = command.protection_group
    if number == 0 and isinstance(command, QueryProtection):
        found = [each for _, each in sorted(account.protections.items())]
    else:
        found = [account.protections[number]] if number in account.protections else []
    if not found:
        return Refused(RejectCode.PROTECTION_UNKNOWN, 0, number)
    return account, found
