"""What is remembered of a quote's side that traded: as long as its last trade can be undone."""

from __future__ import annotations

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import OrderStatus, Phase
from tests.unit.engine.negotiation import Negotiation
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    QUOTE,
    RICH,
    SECOND,
    without_levels,
)
from tests.unit.engine.test_corrections import bust, correct, money
from venue.reference.engine import ReferenceEngine

FORGOTTEN = ["query rejected ORDER_UNKNOWN 0 0"]


@pytest.fixture
def market() -> QuotingMarket:
    """A market that keeps two trades, in which Alice quotes."""
    market = QuotingMarket(maker_ppm=-100, taker_ppm=3000)
    market.send(c.KeepTrades, trades_max=2, operator=1)
    return market


def restored(market: QuotingMarket) -> None:
    """Let the market go on from its snapshot."""
    engine = ReferenceEngine()
    engine.restore(market.engine.snapshot())
    market.engine = engine


@pytest.mark.parametrize("is_restored", [False, True])
def test_a_trade_of_a_filled_side_is_busted(market: QuotingMarket, *, is_restored: bool) -> None:
    before = money(market)
    market.mass_quote(entry((5, 99)))
    market.sell(5, at=99, account=BOB)
    if is_restored:
        restored(market)
    assert market.query(1) == ["reported 1 buy 5@99 FILLED leaves 0"]
    assert bust(market) == ["busted 1 5@99"]
    assert money(market) == before
    event = market.event(e.TradeBusted)
    assert (event.maker_status, event.maker_filled_lots) == (OrderStatus.CANCELLED, 0)
    assert event.maker_client_order_id == client_id("q1/e1")


def test_a_side_that_was_replaced_is_corrected(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    market.buy(3, at=101, account=BOB)
    market.mass_quote(entry((5, 99), (4, 102)))
    assert market.query(2) == ["reported 2 sell 4@101 CANCELLED leaves 0"]
    assert market.cancel(2) == ["cancel rejected ORDER_ALREADY_DONE 0 5"]
    assert correct(market, lots=2, price=100) == ["corrected 1 3@101 to 2@100"]
    event = market.event(e.TradeCorrected)
    assert (event.maker_filled_lots, event.maker_quantity_lots) == (2, 4)


@pytest.mark.parametrize("is_restored", [False, True])
def test_a_side_is_forgotten_with_its_last_kept_trade(
    market: QuotingMarket, *, is_restored: bool
) -> None:
    market.mass_quote(entry((5, 99)))
    market.sell(1, at=99, account=BOB)  # trade 1
    market.sell(1, at=99, account=BOB)  # trade 2
    market.cancel_quotes(1)
    if is_restored:
        restored(market)
    market.buy(9, at=90)
    market.sell(1, at=90, account=BOB)  # trade 3 lets trade 1 go
    assert bust(market, 2) == ["busted 2 1@99"]
    assert market.query(1) == ["reported 1 buy 5@99 CANCELLED leaves 0"]
    market.sell(1, at=90, account=BOB)
    assert market.query(1) == FORGOTTEN
    assert bust(market, 2) == ["command rejected TRADE_OUTSIDE_WINDOW 3 2"]


def test_a_side_whose_trades_went_before_it_is_forgotten_at_once(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99)))
    market.sell(1, at=99, account=BOB)
    market.sell(9, at=110)
    market.buy(1, at=110, account=BOB)
    market.buy(1, at=110, account=BOB)
    assert market.query(1) == ["reported 1 buy 5@99 PARTIALLY_FILLED leaves 4"]
    market.mass_quote(entry((4, 80)))
    assert market.query(1) == FORGOTTEN
    restored(market)


def test_a_side_that_stands_outlives_its_trades(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99)))
    market.sell(1, at=99, account=BOB)
    market.send(c.KeepTrades)
    assert market.query(1) == ["reported 1 buy 5@99 PARTIALLY_FILLED leaves 4"]
    restored(market)
    market.cancel_quotes(1)
    assert market.query(1) == FORGOTTEN


def test_sides_are_remembered_beyond_the_window_of_client_ids(market: QuotingMarket) -> None:
    """A quote that took a quote: no client id names either, so time forgets neither."""
    market.mass_quote(entry((5, 99)))
    market.mass_quote(entry(None, (5, 99), takes=True), account=BOB)
    market.later(600 * SECOND)
    assert bust(market) == ["busted 1 5@99"]


def test_one_command_may_let_all_go(market: QuotingMarket) -> None:
    market.mass_quote(*(entry((1, 90 + number), name=f"e{number}") for number in range(5)))
    market.sell(5, at=90, account=BOB)
    known = [order for order in range(1, 6) if market.query(order) != FORGOTTEN]
    assert known == [1, 2]
    market.send(c.KeepTrades, trades_max=1)
    assert market.query(2) == FORGOTTEN
    market.send(c.KeepTrades)
    assert market.query(1) == FORGOTTEN
    restored(market)


def test_sides_of_an_uncross_are_remembered() -> None:
    market = QuotingMarket(phase=Phase.CALL_AUCTION)
    market.send(c.KeepTrades, trades_max=2)
    market.mass_quote(entry((5, 101), takes=True))
    market.sell(5, at=99, account=BOB)
    market.phase(Phase.CONTINUOUS)
    price = market.event(e.TradeExecuted).price_ticks
    restored(market)
    assert bust(market) == [f"busted 1 5@{price}"]


def test_a_bust_that_kills_ends_own_requests_and_quotes() -> None:
    """A killed account can accept nothing, so nobody should hold funds for its requests."""
    market = Negotiation()
    market.send(c.KeepTrades, trades_max=10, operator=1)
    market.buy(5, at=100)
    market.sell(5, at=100, account=BOB)
    market.credit(BOB, QUOTE, 500)
    market.ask(5, account=ALICE)
    market.quote(market.number(), 98, account=BOB)
    market.ask(7, account=BOB)
    spent = {"account": BOB, "asset": QUOTE, "amount_atoms": RICH + 520}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    lines = bust(market)
    assert lines[:2] == ["quote 4 ended KILL_SWITCH", "request 5 ended KILL_SWITCH"]
    assert lines[-1] == f"killed ACCOUNT {BOB} cancelled 0"


def test_a_bust_that_only_needs_funds_leaves_requests_alone() -> None:
    market = Negotiation()
    market.send(c.KeepTrades, trades_max=10, operator=1)
    market.buy(5, at=100)
    market.sell(5, at=100, account=BOB)
    left = {"account": BOB, "asset": QUOTE, "amount_atoms": RICH - 1000}
    market.send(c.Debit, **left, reference=client_id("spent"))
    market.buy(10, at=90, account=BOB)
    market.ask(7, account=BOB)
    assert without_levels(bust(market)) == ["cancelled 3 BUST", "busted 1 5@100"]
    assert market.ask_what_is_open(account=BOB)[0].startswith("reported request")
    assert market.balance(ALICE, BASE) == (RICH, 0)
