"""The database before it is used: bring the schema ``accounts`` to this program's version."""

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text

from runtime.migrations import Migrations
from runtime.postgres import Connection
from services.accounts.errors import SchemaError
from services.accounts.schema import NAMESPACE

_MIGRATIONS = Migrations(NAMESPACE, "services.accounts:migrations", 5_201_327)


def head() -> str:
    """Return the schema version that this program works with."""
    return _MIGRATIONS.head()


async def migrate(dsn: str, *, revision: str = "head") -> None:
    """Bring the schema to a version, up or down, creating it where it is not.

    Args:
        dsn: of a login that may create schemas and roles.
        revision: an Alembic revision; ``base`` removes the tables.

    Raises:
        SchemaError: it was migrated by a newer program.
    """
    await _MIGRATIONS.run(dsn, revision, look=_look)


def _look(connection: SqlConnection) -> None:
    if connection.execute(text("select to_regclass('accounts.alembic_version')")).scalar():
        found = connection.execute(text("select version_num from accounts.alembic_version"))
        version = found.scalar()
        if not _MIGRATIONS.is_known(version):
            raise SchemaError(f"accounts are at schema version {version}, made by a newer program")


async def check(connection: Connection) -> None:
    """Refuse a schema that is not at exactly our version.

    Raises:
        SchemaError: it is not.
    """
    version = None
    if await connection.fetchval("select to_regclass('accounts.alembic_version')"):
        version = await connection.fetchval("select version_num from accounts.alembic_version")
    if version != head():
        raise SchemaError(
            f"accounts are at schema version {version or 'none'}, and this program needs {head()}:"
            " migrate first"
        )
