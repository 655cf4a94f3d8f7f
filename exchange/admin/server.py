"""Serves the operators' API: uvicorn on a socket of ours, in the process's own loop."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar

from exchange.configuration import AdminApiTable
from runtime.toml import SettingsError

_WHERE = "config/venue.toml: [admin_api]"
_HEADER_BYTES_MAX = 16_384


class _Server(uvicorn.Server):
    """A server whose signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


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
    try:
        listener = socket.create_server((table.host, table.port), backlog=table.connections_max)
    except OSError as error:
        raise SettingsError(f"{_WHERE} {table.host}:{table.port}: {error}") from error
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=table.connections_max,
        h11_max_incomplete_event_size=_HEADER_BYTES_MAX,
        timeout_graceful_shutdown=int(table.request_seconds_max),
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = _Server(config)
    host, port = listener.getsockname()[:2]
    scheme = "http" if context is None else "https"
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve([listener]), name="admin_api.http")
        listening({"admin": f"{scheme}://{host}:{port}"})
        await stop.wait()
        server.should_exit = True
        await serving
