"""The slow twin of ``core/native``'s logs: the same files, in plain Python, without any thread.

``docs/protocols/journal.md`` is what both follow.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence

from google_crc32c import extend

from runtime.log_files import Entry
from runtime.log_format import FRAME, FRAME_MARK, HEAD, HEAD_SIZE, LAYOUT, FrameKind, Place, Stream
from runtime.log_scan import SPARE_NAME, LogEnd, segment_name, segment_numbers
from runtime.storage import File, Storage

JOINED_BYTES_MAX = 4 * 1024 * 1024
CHECKSUM = struct.Struct("<I")


class NaiveLog:
    """A segmented log."""

    def __init__(
        self,
        storage: Storage,
        stream: Stream,
        end: LogEnd,
        *,
        venue: bytes,
        segment_bytes: int,
        created_ns: int,
    ) -> None:
        self.last = self.synced = end.last
        self.storage, self.stream, self.venue = storage, stream, venue
        self.segment, self.offset = end.number, end.offset
        self.segment_bytes = segment_bytes
        self.created_ns = created_ns
        self.file: File | None = None
        self.spare_size = 0
        for number in segment_numbers(storage):
            if number > end.number:
                storage.remove(segment_name(number))
        if SPARE_NAME in storage.names():
            storage.remove(SPARE_NAME)
        if end.number:
            self.file = storage.open(segment_name(end.number))
            if end.is_torn:
                self.file.write(bytes(self.file.size() - end.offset), end.offset)
            self.file.sync()

    def append(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            assert entry.first == self.last + 1
            size = FRAME.size + CHECKSUM.size + len(entry.payload)
            if self.file is None or self.offset + size > self.file.size():
                self._begin_segment(HEAD_SIZE + size)
            assert self.file is not None
            self.file.write(self._frame(entry), self.offset)
            self.offset += size
            self.last = entry.last

    def sync(self) -> None:
        if self.file is not None:
            self.file.sync()
        self.synced = self.last

    def prepare_spare(self) -> None:
        if not self.spare_size:
            self._make_spare(self.segment_bytes)

    def _frame(self, entry: Entry) -> bytes:
        size, synced = len(entry.payload), self.synced
        numbers = (size, entry.first, entry.last, synced, entry.time_ns)
        body = FRAME.pack(FRAME_MARK, entry.kind, 1, *numbers)
        seed = Place(self.venue, self.stream, self.segment).seed(self.offset)
        return body + CHECKSUM.pack(extend(extend(seed, body), entry.payload)) + entry.payload

    def _begin_segment(self, needed: int) -> None:
        digest = bytes(32)
        if self.file is not None:
            self.file.truncate(self.offset)
            self.sync()
            digest = hashlib.sha256(self.file.read(self.offset, 0)).digest()
        size = max(self.segment_bytes, needed)
        if self.spare_size < size:
            self._make_spare(size)
        self.segment += 1
        numbers = (self.segment, self.last + 1, digest, self.created_ns)
        head = HEAD.pack(b"RIALTOLG", LAYOUT, self.stream, HEAD_SIZE, self.venue, *numbers)
        self.file = self.storage.open(SPARE_NAME)
        self.file.write(head + CHECKSUM.pack(extend(0, head)), 0)
        self.file.sync()
        self.storage.rename(SPARE_NAME, segment_name(self.segment))
        self.storage.sync_names()
        self.spare_size, self.offset = 0, HEAD_SIZE

    def _make_spare(self, size: int) -> None:
        file = self.storage.open(SPARE_NAME, create=True)
        try:
            file.write(bytes(size), 0)
            file.sync()
        except OSError:
            self.storage.remove(SPARE_NAME)
            self.spare_size = 0
            raise
        self.spare_size = size


def merged_runs(group: Sequence[Entry]) -> Iterator[Entry]:
    """Join neighbours of one kind: what one group becomes where groups are synced."""
    run: list[Entry] = []
    size = 0
    for entry in group:
        is_other = run and (entry.kind is not run[0].kind or entry.kind is FrameKind.CHECK)
        if run and (is_other or size + len(entry.payload) > JOINED_BYTES_MAX):
            yield _joined(run)
            run, size = [], 0
        run.append(entry)
        size += len(entry.payload)
    if run:
        yield _joined(run)


def _joined(run: Sequence[Entry]) -> Entry:
    payload = b"".join(entry.payload for entry in run)
    last = run[-1]
    return Entry(last.kind, run[0].first, last.last, last.time_ns, payload)
