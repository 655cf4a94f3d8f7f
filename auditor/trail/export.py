"""One account's part of the trail, for an authority: commands with their events, and the proof."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from auditor.trail.heads import SignedHead, SigningKey
from messages.layout import Record
from messages.trading.commands import COMMANDS
from messages.trading.events import EVENTS
from runtime.chained_lines import ChainedLines
from runtime.log_format import HEAD_SIZE, FrameKind, Stream
from runtime.log_history import Cursor, LogHistory
from runtime.storage import Storage

READ_BYTES = 4 << 20
PROOF_DOMAIN = b"rialto audit export 1\n"

_ACCOUNTS = ("account", "to_account", "maker_account", "taker_account", "requester_account")
_HEADER = frozenset({"length", "version", "reserved"})


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From ``from_ns`` on, and before ``to_ns``: stamps of commands."""

    from_ns: int
    to_ns: int


def export_account(
    *, journal: Storage, events: Storage, venue: bytes, account: int, period: Period
) -> Iterator[dict[str, Any]]:
    """Yield every command that an account asked for, or that any event tells it of, in order.

    Each says where it stands in the journal: segment, offset of its frame, sequence.

    Raises:
        LogDamagedError: journal or event log cannot be read.
    """
    told = _Told(events, venue)
    for segment, frame in _frames(journal, Stream.JOURNAL, venue):
        if frame.head.kind is not FrameKind.COMMANDS:
            continue
        commands: dict[int, list[Any]] = {}
        for record in COMMANDS.unpack(frame.payload):
            command: Any = record
            commands.setdefault(command.sequence, []).append(command)
        for sequence, parts in commands.items():
            answers = told.of(sequence)
            if not period.from_ns <= parts[0].time_ns < period.to_ns:
                continue
            if _is_about(parts, account) or _is_about(answers, account):
                yield {
                    "sequence": sequence,
                    "time_ns": parts[0].time_ns,
                    "segment": segment,
                    "frame_offset": frame.offset,
                    "commands": [_plain(part) for part in parts],
                    "events": [_plain(event) for event in answers],
                }


def operators_lines(record: ChainedLines, numbers: set[int]) -> Iterator[dict[str, Any]]:
    """Yield what operators' record says of these events: who, when, why, and the line's chain.

    Raises:
        ChainBrokenError: the record is not as it was written.
    """
    for line in record.read():
        body: dict[str, Any] = msgspec.json.decode(line.body)
        if not numbers.isdisjoint(body.get("events", ())):
            yield {"record_line": line.number, "previous": line.previous, "operator_action": body}


class ProvedLines:
    """Writes lines, and at last one that proves them."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._count = 0

    def line(self, body: dict[str, Any]) -> bytes:
        """Return a line's bytes, and count them in."""
        data = msgspec.json.encode(body) + b"\n"
        self._sha256.update(data)
        self._count += 1
        return data

    def proof(self, key: SigningKey, head: SignedHead | None) -> bytes:
        """Return the last line: how many came before, their hash, and the head that covers them.

        Args:
            key: signs the count and the hash.
            head: the first signed head whose journal reaches beyond what was exported.
        """
        said = {"lines": self._count, "sha256": self._sha256.hexdigest(), "head": head}
        message = PROOF_DOMAIN + msgspec.json.encode(said)
        return msgspec.json.encode({"proof": said, "signature": key.sign(message)}) + b"\n"


class _Told:
    """The events of one command after the other."""

    def __init__(self, storage: Storage, venue: bytes) -> None:
        self._events = self._read(storage, venue)
        self._next: Any = None

    def of(self, sequence: int) -> list[Any]:
        """Return the events of a command; commands are asked for in order."""
        found: list[Any] = []
        while True:
            event = self._next if self._next is not None else next(self._events, None)
            self._next = None
            if event is None:
                return found
            if event.sequence > sequence:
                self._next = event
                return found
            if event.sequence == sequence:
                found.append(event)

    @staticmethod
    def _read(storage: Storage, venue: bytes) -> Iterator[Any]:
        for _, frame in _frames(storage, Stream.EVENTS, venue):
            yield from EVENTS.unpack(frame.payload)


def _frames(storage: Storage, stream: Stream, venue: bytes) -> Iterator[tuple[int, Any]]:
    history, cursor = LogHistory(storage, stream, venue=venue), Cursor(1, HEAD_SIZE, 0)
    while True:
        frames, cursor = history.read(cursor, READ_BYTES)
        if not frames:
            return
        for frame in frames:
            yield cursor.segment, frame


def _is_about(records: list[Any], account: int) -> bool:
    return any(getattr(record, name, 0) == account for record in records for name in _ACCOUNTS)


def _plain(record: Record) -> dict[str, Any]:
    """Return a record for reading: its kind's name, text as text, and no padding."""
    fields: dict[str, Any] = {"kind": type(record).__name__}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name in _HEADER or name == "kind" or name.startswith("spare"):
            continue
        if isinstance(value, bytes):
            value = value.rstrip(b"\0").decode("ascii", "backslashreplace")
        fields[name] = value
    return fields
