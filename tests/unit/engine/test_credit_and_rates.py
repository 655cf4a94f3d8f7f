"""Promises of credit lines and fee rates: what may be lent, and what a fill may pay out."""

from __future__ import annotations

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.terms import AMOUNT_LIMIT
from tests.unit.engine.scenario import ALICE, BASE, BOB, BOOK, CAROL, QUOTE, Market


@pytest.mark.parametrize("more", [0, 1])
def test_credit_lines_and_supply_stay_below_2_to_the_62(more: int) -> None:
    market = Market()
    room = AMOUNT_LIMIT - 1 - (1 << 60)
    market.send(c.SetAssetLimits, account=BOB, asset=BASE, credit_line_atoms=1000)
    lines = market.send(
        c.SetAssetLimits, account=ALICE, asset=BASE, credit_line_atoms=room - 1000 + more
    )
    assert lines == (
        [f"command rejected CREDIT_LINES_EXCEEDED {room} {room + 1}"]
        if more
        else ["AssetLimitsSet"]
    )


class Lender:
    """A market in which an account may owe nearly all that there is room for in the quote asset."""

    ROOM = AMOUNT_LIMIT - 1 - (1 << 60)
    PRICE, LOTS = 8, 1 << 56
    NOTIONAL = PRICE * LOTS * 2

    def __init__(self) -> None:
        self.market = Market(
            funds=0, price_ticks_max=self.PRICE, quantity_lots_max=self.LOTS, reference_ticks=0
        )
        self.market.credit(ALICE, BASE, self.LOTS * 10)

    def lend(self, account: int, atoms: int) -> str:
        (line,) = self.market.send(
            c.SetAssetLimits, account=account, asset=QUOTE, credit_line_atoms=atoms
        )
        return line

    def refusal(self, usage: int) -> str:
        return f"command rejected CREDIT_LINES_EXCEEDED {self.ROOM} {usage}"


def test_credit_that_is_spent_still_counts_when_the_line_is_gone() -> None:
    lender, notional = Lender(), Lender.NOTIONAL
    lender.lend(BOB, lender.ROOM)
    lender.market.buy(lender.LOTS, at=lender.PRICE, account=BOB)
    assert lender.lend(BOB, 0) == "AssetLimitsSet"  # taking away is always possible
    # What an order holds may still be spent.
    assert lender.lend(CAROL, lender.ROOM) == lender.refusal(lender.ROOM + notional)
    lender.market.sell(lender.LOTS, at=lender.PRICE)
    assert lender.market.balance(BOB, QUOTE) == (-notional, 0)
    assert lender.lend(CAROL, lender.ROOM - notional + 1) == lender.refusal(lender.ROOM + 1)
    assert lender.lend(CAROL, lender.ROOM - notional) == "AssetLimitsSet"
    # A line within what is owed lends nothing more; one beyond it does.
    assert lender.lend(BOB, notional) == "AssetLimitsSet"
    assert lender.lend(BOB, notional + 1) == lender.refusal(lender.ROOM + 1)


@pytest.mark.parametrize("restored", [False, True])
def test_credit_that_is_paid_back_can_be_given_again(restored: bool) -> None:
    lender = Lender()
    lender.lend(BOB, lender.ROOM)
    lender.market.buy(lender.LOTS, at=lender.PRICE, account=BOB)
    lender.market.sell(lender.LOTS, at=lender.PRICE)
    lender.lend(BOB, 0)
    if restored:
        engine = lender.market.engine
        engine.restore(engine.snapshot())
    lender.market.credit(BOB, QUOTE, lender.NOTIONAL - 1)
    assert lender.lend(CAROL, lender.ROOM) == lender.refusal(lender.ROOM + 1)
    lender.market.credit(BOB, QUOTE, 1)
    assert lender.lend(CAROL, lender.ROOM) == "AssetLimitsSet"


def test_credit_that_a_cancelled_order_held_can_be_given_again() -> None:
    lender = Lender()
    lender.lend(BOB, lender.ROOM)
    lender.market.buy(lender.LOTS, at=lender.PRICE, account=BOB)
    lender.lend(BOB, 0)
    assert lender.lend(CAROL, lender.ROOM) == lender.refusal(lender.ROOM + lender.NOTIONAL)
    lender.market.cancel(1, account=BOB)
    assert lender.lend(CAROL, lender.ROOM) == "AssetLimitsSet"


def test_later_orders_use_the_assigned_fee_schedule() -> None:
    market = Market()
    market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=10_000, taker_ppm=0)
    market.send(c.DefineFeeSchedule, fee_schedule=3, maker_ppm=20_000, taker_ppm=0)
    market.sell(1, at=100)
    market.send(c.AssignFeeSchedule, account=ALICE, fee_schedule=2)
    market.sell(1, at=100)
    market.send(c.AssignFeeSchedule, account=ALICE, instrument=BOOK, fee_schedule=3)
    market.sell(1, at=100)
    market.buy(3, at=100, account=BOB)
    fees = [each.maker_fee_atoms for each in market.records if isinstance(each, e.TradeExecuted)]
    assert fees == [0, 2, 4]


@pytest.mark.parametrize(
    ("maker_ppm", "taker_ppm", "refusal"),
    [
        (-250, 300, None),
        (-251, 300, "250 251"),  # schedule 1's takers pay 250
        (0, 100, None),
        (0, 99, "99 100"),  # schedule 1's makers get 100
        (100, 50, "50 100"),
        (-400, 300, "250 400"),
        (10, -5, "-5 100"),
    ],
)
def test_no_rebate_is_above_the_lowest_fee_of_any_schedule(
    maker_ppm: int, taker_ppm: int, refusal: str | None
) -> None:
    market = Market(maker_ppm=-100, taker_ppm=250)
    rates = {"maker_ppm": maker_ppm, "taker_ppm": taker_ppm}
    assert market.send(c.DefineFeeSchedule, fee_schedule=2, **rates) == (
        [f"command rejected REBATE_ABOVE_FEE {refusal}"] if refusal else ["FeeScheduleDefined"]
    )


def test_an_order_may_trade_at_older_rates_and_still_no_fill_pays_out() -> None:
    market = Market()
    market.sell(5, at=100)  # accepted at schedule 1: no fee, no rebate
    lines = market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=-1, taker_ppm=500)
    assert lines == ["command rejected REBATE_ABOVE_FEE 0 1"]
    market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=0, taker_ppm=500)
    for account in (ALICE, BOB):
        market.send(c.AssignFeeSchedule, account=account, fee_schedule=2)
    market.buy(5, at=100, account=BOB)
    trade = market.event(e.TradeExecuted)
    assert (trade.maker_fee_atoms, trade.taker_fee_atoms) == (0, 1)
