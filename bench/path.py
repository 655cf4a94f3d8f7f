"""An order from a socket to its acknowledgement: link, sequencer, journal, engine, event, link.

    ./rialto bench path [--json] [--quick] [--engine native|reference]

The core runs in a process of its own, with the venue's own settings; the generator is the other
process, on the same machine. Three durability settings, each with fresh state:

- ``memory``: ``process`` with the state on a file system in memory, so that no disk is waited for.
  No setting of a venue; it shows what the disk adds.
- ``process``: written before it is acknowledged; survives the program, not the machine.
- ``disk``: synced before it is acknowledged; the venue's default.

One in flight and pipelined are closed loops. In the open loop commands are sent by a schedule, with
exponential gaps, whatever comes back, and latency counts from the scheduled time: no stall can hide
by delaying the sending. ``late`` is the generator's own share of that. What nothing can beat on
this machine is measured in the same run. Processor time is that of all threads of a process,
divided by the phase's commands.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.core_process import Durability, RunningCore, running_core
from bench.limits import bare_append, bare_round_trip, bare_sync, clock_read_ns
from bench.path_load import Load, Outcome, OverloadedError, run_loaded
from bench.processor_time import process_times_ns
from exchange.demo.latency import LatencyHistogram
from venue.engines import ENGINES

MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a fresh folder is made in it
SETTINGS: Final[dict[str, Durability]] = {
    "memory": "process",
    "process": "process",
    "disk": "disk",
}
ONE_IN_FLIGHT: Final = 4_000
PIPELINED: Final = 400_000
IN_FLIGHT: Final = 4_096
LINKS: Final = 4
RATES: Final = (1_000, 10_000, 50_000, 100_000)
SECONDS: Final = 3.0
QUICK: Final = 0.1
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One way of offering commands: in a closed loop, or at a rate for some seconds."""

    name: str
    count: int = 0
    in_flight: int = 0
    links: int = 1
    rate: int = 0
    seconds: float = 0.0

    async def run(self, load: Load, *, seed: int) -> Outcome:
        """Carry it out.

        Raises:
            OverloadedError: the rate cannot be kept up.
        """
        if self.rate:
            return await load.open_loop(rate=self.rate, seconds=self.seconds, seed=seed)
        return await load.closed_loop(self.count, in_flight=self.in_flight, links=self.links)


def closed_phases(scale: float) -> Iterator[Phase]:
    """Yield what one core is asked over a Unix socket, as gateways use."""
    yield Phase(name="one in flight", count=int(ONE_IN_FLIGHT * scale), in_flight=1)
    count = int(PIPELINED * scale)
    yield Phase(name="pipelined", count=count, in_flight=IN_FLIGHT)
    yield Phase(name="pipelined", count=count, in_flight=IN_FLIGHT, links=LINKS)


def plan(scale: float) -> list[tuple[str, list[Phase]]]:
    """Return the phases in order, with the socket of each; each entry has a core of its own."""
    one = Phase(name="one in flight", count=int(ONE_IN_FLIGHT * scale), in_flight=1)
    rates = [Phase(name="open loop", rate=rate, seconds=SECONDS * scale) for rate in RATES]
    return [("tcp", [one]), ("unix", list(closed_phases(scale))), ("unix", rates)]


async def run_phases(
    core: RunningCore, socket: str, phases: list[Phase], *, seed: int
) -> list[Row]:
    """Measure a core; stop at the first rate that it cannot keep up."""
    load = await Load.connected(core.addresses[socket], links=max(each.links for each in phases))
    rows = []
    try:
        for phase in phases:
            before = process_times_ns({"core": core.pid}) | {"generator": time.process_time_ns()}
            try:
                outcome = await phase.run(load, seed=seed)
            except OverloadedError as error:
                rows.append(_row(socket, phase) | {"overloaded": str(error)})
                break
            after = process_times_ns({"core": core.pid}) | {"generator": time.process_time_ns()}
            used = {name: (after[name] - before[name]) / 1000 / outcome.commands for name in after}
            rows.append(_row(socket, phase, outcome) | {"processor_us_per_command": used})
    finally:
        await load.close()
    return rows


def _row(socket: str, phase: Phase, outcome: Outcome | None = None) -> Row:
    row: Row = {
        "phase": phase.name,
        "socket": socket,
        "links": phase.links,
        "in_flight": phase.in_flight or None,
        "offered_per_s": phase.rate or None,
    }
    if outcome is None:
        return row
    late_us = percentiles_us(outcome.late_ns)
    return row | {
        "commands": outcome.commands,
        "commands_per_s": round(outcome.commands / outcome.seconds),
        **percentiles_us(outcome.latencies_ns),
        "generator_late_p50_us": late_us["p50_us"],
        "generator_late_p99_us": late_us["p99_us"],
    }


def percentiles_us(samples_ns: list[int]) -> dict[str, float | None]:
    """Return percentiles in microseconds; None of nothing."""
    ordered = sorted(samples_ns)
    parts = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999}
    if not ordered:
        return dict.fromkeys(parts)
    return {name: ordered[int((len(ordered) - 1) * part)] / 1000 for name, part in parts.items()}


def limits(folder: Path, *, scale: float) -> dict[str, dict[str, float]]:
    """Measure what nothing can beat here."""
    count = int(5_000 * scale)

    def shown(latency: LatencyHistogram) -> dict[str, float]:
        parts = {"p50_us": 50.0, "p99_us": 99.0, "p999_us": 99.9}
        return {name: latency.percentile_ns(part) / 1000 for name, part in parts.items()}

    clock_us = clock_read_ns() / 1000
    return {
        "round trip, TCP": shown(bare_round_trip(count)),
        "round trip, Unix socket": shown(bare_round_trip(count, folder)),
        "4 KiB appended + fdatasync": shown(bare_append(folder, count)),
        "4 KiB overwritten + fdatasync": shown(bare_sync(folder, count)),
        "reading the clock": dict.fromkeys(("p50_us", "p99_us", "p999_us"), clock_us),
    }


def measure(*, engine: str, scale: float, seed: int) -> dict[str, Any]:
    """Run everything; return the figures as ``--json`` shows them."""
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        found: dict[str, Any] = {"limits": limits(Path(name), scale=scale)}
    rows: list[Row] = []
    for setting, durability in SETTINGS.items():
        if setting == "memory" and not MEMORY.is_dir():
            print(f"memory: not measured, there is no {MEMORY}", file=sys.stderr)
            continue
        for socket, phases in plan(scale):
            place = MEMORY if setting == "memory" else None
            with (
                tempfile.TemporaryDirectory(prefix="rialto-bench-", dir=place) as name,
                running_core(Path(name), durability=durability, engine=engine) as core,
            ):
                is_timed = any(phase.rate for phase in phases)
                work = run_phases(core, socket, phases, seed=seed)
                found_here = run_loaded(work, is_timed=is_timed)
                rows += [{"durability": setting} | row for row in found_here]
    found["path"] = rows
    found["about"] = {"engine": engine, "seed": seed, "scale": scale}
    return found


def table(found: dict[str, Any]) -> str:
    """Return the figures as text."""
    heads = ("commands/s", "p50 us", "p99 us", "p99.9 us", "late p99", "CPU us core", "generator")
    lines = [f"{'':42}" + "".join(f"{head:>12}" for head in heads)]
    for row in found["path"]:
        title = f"{row['durability']:8} {row['socket']:5}{_offer(row)}"
        if "overloaded" in row:
            lines.append(f"{title:42}  overloaded: {row['overloaded']}")
            continue
        used = row["processor_us_per_command"]
        latencies = (row["p50_us"], row["p99_us"], row["p999_us"], row["generator_late_p99_us"])
        cells = [*latencies, used["core"], used["generator"]]
        lines.append(f"{title:42}{row['commands_per_s']:12,}" + "".join(map(_cell, cells)))
    lines.append("\nbeside it, in the same run:")
    for name, figures in found["limits"].items():
        cells = [_cell(figures[part]) for part in ("p50_us", "p99_us", "p999_us")]
        lines.append(f"  {name:40}{'':12}" + "".join(cells))
    return "\n".join(lines)


def _offer(row: Row) -> str:
    if row["offered_per_s"]:
        return f"open loop, {row['offered_per_s']:,}/s"
    links = f", {row['links']} links" if row["links"] > 1 else ""
    deep = f", {row['in_flight']:,}" if row["in_flight"] > 1 else ""
    return f"{row['phase']}{deep}{links}"


def _cell(value: float | None) -> str:
    return f"{'-':>12}" if value is None else f"{value:12,.2f}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--engine", default="native", choices=ENGINES)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    scale = QUICK if options.quick else 1.0
    found = measure(engine=options.engine, scale=scale, seed=options.seed)
    print(json.dumps(found, indent=2) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
