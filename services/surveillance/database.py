"""The database before it is used: migrate it, and check that it is ours and of our version."""

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text

from runtime.migrations import Migrations
from runtime.postgres import Connection
from services.surveillance.errors import DatabaseError

SERVICE_ROLE = "rialto_surveillance"
"""What the process works as: may add what it found, and move its position."""

DESK_ROLE = "rialto_surveillance_desk"
"""What people work as: may read everything and add decisions."""

TABLES = frozenset({"position", "accounts", "instruments", "alerts", "decisions"})

_MIGRATIONS = Migrations("surveillance", "services.surveillance:migrations", 5_201_315)

_FIND = "select tablename::text from pg_catalog.pg_tables where schemaname = 'surveillance'"


async def migrate(dsn: str, *, revision: str = "head") -> None:
    """Bring the schema ``surveillance`` to a version, up or down.

    Args:
        dsn: of a login that may create schemas and roles.
        revision: an Alembic revision; ``base`` removes everything that is ours.

    Raises:
        DatabaseError: the schema holds what is not ours, or is of a newer program.
    """
    await _MIGRATIONS.run(dsn, revision, look=_look)


def _look(connection: SqlConnection) -> None:
    found = set(connection.execute(text(_FIND)).scalars())
    if found and "alembic_version" not in found:
        raise DatabaseError(
            f"the database has a schema surveillance that is not Rialto's: {', '.join(found)}"
        )
    _refuse_strangers(found)
    if found:
        version = connection.execute(text("select version_num from surveillance.alembic_version"))
        _refuse_unknown(version.scalar())


async def check(connection: Connection) -> None:
    """Refuse a database without our tables at exactly our version.

    Raises:
        DatabaseError: as it says.
    """
    found = {row[0] for row in await connection.fetch(_FIND)}
    if "alembic_version" not in found:
        raise DatabaseError("the database knows nothing of surveillance yet: migrate it first")
    _refuse_strangers(found)
    version = await connection.fetchval("select version_num from surveillance.alembic_version")
    _refuse_unknown(version)
    head = _MIGRATIONS.head()
    if version != head:
        raise DatabaseError(
            f"the schema surveillance is at version {version or 'none'}, this program needs {head}:"
            " migrate it first"
        )
    if missing := TABLES - found:
        raise DatabaseError(f"the schema surveillance lacks {', '.join(sorted(missing))}")


def _refuse_strangers(found: set[str]) -> None:
    if strangers := found - TABLES - {"alembic_version"}:
        raise DatabaseError(
            "the schema surveillance holds tables that no migration made:"
            f" {', '.join(sorted(strangers))}"
        )


def _refuse_unknown(version: str | None) -> None:
    if not _MIGRATIONS.is_known(version):
        raise DatabaseError(
            f"the schema surveillance is at version {version}, which this program does not know:"
            " it was migrated by a newer one"
        )
