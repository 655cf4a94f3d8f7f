"""What counts of requests promise, kept in the process and in a real Redis alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from redis.asyncio import Redis

from retail_gateway.adapters.redis import RedisCounters
from retail_gateway.allowances import BAN_SECONDS_MAX, NO_ROOM, Counters, MemoryCounters, Window
from retail_gateway.settings import RedisTable
from tests.integration.retail_counters.server import RedisRun, a_door, a_server, back

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW = 1_796_040_000 * SECOND
MINUTE = Window("REQUEST_WEIGHT", "1M", "MINUTE", 1, 60, 100)
TEN = Window("ORDERS", "10S", "SECOND", 10, 10, 5)


@pytest.fixture
async def server() -> AsyncIterator[RedisRun]:
    async with a_server() as server:
        yield server


@asynccontextmanager
async def shared(server: RedisRun, prefix: str = "t:") -> AsyncIterator[RedisCounters]:
    async with a_door(server, prefix) as door:
        yield RedisCounters(door, MemoryCounters(100))


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    if request.param == "memory":
        yield MemoryCounters(100)
        return
    async with a_server() as server, shared(server) as counters:
        yield counters


async def test_counts_are_of_a_subject_a_window_and_a_kind(counters: Counters) -> None:
    assert await counters.count(MINUTE, "a", NOW) == 0
    assert await counters.add(MINUTE, "a", 5, NOW) == 5
    assert await counters.add(MINUTE, "a", 3, NOW) == 8
    assert await counters.add(MINUTE, "b", 1, NOW) == 1
    assert await counters.add(TEN, "a", 2, NOW) == 2
    assert await counters.count(MINUTE, "a", NOW) == 8
    assert await counters.count(TEN, "a", NOW) == 2


async def test_a_window_ends_by_the_clock(counters: Counters) -> None:
    begins = NOW - NOW % (60 * SECOND)
    assert await counters.add(MINUTE, "a", 1, begins) == 1
    assert await counters.add(MINUTE, "a", 1, begins + 60 * SECOND - 1) == 2
    assert await counters.add(MINUTE, "a", 1, begins + 60 * SECOND) == 1
    assert await counters.count(MINUTE, "a", begins + 60 * SECOND) == 1


async def test_a_ban_ends_and_the_next_within_a_day_is_twice_as_long(counters: Counters) -> None:
    assert await counters.banned_until("a", NOW) == 0
    until = await counters.ban("a", 120, NOW)
    assert until == NOW + 120 * SECOND
    assert await counters.banned_until("a", until - 1) == until
    assert await counters.banned_until("a", until) == 0
    assert await counters.banned_until("b", NOW) == 0
    assert await counters.ban("a", 120, until + SECOND) == until + 241 * SECOND
    much_later = until + 241 * SECOND + DAY
    assert await counters.ban("a", 120, much_later) == much_later + 120 * SECOND


async def test_no_ban_is_longer_than_three_days(counters: Counters) -> None:
    now, length = NOW, 0
    for _ in range(15):
        until = await counters.ban("a", 120, now)
        length, now = until - now, until
    assert length == BAN_SECONDS_MAX * SECOND


async def test_nothing_is_lost_between_many_that_count_at_once(counters: Counters) -> None:
    counts = await asyncio.gather(*(counters.add(MINUTE, "a", 1, NOW) for _ in range(200)))
    assert sorted(counts) == list(range(1, 201))


async def test_processes_share_what_they_count(server: RedisRun) -> None:
    async with shared(server) as one, shared(server) as other, shared(server, "u:") as stranger:
        assert await one.add(MINUTE, "a", 1, NOW) == 1
        assert await other.add(MINUTE, "a", 1, NOW) == 2
        await one.ban("a", 120, NOW)
        assert await other.banned_until("a", NOW) == NOW + 120 * SECOND
        assert await stranger.count(MINUTE, "a", NOW) == 0
        assert await stranger.banned_until("a", NOW) == 0


async def test_what_is_counted_is_forgotten_by_redis_itself(server: RedisRun) -> None:
    async with shared(server) as one:
        await one.add(MINUTE, "a", 1, NOW)
        await one.ban("a", 120, NOW)
    client = Redis.from_url(server.url)
    keys = await client.keys("*")
    lives = [await client.ttl(key) for key in keys]
    await client.aclose()
    assert len(keys) == 2
    assert all(0 < life <= 86_520 for life in lives)


async def test_while_redis_is_away_each_counts_alone_and_then_together_again(
    server: RedisRun,
) -> None:
    async with a_door(server) as door, a_door(server) as other_door:
        one = RedisCounters(door, MemoryCounters(100))
        other = RedisCounters(other_door, MemoryCounters(100))
        assert await one.add(MINUTE, "a", 10, NOW) == 10
        await server.stop()
        assert await one.add(MINUTE, "a", 1, NOW) == 1
        assert await one.add(MINUTE, "a", 1, NOW) == 2
        assert await other.add(MINUTE, "a", 1, NOW) == 1
        assert await one.ban("a", 120, NOW) == NOW + 120 * SECOND
        assert await one.banned_until("a", NOW) == NOW + 120 * SECOND
        await server.start()
        await back(door)
        await back(other_door)
        assert await one.add(MINUTE, "a", 5, NOW) == 5  # a Redis that has forgotten
        assert await other.add(MINUTE, "a", 5, NOW) == 10


async def test_a_redis_without_room_counts_nobody_new(server: RedisRun) -> None:
    await server.stop()
    await server.start("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    async with shared(server) as one:
        assert await one.add(MINUTE, "a", 1, NOW) == NO_ROOM


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("", True),
        ("redis://127.0.0.1:6379/0", True),
        ("rediss://redis.example:6380", True),
        ("unix:///run/redis.sock", True),
        ("redis://user:secret@127.0.0.1:6379/0", False),  # a secret has no place in this file
        ("http://127.0.0.1", False),
        ("redis://127.0.0.1/zero", False),
    ],
)
def test_a_url_says_where_and_no_secret(url: str, is_taken: bool) -> None:
    if is_taken:
        assert msgspec.convert({"url": url}, RedisTable).url == url
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"url": url}, RedisTable)
