"""Where the gateway stood: one small file, replaced whole.

It says through which event every session's messages were given to QuickFIX and are on the disk.
It may be old: what lies between it and the crash is found in QuickFIX's store. It is never ahead.

Errors:
    DamagedCheckpointError: the file is not ours; an operator decides.
    StrangeVenueError: the core is not the one whose events we hold; an operator decides.
"""

import asyncio
import os
from pathlib import Path

import msgspec

from fix_gateway.store import StoreSync
from runtime.link import AheadOfVenue
from runtime.link_frames import Welcome
from runtime.process import EXIT_DAMAGED, EXIT_INVARIANT


class DamagedCheckpointError(Exception):
    """The checkpoint file is there and cannot be read."""

    exit_code = EXIT_DAMAGED


class StrangeVenueError(Exception):
    """Another venue answers than the one that our position belongs to."""

    exit_code = EXIT_INVARIANT


class SessionMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must survive of one session: its reset count, and its next number to send.

    ``target_next`` is the number to expect from the client, known only after an orderly stop:
    everything below it is sequenced or answered. Zero means unknown.
    ``told`` is the last ApplSeqNum told to it by the checkpoint's event; zero means unknown too.
    """

    epoch: int
    connection: int
    sender_next: int
    target_next: int = 0
    told: int = 0


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


def check_lineage(
    welcome: Welcome, *, mark: Checkpoint | None, known: bytes, position: int
) -> None:
    """Make sure that the core is ours and has all that we have seen.

    Args:
        welcome: the core's.
        mark: the checkpoint on the disk, if any.
        known: the venue of an earlier link; empty before the first.
        position: the last event that was published.

    Raises:
        StrangeVenueError: another venue. AheadOfVenue: it has less than we have.
    """
    known = known or bytes.fromhex(mark.venue if mark else "")
    if known and known != welcome.venue:
        raise StrangeVenueError(f"venue {welcome.venue.hex()} answers, not {known.hex()}")
    position = max(position, mark.event if mark else 0)
    if position > welcome.last_event:
        raise AheadOfVenue(
            f"our position {position} is ahead of the venue's last event {welcome.last_event}"
        )


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
    _replace(path, msgspec.json.encode(checkpoint))


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ResetFile:
    """Each session's reset count, on the disk before the reset has any effect in the venue.

    The core learns of a reset only with the connection's opening. Without this file a crash in
    between would leave a session whose client begins at one and whose venue goes on at a
    thousand; and numbers alone must never be taken for a reset (``fix_gateway.sessions.align``).
    """

    def __init__(self, state: Path) -> None:
        """Describe the place; ``read`` looks."""
        self._path = state / "resets.json"
        self._epochs: dict[int, int] = {}

    def read(self) -> dict[int, int]:
        """Return the last epoch by session; sessions that never reset are not there.

        Raises:
            DamagedCheckpointError: it cannot be read.
        """
        try:
            self._epochs = msgspec.json.decode(self._path.read_bytes(), type=dict[int, int])
        except FileNotFoundError:
            self._epochs = {}
        except msgspec.DecodeError as error:
            raise DamagedCheckpointError(f"{self._path}: {error}") from error
        return dict(self._epochs)

    @property
    def epochs(self) -> dict[int, int]:
        """What was read and written since."""
        return dict(self._epochs)

    def write(self, session: int, epoch: int) -> None:
        """Put a session's new epoch on the disk; on QuickFIX's thread, which waits for it.

        Raises:
            OSError: the disk refused.
        """
        self._epochs[session] = epoch
        _replace(self._path, msgspec.json.encode(self._epochs))


class CheckpointFile:
    """The checkpoint in its place, never ahead of QuickFIX's own files."""

    def __init__(self, state: Path) -> None:
        """Describe the place; ``read`` looks."""
        self._path = state / "checkpoint.json"
        self._store = StoreSync(state / "store")
        self.last: Checkpoint | None = None

    def read(self) -> None:
        """Take up what our predecessor left.

        Raises:
            DamagedCheckpointError: it cannot be read.
        """
        self.last = read_checkpoint(self._path)

    async def write(self, checkpoint: Checkpoint) -> None:
        """Sync QuickFIX's files, then say how far they reach; the order is what makes it true.

        Raises:
            OSError: the disk.
        """
        if checkpoint == self.last:
            return
        await asyncio.to_thread(self._store.sync)
        await asyncio.to_thread(write_checkpoint, self._path, checkpoint)
        self.last = checkpoint
