"""Who goes first where processors are short."""

import asyncio
import os
from pathlib import Path

import structlog

log = structlog.get_logger()

_TRIES = 50
_TRY_AGAIN_SECONDS = 0.1


def go_after_others(pid: int, nice: int) -> None:
    """Give a process what others leave; what it starts from now on inherits that.

    Args:
        pid: the process's; one that has ended is noticed by whoever waits for it.
        nice: at least so much; 0 changes nothing.
    """
    if not nice:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, pid, max(nice, os.getpriority(os.PRIO_PROCESS, pid)))
        # It wakes without pushing anybody off a processor.
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
    except ProcessLookupError:
        return
    except OSError as error:  # a machine that forbids it: worth a word, and no trouble else
        log.warning("process_keeps_its_share", pid=pid, reason=str(error))


async def let_session_go_after_others(pid: int, nice: int) -> None:
    """Do the same to a process that leads a session, and to its whole session.

    Kernels that schedule each session as one (``sched_autogroup_enabled``) look at a process's
    nice within its session only, and at the session's own nice beside others.

    Args:
        pid: the session leader's.
        nice: as of ``go_after_others``.
    """
    go_after_others(pid, nice)
    if not nice:
        return
    for _ in range(_TRIES):
        try:
            _weigh_session(pid, nice)
        except (FileNotFoundError, ProcessLookupError):
            return  # a kernel that has no such groups, or a process that has ended
        except BlockingIOError:
            # All users but root together may do this ten times a second.
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        except OSError as error:
            log.warning("session_keeps_its_share", pid=pid, reason=str(error))
            return
        else:
            return
    log.warning("session_keeps_its_share", pid=pid, reason="others change theirs all the time")


def _weigh_session(leader: int, nice: int) -> None:
    Path(f"/proc/{leader}/autogroup").write_text(f"{nice}")
