"""The database before it is used: migrate it, check that it is ours, know whose ledger it holds."""

from functools import partial

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text

import settlement.cycle_schema
import settlement.profit_schema  # noqa: F401  # their tables are in the metadata, too
from runtime.migrations import Migrations
from runtime.postgres import Connection
from settlement.errors import (
    ForeignSchemaError,
    ForeignVenueError,
    SchemaVersionError,
    UnfinishedLedgerError,
)
from settlement.hidden_tables import are_hidden
from settlement.schema import NAMESPACE, metadata

APPLICATION_ROLE = "rialto_settlement"
"""What the consumers work as: may add to the ledger, and change or remove nothing in it."""

READER_ROLE = "rialto_reader"
"""What reports and reconciliation work as: may read."""

BOOKKEEPER_ROLE = "rialto_bookkeeper"
"""What entries of the house are made as: may add those, and nothing else."""

_MIGRATIONS = Migrations(NAMESPACE, "settlement:migrations", 5_201_314)


def head() -> str:
    """Return the schema version that this program works with."""
    return _MIGRATIONS.head()


async def migrate(dsn: str, *, revision: str = "head") -> None:
    """Bring the database to a schema version, up or down, creating the schema in an empty one.

    Args:
        dsn: of a login that may create schemas and roles.
        revision: an Alembic revision; ``base`` removes everything that is ours.

    Raises:
        ForeignSchemaError: the database has tables that are not Rialto's.
        SchemaVersionError: it was migrated by a newer program.
    """
    await _MIGRATIONS.run(dsn, revision, look=partial(_look, is_removing=revision == "base"))


def _look(connection: SqlConnection, *, is_removing: bool) -> None:
    found = connection.execute(text(_FIND_TABLES), {"namespace": NAMESPACE}).all()
    _refuse_foreign({(row.schema, row.name) for row in found}, is_installing=True)
    if ("settlement", "alembic_version") in {(row.schema, row.name) for row in found}:
        current = connection.execute(text("select version_num from settlement.alembic_version"))
        _refuse_unknown_version(current.scalar())
    if is_removing:
        connection.execute(text("select set_config('rialto.remove_all', 'on', true)"))


AWAITS_SUCCESSOR = "set aside; its successor is not finished"
"""The comment on a ledger's schema from when it is set aside until another is in its place."""


async def unfinished(connection: Connection) -> str | None:
    """Return the ledger that was set aside for one that is not finished; None: there is none."""
    name: str | None = await connection.fetchval(
        "select nspname::text from pg_catalog.pg_namespace"
        " where starts_with(nspname, $1) and obj_description(oid, 'pg_namespace') = $2",
        f"{NAMESPACE}_until_",
        AWAITS_SUCCESSOR,
    )
    return name


async def check(connection: Connection, *, is_replacing: bool = False) -> None:
    """Refuse a database that is not ours at exactly our version.

    Args:
        connection: to it.
        is_replacing: whether the ledger may be one that is being made in the place of another.

    Raises:
        ForeignSchemaError: no schema of ours, or tables added or missing in it.
        SchemaVersionError: ours, older or newer.
        UnfinishedLedgerError: its replacement broke off, or its making at the last step.
    """
    former = None if is_replacing else await unfinished(connection)
    if former is not None:
        raise UnfinishedLedgerError(
            f"the ledger was set aside as {former}, and the one in its place is not finished:"
            " run ./rialto ledger rebuild --replace again"
        )
    if await are_hidden(connection):
        raise UnfinishedLedgerError(
            "making the ledger again broke off at its last step: run ./rialto ledger rebuild again"
        )
    rows = await connection.fetch(_FIND_TABLES.replace(":namespace", "$1"), NAMESPACE)
    _refuse_foreign({(row["schema"], row["name"]) for row in rows}, is_installing=False)
    version = await connection.fetchval("select version_num from settlement.alembic_version")
    _refuse_unknown_version(version)
    if version != head():
        raise SchemaVersionError(
            f"the database is at schema version {version or 'none'}, this program needs {head()}:"
            " migrate it first"
        )
    missing = {table.name for table in metadata.tables.values()} - {row["name"] for row in rows}
    if missing:
        raise ForeignSchemaError(f"the schema {NAMESPACE} lacks {', '.join(sorted(missing))}")


_FIND_TABLES = """
select schemaname::text as schema, tablename::text as name from pg_catalog.pg_tables
where schemaname = :namespace or schemaname = 'public'
"""


def _refuse_foreign(found: set[tuple[str, str]], *, is_installing: bool) -> None:
    ours = {name for schema, name in found if schema == NAMESPACE}
    others = sorted(f"{schema}.{name}" for schema, name in found if schema != NAMESPACE)
    if "alembic_version" in ours:
        known = {table.name for table in metadata.tables.values()} | {"alembic_version"}
        strangers = sorted(ours - known)
        if strangers:
            raise ForeignSchemaError(
                f"the schema {NAMESPACE} holds tables that no migration made:"
                f" {', '.join(strangers)}"
            )
        return
    if ours:
        raise ForeignSchemaError(
            f"the database has a schema {NAMESPACE} that is not Rialto's: {', '.join(sorted(ours))}"
        )
    if not is_installing:
        raise SchemaVersionError("the database holds no ledger yet: migrate it first")
    if others:
        raise ForeignSchemaError(
            "the database belongs to something else; give Rialto one of its own:"
            f" it holds {', '.join(others[:5])}"
        )


def _refuse_unknown_version(version: str | None) -> None:
    if not _MIGRATIONS.is_known(version):
        raise SchemaVersionError(
            f"the database is at schema version {version}, which this program does not know:"
            " it was migrated by a newer one"
        )


async def stored_venue(connection: Connection) -> bytes | None:
    """Return the venue whose ledger this is: 16 bytes, or None while there is none."""
    found = await connection.fetchval("select venue from settlement.lineage")
    return None if found is None else bytes(found.bytes)


async def claim(connection: Connection, venue: bytes) -> None:
    """Make the ledger this venue's, unless it is already, in the caller's transaction.

    Raises:
        ForeignVenueError: it is another's.
    """
    await connection.execute(
        "insert into settlement.lineage (single, venue) values (true, $1) on conflict do nothing",
        _uuid_text(venue),
    )
    owner = await stored_venue(connection)
    if owner != venue:
        raise ForeignVenueError(
            f"the database holds the ledger of venue {owner.hex() if owner else 'none'},"
            f" and this is venue {venue.hex()}"
        )


def _uuid_text(venue: bytes) -> str:
    assert len(venue) == 16, venue
    return venue.hex()
