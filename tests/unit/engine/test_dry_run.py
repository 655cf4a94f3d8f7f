"""Promises of the dry run: the same decision as the order's own, and nothing changes."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from core.engine import NativeEngine
from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import OrderType, Side
from tests.property.flow import Flow
from tests.property.quote_flow import records_of
from tests.unit.engine.scenario import ALICE, BASE, BOB, QUOTE, RICH, SECOND, Market, Venue
from venue.reference.engine import ReferenceEngine


def test_an_approved_order_is_told_how_near_each_bound_it_comes() -> None:
    market = Market(
        taker_ppm=1000,
        collar_ppm=100_000,
        notional_min_atoms=10,
        notional_max_atoms=100_000,
    )
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, position_max_atoms=RICH + 1000)
    market.send(
        c.SetAccountLimits,
        account=ALICE,
        open_orders_max=5,
        message_burst=10,
        message_interval_ns=SECOND,
    )
    market.buy(3, at=90)
    checked = market.check(quantity_lots=5, price_ticks=100)
    assert checked.code == RejectCode.NONE
    assert (checked.available_atoms, checked.needed_atoms) == (RICH - 541, 1001)
    assert (checked.position_max_atoms, checked.position_atoms) == (RICH + 1000, RICH + 80)
    assert (checked.notional_min_atoms, checked.notional_max_atoms) == (10, 100_000)
    assert (checked.notional_atoms, checked.collar_ticks) == (1000, 110)
    assert (checked.open_orders_max, checked.open_orders) == (5, 2)
    assert (checked.book_orders_max, checked.book_orders) == (1000, 2)
    assert (checked.message_burst, checked.messages) == (10, 2)
    assert (checked.price_ticks, checked.quantity_lots) == (100, 5)


def test_a_sell_has_no_position_and_a_market_order_its_protection_price() -> None:
    market = Market()
    market.buy(5, at=100)
    checked = market.check(
        account=BOB, side=Side.SELL, order_type=OrderType.MARKET, quantity_lots=5
    )
    assert (checked.position_max_atoms, checked.position_atoms) == (0, 0)
    assert (checked.price_ticks, checked.collar_ticks, checked.messages) == (90, 0, 0)
    assert (checked.available_atoms, checked.needed_atoms) == (RICH, 50)


def test_a_cash_order_is_told_the_most_that_it_could_trade() -> None:
    market = Market()
    market.sell(5, at=100)
    order = {"order_type": OrderType.MARKET, "order_flags": 2, "cash_atoms": 999}
    checked = market.check(account=BOB, **order)
    assert (checked.quantity_lots, checked.needed_atoms, checked.notional_atoms) == (4, 999, 999)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity_lots": 0}, RejectCode.QUANTITY_BELOW_MINIMUM),
        ({"quantity_lots": 1_000_000, "price_ticks": 1_000_000}, RejectCode.INSUFFICIENT_FUNDS),
        ({"account": 99}, RejectCode.ACCOUNT_UNKNOWN),
        ({"client_order_id": client_id("o1")}, RejectCode.DUPLICATE_CLIENT_ORDER_ID),
    ],
)
def test_a_refused_order_is_told_what_its_own_refusal_would_say(
    fields: dict[str, Any], code: RejectCode
) -> None:
    market = Market()
    market.buy(1, at=90)
    fields = {"quantity_lots": 1, "price_ticks": 95} | fields
    checked = market.check(**fields)
    assert (checked.code, checked.needed_atoms) == (code, 0)
    values: dict[str, Any] = {"client_order_id": client_id("dry")} | fields
    market.place(**values)
    refused = market.event(e.OrderRejected)
    assert (refused.code, refused.limit, refused.usage) == (
        checked.code,
        checked.limit,
        checked.usage,
    )


def test_the_throttle_is_looked_at_and_not_counted() -> None:
    market = Market()
    market.send(
        c.SetAccountLimits,
        account=ALICE,
        open_orders_max=5,
        message_burst=1,
        message_interval_ns=SECOND,
    )
    for _ in range(3):
        assert market.check(quantity_lots=1, price_ticks=90).code == RejectCode.NONE
    market.buy(1, at=90)
    checked = market.check(quantity_lots=1, price_ticks=90)
    assert checked.code == RejectCode.MESSAGE_RATE_EXCEEDED
    assert (checked.limit, checked.usage) == (1, 2)


def test_before_the_venue_is_configured_it_says_so() -> None:
    venue = Venue()
    venue.send(c.CheckOrder, account=ALICE)
    (checked,) = venue.records
    assert isinstance(checked, e.OrderChecked)
    assert checked.code == RejectCode.NOT_CONFIGURED


@pytest.mark.parametrize("kind", [ReferenceEngine, NativeEngine])
def test_every_order_of_a_flow_is_decided_as_its_dry_run_was(
    chance: random.Random, kind: type[ReferenceEngine | NativeEngine]
) -> None:
    engine, twin, asked, shift = kind(), kind(), 0, 0
    for command, _ in Flow(chance.getrandbits(32)).run(ReferenceEngine(), 1500):
        if struct.unpack_from("<H", command, 2)[0] != c.PlaceOrder.KIND:
            engine.apply(_renumbered(command, shift))
            continue
        order = c.PlaceOrder.unpack(command)
        twin.restore(engine.snapshot())
        (checked,) = e.EVENTS.unpack(engine.apply(_of_kind(c.CheckOrder, order, shift)))
        twin.apply(_of_kind(c.QueryOrder, order, shift))  # is refused, so it changes nothing too
        assert engine.snapshot() == twin.snapshot()
        shift += 1
        told = list(e.EVENTS.unpack(engine.apply(_renumbered(command, shift))))
        if told:  # a repeat says nothing
            asked += 1
            assert isinstance(checked, e.OrderChecked)
            code = told[0].code if isinstance(told[0], e.OrderRejected) else RejectCode.NONE
            assert checked.code == code, (checked, told[0])
    assert asked > 300


def _renumbered(command: bytes, shift: int) -> bytes:
    numbered = bytearray(command)
    (sequence,) = struct.unpack_from("<Q", command, 8)
    for at, _ in records_of(command):
        struct.pack_into("<Q", numbered, at + 8, sequence + shift)
    return bytes(numbered)


def _of_kind(kind: type[Record], order: c.PlaceOrder, shift: int) -> bytes:
    """Make a command of another kind of an order's fields, in its place, of no source."""
    names = {field.name for field in kind.FIELDS[3:]} & {field.name for field in order.FIELDS}
    values = {name: getattr(order, name) for name in names}
    return kind.make(**values | {"source": 0, "sequence": order.sequence + shift}).pack()


def test_what_is_held_is_what_the_order_then_holds() -> None:
    market = Market(maker_ppm=100, taker_ppm=333)
    checked = market.check(quantity_lots=7, price_ticks=99)
    market.buy(7, at=99)
    assert market.balance(ALICE, QUOTE) == (RICH, checked.needed_atoms)
