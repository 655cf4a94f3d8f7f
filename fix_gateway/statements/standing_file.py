"""Where the reading of events was saved, so that a start need not read all of them again.

The file is never needed: what is missing, damaged or ahead of the gateway's own position is read
again from the event log.
"""

import os
from collections import deque
from pathlib import Path

import msgspec
import structlog

from fix_gateway.statements.standing import RECEIPTS_KEPT, Fence, Standing

log = structlog.get_logger()


class Saved(msgspec.Struct, array_like=True, kw_only=True):
    """One reading. ``layout`` says how it is written."""

    layout: int
    venue: bytes
    event: int
    image: bytes
    fences: dict[int, list[Fence]]


class _Named(msgspec.Struct, array_like=True):
    """What every layout begins with."""

    layout: int


LAYOUT = 3
"""Changes with what ``Standing.image`` writes, too."""


def read_standing(path: Path, *, venue: bytes, through: int) -> Standing:
    """Take up a saved reading; an empty one where there is none that can be used.

    Args:
        path: the file.
        venue: whose events we read.
        through: the gateway's position, which the reading may not be ahead of.
    """
    try:
        data = path.read_bytes()
        layout = msgspec.msgpack.decode(data, type=_Named).layout
        saved = msgspec.msgpack.decode(data, type=Saved) if layout == LAYOUT else None
    except FileNotFoundError:
        return Standing()
    except msgspec.DecodeError as error:
        log.warning("standing_not_read", reason=str(error))
        return Standing()
    if saved is None or saved.venue != venue or saved.event > through:
        log.warning("standing_not_ours", layout=layout, position=through)
        return Standing()
    standing = Standing()
    if not standing.restore(saved.image):
        log.warning("standing_not_read", reason="damaged")
        return standing
    standing.event = saved.event
    standing.fences = {
        session: deque(fences, maxlen=RECEIPTS_KEPT) for session, fences in saved.fences.items()
    }
    return standing


def encode_standing(standing: Standing, *, venue: bytes) -> bytes:
    """Return what is saved; on the loop, for nothing may change meanwhile."""
    saved = Saved(
        layout=LAYOUT,
        venue=venue,
        event=standing.event,
        image=standing.image(),
        fences={session: list(fences) for session, fences in standing.fences.items()},
    )
    return msgspec.msgpack.encode(saved)


def write_standing(path: Path, data: bytes) -> None:
    """Replace the file; nobody waits for the disk, for it is never needed.

    Raises:
        OSError: the disk refused.
    """
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
