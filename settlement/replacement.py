"""A ledger set aside for one that is made again, and what of it no event says.

Entries follow from events. What the house moved by itself, and what was decided about settlement,
is on record nowhere else in the same form: it is carried over, as it was.
"""

import msgspec

from runtime.postgres import Connection
from settlement import cycle_rebuild, database
from settlement.chart import Consumer
from settlement.cycle_rebuild import RecordedDecision
from settlement.errors import ConsumerBusyError
from settlement.hidden_tables import put_back
from settlement.locks import read_position, try_lock
from settlement.schema import NAMESPACE


async def set_aside(connection: Connection, *, at_ns: int) -> str:
    """Rename the schema and take away all rights to change it; returns its new name.

    Until ``carry_over`` is done nobody uses what takes its place. If that broke off, the ledger
    that was set aside then stays the former one, and what was begun in its place goes.

    Args:
        connection: of the schema's owner, without a transaction.
        at_ns: the time of it, which is part of the name.

    Raises:
        ConsumerBusyError: settlement runs.
    """
    async with connection.transaction():
        for consumer in Consumer:
            # Held until the session ends: the rows that it guards go with the schema.
            if not await try_lock(connection, consumer):
                raise ConsumerBusyError(f"{consumer} is running: stop settlement first")
        await put_back(connection)
        await database.check(connection, is_replacing=True)
        former = await database.unfinished(connection)
        if former is not None:
            await connection.execute(f"drop schema {NAMESPACE} cascade")
            return former
        stands = await read_position(connection, Consumer.LEDGER)
        name = f"{NAMESPACE}_until_{stands}_at_{at_ns}"
        await connection.execute(f"alter schema {NAMESPACE} rename to {name}")
        comment = f"comment on schema {name} is '{database.AWAITS_SUCCESSOR}'"
        await connection.execute(comment)
        for role in (database.APPLICATION_ROLE, database.BOOKKEEPER_ROLE):
            await connection.execute(f"revoke all on all tables in schema {name} from {role}")
            await connection.execute(f"grant select on all tables in schema {name} to {role}")
    return name


# Posting 0 moved what an older program had booked otherwise: now it is booked as it should be.
_CARRY_HOUSE = (
    "alter table settlement.house_postings disable trigger house_postings_follow",
    """insert into settlement.house_postings
        select * from {former}.house_postings where posting > 0 order by posting""",
    "alter table settlement.house_postings enable trigger house_postings_follow",
    """insert into settlement.house_entries
        select * from {former}.house_entries where posting > 0 order by posting, leg""",
)


async def carry_over(connection: Connection, former: str) -> int:
    """Bring postings of the house and decisions from a schema that was set aside.

    Args:
        connection: of the owner, without a transaction; the ledger has been made again.
        former: the name that ``set_aside`` returned.

    Returns:
        How many there were of both.

    Raises:
        SettlementRefusedError: there are decisions already, or the ledger has not all events that
            they were made after.
    """
    async with connection.transaction():
        for statement in _CARRY_HOUSE:
            await connection.execute(statement.format(former=former))
    postings = await connection.fetchval("select count(*) from settlement.house_postings")
    rows = await connection.fetch(f"select * from {former}.decisions order by decision")  # noqa: S608  # our own name
    decisions = [msgspec.convert(dict(row), RecordedDecision) for row in rows]
    carried = int(postings) + await cycle_rebuild.rebuild(connection, decisions)
    await connection.execute(f"comment on schema {former} is null")
    return carried
