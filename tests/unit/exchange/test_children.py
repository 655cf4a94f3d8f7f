"""What a supervisor does to its children."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from exchange.children import let_others_go_first

OURS = os.getpriority(os.PRIO_PROCESS, 0)

pytestmark = pytest.mark.skipif(OURS > 15, reason="everybody goes before us already")


@pytest.fixture
def child() -> Iterator[int]:
    """A process that waits to be ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def standing(pid: int) -> tuple[int, int]:
    return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)


def test_a_child_goes_after_others(child: int) -> None:
    let_others_go_first(child, OURS + 3)
    assert standing(child) == (OURS + 3, os.SCHED_BATCH)


def test_a_child_that_goes_after_others_already_does_not_come_forward(child: int) -> None:
    os.setpriority(os.PRIO_PROCESS, child, OURS + 4)
    let_others_go_first(child, OURS + 3)
    assert standing(child) == (OURS + 4, os.SCHED_BATCH)


def test_zero_leaves_a_child_as_it_is(child: int) -> None:
    let_others_go_first(child, 0)
    assert standing(child) == (OURS, os.SCHED_OTHER)


def test_a_child_that_has_ended_is_nobodys_trouble_here() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    let_others_go_first(process.pid, 10)
