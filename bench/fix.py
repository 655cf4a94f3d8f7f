"""An order from a FIX socket to its acknowledgement, through QuickFIX, durable, all parts running.

    ./rialto bench fix [--json] [--quick]

A venue of its own is started with generated sessions; drop copy, settlement and follower run
beside. Latency in the open loop counts from the intended time of sending, so a stall is charged to
every order that it delays. Processor time is what all threads of each process spent from the first
order until the drop copy had every report and PostgreSQL every trade, divided by orders. Beside
the figures stand the limits of the machine, measured in the same run, and QuickFIX alone: the
processor time of a bare acceptor that answers each order by one report, before and after. The load
generator works on the same processors; its share is shown, and is not part of the sum.
"""

import argparse
import asyncio
import gc
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.fix_client import LoadClient, LoadError
from bench.fix_load import Load, Outcome, Workload
from bench.limits import bare_round_trip, bare_sync
from bench.processor_time import process_times_ns
from bench.quickfix_peer import processor_us_per_order
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.demo.funding import fund
from exchange.demo.latency import LatencyHistogram
from exchange.demo.logon_proof import LogonKey, read_key
from exchange.demo.proof_sources import wait_until_booked
from exchange.demo.temporary_config import changed, toml_text, write_configuration
from exchange.demo.temporary_venue import Places, running_venue
from exchange.operator_link import connect
from exchange.state import State
from runtime import postgres
from runtime.logs import configure_logs

ROOT: Final = Path(__file__).resolve().parents[1]
SESSIONS: Final = 8
FIRM: Final = "BENCH"
COPY: Final = "BENCH-DC"
GENERATOR: Final = "generator"
ON_THE_WAY: Final = ("postgres", "core", "settlement", "fix_guard", "fix_gateway")
"""The processes that an order passes, with its copies and its trades: the rest watch."""
PEER_ORDERS: Final = 10_000
SECOND_WORKLOAD_FROM: Final = 10_000_000
"""Order numbers of the second workload begin here, for none may be used twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One way of offering orders."""

    name: str
    sessions: int
    is_trading: bool = False
    count: int = 0
    in_flight: int = 0
    rate: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Result:
    """What a phase gave; processor microseconds are per order."""

    phase: Phase
    outcome: Outcome
    trades: int
    processor_us: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a program."""
        latency = self.outcome.latency
        venue_us = {name: us for name, us in self.processor_us.items() if name != GENERATOR}
        return {
            "phase": self.phase.name,
            "workload": "trading" if self.phase.is_trading else "resting",
            "sessions": self.phase.sessions,
            "offered_per_second": self.phase.rate or None,
            "orders": self.outcome.orders,
            "trades": self.trades,
            "orders_per_second": round(self.outcome.orders / self.outcome.seconds, 1),
            **percentiles_us(latency),
            "generator_late_max_us": self.outcome.late_max_ns / 1000,
            "processor_us_per_order": round(sum(venue_us.values()), 1),
            "processor_us_per_order_on_the_way": round(sum(venue_us[n] for n in ON_THE_WAY), 1),
            "processor_us_per_order_by_process": self.processor_us,
        }


def percentiles_us(latency: LatencyHistogram) -> dict[str, float]:
    """Return the usual percentiles in microseconds."""
    shown = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9}
    figures = {name: latency.percentile_ns(percent) / 1000 for name, percent in shown.items()}
    return figures | {"max_us": latency.max_ns / 1000}


def phases(*, is_quick: bool) -> Iterator[Phase]:
    """Yield what is measured, in order."""
    scale = 0.2 if is_quick else 1.0
    yield Phase(name="warm-up", sessions=1, count=int(1000 * scale), in_flight=8)
    yield Phase(name="one in flight", sessions=1, count=int(3000 * scale), in_flight=1)
    seconds = 10 * scale
    for sessions, rate in ((1, 200.0), (1, 1000.0), (8, 1000.0), (8, 2000.0)):
        yield Phase(name="open loop", sessions=sessions, rate=rate, seconds=seconds)
    for sessions in (1, SESSIONS):
        yield Phase(name="saturated", sessions=sessions, count=int(15_000 * scale), in_flight=256)
    for sessions, rate in ((1, 200.0), (8, 500.0)):
        yield Phase(
            name="open loop", sessions=sessions, rate=rate, seconds=seconds, is_trading=True
        )
    yield Phase(
        name="saturated",
        sessions=SESSIONS,
        count=int(10_000 * scale),
        in_flight=256,
        is_trading=True,
    )


def write_venue(folder: Path) -> Places:
    """Write configuration and session files of the benchmark's venue."""
    places = Places(folder / "state", folder / "config", folder / "sessions")
    write_configuration(ROOT / "config", places.config)
    fees = places.config / "fees.toml"
    schedules = [{"id": 1, "name": "standard", "maker_ppm": 200, "taker_ppm": 500}]
    fees.write_text(toml_text({"schedule": schedules}))
    places.sessions.mkdir()
    shutil.copytree(ROOT / "sessions" / "dictionary", places.sessions / "dictionary")
    firm = {"id": 9, "name": FIRM}
    for number in range(1, SESSIONS + 1):
        name = f"{FIRM}{number}"
        document: dict[str, Any] = {
            **_session(number, name, kind="order_entry"),
            "firm": firm,
            "account": [
                {
                    "id": 9000 + 2 * number + place,
                    "name": f"{name}-{role}",
                    # Makers and takers are different owners, or nothing would ever trade.
                    "owner_group": place + 1,
                    "limits": {"open_orders_max": 1_000_000},
                }
                for place, role in enumerate("MT")
            ],
        }
        (places.sessions / f"{name}.toml").write_text(toml_text(document))
    copy = {
        **_session(SESSIONS + 1, COPY, kind="drop_copy"),
        "firm": firm,
        "drop_copy": {"firms": [FIRM]},
    }
    (places.sessions / f"{COPY}.toml").write_text(toml_text(copy))
    return places


def lift_limits(places: Places) -> None:
    """Let one session send more than its share: what is measured is the way to the core."""
    limits = {"messages_per_second": 100_000, "message_burst": 10_000}
    with changed(places.config / "venue.toml") as venue:
        venue["fix_guard"]["limits"] |= limits
    for path in places.sessions.glob("*.toml"):
        with changed(path) as session:
            session["throttle"] = {"messages": 0}


def _session(number: int, name: str, *, kind: str) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "sender_comp_id": name,
        "cancel_on_disconnect": "none",
    }


class Bench:
    """Runs the phases against a running venue."""

    def __init__(self, places: Places, report: dict[str, Any]) -> None:
        self._state = State(places.state)
        self._configuration = read_configuration(places.config)
        self._report = report
        host, _, port = str(self._report["fix_address"]).rpartition(":")
        self._host, self._port = host, int(port)
        self._target = self._configuration.venue.fix.comp_id
        self.workloads = {
            False: Workload(is_trading=False),
            True: Workload(is_trading=True, count=SECOND_WORKLOAD_FROM),
        }
        self._copy = LoadClient(COPY, self._target, lambda _number, _ns: None)

    async def prepare(self) -> None:
        """Fund the accounts and let the drop copy listen."""
        amounts = {
            (f"{FIRM}{number}-{role}", asset): amount
            for number in range(1, SESSIONS + 1)
            for role in "MT"
            for asset, amount in (("USD", "1000000000"), ("BTC", "100000"))
        }
        await fund(self._state, amounts)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self._copy, self._host, self._port)
        self._copy.log_on(self._key(COPY))
        await self._copy.logged_on

    async def idle(self, seconds: float) -> dict[str, float]:
        """Return what each process uses while nothing is asked, in microseconds a second."""
        before = self._processor_times()
        await asyncio.sleep(seconds)
        after = self._processor_times()
        return {name: round((after[name] - before[name]) / 1000 / seconds, 1) for name in before}

    async def run(self, phase: Phase) -> Result:
        """Carry out one phase, from logon until everything is copied and booked."""
        load = Load(self.workloads[phase.is_trading], target=self._target)
        names = [f"{FIRM}{number}" for number in range(1, phase.sessions + 1)]
        await load.open(self._host, self._port, {name: self._key(name) for name in names})
        copied_before = self._copy.reports
        before = self._processor_times()
        if phase.rate:
            outcome = await load.open_loop(rate=phase.rate, seconds=phase.seconds)
        elif phase.in_flight == 1:
            outcome = await load.one_in_flight(phase.count)
        else:
            outcome = await load.saturated(phase.count, in_flight=phase.in_flight)
        await self._finish(lambda: self._copy.reports - copied_before >= load.reports)
        after = self._processor_times()
        await load.close()
        used = {name: (after[name] - before[name]) / 1000 / outcome.orders for name in before}
        return Result(
            phase=phase,
            outcome=outcome,
            trades=load.executions // 2,
            processor_us={name: round(us, 1) for name, us in used.items()},
        )

    async def _finish(self, is_copied: Callable[[], bool]) -> None:
        """Wait for the last fills, the drop copy and the database."""
        link = await connect(self._state, "admin")
        try:
            through = (await link.query("status")).event_number
        finally:
            await link.close()
        connection = await postgres.connect(database_dsn(self._configuration, self._state))
        try:
            await wait_until_booked(connection, through)
        finally:
            await connection.close()
        deadline = time.monotonic() + 30
        while not is_copied():
            if time.monotonic() > deadline or self._copy.failure is not None:
                raise LoadError(f"the drop copy lacks reports: {self._copy.failure}")
            await asyncio.sleep(0.02)

    def _processor_times(self) -> dict[str, int]:
        processes = self._report["processes"]
        roots = {name: process["pid"] for name, process in processes.items() if process["pid"]}
        return process_times_ns(roots) | {GENERATOR: time.process_time_ns()}

    def _key(self, name: str) -> LogonKey:
        return read_key(self._state.fix_keys / f"{name}.json")


async def measure(*, is_quick: bool, folder: Path) -> dict[str, Any]:
    """Measure the limits, then the phases."""
    say("limits of the machine ...")
    count = 500 if is_quick else 2000
    limits = {
        "tcp_round_trip": percentiles_us(bare_round_trip(5 * count)),
        "fdatasync_4096": percentiles_us(bare_sync(folder, count)),
    }
    peer_orders = PEER_ORDERS // 5 if is_quick else PEER_ORDERS
    alone = [await processor_us_per_order(folder, peer_orders)]
    places = write_venue(folder)
    lift_limits(places)
    say("starting a venue ...")
    results = []
    async with running_venue(places, log_file=folder / "up.log"):
        bench = Bench(places, await asyncio.to_thread(venue_report, State(places.state)))
        await bench.prepare()
        idle = await bench.idle(1.0 if is_quick else 5.0)
        gc.collect()
        gc.freeze()  # a full collection of the generator's would be seen as latency
        for phase in phases(is_quick=is_quick):
            say(f"{phase.name}, {phase.sessions} sessions, {phase.rate or 'no'} rate ...")
            results.append((await bench.run(phase)).as_dict())
    alone.append(await processor_us_per_order(folder, peer_orders))
    return {
        "limits": limits,
        "quickfix_alone_us_per_order": [round(us, 1) for us in alone],
        "idle_processor_us_per_second": idle,
        "results": results[1:],
    }


def say(text: str) -> None:
    """Tell of progress where it does not disturb the figures."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    for name, limit in figures["limits"].items():
        print(
            f"limit: {name.replace('_', ' '):<16} "
            f"p50 {limit['p50_us']:7.0f} us  p99 {limit['p99_us']:7.0f} us"
        )
    before, after = figures["quickfix_alone_us_per_order"]
    print(f"QuickFIX alone: {before:.0f} us an order before, {after:.0f} us after")
    print("\nLatency in microseconds; processor time in microseconds per order.\n")
    names = list(figures["results"][0]["processor_us_per_order_by_process"])
    head = (
        f"{'phase':<14}{'orders':<9}{'sess.':>5}{'offered':>8}{'orders/s':>9}{'trades':>7}"
        f"{'p50':>7}{'p90':>7}{'p99':>8}{'max':>9} | {'cpu':>6}{'way':>6}{'ratio':>6}"
    )
    print(head + "".join(f"{name[:11]:>12}" for name in names))
    for row in figures["results"]:
        offered = f"{row['offered_per_second']:.0f}" if row["offered_per_second"] else "-"
        times = row["processor_us_per_order_by_process"]
        print(
            f"{row['phase']:<14}{row['workload']:<9}{row['sessions']:>5}{offered:>8}"
            f"{row['orders_per_second']:>9.0f}{row['trades']:>7}{row['p50_us']:>7.0f}"
            f"{row['p90_us']:>7.0f}{row['p99_us']:>8.0f}{row['max_us']:>9.0f} | "
            f"{row['processor_us_per_order']:>6.0f}"
            f"{row['processor_us_per_order_on_the_way']:>6.0f}"
            f"{row['processor_us_per_order_on_the_way'] * 2 / (before + after):>6.1f}"
            + "".join(f"{times[name]:>12.0f}" for name in names)
        )
    idle = figures["idle_processor_us_per_second"]
    shown = ", ".join(f"{name} {us:.0f}" for name, us in idle.items() if name != GENERATOR)
    print(f"\nidle, in microseconds a second: {shown}")
    print(
        "cpu sums the venue's processes, way those that an order passes, and ratio is what these "
        "take for each that QuickFIX alone does; the generator's own time stands last, apart."
    )


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--quick", action="store_true", help="a fifth of the orders")
    options = parser.parse_args()
    configure_logs("bench", level="error")
    with workplace("fix") as folder:
        figures = uvloop.run(measure(is_quick=options.quick, folder=folder))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
