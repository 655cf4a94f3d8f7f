"""Doors for sessions that came while the gateway runs.

QuickFIX fixes an acceptor's sessions when it is made, so those that come later have an acceptor,
and with it a Unix socket, of their own. A file beside the first socket tells the guard which.
"""

import json
import os
from pathlib import Path

from fix_gateway.settings import Doors


def number_door(doors: Doors, number: int) -> Path:
    """Return the socket of a later acceptor; zero is the first one's."""
    return doors.fix.with_name(f"{doors.fix.name}.{number}") if number else doors.fix


def keep_doors(doors: Doors, numbers: dict[str, int]) -> None:
    """Say which acceptor each later session has, whole or not at all.

    Raises:
        OSError: the disk refused.
    """
    path = _page(doors)
    if not numbers:
        path.unlink(missing_ok=True)
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(numbers))
    unfinished.replace(path)


def door_of(doors: Doors, session: str) -> Path:
    """Return the socket behind which a session is.

    Raises:
        OSError, ValueError: the page cannot be read.
    """
    try:
        numbers = json.loads(_page(doors).read_text())
    except FileNotFoundError:
        return doors.fix
    return number_door(doors, int(numbers.get(session, 0)))


def _page(doors: Doors) -> Path:
    return doors.fix.with_name(f"{doors.fix.name}.more")
