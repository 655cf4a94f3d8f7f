"""What the market data process is told."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=0x7FFFFFFF)]


class MarketDataLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What doors and questions may take; ``[market_data.limits]``."""

    doors_max: Count = 64
    door_buffer_bytes_max: Count = 16_777_216
    asks_per_door_max: Count = 256
    history_connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    history_seconds_max: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0
    unstored_trades_max: Annotated[int, msgspec.Meta(ge=1000, le=100_000_000)] = 200_000


class RecorderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to reach the database, and how often to write things down."""

    dsn: str
    commit_trades_max: int = 50_000
    """Trades in one transaction, one batch of events more at most."""
    commit_seconds: float = 0.2
    """Between two transactions when trades are there and nothing more comes."""
    commit_seconds_max: float = 1.0
    """Between two transactions while events come without a pause."""
    position_seconds: float = 5.0
    """Between two transactions while there are none."""
    connect_seconds_max: float = 10.0
    takeover_seconds_max: float = 90.0
    """How long to wait for another holder of the lock: longer than the server takes to notice
    that a client of its is gone."""
    pause_seconds_first: float = 0.05
    pause_seconds_last: float = 5.0
    """Between two attempts while PostgreSQL is away: doubling, between these."""


class MarketDataSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it."""

    recorder: RecorderSettings
    listen: str
    """Where doors find us: ``unix:/path`` or ``tcp:host:port``."""
    limits: MarketDataLimits = MarketDataLimits()
    reconnect_seconds: float = 0.5
