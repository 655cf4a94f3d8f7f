"""Promises of cash quantities: spend at most so much, exactly, whatever the book holds."""

from __future__ import annotations

import random

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.terms import (
    CancelReason,
    OrderFlag,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.engine.scenario import ALAN, ALICE, BASE, BOB, QUOTE, RICH, Market, without_levels

CASH = OrderFlag.CASH_QUANTITY
LOT = 2
"""Quote atoms of one lot at one tick."""


@pytest.fixture
def market() -> Market:
    market = Market()
    market.sell(5, at=100)
    market.sell(5, at=104)
    return market


def test_a_buy_spends_its_amount_level_by_level(market: Market) -> None:
    atoms = (5 * 100 + 2 * 104) * LOT + 7
    assert without_levels(market.spend(atoms, account=BOB)) == [
        "accepted 3 buy 7@110",
        "trade 5@100 maker 1 taker 3",
        "trade 2@104 maker 2 taker 3",
    ]
    assert market.balance(BOB, QUOTE) == (RICH - atoms + 7, 0)
    assert market.balance(BOB, BASE) == (RICH + 70, 0)


def test_what_is_left_of_the_amount_is_less_than_a_lot(market: Market) -> None:
    atoms = (5 * 100 + 2 * 104) * LOT - 1
    lines = market.spend(atoms, account=BOB)
    assert without_levels(lines)[-1] == "expired 3 CASH_SPENT"
    expired = market.event(e.OrderExpired)
    assert (expired.quantity_lots, expired.filled_lots, expired.cash_atoms) == (7, 6, atoms)
    assert market.balance(BOB, QUOTE) == (RICH - (5 * 100 + 104) * LOT, 0)
    assert market.query(3, account=BOB) == ["reported 3 buy 7@110 EXPIRED leaves 0"]


def test_the_fee_is_within_the_amount() -> None:
    market = Market(taker_ppm=250_000)
    market.sell(10, at=100)
    cost = 100 * LOT * 125 // 100
    assert market.spend(4 * cost, account=BOB)[:2] == [
        "accepted 2 buy 4@110",
        "trade 4@100 maker 1 taker 2",
    ]
    assert market.balance(BOB, QUOTE) == (RICH - 4 * cost, 0)
    assert market.spend(4 * cost - 1, account=BOB)[0] == "accepted 3 buy 3@110"


def test_a_rebate_is_not_spent_again() -> None:
    market = Market(maker_ppm=100_000, taker_ppm=-100_000)
    market.sell(10, at=100)
    assert market.spend(3 * 100 * LOT, account=BOB)[:2] == [
        "accepted 2 buy 3@110",
        "trade 3@100 maker 1 taker 2",
    ]
    assert market.balance(BOB, QUOTE) == (RICH - 3 * 180, 0)


def test_a_sell_brings_in_at_most_its_amount() -> None:
    market = Market()
    market.buy(5, at=100)
    market.buy(5, at=96)
    atoms = (5 * 100 + 2 * 96) * LOT + 100
    assert without_levels(market.spend(atoms, side=Side.SELL, account=BOB)) == [
        "accepted 3 sell 8@90",
        "trade 5@100 maker 1 taker 3",
        "trade 2@96 maker 2 taker 3",
        "expired 3 CASH_SPENT",
    ]
    assert market.balance(BOB, QUOTE) == (RICH + (5 * 100 + 2 * 96) * LOT, 0)
    assert market.balance(BOB, BASE) == (RICH - 70, 0)


def test_the_amount_is_held_and_must_be_there(market: Market) -> None:
    rich = Market(funds=1000)
    rich.sell(9, at=100, account=BOB)
    assert rich.spend(1001, account=ALICE) == ["rejected INSUFFICIENT_FUNDS 1000 1001"]
    assert rich.spend(1000, account=ALICE)[0] == "accepted 2 buy 5@110"
    market.spend(300, account=BOB)
    assert market.event(e.OrderAccepted).held_atoms == 300


def test_the_bounds_of_quantity_and_notional_count_what_it_comes_to() -> None:
    market = Market(quantity_lots_min=2, quantity_lots_max=4)
    market.sell(4, at=100)
    assert market.spend(399, account=BOB) == ["rejected QUANTITY_BELOW_MINIMUM 2 1"]
    assert market.spend(400, account=BOB)[0] == "accepted 2 buy 2@110"
    assert market.spend(1000, account=BOB) == ["rejected QUANTITY_ABOVE_MAXIMUM 4 5"]
    market.limit(notional_min_atoms=300, notional_max_atoms=500)
    assert market.spend(299, account=BOB) == ["rejected NOTIONAL_BELOW_MINIMUM 300 299"]
    assert market.spend(501, account=BOB) == ["rejected NOTIONAL_ABOVE_MAXIMUM 500 501"]
    assert market.spend(500, account=BOB)[0] == "accepted 3 buy 2@110"


def test_the_protection_price_ends_it(market: Market) -> None:
    market.limit(protection_ppm=30_000)
    assert without_levels(market.spend(10_000, account=BOB)) == [
        "accepted 3 buy 50@103",
        "trade 5@100 maker 1 taker 3",
        "expired 3 IMMEDIATE_REMAINDER",
    ]


def test_it_counts_towards_the_largest_position(market: Market) -> None:
    market.send(c.SetAssetLimits, account=BOB, asset=BASE, position_max_atoms=RICH + 69)
    assert market.spend(7 * 200, account=BOB) == [
        f"rejected POSITION_LIMIT_EXCEEDED {RICH + 69} {RICH + 70}"
    ]
    assert market.spend(6 * 200, account=BOB)[0] == "accepted 3 buy 6@110"


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": OrderType.LIMIT, "price_ticks": 100},
        {"order_type": OrderType.STOP, "stop_price_ticks": 100},
        {"order_type": OrderType.STOP_LIMIT, "stop_price_ticks": 100, "price_ticks": 100},
        {"time_in_force": TimeInForce.FILL_OR_KILL},
        {"quantity_lots": 1},
        {"minimum_lots": 1, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL},
        {"display_lots": 1},
    ],
    ids=str,
)
def test_what_says_how_much_a_second_time_is_refused(
    market: Market, fields: dict[str, int]
) -> None:
    assert market.spend(1000, account=BOB, **fields) == ["rejected CASH_QUANTITY_NOT_ALLOWED 0 0"]


@pytest.mark.parametrize("time_in_force", [1, 2, 3, 5])
def test_it_never_rests_whatever_its_time_in_force(market: Market, time_in_force: int) -> None:
    expire = market.now_ns + 1 if time_in_force == TimeInForce.GOOD_TILL_DATE else 0
    market.spend(10_000, account=BOB, time_in_force=time_in_force, expire_at_ns=expire)
    assert market.event(e.OrderExpired).reason == CancelReason.IMMEDIATE_REMAINDER


def test_a_decrement_takes_the_value_of_its_lots_off_the_amount(market: Market) -> None:
    mode = SelfTradePrevention.DECREMENT_AND_CANCEL
    market.sell(9, at=106, account=BOB)
    lines = market.spend(3000, account=ALAN, self_trade_prevention=mode)
    assert without_levels(lines) == [
        "accepted 4 buy 15@110",
        "cancelled 1 SELF_TRADE",
        "restated 4 buy 10@110 leaves 10",
        "cancelled 2 SELF_TRADE",
        "restated 4 buy 5@110 leaves 5",
        "trade 4@106 maker 3 taker 4",
        "expired 4 CASH_SPENT",
    ]
    first, second = (each for each in market.records if isinstance(each, e.OrderRestated))
    assert (first.cash_atoms, second.cash_atoms) == (2000, 960)
    assert market.balance(ALAN, QUOTE) == (RICH - 4 * 106 * LOT, 0)


def test_the_trade_says_the_amount_and_a_snapshot_keeps_it(market: Market) -> None:
    market.spend(600, account=BOB, trader=3)
    trade = market.event(e.TradeExecuted)
    assert (trade.taker_cash_atoms, trade.taker_order_flags) == (600, CASH)
    assert trade.taker_status == OrderStatus.FILLED
    snapshot = market.engine.snapshot()
    market.engine.restore(snapshot)
    assert market.engine.snapshot() == snapshot
    market.query(3, account=BOB)
    assert market.event(e.OrderReported).cash_atoms == 600


def test_never_a_lot_too_many_nor_one_too_few(chance: random.Random) -> None:
    """One lot more at the last price would have cost more than was left, fees included."""
    for _ in range(200):
        taker_ppm = chance.choice((0, 1, 333, 250_000, 999_999))
        market = Market(taker_ppm=taker_ppm)
        price = chance.randint(50, 150)
        for _ in range(chance.randint(1, 4)):
            market.sell(chance.randint(1, 9), at=price)
            price += chance.randint(0, 5)
        atoms = chance.randint(200, 20_000)
        market.spend(atoms, account=BOB)
        trades = [each for each in market.records if isinstance(each, e.TradeExecuted)]
        spent = sum(each.notional_atoms + each.taker_fee_atoms for each in trades)
        assert spent <= atoms
        assert market.balance(BOB, QUOTE) == (RICH - spent, 0)
        gone = [each for each in market.records if isinstance(each, e.OrderExpired)]
        if gone and gone[0].reason == CancelReason.CASH_SPENT:
            value = sum(each.notional_atoms for each in trades) + _best_ask(market) * LOT
            assert value + -(-value * taker_ppm // 1_000_000) > atoms


def _best_ask(market: Market) -> int:
    lots = {
        each.price_ticks: each.quantity_lots
        for each in market.history
        if isinstance(each, e.BookLevelChanged) and each.side == Side.SELL
    }
    return min(price for price, shown in lots.items() if shown)
