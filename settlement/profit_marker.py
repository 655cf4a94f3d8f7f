"""Makes the marks of profit as the ledger grows."""

from typing import Final

import structlog

from runtime.postgres import Connection
from settlement.database_task import DatabaseTask
from settlement.profit_marks import mark

log = structlog.get_logger()

PLACES_OF_A_LOOK_MAX: Final = 4


class ProfitMarker(DatabaseTask):
    """One task with a connection of its own; behind a long backlog it comes after by itself."""

    name = "settlement.profit"

    async def look(self, connection: Connection) -> None:
        """Make the marks that are due, a few places at once."""
        for _ in range(PLACES_OF_A_LOOK_MAX):
            place = await mark(connection)
            if place is None:
                return
            log.debug("profit_marked", event_number=place)
