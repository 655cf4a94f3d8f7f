"""A damaged snapshot is refused, or is a state that can be written down and gone on from."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.property.invariants import require_bounded
from tests.property.snapshot_damage import (
    Case,
    Damage,
    Numbered,
    crowded_case,
    damages,
    flow_case,
    some_damages,
)
from venue.reference.engine import ReferenceEngine
from venue.reference.snapshot_checks import SnapshotMalformedError
from venue.reference.state_records import STATE


def test_a_crowded_state_goes_on_from_its_snapshot(chance: random.Random) -> None:
    case = crowded_case()
    assert {type(each) for each in STATE.unpack(case.snapshot)} == set(STATE.by_kind.values())
    assert take(chance, case, [Damage("nothing", case.snapshot)], share=1) == 1


def test_every_damage_to_a_crowded_state(chance: random.Random) -> None:
    case = crowded_case()
    assert take(chance, case, damages(case.snapshot), share=0.2) > 1000


def test_damage_to_states_of_a_flow(chance: random.Random) -> None:
    for _ in range(4):
        case = flow_case(chance, 700, 150)
        assert take(chance, case, some_damages(chance, case.snapshot, 120), share=0.5) > 5


@pytest.mark.long
def test_much_damage_to_states_of_flows(chance: random.Random) -> None:
    for _ in range(200):
        case = flow_case(chance, chance.randrange(100, 3000), 300)
        assert take(chance, case, some_damages(chance, case.snapshot, 500), share=1) > 5


def take(chance: random.Random, case: Case, found: Iterable[Damage], *, share: float) -> int:
    """Restore each; go on from a share of those that are taken over; return how many were."""
    taken = 0
    busy = ReferenceEngine()
    busy.restore(case.snapshot)
    for what, data in found:
        engine = ReferenceEngine()
        try:
            engine.restore(data)
        except SnapshotMalformedError:
            if chance.random() < 0.01:
                with pytest.raises(SnapshotMalformedError):
                    busy.restore(data)
                assert busy.snapshot() == case.snapshot, what
            continue
        taken += 1
        assert engine.snapshot() == data, what
        if chance.random() < share:
            go_on(engine, case, what)
    return taken


def go_on(engine: ReferenceEngine, case: Case, what: str) -> None:
    """Apply what came after; that must lead to a state that is sound and taken over again."""
    try:
        for command in Numbered(engine).commands(case.tail):
            engine.apply(command)
        require_bounded(engine)
        ReferenceEngine().restore(engine.snapshot())
    except Exception as error:
        raise AssertionError(what) from error
