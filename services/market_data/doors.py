"""Where doors connect: all published streams for who follows, and answers for who asks.

A payload is framed once and written to each follower. A door that does not read is cut when more
than a bound waits for it, and so is one that breaks a rule of ``messages.market_data``; either
begins again by itself.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import structlog

from messages.market_data import (
    ASK_BYTES_MAX,
    SYMBOLS_STREAM,
    ContractError,
    Delivery,
    Frame,
    Kind,
    Splitter,
    answer,
    ask_number,
    published,
)
from runtime.link_frames import UnixAddress, parse_address
from runtime.toml import SettingsError
from services.market_data.metrics import MarketDataMetrics
from services.market_data.settings import MarketDataLimits

log = structlog.get_logger()

Answer = Callable[[memoryview], Awaitable[tuple[int, bytes]]]
"""Answers the body of an ASK frame, with a status of HTTP's and JSON."""

_BUSY = msgspec.json.encode(
    {"code": -1003, "msg": "Too many questions are open on this connection."}
)

_DEFECT = msgspec.json.encode(
    {"code": -1000, "msg": "An unknown error occurred while processing the request."}
)


class Doors:
    """All doors, and what was published last for who comes later."""

    def __init__(self, limits: MarketDataLimits, metrics: MarketDataMetrics) -> None:
        """Begin without doors."""
        self.limits = limits
        self.metrics = metrics
        self.answer: Answer | None = None
        """Set while questions can be answered."""
        self._latest: dict[str, bytes] = {}
        self._waiting: list[bytes] = []
        self._published = self._published_bytes = 0
        """Payloads that are not counted yet, and their bytes."""
        self._connected: set[Door] = set()
        self._followers: set[Door] = set()

    def __len__(self) -> int:
        return len(self._connected)

    def publish(self, delivery: Delivery, name: str, payload: bytes) -> None:
        """Publish a payload, with the next ``flush``."""
        if delivery is Delivery.LATEST:
            self._latest[name] = payload
        self._published += 1
        self._published_bytes += len(payload)
        if self._followers:
            self._waiting.append(published(delivery, name, payload))

    def flush(self) -> None:
        """Write what was published to all followers, and count it."""
        if self._published:
            self.metrics.published.inc(self._published)
            self.metrics.published_bytes.inc(self._published_bytes)
            self._published = self._published_bytes = 0
        if not self._waiting:
            return
        data, self._waiting = b"".join(self._waiting), []
        for door in list(self._followers):
            door.write(data)

    def follow(self, door: "Door") -> None:
        """Send a door all present payloads, and from now on whatever is published."""
        self.flush()
        # The symbols first: who follows wants to know them before it hears of one.
        names = sorted(self._latest, key=lambda name: name != SYMBOLS_STREAM)
        door.write(b"".join(published(Delivery.LATEST, n, self._latest[n]) for n in names))
        self._followers.add(door)

    def came(self, door: "Door") -> bool:
        """Let a door in, unless there are too many."""
        if len(self._connected) >= self.limits.doors_max:
            self.metrics.cut.labels("too_many").inc()
            return False
        self._connected.add(door)
        self.metrics.doors.set(len(self._connected))
        return True

    def left(self, door: "Door") -> None:
        """Forget a door."""
        self._connected.discard(door)
        self._followers.discard(door)
        self.metrics.doors.set(len(self._connected))

    def close(self) -> None:
        """End all connections."""
        for door in list(self._connected):
            door.cut("stopping")

    @asynccontextmanager
    async def listening(self, address: str) -> AsyncIterator[str]:
        """Let doors in while the block runs; yields the address, with the port that was taken.

        Raises:
            SettingsError: the address cannot be used.
        """
        loop, target = asyncio.get_running_loop(), parse_address(address)
        try:
            if isinstance(target, UnixAddress):
                server = await loop.create_unix_server(
                    lambda: Door(self), sock=_unix_socket(Path(target.path))
                )
            else:
                server = await loop.create_server(lambda: Door(self), target.host, target.port)
                port = server.sockets[0].getsockname()[1]
                address = f"tcp:{target.host}:{port}"
        except OSError as error:
            raise SettingsError(f"{address}: {error.strerror or error}") from error
        try:
            yield address
        finally:
            server.close()
            self.close()


def _unix_socket(path: Path) -> socket.socket:
    """Bind a socket that only we may connect to."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    path.chmod(0o600)
    return bound


class Door(asyncio.Protocol):
    """One connection."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._splitter = Splitter(ASK_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._asks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._doors.came(self):
            self._transport.abort()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        for task in self._asks:
            task.cancel()
        self._doors.left(self)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except ContractError as error:
            log.warning("door_broke_a_rule", reason=str(error))
            self.cut("broke_a_rule")

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.FOLLOW:
            self._doors.follow(self)
        elif frame.kind is Kind.ASK:
            self._ask(ask_number(frame.body), frame.body)
        else:
            raise ContractError(f"a door sends no {frame.kind.name}")

    def write(self, data: bytes) -> None:
        """Write, unless too much waits already: then the connection ends."""
        assert self._transport is not None
        waiting = self._transport.get_write_buffer_size()
        if waiting + len(data) > self._doors.limits.door_buffer_bytes_max and waiting:
            log.warning("door_does_not_read", waiting_bytes=waiting)
            self.cut("does_not_read")
            return
        self._transport.write(data)

    def cut(self, reason: str) -> None:
        """End the connection at once."""
        assert self._transport is not None
        self._doors.metrics.cut.labels(reason).inc()
        self._doors.left(self)
        self._transport.abort()

    def _ask(self, number: int, body: memoryview) -> None:
        answers = self._doors.answer
        if answers is None or len(self._asks) >= self._doors.limits.asks_per_door_max:
            self._write_answer(number, 503, _BUSY)
            return
        task = asyncio.get_running_loop().create_task(self._answer(answers, number, body))
        self._asks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(self, answers: Answer, number: int, body: memoryview) -> None:
        try:
            status, data = await answers(body)
        except Exception:  # the edge: one question that we cannot answer costs the others nothing
            log.exception("defect", about="a question")
            status, data = 500, _DEFECT
        self._write_answer(number, status, data)

    def _write_answer(self, number: int, status: int, data: bytes) -> None:
        self._doors.metrics.asks.labels(str(status)).inc()
        # What was published before is older than the answer.
        self._doors.flush()
        if self._transport is not None and not self._transport.is_closing():
            self.write(answer(number, status, data))

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._asks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("defect", about="a question", exc_info=error)
            self.cut("defect")
