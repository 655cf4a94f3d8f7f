"""Promises about how much one command does: tranches, steps, and what goes on later."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.terms import OrderType, Phase, SelfTradePrevention, TimeInForce
from tests.unit.engine.scenario import BOB, CAROL, Market, Venue, without_levels
from venue.reference import bounds

IOC = TimeInForce.IMMEDIATE_OR_CANCEL
FOK = TimeInForce.FILL_OR_KILL
STEPS = 3
FRAME = 256 * 1024 * 1024


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    """A market in which one command may take three steps."""
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", STEPS)
    return Market()


def restored(market: Market) -> Venue:
    """Return the same venue, from its snapshot."""
    other = Venue()
    other.engine.restore(market.engine.snapshot())
    other.sequence, other.now_ns = market.sequence, market.now_ns
    assert other.engine.next_deadline() == market.engine.next_deadline()
    return other


def test_the_events_of_one_command_fit_a_frame() -> None:
    level = e.BookLevelChanged.LENGTH
    cancels = bounds.OPEN_ORDERS_MAX * (e.OrderCancelled.LENGTH + level)
    # A step is a trade, a self-trade prevention or a trigger, with what goes because of it: both
    # sides of a trade may be quotes, whose protection it triggers.
    step = max(
        e.TradeExecuted.LENGTH + 2 * e.ProtectionTriggered.LENGTH,
        e.OrderCancelled.LENGTH + e.OrderRestated.LENGTH,
        e.OrderTriggered.LENGTH + e.OrderCancelled.LENGTH,
        e.ProtectionReset.LENGTH,
    )
    steps = bounds.STEPS_PER_COMMAND_MAX * (step + 3 * level)
    quotes = bounds.QUOTES_OF_REQUEST_MAX * e.RfqQuoteEnded.LENGTH
    negotiations = bounds.QUOTE_REQUESTS_MAX * (e.QuoteRequestEnded.LENGTH + quotes)
    assert cancels + steps + negotiations < FRAME * 8 // 10


@pytest.mark.parametrize("lots", [999_999, 1_000_000])
def test_an_iceberg_may_have_a_thousand_tranches(lots: int) -> None:
    market = Market()
    assert market.sell(lots, at=100, display_lots=1000)[0].startswith("accepted")
    assert market.event(e.OrderAccepted).display_lots == 1000


def test_an_iceberg_may_not_have_more_tranches() -> None:
    market = Market()
    assert market.sell(999_001, at=100, display_lots=999) == [
        "rejected DISPLAY_QUANTITY_INVALID 1000 999"
    ]
    assert market.sell(1001, at=100, display_lots=1) == ["rejected DISPLAY_QUANTITY_INVALID 2 1"]
    assert market.sell(1000, at=100, display_lots=1)[0].startswith("accepted")


def test_the_least_display_of_the_instrument_is_checked_first() -> None:
    market = Market(display_lots_min=3)
    assert market.sell(5000, at=100, display_lots=2) == ["rejected DISPLAY_QUANTITY_INVALID 3 2"]
    assert market.sell(5000, at=100, display_lots=4) == ["rejected DISPLAY_QUANTITY_INVALID 5 4"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"quantity_lots": 1999}, "amended 1 sell 1999@100 leaves 1999 moved"),
        ({"quantity_lots": 2000}, "amended 1 sell 2000@100 leaves 2000 moved"),
        ({"quantity_lots": 2001}, "amend rejected DISPLAY_QUANTITY_INVALID 3 2"),
        ({"quantity_lots": 2001, "display_lots": 2}, "amend rejected DISPLAY_QUANTITY_INVALID 3 2"),
        ({"quantity_lots": 2001, "display_lots": 3}, "amended 1 sell 2001@100 leaves 2001 moved"),
        (
            {"quantity_lots": 2001, "display_lots": 2001},
            "amended 1 sell 2001@100 leaves 2001 moved",
        ),
        ({"display_lots": 1}, "amended 1 sell 1000@100 leaves 1000 moved"),
        ({"quantity_lots": 1001, "display_lots": 1}, "amend rejected DISPLAY_QUANTITY_INVALID 2 1"),
    ],
)
def test_an_amend_keeps_the_bound_on_tranches(changes: dict[str, int], line: str) -> None:
    market = Market()
    market.sell(1000, at=100, display_lots=2)
    assert market.amend(1, **changes)[0] == line


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_one_order_trades_so_often_and_the_rest_is_cancelled(market: Market, more: int) -> None:
    lots = STEPS + more
    market.sell(lots, at=100, display_lots=1)
    market.sell(5, at=101, account=CAROL)
    lines = without_levels(market.buy(lots, at=100, account=BOB))
    trades = ["trade 1@100 maker 1 taker 3"] * min(lots, STEPS)
    gone = ["cancelled 3 IMMEDIATE_REMAINDER"] if more == 1 else []
    assert lines == [f"accepted 3 buy {lots}@100", *trades, *gone]
    assert market.engine.next_deadline() == 0


def test_what_no_longer_crosses_rests(market: Market) -> None:
    market.sell(STEPS, at=100, display_lots=1)
    assert market.buy(STEPS + 2, at=100, account=BOB)[-1] == "level buy 100: 2 in 1"


def test_an_immediate_remainder_expires(market: Market) -> None:
    market.sell(10, at=100, display_lots=1)
    assert market.buy(10, at=100, account=BOB, time_in_force=IOC)[-2:] == [
        "expired 2 IMMEDIATE_REMAINDER",
        "level sell 100: 1 in 1",
    ]
    assert market.buy(10, account=BOB, order_type=OrderType.MARKET)[-2:] == [
        "expired 3 IMMEDIATE_REMAINDER",
        "level sell 100: 1 in 1",
    ]


def test_the_price_band_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", STEPS)
    band: dict[str, int] = {"band_ppm": 100_000, "band_window_ns": 1, "halt_ns": 1, "auction_ns": 1}
    market = Market(**band)
    market.sell(STEPS, at=100, display_lots=1)
    market.sell(1, at=200)
    lines = without_levels(market.buy(STEPS + 1, at=200, account=BOB))
    assert lines[-1] == "phase HALTED PRICE_BAND until +1"


@pytest.mark.parametrize(
    "fields", [{"time_in_force": FOK}, {"time_in_force": IOC, "minimum_lots": 4}]
)
def test_all_or_nothing_does_not_begin_what_it_may_not_end(
    market: Market, fields: dict[str, Any]
) -> None:
    market.sell(10, at=100, display_lots=1)
    lines = market.buy(4, at=100, account=BOB, **fields)
    assert lines[0].startswith("accepted")
    assert lines[1:] in (["expired 2 FILL_OR_KILL"], ["expired 2 MINIMUM_QUANTITY"])
    for number in range(4):
        market.sell(1, at=99, account=CAROL, client=f"c{number}")
    assert market.buy(4, at=99, account=BOB, **fields)[1:] == [lines[1].replace("2", "7", 1)]
    if "minimum_lots" in fields:
        fields = fields | {"minimum_lots": 3}
    assert without_levels(market.buy(3, at=99, account=BOB, **fields))[1:] == [
        f"trade 1@99 maker {maker} taker 8" for maker in (3, 4, 5)
    ]


def test_self_trade_prevention_counts(market: Market) -> None:
    for _ in range(STEPS):
        market.buy(1, at=100)
    market.buy(1, at=100, account=BOB)
    lines = without_levels(market.sell(1, at=100, time_in_force=FOK))
    assert lines == ["accepted 5 sell 1@100", "expired 5 FILL_OR_KILL"]
    mode = SelfTradePrevention.DECREMENT_AND_CANCEL
    assert without_levels(market.sell(5, at=100, self_trade_prevention=mode))[-1] == (
        "cancelled 6 IMMEDIATE_REMAINDER"
    )
    assert market.sell(1, at=100)[1] == "trade 1@100 maker 4 taker 7"


def waiting(market: Market, *prices: int) -> None:
    for price in prices:
        market.buy(1, account=CAROL, order_type=OrderType.STOP, stop_price_ticks=price)


def advance(market: Market, lines: list[str]) -> None:
    """Expect what AdvanceTime does now, in a venue restored from the snapshot too."""
    other = restored(market)
    assert 0 < market.engine.next_deadline() <= market.now_ns
    advanced = other.send(c.AdvanceTime)
    assert market.send(c.AdvanceTime) == advanced == lines
    digests = {hashlib.sha256(each.engine.snapshot()).digest() for each in (market, other)}
    assert len(digests) == 1


@pytest.mark.parametrize("stops", [STEPS - 2, STEPS - 1, STEPS + 2])
def test_stops_beyond_the_bound_wait_for_time_to_advance(market: Market, stops: int) -> None:
    waiting(market, *[101] * stops)
    market.sell(1, at=101)
    lines = without_levels(market.buy(1, at=101, account=BOB))
    triggered = [line for line in lines if line.startswith("triggered")]
    assert len(triggered) == min(stops, STEPS - 1)
    if stops < STEPS:
        assert market.engine.next_deadline() == 0
        return
    advance(
        market,
        [
            line
            for number in (3, 4, 5)
            for line in (f"triggered {number} buy 1@111", f"expired {number} IMMEDIATE_REMAINDER")
        ],
    )
    assert market.engine.next_deadline() == 0


def test_a_late_stop_that_goes_is_not_waited_for(market: Market) -> None:
    waiting(market, *[101] * STEPS)
    market.sell(1, at=101)
    market.buy(1, at=101, account=BOB)
    assert market.engine.next_deadline() == market.now_ns
    market.cancel(STEPS, account=CAROL)
    assert market.engine.next_deadline() == restored(market).engine.next_deadline() == 0


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.CALL_AUCTION])
def test_an_uncross_beyond_the_bound_goes_on_as_an_auction(market: Market, phase: int) -> None:
    market.phase(phase)
    market.buy(2 * STEPS, at=100, display_lots=1)
    market.sell(2 * STEPS + 1, at=100, account=BOB, display_lots=1)
    trades = ["auction trade 1@100 maker 1 taker 2"] * STEPS
    assert market.phase(Phase.CONTINUOUS) == [
        *trades,
        "uncrossed 3@100 in 3",
        "phase CALL_AUCTION OPERATOR until +0",
        "level buy 100: 1 in 1",
        "level sell 100: 1 in 1",
    ]
    advance(
        market,
        [
            *trades,
            "uncrossed 3@100 in 3",
            "phase CONTINUOUS SCHEDULE",
            "level buy 100: 0 in 0",
            "level sell 100: 1 in 1",
        ],
    )
    assert market.engine.next_deadline() == 0


def test_rounds_of_an_uncross_take_steps_for_what_they_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", 20)
    monkeypatch.setattr(bounds, "ORDERS_PER_STEP", 1)
    market = Market(phase=Phase.PRE_OPEN)
    market.sell(1, at=1)
    for price in range(110, 100, -1):
        mode = SelfTradePrevention.CANCEL_INCOMING
        market.buy(1, at=price, self_trade_prevention=mode)
    # Each bid is a round of its own, and is cancelled. Of 20 steps the first look takes 11 and
    # the cancel one; the second look takes the rest, and nothing can be done.
    lines = without_levels(market.phase(Phase.CONTINUOUS))
    assert lines == [
        "cancelled 2 SELF_TRADE",
        "uncrossed 0@0 in 0",
        "uncrossed 0@0 in 0",
        "phase CALL_AUCTION OPERATOR until +0",
    ]
    commands = 0
    while market.engine.next_deadline():
        lines = without_levels(market.send(c.AdvanceTime))
        commands += 1
    assert commands == 4
    assert lines[-1] == "phase CONTINUOUS SCHEDULE"


def test_what_else_is_due_waits_its_turn(market: Market) -> None:
    market.buy(STEPS, at=100, display_lots=1)
    market.phase(Phase.CALL_AUCTION, until_ns=market.now_ns + 1)
    market.sell(
        STEPS,
        at=100,
        account=BOB,
        display_lots=1,
    )
    market.sell(
        1,
        at=105,
        account=BOB,
        time_in_force=TimeInForce.GOOD_TILL_DATE,
        expire_at_ns=market.now_ns + 2,
    )
    market.now_ns += 2
    assert without_levels(market.send(c.AdvanceTime))[-1] == "phase CONTINUOUS SCHEDULE"
    advance(market, ["expired 3 DATE_REACHED", "level sell 105: 0 in 0"])


def test_each_command_has_steps_of_its_own(market: Market) -> None:
    for _ in range(3):
        market.sell(STEPS, at=100)
        market.sell(STEPS, at=100, account=CAROL)
        assert market.buy(2 * STEPS, at=100, account=BOB)[-1] == "level sell 100: 0 in 0"
