"""Money that moves between accounts of one firm."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import TransferFunds
from messages.trading.events import FundsTransferred
from risk.decisions import Refused, decide_approval
from venue.reference.entry import decide_session
from venue.reference.event_writer import shape
from venue.reference.money import decide_amount, decide_free
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState

_FUNDS_TRANSFERRED: Final = shape(FundsTransferred)


def transfer_funds(venue: VenueState, command: TransferFunds) -> None:
    """Move free money to another account of the firm, or refuse to."""
    refused = (
        decide_amount(venue, command)
        or _decide_asker(venue, command)
        or _decide_target(venue, command)
        or decide_free(venue, command)
    )
    if refused is not None:
        reject_command(venue, command, refused, subject=command.asset, reference=command.reference)
        return
    venue.references[command.reference] = False
    balance = venue.accounts[command.account].balance(command.asset)
    to_balance = venue.accounts[command.to_account].balance(command.asset)
    balance.balance_atoms -= command.amount_atoms
    to_balance.balance_atoms += command.amount_atoms
    venue.events.emit(
        _FUNDS_TRANSFERRED,
        command.account,
        command.to_account,
        command.asset,
        command.session,
        command.amount_atoms,
        balance.balance_atoms,
        balance.held_atoms,
        to_balance.balance_atoms,
        to_balance.held_atoms,
        command.operator,
        command.approver,
        command.reference,
    )


def _decide_asker(venue: VenueState, command: TransferFunds) -> Refused | None:
    """Say whether a session may trade for both accounts, or else two operators agree."""
    to_account = venue.accounts.get(command.to_account)
    if to_account is None:
        return Refused(RejectCode.ACCOUNT_UNKNOWN)
    if command.session == 0:
        return decide_approval(operator=command.operator, approver=command.approver)
    account = venue.accounts[command.account]
    return decide_session(venue, command, account) or decide_session(venue, command, to_account)


def _decide_target(venue: VenueState, command: TransferFunds) -> Refused | None:
    account, to_account = venue.accounts[command.account], venue.accounts[command.to_account]
    if account is to_account:
        return Refused(RejectCode.TRANSFER_TO_ITSELF, 0, to_account.number)
    if account.firm is not to_account.firm:
        return Refused(RejectCode.FIRMS_DIFFER, account.firm.number, to_account.firm.number)
    return None
