"""A schema of one service and its Alembic migrations: how they are run, and which there are."""

from collections.abc import Callable
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from runtime.postgres import Connection, connect

ATTEMPTS_MAX = 3
"""At a migration whose locks met another session's crosswise."""

_DEADLOCK = "40P01"


@dataclass(frozen=True, slots=True)
class Migrations:
    """Where the migrations of a schema are."""

    schema: str
    scripts: str
    """As Alembic has it: a package, a colon, a folder in it."""
    lock: int
    """Any number of its own: two programs that migrate one schema take turns."""

    def head(self) -> str:
        """Return the schema version that this program works with."""
        revision = ScriptDirectory.from_config(self._config()).get_current_head()
        assert revision is not None
        return revision

    def is_known(self, version: str | None) -> bool:
        """Say whether this program has a version's migration; of none it needs none."""
        scripts = ScriptDirectory.from_config(self._config()).walk_revisions()
        return version is None or version in {script.revision for script in scripts}

    async def run(self, dsn: str, revision: str, *, look: Callable[[SqlConnection], None]) -> None:
        """Bring the schema to a version, up or down, creating it where it is not.

        Args:
            dsn: of a login that may create schemas and roles.
            revision: an Alembic revision; ``base`` removes the tables.
            look: refuses what is there by an exception; called under the lock.
        """
        for attempts_left in reversed(range(ATTEMPTS_MAX)):
            try:
                await self._attempt(dsn, revision, look)
            except DBAPIError as error:
                # All of a migration is one transaction: nothing of it is left.
                if getattr(error.orig, "sqlstate", None) != _DEADLOCK or not attempts_left:
                    raise
            else:
                return

    async def _attempt(
        self, dsn: str, revision: str, look: Callable[[SqlConnection], None]
    ) -> None:
        async def dial() -> Connection:
            return await connect(dsn)

        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=dial, poolclass=NullPool
        )
        try:
            async with engine.connect() as connection:
                await connection.run_sync(self._run, revision, look)
                await connection.commit()
        finally:
            await engine.dispose()

    def _run(
        self, connection: SqlConnection, revision: str, look: Callable[[SqlConnection], None]
    ) -> None:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": self.lock})
        look(connection)
        connection.execute(text(f"create schema if not exists {self.schema}"))
        config = self._config()
        config.attributes["connection"] = connection
        is_down = revision == "base" or revision.startswith("-")
        is_down = is_down or self._is_before(connection, revision)
        (command.downgrade if is_down else command.upgrade)(config, revision)

    def _is_before(self, connection: SqlConnection, revision: str) -> bool:
        """Say whether a version is older than the database's."""
        options = {"version_table_schema": self.schema}
        stands = MigrationContext.configure(connection, opts=options).get_current_revision()
        if stands is None:
            return False
        older = ScriptDirectory.from_config(self._config()).iterate_revisions(stands, "base")
        return revision in {script.revision for script in older if script.revision != stands}

    def _config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", self.scripts)
        return config
