"""A shadow of a venue: its events, journal and ledger in memory, in which errors may be planted."""

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import msgspec

from auditor.audit import EventAudit
from auditor.checks.commands import Commands
from auditor.checks.figures import compare_balances
from auditor.checks.ledger import (
    STRETCH,
    LedgerAudit,
    LedgerPicture,
    Rows,
    Sums,
)
from auditor.checks.postings import CorrectionRow, EntryRow, TradeRow
from auditor.findings import Findings
from auditor.picture import Picture
from messages.trading.answers import Balances
from messages.trading.events import LAST_OF_COMMAND


class Shadow:
    """What an auditor reads of a venue, as lists that may be changed.

    ``later_entries`` and ``later_trades`` are the ledger's rows at a second look, when nothing
    new has come: what somebody did to them in between is found by looking back.
    """

    def __init__(self, events: Sequence[Any], commands: Sequence[Any]) -> None:
        """Take a true venue: events of whole commands from the first on, and their journal."""
        self.events = list(events)
        self.commands = list(commands)
        self.entries: list[EntryRow] = []
        self.trades: list[TradeRow] = []
        self.corrections: list[CorrectionRow] = []
        self.balances: Counter[tuple[int, int, int]] = Counter()
        self.beyond: int | None = None
        self.figures = Balances([], [])
        self._keep_books()
        self.position = self.events[-1].number
        self.later_entries: list[EntryRow] | None = None
        self.later_position = self.position

    def _keep_books(self) -> None:
        """Let the shadow's ledger and engine say what the events say."""
        audit = EventAudit(Picture(), Findings())
        audit.see(self.packed())
        picture = audit.picture
        self.figures = Balances(
            [
                (account, asset, each.balance, each.held)
                for (account, asset), each in sorted(picture.holdings.items())
                if each.balance or each.held
            ],
            [(asset, each.supply, each.fees) for asset, each in sorted(picture.assets.items())],
            [
                (account, asset, each.owed)
                for (account, asset), each in sorted(picture.holdings.items())
                if each.owed
            ],
        )
        ledger = LedgerAudit(LedgerPicture(), Findings())
        ledger.expect(self.packed(), offset=0, through=self.events[-1].number)
        expected = ledger.expected()
        self.entries, self.trades = list(expected.entries), list(expected.trades)
        self.corrections = list(expected.corrections)
        for entry in self.entries:
            self.balances[entry.kind, entry.account, entry.asset] += entry.amount

    def packed(self) -> bytes:
        """Return the events' bytes."""
        return b"".join(event.pack() for event in self.events)

    def copy(self) -> Self:
        """Return another one, to plant something in."""
        twin = copy.copy(self)
        for name in ("events", "commands", "entries", "trades", "corrections", "balances"):
            setattr(twin, name, copy.copy(getattr(self, name)))
        return twin

    def find(self, kind: type[Any], **wanted: int) -> int | None:
        """Return the place of the first event of a kind with these fields, if there is one."""
        for at, event in enumerate(self.events):
            if isinstance(event, kind) and all(
                getattr(event, name) == value for name, value in wanted.items()
            ):
                return at
        return None

    def change(self, at: int, **fields: Any) -> None:
        """Put other fields into an event."""
        self.events[at] = msgspec.structs.replace(self.events[at], **fields)

    def drop(self, at: int) -> None:
        """Take an event out so that no number tells: the later ones move up."""
        gone = self.events.pop(at)
        if gone.flags & LAST_OF_COMMAND and at and self.events[at - 1].sequence == gone.sequence:
            self.change(at - 1, flags=gone.flags)
        for later in range(at, len(self.events)):
            self.change(later, number=self.events[later].number - 1)

    def audit(self) -> Findings:
        """Look at all of it as the auditor does."""
        findings = Findings()
        audit = EventAudit(Picture(), findings)
        audit.see(self.packed())
        self._audit_commands(audit, findings)
        compare_balances(audit.picture, self.figures, findings)
        self._audit_ledger(findings)
        return findings

    def _audit_commands(self, audit: EventAudit, findings: Findings) -> None:
        answers, commands = audit.take_answers(), Commands(audit.picture, findings)
        for command in self.commands:
            commands.see(command, answers.pop(command.sequence, ()))
        for events in answers.values():
            commands.unknown(events)

    def _audit_ledger(self, findings: Findings) -> None:
        ledger = LedgerAudit(LedgerPicture(), findings)
        if not ledger.compare_position(self.position, self.beyond):
            return
        ledger.expect(self.packed(), offset=0, through=self.position)
        ledger.compare(Rows(self.entries, self.trades, self.corrections))
        ledger.compare_balances([(*key, atoms) for key, atoms in self.balances.items()])
        later = self.entries if self.later_entries is None else self.later_entries
        stretches: dict[int, Sums] = {}
        for entry in later:
            stretches.setdefault(entry.event_number // STRETCH, Sums()).add_entries([entry])
        for trade in self.trades:
            stretches.setdefault(trade.event_number // STRETCH, Sums()).add_trades([trade])
        for number, sums in stretches.items():
            ledger.compare_stretch(number, sums)
        ledger.compare_position(self.later_position, None)
