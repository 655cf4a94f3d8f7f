"""How the gateway says that accounts stand, against what the engine holds, over mixed flows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fix_gateway.statements.standing import KINDS, Standing, execution_hash
from fix_gateway.statements.standing_file import encode_standing, read_standing, write_standing
from messages.trading import events as e
from messages.trading.terms import OrderStatus, Side
from tests.property.flow import Flow
from venue.reference.engine import ReferenceEngine
from venue.reference.state_records import STATE, OrderRecord

COMMANDS = 3_000
FLOWS_MAX = 8
OPEN = {OrderStatus.PENDING_TRIGGER, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
VENUE = bytes(range(16))
Orders = dict[int, tuple[int, int, int, int, int, bytes]]


def read_all(standing: Standing, told: bytes) -> None:
    standing.read(told, through=1 << 62)


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
        for number, account in standing.accounts.items()
        for order in account.orders.values()
    }


def money_in(standing: Standing) -> list[tuple[int, int, int, int]]:
    return sorted(
        (number, asset, money.balance_atoms, money.held_atoms)
        for number, account in standing.accounts.items()
        for asset, money in account.money.items()
        if money.balance_atoms or money.held_atoms
    )


@pytest.mark.parametrize("calm", [True, False])
def test_orders_money_and_executions_are_the_engines(chance: random.Random, calm: bool) -> None:
    engine, standing = ReferenceEngine(), Standing()
    flow = Flow(chance.getrandbits(32), calm=calm)
    executions: dict[int, list[int]] = {}
    for step, (_, told) in enumerate(flow.run(engine, COMMANDS)):
        read_all(standing, told)
        for event in e.EVENTS.unpack(told):
            if isinstance(event, e.TradeExecuted):
                taker = Side(event.taker_side)
                maker = Side.SELL if taker == Side.BUY else Side.BUY
                for account, side in ((event.taker_account, taker), (event.maker_account, maker)):
                    hashed = execution_hash(event.number, side)
                    executions.setdefault(account, []).append(hashed)
        if step % 50 == 0:
            assert money_in(standing) == sorted(engine.balances())
            assert orders_in(standing) == orders_of(engine)
    assert executions
    for number, hashes in executions.items():
        stated = standing.accounts[number]
        assert stated.executions == len(hashes)
        assert stated.executions_sum == sum(hashes) % (1 << 64)


def test_a_fence_tells_the_fate_of_every_order_of_its_session(chance: random.Random) -> None:
    # One flow may have no fence that stands alone in its command; many have some.
    assert any(_fences_judged(chance.getrandbits(32)) for _ in range(FLOWS_MAX))


def _fences_judged(seed: int) -> int:
    """Return how many fences of a flow were held against the engine's orders."""
    engine, standing = ReferenceEngine(), Standing()
    fences = 0
    for _, told in Flow(seed, calm=True).run(engine, COMMANDS):
        cancelled: list[int] = []
        told_kinds = [event.KIND for event in e.EVENTS.unpack(told)]
        for event in e.EVENTS.unpack(told):
            assert isinstance(event, e.Event)
            if event.KIND not in KINDS:
                continue
            fence = standing.take(event)
            if isinstance(event, e.OrderCancelled):
                cancelled.append(event.order_id)
            if isinstance(event, e.SessionFenced):
                assert fence is not None
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
    standing.event = other.event = engine.last_event
    assert encode_standing(other, venue=VENUE) == encode_standing(standing, venue=VENUE)


@pytest.mark.parametrize("damage", ["gone", "cut", "strange", "ahead"])
def test_what_cannot_be_used_is_read_again_from_the_events(tmp_path: Path, damage: str) -> None:
    path, saved = tmp_path / "standing.bin", Standing(event=10, firms={1: 1})
    write_standing(path, encode_standing(saved, venue=VENUE))
    assert read_standing(path, venue=VENUE, through=10).event == 10
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    venue = bytes(16) if damage == "strange" else VENUE
    through = 9 if damage == "ahead" else 10
    assert read_standing(path, venue=venue, through=through).event == 0
