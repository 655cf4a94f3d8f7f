"""The streams on real sockets: a market data that says what a test wants, and readers."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import ClientConnection, connect

from messages.market_data import SYMBOLS_STREAM, Delivery, Kind, Splitter, published
from retail_gateway.adapters.picows_server import serve
from retail_gateway.streams.service import StreamsService
from retail_gateway.streams.settings import Limits, StreamsSettings

PATIENCE_SECONDS = 120.0
GENEROUS = Limits(connections_per_address_max=20_000, attempts_per_address_max=100_000)

Json = Any


class FakeMarketData:
    """Speaks market data's end of the contract."""

    def __init__(self, symbols: tuple[str, ...] = ("BTCUSD", "ETHUSD")) -> None:
        self.symbols = symbols
        self.states: dict[str, bytes] = {}
        self.port = 0
        self.connections = 0
        """Made so far."""
        self.asked: list[Kind] = []
        self._doors: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Go away, as a process that ends."""
        assert self._server is not None
        self._server.close()
        self.drop()

    def drop(self) -> None:
        """Cut the connections."""
        for door in self._doors:
            door.close()
        self._doors.clear()

    def publish(self, delivery: Delivery, name: str, payload: Json) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if delivery is Delivery.LATEST:
            self.states[name] = data
        self.say(published(delivery, name, data))

    def say(self, data: bytes) -> None:
        for door in self._doors:
            door.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        splitter = Splitter()
        try:
            while data := await reader.read(65536):
                for frame in splitter.feed(data):
                    self.asked.append(frame.kind)
                    self._doors[writer] = None
                    symbols = msgspec.json.encode(self.symbols)
                    writer.write(published(Delivery.LATEST, SYMBOLS_STREAM, symbols))
                    for name, payload in self.states.items():
                        writer.write(published(Delivery.LATEST, name, payload))
        except ConnectionError:
            pass
        finally:
            self._doors.pop(writer, None)
            writer.close()


class Stage:
    """The service, and the ways to it."""

    def __init__(self, market: FakeMarketData, registry: CollectorRegistry) -> None:
        self.market = market
        self.url = ""
        self.registry = registry
        self.service: StreamsService | None = None
        self.stop = asyncio.Event()
        self.context: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def health(self) -> dict[str, Any]:
        assert self.service is not None
        return self.service.health()

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"retail_streams_{name}", labels) or 0.0

    def connect(self, path: str, **options: Any) -> connect:
        options = {"compression": None, "ping_interval": None, "close_timeout": 1, **options}
        return connect(self.url + path, **options)


async def until(condition: Callable[[], bool], what: str = "") -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  # a count, which cannot wake us
            await asyncio.sleep(0.005)
    assert condition(), what


@asynccontextmanager
async def stage(
    limits: Limits = GENEROUS,
    *,
    market: FakeMarketData | None = None,
    context: ssl.SSLContext | None = None,
    notice_seconds: float = 0.0,
    is_ready: bool = True,
) -> AsyncIterator[Stage]:
    market = market or FakeMarketData()
    registry = CollectorRegistry()
    shown = Stage(market, registry)
    if is_ready:
        await market.listen()
    settings = StreamsSettings(
        host="127.0.0.1",
        port=0,
        market_data=f"tcp:127.0.0.1:{market.port}",
        reconnect_seconds=0.02,
        notice_seconds=notice_seconds,
        limits=limits,
    )
    shown.service = StreamsService(settings, registry=registry, clock_ns=time.time_ns)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        shown.service.run(serve, shown.stop, context=context, listening=listening.set_result)
    )
    async with AsyncExitStack() as stack:

        async def end() -> None:
            shown.stop.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await running
            if is_ready:
                await market.close()

        stack.push_async_callback(end)
        shown.url = await listening
        if is_ready:
            await until(lambda: bool(shown.health()["healthy"]))
        yield shown


async def heard(reader: ClientConnection) -> Json:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return json.loads(await reader.recv())


async def asked(
    reader: ClientConnection, method: str, params: Json = None, number: Json = 1
) -> Json:
    request = {"method": method, "id": number}
    if params is not None:
        request["params"] = params
    await reader.send(json.dumps(request))
    return await heard(reader)


async def gone(waiting: Awaitable[object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting
