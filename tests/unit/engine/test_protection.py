"""Promises of market-maker protection: docs/risk.md, "Protection groups"."""

from __future__ import annotations

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import AMOUNT_LIMIT, Phase, ProtectionLimit, Side, TimeInForce
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    BOOK,
    CAROL,
    QUOTE,
    SECOND,
    without_levels,
)
from venue.reference import bounds
from venue.reference.engine import ReferenceEngine

# One lot is 10 base atoms, one tick and lot 2 quote atoms.


@pytest.fixture
def market() -> QuotingMarket:
    return QuotingMarket()


def three_levels(market: QuotingMarket, group: int = 7) -> list[str]:
    return market.mass_quote(
        *(
            entry((2, 100 - level), (2, 100 + level), name=f"e{level}", protection_group=group)
            for level in (1, 2, 3)
        )
    )


@pytest.mark.parametrize(
    ("limits", "which", "limit"),
    [
        ({"quantity_max_atoms": 40}, ProtectionLimit.QUANTITY, 40),
        ({"notional_max_atoms": 700}, ProtectionLimit.NOTIONAL, 700),
        ({"delta_max_atoms": 30}, ProtectionLimit.DELTA, 30),
        ({"trades_max": 2}, ProtectionLimit.TRADES, 2),
    ],
)
def test_what_reaches_a_limit_takes_all_quotes_of_the_group_at_once(
    market: QuotingMarket, limits: dict[str, int], which: int, limit: int
) -> None:
    """The incoming order finds nothing more of the maker's, though it would take all of it."""
    market.protect(**limits)
    three_levels(market)
    other = market.mass_quote(entry((1, 50), None, name="other"))
    assert "mass quote 1 of 1" in other
    lines = without_levels(market.sell(9, at=90, account=BOB))
    trades = [line for line in lines if line.startswith("trade")]
    assert trades == ["trade 2@99 maker 1 taker 8", "trade 2@98 maker 3 taker 8"]
    assert [line for line in lines if "PROTECTION" in line] == [
        f"cancelled {number} PROTECTION" for number in (2, 4, 5, 6)
    ]
    triggered = market.event(e.ProtectionTriggered)
    assert (triggered.reached, triggered.limit, triggered.cancelled) == (which, limit, 4)
    assert (triggered.account, triggered.session) == (ALICE, 1)
    assert "quotes cancelled 1" in market.cancel_quotes(1), "another group's quotes stand"


def test_what_protection_would_take_away_fills_nothing_whole(market: QuotingMarket) -> None:
    """All or nothing is decided on what trades before a group's quotes go: never on the rest."""
    market.protect(quantity_max_atoms=40)
    three_levels(market)
    killed = market.sell(5, at=90, account=BOB, time_in_force=TimeInForce.FILL_OR_KILL)
    assert without_levels(killed) == ["accepted 7 sell 5@90", "expired 7 FILL_OR_KILL"]
    at_least = {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "minimum_lots": 5}
    less = market.sell(6, at=90, account=BOB, **at_least)
    assert without_levels(less) == ["accepted 8 sell 6@90", "expired 8 MINIMUM_QUANTITY"]
    whole = market.sell(4, at=90, account=BOB, time_in_force=TimeInForce.FILL_OR_KILL)
    assert [line for line in whole if line.startswith("trade")] == [
        "trade 2@99 maker 1 taker 9",
        "trade 2@98 maker 3 taker 9",
    ]


def test_all_or_nothing_passes_over_quotes_of_a_tripped_group(market: QuotingMarket) -> None:
    """Others' orders behind them count, and so does what the window has counted already."""
    market.protect(trades_max=2)
    three_levels(market)
    market.sell(1, at=90, account=BOB)
    market.place(account=CAROL, side=Side.BUY, price_ticks=97, quantity_lots=3)
    for lots, is_filled in ((5, False), (4, True)):
        lines = market.sell(lots, at=90, account=BOB, time_in_force=TimeInForce.FILL_OR_KILL)
        assert any(line.startswith("trade") for line in lines) is is_filled, lines


def test_below_its_limits_a_group_goes_on(market: QuotingMarket) -> None:
    market.protect(quantity_max_atoms=41, notional_max_atoms=789, delta_max_atoms=41, trades_max=3)
    three_levels(market)
    market.sell(4, at=90, account=BOB)
    assert market.report() == [
        "protection 7 quoting trades 2 quantity 40 notional 788 delta 40 left 0"
    ]
    assert "protection 7 QUANTITY 41 50 cancelled 4" in market.buy(1, at=110, account=BOB)


def test_what_is_bought_and_sold_again_is_no_delta(market: QuotingMarket) -> None:
    market.protect(delta_max_atoms=30)
    three_levels(market)
    market.sell(2, at=90, account=BOB)
    market.buy(2, at=110, account=BOB)
    market.sell(2, at=90, account=BOB)
    assert market.report() == [
        "protection 7 quoting trades 3 quantity 60 notional 1192 delta 20 left 0"
    ]
    lines = market.sell(1, at=90, account=BOB)
    assert "protection 7 DELTA 30 30 cancelled 3" in lines


def test_a_trade_counts_as_long_as_the_window(market: QuotingMarket) -> None:
    market.protect(trades_max=2, window_ns=SECOND)
    three_levels(market)
    market.sell(1, at=90, account=BOB)
    market.later(SECOND - 1)
    assert market.report()[0].startswith("protection 7 quoting trades 1 ")
    market.later(1)
    assert market.report()[0].startswith("protection 7 quoting trades 0 ")
    assert "trade 1@99 maker 1 taker 8" in market.sell(1, at=90, account=BOB)
    market.later(SECOND - 1)
    lines = market.sell(1, at=90, account=BOB)
    assert "protection 7 TRADES 2 2 cancelled 5" in lines


def test_a_frozen_group_refuses_quotes_until_it_is_reset(market: QuotingMarket) -> None:
    market.protect(trades_max=1)
    three_levels(market)
    market.sell(1, at=90, account=BOB)
    later = market.later(1000 * SECOND)
    assert later == []
    refused = without_levels(three_levels(market))
    assert refused == [
        *(f"quote {place} rejected PROTECTION_FROZEN 0 7" for place in range(3)),
        "mass quote 0 of 3",
    ]
    assert market.mass_quote(entry((0, 0), (0, 0), protection_group=7))[-1] == "mass quote 1 of 1"
    assert "mass quote 1 of 1" in market.mass_quote(entry((1, 90), None, name="none"))
    assert market.reset(request_id=client_id("r1")) == ["protection 7 reset REQUESTED thawed"]
    assert market.event(e.ProtectionReset).request_id == client_id("r1")
    assert "mass quote 3 of 3" in three_levels(market)
    assert market.reset() == ["protection 7 reset REQUESTED"]


def test_a_frozen_group_thaws_when_its_time_has_come(market: QuotingMarket) -> None:
    market.protect(trades_max=1, frozen_ns=5 * SECOND)
    three_levels(market)
    until = market.now_ns + 5 * SECOND
    market.sell(1, at=90, account=BOB)
    assert market.event(e.ProtectionTriggered).frozen_until_ns == until
    assert market.engine.next_deadline() == until
    assert f"quote 0 rejected PROTECTION_FROZEN {until} 7" in three_levels(market)
    assert market.later(5 * SECOND - 1) == []
    assert market.later(1) == ["protection 7 reset TIME thawed"]
    assert "mass quote 3 of 3" in three_levels(market)


def test_thaws_take_steps_and_what_is_left_is_due_at_once(
    market: QuotingMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in (7, 8, 9):
        market.protect(group, trades_max=1, frozen_ns=5 * SECOND)
        market.mass_quote(entry((1, 99), None, name=f"e{group}", protection_group=group))
        market.sell(1, at=99, account=BOB)
    monkeypatch.setattr(bounds, "STEPS_PER_COMMAND_MAX", 2)
    market.now_ns += 5 * SECOND
    first = [f"protection {group} reset TIME thawed" for group in (7, 8)]
    assert market.send(c.AdvanceTime) == first
    assert 0 < market.engine.next_deadline() <= market.now_ns
    assert market.send(c.AdvanceTime) == ["protection 9 reset TIME thawed"]
    assert market.engine.next_deadline() == 0


def test_a_reset_or_another_definition_ends_a_freeze_before_its_time(
    market: QuotingMarket,
) -> None:
    for is_reset in (True, False):
        market.protect(trades_max=1, frozen_ns=5 * SECOND)
        three_levels(market)
        market.sell(1, at=90, account=BOB)
        if is_reset:
            market.reset()
        else:
            market.protect(trades_max=1, frozen_ns=5 * SECOND)
        assert market.engine.next_deadline() == 0
        assert "mass quote 3 of 3" in three_levels(market)
        market.cancel_quotes(1)
        market.mass_cancel(3, account=BOB)


def test_a_reset_counts_from_nothing(market: QuotingMarket) -> None:
    market.protect(trades_max=2)
    three_levels(market)
    market.sell(1, at=90, account=BOB)
    market.reset()
    assert without_levels(market.sell(1, at=90, account=BOB)) == [
        "accepted 8 sell 1@90",
        "trade 1@99 maker 1 taker 8",
    ]


def test_a_quote_that_takes_is_protected_too(market: QuotingMarket) -> None:
    market.protect(trades_max=1)
    market.sell(1, at=100, account=BOB)
    market.sell(1, at=101, account=BOB)
    lines = without_levels(
        market.mass_quote(
            entry((2, 101), None, takes=True, protection_group=7),
            entry((2, 102), None, name="e2", takes=True, protection_group=7),
        )
    )
    assert lines[-5:] == [
        "mass quote 2 of 2",
        "trade 1@100 maker 1 taker 3",
        "cancelled 3 PROTECTION",
        "cancelled 4 PROTECTION",
        "protection 7 TRADES 1 1 cancelled 2",
    ]


def test_a_group_is_protected_in_an_auction() -> None:
    market = QuotingMarket(phase=Phase.CALL_AUCTION)
    market.protect(trades_max=1)
    market.mass_quote(
        entry((2, 101), None, takes=True, protection_group=7),
        entry((2, 100), None, name="e2", takes=True, protection_group=7),
    )
    market.sell(5, at=99, account=BOB)
    lines = market.phase(Phase.CONTINUOUS)
    assert sum("auction trade" in line for line in lines) == 1
    assert "cancelled 2 PROTECTION" in lines


def test_a_side_that_is_not_given_keeps_its_group(market: QuotingMarket) -> None:
    market.protect(7, trades_max=1)
    market.protect(8, trades_max=1)
    market.mass_quote(entry((1, 99), (1, 101), protection_group=7))
    market.mass_quote(entry((1, 98), None, protection_group=8))
    assert "protection 7 TRADES 1 1 cancelled 0" in market.buy(1, at=101, account=BOB)
    assert "protection 8 TRADES 1 1 cancelled 0" in market.sell(1, at=98, account=BOB)


def test_two_makers_groups_have_nothing_to_do_with_each_other(market: QuotingMarket) -> None:
    market.protect(trades_max=1)
    market.protect(trades_max=9, account=CAROL)
    three_levels(market)
    market.mass_quote(entry((5, 97), None, protection_group=7), account=CAROL)
    market.sell(1, at=90, account=BOB)
    assert market.report(account=CAROL)[0].startswith("protection 7 quoting")


def test_without_a_limit_a_thousand_trades_are_one(
    market: QuotingMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bounds.PROTECTION_TRADES_MAX == 1000
    market.protect()
    assert market.event(e.ProtectionDefined).trades_max == 1000
    monkeypatch.setattr(bounds, "PROTECTION_TRADES_MAX", 3)
    market.protect()
    market.mass_quote(entry((9, 99), None, protection_group=7))
    market.sell(1, at=90, account=BOB)
    market.sell(1, at=90, account=BOB)
    assert "protection 7 TRADES 3 3 cancelled 1" in market.sell(1, at=90, account=BOB)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"group": 0}, "IDENTIFIER_INVALID 0 0"),
        ({"base_asset": 9}, "ASSET_UNKNOWN 0 0"),
        ({"quote_asset": 9}, "ASSET_UNKNOWN 0 0"),
        ({"quote_asset": BASE}, "LIMITS_INVALID 0 0"),
        ({"quote_asset": 0, "notional_max_atoms": 1}, "LIMITS_INVALID 0 0"),
        ({"quantity_max_atoms": -1}, "LIMITS_INVALID 0 0"),
        ({"delta_max_atoms": 1 << 62}, "LIMITS_INVALID 0 0"),
        ({"window_ns": 0}, "LIMITS_INVALID 0 0"),
        ({"frozen_ns": 1 << 62}, "LIMITS_INVALID 0 0"),
        ({"trades_max": 1001}, "LIMITS_INVALID 1000 1001"),
        ({"quote_asset": 0}, f"PROTECTION_ASSETS_DIFFER {BASE} {BASE}"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(
    market: QuotingMarket, fields: dict[str, int], expected: str
) -> None:
    market.protect()
    assert market.protect(**fields) == [f"command rejected {expected}"]


def test_the_largest_values_are_taken(market: QuotingMarket) -> None:
    largest = (1 << 62) - 1
    names = ("quantity_max_atoms", "notional_max_atoms", "delta_max_atoms", "window_ns")
    fields = dict.fromkeys((*names, "frozen_ns"), largest)
    assert market.protect(**fields, trades_max=1) == ["ProtectionDefined"]
    three_levels(market)
    market.sell(1, at=90, account=BOB)
    assert market.engine.next_deadline() == market.now_ns + largest


def test_an_account_has_so_many_groups(market: QuotingMarket) -> None:
    for group in range(1, bounds.PROTECTIONS_OF_ACCOUNT_MAX + 1):
        assert market.protect(group) == ["ProtectionDefined"]
    refused = market.protect(bounds.PROTECTIONS_OF_ACCOUNT_MAX + 1)
    assert refused == ["command rejected CAPACITY_EXCEEDED 100 101"]
    assert market.protect(1) == ["ProtectionDefined"]
    reports = market.report(0)
    assert len(reports) == 100
    assert reports[0].endswith("left 99")
    assert reports[-1].endswith("left 0")


def test_a_group_is_of_its_assets(market: QuotingMarket) -> None:
    market.protect(7, base_asset=QUOTE, quote_asset=0)
    refused = market.mass_quote(entry((1, 90), None, protection_group=7))
    assert refused[0] == f"quote 0 rejected PROTECTION_ASSETS_DIFFER {QUOTE} {BASE}"
    market.send(c.CreateAsset, asset=5, scale=8, supply_max_atoms=9, symbol=b"EUR".ljust(16, b"\0"))
    market.protect(8, quote_asset=5)
    refused = market.mass_quote(entry((1, 90), None, protection_group=8))
    assert refused[0] == f"quote 0 rejected PROTECTION_ASSETS_DIFFER 5 {QUOTE}"
    market.protect(9, quote_asset=0)
    assert "mass quote 1 of 1" in market.mass_quote(entry((1, 90), None, protection_group=9))


def test_requests_about_no_group_are_refused(market: QuotingMarket) -> None:
    assert market.reset(7) == ["quoting rejected PROTECTION_UNKNOWN 0 7"]
    assert market.reset(0) == ["quoting rejected PROTECTION_UNKNOWN 0 0"]
    assert market.report(7) == ["quoting rejected PROTECTION_UNKNOWN 0 7"]
    assert market.report(0) == ["quoting rejected PROTECTION_UNKNOWN 0 0"]
    market.protect()
    assert market.reset(connection=9) == ["quoting rejected SESSION_CLOSED 1 9"]
    assert market.report(session=2) == ["quoting rejected SESSION_NOT_ENTITLED 1 0"]


def test_groups_and_quotes_survive_a_snapshot(market: QuotingMarket) -> None:
    market.protect(6, trades_max=1, frozen_ns=5 * SECOND)
    market.protect(7, trades_max=2)
    market.mass_quote(entry((1, 99), None, name="first", protection_group=6))
    three_levels(market)
    market.sell(2, at=90, account=BOB)
    engine = ReferenceEngine()
    engine.restore(market.engine.snapshot())
    assert engine.snapshot() == market.engine.snapshot()
    assert engine.definitions() == market.engine.definitions()
    assert any(
        isinstance(each, e.ProtectionDefined) for each in e.EVENTS.unpack(engine.definitions())
    )
    market.engine = engine
    assert market.report(0) == [
        "protection 6 frozen trades 0 quantity 0 notional 0 delta 0 left 1",
        "protection 7 quoting trades 1 quantity 10 notional 198 delta 10 left 0",
    ]
    assert "amended 3 sell 2@101 leaves 2 kept" in market.mass_quote(
        entry(None, (2, 101), name="e1", protection_group=7)
    )
    assert "protection 7 TRADES 2 2 cancelled 5" in market.sell(1, at=90, account=BOB)
    assert market.later(5 * SECOND) == ["protection 6 reset TIME thawed"]


def test_the_instrument_is_not_the_groups_business(market: QuotingMarket) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(Phase.CONTINUOUS, instrument=2)
    market.protect(quantity_max_atoms=20)
    market.mass_quote(
        entry((1, 99), None, protection_group=7),
        entry((1, 99), None, protection_group=7, instrument=2),
    )
    market.sell(1, at=99, account=BOB, instrument=BOOK)
    lines = market.sell(1, at=99, account=BOB, instrument=2)
    assert "protection 7 QUANTITY 20 20 cancelled 0" in lines


def test_the_longest_freeze_comes_back_from_a_snapshot(market: QuotingMarket) -> None:
    market.protect(trades_max=1, frozen_ns=AMOUNT_LIMIT - 1)
    three_levels(market)
    market.sell(1, at=99, account=BOB)
    until = market.event(e.ProtectionTriggered).frozen_until_ns
    assert until == market.now_ns + AMOUNT_LIMIT - 1
    other = ReferenceEngine()
    other.restore(market.engine.snapshot())
    assert other.next_deadline() == market.engine.next_deadline()
    assert other.snapshot() == market.engine.snapshot()
