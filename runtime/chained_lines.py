"""Lines of JSON that can only be added to, each holding the SHA-256 of the one before.

So a line that is changed, taken out, put in or moved breaks the chain behind it, and ``verify``
names the first line that does not fit. What no chain shows by itself is a file cut short at a
line's end, or written anew as a whole: for that, keep or sign a ``Head`` elsewhere now and then
and give it to ``verify``.

A line is durable before ``append`` returns. A last line without its end was never acknowledged
by anybody: it is what a crash leaves, and the next ``append`` takes it away. So does one that a
full disk took a part of, at once.

Errors: ``ChainBrokenError``, a file that is not as it was written. The disk's are ``OSError``.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from runtime.process import EXIT_DAMAGED

LINE_BYTES_MAX: Final = 256 * 1024
GENESIS: Final = "0" * 64
"""What the first line names as the one before it."""

_TAIL_BYTES: Final = 2 * LINE_BYTES_MAX
_MODE: Final = 0o600


class ChainBrokenError(Exception):
    """A file is not as it was written; ``number`` is the first line that does not fit."""

    exit_code = EXIT_DAMAGED

    def __init__(self, path: Path, number: int, text: str) -> None:
        super().__init__(f"{path}: line {number}: {text}")
        self.number = number


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a chain has come: its last line's number, and that line's SHA-256."""

    number: int
    sha256: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: its number from 1, the SHA-256 of the line before, and what it says."""

    number: int
    previous: str
    body: msgspec.Raw


START: Final = Head(0, GENESIS)


class Place(NamedTuple):
    """Where a file was checked up to: the byte behind a line, and the head that it made."""

    offset: int
    head: Head


BEGINNING: Final = Place(0, START)


class ChainedLines:
    """One file of lines, which any number of processes may add to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, body: Mapping[str, object] | msgspec.Struct) -> Head:
        """Add a line, durably; return the head that it makes.

        Raises:
            ChainBrokenError: the last line is not one of ours; nothing is added to such a file.
            OSError: the disk refused, or took a part only; nothing is added.
        """
        with self._held() as file:
            head = self._cut_and_find_head(file)
            line = Line(head.number + 1, head.sha256, msgspec.Raw(msgspec.json.encode(body)))
            data = msgspec.json.encode(line)
            assert len(data) < LINE_BYTES_MAX, f"a line of {len(data)} bytes"
            _write_whole(file, data + b"\n")
            os.fsync(file)
            return Head(line.number, hashlib.sha256(data).hexdigest())

    def read(self) -> Iterator[Line]:
        """Yield every whole line, checked; a file that is not there has none.

        Raises:
            ChainBrokenError: at the first line that does not fit.
        """
        for line, _ in self.read_after(BEGINNING):
            yield line

    def verify(self, *known: Head) -> Head:
        """Check every line and return the head.

        Args:
            known: heads that were kept elsewhere; the chain must run through each.

        Raises:
            ChainBrokenError: a line does not fit, or the chain misses a known head.
        """
        head = START
        wanted = {each.number: each.sha256 for each in known}
        for line, (_, head) in self.read_after(BEGINNING):
            if wanted.pop(line.number, head.sha256) != head.sha256:
                raise ChainBrokenError(self.path, line.number, "not the line that was known")
        wanted.pop(0, None)
        if wanted:
            raise ChainBrokenError(
                self.path, head.number + 1, f"missing; line {max(wanted)} was known"
            )
        return head

    def read_after(self, place: Place) -> Iterator[tuple[Line, Place]]:
        """Yield every whole line behind a place, checked, and the place behind it.

        Raises:
            ChainBrokenError: at the first line that does not fit; the file ends before the place.
        """
        offset, head = place
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            if offset:
                raise ChainBrokenError(self.path, 1, "missing; it was there") from None
            return
        with file:
            if file.seek(0, os.SEEK_END) < offset:
                raise ChainBrokenError(self.path, head.number, "missing; it was there")
            file.seek(offset)
            while (data := file.readline(LINE_BYTES_MAX + 1)).endswith(b"\n"):
                line = self._decoded(data[:-1], head.number + 1)
                if line.number != head.number + 1:
                    raise ChainBrokenError(self.path, head.number + 1, f"numbered {line.number}")
                if line.previous != head.sha256:
                    raise ChainBrokenError(self.path, line.number, "not what follows the last one")
                head = Head(line.number, hashlib.sha256(data[:-1]).hexdigest())
                offset += len(data)
                yield line, Place(offset, head)
        if len(data) > LINE_BYTES_MAX:
            raise ChainBrokenError(self.path, head.number + 1, "has no end")

    def _decoded(self, data: bytes, number: int) -> Line:
        try:
            line = msgspec.json.decode(data, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ChainBrokenError(self.path, number, str(error)) from error
        if msgspec.json.encode(line) != data:
            raise ChainBrokenError(self.path, number, "not in the form that we write")
        return line

    def _cut_and_find_head(self, file: int) -> Head:
        """Take away a torn last line, and return the head of what is whole."""
        size = os.fstat(file).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(file, size - start, start)
        whole = tail[: tail.rfind(b"\n") + 1]
        if len(whole) < len(tail):
            if not whole and start:
                raise ChainBrokenError(self.path, 0, "the last line has no beginning")
            os.ftruncate(file, start + len(whole))
        if not whole:
            return START
        data = whole[whole[:-1].rfind(b"\n") + 1 : -1]
        return Head(self._decoded(data, 0).number, hashlib.sha256(data).hexdigest())

    @contextmanager
    def _held(self) -> Iterator[int]:
        is_new = not self.path.exists()
        if is_new:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_new:
                _sync_directory(self.path.parent)
            yield file
        finally:
            os.close(file)


def _write_whole(file: int, data: bytes) -> None:
    """Add bytes to a file's end, or leave it as it was."""
    size = os.fstat(file).st_size
    written = os.write(file, data)
    if written != len(data):
        os.ftruncate(file, size)
        text = f"{os.strerror(errno.ENOSPC)}: {written} of {len(data)} bytes were taken"
        raise OSError(errno.ENOSPC, text)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
