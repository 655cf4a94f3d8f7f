"""How the gateway says that accounts stand, over mixed flows.

Against what the engine holds, and against the slow twin.
"""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from fix_gateway.statements.standing import RECEIPTS_KEPT, Fence, Standing, hash_of
from fix_gateway.statements.standing_file import (
    LAYOUT,
    encode_standing,
    read_standing,
    write_standing,
)
from messages.trading import events as e
from messages.trading.terms import OrderStatus, Side
from tests.property.flow import Flow
from tests.twins import standing as slow
from venue.reference.engine import ReferenceEngine
from venue.reference.state_records import STATE, OrderRecord

COMMANDS = 3_000
FLOWS_MAX = 8
OPEN = {OrderStatus.PENDING_TRIGGER, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
VENUE = bytes(range(16))
Orders = dict[int, tuple[int, int, int, int, int, bytes]]


def read_all(standing: Standing, told: bytes) -> list[Fence]:
    end, fences = standing.read(told, through=1 << 62)
    assert end == len(told)
    return fences


def orders_of(engine: ReferenceEngine) -> Orders:
    return {
        record.order_id: (
            record.account,
            record.session,
            record.quantity_lots,
            record.filled_lots,
            record.leaves_lots,
            record.client_order_id.rstrip(b"\0"),
        )
        for record in STATE.unpack(engine.snapshot())
        if isinstance(record, OrderRecord) and record.mark in OPEN
    }


def orders_in(standing: Standing) -> Orders:
    return {
        order.order_id: (
            number,
            order.session,
            order.quantity_lots,
            order.filled_lots,
            order.leaves_lots,
            order.client_order_id,
        )
        for number in standing.accounts
        for order in standing.orders(number)
    }


def money_in(standing: Standing) -> list[tuple[int, int, int, int]]:
    return sorted(
        (number, asset, money.balance_atoms, money.held_atoms)
        for number in standing.accounts
        for asset, money in standing.account(number).money.items()
        if money.balance_atoms or money.held_atoms
    )


def compare(standing: Standing, twin: slow.Standing) -> None:
    for number in {*standing.accounts, *twin.accounts}:
        ours, theirs = standing.account(number), twin.account(number)
        assert {order.order_id: order for order in standing.orders(number)} == theirs.orders
        assert ours.orders == len(theirs.orders)
        assert (ours.executions, ours.executions_sum) == (theirs.executions, theirs.executions_sum)
        assert ours.traded == theirs.traded
        assert ours.money == theirs.money


@pytest.mark.parametrize("calm", [True, False])
def test_orders_money_executions_and_fences_are_the_engines_and_the_twins(
    chance: random.Random, calm: bool
) -> None:
    engine, standing, twin = ReferenceEngine(), Standing(), slow.Standing()
    flow = Flow(chance.getrandbits(32), calm=calm)
    kept: dict[int, list[Fence]] = {}
    for step, (_, told) in enumerate(flow.run(engine, COMMANDS)):
        fences = read_all(standing, told)
        assert fences == twin.read(told)
        for fence in fences:
            if fence.orders:
                kept.setdefault(fence.session, []).append(fence)
        if step % 50 == 0:
            assert money_in(standing) == sorted(engine.balances())
            assert orders_in(standing) == orders_of(engine)
            compare(standing, twin)
    assert any(standing.account(number).executions for number in standing.accounts)
    last = {session: fences[-RECEIPTS_KEPT:] for session, fences in kept.items()}
    assert {session: list(fences) for session, fences in standing.fences.items()} == last


def test_an_orders_hash_holds_until_the_order_changes(chance: random.Random) -> None:
    engine, standing = ReferenceEngine(), Standing()
    hashed: dict[int, tuple[object, ...]] = {}
    stale = 0
    for step, (_, told) in enumerate(Flow(chance.getrandbits(32), calm=True).run(engine, COMMANDS)):
        read_all(standing, told)
        if step % 50:
            continue
        for number in standing.accounts:
            waiting = set(standing.unhashed(number))
            for order in standing.orders(number):
                state = msgspec.structs.astuple(order)[:-1]
                is_same = hashed.get(order.order_id) == state
                stale += not is_same and order.order_id in hashed
                assert is_same or order.order_id in waiting
                hashed[order.order_id] = state
            for order_id in waiting:
                standing.hash_order(number, order_id, repr)
            assert standing.unhashed(number) == []
            texts = [repr(msgspec.structs.replace(o, hash=None)) for o in standing.orders(number)]
            total = sum(hash_of(text) for text in texts) % (1 << 64)
            assert standing.account(number).orders_sum == total
    assert stale > 0, "no order changed after it was hashed"


def test_a_fence_tells_the_fate_of_every_order_of_its_session(chance: random.Random) -> None:
    # One flow may have no fence that stands alone in its command; many have some.
    assert any(_fences_judged(chance.getrandbits(32)) for _ in range(FLOWS_MAX))


def _fences_judged(seed: int) -> int:
    """Return how many fences of a flow were held against the engine's orders."""
    engine, standing = ReferenceEngine(), Standing()
    fences = 0
    for _, told in Flow(seed, calm=True).run(engine, COMMANDS):
        told_events = [event for event in e.EVENTS.unpack(told) if isinstance(event, e.Event)]
        told_kinds = [event.KIND for event in told_events]
        found = {fence.event: fence for fence in read_all(standing, told)}
        cancelled: list[int] = []
        for event in told_events:
            if isinstance(event, e.OrderCancelled):
                cancelled.append(event.order_id)
            if isinstance(event, e.SessionFenced):
                fence = found.pop(event.number)
                gone = [each.order.order_id for each in fence.orders if each.event]
                assert len(gone) == event.cancelled
                assert gone == cancelled[len(cancelled) - len(gone) :]
                resting = {each.order.order_id for each in fence.orders if not each.event}
                of_session = {
                    number for number, row in orders_of(engine).items() if row[1] == event.session
                }
                if told_kinds.count(e.SessionFenced.KIND) == 1:
                    assert resting == of_session
                    fences += 1
        assert not found
    return fences


def test_who_begins_anywhere_from_what_was_saved_stands_the_same(
    chance: random.Random, tmp_path: Path
) -> None:
    engine, standing = ReferenceEngine(), Standing()
    path = tmp_path / "standing.bin"
    other = Standing()
    for _, told in Flow(chance.getrandbits(32), calm=True).run(engine, COMMANDS):
        read_all(standing, told)
        read_all(other, told)
        if chance.random() < 0.02:
            other.event = engine.last_event
            write_standing(path, encode_standing(other, venue=VENUE))
            other = read_standing(path, venue=VENUE, through=engine.last_event)
            assert other.event == engine.last_event
    assert other.fences == standing.fences
    for number in {*standing.accounts, *other.accounts}:
        assert other.account(number) == standing.account(number)
    assert orders_in(other) == orders_in(standing)


def test_a_batch_is_read_as_far_as_asked_and_what_is_no_event_is_refused() -> None:
    standing = Standing()
    deposit = [
        e.BalanceChanged.make(number=number, account=1, asset=1, balance_atoms=number).pack()
        for number in (1, 2, 3)
    ]
    assert standing.read(b"".join(deposit), through=2).end == 2 * len(deposit[0])
    assert standing.account(1).money[1].balance_atoms == 2
    for damaged in (deposit[2][:-1], deposit[2][:3], b"\0" * 40, b"\x28\0" + deposit[2][2:40]):
        with pytest.raises(ValueError, match="no event at byte 136"):
            standing.read(deposit[2] + damaged, through=9)


def test_sums_of_trades_may_be_larger_than_64_bits() -> None:
    standing = Standing()
    trade = e.TradeExecuted.make(
        instrument=1,
        taker_side=Side.SELL,
        maker_account=1,
        taker_account=2,
        price_ticks=(1 << 62) - 1,
        quantity_lots=5,
    )
    bust = e.TradeBusted.make(
        instrument=1,
        taker_side=Side.SELL,
        maker_account=3,
        taker_account=2,
        previous_price_ticks=(1 << 62) - 1,
        previous_quantity_lots=5,
    )
    read_all(standing, trade.pack() + bust.pack())
    value = 5 * ((1 << 62) - 1)
    assert standing.account(1).traded[1].bought_value == value
    assert standing.account(2).traded[1].sold_value == 0
    assert standing.account(3).traded[1].bought_value == -value
    again = Standing()
    assert again.restore(standing.image())
    assert again.account(1) == standing.account(1)
    assert again.account(3) == standing.account(3)


def test_no_image_that_is_cut_or_longer_is_taken(chance: random.Random) -> None:
    standing = Standing()
    for _, told in Flow(chance.getrandbits(32), calm=True).run(ReferenceEngine(), 300):
        read_all(standing, told)
    image, other = standing.image(), Standing()
    for size in (0, 7, len(image) // 2, len(image) - 1):
        assert not other.restore(image[:size])
    assert not other.restore(image + b"\0")
    assert not other.restore(b"\xff" * len(image))
    assert other.accounts == []
    assert other.restore(image)
    assert sorted(other.accounts) == sorted(standing.accounts)


@pytest.mark.parametrize("damage", ["gone", "cut", "image", "strange", "older", "ahead"])
def test_what_cannot_be_used_is_read_again_from_the_events(tmp_path: Path, damage: str) -> None:
    path, saved = tmp_path / "standing.bin", Standing()
    saved.event = 10
    write_standing(path, encode_standing(saved, venue=VENUE))
    assert read_standing(path, venue=VENUE, through=10).event == 10
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    elif damage == "image":
        path.write_bytes(msgspec.msgpack.encode([LAYOUT, VENUE, 10, saved.image()[:-1], {}]))
    elif damage == "older":
        path.write_bytes(msgspec.msgpack.encode([LAYOUT - 1, VENUE, 10, {}, {}, {}, {}]))
    venue = bytes(16) if damage == "strange" else VENUE
    through = 9 if damage == "ahead" else 10
    assert read_standing(path, venue=venue, through=through).event == 0
