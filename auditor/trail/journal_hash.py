"""The hash of a growing journal, segment by segment, taken between whole frames."""

import hashlib

from auditor.trail.heads import JournalHead
from runtime.log_format import FRAME_SIZE, HEAD_SIZE, Stream
from runtime.log_history import Cursor, LogHistory
from runtime.log_scan import segment_name
from runtime.storage import Storage

READ_BYTES = 4 << 20


class JournalHasher:
    """Follows the journal; each byte is read once."""

    def __init__(self, storage: Storage, *, venue: bytes) -> None:
        self._storage = storage
        self._history = LogHistory(storage, Stream.JOURNAL, venue=venue)
        self._cursor = Cursor(1, HEAD_SIZE, 0)
        self._segment = 0
        self._hashed = 0
        self._sha256 = hashlib.sha256()

    def through(self, sequence: int) -> JournalHead | None:
        """Return the last place between two frames that is not beyond a command.

        Raises:
            LogDamagedError: a frame is not as it was written.
        """
        found: JournalHead | None = None
        while True:
            frames, reached = self._history.read(self._cursor, READ_BYTES)
            if not frames:
                return found
            offset, last, segment = 0, 0, reached.segment
            for frame in frames:
                if frame.head.last > sequence:
                    break
                offset, last = frame.offset + FRAME_SIZE + frame.head.size, frame.head.last
            if not offset:
                return found
            self._hash_to(segment, offset)
            self._cursor = Cursor(segment, offset, last)
            found = JournalHead(
                segment=segment,
                offset=offset,
                sequence=last,
                sha256=self._sha256.copy().hexdigest(),
            )

    def _hash_to(self, segment: int, offset: int) -> None:
        if segment != self._segment:
            self._segment, self._hashed, self._sha256 = segment, 0, hashlib.sha256()
        file = self._storage.open(segment_name(segment))
        try:
            while self._hashed < offset:
                data = file.read(min(READ_BYTES, offset - self._hashed), self._hashed)
                self._sha256.update(data)
                self._hashed += len(data)
        finally:
            file.close()
