"""What surveillance keeps in PostgreSQL: its position, its memory, and what it found."""

import uuid
from typing import NamedTuple

import msgspec

from runtime.postgres import Connection
from services.surveillance.alerts import Alert
from services.surveillance.errors import DatabaseError, PositionMovedError
from services.surveillance.watch import Found, KnownAccount, WatchState

LOCK = (0x52494C54, 100)
"""Our advisory lock: the space that settlement has its own in, and a place far from those."""


class Kept(NamedTuple):
    """Where surveillance stands: all alerts up to ``position`` are stored.

    ``state`` is what was remembered at an earlier event, ``state.number``: what came between is
    read again, and its alerts are known.
    """

    venue: bytes | None
    position: int
    state: WatchState
    accounts: list[KnownAccount]


async def load(connection: Connection) -> Kept:
    """Read where surveillance stands, making its row when there is none.

    Raises:
        DatabaseError: what it remembered was written by another version of this program.
    """
    await connection.execute(
        "insert into surveillance.position"
        " (single, event_number, time_ns, checkpoint_event, checkpoint)"
        " values (true, 0, 0, 0, $1) on conflict do nothing",
        msgspec.msgpack.encode(WatchState()),
    )
    row = await connection.fetchrow("select * from surveillance.position")
    assert row is not None
    try:
        state = msgspec.msgpack.decode(row["checkpoint"], type=WatchState)
    except msgspec.DecodeError as error:
        raise DatabaseError(
            f"the memory kept at event {row['checkpoint_event']} cannot be read: {error}"
        ) from error
    assert state.number == row["checkpoint_event"], (state.number, row["checkpoint_event"])
    rows = await connection.fetch("select * from surveillance.accounts")
    return Kept(
        venue=None if row["venue"] is None else row["venue"].bytes,
        position=row["event_number"],
        state=state,
        accounts=[KnownAccount(**dict(each)) for each in rows],
    )


async def read_position(connection: Connection) -> int:
    """Return the last event whose alerts are stored."""
    return int(await connection.fetchval("select event_number from surveillance.position"))


async def store(
    connection: Connection,
    found: Found,
    *,
    venue: bytes,
    after: int,
    through: int,
    time_ns: int,
    checkpoint: WatchState | None,
) -> None:
    """Add what was found in the events ``after`` to ``through``, and move on, all or nothing.

    Raises:
        PositionMovedError: the stored position is not ``after``.
    """
    async with connection.transaction():
        moved = await connection.execute(
            "update surveillance.position set event_number = $1, time_ns = $2, venue = $3"
            " where event_number = $4 and (venue is null or venue = $3)",
            through,
            time_ns,
            uuid.UUID(bytes=venue),
            after,
        )
        if moved != "UPDATE 1":
            raise PositionMovedError(
                f"the position is no longer event {after} of venue {venue.hex()},"
                " and we hold the lock"
            )
        if checkpoint is not None:
            await connection.execute(
                "update surveillance.position set checkpoint_event = $1, checkpoint = $2",
                checkpoint.number,
                msgspec.msgpack.encode(checkpoint),
            )
        await _add(connection, found)


async def _add(connection: Connection, found: Found) -> None:
    for table, rows in (
        ("accounts", [msgspec.structs.asdict(each) for each in found.accounts]),
        ("instruments", [msgspec.structs.asdict(each) for each in found.instruments]),
        ("alerts", [_alert_row(each) for each in found.alerts]),
    ):
        if rows:
            await connection.copy_records_to_table(
                table,
                schema_name="surveillance",
                columns=list(rows[0]),
                records=[tuple(row.values()) for row in rows],
            )


def _alert_row(alert: Alert) -> dict[str, object]:
    row = {"alert_id": alert.alert_id} | msgspec.structs.asdict(alert)
    for name in ("figures", "parameters"):
        row[name] = msgspec.json.encode(row[name]).decode()
    row["kind"] = str(alert.kind)
    return row
