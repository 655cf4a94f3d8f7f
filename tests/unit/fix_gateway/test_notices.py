"""Announcements: the countdown, what happens at its end, and warnings of high numbers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from fix_gateway.notices import Announcement, Notices, pause_after


class Line:
    """A channel that keeps what it is told."""

    def __init__(self, *, is_logged_on: bool = True) -> None:
        self.is_logged_on = is_logged_on
        self.sender_next = self.target_next = 1
        self.told: list[str] = []
        self.opened = 0

    def send(self, text: str) -> None:
        self.told.append(text.replace("\x01", "|"))

    def open(self) -> None:
        self.opened += 1


class House:
    """What notices need of the gateway."""

    def __init__(self) -> None:
        self.closed_text = ""
        self.logged_out: list[str] = []

    async def log_out_all(self, _channels: object, reason: str) -> None:
        self.logged_out.append(reason)


class Running:
    def __init__(self, sequence_warning: int) -> None:
        self.house = House()
        self.here, self.away = Line(), Line(is_logged_on=False)
        self.notices = Notices(cast(Any, self.house), cast(Any, self.house), sequence_warning)
        lines = {"HERE": self.here, "AWAY": self.away}
        self.task = asyncio.create_task(self.notices.run(cast(Any, lines)))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(120):
            while not condition():
                await asyncio.wait([self.task], timeout=0.02)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    made = Running(sequence_warning=100)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_a_stop_is_counted_down_and_logs_everybody_out(running: Running) -> None:
    running.notices.take(Announcement(credential="", stop_in_seconds=1, text="upgrade"))
    await running.until(lambda: running.away.opened)
    assert "|61=1|148=VENUE STOP in 1 s|33=1|58=upgrade|" in running.here.told[0]
    assert running.away.told == []
    assert (running.house.logged_out, running.house.closed_text) == (["upgrade"], "upgrade")
    running.notices.take(Announcement(credential="", stop_in_seconds=None))
    assert running.house.closed_text == ""


async def test_a_stop_that_is_taken_back_does_not_happen(running: Running) -> None:
    running.notices.take(Announcement(credential="", stop_in_seconds=1, text="\x01upgrade"))
    await running.until(lambda: running.here.told)
    assert "58=?upgrade|" in running.here.told[0]
    running.notices.take(Announcement(credential="", stop_in_seconds=None))
    await asyncio.wait([running.task], timeout=1.5)
    assert running.house.logged_out == []


@pytest.mark.parametrize(
    ("seconds", "told"), [(60, [60, 50, 40, 30, 20, 10]), (25, [25, 20, 10]), (3, [3])]
)
def test_it_is_said_at_once_and_at_every_ten_seconds(seconds: int, told: list[int]) -> None:
    left, said = seconds, []
    while left > 0:
        said.append(left)
        left -= pause_after(left)
    assert said == told


async def test_numbers_above_the_limit_are_warned_of_once(running: Running) -> None:
    running.here.target_next = 100
    await asyncio.wait([running.task], timeout=0.6)
    assert running.here.told == []
    running.here.target_next = 101
    await running.until(lambda: running.here.told)
    assert (
        "148=SEQUENCE NUMBERS HIGH|33=1|58=next MsgSeqNum ours 1, yours 101, limit 100"
        in (running.here.told[0])
    )
    await asyncio.wait([running.task], timeout=0.6)
    assert len(running.here.told) == 1
