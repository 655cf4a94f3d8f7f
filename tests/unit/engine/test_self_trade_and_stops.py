"""Promises of self-trade prevention and of stops."""

from __future__ import annotations

import pytest

from messages.trading import events as e
from messages.trading.terms import OrderType, SelfTradePrevention, TimeInForce
from tests.unit.engine.scenario import ALAN, ALICE, BASE, BOB, QUOTE, RICH, Market, without_levels

STOP = OrderType.STOP
STOP_LIMIT = OrderType.STOP_LIMIT
FOK = TimeInForce.FILL_OR_KILL


@pytest.fixture
def market() -> Market:
    return Market()


def test_cancel_resting_works_across_accounts_of_one_owner(market: Market) -> None:
    market.sell(5, at=100)
    market.sell(5, at=100, account=BOB)
    assert without_levels(market.buy(5, at=100, account=ALAN)) == [
        "accepted 3 buy 5@100",
        "cancelled 1 SELF_TRADE",
        "trade 5@100 maker 2 taker 3",
    ]


def test_cancel_incoming_keeps_the_resting_order(market: Market) -> None:
    market.sell(5, at=100)
    mode = SelfTradePrevention.CANCEL_INCOMING
    assert market.buy(5, at=100, account=ALAN, self_trade_prevention=mode) == [
        "accepted 2 buy 5@100",
        "cancelled 2 SELF_TRADE",
    ]
    assert market.balance(ALAN, QUOTE) == (RICH, 0)


def test_cancel_both(market: Market) -> None:
    market.sell(5, at=100)
    mode = SelfTradePrevention.CANCEL_BOTH
    assert market.buy(5, at=100, account=ALAN, self_trade_prevention=mode) == [
        "accepted 2 buy 5@100",
        "cancelled 1 SELF_TRADE",
        "cancelled 2 SELF_TRADE",
        "level sell 100: 0 in 0",
    ]


@pytest.mark.parametrize("mode", list(SelfTradePrevention)[1:], ids=lambda mode: mode.name)
def test_what_was_prevented_names_the_other_order_the_lots_and_the_price(
    market: Market, mode: SelfTradePrevention
) -> None:
    market.sell(8, at=100)
    market.buy(5, at=103, account=ALAN, self_trade_prevention=mode)
    said = {
        each.order_id: (each.counter_order_id, each.prevented_lots, each.prevented_price_ticks)
        for each in market.records
        if isinstance(each, e.OrderCancelled | e.OrderRestated)
    }
    resting, incoming = {1: (2, 5, 100)}, {2: (1, 5, 100)}
    assert (
        said
        == {
            SelfTradePrevention.CANCEL_RESTING: resting,
            SelfTradePrevention.CANCEL_INCOMING: incoming,
            SelfTradePrevention.CANCEL_BOTH: resting | incoming,
            SelfTradePrevention.DECREMENT_AND_CANCEL: resting | incoming,
        }[mode]
    )
    if mode == SelfTradePrevention.CANCEL_INCOMING:
        market.cancel(1)
        assert market.event(e.OrderCancelled).counter_order_id == 0


def test_decrement_reduces_both_by_the_smaller(market: Market) -> None:
    mode = SelfTradePrevention.DECREMENT_AND_CANCEL
    market.sell(8, at=100)
    assert market.buy(5, at=100, account=ALAN, self_trade_prevention=mode) == [
        "accepted 2 buy 5@100",
        "restated 1 sell 3@100 leaves 3",
        "cancelled 2 SELF_TRADE",
        "level sell 100: 3 in 1",
    ]
    assert market.balance(ALICE, BASE) == (RICH, 30)
    assert without_levels(market.buy(5, at=100, account=ALAN, self_trade_prevention=mode)) == [
        "accepted 3 buy 5@100",
        "cancelled 1 SELF_TRADE",
        "restated 3 buy 2@100 leaves 2",
    ]
    assert market.balance(ALAN, QUOTE) == (RICH, 2 * 100 * 2)


@pytest.mark.parametrize(
    ("mode", "fills"),
    [
        (SelfTradePrevention.CANCEL_RESTING, True),
        (SelfTradePrevention.CANCEL_INCOMING, False),
        (SelfTradePrevention.CANCEL_BOTH, False),
        (SelfTradePrevention.DECREMENT_AND_CANCEL, False),
    ],
)
def test_fill_or_kill_counts_what_prevention_leaves_and_touches_nothing(
    market: Market, mode: int, fills: bool
) -> None:
    market.sell(5, at=100, account=BOB)
    market.sell(5, at=100)
    market.sell(5, at=100, account=BOB)
    lines = market.buy(10, at=100, account=ALAN, time_in_force=FOK, self_trade_prevention=mode)
    if fills:
        assert "trade 5@100 maker 3 taker 4" in lines
    else:
        assert lines == ["accepted 4 buy 10@100", "expired 4 FILL_OR_KILL"]


def test_hidden_quantity_behind_an_own_order_does_not_count(market: Market) -> None:
    market.sell(10, at=100, account=BOB, display_lots=4)
    market.sell(1, at=100)
    for lots, line in ((5, "expired 3 FILL_OR_KILL"), (4, "trade 4@100 maker 1 taker 4")):
        mode = SelfTradePrevention.CANCEL_INCOMING
        assert line in market.buy(
            lots, at=100, account=ALAN, time_in_force=FOK, self_trade_prevention=mode
        )


def test_a_stop_waits_for_its_price_and_is_triggered_before_its_trades(market: Market) -> None:
    assert market.buy(2, order_type=STOP, stop_price_ticks=105) == ["accepted 1 buy 2@115 waits"]
    market.sell(1, at=104, account=BOB)
    market.sell(5, at=105, account=BOB)
    assert without_levels(market.buy(1, at=104)) == [
        "accepted 4 buy 1@104",
        "trade 1@104 maker 2 taker 4",
    ]
    assert without_levels(market.buy(1, at=105)) == [
        "accepted 5 buy 1@105",
        "trade 1@105 maker 3 taker 5",
        "triggered 1 buy 2@115",
        "trade 2@105 maker 3 taker 1",
    ]


def test_stops_cascade_buys_first_then_the_nearest(market: Market) -> None:
    for price in (90, 80, 70, 60):
        market.buy(1, at=price, account=BOB)
    market.sell(1, order_type=STOP, stop_price_ticks=80)
    market.sell(1, order_type=STOP, stop_price_ticks=90)
    market.sell(1, order_type=STOP, stop_price_ticks=95)
    lines = without_levels(market.sell(1, at=90))
    assert lines == [
        "accepted 8 sell 1@90",
        "trade 1@90 maker 1 taker 8",
        "triggered 7 sell 1@86",
        "expired 7 IMMEDIATE_REMAINDER",
        "triggered 6 sell 1@81",
        "expired 6 IMMEDIATE_REMAINDER",
    ]


def test_what_a_stop_prints_triggers_others(market: Market) -> None:
    for price in (90, 89, 88):
        market.buy(1, at=price, account=BOB)
    market.sell(1, order_type=STOP, stop_price_ticks=89)
    market.sell(1, order_type=STOP, stop_price_ticks=90)
    lines = without_levels(market.sell(1, at=90))
    assert lines[1:] == [
        "trade 1@90 maker 1 taker 6",
        "triggered 5 sell 1@81",
        "trade 1@89 maker 2 taker 5",
        "triggered 4 sell 1@81",
        "trade 1@88 maker 3 taker 4",
    ]


def test_a_stop_already_reached_acts_at_once(market: Market) -> None:
    market.sell(1, at=100, account=BOB)
    market.buy(1, at=100)
    market.sell(1, at=101, account=BOB)
    assert without_levels(market.buy(1, order_type=STOP, stop_price_ticks=100)) == [
        "accepted 4 buy 1@110 waits",
        "triggered 4 buy 1@110",
        "trade 1@101 maker 3 taker 4",
    ]


def test_a_stop_limit_rests_after_its_trigger_unless_outside_the_collar(market: Market) -> None:
    market.limit(collar_ppm=50_000)
    market.buy(1, at=104, order_type=STOP_LIMIT, stop_price_ticks=101)
    market.sell(1, at=101, account=BOB)
    assert market.buy(1, at=101) == [
        "accepted 3 buy 1@101",
        "trade 1@101 maker 2 taker 3",
        "triggered 1 buy 1@104",
        "level sell 101: 0 in 0",
        "level buy 104: 1 in 1",
    ]
    market = Market(collar_ppm=50_000)
    market.buy(1, at=110, order_type=STOP_LIMIT, stop_price_ticks=105)
    market.sell(2, at=101, account=BOB)
    market.buy(1, at=101)
    market.sell(1, at=105, account=BOB)
    market.cancel(2, account=BOB)
    market.limit(collar_ppm=40_000, reference_ticks=105)
    lines = market.buy(1, at=105)
    assert lines[:4] == [
        "accepted 5 buy 1@105",
        "trade 1@105 maker 4 taker 5",
        "triggered 1 buy 1@110",
        "cancelled 1 PRICE_COLLAR",
    ]
    assert market.balance(ALICE, QUOTE)[1] == 0


def test_a_market_stop_that_finds_nothing_expires(market: Market) -> None:
    market.buy(1, order_type=STOP, stop_price_ticks=100)
    market.sell(1, at=100, account=BOB)
    lines = market.buy(1, at=100)
    assert lines[2:4] == ["triggered 1 buy 1@110", "expired 1 IMMEDIATE_REMAINDER"]


def test_a_waiting_stop_can_be_amended_and_cancelled(market: Market) -> None:
    market.buy(5, order_type=STOP, stop_price_ticks=105)
    assert market.amend(1, quantity_lots=3) == ["amended 1 buy 3@115 leaves 3 kept"]
    assert market.amend(1, stop_price_ticks=110) == ["amended 1 buy 3@121 leaves 3 moved"]
    assert market.event(e.OrderAmended).held_atoms == 3 * 121 * 2
    assert market.cancel(1) == ["cancelled 1 REQUESTED"]
    assert market.balance(ALICE, QUOTE) == (RICH, 0)


def test_an_amended_stop_price_that_is_reached_acts_at_once(market: Market) -> None:
    market.sell(1, at=100, account=BOB)
    market.buy(1, at=100)
    market.sell(1, at=101, account=BOB)
    market.buy(1, order_type=STOP, stop_price_ticks=105)
    assert without_levels(market.amend(4, stop_price_ticks=99)) == [
        "amended 4 buy 1@108 leaves 1 moved",
        "triggered 4 buy 1@108",
        "trade 1@101 maker 3 taker 4",
    ]
