"""Serves the accounts API: how much of it, and where."""

import asyncio
import ssl
from collections.abc import Callable

from litestar import Litestar

from runtime import http_server
from runtime.http_server import HttpBounds
from services.accounts.settings import AccountsSettings


async def serve(
    application: Litestar,
    settings: AccountsSettings,
    context: ssl.SSLContext | None,
    stop: asyncio.Event,
    *,
    listening: Callable[[str], None],
) -> None:
    """Serve until asked to stop, and answer what is in hand.

    Args:
        application: what answers.
        settings: where to listen, and how much to take.
        context: for TLS; None for plain HTTP.
        stop: ends it.
        listening: told the address.

    Raises:
        SettingsError: the address cannot be had.
    """
    http = settings.http
    bounds = HttpBounds(
        connections_max=http.connections_max,
        connections_per_network_max=http.connections_per_network_max,
        exchange_seconds_max=http.request_seconds_max,
        header_bytes_max=http.header_bytes_max,
        stop_seconds_max=http.request_seconds_max,
    )
    await http_server.serve(
        application,
        (settings.host, settings.port),
        bounds,
        context,
        stop,
        table="[accounts]",
        listening=listening,
    )
