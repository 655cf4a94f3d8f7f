"""Whether money may leave: the auditor stops it, and an operator lets it go on.

The gate is a file in the auditor's folder, so that it outlives every process. Operators' commands
that take money out look at it first; custody will, too.
"""

import time
from pathlib import Path

import msgspec

from exchange.errors import CommandError

STOPPED_NAME = "withdrawals-stopped.json"


class Stopped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Since when nothing may leave, and why."""

    since_ns: int
    why: str


def stop_withdrawals(directory: Path, why: str) -> None:
    """Let no money leave from now on; what was said first stands."""
    path = directory / STOPPED_NAME
    if stopped(directory) is None:
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(Stopped(since_ns=time.time_ns(), why=why)))
        unfinished.replace(path)


def let_withdrawals_go_on(directory: Path) -> None:
    """Let money leave again; repeating it is harmless."""
    (directory / STOPPED_NAME).unlink(missing_ok=True)


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
