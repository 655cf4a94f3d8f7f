"""A task that looks into the ledger's database now and then, over a connection of its own.

PostgreSQL may be away at any time: then it connects again, after pauses that double. What waiting
does not mend ends it, and the process.
"""

import asyncio
from abc import ABC, abstractmethod

import structlog

from runtime.postgres import (
    FAILURES,
    Connection,
    connect,
    drop,
    is_outage,
    lets_nobody_in,
)
from runtime.waiting import stopped_within
from settlement import database
from settlement.errors import LedgerRefusedError, LoginRefusedError
from settlement.settings import SettlementSettings

log = structlog.get_logger()


class DatabaseTask(ABC):
    """One task beside the poster."""

    name: str

    def __init__(self, settings: SettlementSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None

    @abstractmethod
    async def look(self, connection: Connection) -> None:
        """Do what there is to do now; what was read over another connection may not hold."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop.

        Raises:
            LedgerRefusedError: the database refused something, which waiting does not mend.
            DatabaseError: the database is not one that we may use.
        """
        pause = self._settings.pause_seconds_first
        try:
            while not stop.is_set():
                try:
                    async with asyncio.timeout(self._settings.post_seconds_max):
                        await self.look(await self._connected())
                    pause = self._settings.pause_seconds_first
                    await stopped_within(stop, self._settings.cycle_poll_seconds)
                except FAILURES as error:
                    self._disconnect()
                    if not is_outage(error):
                        raise self._judged(error) from error
                    log.warning(
                        "task_waits_for_postgres",
                        task=self.name,
                        error=f"{type(error).__name__}: {error}",
                    )
                    await stopped_within(stop, pause)
                    pause = min(2 * pause, self._settings.pause_seconds_last)
        finally:
            self._disconnect()

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            self._connection = connection = await connect(
                self._settings.dsn,
                role=database.APPLICATION_ROLE,
                application=self.name,
                seconds_max=self._settings.connect_seconds_max,
            )
            await database.check(connection)
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)

    def _judged(self, error: Exception) -> LedgerRefusedError | LoginRefusedError:
        if lets_nobody_in(error):
            return LoginRefusedError(f"the database does not let us in: {error}")
        return LedgerRefusedError(f"{self.name}: {error}")
