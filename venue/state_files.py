"""The venue's state directory: who may write it, and what lies where."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from runtime.storage import DiskStorage, Storage
from venue.errors import StateInUseError


class Stores(NamedTuple):
    """The three folders of a venue."""

    journal: Storage
    events: Storage
    snapshots: Storage

    @classmethod
    def on_disk(cls, directory: Path) -> Self:
        """Open the folders of a state directory, making what is missing."""
        return cls(
            journal=DiskStorage(directory / "journal"),
            events=DiskStorage(directory / "events"),
            snapshots=DiskStorage(directory / "snapshots"),
        )

    @classmethod
    def read_only(cls, directory: Path) -> Self:
        """Open the folders of a state directory, or of a copy, of which nothing may change."""
        return cls(
            journal=DiskStorage(directory / "journal", read_only=True),
            events=DiskStorage(directory / "events", read_only=True),
            snapshots=DiskStorage(directory / "snapshots", read_only=True),
        )


class StateLock:
    """The right to write a state directory; the kernel takes it back when the process ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StateInUseError: another process has it.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StateInUseError(
                f"{self._path.parent}: in use by process {holder or 'unknown'}"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        os.close(self._descriptor)
