"""What the streams' processes are told, from ``config/venue.toml``."""

import ssl

from exchange.admin.tls import tls_context
from exchange.configuration import Configuration
from exchange.state import State
from retail_gateway.streams.settings import StreamsSettings
from runtime.toml import SettingsError

_WHERE = "config/venue.toml: [retail_streams]"


def streams_settings(configuration: Configuration, *, market_data: str) -> StreamsSettings:
    """Return what each process is told; ``market_data`` is the address of what it copies."""
    table = configuration.venue.retail_streams
    return StreamsSettings(
        host=table.host,
        port=table.port,
        is_shared=table.processes > 1,
        market_data=market_data,
        notice_seconds=table.notice_seconds,
        limits=table.limits,
    )


def streams_context(configuration: Configuration, state: State) -> ssl.SSLContext | None:
    """Return what the port is served with, and check all that can be checked before.

    Raises:
        SettingsError: naming table, key and reason.
    """
    table = configuration.venue.retail_streams
    if table.processes > 1 and not table.port:
        raise SettingsError(f"{_WHERE} processes = {table.processes}: they share a port, name one")
    return tls_context(table, state.secrets, where=_WHERE)
