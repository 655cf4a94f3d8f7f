"""Paces the requests of a run, and clears up after it."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Protocol

from exchange.demo.flow import SeededFlow
from exchange.demo.orders import Request
from exchange.demo.participant import DropCopy, Participant
from exchange.demo.proof import since
from exchange.demo.recorded import Step
from exchange.demo.requests import cancel, mass_cancel

ANSWER_SECONDS_MAX: Final = 20.0
_POLL_SECONDS: Final = 0.01
_TURNS_AT_ONCE_MAX: Final = 32

Participants = Mapping[str, Participant]


class Asker(Protocol):
    """Takes requests, as a ``Participant`` does."""

    def submit(self, request: Request) -> bool:
        """Send a request; False when it cannot be sent now."""
        ...


async def drive_seeded(
    flow: SeededFlow,
    participants: Participants,
    *,
    seconds: float,
    rate: float,
    stop: asyncio.Event,
) -> None:
    """Give the traders their turns at a steady rate, for a time or until asked to stop."""
    loop = asyncio.get_running_loop()
    orders = {name: participant.orders for name, participant in participants.items()}
    begun, turns = loop.time(), 0
    while not stop.is_set() and (passed := loop.time() - begun) < seconds:
        due = min(int(passed * rate) + 1 - turns, _TURNS_AT_ONCE_MAX)
        for _ in range(due):
            turns += 1
            turn = flow.next_request(orders)
            if turn is not None:
                participants[turn[0]].submit(turn[1])
        await asyncio.sleep(max(_POLL_SECONDS / 5, (turns / rate) - (loop.time() - begun)))


async def drive_recorded(
    steps: Iterator[Step],
    participants: Mapping[str, Asker],
    *,
    speed: float,
    stop: asyncio.Event,
) -> int:
    """Send a recording's steps at ``speed`` times its own pace; return how many were sent.

    A session that has as many requests under way as allowed holds all up, so order is kept.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    first_ns: int | None = None
    sent = 0
    for step in steps:
        first_ns = step.time_ns if first_ns is None else first_ns
        due = begun + (step.time_ns - first_ns) / 1e9 / speed
        await passes(stop, due - loop.time())
        while not stop.is_set() and not participants[step.session].submit(step.request):
            await passes(stop, _POLL_SECONDS)
        if stop.is_set():
            break
        sent += 1
        if sent % _TURNS_AT_ONCE_MAX == 0:
            await asyncio.sleep(0)  # a burst, such as the opening book, must not starve answers
    return sent


def limited(steps: Iterator[Step], count: int) -> Iterator[Step]:
    """Take at most so many steps."""
    return islice(steps, count)


async def passes(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; say whether it came before the time was over."""
    if seconds <= 0:
        return event.is_set()
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def clear_up(participants: Participants, *, run: str) -> list[str]:
    """Cancel what is left of every client's orders; return what would not go."""
    for name, participant in participants.items():
        await _settled(participant, orders_max=None)
        participant.submit(mass_cancel(f"{name}-{run}-end"))
    for participant in participants.values():
        await _settled(participant, orders_max=0)
    left = []
    for name, participant in participants.items():
        for number, order in enumerate(participant.orders):
            participant.submit(cancel(name, f"{name}-{run}-end-{number}", order))
        await _settled(participant, orders_max=0)
        left += [f"{name}: {order.client_order_id} would not go" for order in participant.orders]
        if participant.in_flight:
            left.append(f"{name}: {participant.in_flight} requests were never answered")
    return left


async def _settled(participant: Participant, *, orders_max: int | None) -> None:
    """Wait until nothing is under way, and no more orders are open than given."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS_MAX
    while loop.time() < deadline:
        is_quiet = participant.in_flight == 0
        if is_quiet and (orders_max is None or len(participant.orders) <= orders_max):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def wait_for_copies(copy: DropCopy, participants: list[Participant], *, after: int) -> None:
    """Wait, within reason, until the drop copy has everything that its firm's sessions have."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS_MAX
    while loop.time() < deadline:
        told = sum(len(since(participant.reports, after)) for participant in participants)
        if len(since(copy.reports, after)) >= told:
            return
        await asyncio.sleep(10 * _POLL_SECONDS)
