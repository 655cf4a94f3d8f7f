from __future__ import annotations

import asyncio
from collections.abc import Iterator

from exchange.demo import driving
from exchange.demo.orders import Request
from exchange.demo.recorded import Step
from tests.unit.demo.test_participant import order


class FakeParticipant:
    """Takes every other request at first asking."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.asked = 0

    def submit(self, request: Request) -> bool:
        self.asked += 1
        if self.asked % 2:
            return False
        self.taken.append(request.client_order_id)
        return True


def steps(count: int) -> Iterator[Step]:
    return (Step(1000 + number, "MM1", order(f"a-{number}")) for number in range(count))


async def test_a_recording_is_sent_in_order_and_whole() -> None:
    participant = FakeParticipant()
    sent = await driving.drive_recorded(
        steps(100),
        {"MM1": participant},
        speed=1e9,
        stop=asyncio.Event(),
    )
    assert sent == 100
    assert participant.taken == [f"a-{number}" for number in range(100)]


async def test_a_recording_stops_when_asked() -> None:
    stop = asyncio.Event()
    stop.set()
    participants = {"MM1": FakeParticipant()}
    sent = await driving.drive_recorded(steps(5), participants, speed=1.0, stop=stop)
    assert sent == 0


async def test_a_recording_is_cut_to_length() -> None:
    assert len(list(driving.limited(steps(100), 7))) == 7


async def test_waiting_says_whether_it_came() -> None:
    event = asyncio.Event()
    assert not await driving.passes(event, 0.001)
    assert not await driving.passes(event, -1)
    event.set()
    assert await driving.passes(event, 5)
