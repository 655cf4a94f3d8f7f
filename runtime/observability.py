"""The page a process shows to Prometheus and to whoever asks whether it is well."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Health = Callable[[], dict[str, object]]
"""What a process says of itself; ``healthy`` (a boolean) is always among it."""

REQUEST_BYTES_MAX = 8192
REQUEST_SECONDS_MAX = 5.0


@asynccontextmanager
async def observability(
    registry: CollectorRegistry, health: Health, *, host: str, port: int
) -> AsyncIterator[int]:
    """Serve ``/metrics`` and ``/health`` while the block runs.

    Args:
        registry: what ``/metrics`` shows.
        health: asked at each ``/health``; answered with status 200 when healthy, else 503.
        host: address to listen on.
        port: 0 for a free one.

    Returns:
        The port listened on.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1] if request.startswith(b"GET ") else b""
            writer.write(_response(path, registry, health))
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # a scraper that went away or spoke nonsense is owed nothing
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, port, limit=REQUEST_BYTES_MAX)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _response(path: bytes, registry: CollectorRegistry, health: Health) -> bytes:
    status, content_type, body = b"404 Not Found", b"text/plain", b"/metrics or /health\n"
    if path == b"/metrics":
        status, content_type = b"200 OK", CONTENT_TYPE_LATEST.encode()
        body = generate_latest(registry)
    elif path == b"/health":
        report = health()
        status = b"200 OK" if report["healthy"] else b"503 Service Unavailable"
        content_type, body = b"application/json", msgspec.json.encode(report) + b"\n"
    return (
        b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (
            status,
            content_type,
            len(body),
            body,
        )
    )
