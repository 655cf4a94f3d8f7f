"""What the core is told, and whether everything that starts would accept its configuration."""

import ipaddress
import os
from pathlib import Path

from exchange.configuration import Configuration, read_configuration
from exchange.state import State
from fix_gateway.settings import SessionFile, read_sessions
from runtime.toml import SettingsError
from venue.errors import ConfigurationError
from venue.settings import Principal, VenueSettings, check_settings

CRASH_POINTS_VARIABLE = "RIALTO_ALLOW_CRASH_POINTS"
REQUIRED_PRINCIPALS = ("admin", "fix_gateway", "settlement", "auditor")


def venue_settings(configuration: Configuration, state: State) -> VenueSettings:
    """Return what the core and its follower are told."""
    table = configuration.venue
    return VenueSettings(
        directory=str(state.venue),
        listen=(f"unix:{state.core_socket}", f"tcp:{table.core.host}:{table.core.port}"),
        principals={
            name: Principal(
                number=principal.number,
                token_file=str(state.secrets / f"{name}.token"),
                may_send=principal.may_send,
                links_max=principal.links_max,
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
    if not _is_loopback(configuration.venue.fix.host):
        raise SettingsError(
            f"{where}: $.fix.host: {configuration.venue.fix.host} is not a loopback address; "
            "plain FIX is not served to a network"
        )
    return configuration, read_sessions(sessions)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
