"""Money that enters and leaves: each reference is honoured once, for ever."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AdjustBalance,
    CommitWithdrawal,
    Credit,
    Debit,
    ReleaseWithdrawal,
    ReserveWithdrawal,
    SettleReceivable,
    TransferFunds,
)
from messages.trading.events import BalanceChanged
from messages.trading.terms import AMOUNT_LIMIT, BalanceCause
from risk.decisions import Refused, decide_approval, is_client_id
from venue.reference.accounts import Account, Withdrawal
from venue.reference.event_writer import shape
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState

_BALANCE_CHANGED: Final = shape(BalanceChanged)


_GIVEN: Final = (BalanceCause.REWARD, BalanceCause.ADJUSTMENT_CREDIT)
_ADJUSTED: Final = (*_GIVEN, BalanceCause.ADJUSTMENT_DEBIT)


def credit(venue: VenueState, command: Credit) -> None:
    """Add money that arrived from outside."""
    refused = decide_amount(venue, command) or _decide_supply(venue, command)
    if refused is not None:
        _reject(venue, command, refused)
        return
    _move(venue, command, BalanceCause.CREDIT, change_atoms=command.amount_atoms)


def debit(venue: VenueState, command: Debit) -> None:
    """Take free money out of the venue at once."""
    refused = decide_amount(venue, command) or decide_free(venue, command)
    if refused is not None:
        _reject(venue, command, refused)
        return
    _move(venue, command, BalanceCause.DEBIT, change_atoms=-command.amount_atoms)


def adjust_balance(venue: VenueState, command: AdjustBalance) -> None:
    """Give an account money of the venue's, or take free money back, as two operators agreed."""
    is_given = command.cause in _GIVEN
    refused = (
        decide_amount(venue, command)
        or decide_approval(operator=command.operator, approver=command.approver)
        or _decide_cause(command)
        or (_decide_supply(venue, command) if is_given else decide_free(venue, command))
    )
    if refused is not None:
        _reject(venue, command, refused)
        return
    change_atoms = command.amount_atoms if is_given else -command.amount_atoms
    _move(venue, command, BalanceCause(command.cause), change_atoms=change_atoms)


def _decide_cause(command: AdjustBalance) -> Refused | None:
    if command.cause in _ADJUSTED:
        return None
    return Refused(
        RejectCode.ADJUSTMENT_CAUSE_INVALID, BalanceCause.ADJUSTMENT_DEBIT, command.cause
    )


def _decide_supply(venue: VenueState, command: Credit | AdjustBalance) -> Refused | None:
    asset = venue.assets[command.asset]
    usage = asset.supply_atoms + command.amount_atoms
    if usage > asset.supply_max_atoms:
        return Refused(RejectCode.SUPPLY_EXCEEDED, asset.supply_max_atoms, usage)
    return None


def _move(
    venue: VenueState,
    command: Credit | Debit | AdjustBalance,
    cause: BalanceCause,
    *,
    change_atoms: int,
) -> None:
    venue.references[command.reference] = False
    account = venue.accounts[command.account]
    venue.assets[command.asset].supply_atoms += change_atoms
    account.balance(command.asset).balance_atoms += change_atoms
    _say(
        venue,
        command,
        account,
        asset=command.asset,
        cause=cause,
        amount_atoms=command.amount_atoms,
        change_atoms=change_atoms,
    )


def reserve_withdrawal(venue: VenueState, command: ReserveWithdrawal) -> None:
    """Hold free money until the withdrawal is committed or released."""
    refused = decide_amount(venue, command) or decide_free(venue, command)
    if refused is not None:
        _reject(venue, command, refused)
        return
    venue.references[command.reference] = True
    account = venue.accounts[command.account]
    venue.withdrawals[command.reference] = Withdrawal(
        account=account, asset=command.asset, amount_atoms=command.amount_atoms
    )
    account.balance(command.asset).held_atoms += command.amount_atoms
    _say(
        venue,
        command,
        account,
        asset=command.asset,
        cause=BalanceCause.WITHDRAWAL_RESERVED,
        amount_atoms=command.amount_atoms,
        change_atoms=0,
    )


def commit_withdrawal(venue: VenueState, command: CommitWithdrawal) -> None:
    """Let a reserved withdrawal's money be gone."""
    withdrawal = _end_withdrawal(venue, command)
    if withdrawal is None:
        return
    amount_atoms = withdrawal.amount_atoms
    withdrawal.account.balance(withdrawal.asset).balance_atoms -= amount_atoms
    venue.assets[withdrawal.asset].supply_atoms -= amount_atoms
    _say(
        venue,
        command,
        withdrawal.account,
        asset=withdrawal.asset,
        cause=BalanceCause.WITHDRAWAL_COMMITTED,
        amount_atoms=amount_atoms,
        change_atoms=-amount_atoms,
    )


def release_withdrawal(venue: VenueState, command: ReleaseWithdrawal) -> None:
    """Let a reserved withdrawal's money be free again."""
    withdrawal = _end_withdrawal(venue, command)
    if withdrawal is None:
        return
    _say(
        venue,
        command,
        withdrawal.account,
        asset=withdrawal.asset,
        cause=BalanceCause.WITHDRAWAL_RELEASED,
        amount_atoms=withdrawal.amount_atoms,
        change_atoms=0,
    )


def _end_withdrawal(
    venue: VenueState, command: CommitWithdrawal | ReleaseWithdrawal
) -> Withdrawal | None:
    """Take a withdrawal out and free its hold; refuse when there is none by that reference."""
    withdrawal = venue.withdrawals.get(command.reference)
    if withdrawal is None or command.account not in {0, withdrawal.account.number}:
        was_withdrawal = withdrawal is None and venue.references.get(command.reference, False)
        code = RejectCode.DUPLICATE_REFERENCE if was_withdrawal else RejectCode.WITHDRAWAL_UNKNOWN
        reject_command(venue, command, Refused(code), subject=0, reference=command.reference)
        return None
    del venue.withdrawals[command.reference]
    withdrawal.account.balance(withdrawal.asset).held_atoms -= withdrawal.amount_atoms
    return withdrawal


def decide_amount(
    venue: VenueState,
    command: (
        Credit | Debit | ReserveWithdrawal | TransferFunds | SettleReceivable | AdjustBalance
    ),
) -> Refused | None:
    """Say whether account, asset, amount and reference of a money command are in order."""
    if command.account not in venue.accounts:
        return Refused(RejectCode.ACCOUNT_UNKNOWN)
    if command.asset not in venue.assets:
        return Refused(RejectCode.ASSET_UNKNOWN)
    if not 0 < command.amount_atoms < AMOUNT_LIMIT:
        return Refused(RejectCode.AMOUNT_INVALID, AMOUNT_LIMIT - 1, command.amount_atoms)
    return decide_reference(venue, command.reference)


def decide_reference(venue: VenueState, reference: bytes) -> Refused | None:
    """Say whether a reference is well formed and new, and whether it can be remembered."""
    assert venue.configuration is not None
    if not is_client_id(reference):
        return Refused(RejectCode.REFERENCE_INVALID)
    if reference in venue.references:
        return Refused(RejectCode.DUPLICATE_REFERENCE)
    limit = venue.configuration.references_max
    if len(venue.references) >= limit:
        return Refused(RejectCode.REFERENCE_MEMORY_FULL, limit, len(venue.references) + 1)
    return None


def decide_free(
    venue: VenueState, command: Debit | ReserveWithdrawal | TransferFunds | AdjustBalance
) -> Refused | None:
    """Say whether an account may give so much away: its own, free, and nothing while it owes."""
    account = venue.accounts[command.account]
    if owed_assets := account.owed_assets:
        return Refused(RejectCode.RECEIVABLE_OUTSTANDING, 0, owed_assets)
    free_atoms = account.balance(command.asset).free_atoms
    if command.amount_atoms > free_atoms:
        return Refused(RejectCode.INSUFFICIENT_FUNDS, free_atoms, command.amount_atoms)
    return None


def _reject(
    venue: VenueState,
    command: Credit | Debit | ReserveWithdrawal | AdjustBalance,
    refused: Refused,
) -> None:
    reject_command(venue, command, refused, subject=command.asset, reference=command.reference)


def _say(
    venue: VenueState,
    command: (
        Credit | Debit | ReserveWithdrawal | CommitWithdrawal | ReleaseWithdrawal | AdjustBalance
    ),
    account: Account,
    *,
    asset: int,
    cause: BalanceCause,
    amount_atoms: int,
    change_atoms: int,
) -> None:
    balance = account.balance(asset)
    venue.events.emit(
        _BALANCE_CHANGED,
        account.number,
        asset,
        cause,
        0,
        0,
        0,
        amount_atoms,
        change_atoms,
        balance.balance_atoms,
        balance.held_atoms,
        command.operator,
        command.approver,
        command.reference,
    )
