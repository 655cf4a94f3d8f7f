"""Market data counts as started in time, whether it serves by then or not."""

from __future__ import annotations

import asyncio

from exchange.processes.market_data import announced_in_time

PATIENCE_SECONDS = 60.0


async def test_a_process_that_does_not_serve_in_time_is_announced_and_again_when_it_does() -> None:
    told: list[str] = []
    early = asyncio.Event()

    def announce(address: str) -> None:
        told.append(address)
        early.set()

    with announced_in_time(announce, "tcp:localhost:0", 0.001) as listening:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await early.wait()
        assert told == ["tcp:localhost:0"]
        listening("tcp:localhost:1234")
    assert told == ["tcp:localhost:0", "tcp:localhost:1234"]


async def test_a_process_that_serves_or_ends_in_time_is_not_announced_early() -> None:
    told: list[str] = []
    with announced_in_time(told.append, "tcp:localhost:0", 0.0) as listening:
        listening("tcp:localhost:1234")
        await turns()
    assert told == ["tcp:localhost:1234"]
    with announced_in_time(told.append, "tcp:localhost:0", 0.0):
        pass
    await turns()
    assert told == ["tcp:localhost:1234"]


async def turns() -> None:
    """Let all that is due happen."""
    for _ in range(10):
        await asyncio.sleep(0)
