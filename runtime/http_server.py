"""Serves HTTP within bounds: uvicorn on a socket of ours, in the process's own loop."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from runtime.connection_room import SPARE_CONNECTIONS
from runtime.http_connections import bounded_protocol
from runtime.http_listener import listen, url_of


@dataclass(frozen=True, kw_only=True)
class HttpBounds:
    """What a server takes; see ``bounded_protocol``."""

    connections_max: int
    connections_per_network_max: int
    exchange_seconds_max: float
    """From a connection's beginning, or an answer, to the end of the next answer."""
    header_bytes_max: int
    stop_seconds_max: int
    """For the requests in hand, once the server is to stop."""


class _Server(uvicorn.Server):
    """A server whose signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


async def serve(
    application: Callable[..., Any],
    where: tuple[str, int],
    bounds: HttpBounds,
    context: ssl.SSLContext | None,
    stop: asyncio.Event,
    *,
    table: str,
    listening: Callable[[str], None],
) -> None:
    """Serve until asked to stop, and answer what is in hand.

    Args:
        application: what answers.
        where: host and port to listen on; port 0 for any.
        bounds: how much to take.
        context: for TLS; None for plain HTTP.
        stop: ends it.
        table: where the address is configured, for the words of an error.
        listening: told the address.

    Raises:
        SettingsError: the address cannot be had.
    """
    listener = listen(where, backlog=bounds.connections_max, table=table)
    server = _Server(_configured(application, bounds, context))
    with listener:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve([listener]), name="http")
            listening(url_of(listener, context))
            await stop.wait()
            server.should_exit = True
            await serving


def _configured(
    application: Callable[..., Any], bounds: HttpBounds, context: ssl.SSLContext | None
) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=bounded_protocol(
            seconds_max=bounds.exchange_seconds_max,
            connections_max=bounds.connections_max,
            per_network_max=bounds.connections_per_network_max,
        ),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=bounds.connections_max + SPARE_CONNECTIONS,
        h11_max_incomplete_event_size=bounds.header_bytes_max,
        timeout_graceful_shutdown=bounds.stop_seconds_max,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
