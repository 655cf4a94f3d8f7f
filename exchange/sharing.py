"""The Redis that processes may share, as this venue is configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exchange.configuration import Configuration
from exchange.state import State
from runtime.redis import RedisDoor, redis_door


@asynccontextmanager
async def shared_redis(
    configuration: Configuration, state: State
) -> AsyncIterator[RedisDoor | None]:
    """Have the way to the Redis while the block runs; None where none is configured."""
    table = configuration.venue.redis
    if not table.url:
        yield None
        return
    password = state.secret(table.password_file, "") if table.password_file else None
    async with redis_door(
        table.url,
        password=password,
        prefix=table.prefix,
        answer_seconds_max=table.answer_seconds_max,
        away_seconds=table.away_seconds,
    ) as door:
        yield door
