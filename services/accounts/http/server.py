"""Serves the accounts API: uvicorn on a socket of ours, in the process's own loop."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar

from runtime.toml import SettingsError
from services.accounts.http.connections import bounded_protocol
from services.accounts.settings import AccountsSettings


class _Server(uvicorn.Server):
    """A server whose signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


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
    try:
        listener = socket.create_server(
            (settings.host, settings.port), backlog=http.connections_max
        )
    except OSError as error:
        raise SettingsError(f"[accounts] {settings.host}:{settings.port}: {error}") from error
    config = uvicorn.Config(
        application,
        http=bounded_protocol(
            seconds_max=http.request_seconds_max,
            per_network_max=http.connections_per_network_max,
        ),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=http.connections_max,
        h11_max_incomplete_event_size=http.header_bytes_max,
        timeout_graceful_shutdown=http.request_seconds_max,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = _Server(config)
    host, port = listener.getsockname()[:2]
    with listener:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve([listener]), name="accounts.http")
            scheme = "http" if context is None else "https"
            listening(f"{scheme}://{host}:{port}")
            await stop.wait()
            server.should_exit = True
            await serving
