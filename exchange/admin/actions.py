"""What an action is: a body that somebody signs, a plan in words, and how it is carried out."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, ClassVar, Final

import msgspec

from exchange.admin.ports import Ledger, Venue
from exchange.configuration import AloneTable, Configuration
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError
from exchange.operator_link import Outcome
from exchange.operators import Operators
from exchange.state import State
from exchange.venue_settings import read_and_check
from fix_gateway.settings import SessionFile
from messages.layout import padded_text
from messages.trading import commands, events
from messages.trading.codes import RejectCode

REASON_LENGTH_MAX = 96
LISTED_MAX: Final = 20
"""Of more changes than these, a summary has the first; so it fits a line of the record."""

Reason = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{3,96}$")]
"""Why, for the record: at least a word, at most what a command carries."""
Word = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,64}$")]
"""A name or a number of something that the venue knows."""
Reference = Annotated[str, msgspec.Meta(pattern=r"^(?!approval-)[!-~]{1,36}$")]
"""What an operator calls a movement; ``approval-`` begins those that are made from proposals."""
Decimal = Annotated[str, msgspec.Meta(max_length=40)]
Count = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where actions are planned: what the venue knows, and what was configured."""

    state: State
    config: Path
    sessions: Path
    alone: AloneTable
    operators: Operators
    now_ns: Callable[[], int]
    known: Directory
    """Empty for an action that needs no venue."""
    venue: Venue | None
    ledger: Ledger

    @property
    def core(self) -> Venue:
        """The way into the core."""
        assert self.venue is not None, "an action that needs no venue asks nothing of one"
        return self.venue

    def read(self) -> tuple[Configuration, dict[str, SessionFile]]:
        """Read what the operators wrote into files."""
        return read_and_check(self.config, self.sessions, self.state)


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What carries an action out: who it is for, and the way into the venue."""

    venue: Venue | None
    operator: int
    approver: int = 0
    reference: bytes = b""
    """Made from the proposal; empty where one operator acts alone."""
    told: list[int] = field(default_factory=list)
    """The numbers of the events that were brought about, for the record."""

    async def ask(self, command: commands.Command, outcome: Outcome) -> events.Event:
        """See ``send``, of which this is the name that ``Asking`` has."""
        return await self.send(command, outcome)

    async def send(self, command: commands.Command, outcome: Outcome) -> events.Event:
        """Send a command in the operators' names and return what it brought about.

        Raises:
            CommandRefusedError: the venue said no. VenueAwayError: the outcome is not known.
        """
        assert self.venue is not None, "an action that needs no venue sends nothing"
        if hasattr(command, "operator"):  # what only creates carries none
            who = {"operator": self.operator, "approver": self.approver}
            command = msgspec.structs.replace(command, **who)
        event = await self.venue.ask(command, outcome)
        assert isinstance(event, events.Event)
        self.told.append(event.number)
        return event


@dataclass(frozen=True, kw_only=True)
class Done:
    """What an action brought about, in words; ``event`` is its number, where there is one."""

    said: str
    event: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An action that can be carried out: what it will do, in words, and how."""

    summary: str
    perform: Callable[[Hands], Awaitable[Done]]
    takes_two: bool = False
    """For an action whose number of persons goes by amount."""
    changes_nothing: bool = False


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every action carries: why."""

    NEEDS_VENUE: ClassVar[bool] = True
    reason: Reason

    async def plan(self, desk: Desk) -> Plan:
        """Say what the action would do now.

        Raises:
            CommandError: it cannot be done; the text says why.
        """
        raise NotImplementedError

    def told(self, _known: Directory, /) -> Outcome | None:
        """Return what recognizes the event that this brings about, also at any later time.

        None: it has no terms by which one could tell.
        """
        return None

    @property
    def note(self) -> bytes:
        """The reason, as a command carries it."""
        return padded_text(self.reason, REASON_LENGTH_MAX)


def listed(changes: Sequence[str]) -> str:
    """Say changes in words: all of a few; of many the first, how many, and what stands for all."""
    whole = "; ".join(changes)
    if len(changes) <= LISTED_MAX:
        return whole or "none"
    first = "; ".join(changes[:LISTED_MAX])
    digest = sha256(whole.encode()).hexdigest()
    return f"{first}; and {len(changes) - LISTED_MAX} more, SHA-256 of all {digest}"


async def once(hands: Hands, command: commands.Command, told: Outcome | None, summary: str) -> Done:
    """Send a command with a proposal's reference, and say that it was done, now or before.

    Raises:
        CommandRefusedError: the venue said no; of a reference that was used, only if it was used
            for something else. VenueAwayError: the outcome is not known.
    """
    assert told is not None, "an action with a proposal's reference says what it brings about"
    assert hands.venue is not None
    referenced = msgspec.structs.replace(command, reference=hands.reference)
    try:
        event = await hands.send(referenced, told)
    except CommandRefusedError as error:
        if error.code is not RejectCode.DUPLICATE_REFERENCE:
            raise
        before = await done_before(hands, told)
        if before is None:
            raise
        hands.told.append(before.number)
        said = f"{summary}: was executed before; nothing changed"
        return Done(said=said, event=before.number)
    return Done(said=f"{summary}: done, event {event.number}", event=event.number)


async def done_before(hands: Hands, told: Outcome) -> events.Event | None:
    """Return the event that a proposal brought about before; None if there is none.

    That its reference was used is no proof: who reads a proposal can use its reference. So what
    it was used for is compared, with both operators.
    """
    assert hands.venue is not None
    who = (hands.operator, hands.approver)
    for event in await hands.venue.honoured(hands.reference):
        if told(event) and (getattr(event, "operator", 0), getattr(event, "approver", 0)) == who:
            return event
    return None


def whole(text: str, units: int | None, unit: int) -> int:
    """Return how many of a unit a decimal is.

    Raises:
        CommandError: it is no decimal, or no whole number of them.
    """
    if units is None or units % unit:
        raise CommandError(f"{text} is not a whole number of ticks or lots")
    return units // unit
