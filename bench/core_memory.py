"""What orders, markets and remembered orders take of memory: a process for each question.

    python -m bench.core_memory native|reference QUESTION COUNT

Prints by how many bytes the process grew, resident (pages that it touched, by the kernel's count)
and reserved (what it mapped or allocated, touched or not). What is fed in lies in memory before.
"""

import gc
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.core_books import ADD, CANCEL, Step
from bench.core_records import (
    FIRST_INSTRUMENT,
    MID_TICKS,
    SECOND,
    Encoder,
    Wanted,
    borders,
    instrument_commands,
    venue_commands,
)
from messages.trading.events import EVENTS, CommandRejected, OrderRejected
from venue.engines import create_engine

ROOT: Final = Path(__file__).resolve().parents[1]
BATCH: Final = 256
LEVELS: Final = 500
ORDERS_PER_MARKET: Final = 20
MARKETS: Final = 1_000
REMEMBERED_NS: Final = 3600 * SECOND
"""So that nothing is forgotten while it is counted."""


class Question(NamedTuple):
    """What is asked, in words, and how many of it are counted."""

    what: str
    number: int


QUESTIONS: Final = {
    "resting": Question("a resting order", 100_000),
    "remembered": Question("an order that is done, its client id remembered", 100_000),
    "idle_markets": Question("an idle market", MARKETS),
    "busy_markets": Question(f"a market with {ORDERS_PER_MARKET} resting orders", MARKETS),
}


def _orders(count: int) -> list[Step]:
    steps = []
    for number in range(1, count + 1):
        side = 1 + number % 2
        away = 1 + number // 2 % LEVELS
        price = MID_TICKS + (-away if side == 1 else away)
        steps.append(Step(ADD, side, number, price, 10))
    return steps


def _records(question: str, count: int) -> tuple[bytes, bytes]:
    """Return the records that come before counting, and those whose memory is counted."""
    markets = range(FIRST_INSTRUMENT + 1, FIRST_INSTRUMENT + 1 + count)
    most = count + 1 if question.endswith("markets") else 1
    venue = [_with_room(each, markets=most) for each in venue_commands()]
    encoder = Encoder()
    before = encoder.set_up(venue)
    if question == "resting":
        return before, encoder.records(_orders(count))
    if question == "remembered":
        adds = _orders(count)
        both = ((add, Step(CANCEL, add.side, add.order_id, 0, 0)) for add in adds)
        return before, b"".join(encoder.records(pair) for pair in both)
    made = [each for market in markets for each in instrument_commands(market)]
    data = encoder.set_up(made)
    if question == "busy_markets":
        for market in markets:
            encoder.instrument = market
            data += encoder.records(_orders(ORDERS_PER_MARKET))
    return before, data


def _with_room(wanted: Wanted, *, markets: int) -> Wanted:
    kind, fields = wanted
    room = {"instruments_max": max(100, markets), "client_id_window_ns": REMEMBERED_NS}
    return kind, fields | {name: value for name, value in room.items() if name in fields}


def _grown(question: str, engine: str, count: int) -> dict[str, int]:
    before, data = _records(question, count)
    ends = [*borders(data)[:-1:BATCH], len(data)]
    batches = [data[at:end] for at, end in pairwise(ends)]
    del data, ends
    running = create_engine(engine)
    running.apply(before)
    gc.collect()
    began = _memory()
    for batch in batches:
        _require_done(running.apply(batch))
    gc.collect()
    return {name: value - began[name] for name, value in _memory().items()}


def _require_done(events: bytes) -> None:
    for _, kind in EVENTS.walk(events):
        assert kind not in {CommandRejected, OrderRejected}, "what is counted was refused"


def _memory() -> dict[str, int]:
    fields = {}
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        fields[name] = value
    names = {"resident_bytes": "RssAnon", "reserved_bytes": "VmData"}
    return {shown: int(fields[name].split()[0]) * 1024 for shown, name in names.items()}


def measure(engine: str, *, scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """Ask every question of an engine; bytes are of one order or market.

    Args:
        engine: its name.
        scale: how much of the full count of orders to make; never less than 1,000.
    """
    found = {}
    for name, question in QUESTIONS.items():
        count = max(MARKETS, int(question.number * scale))
        command = [sys.executable, "-m", "bench.core_memory", engine, name, str(count)]
        grown: dict[str, int] = json.loads(subprocess.check_output(command, cwd=ROOT))
        each = {part: round(value / count, 1) for part, value in grown.items()}
        found[name] = {"what": question.what, "count": count} | each
    return found


if __name__ == "__main__":
    print(json.dumps(_grown(sys.argv[2], sys.argv[1], int(sys.argv[3]))))
