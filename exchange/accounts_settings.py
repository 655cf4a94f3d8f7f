"""What the accounts process is told, and whether it would start with that."""

import ssl

from exchange.admin.tls import tls_context
from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.state import State
from services.accounts.adapters.smtp import SmtpMailer
from services.accounts.settings import AccountsSettings, check_site


def accounts_settings(configuration: Configuration, state: State) -> AccountsSettings:
    """Return what the accounts process is told."""
    table = configuration.venue.accounts
    return AccountsSettings(
        dsn=database_dsn(configuration, state),
        site=table.site,
        issuer=configuration.venue.name,
        host=table.host,
        port=table.port,
        http=table.http,
        smtp=table.smtp,
        limits=table.limits,
        hashing=table.hashing,
    )


def accounts_context(configuration: Configuration, state: State) -> ssl.SSLContext | None:
    """Return what the door is served with, and check all that can be checked before.

    Raises:
        SettingsError: naming table, key and reason.
    """
    table = configuration.venue.accounts
    check_site(table.site)
    if table.smtp.host:
        SmtpMailer(table.smtp)
    return tls_context(table, state.secrets, where="config/venue.toml: [accounts]")
