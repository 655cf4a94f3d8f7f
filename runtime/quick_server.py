"""Serves HTTP by ``runtime.quick_http``: listens, accepts, and stops when it is asked to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from runtime.http_listener import listen, url_of
from runtime.quick_http import Answers, House, QuickBounds

log = structlog.get_logger()

_ACCEPT_PAUSE_SECONDS: Final = 0.1


async def serve(
    answer: Answers,
    where: tuple[str, int],
    bounds: QuickBounds,
    context: ssl.SSLContext | None,
    stop: asyncio.Event,
    *,
    table: str,
    listening: Callable[[str], None],
) -> None:
    """Serve until asked to stop, and answer what is in hand.

    Args:
        answer: what answers.
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
    house = House(answer, bounds)
    with listener:
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(house.sweep(), name="http.sweep")
            async with _accepting(house, listener, context, group):
                listening(url_of(listener, context))
                await stop.wait()
            await house.empty()
            sweeping.cancel()


@asynccontextmanager
async def _accepting(
    house: House,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    group: asyncio.TaskGroup,
) -> AsyncIterator[None]:
    """Accept connections while the block runs."""
    if context is None:
        # The loop listens again, with a backlog of its own if it is not told.
        server = await house.loop.create_server(
            house.connection, sock=listener, backlog=house.bounds.connections_max
        )
        try:
            yield
        finally:
            server.close()
        return
    listener.setblocking(False)
    accepting = group.create_task(_accept(house, listener, context), name="http.accept")
    try:
        yield
    finally:
        accepting.cancel()
        await asyncio.wait((accepting,))


async def _accept(house: House, listener: socket.socket, context: ssl.SSLContext) -> None:
    """Accept connections that begin with a handshake, which a loop's server does not count."""
    while True:
        try:
            accepted, peer = await house.loop.sock_accept(listener)
        except OSError as error:  # the client is gone already, or we have too many files open
            log.warning("accept_failed", reason=str(error))
            await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
            continue
        house.accept_tls(accepted, str(peer[0]), context)
