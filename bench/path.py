"""The way of a command: link, sequencer, journal, engine, event, link; and its physical limits.

    .venv/bin/python -m bench.path [--json] [--commands N] [--engine counting]

Each line is the round trip from ``Link.send`` to the command's own event at the client, closed
loop with a fixed number in flight, the core in a process of its own. Beside them stand, measured
at the same time, what nothing can beat: a bare fdatasync of one frame into a prepared file, and
an empty round trip through a uvloop socket.
"""

import argparse
import asyncio
import json
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop

from messages.trading.commands import CancelOrder
from messages.trading.identity import source_number
from runtime.link import Link
from venue.settings import JournalSettings, Principal, VenueSettings

TOKEN = bytes(range(32))
GATEWAY = 3
FRAME_BYTES = 256
_SOURCE_SEQUENCE = struct.Struct("<Q")


class Figures(msgspec.Struct):
    """One line of the table; microseconds."""

    what: str
    in_flight: int
    count: int
    p50_us: float
    p99_us: float
    p999_us: float
    per_second: float
    core_cpu_us: float = 0.0


def figures(what: str, in_flight: int, samples: list[float], seconds: float) -> Figures:
    """Summarise samples in seconds."""
    samples.sort()

    def at(part: float) -> float:
        return round(samples[min(len(samples) - 1, int(len(samples) * part))] * 1e6, 1)

    rate = round(len(samples) / seconds)
    return Figures(what, in_flight, len(samples), at(0.5), at(0.99), at(0.999), rate)


def bare_fdatasync(folder: Path, count: int) -> Figures:
    """Overwrite one frame of a prepared file and sync it."""
    path = folder / "fdatasync"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(descriptor, bytes(count * FRAME_BYTES))
    os.fsync(descriptor)
    samples = []
    began = time.perf_counter()
    for number in range(count):
        start = time.perf_counter()
        os.pwrite(descriptor, b"x" * FRAME_BYTES, number * FRAME_BYTES)
        os.fdatasync(descriptor)
        samples.append(time.perf_counter() - start)
    seconds = time.perf_counter() - began
    os.close(descriptor)
    path.unlink()
    return figures("bare write + fdatasync", 1, samples, seconds)


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]


async def _echo_server(address: str) -> None:
    loop = asyncio.get_running_loop()
    if address.startswith("unix:"):
        server = await loop.create_unix_server(_Echo, address.removeprefix("unix:"))
        print(address, flush=True)
    else:
        server = await loop.create_server(_Echo, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


class _Ping(asyncio.Protocol):
    def __init__(self, left: int) -> None:
        self.samples: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, _data: bytes) -> None:
        self.samples.append(time.perf_counter() - self._sent)
        self._left -= 1
        if self._left:
            self._send()
        elif not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(b"x" * FRAME_BYTES)  # type: ignore[attr-defined]


async def bare_socket(address: str, count: int) -> Figures:
    """Bounce bytes off another uvloop process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.path", "--echo", address, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode("ascii").strip()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        transport, ping = await loop.create_unix_connection(lambda: _Ping(count), path)
    else:
        transport, ping = await loop.create_connection(lambda: _Ping(count), "127.0.0.1", int(said))
    await ping.done
    seconds = time.perf_counter() - began
    transport.close()
    process.terminate()
    await process.wait()
    kind = address.partition(":")[0]
    return figures(f"bare socket round trip, {kind}", 1, ping.samples, seconds)


async def core_path(settings: VenueSettings, *, kind: str, in_flight: int, count: int) -> Figures:
    """Measure one core over one link."""
    folder = Path(settings.directory).parent
    file = folder / "settings.json"
    file.write_bytes(msgspec.json.encode(settings))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.core_process",
        str(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    addresses = json.loads(await process.stdout.readline())["listen"]
    address = next(each for each in addresses if each.startswith(kind))
    link = await Link.connect(address, "fix_gateway", TOKEN)
    try:
        await _closed_loop(link, count // 10, in_flight, link.welcome.last_event)
        cpu = _cpu_seconds(process.pid)
        after = count // 10
        began = time.perf_counter()
        await link.close()
        link = await Link.connect(address, "fix_gateway", TOKEN)
        after = link.welcome.last_event
        samples = await _closed_loop(link, count, in_flight, after)
        seconds = time.perf_counter() - began
        cpu = _cpu_seconds(process.pid) - cpu
    finally:
        await link.close()
        process.terminate()
        await process.wait()
    found = figures(f"{settings.durability}, {kind}", in_flight, samples, seconds)
    found.core_cpu_us = round(cpu / count * 1e6, 1)
    return found


async def _closed_loop(link: Link, count: int, in_flight: int, after: int) -> list[float]:
    """Keep ``in_flight`` commands on the way; the n-th new event answers the n-th command."""
    first = link.welcome.positions[0].source_sequence if link.welcome.positions else 0
    template = bytearray(
        CancelOrder.make(source=source_number(GATEWAY, 1), epoch=1, account=1, session=1).pack()
    )
    sent: list[float] = []

    def send(number: int) -> None:
        burst = bytearray()
        for _ in range(number):
            _SOURCE_SEQUENCE.pack_into(template, 40, first + len(sent) + 1)
            sent.append(time.perf_counter())
            burst += template
        assert link.send(bytes(burst))

    samples: list[float] = []
    send(min(in_flight, count))
    async for batch in link.events(after):
        now = time.perf_counter()
        answered = batch.last - batch.first + 1
        base = len(samples)
        samples.extend(now - sent[base + index] for index in range(answered))
        if len(samples) >= count:
            break
        if left := min(answered, count - len(sent)):
            send(left)
    return samples


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_settings(folder: Path, durability: str, engine: str) -> VenueSettings:
    """Settings of a core with one gateway and both kinds of listener."""
    token = folder / "token"
    token.write_text(TOKEN.hex())
    token.chmod(0o600)
    return VenueSettings(
        directory=str(folder / f"venue-{durability}-{time.monotonic_ns()}"),
        listen=(f"unix:{folder}/core.sock", "tcp:127.0.0.1:0"),
        principals={
            "fix_gateway": Principal(
                number=GATEWAY, token_file=str(token), may_send=("CancelOrder", "PlaceOrder")
            )
        },
        engine=engine,
        durability="disk" if durability == "disk" else "process",
        journal=JournalSettings(),
    )


async def measure(arguments: argparse.Namespace) -> list[Figures]:
    """Run everything, one after the other."""
    table: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        folder = Path(name)
        count = arguments.commands
        table.append(bare_fdatasync(folder, min(count, 5000)))
        table.append(await bare_socket(f"unix:{folder}/echo.sock", count))
        table.append(await bare_socket("tcp:127.0.0.1:0", count))
        for durability in ("disk", "process"):
            for kind in ("unix", "tcp"):
                for in_flight in (1, 16, 256):
                    settings = make_settings(folder, durability, arguments.engine)
                    many = count if in_flight == 1 else 4 * count
                    table.append(
                        await core_path(settings, kind=kind, in_flight=in_flight, count=many)
                    )
        table.append(bare_fdatasync(folder, min(count, 5000)))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--commands", type=int, default=4000)
    parser.add_argument("--engine", default="counting")
    parser.add_argument("--echo", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.echo:
        uvloop.run(_echo_server(arguments.echo))
        return
    table = uvloop.run(measure(arguments))
    if arguments.json:
        print(msgspec.json.encode(table).decode())
        return
    heads = ("what", "in flight", "p50 us", "p99 us", "p99.9 us", "per s", "core CPU us")
    print(f"{heads[0]:<34}" + "".join(f"{head:>12}" for head in heads[1:]))
    for line in table:
        values = (
            line.in_flight,
            line.p50_us,
            line.p99_us,
            line.p999_us,
            line.per_second,
            line.core_cpu_us or "",
        )
        print(f"{line.what:<34}" + "".join(f"{value:>12}" for value in values))


if __name__ == "__main__":
    main()
