"""Tables filled in bulk: without keys, indexes and triggers, which come back as they were.

All of it happens in the caller's transaction. The tables begin new files in it, so that their rows
need no write-ahead log where the server writes the least (``wal_level`` minimal), and no vacuum.
"""

from collections.abc import Sequence
from typing import NamedTuple

from runtime.postgres import Connection
from settlement.schema import NAMESPACE


class Part(NamedTuple):
    """A constraint or an index: what takes it away, and what puts it back."""

    drop: str
    restore: str


# Foreign keys first, and put back last: they stand on keys.
_CONSTRAINTS = """
select conrelid::regclass::text as of_table, conname::text as name,
    pg_get_constraintdef(oid) as definition
from pg_constraint
where contype in ('p', 'u') and conrelid = any($1::regclass[])
    or contype = 'f' and (conrelid = any($1::regclass[]) or confrelid = any($1::regclass[]))
order by contype = 'f' desc, conname
"""

_INDEXES = """
select index.indexrelid::regclass::text as name, pg_get_indexdef(index.indexrelid) as definition
from pg_index as index
where index.indrelid = any($1::regclass[])
    and not exists (select from pg_constraint where conindid = index.indexrelid)
order by 1
"""


async def strip(connection: Connection, tables: Sequence[str]) -> list[Part]:
    """Take everything off empty tables that a row would have to pass; returns it for ``dress``.

    Args:
        connection: of their owner, in a transaction.
        tables: names in our schema. Those that refer to one of them are among them.
    """
    names = [f"{NAMESPACE}.{table}" for table in tables]
    parts = [
        Part(
            f"alter table {row['of_table']} drop constraint {row['name']}",
            f"alter table {row['of_table']} add constraint {row['name']} {row['definition']}",
        )
        for row in await connection.fetch(_CONSTRAINTS, names)
    ]
    indexes = await connection.fetch(_INDEXES, names)
    parts += [Part(f"drop index {row['name']}", row["definition"]) for row in indexes]
    for part in parts:
        await connection.execute(part.drop)
    for name in names:
        await connection.execute(f"alter table {name} disable trigger user")
    await connection.execute(f"truncate {', '.join(names)}")
    return parts


async def dress(connection: Connection, tables: Sequence[str], parts: Sequence[Part]) -> None:
    """Put back what ``strip`` took: that proves each key and reference, over all rows.

    Planner's statistics are made, too.

    Raises:
        asyncpg.IntegrityConstraintViolationError: a row is there twice, or refers to none.
    """
    for part in reversed(parts):
        await connection.execute(part.restore)
    for table in tables:
        await connection.execute(f"alter table {NAMESPACE}.{table} enable trigger user")
        await connection.execute(f"analyze {NAMESPACE}.{table}")
