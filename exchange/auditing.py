"""The auditor of a state directory: what it reads there, and what it may do."""

from prometheus_client import CollectorRegistry

from auditor.service import Auditor
from auditor.settings import AuditorSettings
from exchange.audit_trail import make_keeper
from exchange.books import database_dsn
from exchange.configuration import Configuration
from exchange.errors import VenueAwayError
from exchange.places import Places
from exchange.withdrawal_gate import stop_withdrawals
from runtime.feed import LinkFeed
from runtime.link import Link


def make_auditor(
    configuration: Configuration, places: Places, *, address: str, registry: CollectorRegistry
) -> Auditor:
    """Make the auditor's service; ``address`` is the core's."""
    state, table = places.state, configuration.venue.auditor
    token = state.token("auditor")
    is_here = not configuration.venue.core.address
    settings = AuditorSettings(
        directory=state.auditor,
        journal=state.venue / "journal" if is_here else None,
        may_halt=table.may_halt,
        may_stop_withdrawals=table.may_stop_withdrawals,
        may_kill=table.may_kill,
        figures_seconds=table.figures_seconds,
        ledger_seconds=table.ledger_seconds,
        picture_seconds=table.picture_seconds,
        silence_seconds_max=table.silence_seconds_max,
        heads_seconds=table.heads_seconds,
    )

    def ledger_dsn() -> str:
        try:
            return database_dsn(configuration, state)
        except VenueAwayError as error:
            raise ConnectionError(str(error)) from error

    return Auditor(
        settings,
        make_feed=lambda known: LinkFeed(address, "auditor", token, venue=known),
        dial=lambda: Link.connect(address, "auditor", token),
        registry=registry,
        stop_withdrawals=lambda why: stop_withdrawals(state.auditor, why),
        ledger_dsn=ledger_dsn,
        make_keeper=(lambda: make_keeper(configuration, places)) if is_here else None,
    )
