"""Dangerous actions take two operators: one proposes a command, another approves it.

A proposal is a file, ``approvals/ID.json`` in the state directory: the command in words and in
fields, who proposed it and when, signed. Approving adds the other operator's signature over all of
that, and only then is the command sent, with both numbers in it and a reference made from the id.
So a crash between any two steps leaves a file that says where things stand, and doing the step
again is harmless: the venue honours a reference once.

Any command with an operator, an approver and a reference can be proposed (``ACTIONS``).
"""

import fcntl
import os
import secrets
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from exchange.errors import CommandError
from exchange.operators import Operator, Operators, Token
from messages.layout import padded_text
from messages.trading import commands, events
from messages.trading.identity import client_id

PROPOSALS_OPEN_MAX = 1000
LIFETIME_NS = 24 * 60 * 60 * 1_000_000_000
"""A proposal that nobody approved within a day has to be made again: what it is about moved on."""

ACTIONS: Final[dict[str, tuple[type[commands.Command], type[events.Event]]]] = {
    "bust": (commands.BustTrade, events.TradeBusted),
    "correct": (commands.CorrectTrade, events.TradeCorrected),
    "transfer": (commands.TransferFunds, events.FundsTransferred),
    "settle": (commands.SettleReceivable, events.ReceivableChanged),
}
"""What can be proposed: the command, and the event that says that it was done."""

Fields = dict[str, int | str]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command that waits for a second operator.

    ``outcome`` is what became of it: ``executed ...``, ``refused ...`` or ``withdrawn``; empty
    while it is open, or approved and not yet known to be done.
    """

    id: str
    action: str
    fields: Fields
    summary: str
    proposed_by: str
    proposed_at_ns: int
    signature: str
    approved_by: str = ""
    approved_at_ns: int = 0
    approval: str = ""
    outcome: str = ""

    @property
    def reference(self) -> bytes:
        """The reference that the venue honours once."""
        return client_id(f"approval-{self.id}")

    @property
    def state(self) -> str:
        """Say in a word or two where it stands."""
        return self.outcome or ("approved" if self.approved_by else "open")

    def proposed_bytes(self) -> bytes:
        """What its proposer signs."""
        said = (self.id, self.action, sorted(self.fields.items()), self.summary)
        who = (self.proposed_by, self.proposed_at_ns)
        return b"rialto proposal 1\n" + msgspec.json.encode((*said, *who))

    def approved_bytes(self) -> bytes:
        """What its approver signs: everything that was proposed, and the proposer's signature."""
        who = (self.signature, self.approved_by, self.approved_at_ns)
        return b"rialto approval 1\n" + self.proposed_bytes() + msgspec.json.encode(who)


class Approvals:
    """The proposals of one state directory. ``now_ns`` is the clock."""

    def __init__(self, directory: Path, operators: Operators, now_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._operators = operators
        self._now_ns = now_ns

    def all(self) -> list[Proposal]:
        """Return every proposal, the oldest first."""
        found = [self._read(path) for path in self._directory.glob("*.json")]
        return sorted(found, key=lambda each: (each.proposed_at_ns, each.id))

    def propose(self, token: Token, action: str, fields: Fields, summary: str) -> Proposal:
        """Put a proposal on the disk.

        Raises:
            CommandError: no such action or fields, or too many proposals are open.
        """
        with self._held():
            open_count = sum(not each.outcome for each in self.all())
            if open_count >= PROPOSALS_OPEN_MAX:
                raise CommandError(f"{open_count} proposals are open; approve or withdraw some")
            proposal = Proposal(
                id=secrets.token_hex(6),
                action=action,
                fields=fields,
                summary=summary,
                proposed_by=token.operator.name,
                proposed_at_ns=self._now_ns(),
                signature="",
            )
            _command(proposal, operator=1, approver=2)
            signature = token.sign(proposal.proposed_bytes())
            return self._write(msgspec.structs.replace(proposal, signature=signature))

    def approve(self, token: Token, seen: Proposal) -> Proposal:
        """Add a second operator's signature; a repeat by the same one changes nothing.

        Args:
            token: the second operator's.
            seen: the proposal as that operator read it.

        Raises:
            CommandError: it is one's own, decided, too old, or was changed by somebody.
        """
        proposal_id = seen.id
        with self._held():
            proposal = self.find(proposal_id)
            self._require_proposed(proposal)
            if proposal.proposed_bytes() != seen.proposed_bytes():
                raise CommandError(f"proposal {proposal_id} was changed while it was read")
            if proposal.outcome:
                raise CommandError(f"proposal {proposal_id} is {proposal.outcome}")
            if proposal.proposed_by == token.operator.name:
                raise CommandError("nobody approves what they proposed: another operator must")
            if proposal.approved_by == token.operator.name:
                self._require_approved(proposal)
                return proposal
            if proposal.approved_by:
                raise CommandError(f"{proposal.approved_by} has approved it; it waits to be sent")
            age_ns = self._now_ns() - proposal.proposed_at_ns
            if age_ns > LIFETIME_NS:
                hours = LIFETIME_NS // 3_600_000_000_000
                raise CommandError(f"it is older than {hours} hours: propose it again")
            approved = msgspec.structs.replace(
                proposal, approved_by=token.operator.name, approved_at_ns=self._now_ns()
            )
            approval = token.sign(approved.approved_bytes())
            return self._write(msgspec.structs.replace(approved, approval=approval))

    def withdraw(self, token: Token, proposal_id: str) -> Proposal:
        """Take a proposal back, or turn it down, before anybody approved it."""
        with self._held():
            proposal = self.find(proposal_id)
            if proposal.state != "open":
                raise CommandError(f"proposal {proposal_id} is {proposal.state}")
            outcome = f"withdrawn by {token.operator.name}"
            return self._write(msgspec.structs.replace(proposal, outcome=outcome))

    def command(self, proposal: Proposal) -> commands.Command:
        """Return the command of an approved proposal, both signatures checked once more.

        Raises:
            CommandError: it is not approved, or was changed since.
        """
        proposer = self._require_proposed(proposal)
        approver = self._require_approved(proposal)
        if proposer.number == approver.number:
            raise CommandError(f"{proposer.name} and {approver.name} are one operator")
        return _command(proposal, operator=proposer.number, approver=approver.number)

    def record(self, proposal: Proposal, outcome: str) -> Proposal:
        """Write what became of an approved proposal; what is written already stands."""
        with self._held():
            known = self.find(proposal.id)
            if known.outcome:
                return known
            return self._write(msgspec.structs.replace(proposal, outcome=outcome))

    def find(self, proposal_id: str) -> Proposal:
        """Return a proposal by its id.

        Raises:
            CommandError: there is none.
        """
        if not proposal_id.isalnum() or not (path := self._path(proposal_id)).exists():
            raise CommandError(f"no proposal {proposal_id}")
        return self._read(path)

    def _require_proposed(self, proposal: Proposal) -> Operator:
        proposer = self._operators.named(proposal.proposed_by)
        if not proposer.has_signed(proposal.proposed_bytes(), proposal.signature):
            raise CommandError(f"proposal {proposal.id} is not as {proposer.name} signed it")
        return proposer

    def _require_approved(self, proposal: Proposal) -> Operator:
        if not proposal.approved_by:
            raise CommandError(f"proposal {proposal.id} is not approved")
        approver = self._operators.named(proposal.approved_by)
        if not approver.has_signed(proposal.approved_bytes(), proposal.approval):
            raise CommandError(f"proposal {proposal.id} is not as {approver.name} approved it")
        return approver

    def _path(self, proposal_id: str) -> Path:
        return self._directory / f"{proposal_id}.json"

    def _read(self, path: Path) -> Proposal:
        try:
            proposal = msgspec.json.decode(path.read_bytes(), type=Proposal)
        except msgspec.DecodeError as error:
            raise CommandError(f"{path}: {error}") from error
        if path.stem != proposal.id:
            raise CommandError(f"{path}: is about proposal {proposal.id}")
        return proposal

    def _write(self, proposal: Proposal) -> Proposal:
        """Put a proposal on the disk, whole or not at all."""
        unfinished = self._directory / f".{proposal.id}.{os.getpid()}"
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(proposal)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path(proposal.id))
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return proposal

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let one operator at a time change proposals."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _command(proposal: Proposal, *, operator: int, approver: int) -> commands.Command:
    if proposal.action not in ACTIONS:
        raise CommandError(f"no such action: {proposal.action}")
    kind, _ = ACTIONS[proposal.action]
    sizes = {field.name: field.size for field in kind.FIELDS}
    try:
        values = {
            name: padded_text(value, sizes[name]) if isinstance(value, str) else value
            for name, value in proposal.fields.items()
        }
        command = kind.make(
            **values, operator=operator, approver=approver, reference=proposal.reference
        )
        command.pack()
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise CommandError(f"proposal {proposal.id}: {error}") from error
    return command
