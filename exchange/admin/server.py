"""Serves the operators' API: how much of it, and where."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from litestar import Litestar

from exchange.configuration import AdminApiTable
from runtime import http_server
from runtime.connection_room import SPARE_CONNECTIONS
from runtime.http_server import HttpBounds

_TABLE: Final = "config/venue.toml: [admin_api]"
_HEADER_BYTES_MAX: Final = 16_384
_TIMES_PER_EXCHANGE: Final = 3
"""To begin a request, to send its body, and to be answered: each may take ``request_seconds_max``,
and the door in ``http.py`` answers before the connection is cut."""


async def serve(
    application: Litestar,
    table: AdminApiTable,
    context: ssl.SSLContext | None,
    stop: asyncio.Event,
    *,
    listening: Callable[[dict[str, str]], None],
) -> None:
    """Serve until asked to stop.

    Args:
        application: what answers.
        table: where to listen, and how much to take.
        context: for TLS; None for plain HTTP.
        stop: ends it, once requests in hand are answered.
        listening: told the address.

    Raises:
        SettingsError: the address cannot be had.
    """
    bounds = HttpBounds(
        connections_max=table.connections_max,
        # Operators may all come through one host, so one network may have all there are: whoever
        # says nothing makes room.
        connections_per_network_max=table.connections_max + SPARE_CONNECTIONS,
        exchange_seconds_max=_TIMES_PER_EXCHANGE * table.request_seconds_max,
        header_bytes_max=_HEADER_BYTES_MAX,
        stop_seconds_max=int(table.request_seconds_max),
    )
    await http_server.serve(
        application,
        (table.host, table.port),
        bounds,
        context,
        stop,
        table=_TABLE,
        listening=lambda address: listening({"admin": address}),
    )
