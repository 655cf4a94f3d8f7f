"""Requests to an HTTP server over keep-alive connections: as fast as it answers, or by a clock."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final, cast

_LENGTH: Final = b"content-length: "


@dataclass
class Figures:
    """What a run found."""

    seconds: float = 0.0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return how many were answered in a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a latency that so many were within, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._data = b""
        self._due = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's
        self._load.idle.append(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time."""
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._data.find(_LENGTH) + len(_LENGTH)
        size = int(self._data[at : self._data.index(b"\r\n", at)])
        if len(self._data) < head + 4 + size:
            return
        is_done = self._data.startswith(b"HTTP/1.1 2")
        self._data = b""
        self._load.answered(self, self._due, is_done=is_done)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)


class Load:
    """Sends requests, of which there must be enough."""

    def __init__(self, requests: list[bytes], *, seconds: float, rate: float) -> None:
        self.figures = Figures()
        self.idle: deque[_Connection] = deque()
        self._requests = iter(requests)
        self._rate = rate
        self._seconds = seconds
        self._began = 0.0
        self._sent = 0
        self._done = asyncio.get_running_loop().create_future()

    async def run(self, host: str, port: int, connections: int) -> Figures:
        """Run it; by a clock when there is a rate, else each answer brings the next request."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(self), host, port)
        self._began = time.perf_counter()
        if not self._rate:
            for connection in tuple(self.idle):
                self._next(connection, time.perf_counter())
        else:
            self._tick()
        await self._done
        self.figures.seconds = time.perf_counter() - self._began
        return self.figures

    def _tick(self) -> None:
        """Send what is due; what finds no idle connection waits, and its latency counts on."""
        now = time.perf_counter()
        while self.idle and self._began + self._sent / self._rate <= now:
            due = self._began + self._sent / self._rate
            self._next(self.idle.popleft(), due)
        if not self._done.done():
            asyncio.get_running_loop().call_later(0.0005, self._tick)

    def _next(self, connection: _Connection, due: float) -> None:
        self._sent += 1
        request = next(self._requests, None)
        if request is None or time.perf_counter() - self._began >= self._seconds:
            self._finish()
            return
        connection.send(request, due)

    def answered(self, connection: _Connection, due: float, *, is_done: bool) -> None:
        """Count an answer."""
        now = time.perf_counter()
        self.figures.latencies.append(now - due)
        self.figures.refused += not is_done
        if self._rate:
            self.idle.append(connection)
        else:
            self._next(connection, now)

    def lost(self, error: Exception | None) -> None:
        """Give up when the server does."""
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"a connection was lost: {error}"))

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
