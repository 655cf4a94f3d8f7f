"""How the market-data process runs; ``exchange`` fills it from ``config/venue.toml``."""

from pathlib import Path
from typing import Annotated

import msgspec

from fix_gateway.settings import CompId, Doors, Strict

Some = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class MarketDataLimits(Strict, frozen=True, kw_only=True):
    """What one subscriber may take; every bound is met by a refusal or a cut that says it."""

    subscriptions_max: Some = 1000
    """Instruments in all requests of one session together, status requests included."""
    symbols_max: Some = 200
    """Instruments in one request."""
    depth_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """MarketDepth (264) other than 0."""
    entries_per_message_max: Annotated[int, msgspec.Meta(ge=10, le=5000)] = 500
    queue_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 26)] = 131_072
    """Written and not yet taken by a session; above, it gets merged updates when it reads on."""
    slow_seconds_max: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    """How long a session may take nothing before it is cut off."""
    moments_max: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 256
    """Updates of a view that are kept for those who are behind; above, they get the whole."""
    trades_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Trades in those updates."""


class MarketDataSettings(Strict, frozen=True, kw_only=True):
    """Where the process meets the guard, and its limits."""

    comp_id: CompId
    doors: Doors
    limits: MarketDataLimits = MarketDataLimits()
    sessions: Path | None = None
    """The sessions' files, to be read again whenever they change; None for those given alone."""
    reload_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.5
    reconnect_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.2
    sequence_warning: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000_000
    """The MsgSeqNum above which a connection is warned, once."""
    logout_seconds_max: Annotated[float, msgspec.Meta(gt=0, le=60)] = 3.0
    standards: Path | None = None
    """QuickFIX's dictionaries of the standard; the installed ones by default."""
