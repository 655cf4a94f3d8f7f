"""What the surveillance process is told."""

import msgspec

from services.surveillance.parameters import Parameters


class SurveillanceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to reach the database, what to look for, and how often to write things down."""

    dsn: str
    parameters: Parameters
    commit_events_max: int = 10_000
    """Events between two transactions, one batch more at most; alerts are stored at once."""
    commit_seconds_max: float = 1.0
    """Between two transactions while events come."""
    checkpoint_events: int = 100_000
    """Events that are read again after a restart, one transaction's more at most."""
    connect_seconds_max: float = 10.0
    takeover_seconds_max: float = 90.0
    """How long to wait for another holder of the lock: longer than the server takes to notice
    that a client of its is gone."""
    pause_seconds_first: float = 0.05
    pause_seconds_last: float = 5.0
    """Between two attempts while PostgreSQL is away: doubling, between these."""
