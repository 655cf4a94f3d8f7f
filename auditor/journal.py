"""The journal, read beside the events: which command caused what."""

from collections.abc import Iterator
from typing import Any

from messages.layout import fields_reader
from messages.trading.commands import COMMANDS, GroupHeader
from runtime.log_format import FrameKind, Stream
from runtime.log_history import Cursor, LogHistory
from runtime.storage import Storage

READ_BYTES = 1 << 18
"""At the end of a journal most of what is read is the empty rest of its segment."""

_read_sequence = fields_reader(GroupHeader, ("sequence",), *COMMANDS.by_kind.values())
"""A command's number: all records of a group have their header's, and are not looked into."""


class JournalReader:
    """Reads commands in order; a group is its header.

    An event is visible only when its command is in the journal, so whoever has seen the events
    of a command finds it there.
    """

    def __init__(self, storage: Storage, *, venue: bytes, after: int) -> None:
        """Begin behind command ``after``.

        Raises:
            LogDamagedError: the journal cannot be read up to there.
        """
        self._history = LogHistory(storage, Stream.JOURNAL, venue=venue)
        self._cursor: Cursor = self._history.seek(after)
        self._after = after
        self._ahead: list[Any] = []

    def through(self, last: int) -> Iterator[Any]:
        """Yield the commands up to number ``last``, as far as they are there.

        Raises:
            LogDamagedError: a frame is not as it was written, or not contiguous.
            MalformedRecordError: a record that this version does not know.
        """
        while self._after < last:
            if not self._ahead and not self._read():
                return
            while self._ahead and self._ahead[-1].sequence <= last:
                command = self._ahead.pop()
                self._after = command.sequence
                yield command
            if self._ahead:
                return

    def _read(self) -> bool:
        """Take the next frames; commands wait in ``_ahead``, the next one last."""
        frames, self._cursor = self._history.read(self._cursor, READ_BYTES)
        commands: list[Any] = []
        for frame in frames:
            if frame.head.kind is not FrameKind.COMMANDS:
                continue
            seen = self._after
            for offset, cls in COMMANDS.walk(frame.payload):
                (sequence,) = _read_sequence(frame.payload, offset)
                if sequence > seen:
                    commands.append(cls.unpack(frame.payload, offset))
                    seen = sequence
        commands.reverse()
        self._ahead = commands
        return bool(frames)
