"""Long mixed flows: invariants at every step, and replay and snapshots that change nothing."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

from messages.trading import events as e
from messages.trading.codes import RejectCode
from tests.property.flow import Coverage, Flow
from tests.property.invariants import Watch
from venue.reference import bounds, state
from venue.reference.engine import ReferenceEngine
from venue.reference.snapshot_checks import SnapshotMalformedError

COMMANDS = 4_000
NEVER_IN_THE_ENGINE = {RejectCode.NONE, RejectCode.GROUP_MALFORMED} | {
    code for code in RejectCode if code >= 400
}
# What needs more luck than a flow has; tests/unit/engine reaches it.
BEYOND_THE_FLOW = {RejectCode.RECEIVABLES_EXCEEDED, RejectCode.RECEIVABLE_OUTSTANDING}
# Every new command moves all later draws: what six seeds miss may need some more.
SEEDS_MAX = 12


@pytest.mark.parametrize("calm", [True, False])
def test_invariants_hold_at_every_step(chance: random.Random, calm: bool) -> None:
    engine, watch = ReferenceEngine(), Watch()
    flow = Flow(chance.getrandbits(32), calm=calm)
    for step, (_, told) in enumerate(flow.run(engine, COMMANDS)):
        watch.see(told)
        if step % 20 == 0:
            watch.check_money(engine)
        if step % 500 == 0:  # restoring checks that holds are those of orders and withdrawals
            snapshot = engine.snapshot()
            other = ReferenceEngine()
            other.restore(snapshot)
            assert other.snapshot() == snapshot


def test_replay_in_any_batches_gives_the_same_events_and_digest(chance: random.Random) -> None:
    engine = ReferenceEngine()
    flow = Flow(chance.getrandbits(32))
    run = list(flow.run(engine, COMMANDS))
    told = b"".join(events for _, events in run)
    commands = [command for command, _ in run]
    other, again, at = ReferenceEngine(), bytearray(), 0
    while at < len(commands):
        size = chance.randint(1, 300)
        again += other.apply(b"".join(commands[at : at + size]))
        at += size
    assert bytes(again) == told
    digests = {hashlib.sha256(each.snapshot()).digest() for each in (engine, other)}
    assert len(digests) == 1


@pytest.mark.long
@pytest.mark.parametrize("chunk", range(20))
def test_ten_thousand_seeds_replay_to_the_same_state(chance: random.Random, chunk: int) -> None:
    for number in range(500):
        engine, watch = ReferenceEngine(), Watch()
        flow = Flow(chance.getrandbits(48), calm=number % 2 == 0)
        run = list(flow.run(engine, 300))
        for _, told in run:
            watch.see(told)
        watch.check_money(engine)
        other = ReferenceEngine()
        assert other.apply(b"".join(command for command, _ in run)) == b"".join(t for _, t in run)
        assert other.snapshot() == engine.snapshot(), f"chunk {chunk}, run {number}"


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_command_that_may_do_little_leaves_the_rest_in_order(
    monkeypatch: pytest.MonkeyPatch, chance: random.Random, steps: int
) -> None:
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", steps)
    engine, watch, other = ReferenceEngine(), Watch(), ReferenceEngine()
    flow = Flow(chance.getrandbits(32), calm=chance.random() < 0.5)
    for step, (command, told) in enumerate(flow.run(engine, COMMANDS)):
        watch.see(told)
        assert sum(isinstance(each, e.TradeExecuted) for each in e.EVENTS.unpack(told)) <= steps
        assert other.apply(command) == told
        assert other.next_deadline() == engine.next_deadline()
        if step % 20 == 0:
            watch.check_money(engine)
        if step % 50 == 0:
            other = ReferenceEngine()
            other.restore(engine.snapshot())
    assert other.snapshot() == engine.snapshot()


def test_a_snapshot_and_the_tail_are_the_whole(chance: random.Random) -> None:
    engine = ReferenceEngine()
    flow = Flow(chance.getrandbits(32))
    restored: ReferenceEngine | None = None
    cut = chance.randrange(COMMANDS)
    for step, (command, told) in enumerate(flow.run(engine, COMMANDS)):
        if restored is not None:
            assert restored.apply(command) == told
            assert restored.next_deadline() == engine.next_deadline()
        elif step == cut:
            restored = ReferenceEngine()
            restored.restore(engine.snapshot())
    assert restored is not None
    assert restored.snapshot() == engine.snapshot()
    assert restored.definitions() == engine.definitions()
    assert restored.balances() == engine.balances()
    assert restored.sources(3) == engine.sources(3)


def test_a_damaged_snapshot_is_refused_or_is_another_state(chance: random.Random) -> None:
    engine = ReferenceEngine()
    for _ in Flow(chance.getrandbits(32), calm=True).run(engine, 300):
        pass
    snapshot = engine.snapshot()
    for _ in range(300):
        damaged = bytearray(snapshot)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        other = ReferenceEngine()
        try:
            other.restore(bytes(damaged))
        except SnapshotMalformedError:
            assert other.last_sequence == 0
        else:
            assert other.snapshot() == damaged
    for cut in (0, 1, 63, len(snapshot) // 2, len(snapshot) - 1, len(snapshot) - 16):
        with pytest.raises(SnapshotMalformedError):
            ReferenceEngine().restore(snapshot[:cut])


def test_the_flow_reaches_every_refusal_and_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when a refusal can no longer be reached, or a new one is not; the seeds are fixed."""
    monkeypatch.setattr(bounds, "QUOTE_REQUESTS_OF_ACCOUNT_MAX", 2)
    monkeypatch.setattr(bounds, "QUOTES_OF_REQUEST_MAX", 1)  # the flow's firms are few
    monkeypatch.setattr(bounds, "SUSPENSIONS_OF_TARGET_MAX", 2)
    monkeypatch.setattr(state, "CLIENT_ID_SHARES", 40)  # what an account remembers is soon full
    monkeypatch.setattr(state, "CLIENT_IDS_OF_ACCOUNT_MIN", 8)
    coverage: Coverage = Counter()
    for seed in range(SEEDS_MAX):
        flow = Flow(seed)
        for _ in flow.run(ReferenceEngine(), 12_000):
            pass
        coverage += flow.coverage
        if not _missed(coverage):
            return
    assert not _missed(coverage)


def _missed(coverage: Coverage) -> list[str]:
    """Name every code and event that a flow could reach and did not."""
    codes = {detail for _, detail in coverage}
    kinds = {name for name, _ in coverage}
    return [
        code.name
        for code in RejectCode
        if code not in NEVER_IN_THE_ENGINE | BEYOND_THE_FLOW and code.name not in codes
    ] + [kind.__name__ for kind in e.EVENTS.by_kind.values() if kind.__name__ not in kinds]
