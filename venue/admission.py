"""Which commands may wait to be sequenced, and in which order they are taken.

Nothing of a record but its head is looked at, and of a principal that is bound to a realm the firm
that it names. What is refused here never happened. Python sees frames and batches; single records
are walked in ``core/native/src/admission.cpp``, which ``tests/twins/admission.py`` says again,
slowly.
"""

from collections.abc import Mapping
from typing import NamedTuple

from core import _native
from messages.trading.codes import RejectCode
from messages.trading.commands import COMMANDS
from messages.trading.identity import source_number
from venue.settings import COMMANDS_BY_NAME, SEQUENCER, BatchSettings, Principal, Realm

SESSION_RECORDS_KEPT = 4096
"""Room kept, above the bounds, for the opening and closing of sessions: a flood of one client's
orders must not keep the cancel on disconnect of another from happening."""

OWN_SOURCE = source_number(SEQUENCER, 0)

KIND_NAMES: Mapping[int, str] = {kind: record.__name__ for kind, record in COMMANDS.by_kind.items()}


class MalformedCommandsError(ValueError):
    """Bytes that cannot even be walked: the link is closed."""


class Refusals(NamedTuple):
    """What of a frame was refused: records as in a REFUSED frame, and how many have each code."""

    records: bytes
    codes: list[tuple[int, int]]


class Taken(NamedTuple):
    """A batch: numbered and stamped commands, how many, and how many records of each kind.

    A group is one command of several records.
    """

    commands: bytes
    total: int
    kinds: list[tuple[int, int]]


class Inbox:
    """What one link has sent and the sequencer has not taken."""

    __slots__ = ("events_every_seconds", "name", "principal", "records")

    def __init__(self, name: str, principal: Principal) -> None:
        self.name = name
        self.principal = principal.number
        self.events_every_seconds = principal.events_every_seconds
        kinds = [COMMANDS_BY_NAME[command].KIND for command in principal.may_send]
        realm = principal.realm
        bounds = None if realm is None else bounds_of(realm)
        self.records = _native.Inbox(principal.number, kinds, bounds)

    @property
    def queued(self) -> int:
        """How many records wait."""
        return self.records.queued

    def close(self) -> None:
        """Take note that the link is gone."""
        self.records.is_closed = True


def bounds_of(realm: Realm) -> tuple[int, int, int, int, int, int]:
    """Return a realm as the native side takes it."""
    return (
        *(realm.first_account, realm.last_account, realm.session),
        *(realm.first_timer_session, realm.last_timer_session, realm.firm),
    )


class Admission:
    """The bounded queues between the links and the sequencer."""

    __slots__ = ("_queues",)

    def __init__(self, settings: BatchSettings) -> None:
        self._queues = _native.Admission(
            commands_per_link_max=settings.commands_per_link_max,
            queued_per_link_max=settings.queued_per_link_max,
            queued_max=settings.queued_max,
            session_records_kept=SESSION_RECORDS_KEPT,
            own_source=OWN_SOURCE,
        )

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._queues)

    @property
    def queued(self) -> int:
        """How many records of links wait."""
        return self._queues.queued

    @property
    def closed_with(self) -> RejectCode | None:
        """Why nothing is admitted at the moment, if so."""
        return RejectCode(self._queues.closed_with) or None

    @closed_with.setter
    def closed_with(self, code: RejectCode | None) -> None:
        self._queues.closed_with = code or RejectCode.NONE

    def admit(self, inbox: Inbox, data: bytes | memoryview) -> Refusals | None:
        """Queue the records in ``data``, and return what is refused, if anything is.

        Raises:
            MalformedCommandsError: the records cannot be told apart; none is queued.
        """
        try:
            refused = self._queues.admit(inbox.records, data)
        except ValueError as error:
            raise MalformedCommandsError(str(error)) from None
        return None if refused is None else Refusals(*refused)

    def admit_internal(self, record: bytes, after: Inbox | None = None) -> None:
        """Queue the sequencer's own command: next, or after all that a link has sent.

        One that is next already, to the byte, is not queued again.
        """
        self._queues.admit_own(record, None if after is None else after.records)

    def take(self, limit: int, *, sequence: int, time_ns: int, first: bytes = b"") -> Taken:
        """Take the next batch, numbered and stamped, at most so much from one link, in turns.

        Args:
            limit: of records, ``first`` included; at least one. A group that is begun is taken
                whole, beyond it.
            sequence: of the batch's first record; the sequencer's own records get theirs as
                their source's as well.
            time_ns: their stamp.
            first: a command to go before all that waits, or nothing.
        """
        return Taken(*self._queues.take(limit, first, sequence, time_ns))

    def has_leftovers(self, principal: int) -> bool:
        """Say whether commands of a principal's closed links still wait."""
        return self._queues.has_leftovers(principal)
