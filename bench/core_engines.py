"""Runs a workload through each engine: the rate, the time of one command, and what it traded.

Rates are commands a second of the thread's own processor time. Percentiles are wall clock of one
command; where commands go in batches, a command's share of its batch. Rate and percentiles come
from separate passes, so that reading the clock slows down no rate.

All engines must have made the same trades in the same order. The rule: h starts at
1469598103934665603; each trade makes it (h xor (31 maker + 17 taker + 7 price + quantity)) times
1099511628211, modulo 2^64, where maker and taker are order numbers. Slow engines run a shorter
part of the workload, and are compared after that part.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.core_books import Book, Step, Trade
from bench.core_records import borders
from bench.core_workloads import Workload, load_steps
from core.engine import NativeEngine
from messages.trading.events import EVENTS, TradeExecuted
from venue.ports import Engine

SOURCE: Final = Path(__file__).resolve().parents[1] / "core" / "native"
HASH_START: Final = 1469598103934665603
HASH_FACTOR: Final = 1099511628211
HASH_MASK: Final = (1 << 64) - 1
EVENT_BYTES_MAX: Final = 1024
"""Room for a command's events on average; the buffer grows if it is too little."""

Figures = dict[str, float]


class BenchError(Exception):
    """The benchmark cannot be run, or engines disagree."""


class Traded(NamedTuple):
    """How many trades an engine made of a part of a workload, and their hash."""

    trades: int
    hash: int

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> Traded:
        """Hash trades in their order."""
        value = HASH_START
        for maker, taker, price, lots in trades:
            mixed = maker * 31 + taker * 17 + price * 7 + lots
            value = (value ^ mixed) * HASH_FACTOR & HASH_MASK
        return cls(len(trades), value)


def build_driver(folder: Path) -> Path:
    """Build the C++ benchmark in a folder; return it.

    Raises:
        BenchError: it cannot be built here.
    """
    cmake, ninja = (str(Path(sys.executable).with_name(name)) for name in ("cmake", "ninja"))
    options = ["-DCORE_PYTHON=OFF", "-DCORE_TESTS=ON", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    configure = [cmake, "-G", "Ninja", "-S", str(SOURCE), "-B", str(folder), *options]
    for command in (configure, [cmake, "--build", str(folder), "--target", "core_bench"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return folder / "core_bench"


@dataclass(slots=True)
class Rounds:
    """The figures of one engine on one workload, round by round."""

    figures: list[Figures] = field(default_factory=list)
    commands: int = 0

    def summary(self) -> Figures:
        """Return medians over the rounds, and the best rate beside its median."""
        rates = [each["commands_per_s"] for each in self.figures]
        shown = {name: median(each[name] for each in self.figures) for name in self.figures[0]}
        return {
            **{name: round(value) for name, value in shown.items()},
            "commands_per_s_best": round(max(rates)),
            "commands": self.commands,
            "rounds": len(rates),
        }


class Prepared:
    """A workload in memory, in every form that an engine takes.

    Args:
        workload: its files.
        short: how many commands slow engines run.
    """

    def __init__(self, workload: Workload, *, short: int) -> None:
        self.workload = workload
        self.before = workload.before.read_bytes()
        self.data = workload.commands.read_bytes()
        self.borders = borders(self.data)
        self.commands = len(self.borders) - 1
        self.short = min(short, self.commands)
        steps = load_steps(workload)
        self.fill = steps[: len(steps) - self.commands]
        self.steps = steps[len(self.fill) :]

    def batches(self, size: int, count: int) -> list[bytes]:
        """Return the records of the first ``count`` commands in batches."""
        ends = [*range(0, count, size), count]
        return [self.data[self.borders[i] : self.borders[j]] for i, j in pairwise(ends)]


def run_native(driver: Path, prepared: Prepared, *, batch: int) -> tuple[Figures, Traded]:
    """Measure the C++ loop over a workload, in a process of its own."""
    paths = (prepared.workload.before, prepared.workload.commands)
    command = [str(driver), *map(str, paths), str(batch), "1"]
    told: dict[str, Any] = json.loads(subprocess.check_output(command))
    traded = Traded(told["trades"], int(told["trade_hash"], 16))
    shown = ("commands_per_s", "p50_ns", "p99_ns", "p999_ns")
    hot, cold = told["order_bytes_hot"], told["order_bytes_cold"]
    sizes = {"order_bytes_hot": hot, "order_bytes_cold": cold}
    return {name: told[name] for name in shown} | sizes, traded


def started(make: Callable[[], Engine], prepared: Prepared) -> Callable[[bytes], object]:
    """Return ``apply`` of an engine that has seen what comes before measuring."""
    engine = make()
    engine.apply(prepared.before)
    return engine.apply


def started_into(prepared: Prepared, *, batch: int) -> Callable[[bytes], object]:
    """Return the native engine's ``apply_into``, events into one buffer that is used again."""
    engine, events = NativeEngine(), bytearray(EVENT_BYTES_MAX * batch)
    engine.apply(prepared.before)
    return lambda commands: engine.apply_into(commands, events)


def run_engine(
    fresh: Callable[[], Callable[[bytes], object]], prepared: Prepared, *, batch: int, count: int
) -> Figures:
    """Measure an engine in Python over its first commands: packed records in, event bytes out."""
    figures = _timed(fresh, prepared.batches(batch, count), commands=count)
    shares = {name: figures[name] / min(batch, count) for name in ("p50_ns", "p99_ns", "p999_ns")}
    return figures | shares


def run_book(make: Callable[[], Book], prepared: Prepared, *, count: int) -> Figures:
    """Measure a bare book."""

    def fresh() -> Callable[[Step], object]:
        book = make()
        for step in prepared.fill:
            book.run(step)
        return book.run

    return _timed(fresh, prepared.steps[:count], commands=count)


def _timed(
    fresh: Callable[[], Callable[[Any], object]], work: Sequence[Any], *, commands: int
) -> Figures:
    """Do the work twice: at once for the rate, then with the clock read around each piece."""
    run = fresh()
    gc.collect()
    began = time.thread_time()
    for each in work:
        run(each)
    seconds = time.thread_time() - began

    run = fresh()
    gc.collect()
    clock, laps = time.perf_counter_ns, []
    for each in work:
        lap = clock()
        run(each)
        laps.append(clock() - lap)
    laps.sort()

    def at(part: float) -> int:
        return laps[int((len(laps) - 1) * part)]

    rate = commands / seconds
    return {"commands_per_s": rate, "p50_ns": at(0.5), "p99_ns": at(0.99), "p999_ns": at(0.999)}


def trades_of_book(book: Book, steps: Iterable[Step]) -> Traded:
    """Run steps untimed; return what they traded."""
    for step in steps:
        book.run(step)
    return Traded.of(book.trades)


def trades_of_engine(engine: Engine, prepared: Prepared, *, count: int) -> Traded:
    """Run the first commands untimed; return what they traded."""
    trades: list[Trade] = []
    for commands in (prepared.before, *prepared.batches(256, count)):
        events = engine.apply(commands)
        for offset, kind in EVENTS.walk(events):
            if kind is TradeExecuted:
                told = TradeExecuted.unpack(events, offset)
                maker, taker = told.maker_order_id, told.taker_order_id
                trades.append((maker, taker, told.price_ticks, told.quantity_lots))
    return Traded.of(trades)


def require_equal(traded: dict[str, Traded], what: str) -> Traded:
    """Return what all traded alike.

    Raises:
        BenchError: they did not.
    """
    if len(set(traded.values())) != 1:
        told = ", ".join(f"{who}: {each.trades} ({each.hash:016x})" for who, each in traded.items())
        raise BenchError(f"engines made different trades of {what}: {told}")
    return next(iter(traded.values()))
