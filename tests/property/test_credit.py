"""Credit given, spent and taken away again never lifts any sum out of 64 bits."""

from __future__ import annotations

import random
from collections import Counter

from messages.trading.codes import RejectCode
from messages.trading.events import CommandRejected
from tests.property.credit_cycles import CreditCycles
from tests.property.invariants import require_bounded
from venue.reference.engine import ReferenceEngine

STEPS = 600
RUNS = 20


def test_no_cycle_of_credit_leaves_64_bits(chance: random.Random) -> None:
    said: Counter[str] = Counter()
    for _ in range(RUNS):
        cycles = CreditCycles(chance)
        engine = cycles.market.engine
        for step in range(STEPS):
            for line in cycles.step():
                said[line.split()[0]] += 1
            for event in cycles.market.records:
                if isinstance(event, CommandRejected):
                    said[RejectCode(event.code).name] += 1
            require_bounded(engine)
            if step % 50 == 0:
                other = ReferenceEngine()
                other.restore(engine.snapshot())
                assert other.snapshot() == engine.snapshot()
    assert said["trade"] > RUNS
    assert said["CREDIT_LINES_EXCEEDED"]
