"""The native engine answers every command as the reference does, byte for byte."""

from __future__ import annotations

import json
import os
import random
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.engine import NativeEngine
from messages.trading import commands as c
from messages.trading.terms import Phase, SelfTradePrevention
from tests.crash.killed_core import records as cut_records
from tests.native.comparison import Pair
from tests.native.streams import Disturber, WideFlow
from tests.property.credit_cycles import CreditCycles
from tests.property.flow import Flow
from tests.property.snapshot_damage import (
    Case,
    Damage,
    Numbered,
    crowded_case,
    damages,
    flow_case,
    some_damages,
)
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import ALICE, Market
from venue.reference import bounds
from venue.reference.engine import ReferenceEngine

FLOW = 15_000
VARIANTS = 9
LONG_COMMANDS = 10_000_000
LONG_ROUND = 100_000


def recorded(flow: Flow, count: int) -> tuple[list[bytes], list[bytes]]:
    """Drive a pair with a flow, exchanging states now and then; return commands and events."""
    pair, commands, told = Pair(), [], []
    for step, (command, events) in enumerate(flow.run(pair.reference, count)):
        pair.give(command, events)
        commands.append(command)
        told.append(events)
        if step % 1000 == 999:
            pair.restart_native()
    pair.exchange_states()
    return commands, told


def disturbed(chance: random.Random, commands: list[bytes], share: float) -> int:
    """Compare on a disturbed copy of a stream, with states exchanged; return how many."""
    pair = Pair()
    for step, command in enumerate(Disturber(chance, share).disturb(commands)):
        pair.give(command)
        if step % 3000 == 2999:
            pair.exchange_states()
    pair.check()
    return pair.compared.total()


def compare_round(seed: int, count: int, variants: int) -> int:
    """Compare on one flow and its disturbed copies; return how many commands were compared."""
    chance = random.Random(seed)
    kind = WideFlow if seed % 2 else Flow
    commands, _ = recorded(kind(seed, calm=seed % 4 < 2), count)
    compared = len(commands)
    for variant in range(variants):
        compared += disturbed(chance, commands, (0.01, 0.1, 0.3)[variant % 3])
    return compared


@pytest.mark.parametrize("stream", range(4))
def test_both_engines_say_the_same(chance: random.Random, stream: int) -> None:
    seed = chance.getrandbits(30) * 4 + stream
    compared = compare_round(seed, FLOW, VARIANTS)
    assert compared >= FLOW * (VARIANTS + 1), seed


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_what_one_command_leaves_undone_is_done_alike(
    chance: random.Random, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", steps)
    pair = Pair(steps)
    for step, (command, told) in enumerate(Flow(chance.getrandbits(32)).run(pair.reference, 5000)):
        pair.give(command, told)
        if step % 500 == 499:
            pair.restart_native()
    pair.exchange_states()


def test_many_rounds_of_an_uncross_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 200
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", steps)
    market = Market(phase=Phase.PRE_OPEN)
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=900)
    market.sell(1, at=1)
    for price in range(900, 100, -1):
        mode = SelfTradePrevention.CANCEL_INCOMING
        market.buy(1, at=price, self_trade_prevention=mode)
    market.phase(Phase.CONTINUOUS)
    advanced = 0
    while market.engine.next_deadline():
        market.send(c.AdvanceTime)
        advanced += 1
    assert advanced > 20, "the bound was not met"
    pair = Pair(steps)
    pair.give_all(cut_records(bytes(market.journal)))
    pair.check()


def test_batches_of_any_size_make_no_difference(chance: random.Random) -> None:
    commands, told = recorded(Flow(chance.getrandbits(32)), 4000)
    for engine in (NativeEngine(), NativeEngine(seed=1)):
        at, again, out = 0, bytearray(), bytearray(chance.choice((0, 100, 1 << 20)))
        while at < len(commands):
            size = chance.randint(1, 600)
            batch = b"".join(commands[at : at + size])
            if chance.random() < 0.5:
                again += engine.apply(batch)
            else:
                again += out[: engine.apply_into(batch, out)]
            at += size
        assert bytes(again) == b"".join(told)


def test_events_are_not_written_over_the_commands(chance: random.Random) -> None:
    commands = [command for command, _ in Flow(chance.getrandbits(32)).run(ReferenceEngine(), 50)]
    engine = NativeEngine()
    before = engine.snapshot()
    same = bytearray(b"".join(commands))
    for shared in (same, memoryview(same), memoryview(same)[-len(commands[-1]) :]):
        with pytest.raises(ValueError, match="overlaps"):
            engine.apply_into(shared, same)
    assert engine.snapshot() == before
    assert same == b"".join(commands)
    empty = bytearray()
    assert engine.apply_into(empty, empty) == 0
    assert engine.apply_into(same, bytearray(same)) > 0


def test_a_malformed_batch_is_refused_whole(chance: random.Random) -> None:
    commands = [command for command, _ in Flow(chance.getrandbits(32)).run(ReferenceEngine(), 500)]
    engine = NativeEngine()
    engine.apply(b"".join(commands[:300]))
    before = engine.snapshot()
    batch = b"".join(commands[300:400])
    first = len(commands[300])
    damages = {
        "unknown": batch[:first] + b"\x40\x00\x63\x00" + batch[first + 4 :],
        "length": batch[:first] + b"\x41" + batch[first + 1 :],
        "version": batch[:first] + batch[first : first + 4] + b"\x02" + batch[first + 5 :],
        "sequence": batch[first:],
        "stamp": batch[:first] + batch[first : first + 16] + bytes(8) + batch[first + 24 :],
        "cut short": batch[:-1],
    }
    for what, damaged in damages.items():
        with pytest.raises(ValueError, match="byte"):
            engine.apply(damaged)
        assert engine.snapshot() == before, what
    engine.apply(batch)


def test_a_group_that_is_not_whole_is_refused() -> None:
    market = QuotingMarket()
    engine = NativeEngine()
    engine.apply(bytes(market.journal))
    before, at = engine.snapshot(), len(market.journal)
    market.mass_quote(entry((5, 99), (5, 101)), entry((5, 98), (5, 102), name="e2"))
    group = bytes(market.journal[at:])
    header, member = c.GroupHeader.LENGTH, c.EnterQuote.LENGTH
    last, left = header + member, 6
    assert c.EnterQuote.FIELDS[4] == ("group_left", "H", left, 2)
    for what, damaged in {
        "is cut short": group[:last],
        "is empty": group[:left] + bytes(2) + group[left + 2 :],
        "too long": group[:left] + b"\x65\x00" + group[left + 2 :],
        "stands in none": group[last:],
        "is broken off": group[: last + left] + b"\x01\x00" + group[last + left + 2 :],
        "broken off": group[: last + 8] + bytes(8) + group[last + 16 :],
    }.items():
        with pytest.raises(ValueError, match=what):
            engine.apply(damaged)
        with pytest.raises((AssertionError, KeyError, struct.error)):
            market.engine.apply(damaged)
        assert engine.snapshot() == before, what
    engine.apply(group)
    assert engine.snapshot() == market.engine.snapshot()


def test_a_snapshot_that_is_cut_short_is_refused(chance: random.Random) -> None:
    snapshot = flow_case(chance, 400, 0).snapshot
    for cut in (0, 1, 63, len(snapshot) // 2, len(snapshot) - 1, len(snapshot) - 16):
        with pytest.raises(ValueError, match="snapshot"):
            NativeEngine().restore(snapshot[:cut])


def test_damage_to_a_crowded_snapshot_is_judged_alike(chance: random.Random) -> None:
    case = crowded_case()
    assert judge_alike(chance, case, damages(case.snapshot), share=0.1) > 1000


def test_damage_to_snapshots_of_flows_is_judged_alike(chance: random.Random) -> None:
    for _ in range(4):
        case = flow_case(chance, 700, 150)
        found = [*some_damages(chance, case.snapshot, 120), *flipped_bits(chance, case.snapshot)]
        assert judge_alike(chance, case, found, share=0.5) > 5


def flipped_bits(chance: random.Random, snapshot: bytes) -> Iterator[Damage]:
    """Yield snapshots of which one bit is another."""
    for _ in range(100):
        damaged = bytearray(snapshot)
        at, bit = chance.randrange(len(damaged)), chance.randrange(8)
        damaged[at] ^= 1 << bit
        yield Damage(f"bit {bit} of byte {at}", bytes(damaged))


def judge_alike(chance: random.Random, case: Case, found: Iterable[Damage], *, share: float) -> int:
    """Restore each in both engines, and go on from a share of them; return how many were taken."""
    taken = 0
    busy = NativeEngine()
    busy.restore(case.snapshot)
    for what, data in found:
        pair = Pair()
        try:
            pair.reference.restore(data)
        except ValueError:
            with pytest.raises(ValueError, match="snapshot"):
                busy.restore(data)
            continue
        taken += 1
        try:
            pair.native.restore(data)
            assert pair.native.snapshot() == data
            if chance.random() < share:
                pair.give_all(Numbered(pair.reference).commands(case.tail))
                pair.check()
        except Exception as error:
            raise AssertionError(what) from error
    assert busy.snapshot() == case.snapshot
    return taken


def test_cycles_of_credit_are_bounded_alike(chance: random.Random) -> None:
    for _ in range(10):
        cycles = CreditCycles(chance)
        for _ in range(400):
            cycles.step()
        pair = Pair()
        for step, command in enumerate(c.COMMANDS.unpack(bytes(cycles.market.journal))):
            pair.give(command.pack())
            if step % 100 == 99:
                pair.exchange_states()
        assert pair.check() == cycles.market.engine.snapshot()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32), cuts=st.lists(st.integers(0, 400), max_size=4), data=st.data())
def test_small_streams_agree(seed: int, cuts: list[int], data: st.DataObject) -> None:
    share = data.draw(st.sampled_from((0.0, 0.2, 0.8)))
    kind = data.draw(st.sampled_from((Flow, WideFlow)))
    commands = [command for command, _ in kind(seed).run(ReferenceEngine(), 300)]
    pair = Pair()
    for step, command in enumerate(Disturber(random.Random(seed), share).disturb(commands)):
        pair.give(command)
        if step in cuts:
            pair.exchange_states()
    pair.check()


def test_every_kind_of_command_is_compared(chance: random.Random) -> None:
    pair = Pair()
    for command, told in Flow(chance.getrandbits(32)).run(pair.reference, 12_000):
        pair.give(command, told)
    missing = set(c.COMMANDS.by_kind) - set(pair.compared)
    assert not missing


@pytest.mark.long
def test_ten_million_commands(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Goes on where it was cut off; the record names the seeds that were compared."""
    folder = os.environ.get("RIALTO_LONG_RUN_DIR")
    record = Path(folder or tmp_path_factory.mktemp("long")) / "native_differential.json"
    state = {"compared": 0, "next_seed": 0, "seconds": 0.0}
    if record.exists():
        state |= json.loads(record.read_text())
    while state["compared"] < LONG_COMMANDS:
        began = time.monotonic()
        count = LONG_ROUND // 20
        state["compared"] += compare_round(int(state["next_seed"]), count, 19)
        state["next_seed"] += 1
        state["seconds"] += time.monotonic() - began
        record.write_text(json.dumps(state))
    assert state["compared"] >= LONG_COMMANDS
