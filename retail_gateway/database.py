"""The database before it is used: bring the schema ``retail`` to this program's version."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from retail_gateway.errors import SchemaError
from retail_gateway.schema import NAMESPACE
from runtime.postgres import Connection, connect

MIGRATIONS = "retail_gateway:migrations"

# Any number of its own: two programs that migrate one database take turns.
_MIGRATION_LOCK = 5_201_328


def head() -> str:
    """Return the schema version that this program works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def migrate(dsn: str, *, revision: str = "head") -> None:
    """Bring the schema to a version, up or down, creating it where it is not.

    Args:
        dsn: of a login that may create schemas and roles.
        revision: an Alembic revision; ``base`` removes the tables.

    Raises:
        SchemaError: it was migrated by a newer program.
    """

    async def dial() -> Connection:
        return await connect(dsn)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=dial, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def _migrate(connection: SqlConnection, revision: str) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    connection.execute(text(f"create schema if not exists {NAMESPACE}"))
    config = _config()
    if connection.execute(text("select to_regclass('retail.alembic_version')")).scalar():
        found = connection.execute(text("select version_num from retail.alembic_version"))
        version = found.scalar()
        known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
        if version is not None and version not in known:
            raise SchemaError(f"retail is at schema version {version}, made by a newer program")
    config.attributes["connection"] = connection
    is_down = revision == "base" or revision.startswith("-")
    (command.downgrade if is_down else command.upgrade)(config, revision)


async def check(connection: Connection) -> None:
    """Refuse a schema that is not at exactly our version.

    Raises:
        SchemaError: it is not.
    """
    version = None
    if await connection.fetchval("select to_regclass('retail.alembic_version')"):
        version = await connection.fetchval("select version_num from retail.alembic_version")
    if version != head():
        raise SchemaError(
            f"retail is at schema version {version or 'none'}, and this program needs {head()}:"
            " migrate first"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    return config
