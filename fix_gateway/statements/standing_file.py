"""Where the reading of events was saved, so that a start need not read all of them again.

The file is never needed: what is missing, damaged or ahead of the gateway's own position is read
again from the event log.
"""

import os
from collections import deque
from pathlib import Path

import msgspec
import structlog

from fix_gateway.statements.standing import RECEIPTS_KEPT, AccountStanding, Fence, Pair, Standing

log = structlog.get_logger()


class Saved(msgspec.Struct, array_like=True, kw_only=True):
    """One reading. ``layout`` says how it is written."""

    layout: int
    venue: bytes
    event: int
    accounts: dict[int, AccountStanding]
    pairs: dict[int, tuple[int, int]]
    firms: dict[int, int]
    fences: dict[int, list[Fence]]


LAYOUT = 2


def read_standing(path: Path, *, venue: bytes, through: int) -> Standing:
    """Take up a saved reading; an empty one where there is none that can be used.

    Args:
        path: the file.
        venue: whose events we read.
        through: the gateway's position, which the reading may not be ahead of.
    """
    try:
        saved = msgspec.msgpack.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return Standing()
    except msgspec.DecodeError as error:
        log.warning("standing_not_read", reason=str(error))
        return Standing()
    if saved.layout != LAYOUT or saved.venue != venue or saved.event > through:
        log.warning("standing_not_ours", saved_through=saved.event, position=through)
        return Standing()
    return Standing(
        event=saved.event,
        accounts=saved.accounts,
        pairs={number: Pair(*pair) for number, pair in saved.pairs.items()},
        firms=saved.firms,
        fences={
            session: deque(fences, maxlen=RECEIPTS_KEPT) for session, fences in saved.fences.items()
        },
    )


def encode_standing(standing: Standing, *, venue: bytes) -> bytes:
    """Return what is saved; on the loop, for nothing may change meanwhile."""
    saved = Saved(
        layout=LAYOUT,
        venue=venue,
        event=standing.event,
        accounts=standing.accounts,
        pairs={number: (pair.base, pair.quote) for number, pair in standing.pairs.items()},
        firms=standing.firms,
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
