"""Every refusal of a new order, its limit and usage, and the order in which checks are made."""

from __future__ import annotations

from typing import Any

import pytest

from messages.trading import commands as c
from messages.trading.terms import AMOUNT_LIMIT, OrderFlag, OrderType, Scope, TimeInForce
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    BOOK,
    QUOTE,
    SECOND,
    START,
    Market,
    Venue,
)

IOC = TimeInForce.IMMEDIATE_OR_CANCEL
GTD = TimeInForce.GOOD_TILL_DATE
STOP = OrderType.STOP
MARKET = OrderType.MARKET
CASH = OrderFlag.CASH_QUANTITY


@pytest.fixture
def market() -> Market:
    return Market()


def refused(lines: list[str]) -> str:
    assert len(lines) == 1, lines
    return lines[0].removeprefix("rejected ")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"session": 0}, "SESSION_NOT_ENTITLED 0 0"),
        ({"session": 2}, "SESSION_NOT_ENTITLED 1 0"),
        ({"connection": 0}, "SESSION_CLOSED 1 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        ({"side": 0}, "FIELD_INVALID 0 0"),
        ({"side": 3}, "FIELD_INVALID 0 0"),
        ({"order_type": 5}, "FIELD_INVALID 0 0"),
        ({"time_in_force": 6}, "FIELD_INVALID 0 0"),
        ({"self_trade_prevention": 5}, "FIELD_INVALID 0 0"),
        ({"order_flags": 4}, "FIELD_INVALID 0 0"),
        ({"order_flags": OrderFlag.POST_ONLY, "time_in_force": IOC}, "FIELD_INVALID 0 0"),
        ({"order_flags": CASH}, f"CASH_QUANTITY_INVALID {AMOUNT_LIMIT - 1} 0"),
        ({"cash_atoms": 1}, f"CASH_QUANTITY_INVALID {AMOUNT_LIMIT - 1} 1"),
        (
            {"order_flags": CASH, "cash_atoms": AMOUNT_LIMIT},
            f"CASH_QUANTITY_INVALID {AMOUNT_LIMIT - 1} {AMOUNT_LIMIT}",
        ),
        ({"order_flags": CASH, "cash_atoms": 100}, "CASH_QUANTITY_NOT_ALLOWED 0 0"),
        ({"valid_until_ns": START - 1}, f"EXPIRY_INVALID {START - 1} {START}"),
        ({"price_ticks": 0}, "PRICE_REQUIRED 0 0"),
        ({"order_type": MARKET}, "PRICE_NOT_ALLOWED 0 90"),
        ({"order_type": STOP, "stop_price_ticks": 95}, "PRICE_NOT_ALLOWED 0 90"),
        ({"price_ticks": -1}, "PRICE_OUT_OF_RANGE 1 -1"),
        ({"price_ticks": 1_000_001}, "PRICE_OUT_OF_RANGE 1000000 1000001"),
        ({"quantity_lots": 0}, "QUANTITY_BELOW_MINIMUM 1 0"),
        ({"quantity_lots": 1_000_001}, "QUANTITY_ABOVE_MAXIMUM 1000000 1000001"),
        ({"display_lots": 11}, "DISPLAY_QUANTITY_INVALID 10 11"),
        ({"display_lots": -1}, "DISPLAY_QUANTITY_INVALID 1 -1"),
        ({"display_lots": 5, "time_in_force": IOC}, "DISPLAY_QUANTITY_INVALID 0 5"),
        ({"minimum_lots": 5}, "MINIMUM_QUANTITY_INVALID 0 5"),
        ({"minimum_lots": 11, "time_in_force": IOC}, "MINIMUM_QUANTITY_INVALID 10 11"),
        ({"stop_price_ticks": 5}, "STOP_PRICE_INVALID 0 5"),
        ({"order_type": STOP, "price_ticks": 0}, "STOP_PRICE_INVALID 1 0"),
        (
            {"order_type": STOP, "price_ticks": 0, "stop_price_ticks": 1_000_001},
            "STOP_PRICE_INVALID 1000000 1000001",
        ),
        ({"time_in_force": GTD}, f"EXPIRY_INVALID {START} 0"),
        ({"time_in_force": GTD, "expire_at_ns": START}, f"EXPIRY_INVALID {START} {START}"),
        ({"expire_at_ns": START + 1}, f"EXPIRY_INVALID 0 {START + 1}"),
        ({"client_order_id": bytes(40)}, "CLIENT_ORDER_ID_INVALID 0 0"),
        ({"client_order_id": b"x" * 37}, "CLIENT_ORDER_ID_INVALID 0 0"),
        ({"client_order_id": b"a\0b"}, "CLIENT_ORDER_ID_INVALID 0 0"),
        ({"client_order_id": b"\x7f"}, "CLIENT_ORDER_ID_INVALID 0 0"),
        ({"order_type": MARKET, "price_ticks": 0}, "MARKET_WITHOUT_LIQUIDITY 0 0"),
    ],
)
def test_an_order_is_refused(market: Market, fields: dict[str, Any], line: str) -> None:
    before = market.engine.balances()
    assert refused(market.place(**({"quantity_lots": 10, "price_ticks": 90} | fields))) == line
    assert market.engine.balances() == before
    assert market.buy(1, at=90)[0] == "accepted 1 buy 1@90"


def test_valid_until_and_expiry_hold_to_the_nanosecond(market: Market) -> None:
    assert market.buy(1, at=90, valid_until_ns=START)[0].startswith("accepted")
    lines = market.buy(1, at=90, time_in_force=GTD, expire_at_ns=START + 1)
    assert lines[0].startswith("accepted")


@pytest.mark.parametrize(
    ("scope", "target", "code"),
    [
        (Scope.VENUE, 0, "VENUE_KILLED"),
        (Scope.FIRM, 1, "FIRM_KILLED"),
        (Scope.ACCOUNT, ALICE, "ACCOUNT_KILLED"),
        (Scope.SESSION, 1, "SESSION_KILLED"),
        (Scope.INSTRUMENT, BOOK, "INSTRUMENT_KILLED"),
    ],
)
def test_a_kill_switch_stops_orders_and_amends_until_it_is_lifted(
    market: Market, scope: int, target: int, code: str
) -> None:
    market.buy(5, at=90)
    assert market.kill(scope, target) == [f"killed {Scope(scope).name} {target} cancelled 0"]
    assert refused(market.buy(1, at=90)) == f"{code} 0 0"
    assert market.amend(1, quantity_lots=1) == [f"amend rejected {code} 0 0"]
    assert market.kill(scope, target, cancel=True)[:2] == [
        "cancelled 1 KILL_SWITCH",
        f"killed {Scope(scope).name} {target} cancelled 1",
    ]
    assert market.resume(scope, target) == [f"resumed {Scope(scope).name} {target}"]
    assert market.buy(1, at=90)[0].startswith("accepted")


def test_the_widest_kill_switch_is_named_first(market: Market) -> None:
    switches = [(5, BOOK), (4, 1), (3, ALICE), (2, 1), (1, 0)]
    codes = ["INSTRUMENT", "SESSION", "ACCOUNT", "FIRM", "VENUE"]
    for (scope, target), code in zip(switches, codes, strict=True):
        market.kill(scope, target)
        assert refused(market.buy(1, at=90)) == f"{code}_KILLED 0 0"


@pytest.mark.parametrize(
    ("side", "price", "line"),
    [
        ("buy", 105, None),
        ("buy", 106, "PRICE_OUTSIDE_COLLAR 105 106"),
        ("sell", 97, None),
        ("sell", 96, "PRICE_OUTSIDE_COLLAR 97 96"),
        ("buy", 2, None),
        ("sell", 999, None),
    ],
)
def test_the_collar_bounds_the_aggressive_direction_exactly(
    side: str, price: int, line: str | None
) -> None:
    market = Market(reference_ticks=101, collar_ppm=49_000)  # 101 * 4.9% = 4.949
    lines = getattr(market, side)(1, at=price)
    assert refused(lines) == line if line else lines[0].startswith("accepted")


def test_the_collar_follows_the_last_trade() -> None:
    market = Market(collar_ppm=50_000)
    market.sell(1, at=105)
    market.buy(1, at=105, account=BOB)
    assert market.buy(1, at=110)[0].startswith("accepted")
    assert refused(market.buy(1, at=111)) == "PRICE_OUTSIDE_COLLAR 110 111"


def test_without_a_reference_only_market_orders_are_refused() -> None:
    market = Market(reference_ticks=0, collar_ppm=1)
    market.sell(1, at=100)
    assert refused(market.buy(1, order_type=MARKET, account=BOB)) == "NO_REFERENCE_PRICE 0 0"
    assert market.buy(1, at=100, account=BOB)[0].startswith("accepted")


@pytest.mark.parametrize(
    ("lots", "line"),
    [
        (4, "NOTIONAL_BELOW_MINIMUM 1000 800"),
        (5, None),
        (10, None),
        (11, "NOTIONAL_ABOVE_MAXIMUM 2000 2200"),
    ],
)
def test_notional_bounds(lots: int, line: str | None) -> None:
    market = Market(notional_min_atoms=1000, notional_max_atoms=2000)
    lines = market.buy(lots, at=100)
    assert refused(lines) == line if line else lines[0].startswith("accepted")


def test_the_throttle_admits_a_burst_and_then_one_each_interval(market: Market) -> None:
    market.send(
        c.SetAccountLimits,
        account=ALICE,
        open_orders_max=100,
        message_burst=3,
        message_interval_ns=SECOND,
    )
    market.buy(5, at=90)
    market.buy(5, at=90)
    assert market.buy(0, at=90)[0].startswith("rejected QUANTITY")  # earlier: costs nothing
    assert market.amend(1, quantity_lots=4)[0].startswith("amended")
    assert refused(market.buy(1, at=90)) == "MESSAGE_RATE_EXCEEDED 3 4"
    assert market.amend(1, quantity_lots=3) == ["amend rejected MESSAGE_RATE_EXCEEDED 3 4"]
    assert market.cancel(2)[0].startswith("cancelled")
    market.later(SECOND - 1)
    assert refused(market.buy(1, at=90)) == "MESSAGE_RATE_EXCEEDED 3 4"
    market.later(1)
    assert refused(market.buy(1, at=90, client="o1")) == "DUPLICATE_CLIENT_ORDER_ID 0 0"
    assert refused(market.buy(1, at=90)) == "MESSAGE_RATE_EXCEEDED 3 4"  # later: counted
    market.later(100 * SECOND)
    lines = [market.buy(1, at=90)[0][:8] for _ in range(4)]
    assert lines == ["accepted"] * 3 + ["rejected"]


def test_open_orders_are_counted_per_account_book_and_venue() -> None:
    market = Market(orders_max=3)
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=2)
    market.buy(1, at=90)
    market.buy(1, order_type=STOP, stop_price_ticks=200)
    assert refused(market.buy(1, at=90)) == "OPEN_ORDERS_EXCEEDED 2 3"
    market.buy(1, at=90, account=BOB)
    assert refused(market.buy(1, at=90, account=BOB)) == "BOOK_FULL 3 4"
    market.limit(orders_max=1000)
    market.configure(open_orders_max=4)
    market.buy(1, at=90, account=BOB)
    assert refused(market.buy(1, at=90, account=BOB)) == "BOOK_FULL 4 5"
    market.cancel(1)
    assert market.buy(1, at=90, account=BOB)[0].startswith("accepted")


@pytest.mark.parametrize("more", [0, 1])
def test_the_position_limit_counts_what_is_owned_and_what_is_being_bought(more: int) -> None:
    market = Market(funds=0)
    market.credit(ALICE, QUOTE, 1_000_000)
    market.credit(ALICE, BASE, 100)
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, position_max_atoms=300)
    market.buy(10, at=10)
    lines = market.buy(10 + more, at=10)
    if more:
        assert refused(lines) == "POSITION_LIMIT_EXCEEDED 300 310"
        assert market.amend(1, quantity_lots=21) == [
            "amend rejected POSITION_LIMIT_EXCEEDED 300 310"
        ]
    else:
        assert lines[0].startswith("accepted")


@pytest.mark.parametrize("funds", [2_000, 2_001, 2_002])
def test_a_buy_needs_its_notional_and_its_largest_fee(funds: int) -> None:
    market = Market(funds=0, maker_ppm=-5, taker_ppm=500)  # 10 * 100 * 2 * 0.05% = 1
    market.credit(ALICE, QUOTE, funds)
    lines = market.buy(10, at=100)
    if funds < 2_001:
        assert refused(lines) == "INSUFFICIENT_FUNDS 2000 2001"
    else:
        assert lines[0].startswith("accepted")
        assert market.balance(ALICE, QUOTE) == (funds, 2_001)


@pytest.mark.parametrize("line_atoms", [99, 100])
def test_a_credit_line_counts_as_funds_for_orders_but_never_leaves(line_atoms: int) -> None:
    market = Market(funds=0)
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, credit_line_atoms=line_atoms)
    lines = market.sell(10, at=100)
    if line_atoms < 100:
        assert refused(lines) == "INSUFFICIENT_FUNDS 99 100"
        return
    assert lines[0].startswith("accepted")
    market.credit(BOB, QUOTE, 2_000)
    market.buy(10, at=100, account=BOB)
    assert market.balance(ALICE, BASE) == (-100, 0)
    assert market.send(c.Debit, account=ALICE, asset=BASE, amount_atoms=1, reference=b"d") == [
        "command rejected INSUFFICIENT_FUNDS -100 1"
    ]


def test_what_a_trade_frees_can_be_used_at_once() -> None:
    market = Market(funds=0)
    market.credit(ALICE, BASE, 100)
    market.credit(BOB, QUOTE, 2_000)
    market.sell(10, at=100)
    market.buy(10, at=100, account=BOB)
    assert market.buy(10, at=100)[0].startswith("accepted")


def test_nothing_is_accepted_before_the_venue_is_configured() -> None:
    venue = Venue()
    for kind, line in (
        (c.PlaceOrder, "rejected"),
        (c.AmendOrder, "amend rejected"),
        (c.CancelOrder, "cancel rejected"),
        (c.QueryOrder, "query rejected"),
        (c.MassCancel, "mass cancel rejected"),
        (c.Credit, "command rejected"),
        (c.RecordRefusal, "command rejected"),
    ):
        assert venue.send(kind) == [f"{line} NOT_CONFIGURED 0 0"]
    assert venue.send(c.AdvanceTime) == []
