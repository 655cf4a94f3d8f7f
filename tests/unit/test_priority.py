"""Who goes first: what is said to the kernel of a process and of its session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.priority import go_after_others, let_session_go_after_others

OURS = os.getpriority(os.PRIO_PROCESS, 0)
LATER, LAST = min(OURS + 3, 18), 19
"""Where even we go after everybody there is nothing later, and the same is said."""


@pytest.fixture
def leader() -> Iterator[int]:
    """A process that leads a session and waits to be ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    yield process.pid
    process.communicate(b"\n")


@pytest.fixture
def ended() -> int:
    """A process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def standing(pid: int) -> tuple[int, int]:
    return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)


def session_nice(pid: int) -> int | None:
    """How a kernel that groups sessions weighs this one: ``/autogroup-12 nice 3``."""
    path = Path(f"/proc/{pid}/autogroup")
    said = path.read_text().split() if path.exists() else []
    return int(said[-1]) if said else None


def test_a_process_goes_after_others(leader: int) -> None:
    go_after_others(leader, LATER)
    assert standing(leader) == (max(LATER, OURS), os.SCHED_BATCH)


def test_one_that_goes_after_others_already_does_not_come_forward(leader: int) -> None:
    os.setpriority(os.PRIO_PROCESS, leader, LAST)
    go_after_others(leader, LATER)
    assert standing(leader) == (LAST, os.SCHED_BATCH)


async def test_zero_leaves_it_as_it_is(leader: int) -> None:
    before = session_nice(leader)
    await let_session_go_after_others(leader, 0)
    assert standing(leader) == (OURS, os.SCHED_OTHER)
    assert session_nice(leader) == before


async def test_a_whole_session_goes_after_others(leader: int) -> None:
    await let_session_go_after_others(leader, LATER)
    assert standing(leader) == (max(LATER, OURS), os.SCHED_BATCH)
    assert session_nice(leader) in (None, LATER)


async def test_one_that_has_ended_is_nobodys_trouble_here(ended: int) -> None:
    await let_session_go_after_others(ended, 10)
