"""A Redis of a test's own, and ways to it."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.redis import RedisAwayError, RedisDoor, redis_door

PATIENCE_SECONDS = 180.0


class RedisRun:
    """A server of a test's own, on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/redis.sock"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *options: str) -> None:
        program = shutil.which("redis-server")
        assert program is not None
        self._process = await asyncio.create_subprocess_exec(
            *(program, "--port", "0", "--unixsocket", f"{self._folder}/redis.sock"),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder), *options),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        client = Redis.from_url(self.url)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(RedisError, OSError):
                    await client.get("nothing")
                    break
                await asyncio.sleep(0.02)
        await client.aclose()

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def a_server() -> AsyncIterator[RedisRun]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="rialto-redis-") as name:
        server = RedisRun(Path(name))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def a_door(server: RedisRun, prefix: str = "t:") -> AsyncIterator[RedisDoor]:
    async with redis_door(
        server.url, password=None, prefix=prefix, answer_seconds_max=10.0, away_seconds=0.01
    ) as door:
        yield door


async def back(door: RedisDoor) -> None:
    """Wait until a Redis that was away is asked again, and answers."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(RedisAwayError):
                await door.ask(lambda: door.get("nothing"))
                return
            await asyncio.sleep(0.01)
