"""What one operator proposed and another has to approve.

A proposal is a file: what is asked, in the fields and in words, with the request that its proposer
signed. Approving adds the other operator's signed request, which names the proposal's digest, and
only then is anything done. Both signatures are proved once more right before that, so an operator
who was revoked in between takes the proposal along. A crash between any two steps leaves a file
that says where things stand, and approving again is harmless: whatever moves money carries a
reference made from the proposal, which the venue honours once.

What is decided moves to a folder of its own, where it is found by its id and never read otherwise:
so listing and counting take as long as what is open is much, however many there were.
"""

import hashlib
import os
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.signing import SignedRequest
from exchange.errors import CommandError
from exchange.operators import Operator
from messages.trading.identity import client_id
from runtime.storage import sync_folder

OPEN_MAX: Final = 1000
LIFETIME_NS: Final = 24 * 60 * 60 * 1_000_000_000
"""A proposal that nobody approved within a day has to be made again: what it is about moved on."""

DECIDED_SHOWN_MAX: Final = 200
"""Of what was decided since the process began, the latest are listed; the record has all."""

DONE_WITHIN_NS: Final = 60 * 60 * 1_000_000_000
"""An approved proposal that was not done is done within an hour of its approval, or never: its
approver looked at another venue."""


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An action that waits for a second operator.

    ``request`` is the proposer's and ``approval`` the approver's, as they signed them. ``outcome``
    is what became of it: ``executed ...``, ``refused ...`` or ``withdrawn ...``; empty while it
    is open, or approved and not yet known to be done.
    """

    id: str
    action: str
    summary: str
    request: SignedRequest
    approval: SignedRequest | None = None
    outcome: str = ""

    @property
    def proposed_at_ns(self) -> int:
        """When its proposer signed it."""
        return self.request.time_ns

    @property
    def digest(self) -> str:
        """What an approver signs: the proposer's signature, and the words that it was shown in."""
        said = (self.id, self.action, self.summary, self.request)
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()

    @property
    def reference(self) -> bytes:
        """The reference that the venue honours once, where the action has none of its own."""
        return client_id(f"approval-{self.id}")

    @property
    def state(self) -> str:
        """Say in a word or two where it stands."""
        return self.outcome or ("approved" if self.approval is not None else "open")


class Proposals:
    """The proposals of one state directory; one process at a time changes them."""

    def __init__(self, directory: Path, now_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._decided = directory / "decided"
        self._now_ns = now_ns
        self._lately: deque[Proposal] = deque(maxlen=DECIDED_SHOWN_MAX)

    def listed(self) -> list[Proposal]:
        """Return what is not decided, and what was lately, the oldest first."""
        found = [*self._lately, *self._undecided()]
        return sorted(found, key=lambda each: (each.proposed_at_ns, each.id))

    def _undecided(self) -> list[Proposal]:
        """Return what has no outcome; what a crash, or an older version, left behind is moved."""
        found = []
        for path in self._directory.glob("[0-9a-f]*.json"):
            proposal = self._read(path)
            if proposal.outcome or (self._decided / path.name).exists():
                self._move(proposal)
            else:
                found.append(proposal)
        return found

    def add(self, request: SignedRequest, action: str, summary: str) -> Proposal:
        """Put a proposal on the disk.

        Raises:
            AdminRefusedError: too many are open.
        """
        open_count = self._expire()
        if open_count >= OPEN_MAX:
            raise AdminRefusedError(
                AdminCode.BUSY, f"{open_count} proposals are open, {OPEN_MAX} may be"
            )
        proposal = Proposal(
            id=secrets.token_hex(6),
            action=action,
            summary=summary,
            request=request,
        )
        return self._write(proposal)

    def _expire(self) -> int:
        """Close what nobody approved in time, and count what is left."""
        count = 0
        for each in self._undecided():
            if not self._is_old(each):
                count += 1
            elif each.approval is None:
                self.close(each, "expired: nobody approved it in time")
        return count

    def approve(
        self, seen: str, digest: str, approver: Operator, request: SignedRequest
    ) -> Proposal:
        """Add the second operator's request; a repeat by the same one changes nothing.

        Args:
            seen: the proposal's id.
            digest: of the proposal as the approver read it.
            approver: who approves.
            request: as that operator signed it.

        Raises:
            AdminRefusedError: it is one's own, decided, too old, or not what was read.
        """
        proposal = self.find(seen)
        if proposal.digest != digest:
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN, f"proposal {seen} is not the one that was read"
            )
        if proposal.outcome:
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN, f"proposal {seen} is {proposal.outcome}"
            )
        if proposal.request.operator == approver.name:
            raise AdminRefusedError(
                AdminCode.SECOND_OPERATOR_MISSING,
                "nobody approves what they proposed: another operator must",
            )
        if proposal.approval is not None:
            if proposal.approval.operator != approver.name:
                raise AdminRefusedError(
                    AdminCode.PROPOSAL_NOT_OPEN,
                    f"{proposal.approval.operator} has approved it; it waits to be done",
                )
            return proposal
        if self._is_old(proposal):
            hours = LIFETIME_NS // 3_600_000_000_000
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN, f"it is older than {hours} hours: propose it again"
            )
        return self._write(msgspec.structs.replace(proposal, approval=request))

    def withdraw(self, proposal_id: str, operator: Operator) -> Proposal:
        """Take a proposal back, or turn it down: before it is approved, or when it is stale."""
        proposal = self.find(proposal_id)
        if proposal.state == "approved" and self._is_stale(proposal):
            outcome = f"withdrawn by {operator.name}, approved before and not known to be done"
            return self.close(proposal, outcome)
        if proposal.state != "open":
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN, f"proposal {proposal_id} is {proposal.state}"
            )
        return self.close(proposal, f"withdrawn by {operator.name}")

    def close(self, proposal: Proposal, outcome: str) -> Proposal:
        """Write what became of a proposal; what is written already stands."""
        known = self.find(proposal.id)
        if known.outcome:
            return known
        return self._write(msgspec.structs.replace(known, outcome=outcome))

    def find(self, proposal_id: str) -> Proposal:
        """Return a proposal by its id.

        Raises:
            AdminRefusedError: there is none.
        """
        if proposal_id.isascii() and proposal_id.isalnum():
            for folder in (self._decided, self._directory):
                if (path := folder / f"{proposal_id}.json").exists():
                    return self._read(path)
        raise AdminRefusedError(AdminCode.IMPOSSIBLE, f"no proposal {proposal_id[:40]}")

    def require_fresh(self, proposal: Proposal) -> None:
        """Require that an approved proposal may still be done.

        Raises:
            AdminRefusedError: it was approved too long ago.
        """
        if self._is_stale(proposal):
            minutes = DONE_WITHIN_NS // 60_000_000_000
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN,
                f"it was approved more than {minutes} minutes ago and not done: "
                "withdraw it, and propose it again",
            )

    def _is_stale(self, proposal: Proposal) -> bool:
        approval = proposal.approval
        return approval is not None and self._now_ns() - approval.time_ns > DONE_WITHIN_NS

    def _is_old(self, proposal: Proposal) -> bool:
        return self._now_ns() - proposal.proposed_at_ns > LIFETIME_NS

    def _read(self, path: Path) -> Proposal:
        try:
            proposal = msgspec.json.decode(path.read_bytes(), type=Proposal)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CommandError(f"{path}: {error}") from error
        if path.stem != proposal.id:
            raise CommandError(f"{path}: is proposal {proposal.id}")
        return proposal

    def _write(self, proposal: Proposal) -> Proposal:
        if proposal.outcome:
            self._lately.append(proposal)
            return self._move(proposal)
        return self._put(proposal, self._directory)

    def _move(self, proposal: Proposal) -> Proposal:
        """Write a decided proposal where it stays, and only then take the undecided one away."""
        if proposal.outcome:
            self._put(proposal, self._decided)
            sync_folder(self._decided)
        (self._directory / f"{proposal.id}.json").unlink(missing_ok=True)
        return proposal

    def _put(self, proposal: Proposal, folder: Path) -> Proposal:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{proposal.id}.json"
        unfinished = path.with_name(f".{path.name}")
        with unfinished.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(proposal) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return proposal
