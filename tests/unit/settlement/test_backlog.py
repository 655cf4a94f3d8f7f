import asyncio

from settlement.adapters.memory import MemoryBatch
from settlement.backlog import Backlog


def batch(first: int, last: int, size: int = 10) -> MemoryBatch:
    return MemoryBatch(first, last, bytes(size))


async def test_what_waits_is_taken_together_up_to_the_bounds() -> None:
    backlog = Backlog(bytes_max=1000)
    for first in (1, 3, 5, 7):
        await backlog.put(batch(first, first + 1))

    assert [b.first for b in await backlog.take(events_max=5, bytes_max=1000)] == [1, 3]
    assert [b.first for b in await backlog.take(events_max=99, bytes_max=15)] == [5]
    assert [b.first for b in await backlog.take(events_max=1, bytes_max=1)] == [7]


async def test_a_full_backlog_makes_the_reader_wait() -> None:
    backlog = Backlog(bytes_max=20)
    await backlog.put(batch(1, 1))
    await backlog.put(batch(2, 2))

    third = asyncio.create_task(backlog.put(batch(3, 3)))
    await asyncio.sleep(0)
    assert not third.done()
    assert backlog.bytes_pending == 20

    await backlog.take(events_max=1, bytes_max=1)
    await third
    assert backlog.bytes_pending == 20


async def test_a_closed_backlog_is_emptied_and_then_gives_nothing() -> None:
    backlog = Backlog(bytes_max=20)
    await backlog.put(batch(1, 1))
    backlog.close()

    assert [b.first for b in await backlog.take(events_max=9, bytes_max=9)] == [1]
    assert await backlog.take(events_max=9, bytes_max=9) == []


async def test_closing_lets_a_waiting_reader_go() -> None:
    backlog = Backlog(bytes_max=1)
    await backlog.put(batch(1, 1))
    waiting = asyncio.create_task(backlog.put(batch(2, 2)))
    await asyncio.sleep(0)

    backlog.close()

    await waiting


async def test_gathering_ends_when_enough_is_there() -> None:
    backlog = Backlog(bytes_max=1000)
    await backlog.put(batch(1, 1))
    gathering = asyncio.create_task(backlog.gather(bytes_min=30, seconds=3600))
    await asyncio.sleep(0)
    await backlog.put(batch(2, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not gathering.done()

    await backlog.put(batch(3, 3))

    await gathering
    assert len(await backlog.take(events_max=9, bytes_max=99)) == 3


async def test_gathering_ends_when_nothing_more_comes() -> None:
    backlog = Backlog(bytes_max=1000)
    gathering = asyncio.create_task(backlog.gather(bytes_min=1, seconds=3600))
    await asyncio.sleep(0)
    assert not gathering.done()
    backlog.close()
    await gathering


async def test_gathering_ends_after_its_time_and_one_batch_is_enough_again() -> None:
    backlog = Backlog(bytes_max=1000)
    await backlog.gather(bytes_min=1000, seconds=0)

    taking = asyncio.create_task(backlog.take(events_max=9, bytes_max=99))
    await asyncio.sleep(0)
    await backlog.put(batch(1, 1))

    assert [b.first for b in await taking] == [1]
