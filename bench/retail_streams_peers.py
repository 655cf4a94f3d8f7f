"""The processes beside ``./rialto bench retail-streams``: subscribers, and a bare picows loop.

    python -m bench.retail_streams_peers subscribers URL COUNT
    python -m bench.retail_streams_peers bare FEED_PORT

Subscribers connect, say ``ready``, and answer each line on their input with what came since the
last one. The bare loop says its URL, and sends each payload of the feed to every connection: the
least that a fan-out in Python can do.
"""

import asyncio
import json
import sys
import time
from typing import Final

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
    ws_create_server,
)

from messages.market_data import Kind, Splitter, follow, read_published
from retail_gateway.streams.settings import Limits

STAMP: Final = b'"n":'
"""Before the time in nanoseconds at which a payload was published, which ends with a comma."""
_TIMED_EVERY: Final = 101
_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 60.0


class Counts:
    """What all subscribers of this process have got."""

    def __init__(self) -> None:
        self.messages = self.bytes = self.lost = 0
        self.latencies_ns: list[int] = []

    def take(self) -> dict[str, object]:
        """Return them, and begin anew."""
        shown = {
            "messages": self.messages,
            "bytes": self.bytes,
            "lost": self.lost,
            "latencies_ns": self.latencies_ns,
        }
        self.messages = self.bytes = 0
        self.latencies_ns = []
        return shown


class Subscriber(WSListener):
    """One connection that counts."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        """Count."""
        if frame.msg_type != WSMsgType.TEXT:
            return  # picows answers pings by itself
        counts = self._counts
        counts.messages += 1
        counts.bytes += frame.payload_size
        if not counts.messages % _TIMED_EVERY:
            payload = frame.get_payload_as_bytes()
            at = payload.find(STAMP)
            if at >= 0:
                sent = int(payload[at + len(STAMP) : payload.index(b",", at)])
                counts.latencies_ns.append(time.monotonic_ns() - sent)

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Note that a reader is gone."""
        self._counts.lost += 1


async def subscribers(url: str, count: int) -> None:
    """Connect, and answer until the input ends."""
    counts = Counts()
    for begun in range(0, count, _AT_ONCE):
        await asyncio.gather(
            *(
                ws_connect(
                    lambda: Subscriber(counts),
                    url,
                    websocket_handshake_timeout=_PATIENCE_SECONDS,
                    use_aiofastnet=False,
                )
                for _ in range(min(_AT_ONCE, count - begun))
            )
        )
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counts.take()), flush=True)


class _Bare(WSListener):
    """A connection that is sent everything."""

    def __init__(self, connections: dict[WSTransport, None]) -> None:
        self._connections = connections

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Send to it from now on."""
        transport.underlying_transport.set_write_buffer_limits(high=Limits().backlog_bytes_max)
        self._connections[transport] = None

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Send to it no more."""
        self._connections.pop(transport, None)

    def pause_writing(self) -> None:
        """Nothing: it only loops."""

    def resume_writing(self) -> None:
        """Nothing."""


async def bare(feed_port: int) -> None:
    """Copy until the feed ends."""
    connections: dict[WSTransport, None] = {}
    server = await ws_create_server(lambda _request: _Bare(connections), "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", feed_port)
    writer.write(follow())
    splitter = Splitter()
    while data := await reader.read(262_144):
        for frame in splitter.feed(data):
            if frame.kind is Kind.PUBLISHED:
                payload = read_published(frame.body).payload
                for transport in connections:
                    transport.send(WSMsgType.TEXT, payload)
    writer.close()


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    uvloop.run(bare(int(rest[0])) if what == "bare" else subscribers(rest[0], int(rest[1])))
