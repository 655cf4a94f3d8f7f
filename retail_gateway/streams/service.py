"""Public streams: what market data publishes, copied to whoever follows it.

The process knows names of streams and payloads, no trading. When market data goes away readers
stay; the sequence in the payloads says what they missed when it is back.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from messages.market_data import Delivery, Published
from retail_gateway.streams.message import Message
from retail_gateway.streams.metrics import StreamsMetrics
from retail_gateway.streams.naming import read_target, source_of
from retail_gateway.streams.ports import Guest, House, Listener, Server, Wire
from retail_gateway.streams.reader import Reader
from retail_gateway.streams.refusals import CloseCode, Denied, Reason, Refusal, denied
from retail_gateway.streams.room import Room
from retail_gateway.streams.settings import StreamsSettings
from retail_gateway.streams.switchboard import Switchboard
from retail_gateway.streams.upstream import follow_market_data

log = structlog.get_logger()

ServerFactory = Callable[[House, StreamsSettings, ssl.SSLContext | None], Awaitable[Server]]

_SWEEP_SECONDS = 0.5
_NOTICE_STREAM = "!serverShutdown"


class StreamsService:
    """Serves readers."""

    def __init__(
        self,
        settings: StreamsSettings,
        *,
        registry: CollectorRegistry,
        clock_ns: Callable[[], int],
    ) -> None:
        """Put the parts together; nothing happens before ``run``."""
        self.limits = settings.limits
        self._settings = settings
        self._clock_ns = clock_ns
        self._metrics = StreamsMetrics(registry)
        self._switchboard = Switchboard()
        self._room = Room(settings.limits)
        self._readers: dict[Reader, None] = {}
        self._is_connected = False
        self._is_stopping = False
        self._someone_left = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def health(self) -> dict[str, object]:
        """Say whether market data is there, and who reads."""
        return {
            "healthy": self._is_connected and self._switchboard.is_ready,
            "market_data": "connected" if self._is_connected else "away",
            "connections": self._room.inside,
            "streams": self._switchboard.streams,
        }

    async def run(
        self,
        serve: ServerFactory,
        stop: asyncio.Event,
        *,
        context: ssl.SSLContext | None = None,
        listening: Callable[[str], None] = lambda _address: None,
    ) -> None:
        """Serve until asked to stop; then give notice, and say goodbye.

        Args:
            serve: makes the listening socket.
            stop: set to stop.
            context: for TLS; None for plain WebSocket.
            listening: told where readers connect.

        Raises:
            SettingsError: the address cannot be had.
        """
        ended = asyncio.Event()
        server = await serve(self, self._settings, context)
        async with asyncio.TaskGroup() as group:
            reconnect = self._settings.reconnect_seconds
            group.create_task(
                follow_market_data(
                    self._settings.market_data, self, ended, reconnect_seconds=reconnect
                ),
                name="retail_streams.upstream",
            )
            sweeping = group.create_task(self._sweep(), name="retail_streams.sweep")
            listening(server.address)
            log.info("streams_served", address=server.address)
            await stop.wait()
            self._is_stopping = True
            await server.close()
            await self._say_goodbye()
            sweeping.cancel()
            ended.set()

    # --- ports.House ---

    def knocked(self, guest: Guest) -> bool:
        """See ``House``."""
        if self._is_stopping:
            return False
        leaving = self._room.knock(guest, self.now())
        if leaving is not None:
            self._metrics.refused.labels("handshakes").inc()
            leaving.abort()
        return leaving is not guest

    def went(self, guest: Guest) -> None:
        """See ``House``."""
        self._room.go(guest)

    def judge(self, address: str, target: str) -> Denied | Callable[[Wire], Listener]:
        """See ``House``."""
        refusal, found = self._judge(address, target)
        if refusal is None:
            return partial(self._begin, address, found)
        self._metrics.refused.labels(refusal.reason.name.lower()).inc()
        return denied(refusal, attempts_seconds=self.limits.attempts_seconds)

    def _judge(
        self, address: str, target: str
    ) -> tuple[Refusal | None, tuple[bool, list[tuple[str, str]]]]:
        nothing: tuple[bool, list[tuple[str, str]]] = False, []
        refusal = self._room.judge(address)
        if refusal is not None:
            return refusal, nothing
        if self._is_stopping:
            return Refusal(Reason.STOPPING, "the service stops"), nothing
        asked = read_target(target)
        if isinstance(asked, Refusal):
            return asked, nothing
        names = tuple(dict.fromkeys(asked.names))
        if len(names) > self.limits.streams_max:
            text = f"{len(names)} streams, of {self.limits.streams_max} on a connection"
            return Refusal(Reason.TOO_MANY_STREAMS, text), nothing
        found: list[tuple[str, str]] = []
        for name in names:
            source = self.source_of(name)
            if isinstance(source, Refusal):
                return source, nothing
            found.append((name, source))
        return None, (asked.is_combined, found)

    def _begin(
        self, address: str, asked: tuple[bool, list[tuple[str, str]]], wire: Wire
    ) -> Listener:
        is_combined, streams = asked
        reader = Reader(self, wire, address, is_combined=is_combined)
        self._room.enter(address)
        self._readers[reader] = None
        reader.begin(streams)
        return reader

    # --- reader.Desk ---

    def now(self) -> float:
        """See ``Desk``."""
        return self._loop.time()

    def source_of(self, name: str) -> str | Refusal:
        """See ``Desk``."""
        if not self._switchboard.is_ready:
            return Refusal(Reason.NOT_READY, "market data has not come yet, try again")
        return source_of(name, is_symbol=self._switchboard.is_symbol)

    def follow(self, reader: Reader, name: str, source: str) -> None:
        """See ``Desk``."""
        self._switchboard.follow(reader, name, source)

    def leave(self, reader: Reader, name: str) -> None:
        """See ``Desk``."""
        self._switchboard.leave(reader, name)

    def rewrap(self, reader: Reader, *, is_combined: bool) -> None:
        """See ``Desk``."""
        self._switchboard.rewrap(reader, is_combined=is_combined)

    def send(self, reader: Reader, message: Message) -> None:
        """See ``Desk``."""
        self._switchboard.send(reader, message)

    def cut(self, reader: Reader, refusal: Refusal) -> None:
        """See ``Desk``."""
        reason = refusal.reason.name.lower()
        self._metrics.cut.labels(reason).inc()
        log.info("reader_cut", reason=reason, text=refusal.text, address=reader.address)

    def left(self, reader: Reader) -> None:
        """See ``Desk``."""
        if reader in self._readers:
            del self._readers[reader]
            self._room.leave(reader.address)
            self._someone_left.set()

    # --- upstream.Taker ---

    def publish(self, published: Published) -> None:
        """See ``Taker``."""
        self._switchboard.publish(published)

    def flush(self) -> None:
        """See ``Taker`` and ``Desk``."""
        self._switchboard.flush()

    def connected(self) -> None:
        """See ``Taker``."""
        self._is_connected = True
        self._metrics.upstream.set(1)

    def lost(self) -> None:
        """See ``Taker``."""
        self._is_connected = False
        self._switchboard.lost()
        self._metrics.upstream.set(0)
        self._metrics.upstream_losses.inc()

    # --- time ---

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now, slow = self.now(), 0
            for reader in tuple(self._readers):
                slow += reader.backlog is not None
                reader.sweep(now)
            metrics, switchboard = self._metrics, self._switchboard
            metrics.slow.set(slow)
            metrics.connections.labels("open").set(self._room.inside)
            metrics.connections.labels("handshake").set(self._room.knocking)
            metrics.streams.set(switchboard.streams)
            metrics.messages.set(switchboard.messages)
            metrics.bytes.set(switchboard.bytes)

    async def _say_goodbye(self) -> None:
        now_ms = self._clock_ns() // 1_000_000
        notice = msgspec.json.encode({"e": "serverShutdown", "E": now_ms})
        for reader in tuple(self._readers):
            self._switchboard.send(reader, Message(Delivery.EVERY, _NOTICE_STREAM, notice))
        self.flush()
        if self._readers:
            await self._until_gone(self._settings.notice_seconds)
        stopping = Refusal(Reason.STOPPING, "the service stops, connect again")
        for reader in tuple(self._readers):
            reader.cut(stopping, CloseCode.GOING_AWAY)
        # The wires abort themselves after their farewell; this is a little later.
        await self._until_gone(self.limits.farewell_seconds + 1)

    async def _until_gone(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._readers:
                    self._someone_left.clear()
                    await self._someone_left.wait()
        except TimeoutError:
            pass
