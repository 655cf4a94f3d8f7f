"""The one way in which operators change a venue: signed, allowed, planned, recorded, carried out.

Command line and HTTP both end here. For each request, in this order: the signature, the role, the
body; then the action is planned against what the venue knows now; an action that takes one
operator is recorded and carried out, one that takes two becomes a proposal, and is carried out when
another operator, who signs for what the proposal says, approves it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import structlog

from exchange.admin.actions import Body, Desk, Done, Hands, Plan, Reason, done_before
from exchange.admin.catalogue import ACTIONS, URGENT
from exchange.admin.lanes import QueuedVenues, Scribe
from exchange.admin.ports import Ledger, Venue, Venues
from exchange.admin.proposals import Proposal, Proposals
from exchange.admin.record import FOUND_IN_EVENTS, ROLE_MISSING, SCHEDULE, Entry, Record, Step
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import MATRIX, READ, Persons, may
from exchange.admin.signing import Doorkeeper, SignedRequest
from exchange.configuration import AloneTable
from exchange.directory import Directory
from exchange.errors import CommandError, VenueAwayError
from exchange.operators import Operator, Operators
from exchange.state import State
from runtime.chained_lines import ChainBrokenError
from runtime.toml import SettingsError

log = structlog.get_logger()
Shape = TypeVar("Shape", bound=msgspec.Struct)


SUMMARY_BYTES_MAX = 96 * 1024
"""Of a summary as JSON: with the largest request, escaped, it fits one line of the record."""


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of an approval: the digest of the proposal as it was read, and why."""

    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    reason: Reason


class _Reasoned(msgspec.Struct, frozen=True):
    """What every body has."""

    reason: str


class Withdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a withdrawal: why."""

    reason: Reason


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a request; ``proposal`` is set while a second operator is waited for."""

    said: str
    event: int = 0
    proposal: Proposal | None = None
    digest: str = ""


class Plane:
    """Answers the requests of one venue's operators."""

    def __init__(
        self,
        *,
        state: State,
        config: Path,
        sessions: Path,
        alone: AloneTable,
        doorkeeper: Doorkeeper,
        proposals: Proposals,
        record: Record,
        venues: Venues,
        ledger: Ledger,
        now_ns: Callable[[], int],
    ) -> None:
        """Describe where things are; nothing is read before a request comes."""
        self.operators = Operators(state.operators)
        self.proposals = proposals
        self.record = record
        self.venues = QueuedVenues(venues)
        self._scribe = Scribe(record)
        self._ledger = ledger
        self._state = state
        self._config = config
        self._sessions = sessions
        self._alone = alone
        self._doorkeeper = doorkeeper
        self._now_ns = now_ns
        self._approving = asyncio.Lock()
        self._changing_files = asyncio.Lock()

    def reader(self, request: SignedRequest) -> Operator:
        """Return who asks a question.

        Raises:
            AdminRefusedError: nobody who may.
        """
        operator = self._doorkeeper.admit(request)
        self._require_role(operator, READ)
        return operator

    async def act(self, request: SignedRequest, action: str) -> Outcome:
        """Carry an action out, or propose it where it takes two.

        Raises:
            AdminRefusedError: not signed, not allowed, or no such thing.
            CommandError: it cannot be done, the venue refused it, or is away.
        """
        operator = self._doorkeeper.admit(request)
        _require_path(request, f"/v1/actions/{action}")
        if action not in ACTIONS:
            raise AdminRefusedError(AdminCode.PATH_UNKNOWN, f"no action {action[:40]}")
        body = self._body(request, ACTIONS[action])
        if not may(operator.roles, action):
            await self._note("refused", request, action, body.reason, outcome=ROLE_MISSING)
            self._require_role(operator, action)
        async with self.desk(action) as desk:
            plan = await _planned(body, desk)
            if self._takes_two(action, plan):
                return await self._propose(request, action, body, plan)
            await self._note("asked", request, action, body.reason, summary=plan.summary)
            hands = Hands(venue=desk.venue, operator=operator.number)
            done = await self._perform(plan, hands, request, action)
        return Outcome(said=done.said, event=done.event)

    async def approve(self, request: SignedRequest, proposal_id: str) -> Outcome:
        """Agree to what another operator proposed, and have it done.

        Raises:
            AdminRefusedError: it is one's own, decided, not what was read, or who proposed it
                may no more. CommandError: as in ``act``.
        """
        approver = self._doorkeeper.admit(request)
        _require_path(request, f"/v1/proposals/{proposal_id}/approve")
        body = self._body(request, Approval)
        action = self.proposals.find(proposal_id).action
        self._require_role(approver, action)
        async with self._approving:
            is_repeat = self.proposals.find(proposal_id).approval is not None
            proposal = self.proposals.approve(proposal_id, body.digest, approver, request)
            await self._note(
                "approved",
                request,
                action,
                body.reason,
                summary=proposal.summary,
                proposal=proposal_id,
            )
            done = await self._execute(proposal, is_repeat=is_repeat)
        return Outcome(said=done.said, event=done.event)

    async def withdraw(self, request: SignedRequest, proposal_id: str) -> Outcome:
        """Take a proposal back, or turn it down.

        Raises:
            AdminRefusedError: not signed, not allowed, or not open.
        """
        operator = self._doorkeeper.admit(request)
        _require_path(request, f"/v1/proposals/{proposal_id}/withdraw")
        body = self._body(request, Withdrawal)
        self._require_role(operator, self.proposals.find(proposal_id).action)
        proposal = self.proposals.withdraw(proposal_id, operator)
        await self._note(
            "withdrawn",
            request,
            proposal.action,
            body.reason,
            summary=proposal.summary,
            proposal=proposal_id,
        )
        return Outcome(said=f"proposal {proposal_id} is {proposal.outcome}")

    async def scheduled(self, action: str, body: Body) -> Done:
        """Do what is due by the clock: nobody's action, on the record where it changes something.

        Raises:
            CommandError: as in ``act``.
        """
        async with self.desk(action) as desk:
            plan = await _planned(body, desk)
            if plan.changes_nothing:
                return Done(said=plan.summary)
            entry = Entry(
                at_ns=self._now_ns(),
                step="asked",
                operator=SCHEDULE,
                action=action,
                reason=body.reason,
                summary=plan.summary,
            )
            await self._scribe.add(entry, is_urgent=action in URGENT)
            hands = Hands(venue=desk.venue, operator=0)
            done = await plan.perform(hands)
            came = {"at_ns": self._now_ns(), "step": "done", "outcome": done.said}
            entry = msgspec.structs.replace(entry, events=_told(hands, done.event), **came)
            await self._scribe.add(entry, is_urgent=action in URGENT)
        return done

    async def _propose(
        self, request: SignedRequest, action: str, body: Body, plan: Plan
    ) -> Outcome:
        proposal = self.proposals.add(request, action, plan.summary)
        await self._note(
            "proposed", request, action, body.reason, summary=plan.summary, proposal=proposal.id
        )
        said = f"proposal {proposal.id}: {proposal.summary}; another operator has to approve it"
        return Outcome(said=said, proposal=proposal, digest=proposal.digest)

    async def _execute(self, proposal: Proposal, *, is_repeat: bool) -> Done:
        """Carry an approved proposal out, once, whatever happened before."""
        proposer, approver = self._signers(proposal)
        body = self._body(proposal.request, ACTIONS[proposal.action])
        async with self.desk(proposal.action) as desk:
            hands = Hands(
                venue=desk.venue,
                operator=proposer.number,
                approver=approver.number,
                reference=proposal.reference,
            )
            told = body.told(desk.known)
            if is_repeat and told is not None:
                event = await done_before(hands, told)
                if event is not None:
                    await self._note_found(proposal, event.number)
                    said = f"{proposal.summary}: was executed before"
                    return Done(said=said, event=event.number)
            self.proposals.require_fresh(proposal)
            plan = await _planned(body, desk)
            if plan.summary != proposal.summary:
                return self._moved_on(proposal, plan, is_repeat=is_repeat)
            assert proposal.approval is not None
            done = await self._perform(
                plan, hands, proposal.approval, proposal.action, proposal=proposal
            )
        outcome = f"executed as event {done.event}" if done.event else "executed"
        self.proposals.close(proposal, outcome)
        return done

    async def _note_found(self, proposal: Proposal, event: int) -> None:
        """Write down that what was not known to be done is done."""
        assert proposal.approval is not None
        outcome = f"executed as event {event}"
        await self._note(
            "done",
            proposal.approval,
            proposal.action,
            FOUND_IN_EVENTS,
            proposal=proposal.id,
            outcome=outcome,
            told=(event,),
        )
        self.proposals.close(proposal, outcome)

    def _moved_on(self, proposal: Proposal, plan: Plan, *, is_repeat: bool) -> Done:
        """Refuse what would do something else by now than its words say."""
        if is_repeat:
            outcome = "refused: it may have been done before; look, and propose again if not"
        else:
            outcome = "refused: the venue moved on"
        self.proposals.close(proposal, outcome)
        raise AdminRefusedError(
            AdminCode.PROPOSAL_NOT_OPEN,
            f"proposal {proposal.id} is {outcome}; it would now: {plan.summary}",
        )

    def _signers(self, proposal: Proposal) -> tuple[Operator, Operator]:
        """Prove both signatures and both roles once more, as they stand now."""
        assert proposal.approval is not None
        _require_path(proposal.request, f"/v1/actions/{proposal.action}")
        _require_path(proposal.approval, f"/v1/proposals/{proposal.id}/approve")
        if self._body(proposal.approval, Approval).digest != proposal.digest:
            raise AdminRefusedError(
                AdminCode.PROPOSAL_NOT_OPEN, f"proposal {proposal.id} was changed since it was read"
            )
        found = []
        for signed in (proposal.request, proposal.approval):
            try:
                operator = self._doorkeeper.signer(signed)
            except AdminRefusedError as error:
                outcome = (
                    f"refused: {signed.operator} is no operator any more, or did not sign it for us"
                )
                self.proposals.close(proposal, outcome)
                raise AdminRefusedError(AdminCode.SECOND_OPERATOR_MISSING, outcome) from error
            self._require_role(operator, proposal.action)
            found.append(operator)
        proposer, approver = found
        if proposer.number == approver.number or proposer.public_key == approver.public_key:
            raise AdminRefusedError(
                AdminCode.SECOND_OPERATOR_MISSING,
                f"{proposer.name} and {approver.name} are one operator",
            )
        return proposer, approver

    async def _perform(
        self,
        plan: Plan,
        hands: Hands,
        request: SignedRequest,
        action: str,
        *,
        proposal: Proposal | None = None,
    ) -> Done:
        """Carry a plan out and record what came of it."""
        named = proposal.id if proposal is not None else ""
        reason = msgspec.json.decode(request.body, type=_Reasoned).reason

        async def note(step: Step, outcome: str, found: int = 0) -> None:
            told = _told(hands, found)
            await self._note(
                step, request, action, reason, proposal=named, outcome=outcome, told=told
            )

        try:
            done = await plan.perform(hands)
        except asyncio.CancelledError:
            await note("failed", "no outcome in time; a repeat finds out")
            raise
        except VenueAwayError as error:
            await note("failed", str(error))
            raise
        except CommandError as error:
            await note("refused", str(error))
            if proposal is not None:
                self.proposals.close(proposal, f"refused: {error}")
            raise
        await note("done", done.said, done.event)
        log.info(
            "admin_action_done", action=action, operator=request.operator, event_number=done.event
        )
        return done

    @asynccontextmanager
    async def desk(self, action: str) -> AsyncIterator[Desk]:
        """Open what an action is planned with.

        Raises:
            VenueAwayError: no core answers.
        """
        if not ACTIONS[action].NEEDS_VENUE:
            # What was planned still holds when it is carried out: files change here alone.
            async with self._changing_files:
                yield self._make_desk(Directory(()), None)
            return
        async with self.venues(is_urgent=action in URGENT) as venue:
            yield self._make_desk(Directory(await venue.definitions()), venue)

    def _make_desk(self, known: Directory, venue: Venue | None) -> Desk:
        return Desk(
            state=self._state,
            config=self._config,
            sessions=self._sessions,
            alone=self._alone,
            operators=self.operators,
            now_ns=self._now_ns,
            known=known,
            venue=venue,
            ledger=self._ledger,
        )

    @staticmethod
    def _takes_two(action: str, plan: Plan) -> bool:
        persons = MATRIX[action][1]
        return persons is Persons.TWO or (persons is Persons.BY_AMOUNT and plan.takes_two)

    @staticmethod
    def _require_role(operator: Operator, action: str) -> None:
        if may(operator.roles, action):
            return
        allowed = ", ".join(sorted(MATRIX[action][0]))
        has = ", ".join(sorted(operator.roles)) or "none"
        raise AdminRefusedError(
            AdminCode.ROLE_MISSING, f"{action} takes the role {allowed}; {operator.name} has {has}"
        )

    @staticmethod
    def _body(request: SignedRequest, shape: type[Shape]) -> Shape:
        try:
            return msgspec.json.decode(request.body, type=shape)
        except (msgspec.DecodeError, RecursionError) as error:
            raise AdminRefusedError(AdminCode.BODY_INVALID, f"body: {error}") from error

    async def _note(
        self,
        step: Step,
        request: SignedRequest,
        action: str,
        reason: str,
        *,
        summary: str = "",
        proposal: str = "",
        outcome: str = "",
        told: tuple[int, ...] = (),
    ) -> None:
        entry = Entry(
            at_ns=self._now_ns(),
            step=step,
            operator=request.operator,
            action=action,
            reason=reason,
            summary=summary,
            proposal=proposal,
            outcome=outcome,
            events=told,
            request=request,
        )
        try:
            await self._scribe.add(entry, is_urgent=action in URGENT)
        except (OSError, ChainBrokenError) as error:
            if action != "kill":
                raise
            # A kill switch that a full disk holds back is none. The command has who and why.
            log.error("admin_record_not_written", action=action, reason=str(error))  # noqa: TRY400


def _require_path(request: SignedRequest, path: str) -> None:
    """Require that what was signed is what is done: a file of ours may have been changed."""
    if request.method != "POST" or request.path != path:
        raise AdminRefusedError(
            AdminCode.SIGNATURE_INVALID, f"{request.operator} signed {request.path}, not {path}"
        )


def _told(hands: Hands, found: int) -> tuple[int, ...]:
    """Return the events that were brought about, and the one that a repeat found to be there."""
    return tuple(dict.fromkeys([*hands.told, *([found] if found else [])]))


async def _planned(body: Body, desk: Desk) -> Plan:
    """Plan an action; files that an operator wrote wrong are the operator's to mend."""
    try:
        plan = await body.plan(desk)
    except SettingsError as error:
        raise CommandError(str(error)) from error
    size = len(msgspec.json.encode(plan.summary))
    if size > SUMMARY_BYTES_MAX:
        raise CommandError(
            f"to say what it would do takes {size} bytes, and the record takes"
            f" {SUMMARY_BYTES_MAX}: do it in parts"
        )
    return plan
