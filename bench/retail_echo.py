"""The yardsticks of ``bench retail-orders``: servers that read an order and answer two bytes.

``protocol`` is httptools on uvloop and nothing else, ``quick`` the server that the retail API runs
on, ``asgi`` an application of ten lines on uvicorn, ``litestar`` a framework on the same.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

import uvicorn
import uvloop
from httptools import HttpRequestParser
from litestar import Litestar, Request, post

from runtime import quick_server
from runtime.quick_http import HttpAnswer, HttpRequest, QuickBounds

KINDS: Final = ("protocol", "quick", "asgi", "litestar")
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@post("/api/v3/order", status_code=200)
async def litestar_echo(request: "Request") -> str:  # type: ignore[type-arg]
    """Read the request, and answer."""
    await request.body()
    return "ok"


async def asgi_echo(
    _scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Do the same without a framework."""
    while (await receive()).get("more_body", False):
        pass
    length = (b"content-length", b"2")
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": b"ok"})


async def quick_echo(_request: HttpRequest) -> HttpAnswer:
    """Do the same on the retail API's own server."""
    return HttpAnswer(200, b"", b"ok")


class _Echo(asyncio.Protocol):
    """The least that reads HTTP in Python."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's
        self._parser = HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


async def _serve(kind: str, listener: socket.socket) -> None:
    if kind == "protocol":
        server = await asyncio.get_running_loop().create_server(_Echo, sock=listener)
        await server.serve_forever()
        return
    application: Any = (
        asgi_echo if kind == "asgi" else Litestar([litestar_echo], logging_config=None)
    )
    config = uvicorn.Config(
        application, http="httptools", log_config=None, access_log=False, lifespan="off"
    )
    await uvicorn.Server(config).serve([listener])


async def _serve_quick() -> None:
    bounds = QuickBounds(
        connections_max=4096,
        connections_per_network_max=4096,
        exchange_seconds_max=60,
        handshake_seconds_max=10,
        header_bytes_max=16_384,
        body_bytes_max=16_384,
        stop_seconds_max=1,
    )
    where = ("127.0.0.1", 0)
    stop = asyncio.Event()
    await quick_server.serve(quick_echo, where, bounds, None, stop, table="", listening=_say)


def _say(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def main(kind: str) -> None:
    """Serve on a free port, which is printed, until killed."""
    if kind == "quick":
        uvloop.run(_serve_quick())
        return
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = listener.getsockname()[:2]
    _say(f"http://{host}:{port}")
    uvloop.run(_serve(kind, listener))


if __name__ == "__main__":
    main(sys.argv[1])
