"""How a process of the venue lives: one loop, one stop event, one exit code.

An exception class may carry ``exit_code``; whatever carries none is a broken invariant of ours.
The codes are those of sysexits.h where one fits, so that an operator and the supervisor can tell
what may be started again:

====  =====================================================================================
0     asked to stop, and stopped
64    wrong command line
65    damaged data: journal, event log or snapshot
69    a peer was not there
70    broken invariant, gap in the events, or a consumer ahead of the venue
73    the disk refused a write or a sync
75    the state directory is in use by another venue
78    configuration
====  =====================================================================================
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
import uvloop

log = structlog.get_logger()

EXIT_OK = 0
EXIT_USAGE = 64
EXIT_DAMAGED = 65
EXIT_UNAVAILABLE = 69
EXIT_INVARIANT = 70
EXIT_DISK = 73
EXIT_IN_USE = 75
EXIT_CONFIGURATION = 78

NEVER_RESTART = frozenset(
    {EXIT_DAMAGED, EXIT_INVARIANT, EXIT_DISK, EXIT_IN_USE, EXIT_CONFIGURATION}
)
"""Exits after which a process is not started again: a person has to look first."""

_PR_SET_PDEATHSIG = 1


def exit_code_of(error: BaseException) -> int:
    """Say which exit code an error means; of a group, the gravest one's."""
    if isinstance(error, BaseExceptionGroup):
        return max(exit_code_of(inner) for inner in error.exceptions)
    return int(getattr(error, "exit_code", EXIT_INVARIANT))


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM when the parent is gone, so that nothing is orphaned."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def run_process(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main`` on a uvloop until it returns, and say how the process should exit.

    SIGTERM and SIGINT set the event that ``main`` is given; it then takes no more work, finishes
    the batch in hand, records its position and returns the exit code.
    """
    if not __debug__:
        sys.stderr.write("refusing to run under python -O: assertions are checks here\n")
        return EXIT_CONFIGURATION

    async def serve() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await main(stop)

    try:
        return uvloop.run(serve())
    except BaseException as error:  # the process edge: nothing runs after it
        code = exit_code_of(error)
        trace = None if _is_foreseen(error) else error
        log.critical("process_failed", exit_code=code, error=describe(error), exc_info=trace)
        return code


def _is_foreseen(error: BaseException) -> bool:
    """Say whether an end has an exit code of its own, and so needs no trace to be understood."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_foreseen, error.exceptions))
    return hasattr(error, "exit_code")


def describe(error: BaseException) -> str:
    """Say in one line what went wrong, looking into groups."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"


def is_alive(pid: int) -> bool:
    """Say whether a process exists (a zombie counts as gone)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"
