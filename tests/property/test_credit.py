"""Credit given, spent and taken away again never lifts any sum out of 64 bits."""

from __future__ import annotations

import random
from collections import Counter

from messages.trading.codes import RejectCode
from messages.trading.events import CommandRejected
from messages.trading.terms import AMOUNT_LIMIT
from tests.property.credit_cycles import CreditCycles
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


def require_bounded(engine: ReferenceEngine) -> None:
    """Require that all that is owned, owed and held stays below 2**62, also together."""
    owned: Counter[int] = Counter()
    owed: Counter[int] = Counter()
    held: Counter[int] = Counter()
    for _, asset, balance_atoms, held_atoms in engine.balances():
        owned[asset] += max(balance_atoms, 0)
        owed[asset] += max(-balance_atoms, 0)
        held[asset] += held_atoms
    for asset, supply_atoms, fees_atoms in engine.assets():
        assert owned[asset] - owed[asset] + fees_atoms == supply_atoms
        assert fees_atoms >= 0
        assert max(owned[asset] + fees_atoms, owed[asset], held[asset]) < AMOUNT_LIMIT
