"""Whether money may leave: the auditor stops it, and an operator lets it go on.

The gate is a file in the auditor's folder, so that it outlives every process. Operators' commands
that take money out look at it first; custody will, too. A file that is made ready beforehand shuts
it where the disk is full: a name may change when not a byte more can be written.
"""

import os
import time
from pathlib import Path

import msgspec

from exchange.errors import CommandError

STOPPED_NAME = "withdrawals-stopped.json"
READY_NAME = "withdrawals-stopped.ready"

_WHY_READY = "the disk refused to take the reason; the log has it"


class Stopped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Since when nothing may leave, and why; ``since_ns`` is 0 where it could not be written."""

    since_ns: int
    why: str


def make_ready(directory: Path) -> None:
    """Make what ``stop_withdrawals`` needs on a full disk; repeating it is harmless.

    Raises:
        OSError: the disk refused.
    """
    path = directory / READY_NAME
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, Stopped(since_ns=0, why=_WHY_READY))


def stop_withdrawals(directory: Path, why: str) -> None:
    """Let no money leave from now on, durably; what was said first stands.

    Raises:
        OSError: the disk refused even the file that was made ready; the gate is not shut.
    """
    path = directory / STOPPED_NAME
    try:
        if stopped(directory) is not None:
            return
    except CommandError:
        return  # What nobody can read lets nothing leave, either.
    try:
        _write(path, Stopped(since_ns=time.time_ns(), why=why))
    except OSError:
        (directory / READY_NAME).replace(path)
        _sync(directory)


def let_withdrawals_go_on(directory: Path) -> None:
    """Let money leave again; repeating it is harmless.

    Raises:
        OSError: the disk refused what the next stop needs; the gate is as it was.
    """
    make_ready(directory)
    (directory / STOPPED_NAME).unlink(missing_ok=True)


def _write(path: Path, what: Stopped) -> None:
    """Put a file in its place as a whole, durably."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        file.write(msgspec.json.encode(what))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stopped(directory: Path) -> Stopped | None:
    """Say since when and why nothing may leave; None while it may.

    Raises:
        CommandError: the file says neither: nothing leaves then, either.
    """
    path = directory / STOPPED_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stopped)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path}: {error}") from error


def require_withdrawals(directory: Path) -> None:
    """Refuse to go on while the auditor lets nothing leave.

    Raises:
        CommandError: it does not, and why.
    """
    found = stopped(directory)
    if found is not None:
        raise CommandError(
            f"the auditor stopped withdrawals: {found.why}; "
            "./rialto audit findings says what it found, ./rialto audit acknowledge ends it"
        )
