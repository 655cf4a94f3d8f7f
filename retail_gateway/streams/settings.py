"""How the streams' process runs; ``exchange`` fills it from ``config/venue.toml``."""

from typing import Annotated

import msgspec

PROCESSES_MAX = 8
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_streams.limits]``: what readers may take, of one process.

    Every bound is met by a refusal or a cut that says which, and how much was used.
    """

    connections_max: Count = 10_000
    connections_per_address_max: Count = 300
    attempts_per_address_max: Count = 300
    """Connections of one address, within ``attempts_seconds``."""
    attempts_seconds: Seconds = 300.0
    addresses_max: Count = 100_000
    """Remembered; above, the one whose window began first is forgotten."""
    handshakes_max: Count = 512
    """Connections that have not asked for anything yet; above, a further one is dropped."""
    handshakes_per_address_max: Count = 64
    handshake_seconds: Seconds = 5.0
    """From a connection's beginning to its whole request."""
    streams_max: Count = 1024
    """Of one connection."""
    messages_per_second: Count = 5
    """From a reader, pings and pongs too; a second's worth may come at once."""
    message_bytes_max: Annotated[int, msgspec.Meta(ge=256, le=1 << 20)] = 65_536
    """Of one message from a reader: the names of ``streams_max`` streams fit."""
    ping_seconds: Seconds = 20.0
    pong_seconds: Seconds = 60.0
    """From a ping to a sign of life."""
    life_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400 * 7)] = 86_400.0
    """Of a connection."""
    send_buffer_bytes: Annotated[int, msgspec.Meta(ge=4096, le=1 << 24)] = 131_072
    """The kernel's, of one connection: what lies in it can be conflated no more."""
    queue_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 24)] = 65_536
    """Given to the socket and not taken by the kernel; above, what follows is conflated."""
    backlog_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 26)] = 1_048_576
    """Conflated, and still too much: the reader is cut."""
    slow_seconds_max: Seconds = 30.0
    """How long a reader may take nothing although something waits."""
    farewell_seconds: Seconds = 2.0
    """From the reason to the end of a connection."""


class StreamsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_streams]``: the public streams over WebSocket."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    processes: Annotated[int, msgspec.Meta(ge=1, le=PROCESSES_MAX)] = 1
    """All on one port: the kernel spreads connections over them."""
    certificate_file: str = ""
    key_file: str = ""
    notice_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    """Between ``serverShutdown`` and the end, when the venue is asked to stop."""
    limits: Limits = Limits()


class StreamsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where readers are served, and where what they read comes from."""

    host: str
    port: int
    is_shared: bool = False
    """Whether other processes listen on the same port."""
    market_data: str
    """``unix:/path`` or ``tcp:host:port``."""
    reconnect_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.2
    notice_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    """Between ``serverShutdown`` and the end, when we are asked to stop."""
    limits: Limits = Limits()
