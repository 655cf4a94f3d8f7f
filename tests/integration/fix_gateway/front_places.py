"""Where guard, gateway and market data meet, and whose sessions they serve."""

from pathlib import Path

from fix_gateway.settings import Doors, SessionFile, read_sessions
from tests.integration.fix_gateway.places import SESSIONS


def doors(directory: Path) -> Doors:
    return Doors(
        fix=directory / "fix.sock",
        control=directory / "control.sock",
        credential=directory / "credential",
    )


def market_data_doors(directory: Path) -> Doors:
    return Doors(
        fix=directory / "data.sock",
        control=directory / "data_control.sock",
        credential=directory / "data_credential",
    )


def session_files() -> dict[str, SessionFile]:
    """The demo's sessions, with heartbeats short enough for tests."""
    return read_sessions(SESSIONS)
