"""Where the gateway stood: one small file, replaced whole.

It says through which event every session's messages were given to QuickFIX and are on the disk.
It may be old: what lies between it and the crash is found in QuickFIX's store. It is never ahead.

Errors:
    DamagedCheckpointError: the file is not ours; an operator decides.
"""

import os
from pathlib import Path

import msgspec

from runtime.process import EXIT_DAMAGED


class DamagedCheckpointError(Exception):
    """The checkpoint file is there and cannot be read."""

    exit_code = EXIT_DAMAGED


class SessionMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must survive of one session: its reset count, and its next number to send.

    ``target_next`` is the number to expect from the client, known only after an orderly stop:
    everything below it is sequenced or answered. Zero means unknown.
    """

    epoch: int
    connection: int
    sender_next: int
    target_next: int = 0


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's position.

    ``boot`` tells a crash of the machine from one of the process, ``is_clean`` an orderly stop
    from both.
    """

    venue: str
    boot: str
    event: int
    is_clean: bool
    sessions: dict[int, SessionMark]


def boot_identity() -> str:
    """Return what changes with each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read the checkpoint; None if there is none yet.

    Raises:
        DamagedCheckpointError: as the module says.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise DamagedCheckpointError(f"{path}: {error}") from error


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint, on the disk before this returns.

    Raises:
        OSError: the disk refused.
    """
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
