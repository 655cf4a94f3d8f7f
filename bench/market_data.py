"""Order entry beside market data for many: what either costs, and whether orders notice.

    ./rialto bench market-data [--sessions N] [--seconds S] [--json]

A venue of its own has ten instruments, each of whose books changes a hundred times a second. One
FIX session sends orders in an open loop and its acknowledgements are timed, first while nobody
listens and then while every subscriber is told of every book. Subscribers are a process of their
own on the same processors; their share is shown apart.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.fix import FIRM, GENERATOR, percentiles_us, say, write_venue
from bench.fix_load import MID_TICKS, Load, Workload
from bench.market_data_flow import (
    MAKER,
    NAMES,
    PRINCIPAL,
    TABLE,
    TAKER,
    Flow,
    accounts,
    grant,
)
from bench.processor_time import process_times_ns
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.demo.funding import fund
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_config import changed, toml_text
from exchange.demo.temporary_venue import Places, running_venue
from exchange.operator_link import OperatorLink
from exchange.processes.serving import core_address
from exchange.state import State
from messages.trading.events import SessionGranted
from runtime.link import Link
from runtime.logs import configure_logs

ROOT: Final = Path(__file__).resolve().parents[1]
INSTRUMENTS: Final = 10
UPDATES_PER_SECOND: Final = 100
ORDERS_PER_SECOND: Final = 100.0
PEERS: Final = "subscribers"


def write_market_venue(folder: Path, *, sessions: int, interval_ms: int) -> Places:
    """Write the venue: ten instruments, subscribers, and a principal for the flow."""
    places = write_venue(folder)
    with changed(places.config / "venue.toml") as venue:
        venue["fix_guard"]["limits"]["connections_per_address_max"] = sessions + 64
        venue["principals"][PRINCIPAL] = TABLE
    with changed(places.config / "instruments.toml") as instruments:
        first = instruments["instrument"][0]
        instruments["instrument"] = [first] + [
            {**first, "id": number, "symbol": f"BTC{number}-USD"}
            for number in range(2, INSTRUMENTS + 2)
        ]
    firm = {"id": 9, "name": FIRM}
    with changed(places.sessions / f"{FIRM}1.toml") as one:
        one["account"] += accounts()
    for number in range(1, sessions + 1):
        name = f"MD{number:03d}"
        document = {
            "id": 1000 + number,
            "kind": "market_data",
            "sender_comp_id": name,
            "cancel_on_disconnect": "none",
            "firm": firm,
            "market_data": {"interval_milliseconds": interval_ms},
        }
        (places.sessions / f"{name}.toml").write_text(toml_text(document))
    return places


class Stage:
    """The running venue, the flow in it, and who is timed."""

    def __init__(self, state: State, report: dict[str, Any]) -> None:
        self._state = state
        processes = report["processes"]
        self._pids = {name: each["pid"] for name, each in processes.items() if each["pid"]}
        host, _, port = str(report["fix_address"]).rpartition(":")
        self.host, self.port = host, int(port)
        self._load = Load(Workload(is_trading=False), target="RIALTO")
        self._peers: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Log the timed session on."""
        name = f"{FIRM}1"
        await self._load.open(
            self.host, self.port, {name: read_key(self._state.fix_keys / f"{name}.json")}
        )

    async def close(self) -> None:
        """Log it out."""
        await self._load.close()

    @asynccontextmanager
    async def subscribed(self, sessions: int, symbols: list[str]) -> AsyncIterator[None]:
        """Have everybody subscribed while the block runs."""
        self._peers = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.market_data_peers", self.host, str(self.port)),
            *(str(self._state.fix_keys), str(sessions), *symbols),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert self._peers.stdout is not None
            said = await self._peers.stdout.readline()
            assert said == b"ready\n", said
            yield
        finally:
            assert self._peers.stdin is not None
            self._peers.stdin.close()
            await self._peers.wait()
            self._peers = None

    async def measure(self, flow: Flow, seconds: float) -> dict[str, Any]:
        """Time orders for a while, beside what every process uses."""
        sent, told, before = flow.sent, await self._counts(), self._times()
        outcome = await self._load.open_loop(rate=ORDERS_PER_SECOND, seconds=seconds)
        after, heard = self._times(), await self._counts()
        return {
            "seconds": round(outcome.seconds, 2),
            "orders": outcome.orders,
            "latency": percentiles_us(outcome.latency),
            "book_updates_per_second": round((flow.sent - sent) / outcome.seconds),
            **{
                f"{name}_per_second": round((heard[name] - told[name]) / outcome.seconds)
                for name in told
            },
            "processor_percent": {
                name: round((after[name] - before[name]) / outcome.seconds / 1e7, 1)
                for name in before
            },
            "memory_mib": self._memory(),
        }

    async def _counts(self) -> dict[str, int]:
        if self._peers is None:
            return {"messages": 0, "entries": 0, "bytes": 0}
        assert self._peers.stdin is not None
        assert self._peers.stdout is not None
        self._peers.stdin.write(b"\n")
        counts: dict[str, int] = json.loads(await self._peers.stdout.readline())
        return counts

    def _roots(self) -> dict[str, int]:
        return self._pids | ({PEERS: self._peers.pid} if self._peers is not None else {})

    def _times(self) -> dict[str, int]:
        return process_times_ns(self._roots()) | {GENERATOR: time.process_time_ns()}

    def _memory(self) -> dict[str, float]:
        return {
            name: round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20, 1)
            for name, pid in self._roots().items()
        }


async def measure(
    *, sessions: int, seconds: float, interval_ms: int, folder: Path
) -> dict[str, Any]:
    """Start a venue, let its books move, and measure without and with subscribers."""
    places = write_market_venue(folder, sessions=sessions, interval_ms=interval_ms)
    state = State(places.state)
    configuration = read_configuration(places.config)
    symbols = [each.symbol for each in configuration.instruments[1:]]
    numbers = [each.id for each in configuration.instruments[1:]]
    say("starting a venue ...")
    async with running_venue(places, log_file=folder / "up.log"):
        amounts = {
            (name, asset): amount
            for name in (f"{FIRM}1-M", *NAMES)
            for asset, amount in (("USD", "1000000000"), ("BTC", "100000"))
        }
        await fund(state, amounts)
        async with OperatorLink.open(state) as operator:
            for account in (MAKER, TAKER):
                granted = grant(account, 9)
                await operator.ask(granted, lambda event: isinstance(event, SessionGranted))
        report = await asyncio.to_thread(venue_report, state)
        stage = Stage(state, report)
        link = await Link.connect(
            core_address(configuration, state), PRINCIPAL, state.token(PRINCIPAL)
        )
        await stage.open()
        flow = Flow(link, instruments=numbers, mid_ticks=MID_TICKS)
        moving = asyncio.create_task(flow.run(INSTRUMENTS * UPDATES_PER_SECOND))
        try:
            await asyncio.sleep(2.0)
            say("without subscribers ...")
            alone = await stage.measure(flow, seconds)
            say("subscribing ...")
            async with stage.subscribed(sessions, symbols):
                say(f"with {sessions} subscribers ...")
                beside = await stage.measure(flow, seconds)
            assert not moving.done(), moving
        finally:
            moving.cancel()
            await stage.close()
            await link.close()
    return {"sessions": sessions, "interval_ms": interval_ms, "alone": alone, "beside": beside}


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    print(
        f"{figures['sessions']} sessions on {INSTRUMENTS} instruments, "
        f"told every {figures['interval_ms']} ms\n"
    )
    print(
        f"{'':<22}{'updates/s':>10}{'p50 us':>9}{'p99 us':>9}{'max us':>10}"
        f"{'messages/s':>12}{'entries/s':>11}{'MB/s':>7}"
    )
    for name in ("alone", "beside"):
        row = figures[name]
        latency = row["latency"]
        print(
            f"{'without subscribers' if name == 'alone' else 'with subscribers':<22}"
            f"{row['book_updates_per_second']:>10}{latency['p50_us']:>9.0f}"
            f"{latency['p99_us']:>9.0f}{latency['max_us']:>10.0f}"
            f"{row['messages_per_second']:>12}{row['entries_per_second']:>11}"
            f"{row['bytes_per_second'] / 1e6:>7.1f}"
        )
    print("\nprocessor in percent of one, memory in MiB: without, with\n")
    for name in figures["beside"]["processor_percent"]:
        alone, beside = figures["alone"], figures["beside"]
        used = [each["processor_percent"].get(name, 0.0) for each in (alone, beside)]
        held = [each["memory_mib"].get(name, 0.0) for each in (alone, beside)]
        print(f"  {name:<18}{used[0]:>7.1f}{used[1]:>7.1f}   {held[0]:>8.1f}{held[1]:>8.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=200, help="subscribers (default 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="each phase (default 10)")
    parser.add_argument("--interval", type=int, default=100, help="ms between updates")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    configure_logs("bench", level="error")
    with workplace("market-data") as folder:
        figures = uvloop.run(
            measure(
                sessions=options.sessions,
                seconds=options.seconds,
                interval_ms=options.interval,
                folder=folder,
            )
        )
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
