"""Public streams to many readers: how many messages, how soon, for how much processor and memory.

    ./rialto bench retail-streams [--readers N] [--idle N] [--seconds S] [--json]

One process of the streams copies a feed that this process makes to readers in a third. The same
feed and the same readers then meet a bare picows loop, which knows no streams, no bounds and no
slow readers. Rates are of messages that have arrived.
"""

import argparse
import asyncio
import json
import sys
import time
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from bench.fix import say
from bench.processor_time import process_times_ns
from bench.retail_streams_peers import STAMP
from bench.workplace import workplace
from exchange.demo.temporary_config import toml_text, write_configuration, write_sessions
from exchange.demo.temporary_venue import Places
from exchange.state import State
from messages.market_data import (
    SYMBOLS_STREAM,
    Delivery,
    DepthUpdate,
    Kind,
    Splitter,
    published,
)

ROOT: Final = Path(__file__).resolve().parents[1]
SERVER: Final = "retail_streams"
READERS: Final = "readers"
_STREAM: Final = "btcusd@trade"
_BURST: Final = 20
_PATIENCE_SECONDS: Final = 60.0
_PAYLOAD_BYTES: Final = 212
"""What the research's comparison of servers sent, and about what a trade is."""


class Feed:
    """Market data's end of the contract, with one stream."""

    def __init__(self) -> None:
        self.port = 0
        self._doors: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Go away."""
        assert self._server is not None
        self._server.close()
        for door in self._doors:
            door.close()

    async def followed(self) -> None:
        """Wait until somebody follows."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not self._doors:
                self._changed.clear()
                await self._changed.wait()

    def publish(self) -> None:
        """Publish one payload, with its time in it."""
        stamped = b'{"e":"trade",%b%d,"x":"' % (STAMP, time.monotonic_ns())
        payload = stamped.ljust(_PAYLOAD_BYTES - 2, b"x") + b'"}'
        for door in self._doors:
            door.write(published(Delivery.EVERY, _STREAM, payload))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(65_536):
            for frame in splitter.feed(data):
                if frame.kind is Kind.FOLLOW:
                    writer.write(published(Delivery.LATEST, SYMBOLS_STREAM, b'["BTCUSD"]'))
                    self._doors[writer] = None
                    self._changed.set()
        self._doors.pop(writer, None)
        writer.close()
        self._changed.set()


class Readers:
    """The process of the readers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def got(self) -> dict[str, Any]:
        """What came since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return dict(json.loads(await self._process.stdout.readline()))


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 26,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(_PATIENCE_SECONDS):
        return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def readers(url: str, count: int) -> AsyncIterator[tuple[Readers, int]]:
    """Have so many connected; gives them and their process."""
    async with child("bench.retail_streams_peers", "subscribers", url, str(count)) as process:
        assert await _line(process) == "ready"
        yield Readers(process), process.pid


@asynccontextmanager
async def served(folder: Path, feed: Feed) -> AsyncIterator[tuple[str, int]]:
    """Run the streams' process on the feed; gives its URL and its process."""
    places = Places(folder / "state", folder / "config", folder / "sessions")
    write_configuration(ROOT / "config", places.config)
    write_sessions(ROOT / "sessions", places.sessions)
    path = places.config / "venue.toml"
    document = tomllib.loads(path.read_text())
    document["market_data"]["address"] = f"tcp:127.0.0.1:{feed.port}"
    many = {"connections_per_address_max": 100_000, "attempts_per_address_max": 1_000_000}
    limits = document[SERVER]["limits"]
    limits.update(many, handshakes_max=1000, handshakes_per_address_max=1000)
    limits.update(handshake_seconds=_PATIENCE_SECONDS)  # readers begin a hundred at once
    path.write_text(toml_text(document))
    state = State(places.state)
    state.prepare()
    async with child("exchange", "run", SERVER, *places.arguments()) as process:
        await feed.followed()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (page := state.page(SERVER)) is None:  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.05)
        yield f"{page.addresses['streams']}/ws/{_STREAM}", process.pid


async def paced(
    feed: Feed, some: Readers, count: int, pids: dict[str, int], *, rate: float, seconds: float
) -> dict[str, Any]:
    """Publish at an even pace, and return what arrived, how late, and what it cost."""
    await some.got()
    before, begun = process_times_ns(pids), time.monotonic()
    sent = 0
    while (passed := time.monotonic() - begun) < seconds:
        while sent < passed * rate:
            feed.publish()
            sent += 1
        await asyncio.sleep(0.001)
    return await _arrived(some, sent * count, begun, before, pids)


async def saturated(
    feed: Feed, some: Readers, count: int, pids: dict[str, int], *, seconds: float, burst: int
) -> dict[str, Any]:
    """Publish so many at once, again whenever all have arrived, for a while."""
    await some.got()
    before, begun = process_times_ns(pids), time.monotonic()
    sent = 0
    results: list[dict[str, Any]] = []
    while time.monotonic() - begun < seconds:
        for _ in range(burst):
            feed.publish()
        sent += burst
        results.append(await _arrived(some, burst * count, begun, before, pids))
    total = results[-1] | {
        "messages": sent * count,
        "bytes": sum(each["bytes"] for each in results),
        "messages_per_second": sent * count / (time.monotonic() - begun),
    }
    spent = process_times_ns(pids)[SERVER] - before[SERVER]
    return total | {"server_us_per_message": spent / 1000 / (sent * count)}


async def _arrived(
    some: Readers, wanted: int, begun: float, before: dict[str, int], pids: dict[str, int]
) -> dict[str, Any]:
    messages = size = 0
    latencies: list[int] = []
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while messages < wanted:
            got = await some.got()
            messages += got["messages"]
            size += got["bytes"]
            latencies += got["latencies_ns"]
            assert not got["lost"], "a reader was cut"
            await asyncio.sleep(0.002)
    passed = time.monotonic() - begun
    assert messages == wanted, (messages, wanted)
    after = process_times_ns(pids)
    latencies.sort()
    return {
        "messages": messages,
        "bytes": size,
        "messages_per_second": messages / passed,
        "server_us_per_message": (after[SERVER] - before[SERVER]) / 1000 / messages,
        "p50_ms": latencies[len(latencies) // 2] / 1e6 if latencies else 0.0,
        "p99_ms": latencies[len(latencies) * 99 // 100] / 1e6 if latencies else 0.0,
    }


def resident_mib(pid: int) -> float:
    """Return a process's resident memory."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


async def measure_rates(
    feed: Feed, url: str, pid: int, *, count: int, seconds: float
) -> dict[str, Any]:
    """Measure one server at a pace and without one."""
    async with readers(url, count) as (some, readers_pid):
        pids = {SERVER: pid, READERS: readers_pid}
        await paced(feed, some, count, pids, rate=20, seconds=1)
        per_second = 60_000 / count
        return {
            "60,000 a second": await paced(
                feed, some, count, pids, rate=per_second, seconds=seconds
            ),
            "one at a time": await saturated(feed, some, count, pids, seconds=seconds, burst=1),
            f"{_BURST} at a time": await saturated(
                feed, some, count, pids, seconds=seconds, burst=_BURST
            ),
        }


async def measure(*, count: int, idle: int, seconds: float) -> dict[str, Any]:
    """Measure everything."""
    figures: dict[str, Any] = {"readers": count, "idle_readers": idle}
    with workplace("streams") as folder:
        feed = Feed()
        await feed.open()
        try:
            say("the streams' process")
            async with served(folder, feed) as (url, pid):
                figures["streams"] = await measure_rates(
                    feed, url, pid, count=count, seconds=seconds
                )
                figures["memory"] = await _idle_memory(url, pid, idle)
            say("a bare picows loop")
            async with child("bench.retail_streams_peers", "bare", str(feed.port)) as process:
                url = await _line(process)
                await feed.followed()
                figures["bare picows"] = await measure_rates(
                    feed, url, process.pid, count=count, seconds=seconds
                )
        finally:
            feed.close()
    figures["delta_traffic"] = delta_traffic()
    return figures


async def _idle_memory(url: str, pid: int, idle: int) -> dict[str, float]:
    before = resident_mib(pid)
    async with readers(url, idle):
        after = resident_mib(pid)
    kib = (after - before) * 1024 / idle
    return {"before_mib": before, "after_mib": after, "kib_per_reader": kib}


def delta_traffic(*, levels: int = 500, changes: int = 20) -> dict[str, float]:
    """Compare an update with the whole book that it spares: sizes of what would be sent.

    Args:
        levels: of one side of the book.
        changes: levels that one update tells, both sides together.
    """
    update = DepthUpdate(
        E=1_764_500_000_000,
        s="BTCUSD",
        U=1_000_000_000,
        u=1_000_000_100,
        b=[(f"{60_000 - level}.00", "0.1234") for level in range(changes // 2)],
        a=[(f"{60_001 + level}.00", "0.1234") for level in range(changes // 2)],
        T=1_764_500_000_000,
        cs=0xFFFFFFFF,
    )
    book = {
        "lastUpdateId": 1_000_000_100,
        "T": 1_764_500_000_000,
        "cs": 0xFFFFFFFF,
        "bids": [(f"{60_000 - level}.00", "0.1234") for level in range(levels)],
        "asks": [(f"{60_001 + level}.00", "0.1234") for level in range(levels)],
    }
    sizes = len(msgspec.json.encode(update)), len(msgspec.json.encode(book))
    return {
        "levels_of_book": 2 * levels,
        "levels_changed": changes,
        "update_bytes": sizes[0],
        "book_bytes": sizes[1],
        "times_smaller": sizes[1] / sizes[0],
    }


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    print(f"{figures['readers']} readers of one stream, {_PAYLOAD_BYTES} bytes a message\n")
    head = f"{'server':<14}{'pace':<18}{'messages/s':>11}{'us each':>9}{'a core':>9}"
    print(f"{head}{'p50 ms':>9}{'p99 ms':>9}")
    for server in ("streams", "bare picows"):
        for pace, row in figures[server].items():
            cost = row["server_us_per_message"]
            print(
                f"{server:<14}{pace:<18}{row['messages_per_second']:>11,.0f}{cost:>9.2f}"
                f"{1e6 / cost:>9,.0f}{row['p50_ms']:>9.1f}{row['p99_ms']:>9.1f}"
            )
    memory = figures["memory"]
    print(
        f"\n{figures['idle_readers']} idle readers: {memory['after_mib']:.0f} MiB resident "
        f"({memory['before_mib']:.0f} without them, {memory['kib_per_reader']:.1f} KiB each)"
    )
    traffic = figures["delta_traffic"]
    print(
        f"An update of {traffic['levels_changed']} levels: {traffic['update_bytes']} bytes; "
        f"the book of {traffic['levels_of_book']}: {traffic['book_bytes']}, "
        f"{traffic['times_smaller']:.0f} times as much"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    figures = uvloop.run(measure(count=options.readers, idle=options.idle, seconds=options.seconds))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
