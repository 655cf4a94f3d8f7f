"""Actions on trading itself: kill switches, phases, sessions' rights, the configured state."""

from typing import Annotated, Literal

import msgspec

from exchange.admin.actions import Body, Desk, Done, Hands, Plan, Word, listed
from exchange.definitions import compare
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operator_link import matching
from exchange.seeding import apply_definitions
from exchange.wanted import NANOSECONDS, wanted_definitions
from messages.trading import commands, events
from messages.trading.terms import Phase, PhaseReason, Scope

ScopeName = Literal["venue", "firm", "account", "session", "instrument"]
PhaseName = Literal["pre_open", "call_auction", "continuous", "halted", "closed"]
_WEEK_SECONDS = 7 * 86_400


class Switch(Body, frozen=True):
    """A kill switch, by scope and target."""

    scope: ScopeName
    target: Annotated[str, msgspec.Meta(max_length=64)] = ""

    @property
    def about(self) -> str:
        """Name the switch."""
        return f"{self.scope} {self.target}".strip()

    def found(self, known: Directory) -> tuple[Scope, int]:
        """Return scope and number of what is meant."""
        scope = Scope[self.scope.upper()]
        if scope is Scope.VENUE:
            if self.target:
                raise CommandError("the venue has no parts: name a scope, or leave the target out")
            return scope, 0
        if not self.target:
            raise CommandError(f"which {self.scope}?")
        find = {
            Scope.FIRM: known.firm,
            Scope.ACCOUNT: known.account,
            Scope.SESSION: known.session,
            Scope.INSTRUMENT: known.instrument,
        }[scope]
        return scope, find(self.target)


class Kill(Switch, frozen=True):
    """Stop new orders in a scope, and cancel the open ones unless they are kept."""

    keep_orders: bool = False

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        scope, target = self.found(desk.known)

        async def perform(hands: Hands) -> Done:
            command = commands.Kill.make(
                scope=scope, target=target, cancel_orders=not self.keep_orders, text=self.note
            )
            event = await hands.send(command, matching(events.Killed, scope=scope, target=target))
            assert isinstance(event, events.Killed)
            said = f"{self.about} killed, {event.cancelled} orders cancelled"
            return Done(said=said, event=event.number)

        return Plan(summary=f"kill {self.about}", perform=perform)


class Resume(Switch, frozen=True):
    """Lift a kill switch; wider and narrower ones stay."""

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        scope, target = self.found(desk.known)

        async def perform(hands: Hands) -> Done:
            command = commands.Resume.make(scope=scope, target=target, text=self.note)
            event = await hands.send(command, matching(events.Resumed, scope=scope, target=target))
            return Done(said=f"{self.about} resumed", event=event.number)

        return Plan(summary=f"resume {self.about}", perform=perform)


class ChangePhase(Body, frozen=True):
    """Move an instrument to a phase; after ``seconds`` a call auction uncrosses."""

    instrument: Word
    phase: PhaseName
    seconds: Annotated[int, msgspec.Meta(ge=0, le=_WEEK_SECONDS)] = 0

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        instrument, phase = desk.known.instrument(self.instrument), Phase[self.phase.upper()]
        is_there = desk.known.phase(instrument) == phase and not self.seconds

        async def perform(hands: Hands) -> Done:
            if is_there:
                return Done(said=f"{self.instrument} is {self.phase} already")
            until = desk.now_ns() + self.seconds * NANOSECONDS if self.seconds else 0
            command = commands.ChangePhase.make(instrument=instrument, phase=phase, until_ns=until)
            wanted = matching(
                events.PhaseChanged, instrument=instrument, phase=phase, reason=PhaseReason.OPERATOR
            )
            event = await hands.send(command, wanted)
            return Done(said=f"{self.instrument} is {self.phase}", event=event.number)

        return Plan(summary=f"move {self.instrument} to {self.phase}", perform=perform)


class RevokeSession(Body, frozen=True):
    """Take a session's rights on an account away."""

    session: Word
    account: Word

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        known = desk.known
        account = known.account(self.account)
        summary = f"take the rights of {self.session} on {self.account} away"
        if not known.has_session(self.session):
            return _nothing(summary, f"no session {self.session} has any rights")
        session = known.session(self.session)
        grant = known.grant(session, account)
        if not grant.rights:
            return _nothing(summary, f"{self.session} has no rights on {self.account}")

        async def perform(hands: Hands) -> Done:
            command = commands.GrantSession.make(
                session=session,
                account=account,
                firm=grant.firm,
                cancel_on_disconnect=grant.cancel_on_disconnect,
                disconnect_grace_ns=grant.disconnect_grace_ns,
                name=grant.name,
            )
            wanted = matching(events.SessionGranted, session=session, account=account, rights=0)
            event = await hands.send(command, wanted)
            said = f"{self.session} has no rights on {self.account} any more"
            return Done(said=said, event=event.number)

        return Plan(summary=summary, perform=perform)


def _nothing(summary: str, said: str) -> Plan:
    async def perform(_: Hands) -> Done:
        return Done(said=said)

    return Plan(summary=summary, perform=perform)


class Apply(Body, frozen=True):
    """Bring the venue to what the configuration says.

    The summary stands for every change (``listed``), so what is approved is these changes and no
    others: a file that was edited in between makes another, and the approval is refused.
    """

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        configuration, sessions = desk.read()
        differences = compare(wanted_definitions(configuration, sessions), desk.known.records)
        applied = [each for each in differences if not each.is_conflict]
        left = len(differences) - len(applied)
        changes = listed([f"{each.subject}: {each.wanted}" for each in applied])

        async def perform(hands: Hands) -> Done:
            await apply_definitions(hands, configuration, applied)
            return Done(said=f"{len(applied)} applied, {left} left alone")

        return Plan(
            summary=f"apply {len(applied)} changes of the configuration: {changes}",
            perform=perform,
        )
