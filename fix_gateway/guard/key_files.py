"""Key rings on the disk: one file a session, whole or not there, readable by its owner only.

Errors:
    KeyFileError: a ring cannot be read; nobody is let in by it until it is mended.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fix_gateway.guard.keys import KeyRing
from runtime.process import EXIT_CONFIGURATION


class KeyFileError(Exception):
    """A ring's file is damaged, or others may read it; the operator's to mend."""

    exit_code = EXIT_CONFIGURATION


class KeyFiles:
    """The rings of one venue."""

    def __init__(self, directory: Path) -> None:
        """Describe the place; it is made when the first ring is written."""
        self._directory = directory

    def path(self, session: str) -> Path:
        """Say where a session's ring is."""
        return self._directory / f"{session}.json"

    def read(self, session: str) -> KeyRing:
        """Read a session's ring; an empty one where there is none yet.

        Raises:
            KeyFileError: as the module says.
        """
        path = self.path(session)
        try:
            status, data = path.stat(), path.read_bytes()
        except FileNotFoundError:
            return KeyRing(session=session)
        if status.st_mode & 0o077:
            raise KeyFileError(f"{path}: others may read it; chmod 600 it, and change its keys")
        try:
            ring = msgspec.json.decode(data, type=KeyRing)
        except msgspec.DecodeError as error:
            raise KeyFileError(f"{path}: {error}") from error
        if ring.session != session:
            raise KeyFileError(f"{path}: is the ring of {ring.session}")
        return ring

    def write(self, ring: KeyRing) -> None:
        """Put a ring on the disk, whole or not at all.

        Raises:
            OSError: the disk refused.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(ring.session)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(ring)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what changes whenever a ring does."""
        if not self._directory.is_dir():
            return ()
        found = []
        for entry in os.scandir(self._directory):
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                status = entry.stat()
                found.append((entry.name, status.st_mtime_ns, status.st_ino))
        return tuple(sorted(found))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from changing rings meanwhile."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
