"""Tables that another transaction finished: committed where nobody looks, until all is.

A ledger that is made again is written by two sessions, each in a transaction of its own. The first
that commits moves its tables into a schema of their own on the way; the other takes them back as
it commits. So whoever reads finds an empty ledger or all of it; a statement that waited for one of
these tables meanwhile fails, as for a table that is not there. Where everything ends between the
two commits, the ledger lacks tables: nobody uses it, and the next rebuild puts them back, empty.
"""

from collections.abc import Sequence
from typing import Final

from runtime.postgres import Connection
from settlement.schema import NAMESPACE

HIDDEN: Final = f"{NAMESPACE}_in_the_making"
"""The schema that has them; it is there only between the two commits."""


async def hide(connection: Connection, tables: Sequence[str]) -> None:
    """Move tables out of sight, in the caller's transaction, which ends with that."""
    await connection.execute(f"create schema {HIDDEN}")
    for table in tables:
        await connection.execute(f"alter table {NAMESPACE}.{table} set schema {HIDDEN}")


async def reveal(connection: Connection, tables: Sequence[str]) -> None:
    """Move them back, in the caller's transaction, which ends with that."""
    for table in tables:
        await connection.execute(f"alter table {HIDDEN}.{table} set schema {NAMESPACE}")
    await connection.execute(f"drop schema {HIDDEN}")


async def are_hidden(connection: Connection) -> bool:
    """Say whether a ledger's last step broke off: it lacks tables."""
    found = await connection.fetchval(
        "select exists (select from pg_catalog.pg_namespace where nspname = $1)", HIDDEN
    )
    return bool(found)


async def put_back(connection: Connection) -> None:
    """Put tables back whose other half was never committed, and empty them.

    Args:
        connection: of the owner, who holds the locks of the ledger's poster.
    """
    async with connection.transaction():
        rows = await connection.fetch(
            "select tablename::text from pg_catalog.pg_tables where schemaname = $1", HIDDEN
        )
        if not rows:
            return
        names = [f"{HIDDEN}.{row[0]}" for row in rows]
        for name in names:
            # They refuse to be emptied, and nothing was ever in them that anybody saw.
            await connection.execute(f"alter table {name} disable trigger user")
        await connection.execute(f"truncate {', '.join(names)}")
        for name in names:
            await connection.execute(f"alter table {name} enable trigger user")
        await reveal(connection, [row[0] for row in rows])
