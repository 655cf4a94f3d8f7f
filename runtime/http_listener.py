"""The listening socket of an HTTP server."""

import socket
import ssl

from runtime.toml import SettingsError


def listen(where: tuple[str, int], *, backlog: int, table: str) -> socket.socket:
    """Listen at an address.

    Args:
        where: host and port; port 0 for any.
        backlog: how many connections may wait to be accepted.
        table: where the address is configured, for the words of an error.

    Raises:
        SettingsError: the address cannot be had.
    """
    host, port = where
    try:
        listener = socket.create_server(where, backlog=backlog)
    except OSError as error:
        raise SettingsError(f"{table} {host}:{port}: {error}") from error
    # Connections inherit it. A loop sets it only on sockets that name their protocol, and without
    # it an answer of two writes waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket, context: ssl.SSLContext | None) -> str:
    """Return where people find it."""
    host, port = listener.getsockname()[:2]
    return f"{'http' if context is None else 'https'}://{host}:{port}"
