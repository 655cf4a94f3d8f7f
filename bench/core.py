"""How fast the engine is, beside bare books: three workloads, five engines, one table.

    ./rialto bench core [--json] [--quick] [--folder DIRECTORY]

``native`` is the C++ loop alone, ``native_python_batch`` the same engine through Python in packed
batches of 256, ``reference`` the specification in Python; these run every check (throttle, collar,
notional, position, funds, client ids, self-trade prevention, fees) and emit every event.
``sortedcontainers`` and ``lightmatchingengine`` are what a Python user would pick: a book and
nothing else. All of them must make the same trades (``bench/core_engines.py`` states the rule).
Engines take turns in every round, so that a busy machine slows down all alike: read the ratios.

Beside it: other batch sizes, memory, and the replay of a journal that a running core wrote.
``--folder`` keeps workloads and the C++ build for the next run.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import core_memory, core_replay
from bench.core_books import Book, NotInstalled, SortedBook, light_book
from bench.core_engines import (
    BenchError,
    Figures,
    Prepared,
    Rounds,
    Traded,
    build_driver,
    require_equal,
    run_book,
    run_engine,
    run_native,
    started,
    started_into,
    trades_of_book,
    trades_of_engine,
)
from bench.core_table import table
from bench.core_workloads import NAMES, provide
from venue.engines import ENGINES, create_engine

BATCH: Final = 256
OTHER_BATCHES: Final = (1, 64, 1024)
QUICK: Final = 0.1
NOT_MEASURED: Final = dict.fromkeys(("commands_per_s", "p50_ns", "p99_ns", "p999_ns"))

Run = Callable[[], Figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is run."""

    commands: int
    short: int
    """What slow engines run of it."""
    rounds: int
    seed: int
    memory: float
    replayed: int

    def scaled(self, scale: float) -> "Sizes":
        """Return a smaller run of everything but rounds."""
        return Sizes(
            commands=max(2, int(self.commands * scale)),
            short=max(1, int(self.short * scale)),
            rounds=max(1, self.rounds // 2),
            seed=self.seed,
            memory=self.memory * scale,
            replayed=max(1, int(self.replayed * scale)),
        )


FULL: Final = Sizes(
    commands=1_000_000, short=50_000, rounds=5, seed=42, memory=1.0, replayed=300_000
)


class Peers:
    """What is needed to run the engines that are not ours to import."""

    def __init__(self, folder: Path) -> None:
        """Build and install them in a folder."""
        self.driver = build_driver(folder / "build")
        self.light = light_book(folder)

    @property
    def missing(self) -> NotInstalled | None:
        """Why lightmatchingengine is not measured, if it is not."""
        return self.light if isinstance(self.light, NotInstalled) else None


def measure_workload(name: str, folder: Path, peers: Peers, sizes: Sizes) -> dict[str, Any]:
    """Check that all engines trade alike, and measure them in turns.

    Returns:
        Figures by engine, those of other ways into the native engine, and what was traded.

    Raises:
        BenchError: engines made different trades.
    """
    workload = provide(name, folder, count=sizes.commands, seed=sizes.seed)
    prepared = Prepared(workload, short=sizes.short)
    told: list[Traded] = []

    def native() -> Figures:
        figures, traded = run_native(peers.driver, prepared, batch=BATCH)
        told.append(traded)
        return figures

    runs: dict[str, Run] = {"native": native} | _python_runs(prepared, peers)
    rounds = {title: Rounds() for title in runs}
    for _ in range(sizes.rounds):
        for title, run in runs.items():
            rounds[title].figures.append(run())
    traded = _require_same_trades(name, prepared, peers, told)
    found = {title: each.summary() for title, each in rounds.items()}
    return {
        "engines": {title: found.pop(title) for title in _engines(found)},
        "ways": found,
        "trades": traded.trades,
        "trade_hash": f"{traded.hash:016x}",
    }


def _engines(found: dict[str, Figures]) -> list[str]:
    return [title for title in found if "/" not in title]


def _python_runs(prepared: Prepared, peers: Peers) -> dict[str, Run]:
    """Return what is measured through Python, by title; a slash marks other ways into native."""
    count, short = prepared.commands, prepared.short
    native = partial(started, partial(create_engine, "native"), prepared)
    reference = partial(started, partial(create_engine, "reference"), prepared)
    runs: dict[str, Run] = {
        "native_python_batch": partial(run_engine, native, prepared, batch=BATCH, count=count),
        "reference": partial(run_engine, reference, prepared, batch=1, count=short),
        "sortedcontainers": partial(run_book, SortedBook, prepared, count=count),
    }
    if not isinstance(peers.light, NotInstalled):
        runs["lightmatchingengine"] = partial(run_book, peers.light, prepared, count=short)
    for batch in OTHER_BATCHES:
        runs[f"batch/{batch}"] = partial(run_engine, native, prepared, batch=batch, count=count)
    into = partial(started_into, prepared, batch=BATCH)
    runs[f"into/{BATCH}"] = partial(run_engine, into, prepared, batch=BATCH, count=count)
    return runs


def _require_same_trades(name: str, prepared: Prepared, peers: Peers, told: list[Traded]) -> Traded:
    count, short = prepared.commands, prepared.short
    everything, part = prepared.fill + prepared.steps, prepared.fill + prepared.steps[:short]
    books: dict[str, Callable[[], Book]] = {"sortedcontainers": SortedBook}
    if not isinstance(peers.light, NotInstalled):
        books["lightmatchingengine"] = peers.light
    first = {title: trades_of_book(make(), part) for title, make in books.items()}
    for title in ENGINES:
        first[title] = trades_of_engine(create_engine(title), prepared, count=short)
    require_equal(first, f"the first {short:,} commands of {name}")
    whole = {f"native, run {number}": each for number, each in enumerate(told, start=1)}
    whole["native_python_batch"] = trades_of_engine(create_engine("native"), prepared, count=count)
    whole["sortedcontainers"] = trades_of_book(SortedBook(), everything)
    return require_equal(whole, name)


def measure(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Run everything; return the figures as ``--json`` shows them.

    Raises:
        BenchError: engines disagree, or the C++ loop cannot be built.
    """
    peers = Peers(folder)
    engines: dict[str, dict[str, Any]] = {}
    ways: dict[str, dict[str, Any]] = {}
    workloads = {}
    for name in NAMES:
        _say(f"{name} ...")
        found = measure_workload(name, folder, peers, sizes)
        for shelf, part in ((engines, "engines"), (ways, "ways")):
            for title, figures in found.pop(part).items():
                shelf.setdefault(title, {})[name] = figures
        workloads[name] = found
    about: dict[str, Any] = {
        "seed": sizes.seed,
        "commands": sizes.commands,
        "commands_of_slow_engines": min(sizes.short, sizes.commands),
        "rounds": sizes.rounds,
        "batch": BATCH,
        "workloads": workloads,
    }
    if peers.missing is not None:
        engines["lightmatchingengine"] = dict.fromkeys(NAMES, NOT_MEASURED)
        about["not_installed"] = {"lightmatchingengine": peers.missing._asdict()}
    _say("memory ...")
    memory = {name: core_memory.measure(name, scale=sizes.memory) for name in ENGINES}
    _say("replay ...")
    replay = core_replay.measure(commands=sizes.replayed, seed=sizes.seed)
    return {"core": engines, "ways": ways, "memory": memory, "replay": replay, "about": about}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        yield Path(name)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--commands", type=int, default=FULL.commands)
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    parser.add_argument("--seed", type=int, default=FULL.seed)
    parser.add_argument("--folder", type=Path, help="keep workloads and the C++ build here")
    options = parser.parse_args()
    sizes = Sizes(
        commands=options.commands,
        short=FULL.short,
        rounds=options.rounds,
        seed=options.seed,
        memory=FULL.memory,
        replayed=FULL.replayed,
    )
    try:
        with _kept(options.folder) as folder:
            found = measure(sizes.scaled(QUICK) if options.quick else sizes, folder)
    except BenchError as error:
        _say(f"bench core: {error}")
        return 1
    print(json.dumps(found, indent=2) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
