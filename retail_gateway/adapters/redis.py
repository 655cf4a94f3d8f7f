"""Counts that several API processes share, in a Redis.

Each count is one script, so that no two processes read before either writes. While Redis is away
each process counts by itself, and says so once: a client then gets at most as many times its share
as there are processes, and nobody is refused who should not be.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar, cast

from redis.exceptions import OutOfMemoryError

from retail_gateway.allowances import BAN_SECONDS_MAX, NO_ROOM, MemoryCounters, Window
from runtime.redis import RedisAwayError, RedisDoor

Value = TypeVar("Value")

_SECOND_NS: Final = 1_000_000_000

_ADD: Final = """
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return used
"""
"""Counts in a window; what is of a window that has passed goes by itself."""

_BAN: Final = """
local began_ms = tonumber(redis.call('HGET', KEYS[1], 'began_ms') or '0')
local last = tonumber(redis.call('HGET', KEYS[1], 'seconds') or '0')
local now_ms, seconds = tonumber(ARGV[2]), tonumber(ARGV[3])
if last > 0 and now_ms < began_ms + (last + 86400) * 1000 then
  seconds = math.min(2 * last, tonumber(ARGV[4]))
end
redis.call('HSET', KEYS[1], 'began_ns', ARGV[1], 'began_ms', ARGV[2], 'seconds', seconds)
redis.call('EXPIRE', KEYS[1], seconds + 86400)
return seconds
"""
"""Bans twice as long as the last time; nanoseconds are kept as text, for a script has floats."""


class RedisCounters:
    """``Counters`` in a Redis, with a process's own for when it is away."""

    def __init__(self, door: RedisDoor, alone: MemoryCounters) -> None:
        """Count in a Redis; ``alone`` counts while it is away."""
        self._door = door
        self._alone = alone

    async def add(self, window: Window, subject: str, amount: int, now_ns: int) -> int:
        """See ``Counters.add``."""

        async def ask() -> int:
            try:
                key = self._count_key(window, subject, now_ns)
                return int(await self._run(_ADD, key, amount, 2 * window.seconds))
            except OutOfMemoryError:
                return NO_ROOM  # no room to count another subject

        return await self._ask(ask, lambda: self._alone.add(window, subject, amount, now_ns))

    async def count(self, window: Window, subject: str, now_ns: int) -> int:
        """See ``Counters.count``."""

        async def ask() -> int:
            return int(await self._door.get(self._count_key(window, subject, now_ns)) or 0)

        return await self._ask(ask, lambda: self._alone.count(window, subject, now_ns))

    async def ban(self, subject: str, seconds_first: int, now_ns: int) -> int:
        """See ``Counters.ban``."""

        async def ask() -> int:
            now_ms, key = now_ns // 1_000_000, self._ban_key(subject)
            seconds = await self._run(_BAN, key, now_ns, now_ms, seconds_first, BAN_SECONDS_MAX)
            return now_ns + int(seconds) * _SECOND_NS

        return await self._ask(ask, lambda: self._alone.ban(subject, seconds_first, now_ns))

    async def banned_until(self, subject: str, now_ns: int) -> int:
        """See ``Counters.banned_until``."""

        async def ask() -> int:
            key = self._door.prefix + self._ban_key(subject)
            fields = self._door.client.hmget(key, ["began_ns", "seconds"])
            began_ns, seconds = await cast(Awaitable[Sequence[bytes | None]], fields)
            until_ns = int(began_ns or 0) + int(seconds or 0) * _SECOND_NS
            return until_ns if until_ns > now_ns else 0

        return await self._ask(ask, lambda: self._alone.banned_until(subject, now_ns))

    async def _ask(
        self, ask: Callable[[], Awaitable[Value]], alone: Callable[[], Awaitable[Value]]
    ) -> Value:
        """Ask Redis, or count alone while it is away."""
        try:
            return await self._door.ask(ask)
        except RedisAwayError:
            return await alone()

    async def _run(self, script: str, key: str, *arguments: int) -> int:
        return int(cast(int, await self._door.run(script, key, *arguments)))

    def _count_key(self, window: Window, subject: str, now_ns: int) -> str:
        number = now_ns // (window.seconds * _SECOND_NS)
        return f"count:{window.kind}:{window.letter}:{number}:{subject}"

    def _ban_key(self, subject: str) -> str:
        return f"ban:{subject}"
