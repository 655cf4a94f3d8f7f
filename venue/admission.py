"""Which commands may wait to be sequenced, and in which order they are taken.

Nothing of a record but its head is looked at. What is refused here never happened.
"""

import struct
from collections import deque
from collections.abc import Mapping

from messages.layout import RECORD_PREFIX
from messages.trading.codes import RejectCode
from messages.trading.commands import COMMANDS, AdvanceTime, CloseSession, Command, OpenSession
from messages.trading.identity import SOURCE_BITS
from runtime.link_frames import Refusal
from venue.settings import COMMANDS_BY_NAME, BatchSettings, Principal

_HEAD = struct.Struct("<HHBBH24xIIQ")
"""Length, kind, version, flags, group_left; source, epoch, source_sequence."""

COMMAND_HEAD = AdvanceTime.CODEC
"""What every command begins with: AdvanceTime is nothing else."""

HEADER_SIZE = COMMAND_HEAD.size

assert AdvanceTime.__struct_fields__ == Command.__struct_fields__
assert {field.name: field.offset for field in AdvanceTime.FIELDS}["source"] == 32


SESSION_RECORDS_KEPT = 4096
"""Room kept, above the bounds, for the opening and closing of sessions: a flood of one client's
orders must not keep the cancel on disconnect of another from happening."""

_SESSION_KINDS = frozenset({OpenSession.KIND, CloseSession.KIND})


class MalformedCommandsError(ValueError):
    """Bytes that cannot even be walked: the link is closed."""


class Inbox:
    """What one link has sent and the sequencer has not taken."""

    __slots__ = ("allowed", "is_closed", "name", "principal", "records")

    def __init__(self, name: str, principal: Principal) -> None:
        self.name = name
        self.principal = principal.number
        kinds = (COMMANDS_BY_NAME[command] for command in principal.may_send)
        self.allowed = {kind.KIND: (kind.LENGTH, kind.VERSION) for kind in kinds}
        self.records: deque[bytes] = deque()
        self.is_closed = False


class Admission:
    """The bounded queues between the links and the sequencer."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._active: deque[Inbox] = deque()
        self._internal: deque[bytes] = deque()
        self.queued = 0
        self.closed_with: RejectCode | None = None
        """Why nothing is admitted at the moment, if so."""

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._active or self._internal)

    def admit(self, inbox: Inbox, data: bytes) -> list[Refusal]:
        """Queue the records in ``data``, and return those that are refused.

        Raises:
            MalformedCommandsError: the records cannot be told apart.
        """
        refusals: list[Refusal] = []
        offset, end = 0, len(data)
        records = inbox.records
        was_empty = not records
        while offset < end:
            if end - offset < HEADER_SIZE:
                raise MalformedCommandsError(f"{end - offset} bytes are no command")
            fields = _HEAD.unpack_from(data, offset)
            length = fields[0]
            if not HEADER_SIZE <= length <= end - offset:
                raise MalformedCommandsError(f"a command of {length} bytes at byte {offset}")
            code = self._judge(inbox, fields)
            if code is RejectCode.NONE:
                records.append(data[offset : offset + length])
                self.queued += 1
            else:
                refusals.append(Refusal(fields[5], fields[6], fields[7], code, fields[1]))
            offset += length
        if was_empty and records:
            self._active.append(inbox)
        return refusals

    def admit_internal(self, record: bytes, after: Inbox | None = None) -> None:
        """Queue the sequencer's own command: next, or after all that a link has sent."""
        if after is not None and after.records:
            after.records.append(record)
            self.queued += 1
        else:
            self._internal.append(record)

    def take(self, limit: int) -> list[bytes]:
        """Take the next batch's records, at most so many from one link, in turns."""
        taken: list[bytes] = []
        while self._internal and len(taken) < limit:
            taken.append(self._internal.popleft())
        internal = len(taken)
        for _ in range(len(self._active)):
            if len(taken) >= limit:
                break
            inbox = self._active.popleft()
            records = inbox.records
            count = min(self._settings.commands_per_link_max, limit - len(taken), len(records))
            taken.extend(records.popleft() for _ in range(count))
            if records:
                self._active.append(inbox)
        self.queued -= len(taken) - internal
        return taken

    def has_leftovers(self, principal: int) -> bool:
        """Say whether commands of a principal's closed links still wait."""
        return bool(self._internal) or any(
            inbox.is_closed and inbox.principal == principal for inbox in self._active
        )

    def _judge(self, inbox: Inbox, fields: tuple[int, ...]) -> RejectCode:
        length, kind, version, _, group_left, source, _, _ = fields
        known = inbox.allowed.get(kind)
        if known is None:
            return _judge_unallowed(length, kind)
        if length != known[0]:
            return RejectCode.RECORD_WRONG_LENGTH
        if version != known[1]:
            return RejectCode.RECORD_WRONG_VERSION
        # Groups need an authority that no link has yet.
        if source >> SOURCE_BITS != inbox.principal or group_left:
            return RejectCode.SOURCE_NOT_AUTHORISED
        if self.closed_with is not None:
            return self.closed_with
        settings = self._settings
        kept = SESSION_RECORDS_KEPT if kind in _SESSION_KINDS else 0
        if (
            self.queued >= settings.queued_max + kept
            or len(inbox.records) >= settings.queued_per_link_max + kept
        ):
            return RejectCode.QUEUE_FULL
        return RejectCode.NONE


def _judge_unallowed(length: int, kind: int) -> RejectCode:
    record = COMMANDS.by_kind.get(kind)
    if record is None:
        return RejectCode.RECORD_UNKNOWN_KIND
    if length != record.LENGTH:
        return RejectCode.RECORD_WRONG_LENGTH
    return RejectCode.SOURCE_NOT_AUTHORISED


KIND_NAMES: Mapping[bytes, str] = {
    RECORD_PREFIX.pack(0, kind)[2:]: record.__name__ for kind, record in COMMANDS.by_kind.items()
}
"""Names by the two bytes at offset 2 of a record."""
