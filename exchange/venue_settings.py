"""What the core is told, and whether everything that starts would accept its configuration."""

import os
from pathlib import Path

from exchange.accounts_settings import accounts_context
from exchange.admin.tls import tls_context
from exchange.configuration import Configuration, read_configuration
from exchange.state import State
from exchange.streams_settings import streams_context
from fix_gateway.guard.settings import GuardSettings
from fix_gateway.guard.tls import check_plain_host, server_context
from fix_gateway.settings import Doors, SessionFile, networks, read_sessions
from runtime.toml import SettingsError
from venue.errors import ConfigurationError
from venue.settings import Principal, Realm, VenueSettings, check_settings

CRASH_POINTS_VARIABLE = "RIALTO_ALLOW_CRASH_POINTS"
RETAIL_GATEWAY = "retail_gateway"
REQUIRED_PRINCIPALS = (
    "admin",
    "fix_gateway",
    "fix_market_data",
    "settlement",
    "auditor",
    "surveillance",
    RETAIL_GATEWAY,
    "market_data",
    "market_data_recorder",
)


def venue_settings(configuration: Configuration, state: State) -> VenueSettings:
    """Return what the core and its follower are told."""
    table = configuration.venue
    people = table.retail_api
    realm = Realm(
        first_account=people.first_account,
        last_account=people.last_account,
        session=people.session,
        first_timer_session=people.first_timer_session,
        last_timer_session=people.last_timer_session,
        firm=people.firm,
    )
    return VenueSettings(
        directory=str(state.venue),
        listen=(f"unix:{state.core_socket}", f"tcp:{table.core.host}:{table.core.port}"),
        principals={
            name: Principal(
                number=principal.number,
                token_file=str(state.secrets / f"{name}.token"),
                may_send=principal.may_send,
                links_max=principal.links_max,
                events_every_seconds=principal.events_every_seconds,
                realm=realm if name == RETAIL_GATEWAY else None,
            )
            for name, principal in table.principals.items()
        },
        engine=table.engine,
        durability=table.durability,
        journal=table.core.journal,
        batch=table.core.batch,
        links=table.core.links,
        snapshots=table.core.snapshots,
        drain_seconds=table.core.drain_seconds,
        allow_crash_points=os.environ.get(CRASH_POINTS_VARIABLE) == "1",
    )


def read_and_check(
    config: Path, sessions: Path, state: State
) -> tuple[Configuration, dict[str, SessionFile]]:
    """Read all that an operator wrote, and check it as those who will be started would.

    Raises:
        SettingsError: naming file, key and reason.
    """
    configuration = read_configuration(config)
    where = config / "venue.toml"
    missing = [name for name in REQUIRED_PRINCIPALS if name not in configuration.venue.principals]
    if missing:
        raise SettingsError(f"{where}: $.principals.{missing[0]}: missing; the venue needs it")
    try:
        check_settings(venue_settings(configuration, state))
    except ConfigurationError as error:
        raise SettingsError(f"{where}: {error}") from error
    guard = configuration.venue.fix_guard
    check_plain_host(guard.host)
    networks(where, "fix_guard.limits.addresses", guard.limits.addresses)
    tls_context(configuration.venue.admin_api, state.secrets)
    accounts_context(configuration, state)
    streams_context(configuration, state)
    if guard.tls_host:
        told = guard_settings(configuration, sessions, state)
        server_context(told.certificate_file, told.key_file, trusted_pem="")
    files = read_sessions(sessions)
    check_numbers(configuration, sessions, files)
    return configuration, files


def check_numbers(
    configuration: Configuration, directory: Path, files: dict[str, SessionFile]
) -> None:
    """Refuse a FIX session under a number of people's: their timers would end its connection.

    Raises:
        SettingsError: naming file, key and reason.
    """
    retail = configuration.venue.retail_api
    for name, file in files.items():
        if retail.enabled and retail.has_session(file.id):
            raise SettingsError(
                f"{directory / name}.toml: $.id: {file.id} is the retail API's: its session is"
                f" {retail.session}, and its accounts' timers are sessions"
                f" {retail.first_timer_session} to {retail.last_timer_session}"
            )


def fix_doors(state: State) -> Doors:
    """Say where guard and gateway meet."""
    return Doors(
        fix=state.socket("fix.sock"),
        control=state.socket("fix_control.sock"),
        credential=state.run / "fix.credential",
    )


def market_data_doors(state: State) -> Doors:
    """Say where guard and market data meet."""
    return Doors(
        fix=state.socket("fix_market_data.sock"),
        control=state.socket("fix_market_data_control.sock"),
        credential=state.run / "fix_market_data.credential",
    )


def guard_settings(configuration: Configuration, sessions: Path, state: State) -> GuardSettings:
    """Return what the guard is told; relative files of certificates are of the state's secrets."""
    table = configuration.venue.fix_guard
    return GuardSettings(
        comp_id=configuration.venue.fix.comp_id,
        host=table.host,
        port=table.port,
        tls_host=table.tls_host,
        tls_port=table.tls_port,
        certificate_file=state.secrets / table.certificate_file if table.certificate_file else None,
        key_file=state.secrets / table.key_file if table.key_file else None,
        doors=fix_doors(state),
        market_data_doors=market_data_doors(state),
        sessions=sessions,
        keys=state.fix_keys,
        limits=table.limits,
    )
