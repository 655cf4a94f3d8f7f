"""How the guard runs; ``exchange`` fills it from ``config/venue.toml``."""

from pathlib import Path
from typing import Annotated

import msgspec

from fix_gateway.settings import CompId, Doors, Network, Strict

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Some = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=256, le=1 << 30)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class Limits(Strict, frozen=True, kw_only=True):
    """What one peer may take, and all of them; every one has a counter of those who met it."""

    addresses: tuple[Network, ...] = ("0.0.0.0/0", "::/0")
    connections_max: Some = 1024
    connections_per_address_max: Some = 64
    unauthenticated_max: Some = 64
    unauthenticated_per_address_max: Some = 16
    logon_seconds: Seconds = 5.0
    opening_seconds: Seconds = 5.0
    half_message_seconds: Seconds = 5.0
    message_bytes_max: Annotated[int, msgspec.Meta(ge=512, le=100_000)] = 32_768
    fields_max: Annotated[int, msgspec.Meta(ge=32, le=10_000)] = 1280
    field_bytes_max: Annotated[int, msgspec.Meta(ge=64, le=65_536)] = 1024
    garbled_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10
    logon_failures_max: Some = 10
    logon_failures_seconds: Seconds = 60.0
    logon_failures_remembered: Some = 10_000
    logon_window_seconds: Seconds = 5.0
    logons_remembered: Some = 1000
    messages_per_second: Some = 5000
    message_burst: Some = 500
    unanswered_max: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 64
    unanswered_seconds: Seconds = 0.002
    gap_messages_max: Some = 2000
    resend_page_messages: Some = 100
    resend_messages_per_second: Some = 5000
    output_bytes_max: Bytes = 4 << 20
    farewell_seconds: Seconds = 3.0
    reload_seconds: Seconds = 0.5


class GuardSettings(Strict, frozen=True, kw_only=True):
    """Where the guard listens, what it finds where, and its limits."""

    comp_id: CompId
    host: str
    port: Port
    tls_host: str = ""
    tls_port: Port = 0
    certificate_file: Path | None = None
    key_file: Path | None = None
    doors: Doors
    market_data_doors: Doors
    sessions: Path
    keys: Path
    limits: Limits = Limits()

    def doors_of(self, *, is_market_data: bool) -> Doors:
        """Say where a session of either kind is served."""
        return self.market_data_doors if is_market_data else self.doors
