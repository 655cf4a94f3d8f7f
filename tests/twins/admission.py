"""Admission once more, slowly: one record after the other, as plain as can be.

What ``venue.admission`` does in C++ is held to this by tests/property/test_admission.py.
"""

from __future__ import annotations

import struct
from collections import Counter, deque
from typing import Any

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    GROUP_MEMBERS,
    GROUP_MEMBERS_MAX,
    CloseSession,
    GroupHeader,
    OpenSession,
    OpenSessionOnTerms,
)
from messages.trading.identity import SOURCE_BITS
from runtime.link_frames import Refusal
from venue.admission import OWN_SOURCE, SESSION_RECORDS_KEPT, MalformedCommandsError
from venue.settings import COMMANDS_BY_NAME, BatchSettings, Principal, Realm

HEAD = struct.Struct("<HHBBH24xIIQ")
"""Length, kind, version, flags, group_left; source, epoch, source_sequence."""

HEADER_SIZE = 64


class SlowInbox:
    """What one link has sent and the sequencer has not taken."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal.number
        self.realm = principal.realm
        kinds = (COMMANDS_BY_NAME[command] for command in principal.may_send)
        self.allowed = {kind.KIND: (kind.LENGTH, kind.VERSION) for kind in kinds}
        self.records: deque[bytes] = deque()
        self.is_closed = False


class SlowAdmission:
    """See ``venue.admission.Admission``."""

    def __init__(self, settings: BatchSettings) -> None:
        self.settings = settings
        self.active: deque[SlowInbox] = deque()
        self.internal: deque[bytes] = deque()
        self.queued = 0
        self.closed_with: RejectCode | None = None

    def __bool__(self) -> bool:
        return bool(self.active or self.internal)

    def admit(self, inbox: SlowInbox, data: bytes) -> list[Refusal]:
        refusals: list[Refusal] = []
        was_empty = not inbox.records
        records = walked(data)
        while records:
            command, is_whole = first_command(records)
            del records[: len(command)]
            code = self.judge(inbox, command, is_whole=is_whole)
            if code is RejectCode.NONE:
                inbox.records.extend(command)
                self.queued += len(command)
            else:
                _, kind, _, _, _, source, epoch, number = HEAD.unpack_from(command[0])
                refusals.append(Refusal(source, epoch, number, code, kind))
        if was_empty and inbox.records:
            self.active.append(inbox)
        return refusals

    def admit_internal(self, record: bytes, after: SlowInbox | None = None) -> None:
        if after is not None and after.records:
            after.records.append(record)
            self.queued += 1
        elif record not in self.internal:
            self.internal.append(record)

    def take(
        self, limit: int, *, sequence: int, time_ns: int, first: bytes = b""
    ) -> tuple[bytes, int, dict[int, int]]:
        taken = [first] if first else []
        while self.internal and len(taken) < limit:
            taken.append(self.internal.popleft())
        for _ in range(len(self.active)):
            if len(taken) >= limit:
                break
            inbox = self.active.popleft()
            records = inbox.records
            count = min(self.settings.commands_per_link_max, limit - len(taken), len(records))
            begun = len(taken)
            while len(taken) < begun + count or group_left_of(taken[-1]):
                taken.append(records.popleft())
            self.queued -= len(taken) - begun
            if records:
                self.active.append(inbox)
        stamped, total = [], 0
        for record in taken:
            stamped.append(stamp(record, sequence + total, time_ns))
            total += group_left_of(record) == 0
        kinds = Counter(int.from_bytes(record[2:4], "little") for record in stamped)
        return b"".join(stamped), total, dict(kinds)

    def has_leftovers(self, principal: int) -> bool:
        return bool(self.internal) or any(
            inbox.is_closed and inbox.principal == principal for inbox in self.active
        )

    def judge(self, inbox: SlowInbox, command: list[bytes], *, is_whole: bool) -> RejectCode:
        head, *members = (judge_head(inbox, record) for record in command)
        if head is not RejectCode.NONE:
            return head
        if not is_whole:
            return RejectCode.GROUP_MALFORMED
        for code in members:
            if code is not RejectCode.NONE:
                return code
        if self.closed_with is not None:
            return self.closed_with
        settings = self.settings
        kind = int.from_bytes(command[0][2:4], "little")
        is_of_sessions = kind in (OpenSession.KIND, OpenSessionOnTerms.KIND, CloseSession.KIND)
        kept = SESSION_RECORDS_KEPT if is_of_sessions else 0
        if (
            self.queued + len(command) > settings.queued_max + kept
            or len(inbox.records) + len(command) > settings.queued_per_link_max + kept
        ):
            return RejectCode.QUEUE_FULL
        return RejectCode.NONE


def judge_head(inbox: SlowInbox, record: bytes) -> RejectCode:
    length, kind, version, _, _, source, _, _ = HEAD.unpack_from(record)
    known = inbox.allowed.get(kind)
    if known is None:
        return judge_unallowed(length, kind)
    if length != known[0]:
        return RejectCode.RECORD_WRONG_LENGTH
    if version != known[1]:
        return RejectCode.RECORD_WRONG_VERSION
    if source >> SOURCE_BITS != inbox.principal:
        return RejectCode.SOURCE_NOT_AUTHORISED
    return judge_realm(inbox.realm, COMMANDS.by_kind[kind].unpack(record))


def judge_realm(realm: Realm | None, command: Any) -> RejectCode:
    if realm is None:
        return RejectCode.NONE
    if command.account and not realm.first_account <= command.account <= realm.last_account:
        return RejectCode.ACCOUNT_OUTSIDE_REALM
    timers = range(realm.first_timer_session, realm.last_timer_session + 1)
    if command.session not in (0, realm.session) and command.session not in timers:
        return RejectCode.SESSION_OUTSIDE_REALM
    if getattr(command, "firm", 0) not in (0, realm.firm):
        return RejectCode.FIRM_OUTSIDE_REALM
    return RejectCode.NONE


def group_left_of(record: bytes) -> int:
    return int.from_bytes(record[6:8], "little")


def first_command(records: list[bytes]) -> tuple[list[bytes], bool]:
    """The command that begins ``records``, and whether it is a whole one: one record, or a group.

    A group's records are of one source and number and count down to its end. One that is broken
    off ends before what breaks it off.
    """
    members = {kind.KIND for kind in GROUP_MEMBERS}
    _, kind, _, _, left, *origin = HEAD.unpack_from(records[0])
    command = [records[0]]
    if kind != GroupHeader.KIND:
        return command, left == 0 and kind not in members
    is_whole = 1 <= left <= GROUP_MEMBERS_MAX
    for record in records[1 : left + 1]:
        _, kind, _, _, group_left, *own = HEAD.unpack_from(record)
        if kind not in members or group_left != left - len(command) or own != origin:
            break
        command.append(record)
    return command, is_whole and len(command) == left + 1


def walked(data: bytes) -> list[bytes]:
    """The records in ``data``; raises before any of them can be used."""
    records, at = [], 0
    while at < len(data):
        left = len(data) - at
        if left < HEADER_SIZE:
            raise MalformedCommandsError(f"too few bytes for a command, at byte {at}")
        length = int.from_bytes(data[at : at + 2], "little")
        if length < HEADER_SIZE:
            raise MalformedCommandsError(f"a command shorter than its head, at byte {at}")
        if length > left:
            raise MalformedCommandsError(f"a command that is cut short, at byte {at}")
        records.append(data[at : at + length])
        at += length
    return records


def judge_unallowed(length: int, kind: int) -> RejectCode:
    record = COMMANDS.by_kind.get(kind)
    if record is None:
        return RejectCode.RECORD_UNKNOWN_KIND
    if length != record.LENGTH:
        return RejectCode.RECORD_WRONG_LENGTH
    return RejectCode.SOURCE_NOT_AUTHORISED


def stamp(record: bytes, sequence: int, time_ns: int) -> bytes:
    """Number and stamp a record; the sequencer's own get their number as source's."""
    whole = bytearray(record)
    struct.pack_into("<Qq", whole, 8, sequence, time_ns)
    if int.from_bytes(record[32:36], "little") == OWN_SOURCE:
        struct.pack_into("<Q", whole, 40, sequence)
    return bytes(whole)
