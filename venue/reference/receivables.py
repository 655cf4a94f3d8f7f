"""What accounts owe the venue since a bust: raised when it leaves them short, and paid back."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import BustTrade, CorrectTrade, SettleReceivable
from messages.trading.events import ReceivableChanged
from messages.trading.terms import AMOUNT_LIMIT
from risk.decisions import Refused, decide_approval
from venue.reference.accounts import Account, Balance
from venue.reference.event_writer import shape
from venue.reference.money import decide_amount
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState

_RECEIVABLE_CHANGED: Final = shape(ReceivableChanged)


def shortfall_of(balance: Balance, *, change_atoms: int, released_atoms: int = 0) -> int:
    """Return what a change of a balance would leave it short of, were so much of its hold freed.

    An account is never below minus its credit line by a bust; where it was so before, because its
    line was lowered, only what the change adds is a shortfall.
    """
    left_atoms = balance.available_atoms + released_atoms + change_atoms
    return max(0, min(-left_atoms, -change_atoms))


def decide_receivables(venue: VenueState, raised: dict[int, int]) -> Refused | None:
    """Say whether the venue may lend so much more of each asset.

    All that is lent and an asset's largest supply stay below 2**62 together, so that no balance
    can overflow.
    """
    for number, amount_atoms in sorted(raised.items()):
        asset = venue.assets[number]
        limit = AMOUNT_LIMIT - 1 - asset.supply_max_atoms
        usage = asset.lent_atoms() + amount_atoms
        if amount_atoms and usage > limit:
            return Refused(RejectCode.RECEIVABLES_EXCEEDED, limit, usage)
    return None


def raise_receivable(
    venue: VenueState,
    command: BustTrade | CorrectTrade,
    account: Account,
    *,
    asset: int,
    amount_atoms: int,
) -> None:
    """Lend an account what it is short of."""
    _change(venue, command, account, asset=asset, change_atoms=amount_atoms)


def settle_receivable(venue: VenueState, command: SettleReceivable) -> None:
    """Let an account pay back what it owes, from money that is free."""
    refused = decide_amount(venue, command) or decide_approval(
        operator=command.operator, approver=command.approver
    )
    if refused is None:
        balance = venue.accounts[command.account].balance(command.asset)
        owed_atoms, free_atoms = balance.receivable_atoms, balance.free_atoms
        if command.amount_atoms > owed_atoms:
            refused = Refused(RejectCode.RECEIVABLE_OVERPAID, owed_atoms, command.amount_atoms)
        elif command.amount_atoms > free_atoms:
            refused = Refused(RejectCode.INSUFFICIENT_FUNDS, free_atoms, command.amount_atoms)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.asset, reference=command.reference)
        return
    venue.references[command.reference] = False
    account = venue.accounts[command.account]
    _change(venue, command, account, asset=command.asset, change_atoms=-command.amount_atoms)


def _change(
    venue: VenueState,
    command: BustTrade | CorrectTrade | SettleReceivable,
    account: Account,
    *,
    asset: int,
    change_atoms: int,
) -> None:
    balance = account.balance(asset)
    balance.balance_atoms += change_atoms
    balance.receivable_atoms += change_atoms
    venue.assets[asset].receivable_atoms += change_atoms
    venue.events.emit(
        _RECEIVABLE_CHANGED,
        account.number,
        asset,
        change_atoms,
        balance.receivable_atoms,
        balance.balance_atoms,
        balance.held_atoms,
        command.operator,
        command.approver,
        command.reference,
    )
