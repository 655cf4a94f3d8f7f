"""Busts, corrections, receivables, transfers and disputes, as docs/matching.md tells them."""

from __future__ import annotations

from typing import Any

import pytest

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import AMOUNT_LIMIT, CancelReason, DisputeReason, OrderStatus, Scope
from tests.unit.engine.negotiation import Negotiation
from tests.unit.engine.scenario import (
    ALAN,
    ALICE,
    BASE,
    BOB,
    BOOK,
    CAROL,
    QUOTE,
    RICH,
    SECOND,
    Market,
    without_levels,
)
from venue.reference.bounds import TRADES_KEPT_MAX
from venue.reference.engine import ReferenceEngine

TWO = {"operator": 1, "approver": 2}


def market_that_keeps(trades_max: int = 10, **fields: Any) -> Market:
    market = Market(**fields)
    market.send(c.KeepTrades, trades_max=trades_max, operator=1)
    return market


def terms(market: Market, trade_id: int = 1, **fields: Any) -> dict[str, Any]:
    """Return what names a trade as the events told it last."""
    told = [
        each
        for each in market.history
        if isinstance(each, e.TradeExecuted | e.TradeCorrected) and each.trade_id == trade_id
    ]
    trade = told[-1]
    market.ids += 1
    return {
        "trade_id": trade_id,
        "instrument": trade.instrument,
        "maker_account": trade.maker_account,
        "taker_account": trade.taker_account,
        "price_ticks": trade.price_ticks,
        "quantity_lots": trade.quantity_lots,
        "reference": client_id(f"after-{market.ids}"),
        **TWO,
        **fields,
    }


def bust(market: Market, trade_id: int = 1, **fields: Any) -> list[str]:
    return market.send(c.BustTrade, **terms(market, trade_id, **fields))


def correct(
    market: Market, trade_id: int = 1, *, lots: int, price: int, **fields: Any
) -> list[str]:
    new = {"new_quantity_lots": lots, "new_price_ticks": price}
    return market.send(c.CorrectTrade, **terms(market, trade_id, **new, **fields))


def money(market: Market) -> list[tuple[int, ...]]:
    return [*market.engine.balances(), *market.engine.assets()]


def test_a_bust_gives_everything_back() -> None:
    market = market_that_keeps(maker_ppm=-100, taker_ppm=3000)
    before = money(market)
    market.sell(5, at=1000)
    market.buy(5, at=1000, account=BOB)
    assert money(market) != before
    trade = market.event(e.TradeExecuted)
    assert bust(market, text=padded_text("fat finger", 96)) == ["busted 1 5@1000"]
    assert money(market) == before
    event = market.event(e.TradeBusted)
    assert event.corrected_event == trade.number
    assert (event.previous_notional_atoms, event.previous_base_atoms) == (10_000, 50)
    assert event.maker_previous_fee_atoms == trade.maker_fee_atoms == -1
    assert event.taker_previous_fee_atoms == trade.taker_fee_atoms == 30
    assert (event.quantity_lots, event.notional_atoms, event.taker_fee_atoms) == (0, 0, 0)
    assert event.maker_status == event.taker_status == OrderStatus.CANCELLED
    assert (event.maker_quantity_lots, event.maker_filled_lots, event.maker_leaves_lots) == (
        5,
        0,
        0,
    )
    assert (event.operator, event.approver, event.flags) == (1, 2, 1)


def test_a_busted_trade_leaves_the_rest_of_its_orders_alone() -> None:
    market = market_that_keeps()
    market.sell(10, at=100)
    market.buy(4, at=100, account=BOB)
    market.buy(3, at=100, account=CAROL)
    assert bust(market) == ["busted 1 4@100"]
    event = market.event(e.TradeBusted)
    assert (event.maker_quantity_lots, event.maker_leaves_lots, event.maker_filled_lots) == (
        6,
        3,
        3,
    )
    assert event.maker_filled_value == 300
    assert event.maker_status == OrderStatus.PARTIALLY_FILLED
    bust(market, 2)
    event = market.event(e.TradeBusted)
    assert (event.maker_quantity_lots, event.maker_leaves_lots, event.maker_filled_lots) == (
        3,
        3,
        0,
    )
    assert event.maker_status == OrderStatus.NEW
    assert market.query(1) == ["reported 1 sell 3@100 NEW leaves 3"]
    assert market.balance(ALICE, BASE) == (RICH, 30)
    assert without_levels(market.buy(3, at=100, account=BOB))[1] == "trade 3@100 maker 1 taker 4"


def test_a_correction_charges_what_the_other_terms_would_have() -> None:
    market = market_that_keeps(maker_ppm=-100, taker_ppm=3000)
    other = market_that_keeps(maker_ppm=-100, taker_ppm=3000)
    for each, lots, price in ((market, 5, 1000), (other, 4, 900)):
        each.sell(lots, at=price)
        each.buy(lots, at=price, account=BOB)
    assert correct(market, lots=4, price=900) == ["corrected 1 5@1000 to 4@900"]
    assert money(market) == money(other)
    event = market.event(e.TradeCorrected)
    assert (event.previous_notional_atoms, event.notional_atoms) == (10_000, 7_200)
    assert (event.taker_previous_fee_atoms, event.taker_fee_atoms) == (30, 22)
    assert (event.taker_filled_lots, event.taker_filled_value) == (4, 3600)
    assert (event.taker_status, event.maker_status) == (OrderStatus.CANCELLED,) * 2


def test_a_corrected_price_leaves_filled_orders_filled_and_can_be_busted_too() -> None:
    market = market_that_keeps(taker_ppm=500)
    before = money(market)
    market.sell(5, at=1000)
    market.buy(5, at=1000, account=BOB)
    correct(market, lots=5, price=1200)
    first = market.event(e.TradeCorrected)
    assert first.taker_status == OrderStatus.FILLED
    correct(market, lots=5, price=800)
    assert market.event(e.TradeCorrected).corrected_event == first.number
    assert bust(market) == ["busted 1 5@800"]
    assert money(market) == before


@pytest.mark.parametrize(
    ("changed", "kept", "given"),
    [
        ({"instrument": 9}, BOOK, 9),
        ({"maker_account": CAROL}, ALICE, CAROL),
        ({"taker_account": ALICE}, BOB, ALICE),
        ({"price_ticks": 101}, 100, 101),
        ({"quantity_lots": 4}, 5, 4),
    ],
)
def test_other_terms_than_the_kept_ones_are_refused(
    changed: dict[str, int], kept: int, given: int
) -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    before = money(market)
    refusal = [f"command rejected TRADE_TERMS_DIFFER {kept} {given}"]
    assert bust(market, **changed) == refusal
    assert correct(market, lots=1, price=1, **changed) == refusal
    assert money(market) == before


def test_a_trade_is_busted_once() -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    again = terms(market)
    market.send(c.BustTrade, **again)
    assert market.send(c.BustTrade, **again) == ["command rejected DUPLICATE_REFERENCE 0 0"]
    assert bust(market) == ["command rejected TRADE_ALREADY_BUSTED 0 1"]
    refused = correct(market, lots=1, price=1)
    assert refused == ["command rejected TRADE_ALREADY_BUSTED 0 1"]


def test_nobody_does_it_alone() -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    for operator, approver in ((0, 2), (1, 0), (1, 1)):
        refused = bust(market, operator=operator, approver=approver)
        assert refused == [f"command rejected APPROVAL_MISSING {operator} {approver}"]
    move: dict[str, Any] = {"account": ALICE, "to_account": ALAN, "asset": QUOTE, "amount_atoms": 5}
    sent = market.send(c.TransferFunds, **move, operator=1, reference=client_id("t"))
    assert sent == ["command rejected APPROVAL_MISSING 1 0"]


def test_the_window_is_the_last_trades_whose_orders_are_remembered() -> None:
    market = market_that_keeps(2)
    for _ in range(3):
        market.sell(1, at=100)
        market.buy(1, at=100, account=BOB)
    assert bust(market, 1) == ["command rejected TRADE_OUTSIDE_WINDOW 2 1"]
    assert bust(market, 2) == ["busted 2 1@100"]
    named = terms(market, 3) | {"trade_id": 4}
    assert market.send(c.BustTrade, **named) == ["command rejected TRADE_UNKNOWN 3 4"]
    market.later(60 * SECOND)
    assert bust(market, 3) == ["command rejected TRADE_OUTSIDE_WINDOW 0 5"]


def test_the_window_can_be_made_smaller_and_larger() -> None:
    market = Market()
    market.sell(9, at=100)
    market.buy(1, at=100, account=BOB)
    assert bust(market, 1) == ["command rejected TRADE_OUTSIDE_WINDOW 2 1"]
    for trades_max in (3, 2, 5):
        market.send(c.KeepTrades, trades_max=trades_max)
        market.buy(1, at=100, account=BOB)
    assert bust(market, 2) == ["busted 2 1@100"]
    market.buy(1, at=100, account=BOB)
    market.send(c.KeepTrades, trades_max=1)
    assert bust(market, 4) == ["command rejected TRADE_OUTSIDE_WINDOW 5 4"]
    assert bust(market, 5) == ["busted 5 1@100"]
    market.send(c.KeepTrades)
    assert bust(market, 5) == ["command rejected TRADE_OUTSIDE_WINDOW 6 5"]
    beyond = market.send(c.KeepTrades, trades_max=TRADES_KEPT_MAX + 1)
    limit = TRADES_KEPT_MAX
    assert beyond == [f"command rejected LIMITS_INVALID {limit} {limit + 1}"]
    assert market.send(c.KeepTrades, trades_max=limit) == ["TradesKept"]


@pytest.mark.parametrize(
    ("lots", "price", "refusal"),
    [
        (5, 0, "PRICE_OUT_OF_RANGE 1 0"),
        (5, 1_000_001, "PRICE_OUT_OF_RANGE 1000000 1000001"),
        (0, 100, "QUANTITY_BELOW_MINIMUM 1 0"),
        (6, 100, "QUANTITY_ABOVE_MAXIMUM 5 6"),
        (5, 100, "CORRECTION_CHANGES_NOTHING 0 0"),
    ],
)
def test_a_correction_must_be_one(lots: int, price: int, refusal: str) -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    assert correct(market, lots=lots, price=price) == [f"command rejected {refusal}"]


def test_a_correction_stays_within_what_amounts_can_be() -> None:
    market = market_that_keeps()
    market.sell(1_000_000, at=100)
    market.buy(1_000_000, at=100, account=BOB)
    lots_max, price_max = 1, (1 << 60) - 1
    market.limit(price_ticks_max=price_max, quantity_lots_max=lots_max, reference_ticks=100)
    refused = correct(market, lots=1_000_000, price=price_max)
    usage = min(2 * 1_000_000 * price_max, (1 << 63) - 1)
    limit = AMOUNT_LIMIT - 1
    assert refused == [f"command rejected NOTIONAL_ABOVE_MAXIMUM {limit} {usage}"]


def poor_market() -> Market:
    """Return a market in which Bob has spent what a sale at 100 brought him: 1000 atoms."""
    market = market_that_keeps()
    market.buy(5, at=100)
    market.sell(5, at=100, account=BOB)
    spent = {"account": BOB, "asset": QUOTE, "amount_atoms": RICH + 1000}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    return market


def test_a_shortfall_becomes_a_receivable_and_suspends_the_account() -> None:
    market = poor_market()
    assert bust(market) == [
        f"receivable of {BOB} +1000 now 1000",
        "busted 1 5@100",
        f"killed ACCOUNT {BOB} cancelled 0",
    ]
    assert market.balance(BOB, QUOTE) == (0, 0)
    assert market.engine.receivables() == [(BOB, QUOTE, 1000)]
    refused = market.buy(1, at=1, account=BOB)
    assert refused == ["rejected ACCOUNT_KILLED 0 0"]


def test_only_what_the_credit_line_does_not_cover_is_a_shortfall() -> None:
    market = poor_market()
    line = {"account": BOB, "asset": QUOTE}
    market.send(c.SetAssetLimits, **line, credit_line_atoms=400)
    assert bust(market)[0] == f"receivable of {BOB} +600 now 600"
    assert market.balance(BOB, QUOTE) == (-400, 0)
    covered = poor_market()
    covered.send(c.SetAssetLimits, **line, credit_line_atoms=1000)
    assert bust(covered) == ["busted 1 5@100"]
    assert covered.balance(BOB, QUOTE) == (-1000, 0)


def test_beyond_a_lowered_line_only_what_the_bust_adds_is_a_shortfall() -> None:
    market = poor_market()
    line = {"account": BOB, "asset": QUOTE}
    market.send(c.SetAssetLimits, **line, credit_line_atoms=5000)
    market.buy(20, at=100, account=BOB, client="b")
    market.sell(20, at=100)
    market.send(c.SetAssetLimits, **line)
    assert market.balance(BOB, QUOTE) == (-4000, 0)
    assert bust(market)[0] == f"receivable of {BOB} +1000 now 1000"
    assert market.balance(BOB, QUOTE) == (-4000, 0)


def test_open_orders_go_before_the_venue_lends() -> None:
    market = poor_market()
    market.credit(BOB, QUOTE, 1200)
    market.buy(2, at=90, account=BOB)
    market.sell(3, at=200, account=BOB)
    market.buy(2, at=80, account=BOB)
    assert without_levels(bust(market)) == [
        "cancelled 3 BUST",
        "cancelled 4 BUST",
        "cancelled 5 BUST",
        "busted 1 5@100",
    ]
    assert market.balance(BOB, QUOTE) == (200, 0)
    assert market.buy(1, at=90, account=BOB)[0] == "accepted 6 buy 1@90"
    reasons = {each.reason for each in market.history if isinstance(each, e.OrderCancelled)}
    assert reasons == {CancelReason.BUST}


def test_a_buyer_can_be_short_of_what_it_bought() -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    spent = {"account": BOB, "asset": BASE, "amount_atoms": RICH + 20}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    assert correct(market, lots=1, price=100) == [
        f"receivable of {BOB} +10 now 10",
        "corrected 1 5@100 to 1@100",
        f"killed ACCOUNT {BOB} cancelled 0",
    ]
    assert market.engine.receivables() == [(BOB, BASE, 10)]


def test_nothing_leaves_an_account_that_owes_and_it_is_not_resumed() -> None:
    market = poor_market()
    bust(market)
    take: dict[str, Any] = {"account": BOB, "asset": BASE, "amount_atoms": 5}
    owes = ["command rejected RECEIVABLE_OUTSTANDING 0 1"]
    assert market.send(c.Debit, **take, reference=client_id("d")) == owes
    assert market.send(c.ReserveWithdrawal, **take, reference=client_id("w")) == owes
    assert market.resume(Scope.ACCOUNT, BOB) == owes
    pay = {"account": BOB, "asset": QUOTE, **TWO}
    settle: dict[str, Any] = {**pay, "amount_atoms": 1001, "reference": client_id("s1")}
    assert market.send(c.SettleReceivable, **settle) == [
        "command rejected RECEIVABLE_OVERPAID 1000 1001"
    ]
    settle["amount_atoms"] = 1000
    assert market.send(c.SettleReceivable, **settle) == [
        "command rejected INSUFFICIENT_FUNDS 0 1000"
    ]
    market.credit(BOB, QUOTE, 1500)
    alone = settle | {"approver": 1}
    assert market.send(c.SettleReceivable, **alone) == ["command rejected APPROVAL_MISSING 1 1"]
    settle["amount_atoms"] = 400
    sent = market.send(c.SettleReceivable, **settle)
    assert sent == [f"receivable of {BOB} -400 now 600"]
    rest = settle | {"amount_atoms": 600, "reference": client_id("s2")}
    assert market.send(c.SettleReceivable, **rest) == [f"receivable of {BOB} -600 now 0"]
    assert market.balance(BOB, QUOTE) == (500, 0)
    assert market.resume(Scope.ACCOUNT, BOB) == [f"resumed ACCOUNT {BOB}"]
    assert market.buy(1, at=90, account=BOB)[0] == "accepted 3 buy 1@90"


def test_the_venue_lends_no_more_than_amounts_can_be() -> None:
    market = poor_market()
    largest = AMOUNT_LIMIT - 1 - (1 << 60)
    line = {"account": CAROL, "asset": QUOTE}
    market.send(c.SetAssetLimits, **line, credit_line_atoms=largest - 999)
    before = money(market)
    refused = bust(market)
    assert refused == [f"command rejected RECEIVABLES_EXCEEDED {largest} {largest + 1}"]
    assert money(market) == before
    market.send(c.SetAssetLimits, **line, credit_line_atoms=largest - 1000)
    assert bust(market)[1] == "busted 1 5@100"
    more = market.send(c.SetAssetLimits, **line, credit_line_atoms=largest - 999)
    assert more == [f"command rejected CREDIT_LINES_EXCEEDED {largest} {largest + 1}"]


def test_money_moves_between_accounts_of_one_firm() -> None:
    market = Market()
    move = {"account": ALICE, "to_account": ALAN, "asset": QUOTE, "amount_atoms": 700, **TWO}
    sent = market.send(c.TransferFunds, **move, reference=client_id("t1"))
    assert sent == [f"transferred 700 from {ALICE} to {ALAN}"]
    event = market.event(e.FundsTransferred)
    assert (event.balance_atoms, event.to_balance_atoms) == (RICH - 700, RICH + 700)
    again = market.send(c.TransferFunds, **move, reference=client_id("t1"))
    assert again == ["command rejected DUPLICATE_REFERENCE 0 0"]


def test_a_session_transfers_between_accounts_that_it_trades_for() -> None:
    market = Market()
    move: dict[str, Any] = {"account": ALICE, "to_account": ALAN, "asset": QUOTE, "amount_atoms": 7}
    asked = move | {"session": 1, "connection": 1}
    sent = market.send(c.TransferFunds, **asked, reference=client_id("t1"))
    assert sent == [f"transferred 7 from {ALICE} to {ALAN}"]
    stale = market.send(c.TransferFunds, **asked | {"connection": 2}, reference=client_id("t2"))
    assert stale == ["command rejected SESSION_CLOSED 1 2"]
    market.grant(ALAN, rights=2)
    unentitled = market.send(c.TransferFunds, **asked, reference=client_id("t3"))
    assert unentitled == ["command rejected SESSION_NOT_ENTITLED 1 2"]
    unknown = market.send(c.TransferFunds, **asked | {"session": 9}, reference=client_id("t4"))
    assert unknown == ["command rejected SESSION_NOT_ENTITLED 0 0"]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"to_account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"asset": 9}, "ASSET_UNKNOWN 0 0"),
        ({"amount_atoms": 0}, f"AMOUNT_INVALID {AMOUNT_LIMIT - 1} 0"),
        ({"to_account": BOB}, "FIRMS_DIFFER 1 2"),
        ({"to_account": ALICE}, f"TRANSFER_TO_ITSELF 0 {ALICE}"),
        ({"amount_atoms": RICH - 199}, f"INSUFFICIENT_FUNDS {RICH - 200} {RICH - 199}"),
    ],
)
def test_a_transfer_is_of_free_money_within_a_firm(changed: dict[str, int], refusal: str) -> None:
    market = Market()
    market.buy(1, at=100)
    move = {"account": ALICE, "to_account": ALAN, "asset": QUOTE, "amount_atoms": 7, **TWO}
    sent = market.send(c.TransferFunds, **(move | changed), reference=client_id("t"))
    assert sent == [f"command rejected {refusal}"]


def test_a_dispute_is_told_and_changes_nothing() -> None:
    market = market_that_keeps()
    market.sell(5, at=100)
    market.buy(5, at=100, account=BOB)
    before = market.engine.balances()
    said = {
        "account": BOB,
        "session": 2,
        "connection": 1,
        "instrument": BOOK,
        "side": 1,
        "order_id": 2,
        "event_number": market.event(e.TradeExecuted).number,
        "quantity_lots": 5,
        "price_ticks": 100,
        "client_order_id": client_id("o2"),
        "text": padded_text("not ours", 96),
    }
    unmatched = DisputeReason.NO_MATCHING_ORDER
    assert market.send(c.DisputeTrade, **said, reason=unmatched) == ["TradeDisputed"]
    event = market.event(e.TradeDisputed)
    assert {name: getattr(event, name) for name in said} == said
    assert market.engine.balances() == before
    for reason in (0, DisputeReason.OTHER + 1):
        refused = market.send(c.DisputeTrade, **said, reason=reason)
        assert refused == [f"command rejected DISPUTE_REASON_INVALID 7 {reason}"]
    stale = market.send(c.DisputeTrade, **said | {"connection": 2}, reason=7)
    assert stale == ["command rejected SESSION_CLOSED 1 2"]


def test_trades_receivables_and_the_window_are_in_the_snapshot() -> None:
    market = poor_market()
    market.sell(5, at=100)
    market.buy(2, at=100, account=CAROL)
    market.buy(2, at=100, account=CAROL)
    bust(market)
    bust(market, 2)
    restored = ReferenceEngine()
    restored.restore(market.engine.snapshot())
    assert restored.snapshot() == market.engine.snapshot()
    assert restored.receivables() == [(BOB, QUOTE, 1000)]
    assert restored.definitions() == market.engine.definitions()
    market.engine = restored
    assert bust(market, 2) == ["command rejected TRADE_ALREADY_BUSTED 0 2"]
    assert bust(market, 3) == ["busted 3 2@100"]


def test_quotes_go_with_the_orders_before_the_venue_lends() -> None:
    market = Negotiation()
    market.send(c.KeepTrades, trades_max=10)
    market.buy(5, at=100)
    market.sell(5, at=100, account=BOB)
    market.ask(3)
    request = market.number()
    market.quote(request, bid=100)
    held = market.balance(BOB, QUOTE)[1]
    assert held == 600
    free = RICH + 1000 - held
    spent = {"account": BOB, "asset": QUOTE, "amount_atoms": free}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    bust(market)
    assert market.engine.receivables() == [(BOB, QUOTE, 400)]
    assert market.balance(BOB, QUOTE) == (0, 0)
    names = [type(each).__name__ for each in market.records]
    assert names.index("RfqQuoteEnded") < names.index("ReceivableChanged")
