"""Promises of continuous matching: priority, prices, times in force, icebergs, post-only."""

from __future__ import annotations

import pytest

from messages.trading import events as e
from messages.trading.terms import OrderFlag, OrderStatus, OrderType, TimeInForce
from tests.unit.engine.scenario import ALICE, BASE, BOB, CAROL, QUOTE, RICH, Market, without_levels

IOC = TimeInForce.IMMEDIATE_OR_CANCEL
FOK = TimeInForce.FILL_OR_KILL
MARKET = OrderType.MARKET


@pytest.fixture
def market() -> Market:
    return Market()


def test_events_carry_the_trader_of_each_order_and_the_rates_of_a_trade() -> None:
    market = Market(maker_ppm=-100, taker_ppm=300)
    market.sell(5, at=100, trader=7)
    assert market.event(e.OrderAccepted).trader == 7
    market.buy(3, at=100, account=BOB, trader=9)
    trade = market.event(e.TradeExecuted)
    assert (trade.maker_trader, trade.taker_trader) == (7, 9)
    assert (trade.maker_fee_ppm, trade.taker_fee_ppm) == (-100, 300)
    market.cancel(1)
    assert market.event(e.OrderCancelled).trader == 7
    market.buy(3, account=BOB, trader=9)
    assert market.event(e.OrderRejected).trader == 9


def test_a_limit_order_rests_at_its_price(market: Market) -> None:
    assert market.buy(5, at=99) == ["accepted 1 buy 5@99", "level buy 99: 5 in 1"]


def test_a_trade_is_at_the_resting_price_and_the_rest_rests(market: Market) -> None:
    market.sell(5, at=100)
    assert market.buy(8, at=102, account=BOB) == [
        "accepted 2 buy 8@102",
        "trade 5@100 maker 1 taker 2",
        "level sell 100: 0 in 0",
        "level buy 102: 3 in 1",
    ]


def test_better_prices_trade_first_and_equal_ones_in_time_order(market: Market) -> None:
    market.sell(1, at=101)
    market.sell(1, at=100)
    market.sell(1, at=100)
    assert without_levels(market.buy(3, at=101, account=BOB)) == [
        "accepted 4 buy 3@101",
        "trade 1@100 maker 2 taker 4",
        "trade 1@100 maker 3 taker 4",
        "trade 1@101 maker 1 taker 4",
    ]


def test_levels_are_told_once_each_in_first_touch_order(market: Market) -> None:
    for price in (102, 100, 101):
        market.sell(1, at=price)
        market.sell(1, at=price)
    lines = market.buy(6, at=102, account=BOB)
    assert lines[-3:] == [
        "level sell 100: 0 in 0",
        "level sell 101: 0 in 0",
        "level sell 102: 0 in 0",
    ]
    sequences = [
        each.book_sequence for each in market.history if isinstance(each, e.BookLevelChanged)
    ]
    assert sequences == list(range(1, len(sequences) + 1))


def test_what_an_immediate_order_cannot_trade_expires(market: Market) -> None:
    market.sell(5, at=100)
    assert market.buy(8, at=100, account=BOB, time_in_force=IOC) == [
        "accepted 2 buy 8@100",
        "trade 5@100 maker 1 taker 2",
        "expired 2 IMMEDIATE_REMAINDER",
        "level sell 100: 0 in 0",
    ]
    assert market.balance(BOB, QUOTE) == (RICH - 5 * 100 * 2, 0)


@pytest.mark.parametrize("available", [9, 10])
def test_fill_or_kill_trades_all_or_nothing(market: Market, available: int) -> None:
    market.sell(available - 4, at=100, display_lots=1)
    market.sell(4, at=101)
    lines = without_levels(market.buy(10, at=101, account=BOB, time_in_force=FOK))
    if available == 10:
        assert sum(line.startswith("trade") for line in lines) == 7
        assert market.records[-3].taker_status == OrderStatus.FILLED  # type: ignore[attr-defined]
    else:
        assert lines == ["accepted 3 buy 10@101", "expired 3 FILL_OR_KILL"]


@pytest.mark.parametrize("minimum", [4, 5, 6])
def test_a_minimum_quantity_trades_at_once_or_nothing_does(market: Market, minimum: int) -> None:
    market.sell(5, at=100)
    lines = market.buy(10, at=100, account=BOB, time_in_force=IOC, minimum_lots=minimum)
    if minimum <= 5:
        assert "trade 5@100 maker 1 taker 2" in lines
    else:
        assert lines == ["accepted 2 buy 10@100", "expired 2 MINIMUM_QUANTITY"]


def test_a_market_order_takes_up_to_its_protection_price(market: Market) -> None:
    market.sell(1, at=100)
    market.sell(1, at=110)
    market.sell(1, at=111)
    assert without_levels(market.buy(5, account=BOB, order_type=MARKET)) == [
        "accepted 4 buy 5@110",
        "trade 1@100 maker 1 taker 4",
        "trade 1@110 maker 2 taker 4",
        "expired 4 IMMEDIATE_REMAINDER",
    ]


def test_a_market_sell_is_protected_downwards_and_never_below_the_range(market: Market) -> None:
    market.limit(protection_ppm=1_000_000)
    market.buy(1, at=3)
    assert "accepted 2 sell 1@1" in market.sell(1, account=BOB, order_type=MARKET)


def test_an_iceberg_shows_one_tranche_and_refreshes_behind_others(market: Market) -> None:
    assert market.sell(10, at=100, display_lots=3) == [
        "accepted 1 sell 10@100",
        "level sell 100: 3 in 1",
    ]
    market.sell(2, at=100, account=CAROL)
    assert market.buy(7, at=100, account=BOB) == [
        "accepted 3 buy 7@100",
        "trade 3@100 maker 1 taker 3",
        "trade 2@100 maker 2 taker 3",
        "trade 2@100 maker 1 taker 3",
        "level sell 100: 1 in 1",
    ]
    assert without_levels(market.buy(5, at=100, account=BOB)) == [
        "accepted 4 buy 5@100",
        "trade 1@100 maker 1 taker 4",
        "trade 3@100 maker 1 taker 4",
        "trade 1@100 maker 1 taker 4",
    ]


def test_an_incoming_iceberg_takes_with_its_whole_quantity(market: Market) -> None:
    market.sell(7, at=100)
    assert market.buy(10, at=100, account=BOB, display_lots=1) == [
        "accepted 2 buy 10@100",
        "trade 7@100 maker 1 taker 2",
        "level sell 100: 0 in 0",
        "level buy 100: 1 in 1",
    ]


def test_display_of_the_whole_quantity_is_no_iceberg(market: Market) -> None:
    market.sell(5, at=100, display_lots=5)
    assert market.event(e.OrderAccepted).display_lots == 0


def test_post_only_is_refused_when_it_would_take(market: Market) -> None:
    market.sell(1, at=100)
    only = OrderFlag.POST_ONLY
    assert market.buy(1, at=100, account=BOB, order_flags=only) == [
        "rejected POST_ONLY_WOULD_TAKE 100 100"
    ]
    assert market.balance(BOB, QUOTE) == (RICH, 0)
    assert market.buy(1, at=99, account=BOB, order_flags=only) == [
        "accepted 2 buy 1@99",
        "level buy 99: 1 in 1",
    ]


def test_trades_move_money_and_holds_at_once(market: Market) -> None:
    market.sell(5, at=100)
    assert market.balance(ALICE, BASE) == (RICH, 50)
    market.buy(8, at=102, account=BOB)
    assert market.balance(ALICE, BASE) == (RICH - 50, 0)
    assert market.balance(ALICE, QUOTE) == (RICH + 1000, 0)
    assert market.balance(BOB, BASE) == (RICH + 50, 0)
    assert market.balance(BOB, QUOTE) == (RICH - 1000, 3 * 102 * 2)


def test_fees_round_up_once_an_order_and_a_rebate_is_paid() -> None:
    market = Market(maker_ppm=-333, taker_ppm=333)
    market.sell(3, at=100)
    fees = []
    for _ in range(3):
        market.buy(1, at=100, account=BOB)
        fees.append(market.event(e.TradeExecuted).taker_fee_atoms)
    assert fees == [1, 1, 1]  # three orders: each rounds up 0.0666
    market.buy(3, at=5000, account=CAROL)
    market.sell(1, at=4999, account=BOB)
    assert market.event(e.TradeExecuted).maker_fee_atoms == -3  # of 3.33, the taker's 4
    assert market.engine.assets()[1] == (QUOTE, 4 * RICH, 3 * 1 + 4 - 3)


def test_one_orders_fees_round_up_once_together() -> None:
    market = Market(taker_ppm=333)
    for _ in range(20):
        market.sell(1, at=100)
    market.buy(20, at=100, account=BOB)
    fees = [each.taker_fee_atoms for each in market.records if isinstance(each, e.TradeExecuted)]
    assert sum(fees) == -(-20 * 200 * 333 // 1_000_000)
    assert fees[0] == 1
    assert fees[1:15] == [0] * 14
    assert market.balance(BOB, QUOTE)[1] == 0


def test_every_command_marks_its_last_event_and_numbers_are_dense(market: Market) -> None:
    market.sell(1, at=100)
    market.buy(2, at=100, account=BOB)
    assert [each.flags for each in market.records] == [0, 0, 0, 1]  # type: ignore[attr-defined]
    numbers = [each.number for each in market.history]  # type: ignore[attr-defined]
    assert numbers == list(range(1, len(numbers) + 1))
