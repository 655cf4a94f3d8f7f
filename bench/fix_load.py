"""Order flow for the FIX benchmark, and the three ways of offering it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.fix_client import LoadClient, LoadError
from exchange.demo.latency import LatencyHistogram
from exchange.demo.logon_proof import LogonKey

MID_TICKS: Final = 6_000_000
SYMBOL: Final = "BTC-USD"
ANSWER_SECONDS_MAX: Final = 30.0
_TAKER_EVERY: Final = 5
_TAKEN_LOTS: Final = 4
_LEVELS: Final = 50


@dataclass(slots=True)
class Workload:
    """Composes orders one after another.

    ``resting`` orders never meet: the acknowledgement alone is measured. Of ``trading`` ones every
    fifth takes what the four before it have put into the book, so four trades fall to five orders.
    """

    is_trading: bool
    count: int = 0

    def next_order(self, client: LoadClient, session: str) -> tuple[int, bytes]:
        """Return the next order's number and its fields."""
        self.count += 1
        number, turn = self.count, self.count % (2 * _TAKER_EVERY)
        side = 1 + turn % 2
        lots, account, time_in_force = 1, f"{session}-M", 1
        away = 1 + number % _LEVELS
        price = MID_TICKS - away if side == 1 else MID_TICKS + away
        if self.is_trading and turn % _TAKER_EVERY == 0:
            lots, account, time_in_force = _TAKEN_LOTS, f"{session}-T", 3
            price = MID_TICKS + _LEVELS if side == 1 else MID_TICKS - _LEVELS
        body = (
            f"1={account}\x0111={number}\x0138={lots / 10_000:.4f}\x0140=2\x01"
            f"44={price // 100}.{price % 100:02d}\x0154={side}\x0155={SYMBOL}\x01"
            f"59={time_in_force}\x01"
        )
        return number, body.encode() + client.order_time()


@dataclass(slots=True)
class Outcome:
    """What one phase gave."""

    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    orders: int = 0
    seconds: float = 0.0
    late_max_ns: int = 0
    """How late the generator itself was at most; latency counts it in."""


class Load:
    """Several sessions that offer one workload."""

    def __init__(self, workload: Workload, *, target: str) -> None:
        self._workload = workload
        self._target = target
        self._clients: list[LoadClient] = []
        self._names: list[str] = []
        self._since: dict[int, int] = {}
        self._outcome = Outcome()
        self._news = asyncio.Event()

    @property
    def reports(self) -> int:
        """Execution reports that the sessions have received."""
        return sum(client.reports for client in self._clients)

    @property
    def executions(self) -> int:
        """Fills that the sessions were told of, two to a trade."""
        return sum(client.executions for client in self._clients)

    async def open(self, host: str, port: int, keys: dict[str, LogonKey]) -> None:
        """Log every session on."""
        loop = asyncio.get_running_loop()
        for name, key in keys.items():
            client = LoadClient(name, self._target, self._acknowledged)
            await loop.create_connection(lambda client=client: client, host, port)  # type: ignore[misc]
            client.log_on(key)
            async with asyncio.timeout(10):
                await client.logged_on
            self._clients.append(client)
            self._names.append(name)

    async def close(self) -> None:
        """Log out."""
        for client in self._clients:
            client.log_out()
        async with asyncio.timeout(10):
            await asyncio.gather(*(client.closed for client in self._clients))

    def abort(self) -> None:
        """Cut every connection."""
        for client in self._clients:
            client.abort()

    async def one_in_flight(self, count: int) -> Outcome:
        """Send each order when the one before is acknowledged."""
        return await self._closed_loop(count, in_flight=1)

    async def saturated(self, count: int, *, in_flight: int) -> Outcome:
        """Keep so many orders under way in all, for the throughput."""
        return await self._closed_loop(count, in_flight=in_flight)

    async def open_loop(self, *, rate: float, seconds: float) -> Outcome:
        """Send at a fixed rate whatever comes back, and measure from the intended time."""
        outcome = self._begin()
        total, sent = int(rate * seconds), 0
        begun = time.perf_counter_ns()
        step = 1e9 / rate
        while sent < total:
            now = time.perf_counter_ns()
            while sent < total and (due := begun + int(sent * step)) <= now:
                self._send(sent, since=due)
                outcome.late_max_ns = max(outcome.late_max_ns, time.perf_counter_ns() - due)
                sent += 1
            self._check()
            await asyncio.sleep(max(0.0, begun + sent * step - time.perf_counter_ns()) / 1e9)
        await self._drain()
        outcome.seconds = (time.perf_counter_ns() - begun) / 1e9
        return outcome

    async def _closed_loop(self, count: int, *, in_flight: int) -> Outcome:
        outcome = self._begin()
        begun = time.perf_counter_ns()
        for sent in range(count):
            while len(self._since) >= in_flight:
                await self._wait()
            self._send(sent, since=time.perf_counter_ns())
        await self._drain()
        outcome.seconds = (time.perf_counter_ns() - begun) / 1e9
        return outcome

    def _begin(self) -> Outcome:
        self._outcome = Outcome()
        return self._outcome

    def _send(self, turn: int, *, since: int) -> None:
        place = turn % len(self._clients)
        client = self._clients[place]
        number, body = self._workload.next_order(client, self._names[place])
        self._since[number] = since
        client.send(b"D", body)

    def _acknowledged(self, number: int, received_ns: int) -> None:
        since = self._since.pop(number, None)
        if since is not None:
            self._outcome.orders += 1
            self._outcome.latency.record(received_ns - since)
            self._news.set()

    async def _wait(self) -> None:
        self._news.clear()
        self._check()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await self._news.wait()

    async def _drain(self) -> None:
        while self._since:
            await self._wait()

    def _check(self) -> None:
        failures: Sequence[LoadError] = [c.failure for c in self._clients if c.failure is not None]
        if failures:
            raise failures[0]
