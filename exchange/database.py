"""The way into the database of a state directory."""

from pathlib import Path
from urllib.parse import quote

from exchange.configuration import Configuration
from exchange.errors import VenueAwayError
from exchange.state import State

POSTGRES = "postgres"


def database_dsn(configuration: Configuration, state: State) -> str:
    """Return the way into the database, with its password.

    Raises:
        VenueAwayError: the embedded server does not run.
    """
    table = configuration.venue.postgres
    if not table.dsn:
        page = state.page(POSTGRES)
        if page is None:
            raise VenueAwayError(f"no PostgreSQL runs in {state.root}; start one with ./rialto up")
        password = state.postgres.with_name(f"{state.postgres.name}.password").read_text().strip()
        return f"postgresql://rialto:{quote(password)}@{page.addresses[POSTGRES]}/{POSTGRES}"
    if not table.password_file:
        return table.dsn
    password = Path(table.password_file).read_text().strip()
    separator = "&" if "?" in table.dsn else "?"
    return f"{table.dsn}{separator}password={quote(password, safe='')}"
