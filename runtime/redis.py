"""A Redis that processes share, and that may be away: what is in it can be done without.

Answers have a limit of time. Once one did not come, Redis is left alone for a while, so that its
absence costs one wait and not one for each question; what is done instead is the asker's business.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Final, TypeVar, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

Value = TypeVar("Value")

_CONNECTIONS_MAX: Final = 16
"""Of a process; who finds none free waits as long as for an answer."""


_SHELF: Final = "shelf:"
_VALUES_PER_ANSWER: Final = 64
"""The most that one answer is waited for: its time is bounded, whatever a shelf has to take."""

# Not there in time, or not what was asked for: a count that is no number, an answer of a form
# that the question has none of.
_AWAY: Final = (TimeoutError, RedisError, OSError, ValueError, TypeError, RecursionError)


class RedisAwayError(Exception):
    """Redis does not answer, or did not a moment ago."""


class RedisDoor:
    """The way to a Redis."""

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str,
        away_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask a Redis.

        Args:
            client: with timeouts: an answer that comes late is none.
            prefix: of all keys, so that venues may share a Redis.
            away_seconds: how long Redis is left alone once it did not answer.
            monotonic: tells the time for that.
        """
        self.client = client
        self.prefix = prefix
        self._away_seconds = away_seconds
        self._monotonic = monotonic
        self._away_until = 0.0
        self._is_away = False

    async def ask(self, ask: Callable[[], Awaitable[Value]]) -> Value:
        """Ask, in time.

        Raises:
            RedisAwayError: no answer that can be read; what was asked may have been done all
                the same.
        """
        if self._monotonic() < self._away_until:
            raise RedisAwayError
        try:
            value = await ask()
        except _AWAY as error:
            self._away_until = self._monotonic() + self._away_seconds
            if not self._is_away:
                self._is_away = True
                log.warning("redis_away", error=str(error), until="it answers: done without it")
            raise RedisAwayError from error
        if self._is_away:
            self._is_away = False
            log.info("redis_back")
        return value

    async def get(self, key: str) -> bytes | None:
        """Return a value."""
        value = await self.client.get(self.prefix + key)
        if value is not None and not isinstance(value, bytes):
            raise TypeError(f"{key}: not a value but {type(value).__name__}")
        return value

    async def run(self, script: str, key: str, *arguments: int | str) -> object:
        """Run a script on one key; nothing comes in between."""
        answer = self.client.eval(script, 1, self.prefix + key, *map(str, arguments))
        return await cast(Awaitable[object], answer)


@asynccontextmanager
async def redis_door(
    url: str,
    *,
    password: str | None,
    prefix: str,
    answer_seconds_max: float,
    away_seconds: float,
) -> AsyncIterator[RedisDoor]:
    """Have the way to a Redis while the block runs; it need not be there yet.

    Args:
        url: ``redis://host:port/0``, ``rediss://…`` for TLS, or ``unix:///path``.
        password: from a file; None without one.
        prefix: of all keys.
        answer_seconds_max: for each answer.
        away_seconds: how long Redis is left alone once it did not answer.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        password=password,
        max_connections=_CONNECTIONS_MAX,
        timeout=answer_seconds_max,
        socket_timeout=answer_seconds_max,
        socket_connect_timeout=answer_seconds_max,
    )
    client = Redis.from_pool(pool)
    try:
        yield RedisDoor(client, prefix=prefix, away_seconds=away_seconds)
    finally:
        await client.aclose()


class RedisShelf:
    """``Shelf`` in a Redis: what lies on it is there for every process, until its time is over.

    While Redis is away nothing is put and nothing is found.
    """

    def __init__(self, door: RedisDoor) -> None:
        self._door = door

    async def put(self, values: Mapping[str, bytes], *, seconds: float) -> None:
        """See ``Shelf.put``."""
        life_ms = int(seconds * 1000)
        left = iter(values.items())
        while some := list(islice(left, _VALUES_PER_ANSWER)):
            try:
                await self._door.ask(partial(self._put, some, life_ms))
            except RedisAwayError:
                return

    async def _put(self, values: Sequence[tuple[str, bytes]], life_ms: int) -> Sequence[object]:
        # No transaction: each value stands for itself.
        pipeline = self._door.client.pipeline(transaction=False)
        for name, value in values:
            pipeline.set(f"{self._door.prefix}{_SHELF}{name}", value, px=life_ms)
        return await pipeline.execute()

    async def find(self, name: str) -> bytes | None:
        """See ``Shelf.find``."""

        async def ask() -> bytes | None:
            return await self._door.get(f"{_SHELF}{name}")

        try:
            return await self._door.ask(ask)
        except RedisAwayError:
            return None
