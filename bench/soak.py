"""Whether memory stays flat: eight sessions trade for minutes, drop copy and settlement beside.

    ./rialto bench soak [--minutes N] [--rate N] [--idle N] [--json]

Half of what the venue takes when it is saturated, which is measured first, is offered for ten
minutes. The memory of each process (its share of what is shared, and its children's) is read
before the first order, after a minute and at the end. The core's grows by what it must remember:
an order that is done keeps its client id for a day. The gateway's grows by what QuickFIX keeps of
each message that it has sent: where in its file it stands. ``--idle`` sessions are then logged on
and left alone, and what they cost is the difference of guard and gateway.
"""

import argparse
import asyncio
import gc
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.fix import SESSIONS, Bench, Phase, lift_limits, say, write_venue
from bench.fix_client import LoadClient
from bench.fix_load import Workload
from bench.processor_time import process_trees
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_config import toml_text
from exchange.demo.temporary_venue import Places, running_venue
from exchange.state import State
from runtime.logs import configure_logs

FRONT: Final = ("fix_guard", "fix_gateway")
_SESSIONS_OF_AN_ADDRESS: Final = 40
_FIRST_SOAK_ORDER: Final = 100_000_000
_PROBE_ORDERS: Final = 10_000
_IN_FLIGHT: Final = 256
_MIB: Final = 2**20
_READINGS_MIN: Final = 3
"""Before the first order, after the first minute, and one to compare that with."""


@dataclass(slots=True)
class Memory:
    """Readings of memory by process, in MiB."""

    roots: dict[str, int]
    readings: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def read(self, minute: float) -> dict[str, float]:
        """Take a reading and keep it."""
        now = {
            name: round(sum(map(_share, pids)) / _MIB, 1)
            for name, pids in process_trees(self.roots).items()
        }
        self.readings.append((minute, now))
        return now

    def growth(self) -> dict[str, float]:
        """Return what each process grew by from the second reading to the last."""
        if len(self.readings) < _READINGS_MIN:
            return {}
        (_, warm), (_, end) = self.readings[1], self.readings[-1]
        return {name: round(end[name] - warm[name], 1) for name in end}

    def kept(self, orders: int) -> dict[str, int]:
        """Return what each process keeps of an order, of those since the second reading."""
        return {name: round(grew * _MIB / orders) for name, grew in self.growth().items() if orders}


def _share(pid: int) -> int:
    """Return the bytes that a process holds, what it shares divided among the sharers."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def write_idle_sessions(places: Places, count: int) -> list[str]:
    """Write files of sessions that will only be logged on."""
    names = [f"IDLE{number}" for number in range(1, count + 1)]
    for number, name in enumerate(names, 1000):
        document = {
            "id": number,
            "kind": "order_entry",
            "sender_comp_id": name,
            "firm": {"id": number, "name": name},
            "account": [
                {
                    "id": number,
                    "name": name,
                    "owner_group": number,
                    "limits": {"open_orders_max": 1000},
                }
            ],
        }
        (places.sessions / f"{name}.toml").write_text(toml_text(document))
    return names


async def soak(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run a venue, load it, and read its memory."""
    places = write_venue(folder)
    lift_limits(places)
    idle = write_idle_sessions(places, options.idle)
    say("starting a venue ...")
    async with running_venue(places, log_file=folder / "up.log"):
        report = await asyncio.to_thread(venue_report, State(places.state))
        memory = Memory({n: p["pid"] for n, p in report["processes"].items() if p["pid"]})
        bench = Bench(places, report)
        bench.workloads[True] = Workload(is_trading=True, count=_FIRST_SOAK_ORDER)
        await bench.prepare()
        gc.collect()
        memory.read(0.0)
        idle_memory = await _idle(places, report, idle)
        rate, results = options.rate or await _half_load(bench), []
        for minute in range(1, options.minutes + 1):
            say(f"minute {minute} of {options.minutes} at {rate:.0f} orders a second ...")
            phase = Phase(
                name="soak", sessions=SESSIONS, rate=rate, seconds=options.seconds, is_trading=True
            )
            results.append((await bench.run(phase)).as_dict())
            memory.read(float(minute))
    orders = sum(result["orders"] for result in results)
    return {
        "orders": orders,
        "trades": sum(result["trades"] for result in results),
        "offered_per_second": round(rate, 1),
        "p50_us": [result["p50_us"] for result in results],
        "p99_us": [result["p99_us"] for result in results],
        "memory_mib": [{"minute": minute, **reading} for minute, reading in memory.readings],
        "growth_mib": memory.growth(),
        "kept_bytes_an_order": memory.kept(orders - results[0]["orders"]),
        "idle_sessions": idle_memory,
    }


async def _half_load(bench: Bench) -> float:
    say("saturated, to know what half of it is ...")
    phase = Phase(
        name="saturated",
        sessions=SESSIONS,
        count=_PROBE_ORDERS,
        in_flight=_IN_FLIGHT,
        is_trading=True,
    )
    figures = (await bench.run(phase)).as_dict()
    return float(figures["orders_per_second"]) / 2


async def _idle(places: Places, report: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Log sessions on, and say what they cost; they log out again."""
    if not names:
        return {}
    say(f"{len(names)} idle sessions ...")
    memory = Memory({name: report["processes"][name]["pid"] for name in FRONT})
    before = memory.read(0.0)
    keys = State(places.state).fix_keys
    host, _, port = str(report["fix_address"]).rpartition(":")
    loop, clients = asyncio.get_running_loop(), []
    for at, name in enumerate(names):
        client = LoadClient(name, "RIALTO", lambda _number, _ns: None)
        source = (f"127.0.9.{1 + at // _SESSIONS_OF_AN_ADDRESS}", 0)
        await loop.create_connection(
            lambda client=client: client,  # type: ignore[misc]
            host,
            int(port),
            local_addr=source,
        )
        client.log_on(read_key(keys / f"{name}.json"))
        async with asyncio.timeout(30):
            await client.logged_on
        clients.append(client)
    after = memory.read(0.0)
    for client in clients:
        client.log_out()
    async with asyncio.timeout(30):
        await asyncio.gather(*(client.closed for client in clients))
    return {
        "sessions": len(names),
        "front_mib": round(sum(after.values()), 1),
        "of_them_mib": round(sum(after.values()) - sum(before.values()), 1),
    }


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    print(
        f"{figures['orders']} orders and {figures['trades']} trades at "
        f"{figures['offered_per_second']} orders a second; p50 {max(figures['p50_us']):.0f} and "
        f"p99 {max(figures['p99_us']):.0f} us in the worst minute\n"
    )
    names = [name for name in figures["memory_mib"][0] if name != "minute"]
    print("MiB   minute" + "".join(f"{name[:11]:>12}" for name in names))
    for reading in figures["memory_mib"]:
        print(f"{reading['minute']:>12.0f}" + "".join(f"{reading[name]:>12}" for name in names))
    if figures["growth_mib"]:
        print(f"{'grew':>12}" + "".join(f"{figures['growth_mib'][name]:>12}" for name in names))
        kept = figures["kept_bytes_an_order"]
        print(f"{'B an order':>12}" + "".join(f"{kept[name]:>12}" for name in names))
    if figures["idle_sessions"]:
        idle = figures["idle_sessions"]
        print(
            f"\n{idle['sessions']} idle sessions: guard and gateway take {idle['front_mib']} MiB, "
            f"{idle['of_them_mib']} of it for them (limit 300)"
        )


def main() -> int:
    """Soak a venue and print what became of its memory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=10, help="how long (default 10)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of such a minute (60)")
    parser.add_argument("--rate", type=float, default=0.0, help="orders a second; default half")
    parser.add_argument("--idle", type=int, default=100, help="idle sessions (default 100)")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    configure_logs("bench", level="error")
    with workplace("soak") as folder:
        figures = uvloop.run(soak(options, folder))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
