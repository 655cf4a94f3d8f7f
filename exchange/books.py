"""The database brought to our schemas, and whether it agrees with the core."""

from collections.abc import Iterator

import msgspec

from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.operator_link import connect
from exchange.state import State
from messages.trading.answers import Balances
from retail_gateway.database import migrate as migrate_retail
from runtime import postgres
from services.accounts.database import migrate as migrate_accounts
from services.market_data.database import migrate as migrate_market_data
from services.surveillance.database import migrate as migrate_surveillance
from settlement import database
from settlement.reconcile import AssetSum, Debt, EngineFigures, Holding, Report, RfqHold
from settlement.reconcile_loader import reconcile


async def prepare_database(configuration: Configuration, state: State) -> None:
    """Bring the database to this program's schemas.

    Raises:
        DatabaseError: it is not one that we may use; settlement's, surveillance's or market
            data's.
        SchemaError: a newer program's; accounts' or the retail API's.
    """
    dsn = database_dsn(configuration, state)
    await database.migrate(dsn)
    await migrate_surveillance(dsn)
    await migrate_market_data(dsn)
    await migrate_accounts(dsn)
    await migrate_retail(dsn)


async def reconcile_venue(
    configuration: Configuration, state: State, *, seconds_max: float
) -> Report:
    """Compare the running core with the ledger at the same event.

    Raises:
        VenueAwayError: core or database do not run. LedgerBehindError: not in time.
    """
    link = await connect(state, "admin")
    try:
        answer = await link.query("balances")
    finally:
        await link.close()
    figures = msgspec.msgpack.decode(answer.payload, type=Balances)
    engine = EngineFigures(
        event_number=answer.event_number,
        balances=[Holding(*balance) for balance in figures.balances],
        assets=[AssetSum(*asset) for asset in figures.assets],
        receivables=[Debt(*debt) for debt in figures.receivables],
        rfq_holds=[RfqHold(*hold) for hold in figures.rfq_holds],
    )
    connection = await postgres.connect(
        database_dsn(configuration, state), application="reconcile", role=database.READER_ROLE
    )
    try:
        return await reconcile(connection, engine, seconds_max=seconds_max)
    finally:
        await connection.close()


def report_lines(report: Report) -> Iterator[str]:
    """Write a reconciliation for people."""
    yield f"engine and ledger at event {report.event_number}"
    for name, count in report.counts.items():
        yield f"  {name.replace('_', ' ')}: {count}"
    for difference in report.differences:
        yield (
            f"DIFFERENT {difference.what}, {difference.where}: "
            f"engine {difference.engine}, ledger {difference.ledger}"
        )
    yield "clean" if report.is_clean else f"{len(report.differences)} differences"
