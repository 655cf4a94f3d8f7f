"""Promises of phases, call auctions, price bands, and what time brings."""

from __future__ import annotations

import pytest

from messages.trading import events as e
from messages.trading.terms import AMOUNT_LIMIT, OrderType, Phase, TimeInForce
from tests.unit.engine.scenario import (
    ALAN,
    ALICE,
    BOB,
    CAROL,
    QUOTE,
    RICH,
    SECOND,
    Market,
    without_levels,
)
from venue.reference.engine import ReferenceEngine

DAY = TimeInForce.DAY
IOC = TimeInForce.IMMEDIATE_OR_CANCEL
BANDS = {
    "band_ppm": 50_000,
    "band_window_ns": 60 * SECOND,
    "halt_ns": 5 * SECOND,
    "auction_ns": 10 * SECOND,
}


def auction(**limits: int) -> Market:
    return Market(phase=Phase.CALL_AUCTION, **limits)


def test_orders_gather_in_pre_open_and_uncross_when_trading_begins() -> None:
    market = Market(phase=Phase.PRE_OPEN)
    market.buy(5, at=101)
    assert market.sell(3, at=99, account=BOB) == [
        "accepted 2 sell 3@99",
        "level sell 99: 3 in 1",
    ]
    assert market.phase(Phase.CONTINUOUS) == [
        "auction trade 3@101 maker 1 taker 2",
        "uncrossed 3@101 in 1",
        "phase CONTINUOUS OPERATOR",
        "level buy 101: 2 in 1",
        "level sell 99: 0 in 0",
    ]


@pytest.mark.parametrize(
    ("buys", "sells", "reference", "price"),
    [
        # The largest volume.
        ([(5, 102), (5, 100)], [(5, 98), (5, 100)], 100, 100),
        # Equal volume: the smallest surplus.
        ([(5, 102), (2, 100)], [(5, 98)], 100, 102),
        # Equal volume, buy surplus everywhere: the highest; sell surplus: the lowest.
        ([(9, 102)], [(5, 98)], 100, 102),
        ([(5, 102)], [(9, 98)], 100, 98),
        # Equal volume and no surplus: the nearest to the reference, else the higher.
        ([(5, 104)], [(5, 98)], 100, 98),
        ([(5, 104)], [(5, 98)], 101, 104),
        ([(5, 104)], [(5, 98)], 103, 104),
        ([(5, 104)], [(5, 98)], 0, 104),
    ],
)
def test_the_auction_price(
    buys: list[tuple[int, int]], sells: list[tuple[int, int]], reference: int, price: int
) -> None:
    market = auction(reference_ticks=reference)
    for lots, at in buys:
        market.buy(lots, at=at)
    for lots, at in sells:
        market.sell(lots, at=at, account=BOB)
    market.phase(Phase.CONTINUOUS)
    assert market.event(e.AuctionUncrossed).price_ticks == price
    assert not market.engine._venue.instruments[1].book.is_crossed


def test_hidden_quantity_counts_in_an_auction() -> None:
    market = auction()
    market.buy(10, at=101, display_lots=2)
    market.sell(7, at=99, account=BOB)
    market.phase(Phase.CONTINUOUS)
    assert market.event(e.AuctionUncrossed).volume_lots == 7


def test_the_later_orders_mode_prevents_self_trades_in_an_auction() -> None:
    market = auction()
    market.buy(5, at=101)
    market.sell(5, at=99, account=ALAN)
    market.sell(5, at=100, account=BOB)
    market.buy(5, at=100, account=CAROL)
    assert without_levels(market.phase(Phase.CONTINUOUS)) == [
        "cancelled 1 SELF_TRADE",
        "auction trade 5@100 maker 2 taker 4",
        "uncrossed 5@100 in 1",
        "phase CONTINUOUS OPERATOR",
    ]


def test_both_sides_of_an_auction_pay_the_makers_rate_without_rebate() -> None:
    for maker_ppm, fee in ((10_000, 6), (-10_000, 0)):
        market = Market(phase=Phase.CALL_AUCTION, maker_ppm=maker_ppm, taker_ppm=20_000)
        market.buy(3, at=100)
        market.sell(3, at=100, account=BOB)
        market.phase(Phase.CONTINUOUS)
        trade = market.event(e.TradeExecuted)
        assert (trade.maker_fee_atoms, trade.taker_fee_atoms) == (fee, fee)
        assert market.balance(ALICE, QUOTE) == (RICH - 600 - fee, 0)


def test_the_longest_indicative_interval_can_be_written_down() -> None:
    market = Market(phase=Phase.PRE_OPEN)
    market.configure(indicative_interval_ns=AMOUNT_LIMIT - 1, client_id_window_ns=AMOUNT_LIMIT - 1)
    market.now_ns = AMOUNT_LIMIT - 1
    market.phase(Phase.CALL_AUCTION)
    other = ReferenceEngine()
    other.restore(market.engine.snapshot())
    assert other.next_deadline() == 2 * (AMOUNT_LIMIT - 1)


def test_the_indicative_price_is_told_when_it_changes() -> None:
    market = Market(phase=Phase.CLOSED)
    market.configure(indicative_interval_ns=SECOND)
    market.phase(Phase.CALL_AUCTION, until_ns=market.now_ns + 10 * SECOND)
    market.buy(5, at=101)
    market.sell(3, at=99, account=BOB)
    assert market.later(SECOND) == ["indicative 3@101 surplus 2"]
    assert market.later(SECOND) == []
    market.cancel(2, account=BOB)
    assert market.later(SECOND) == ["indicative 0@0 surplus 0"]
    assert market.later(7 * SECOND) == ["uncrossed 0@0 in 0", "phase CONTINUOUS SCHEDULE"]


def test_stops_entered_before_the_opening_are_triggered_by_it() -> None:
    market = auction()
    market.sell(1, order_type=OrderType.STOP, stop_price_ticks=101)
    market.buy(4, at=100, account=CAROL)
    market.sell(3, at=100, account=BOB)
    assert without_levels(market.phase(Phase.CONTINUOUS)) == [
        "auction trade 3@100 maker 2 taker 3",
        "uncrossed 3@100 in 1",
        "phase CONTINUOUS OPERATOR",
        "triggered 1 sell 1@91",
        "trade 1@100 maker 2 taker 1",
    ]


def test_only_cancels_pass_while_halted_or_closed() -> None:
    market = Market()
    market.buy(1, at=90)
    market.phase(Phase.HALTED)
    assert market.buy(1, at=90) == [f"rejected INSTRUMENT_HALTED 0 {Phase.HALTED}"]
    assert market.amend(1, price_ticks=91) == [f"amend rejected INSTRUMENT_HALTED 0 {Phase.HALTED}"]
    market.phase(Phase.CLOSED)
    assert market.buy(1, at=90) == [f"rejected INSTRUMENT_CLOSED 0 {Phase.CLOSED}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": OrderType.MARKET, "at": 0},
        {"time_in_force": IOC},
        {"time_in_force": TimeInForce.FILL_OR_KILL},
        {"order_flags": 1},
        {"minimum_lots": 1},
    ],
)
def test_what_must_trade_at_once_waits_for_trading(fields: dict[str, int]) -> None:
    market = auction()
    assert market.buy(1, **({"at": 100} | fields)) == [
        f"rejected ORDER_NOT_ALLOWED_IN_PHASE 0 {Phase.CALL_AUCTION}"
    ]


def test_day_orders_go_at_the_end_of_the_day_and_dated_ones_at_their_date() -> None:
    market = Market()
    day = 24 * 3600 * SECOND
    market.configure(day_offset_ns=3600 * SECOND)
    left = day - (market.now_ns - 3600 * SECOND) % day
    market.buy(1, at=90, time_in_force=DAY)
    until = market.now_ns + left
    market.buy(1, at=90, time_in_force=TimeInForce.GOOD_TILL_DATE, expire_at_ns=until)
    market.buy(1, at=90, time_in_force=DAY, order_type=OrderType.STOP_LIMIT, stop_price_ticks=90)
    market.buy(1, at=90)
    assert market.engine.next_deadline() == until
    assert market.later(left - 1) == []
    assert without_levels(market.later(1)) == [
        "expired 1 DAY_ENDED",
        "expired 2 DATE_REACHED",
        "expired 3 DAY_ENDED",
    ]
    assert market.engine.next_deadline() == 0


def test_closing_ends_day_orders() -> None:
    market = Market()
    market.buy(1, at=90, time_in_force=DAY)
    market.buy(1, at=90)
    assert market.phase(Phase.CLOSED) == [
        "phase CLOSED OPERATOR",
        "expired 1 DAY_ENDED",
        "level buy 90: 1 in 1",
    ]


def test_a_trade_outside_the_band_halts_then_reopens_by_auction() -> None:
    market = Market(**BANDS)
    market.sell(1, at=105)
    market.sell(1, at=106)
    assert market.buy(2, at=106, account=BOB) == [
        "accepted 3 buy 2@106",
        "trade 1@105 maker 1 taker 3",
        f"phase HALTED PRICE_BAND until +{5 * SECOND}",
        "level sell 105: 0 in 0",
        "level buy 106: 1 in 1",
    ]
    assert market.later(5 * SECOND) == [f"phase CALL_AUCTION PRICE_BAND until +{10 * SECOND}"]
    assert without_levels(market.later(10 * SECOND)) == [
        "auction trade 1@106 maker 2 taker 3",
        "uncrossed 1@106 in 1",
        "phase CONTINUOUS SCHEDULE",
    ]
    market.sell(1, at=111)
    assert "trade 1@111 maker 4 taker 5" in market.buy(1, at=111, account=BOB)


def test_an_immediate_order_expires_when_the_band_stops_it() -> None:
    market = Market(**BANDS)
    market.sell(1, at=106)
    assert market.buy(2, at=106, account=BOB, time_in_force=IOC) == [
        "accepted 2 buy 2@106",
        f"phase HALTED PRICE_BAND until +{5 * SECOND}",
        "expired 2 PRICE_BAND",
    ]


def test_after_a_halt_without_a_trade_stops_are_held_to_the_last_price_alone() -> None:
    market = Market(**BANDS)
    market.buy(1, order_type=OrderType.STOP, stop_price_ticks=105)
    for price in (104, 105, 106):
        market.sell(1, at=price, account=BOB)
    assert market.buy(3, at=106, account=CAROL, time_in_force=IOC)[-3] == "expired 5 PRICE_BAND"
    market.later(5 * SECOND)
    market.sell(1, order_type=OrderType.STOP, stop_price_ticks=104, account=BOB)
    assert without_levels(market.later(10 * SECOND)) == [
        "uncrossed 0@0 in 0",
        "phase CONTINUOUS SCHEDULE",
        "triggered 1 buy 1@115",
        "trade 1@106 maker 4 taker 1",
    ]


def test_an_amended_order_is_the_later_one_in_an_auction() -> None:
    market = auction()
    market.buy(1, at=99)
    market.sell(1, at=100, account=BOB)
    market.amend(1, price_ticks=100)
    assert "auction trade 1@100 maker 2 taker 1" in market.phase(Phase.CONTINUOUS)


@pytest.mark.parametrize("later", [0, 60 * SECOND])  # in that window, and in the next
def test_after_a_reopening_without_a_trade_the_band_follows_the_quotes(later: int) -> None:
    market = Market(**BANDS)
    market.sell(1, at=120)
    market.buy(1, at=120, account=BOB, time_in_force=IOC)
    market.later(5 * SECOND)
    market.buy(1, at=118, account=CAROL)
    market.later(10 * SECOND + later)
    lines = market.buy(1, at=120, account=BOB, time_in_force=IOC)
    assert "trade 1@120 maker 1 taker 4" in lines


def test_stops_that_a_halt_kept_waiting_act_when_trading_reopens() -> None:
    market = Market(**BANDS)
    market.buy(1, order_type=OrderType.STOP, stop_price_ticks=105)
    market.sell(1, at=105, account=BOB)
    market.sell(2, at=106, account=BOB)
    assert without_levels(market.buy(2, at=106, account=CAROL)) == [
        "accepted 4 buy 2@106",
        "trade 1@105 maker 2 taker 4",
        f"phase HALTED PRICE_BAND until +{5 * SECOND}",
    ]
    market.later(5 * SECOND)
    assert market.sell(1, order_type=OrderType.STOP, stop_price_ticks=104)[0].endswith("waits")
    assert without_levels(market.later(10 * SECOND)) == [
        "auction trade 1@106 maker 3 taker 4",
        "uncrossed 1@106 in 1",
        "phase CONTINUOUS SCHEDULE",
        "triggered 1 buy 1@115",
        "trade 1@106 maker 3 taker 1",
    ]


def test_a_new_window_takes_the_last_price_as_the_bands_reference() -> None:
    market = Market(**BANDS)
    for price in (104, 108):
        market.sell(1, at=price)
    assert "trade 1@104 maker 1 taker 3" in market.buy(1, at=104, account=BOB)
    market.later(60 * SECOND)
    assert "trade 1@108 maker 2 taker 4" in market.buy(1, at=108, account=BOB)


def test_an_operators_halt_without_an_end_stays() -> None:
    market = Market()
    market.phase(Phase.HALTED)
    assert market.engine.next_deadline() == 0
    assert market.phase(Phase.CONTINUOUS) == ["phase CONTINUOUS OPERATOR"]


@pytest.mark.parametrize(
    ("phase", "until"),
    [(0, 0), (6, 0), (Phase.CONTINUOUS, 0), (Phase.PRE_OPEN, 1), (Phase.CALL_AUCTION, -1)],
)
def test_impossible_phases_are_refused(phase: int, until: int) -> None:
    market = Market()
    until_ns = market.now_ns + until if until else 0
    assert market.phase(phase, until_ns=until_ns)[0].startswith("command rejected PHASE_INVALID")
