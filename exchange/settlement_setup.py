"""What settlement is told of the configuration."""

from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.state import State
from fix_gateway.settings import SessionFile
from settlement.cycle_terms import SettlementMode
from settlement.settings import SettlementSettings


def settlement_settings(configuration: Configuration, state: State) -> SettlementSettings:
    """Return what the settlement process is told.

    Raises:
        VenueAwayError: the embedded database does not run.
    """
    table = configuration.venue.settlement
    hours, minutes = map(int, table.cycles.close_utc.split(":"))
    return SettlementSettings(
        dsn=database_dsn(configuration, state),
        batch_events_max=table.batch_events_max,
        gather_seconds=table.gather_seconds,
        cycle_close_utc_minutes=hours * 60 + minutes if table.cycles.close == "daily" else None,
        decides=table.cycles.close != "rebuild",
        cycle_grace_seconds=table.cycles.grace_seconds,
    )


def configured_modes(sessions: dict[str, SessionFile]) -> dict[int, SettlementMode]:
    """Return how accounts are to settle whose files say so, by account."""
    return {
        account.id: SettlementMode[account.settlement.upper()]
        for file in sessions.values()
        for account in file.account
        if account.settlement is not None
    }
