"""How fast one core looks for market abuse, beside the engine that makes the events.

    ./rialto bench surveillance [--commands N] [--json]

The events are the native engine's own, of the workloads of ``bench core``. Measured in the same
run are ``engine`` (commands in, events out, in batches of 256), ``walk`` (the events looked at and
passed over: the least that any reader does) and ``watch`` (all detectors over them). Figures are
events a second of processor time, so that a busy machine changes them little; ``of_engine`` is the
watch's part of the engine's rate. ``state_bytes`` is what a checkpoint at the end holds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.core_engines import Prepared
from bench.core_workloads import NAMES, provide
from services.surveillance.parameters import read_parameters
from services.surveillance.records import walk
from services.surveillance.watch import Watch
from venue.engines import create_engine

BATCH = 256
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How fast one core looks for market abuse.")
    parser.add_argument("--commands", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as folder:
        figures = {
            name: measure(name, Path(folder), count=options.commands, seed=options.seed)
            for name in NAMES
        }
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    for name, each in figures.items():
        print(name)
        for figure, value in each.items():
            print(
                f"  {figure:<20}{value:>14,.3f}" if value < 1 else f"  {figure:<20}{value:>14,.0f}"
            )
    return 0


def measure(name: str, folder: Path, *, count: int, seed: int) -> dict[str, float]:
    """Return the figures of one workload."""
    prepared = Prepared(provide(name, folder, count=count, seed=seed), short=count)
    engine = create_engine("native")
    before = engine.apply(prepared.before)
    commands = prepared.batches(BATCH, prepared.commands)
    told: list[bytes] = []
    engine_seconds = _seconds(lambda: told.extend(engine.apply(batch) for batch in commands))
    watch = Watch(read_parameters(ROOT / "config" / "surveillance.toml"))
    watch.see(before)
    first = watch.number
    walk_seconds = _seconds(lambda: _walk(told, first))
    alerts = 0

    def look() -> None:
        nonlocal alerts
        for batch in told:
            alerts += len(watch.see(batch).alerts)

    watch_seconds = _seconds(look)
    events = watch.number - first
    return {
        "events": events,
        "engine_events_per_s": events / engine_seconds,
        "walk_events_per_s": events / walk_seconds,
        "watch_events_per_s": events / watch_seconds,
        "of_engine": engine_seconds / watch_seconds,
        "alerts": alerts,
        "state_bytes": len(msgspec.msgpack.encode(watch.state())),
    }


def _walk(told: list[bytes], after: int) -> None:
    for batch in told:
        after, _ = walk(batch, after + 1, {})


def _seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    raise SystemExit(main())
