"""``./rialto ledger rebuild``: the ledger made again from the venue's event log."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exchange.configuration import Configuration, read_configuration
from exchange.database import POSTGRES, database_dsn
from exchange.event_log import logged_events, venue_of
from exchange.state import State
from runtime import postgres
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.process import EXIT_OK
from settlement import database, rebuild, replacement

ABOUT = "make the ledger again from the event log; settlement must not run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this action's options."""
    parser.add_argument(
        "--replace",
        action="store_true",
        help="set the ledger that is there aside under another name, and carry over what the house"
        " moved and what was decided; without this only an empty ledger is filled",
    )
    parser.set_defaults(alone=run)


def run(options: argparse.Namespace) -> int:
    """Make it, and say at what rate."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    state, began = State(options.state), time.perf_counter()
    venue = venue_of(state)
    async with _database(read_configuration(options.config), state) as dsn:
        connection = await postgres.connect(dsn, application="ledger rebuild")
        try:
            await rebuild.mend(connection)
            await database.migrate(dsn)
            former = None
            if options.replace:
                former = await replacement.set_aside(connection, at_ns=time.time_ns())
                print(f"the ledger until now is in schema {former}")
                await database.migrate(dsn)
            made = await rebuild.rebuild(
                connection,
                logged_events(state),
                dsn=dsn,
                venue=venue,
                is_replacing=options.replace,
            )
            carried = 0 if former is None else await replacement.carry_over(connection, former)
        finally:
            await connection.close()
    seconds = time.perf_counter() - began
    print(
        f"{made.trades} trades through event {made.event_number} in {seconds:.1f} s"
        f" ({made.trades / seconds:.0f} a second); carried over: {carried}"
    )
    return EXIT_OK


@asynccontextmanager
async def _database(configuration: Configuration, state: State) -> AsyncIterator[str]:
    """Yield the way into the database, starting the embedded server when nobody did."""
    if configuration.venue.postgres.dsn or state.page(POSTGRES) is not None:
        yield database_dsn(configuration, state)
        return
    server = EmbeddedPostgres(state.postgres, settings=rebuild.SERVER_SETTINGS)
    try:
        yield (await asyncio.to_thread(server.start)).url()
    finally:
        await asyncio.to_thread(server.stop)
