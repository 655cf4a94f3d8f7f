"""Snapshot files: an engine's state after one command, at a boundary of the rolling hash.

A file appears under its name only when it is whole and durable. It is believed only after its
checksum and digest were compared again.
"""

import contextlib
import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import structlog
from google_crc32c import extend

from runtime.log_files import CrashPoint, no_crash_point
from runtime.storage import Storage
from venue.rolling import CHECK, Check

log = structlog.get_logger()

LAYOUT = 1
"""The version of the file's head. The engine refuses states of other layouts by itself."""

HEAD = struct.Struct("<8sHHI16s32sQ" + CHECK.format.removeprefix("<") + "32s")
HEAD_SIZE = HEAD.size + 8
MAGIC = b"RIALTOSN"
TEMPORARY_NAME = "snapshot.tmp"
_CHECKSUM = struct.Struct("<II")


class Snapshot(NamedTuple):
    """An engine's state and where it belongs."""

    venue: bytes
    engine: str
    check: Check
    state: bytes

    @property
    def digest(self) -> bytes:
        """Return SHA-256 of the state."""
        return hashlib.sha256(self.state).digest()


class SnapshotFiles:
    """The snapshots of one venue."""

    def __init__(
        self, storage: Storage, *, venue: bytes, crash_point: CrashPoint = no_crash_point
    ) -> None:
        self._storage = storage
        self._venue = venue
        self._crash_point = crash_point

    def write(self, snapshot: Snapshot, *, kept: int) -> str:
        """Write a snapshot durably, and remove all but the last ``kept``; returns its name.

        Raises:
            OSError: the disk refused; nothing is left of it.
        """
        assert snapshot.venue == self._venue
        body = HEAD.pack(
            MAGIC,
            LAYOUT,
            HEAD_SIZE,
            0,
            snapshot.venue,
            snapshot.engine.encode("ascii").ljust(32, b"\0"),
            len(snapshot.state),
            *snapshot.check,
            snapshot.digest,
        )
        file = self._storage.open(TEMPORARY_NAME, create=True)
        try:
            file.write(body + _CHECKSUM.pack(extend(0, body), 0), 0)
            file.write(snapshot.state, HEAD_SIZE)
            file.sync()
        except OSError:
            # On a full disk what we could write would be missing elsewhere.
            with contextlib.suppress(OSError):
                self._storage.remove(TEMPORARY_NAME)
            raise
        finally:
            file.close()
        self._crash_point("snapshot_written")
        name = f"{snapshot.check.sequence:020d}.snapshot"
        self._storage.rename(TEMPORARY_NAME, name)
        self._crash_point("snapshot_rename")
        self._storage.sync_names()
        for old in self.names()[:-kept]:
            self._storage.remove(old)
        self._storage.sync_names()
        return name

    def names(self) -> list[str]:
        """Return the names of the snapshots, oldest first."""
        return [name for name in self._storage.names() if name.endswith(".snapshot")]

    def read(self, name: str) -> Snapshot | str:
        """Return a snapshot, or why it cannot be believed."""
        file = self._storage.open(name)
        try:
            data = file.read(file.size(), 0)
        finally:
            file.close()
        if len(data) < HEAD_SIZE:
            return "its head is cut short"
        body = data[: HEAD.size]
        if _CHECKSUM.unpack_from(data, HEAD.size) != (extend(0, body), 0):
            return "its head is damaged"
        magic, layout, _, _, venue, engine, size, *check, digest = HEAD.unpack(body)
        if magic != MAGIC or layout != LAYOUT:
            return f"its layout is {layout}, not {LAYOUT}"
        state = data[HEAD_SIZE:]
        if len(state) != size or hashlib.sha256(state).digest() != digest:
            return "its state does not have its digest"
        if venue != self._venue:
            return f"it belongs to venue {venue.hex()}"
        return Snapshot(venue, engine.rstrip(b"\0").decode("ascii"), Check._make(check), state)

    def newest_first(self) -> Iterator[Snapshot]:
        """Yield what can be believed, and say what cannot."""
        for name in reversed(self.names()):
            snapshot = self.read(name)
            if isinstance(snapshot, str):
                log.warning("snapshot_refused", name=name, reason=snapshot)
            else:
                yield snapshot
