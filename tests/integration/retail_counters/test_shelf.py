"""What a shelf promises, kept in the process and in a real Redis alike."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from runtime.redis import RedisShelf
from runtime.shelf import MemoryShelf, Shelf
from tests.integration.retail_counters.server import (
    PATIENCE_SECONDS,
    RedisRun,
    a_door,
    a_server,
    back,
)

LONG = 3600.0


@pytest.fixture
async def server() -> AsyncIterator[RedisRun]:
    async with a_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    if request.param == "memory":
        yield MemoryShelf(values_max=100)
        return
    async with a_server() as server, a_door(server) as door:
        yield RedisShelf(door)


async def test_what_is_put_is_found_and_the_newest_of_a_name(shelf: Shelf) -> None:
    assert await shelf.find("a") is None
    await shelf.put({"a": b"1", "b": b""}, seconds=LONG)
    assert await shelf.find("a") == b"1"
    assert await shelf.find("b") == b""
    await shelf.put({"a": b"\x00\xff"}, seconds=LONG)
    assert await shelf.find("a") == b"\x00\xff"
    await shelf.put({}, seconds=LONG)
    assert await shelf.find("b") == b""


async def test_a_value_is_found_until_its_time_is_over_and_no_longer(shelf: Shelf) -> None:
    await shelf.put({"a": b"1", "b": b"2"}, seconds=0.05)
    await shelf.put({"b": b"3"}, seconds=LONG)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await shelf.find("a") is not None:  # noqa: ASYNC110  # nothing wakes us
            await asyncio.sleep(0.01)
    assert await shelf.find("b") == b"3"


async def test_a_shelf_of_one_process_has_room_for_so_many() -> None:
    shelf = MemoryShelf(values_max=2)
    await shelf.put({"a": b"1", "b": b"2"}, seconds=LONG)
    await shelf.put({"a": b"3", "c": b"4"}, seconds=LONG)
    assert [await shelf.find(name) for name in "abc"] == [b"3", None, b"4"]


async def test_processes_share_a_shelf_and_venues_do_not(server: RedisRun) -> None:
    async with a_door(server) as one, a_door(server) as other, a_door(server, "u:") as stranger:
        await RedisShelf(one).put({"a": b"1"}, seconds=LONG)
        assert await RedisShelf(other).find("a") == b"1"
        assert await RedisShelf(stranger).find("a") is None


async def test_no_answer_is_waited_for_that_many_values_make_late(
    server: RedisRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    execute = Pipeline.execute

    async def counted(pipeline: Pipeline, *rest: Any) -> Any:
        sizes.append(len(pipeline))
        return await execute(pipeline, *rest)

    monkeypatch.setattr(Pipeline, "execute", counted)
    values = {str(number): bytes([number]) for number in range(129)}
    async with a_door(server) as door:
        shelf = RedisShelf(door)
        await shelf.put(values, seconds=LONG)
        assert sizes == [64, 64, 1]
        assert {name: await shelf.find(name) for name in values} == values


async def test_redis_forgets_by_itself(server: RedisRun) -> None:
    async with a_door(server) as door:
        await RedisShelf(door).put({"a": b"1"}, seconds=100)
    client = Redis.from_url(server.url)
    assert 0 < await client.ttl("t:shelf:a") <= 100
    await client.aclose()


async def test_while_redis_is_away_nothing_is_put_and_nothing_found(server: RedisRun) -> None:
    async with a_door(server) as door:
        shelf = RedisShelf(door)
        await shelf.put({"a": b"1"}, seconds=LONG)
        await server.stop()
        assert await shelf.find("a") is None
        await shelf.put({"b": b"2"}, seconds=LONG)
        await server.start()
        await back(door)
        assert await shelf.find("b") is None
        await shelf.put({"a": b"3"}, seconds=LONG)
        assert await shelf.find("a") == b"3"
