"""The storage port: one flat folder of files, with exactly the promises a log may lean on.

What is written is durable only after ``sync`` of the file; a name that was created, renamed or
removed is durable only after ``sync_names``. ``runtime/simulated_storage.py`` is the in-memory
adapter that loses everything else in a power cut.
"""

import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file; positions are bytes from its start."""

    def read(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the file's end."""
        ...

    def write(self, data: bytes, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""
        ...

    def size(self) -> int:
        """Return the file's length."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        ...

    def sync(self) -> None:
        """Return once everything written is durable. An error is final: never call again."""
        ...

    def close(self) -> None:
        """Let the file go; nothing becomes durable by it."""
        ...


class Storage(Protocol):
    """A folder of files."""

    def names(self) -> list[str]:
        """Return the names there, sorted."""
        ...

    def open(self, name: str, *, create: bool = False) -> File:
        """Open a file for reading and writing; with ``create`` it is made anew and empty.

        Raises:
            FileNotFoundError: it is not there, and ``create`` was not asked.
        """
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, replacing what has that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def sync_names(self) -> None:
        """Return once all names are durable."""
        ...

    def describe(self, name: str) -> str:
        """Return what to call the file in messages to people."""
        ...


class DiskFile:
    """A file on a disk."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int, offset: int) -> bytes:
        """See ``File.read``."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        while data and (missing := size - sum(map(len, parts))):
            data = os.pread(self._descriptor, missing, offset + size - missing)
            parts.append(data)
        return b"".join(parts)

    def write(self, data: bytes, offset: int) -> None:
        """See ``File.write``."""
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], offset + written)

    def size(self) -> int:
        """See ``File.size``."""
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        """See ``File.truncate``."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """See ``File.sync``."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See ``File.close``."""
        os.close(self._descriptor)


class DiskStorage:
    """A folder on a disk, made (with its parents) when it is missing.

    With ``read_only`` nothing is ever made or changed: a folder that is missing is an empty one,
    and files are opened for reading alone, which is all that a copy on a write-protected disk
    allows.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._is_read_only = read_only
        if not read_only and not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)

    def names(self) -> list[str]:
        """See ``Storage.names``."""
        if self._is_read_only and not self.folder.is_dir():
            return []
        return sorted(entry.name for entry in self.folder.iterdir() if entry.is_file())

    def open(self, name: str, *, create: bool = False) -> DiskFile:
        """See ``Storage.open``."""
        flags = (os.O_RDONLY if self._is_read_only else os.O_RDWR) | os.O_CLOEXEC
        if create:
            self._may_change(name)
            flags |= os.O_CREAT | os.O_TRUNC
        return DiskFile(os.open(self.folder / name, flags, 0o600))

    def rename(self, old: str, new: str) -> None:
        """See ``Storage.rename``."""
        self._may_change(old)
        (self.folder / old).replace(self.folder / new)

    def remove(self, name: str) -> None:
        """See ``Storage.remove``."""
        self._may_change(name)
        (self.folder / name).unlink(missing_ok=True)

    def sync_names(self) -> None:
        """See ``Storage.sync_names``."""
        sync_folder(self.folder)

    def describe(self, name: str) -> str:
        """See ``Storage.describe``."""
        return str(self.folder / name)

    def _may_change(self, name: str) -> None:
        assert not self._is_read_only, f"{self.describe(name)} is open for reading only"


def sync_folder(folder: Path) -> None:
    """Make durable which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
