"""A Redis that answers what cannot be read is one that is away: nobody is failed for it."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from retail_gateway.adapters.redis import RedisCounters
from retail_gateway.allowances import MemoryCounters
from runtime.redis import RedisShelf, redis_door
from tests.integration.retail_counters.test_counters import MINUTE, NOW


@pytest.mark.parametrize(
    "answer", [b":1\r\n", b"*1\r\n:1\r\n", b"+no\r\n", b"$2\r\n\xff\xfe\r\n", b"*0\r\n", b"?\r\n"]
)
async def test_a_redis_that_answers_nonsense_is_away(tmp_path: Path, answer: bytes) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                commands = data.count(b"\r\n*") + data.startswith(b"*")
                writer.write(answer * commands)
                await writer.drain()
        writer.close()

    async with (
        await asyncio.start_unix_server(nonsense, tmp_path / "redis.sock"),
        redis_door(
            f"unix://{tmp_path}/redis.sock",
            password=None,
            prefix="t:",
            answer_seconds_max=10.0,
            away_seconds=1e-9,
        ) as door,
    ):
        counters = RedisCounters(door, MemoryCounters(100))
        shelf = RedisShelf(door)
        await shelf.put({"a": b"1"}, seconds=3600.0)
        # What is text or bytes may be a value; it is no number, and no list of two.
        assert await shelf.find("a") in (None, b"no", b"\xff\xfe")
        assert await counters.banned_until("a", NOW) == 0
        assert await counters.count(MINUTE, "a", NOW) in (0, 1)
