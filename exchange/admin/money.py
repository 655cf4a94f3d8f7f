"""Actions on clients' money: each becomes a sequenced command with a reference honoured once."""

from typing import ClassVar

import msgspec

from exchange.admin.actions import (
    Body,
    Decimal,
    Desk,
    Done,
    Hands,
    Plan,
    Reference,
    Word,
    once,
)
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError
from exchange.operator_link import Outcome, matching
from exchange.withdrawal_gate import require_withdrawals
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause

_LEAVES = frozenset(
    {
        BalanceCause.DEBIT,
        BalanceCause.WITHDRAWAL_RESERVED,
        BalanceCause.WITHDRAWAL_COMMITTED,
    }
)
"""What lets money leave the venue, and stands still while the auditor says so."""


class _Money(Body, frozen=True):
    """Money of one account, under a reference that its proposer chose."""

    COMMAND: ClassVar[type[commands.Command]]
    CAUSE: ClassVar[BalanceCause]
    account: Word
    reference: Reference

    def command(self, known: Directory) -> commands.Command:
        """Return the command, without its operators."""
        return self.COMMAND.make(
            account=known.account(self.account), reference=client_id(self.reference)
        )

    def summary(self, known: Directory) -> str:
        """Say what it does."""
        verb = self.CAUSE.name.lower().replace("_", " ")
        return f"{verb}, reference {self.reference}, for {self._account(known)}"

    def _account(self, known: Directory) -> str:
        return known.name("account", known.account(self.account))

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        if self.CAUSE in _LEAVES:
            require_withdrawals(desk.state.auditor)
        command = self.command(desk.known)

        async def perform(hands: Hands) -> Done:
            wanted = matching(
                events.BalanceChanged,
                account=command.account,
                cause=self.CAUSE,
                reference=client_id(self.reference),
            )
            try:
                event = await hands.send(command, wanted)
            except CommandRefusedError as error:
                if error.code is not RejectCode.DUPLICATE_REFERENCE:
                    raise
                return await self._honoured_before(desk, command)
            return Done(said=_said(desk.known, event), event=event.number)

        return Plan(summary=self.summary(desk.known), perform=perform)

    def told(self, known: Directory, /) -> Outcome:
        """See ``Body.told``; its reference is its own."""
        command = self.command(known)
        terms = {
            name: getattr(command, name)
            for name in ("account", "asset", "amount_atoms", "reference")
            if hasattr(command, name)
        }
        return matching(events.BalanceChanged, cause=self.CAUSE, **terms)

    async def _honoured_before(self, desk: Desk, command: commands.Command) -> Done:
        """Tell a repeat, which succeeded long ago, from another movement under a used reference."""
        used = await desk.core.movements(client_id(self.reference))
        asset, amount = getattr(command, "asset", None), getattr(command, "amount_atoms", None)
        for event in used:
            is_same = (event.account, event.cause) == (command.account, self.CAUSE)
            if is_same and asset in (None, event.asset) and amount in (None, event.amount_atoms):
                said = f"reference {self.reference} was honoured before; nothing changed"
                return Done(said=said, event=event.number)
        said = "; ".join(_movement(desk.known, event) for event in used)
        whose = said or "another account's money"
        raise CommandError(f"reference {self.reference} is used already: {whose}")


class _Amount(_Money, frozen=True):
    """An amount of an asset."""

    asset: Word
    amount: Decimal

    def command(self, known: Directory) -> commands.Command:
        """See ``_Money.command``."""
        asset = known.asset(self.asset)
        return self.COMMAND.make(
            account=known.account(self.account),
            asset=asset.asset,
            amount_atoms=known.atoms(asset, self.amount),
            reference=client_id(self.reference),
        )

    def summary(self, known: Directory) -> str:
        """See ``_Money.summary``."""
        asset = known.asset(self.asset)
        amount = known.amount(asset, known.atoms(asset, self.amount))
        verb = self.CAUSE.name.lower().replace("_", " ")
        return f"{verb} of {amount} for {self._account(known)}, reference {self.reference}"


class Credit(_Amount, frozen=True):
    """Add money that arrived from outside."""

    COMMAND = commands.Credit
    CAUSE = BalanceCause.CREDIT


class Debit(_Amount, frozen=True):
    """Take free money out at once."""

    COMMAND = commands.Debit
    CAUSE = BalanceCause.DEBIT


class _Adjustment(_Amount, frozen=True):
    """Money of the venue's: given to an account, or free money of an account taken back."""

    COMMAND = commands.AdjustBalance

    def command(self, known: Directory) -> commands.Command:
        """See ``_Money.command``."""
        return msgspec.structs.replace(super().command(known), cause=int(self.CAUSE))


class Reward(_Adjustment, frozen=True):
    """Pay a reward for liquidity."""

    CAUSE = BalanceCause.REWARD


class AdjustUp(_Adjustment, frozen=True):
    """Give an account what a mistake has cost it."""

    CAUSE = BalanceCause.ADJUSTMENT_CREDIT


class AdjustDown(_Adjustment, frozen=True):
    """Take back what a mistake has given an account."""

    CAUSE = BalanceCause.ADJUSTMENT_DEBIT


class Reserve(_Amount, frozen=True):
    """Hold free money for a withdrawal."""

    COMMAND = commands.ReserveWithdrawal
    CAUSE = BalanceCause.WITHDRAWAL_RESERVED


class Commit(_Money, frozen=True):
    """Say that a reserved withdrawal has left."""

    COMMAND = commands.CommitWithdrawal
    CAUSE = BalanceCause.WITHDRAWAL_COMMITTED


class Release(_Money, frozen=True):
    """Give a reserved withdrawal's money back."""

    COMMAND = commands.ReleaseWithdrawal
    CAUSE = BalanceCause.WITHDRAWAL_RELEASED


class Transfer(Body, frozen=True):
    """Move free money between two accounts of one firm."""

    account: Word
    to: Word
    asset: Word
    amount: Decimal

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        known = desk.known
        account, to, asset = known.account(self.account), known.account(self.to), self.asset
        found = known.asset(asset)
        atoms = known.atoms(found, self.amount)
        summary = (
            f"transfer {known.amount(found, atoms)} from {known.name('account', account)} "
            f"to {known.name('account', to)}"
        )

        async def perform(hands: Hands) -> Done:
            command = commands.TransferFunds.make(
                account=account, to_account=to, asset=found.asset, amount_atoms=atoms
            )
            return await once(hands, command, self.told(known), summary)

        return Plan(summary=summary, perform=perform)

    def told(self, known: Directory, /) -> Outcome:
        """See ``Body.told``."""
        asset = known.asset(self.asset)
        return matching(
            events.FundsTransferred,
            account=known.account(self.account),
            to_account=known.account(self.to),
            asset=asset.asset,
            amount_atoms=known.atoms(asset, self.amount),
        )


class Settle(Body, frozen=True):
    """Let an account pay what it owes since a bust."""

    account: Word
    asset: Word
    amount: Decimal

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        known = desk.known
        account, asset = known.account(self.account), known.asset(self.asset)
        atoms = known.atoms(asset, self.amount)
        name = known.name("account", account)
        summary = f"let {name} pay {known.amount(asset, atoms)} of what it owes"

        async def perform(hands: Hands) -> Done:
            command = commands.SettleReceivable.make(
                account=account, asset=asset.asset, amount_atoms=atoms
            )
            return await once(hands, command, self.told(known), summary)

        return Plan(summary=summary, perform=perform)

    def told(self, known: Directory, /) -> Outcome:
        """See ``Body.told``."""
        asset = known.asset(self.asset)
        return matching(
            events.ReceivableChanged,
            account=known.account(self.account),
            asset=asset.asset,
            change_atoms=-known.atoms(asset, self.amount),
        )


def _said(known: Directory, event: Record) -> str:
    assert isinstance(event, events.BalanceChanged)
    asset = known.asset(str(event.asset))
    return (
        f"{_movement(known, event)}: it has {known.amount(asset, event.balance_atoms)}, "
        f"of it held {known.amount(asset, event.held_atoms)}"
    )


def _movement(known: Directory, event: events.BalanceChanged) -> str:
    cause = BalanceCause(event.cause).name.lower().replace("_", " ")
    amount = known.amount(known.asset(str(event.asset)), event.amount_atoms)
    return f"{cause} of {amount} for {known.name('account', event.account)}"
