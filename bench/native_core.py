"""The native engine on three workloads, beside its peers: ``python -m bench.native_core [--json]``.

``native`` is the C++ loop alone, ``native_python_batch`` the same batches through Python. Rates are
commands a second of the thread's processor time; percentiles are of single commands.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.native_workloads import SHAPES, PeerBook, Workload, load_steps, provide
from core.engine import NativeEngine
from messages.layout import RECORD_PREFIX
from messages.trading.events import EVENTS, TradeExecuted
from venue.reference.engine import ReferenceEngine

SOURCE: Final = Path(__file__).resolve().parents[1] / "core" / "native"
BATCHES: Final = (256, 1024)
PEER_COMMANDS: Final = 100_000

Figures = dict[str, float]


def build_driver(folder: Path) -> Path:
    """Build the C++ benchmark; return it."""
    options = ["-DCORE_PYTHON=OFF", "-DCORE_TESTS=ON", "-DCMAKE_BUILD_TYPE=Release"]
    configure = ["cmake", "-G", "Ninja", "-S", str(SOURCE), "-B", str(folder), *options]
    for command in (configure, ["cmake", "--build", str(folder), "--target", "core_bench"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "core_bench"


def borders(data: bytes) -> list[int]:
    """Return where each record begins, and the end."""
    at, found = 0, [0]
    while at < len(data):
        at += RECORD_PREFIX.unpack_from(data, at)[0]
        found.append(at)
    return found


def run_driver(driver: Path, workload: Workload, batch: int, rounds: int) -> Figures:
    """Measure the C++ loop."""
    command = [str(driver), str(workload.before), str(workload.commands), str(batch), str(rounds)]
    figures: Figures = json.loads(subprocess.check_output(command))
    return figures


def run_batches(workload: Workload, batch: int, rounds: int) -> Figures:
    """Measure packed batches through Python, events as bytes."""
    before, data = workload.before.read_bytes(), workload.commands.read_bytes()
    at = borders(data)
    ends = [*range(0, len(at) - 1, batch), len(at) - 1]
    batches = [data[at[first] : at[last]] for first, last in pairwise(ends)]
    rates = []
    for _ in range(rounds):
        engine = NativeEngine()
        engine.apply(before)
        apply = engine.apply
        began = time.thread_time()
        for each in batches:
            apply(each)
        rates.append((len(at) - 1) / (time.thread_time() - began))
    return {"commands_per_s": statistics.median(rates), "commands_per_s_best": max(rates)}


def timed(run: Callable[[Any], object], work: list[Any]) -> Figures:
    """Measure one by one."""
    clock, laps = time.perf_counter_ns, []
    began = time.thread_time()
    for each in work:
        lap = clock()
        run(each)
        laps.append(clock() - lap)
    seconds = time.thread_time() - began
    laps.sort()
    return {
        "commands_per_s": len(work) / seconds,
        "p50_ns": laps[len(laps) // 2],
        "p99_ns": laps[len(laps) * 99 // 100],
    }


def run_reference(workload: Workload) -> Figures:
    """Measure the reference engine on the first commands."""
    engine = ReferenceEngine()
    engine.apply(workload.before.read_bytes())
    data = workload.commands.read_bytes()
    at = borders(data)[: PEER_COMMANDS // 4]
    records = [data[first:last] for first, last in pairwise(at)]
    return timed(engine.apply, records)


def run_peer(name: str, workload: Workload) -> tuple[Figures, list[tuple[int, int, int]]]:
    """Measure the bare sortedcontainers book; return its trades too."""
    steps = load_steps(workload)
    filled = 2 * SHAPES[name].resting
    book = PeerBook()
    for step in steps[:filled]:
        book.run(step)
    return timed(book.run, steps[filled : filled + PEER_COMMANDS]), book.trades


def require_same_trades(workload: Workload, trades: list[tuple[int, int, int]]) -> None:
    """Stop unless the engine makes the peer's trades."""
    engine = NativeEngine()
    engine.apply(workload.before.read_bytes())
    data = workload.commands.read_bytes()
    at = borders(data)
    told = engine.apply(data[: at[min(PEER_COMMANDS, len(at) - 1)]])
    own = [
        (event.maker_order_id, event.price_ticks, event.quantity_lots)
        for offset, kind in EVENTS.walk(told)
        if kind is TradeExecuted
        for event in [TradeExecuted.unpack(told, offset)]
    ]
    if own != trades:
        raise SystemExit("the engine and the peer made different trades")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, Figures]]:
    """Run everything; return figures by engine and workload."""
    driver = build_driver(folder / "build")
    figures: dict[str, dict[str, Figures]] = {}
    for name in SHAPES:
        workload = provide(name, folder, count=options.commands, seed=options.seed)
        peer, trades = run_peer(name, workload)
        require_same_trades(workload, trades)
        runs = {
            "native": run_driver(driver, workload, BATCHES[0], options.rounds),
            "reference": run_reference(workload),
            "sortedcontainers": peer,
        }
        for batch in BATCHES:
            title = "native_python_batch" if batch == BATCHES[0] else f"native_python_batch_{batch}"
            runs[title] = run_batches(workload, batch, options.rounds)
        for engine, run in runs.items():
            figures.setdefault(engine, {})[name] = run
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--folder", type=Path, help="keep workloads and build here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(options, options.folder or Path(temporary))
    if options.json:
        print(json.dumps({"core": figures}, indent=2))
        return
    print(f"{'commands/s':26}" + "".join(f"{name:>14}" for name in SHAPES))
    for engine, workloads in figures.items():
        rates = "".join(f"{run['commands_per_s']:14,.0f}" for run in workloads.values())
        print(f"{engine:26}{rates}")


if __name__ == "__main__":
    main()
