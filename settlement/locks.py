"""Who may write for a consumer: locks of its sessions, and the position that they guard.

A consumer may have several sessions, its lanes, that write one batch each; every one holds a lock
of its own (PostgreSQL's advisory lock, held by the session). Whoever holds all of them knows that
every session of a predecessor is really gone, so that the position cannot move any more.
"""

from typing import Final

from runtime.postgres import Connection
from settlement.chart import Consumer

LOCK_SPACE: Final = 0x52494C54
"""The first key of our advisory locks; the second is the consumer's place in ``Consumer``, and
ten for each lane before. From 100 on they are others' (decisions of cycles, ``services``)."""

LANES_MAX: Final = 2

TURN_SPACE: Final = 0x5254524E
"""The first key of the locks by which a batch waits for the one before it; the second is a batch's
(``turn_key``). The trigger ``entries_are_posted`` has the number, too."""

AFTER_BATCH: Final = "rialto.after_batch"
"""The setting that tells the trigger the key of the batch before, within a transaction."""


def turn_key(through: int) -> int:
    """Return the key of the batch that ends with an event; others on their way have another."""
    return through & 0x7FFF_FFFF


async def try_lock(connection: Connection, consumer: Consumer) -> bool:
    """Take all of a consumer's locks for as long as the session lives, if nobody has any."""
    for lane in range(LANES_MAX):
        if not await try_lane(connection, consumer, lane):
            for taken in range(lane):
                await _unlock_lane(connection, consumer, taken)
            return False
    return True


async def try_lane(connection: Connection, consumer: Consumer, lane: int) -> bool:
    """Take the lock of one lane for as long as the session lives, if nobody else has it."""
    key = lane_key(consumer, lane)
    return bool(await connection.fetchval(f"select pg_try_advisory_lock({LOCK_SPACE}, $1)", key))


async def unlock(connection: Connection, consumer: Consumer) -> None:
    """Give all of a consumer's locks back."""
    for lane in range(LANES_MAX):
        await _unlock_lane(connection, consumer, lane)


async def _unlock_lane(connection: Connection, consumer: Consumer, lane: int) -> None:
    key = lane_key(consumer, lane)
    await connection.execute("select pg_advisory_unlock($1, $2)", LOCK_SPACE, key)


def lane_key(consumer: Consumer, lane: int) -> int:
    """Return the second key of a lane's lock."""
    assert lane < LANES_MAX, lane
    return list(Consumer).index(consumer) + 10 * lane


async def read_position(connection: Connection, consumer: Consumer) -> int:
    """Return the last event that a consumer committed, making its row when it has none."""
    await connection.execute(
        "insert into settlement.positions (consumer, event_number, time_ns)"
        " values ($1, 0, 0) on conflict do nothing",
        consumer,
    )
    found = await connection.fetchval(
        "select event_number from settlement.positions where consumer = $1", consumer
    )
    return int(found)
