"""Events that wait to be looked at: together, in order, and never more than the bound lets."""

import asyncio
from typing import NamedTuple

from auditor.gathering import Gathered


class Batch(NamedTuple):
    first: int
    last: int
    data: bytes


BYTES_MAX = 32


async def test_small_batches_are_taken_together() -> None:
    gathered = Gathered(BYTES_MAX)
    for number in (1, 2, 3):
        await gathered.put(Batch(number, number, bytes([number]) * 8))
    assert await gathered.take() == (b"\1" * 8 + b"\2" * 8 + b"\3" * 8, 3)
    assert gathered.size == 0


async def test_at_the_bound_a_batch_waits_until_some_are_taken() -> None:
    gathered = Gathered(BYTES_MAX)
    for number in range(1, 5):
        await gathered.put(Batch(number, number, bytes(8)))
    assert gathered.size == BYTES_MAX
    more = asyncio.ensure_future(gathered.put(Batch(5, 5, bytes(8))))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not more.done()
    assert await gathered.take() == (bytes(BYTES_MAX), 4)
    await more
    assert await gathered.take() == (bytes(8), 5)


async def test_a_batch_below_the_bound_is_taken_whole_however_large() -> None:
    gathered = Gathered(BYTES_MAX)
    await gathered.put(Batch(1, 9, bytes(10 * BYTES_MAX)))
    assert await gathered.take() == (bytes(10 * BYTES_MAX), 9)


async def test_whoever_takes_waits_for_the_next_and_is_told_of_the_end() -> None:
    gathered = Gathered(BYTES_MAX)
    taking = asyncio.ensure_future(gathered.take())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not taking.done()
    await gathered.put(Batch(1, 2, b"ab"))
    assert await taking == (b"ab", 2)
    await gathered.put(Batch(3, 4, b"cd"))
    gathered.end()
    assert await gathered.take() == (b"cd", 4)
    assert await gathered.take() is None
    assert await gathered.take() is None
