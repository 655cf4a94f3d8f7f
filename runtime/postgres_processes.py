"""The processes of a PostgreSQL server, found by where they work rather than by their numbers.

Every process of a server has the data directory as its working directory, also when the
server itself was killed. A number in a file may meanwhile belong to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable
from pathlib import Path

# Sessions of a killed server notice its death by themselves, at the latest when they next wait.
NOTICE_SECONDS_MAX = 5.0
KILL_SECONDS_MAX = 10.0


def find(data_directory: Path) -> list[int]:
    """Return the living processes of the server on a data directory, in no promised order."""
    found = []
    wanted = data_directory.resolve()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # A zombie has neither link; another user's process does not show them.
            if (entry / "cwd").readlink() == wanted and (entry / "exe").readlink().name.startswith(
                "postgres"
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def exists(pid: int) -> bool:
    """Say whether a process has this number, a zombie and a stranger included."""
    return Path("/proc", str(pid)).exists()


def end_all(data_directory: Path) -> None:
    """Return once no process of a dead server is left, killing what does not go by itself."""
    left = find(data_directory)
    if not left or wait_until_gone(left, seconds_max=NOTICE_SECONDS_MAX):
        return
    left = find(data_directory)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    gone = wait_until_gone(left, seconds_max=KILL_SECONDS_MAX)
    assert gone, f"processes {left} survive SIGKILL"


def wait_until_gone(pids: Iterable[int], *, seconds_max: float) -> bool:
    """Wait until every process has ended; says whether that happened in time."""
    deadline = time.monotonic() + seconds_max
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            # A process descriptor becomes readable when its process ends.
            readable, _, _ = select.select(
                [descriptor], [], [], max(0.0, deadline - time.monotonic())
            )
        finally:
            os.close(descriptor)
        if not readable:
            return False
    return True


async def wait_for_exit(pid: int) -> None:
    """Wait, without a thread, until a process ends. It may be left as a zombie."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return

    def notice() -> None:
        if not ended.done():
            ended.set_result(None)

    try:
        loop.add_reader(descriptor, notice)
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
