"""The yardstick of ``bench retail-orders``: a Litestar application that does nothing."""

import socket
import sys

import uvicorn
import uvloop
from litestar import Litestar, Request, post


@post("/api/v3/order", status_code=200)
async def echo(request: "Request") -> str:  # type: ignore[type-arg]
    """Read the request, and answer."""
    await request.body()
    return "ok"


def main() -> None:
    """Serve on a free port, which is printed, until killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = listener.getsockname()[:2]
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        Litestar([echo], logging_config=None),
        http="httptools",
        loop="uvloop",
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    uvloop.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
