"""The books of a state directory, as the operators' plane reads them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.errors import CommandError, VenueAwayError
from exchange.operator_link import ADMIN, connect
from exchange.settlement_desk import CycleOrder, Planned, decided, planned
from exchange.state import State
from messages.trading.answers import VenueStatus
from runtime import postgres
from runtime.link import LinkError
from settlement import database, house
from settlement.chart import Consumer
from settlement.cycle_decisions import Ask
from settlement.errors import SettlementRefusedError
from settlement.house import HousePosting, HouseRefusedError
from settlement.queries import consumer_positions
from settlement.volumes import FirmVolume, firm_volumes


class LiveLedger:
    """Connects anew for each question: there are few, and the database may come and go."""

    def __init__(self, state: State, config: Path) -> None:
        self._state = state
        self._config = config

    async def volumes(self, from_ns: int, until_ns: int) -> list[FirmVolume]:
        """See ``Ledger``."""
        async with self._connected(database.READER_ROLE) as connection:
            try:
                await self._require_caught_up(connection, until_ns)
            except LinkError as error:
                raise VenueAwayError(str(error)) from error
            return await firm_volumes(connection, from_ns=from_ns, until_ns=until_ns)

    async def cycle_plan(self, order: CycleOrder) -> Planned:
        """See ``Ledger``."""
        async with self._connected(database.READER_ROLE) as connection:
            return await planned(connection, order)

    async def decide(self, order: CycleOrder, ask: Ask) -> str:
        """See ``Ledger``."""
        async with self._connected(database.APPLICATION_ROLE) as connection:
            try:
                return await decided(connection, order, ask)
            except SettlementRefusedError as error:
                raise CommandError(str(error)) from error

    async def post(self, posting: HousePosting) -> int:
        """See ``Ledger``."""
        async with self._connected(database.BOOKKEEPER_ROLE) as connection:
            try:
                return await house.post(connection, posting)
            except HouseRefusedError as error:
                raise CommandError(str(error)) from error

    @asynccontextmanager
    async def _connected(self, role: str) -> AsyncIterator[postgres.Connection]:
        dsn = database_dsn(read_configuration(self._config), self._state)
        connection: postgres.Connection | None = None
        try:
            connection = await postgres.connect(dsn, application="admin_api", role=role)
            yield connection
        except Exception as error:
            if not postgres.is_outage(error):
                raise
            raise VenueAwayError(f"the database is away: {error}") from error
        finally:
            if connection is not None:
                await connection.close()

    async def _require_caught_up(self, connection: postgres.Connection, until_ns: int) -> None:
        """Require that the ledger has all that happened before a time."""
        ledger = (await consumer_positions(connection))[Consumer.LEDGER]
        if ledger.time_ns >= until_ns:
            return
        link = await connect(self._state, ADMIN)
        try:
            answer = await link.query("status")
        finally:
            await link.close()
        last = msgspec.msgpack.decode(answer.payload, type=VenueStatus).last_event
        if ledger.event_number < last:
            raise VenueAwayError(
                f"the ledger is at event {ledger.event_number}, the venue at {last}: not yet"
            )
