"""Promises of amends, cancels, mass cancels, queries and client ids."""

from __future__ import annotations

from typing import Any

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import OrderFlag, OrderStatus, Phase, Scope, Side, TimeInForce
from tests.unit.engine.scenario import (
    ALAN,
    ALICE,
    BASE,
    BOB,
    BOOK,
    QUOTE,
    RICH,
    SECOND,
    Market,
    without_levels,
)
from venue.reference.state_records import VenueRecord


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_smaller_quantity_keeps_its_place(market: Market) -> None:
    market.sell(5, at=100)
    market.sell(5, at=100, account=BOB)
    assert market.amend(1, quantity_lots=3) == [
        "amended 1 sell 3@100 leaves 3 kept",
        "level sell 100: 8 in 2",
    ]
    assert "trade 3@100 maker 1 taker 3" in market.buy(3, at=100, account=31, session=3)
    assert market.balance(ALICE, BASE) == (RICH - 30, 0)


@pytest.mark.parametrize("changes", [{"quantity_lots": 6}, {"display_lots": 2}])
def test_any_other_change_goes_to_the_back(market: Market, changes: dict[str, int]) -> None:
    market.sell(5, at=100)
    market.sell(5, at=100, account=BOB)
    assert market.amend(1, **changes)[0].endswith("moved")
    assert "trade 1@100 maker 2 taker 3" in market.buy(1, at=100, account=31)


def test_an_amended_price_may_trade_at_once(market: Market) -> None:
    market.buy(5, at=90)
    market.sell(3, at=100, account=BOB)
    assert market.amend(1, price_ticks=100) == [
        "amended 1 buy 5@100 leaves 5 moved",
        "trade 3@100 maker 2 taker 1",
        "level buy 90: 0 in 0",
        "level sell 100: 0 in 0",
        "level buy 100: 2 in 1",
    ]
    assert market.balance(ALICE, QUOTE) == (RICH - 600, 400)


def test_an_icebergs_hidden_part_shrinks_first(market: Market) -> None:
    market.sell(10, at=100, display_lots=4)
    assert market.amend(1, quantity_lots=5) == ["amended 1 sell 5@100 leaves 5 kept"]
    assert market.amend(1, quantity_lots=3) == [
        "amended 1 sell 3@100 leaves 3 kept",
        "level sell 100: 3 in 1",
    ]
    assert market.event(e.OrderAmended).display_lots == 0


def test_a_post_only_amend_that_would_take_is_refused_and_the_order_stands(
    market: Market,
) -> None:
    market.buy(5, at=90, order_flags=OrderFlag.POST_ONLY)
    market.sell(3, at=100, account=BOB)
    assert market.amend(1, price_ticks=100) == ["amend rejected POST_ONLY_WOULD_TAKE 100 100"]
    assert market.query(1) == ["reported 1 buy 5@90 NEW leaves 5"]
    assert market.balance(ALICE, QUOTE) == (RICH, 900)


def test_an_order_is_found_by_any_id_it_ever_had(market: Market) -> None:
    market.buy(5, at=90, client="first")
    market.amend(1, quantity_lots=4, client_order_id=client_id("second"))
    event = market.event(e.OrderAmended)
    assert event.client_order_id == client_id("second")
    assert event.previous_client_order_id == client_id("first")
    for name in ("first", "second"):
        assert market.query(client_order_id=client_id(name)) == ["reported 1 buy 4@90 NEW leaves 4"]
    assert market.cancel(original_client_order_id=client_id("first"))[0] == "cancelled 1 REQUESTED"


def test_another_accounts_order_is_unknown(market: Market) -> None:
    market.buy(5, at=90, client="mine")
    assert market.cancel(1, account=BOB) == ["cancel rejected ORDER_UNKNOWN 0 0"]
    assert market.cancel(1, account=ALAN) == ["cancel rejected ORDER_UNKNOWN 0 0"]
    assert market.amend(account=BOB, original_client_order_id=client_id("mine")) == [
        "amend rejected ORDER_UNKNOWN 0 0"
    ]


def test_a_refused_amend_changes_nothing_at_all(market: Market) -> None:
    market.sell(5, at=100)
    market.buy(2, at=100, account=BOB)
    refusals: dict[str, dict[str, Any]] = {
        "AMEND_BELOW_FILLED 2 2": {"quantity_lots": 2},
        "AMEND_CHANGES_NOTHING 0 0": {"quantity_lots": 5, "price_ticks": 100},
        "INSTRUMENT_MISMATCH 1 9": {"quantity_lots": 4, "instrument": 9},
        "SIDE_MISMATCH 2 1": {"quantity_lots": 4, "side": Side.BUY},
        "QUANTITY_ABOVE_MAXIMUM 1000000 1000001": {"quantity_lots": 1_000_001},
        "QUANTITY_BELOW_MINIMUM 1 -1": {"quantity_lots": -1},
        "PRICE_OUT_OF_RANGE 1000000 1000001": {"price_ticks": 1_000_001},
        "STOP_PRICE_INVALID 0 100": {"stop_price_ticks": 100},
        "DISPLAY_QUANTITY_INVALID 5 6": {"display_lots": 6},
        f"EXPIRY_INVALID {market.now_ns} {market.now_ns + 1}": {"expire_at_ns": market.now_ns + 1},
        "CLIENT_ORDER_ID_INVALID 0 0": {"quantity_lots": 4, "client_order_id": b"\x01" * 40},
        "DUPLICATE_CLIENT_ORDER_ID 0 0": {
            "quantity_lots": 4,
            "client_order_id": client_id("o1"),
        },
    }
    before = market.engine.snapshot()[VenueRecord.LENGTH :]
    for line, changes in refusals.items():
        assert market.amend(1, **changes) == [f"amend rejected {line}"]
        assert market.engine.snapshot()[VenueRecord.LENGTH :] == before


def test_done_orders_are_answered_as_done_while_remembered(market: Market) -> None:
    market.sell(1, at=100, client="gone")
    market.buy(1, at=100, account=BOB)
    lines = market.amend(original_client_order_id=client_id("gone"), quantity_lots=3)
    assert lines == [f"amend rejected ORDER_ALREADY_DONE 0 {OrderStatus.FILLED}"]
    assert market.event(e.AmendRejected).status == OrderStatus.FILLED
    assert market.cancel(1) == [f"cancel rejected ORDER_ALREADY_DONE 0 {OrderStatus.FILLED}"]
    assert market.query(1) == ["reported 1 sell 1@100 FILLED leaves 0"]
    market.later(60 * SECOND)
    assert market.cancel(1) == ["cancel rejected ORDER_UNKNOWN 0 0"]


@pytest.mark.parametrize(("wait", "is_new"), [(-1, False), (0, True), (1, True)])
def test_a_client_id_is_remembered_for_the_window_after_its_order_is_gone(
    market: Market, wait: int, is_new: bool
) -> None:
    market.buy(1, at=90, client="again")
    market.later(1000 * SECOND)
    assert market.buy(1, at=90, client="again") == ["rejected DUPLICATE_CLIENT_ORDER_ID 0 0"]
    market.cancel(1, client_order_id=client_id("cancel"))
    market.later(60 * SECOND + wait)
    for name in ("again", "cancel"):
        lines = market.buy(1, at=90, client=name)
        assert lines[0].startswith("accepted") == is_new


def test_ids_of_refused_requests_are_not_remembered(market: Market) -> None:
    market.buy(0, at=90, client="retry")
    assert market.buy(1, at=90, client="retry")[0] == "accepted 1 buy 1@90"


def test_ids_are_each_accounts_own(market: Market) -> None:
    market.buy(1, at=90, client="same")
    assert market.buy(1, at=90, client="same", account=BOB)[0].startswith("accepted")


def test_a_full_id_memory_refuses_orders_and_amends_but_never_cancels(market: Market) -> None:
    market.configure(client_ids_max=2)
    market.buy(1, at=90)
    market.buy(1, at=90)
    assert market.buy(1, at=90) == ["rejected CLIENT_ORDER_ID_MEMORY_FULL 2 3"]
    assert market.amend(1, price_ticks=91, client_order_id=client_id("x")) == [
        "amend rejected CLIENT_ORDER_ID_MEMORY_FULL 2 3"
    ]
    assert market.cancel(1, client_order_id=client_id("c"))[0] == "cancelled 1 REQUESTED"
    assert market.mass_cancel(Scope.ACCOUNT, client_order_id=client_id("m"))[-2:] == [
        "mass cancelled 1",
        "level buy 90: 0 in 0",
    ]
    market.later(60 * SECOND)
    assert market.buy(1, at=90)[0].startswith("accepted")


def test_one_account_cannot_fill_everybodys_id_memory(market: Market) -> None:
    market.configure(client_ids_max=8000)
    for number in range(1000):
        told = market.mass_cancel(Scope.ACCOUNT, client_order_id=client_id(f"m{number}"))
        assert told == ["mass cancelled 0"]
    assert market.buy(1, at=90) == ["rejected CLIENT_ORDER_ID_MEMORY_FULL 1000 1001"]
    assert market.buy(1, at=90, account=BOB)[0].startswith("accepted")
    assert market.mass_cancel(Scope.ACCOUNT, client_order_id=client_id("more")) == [
        "mass cancelled 0"
    ]


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.CALL_AUCTION])
def test_a_post_only_order_is_not_amended_into_an_uncross(market: Market, phase: int) -> None:
    market.buy(5, at=90, order_flags=OrderFlag.POST_ONLY)
    market.phase(phase)
    market.sell(5, at=95, account=BOB)
    assert market.amend(1, price_ticks=95) == ["amend rejected POST_ONLY_WOULD_TAKE 95 95"]
    assert market.amend(1, price_ticks=94)[0].startswith("amended")


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.HALTED, Phase.CLOSED])
def test_cancels_are_taken_in_every_phase_and_under_every_kill(market: Market, phase: int) -> None:
    market.buy(1, at=90)
    market.phase(phase)
    for scope, target in ((1, 0), (2, 1), (3, ALICE), (4, 1), (5, BOOK)):
        market.kill(scope, target)
    assert market.cancel(1)[0] == "cancelled 1 REQUESTED"


def test_a_cancel_says_who_asked(market: Market) -> None:
    market.buy(1, at=90, client="order")
    market.cancel(1, client_order_id=client_id("please"))
    event = market.event(e.OrderCancelled)
    assert event.client_order_id == client_id("order")
    assert event.request_client_order_id == client_id("please")
    assert (event.origin_session, event.origin_connection) == (1, 1)


def test_mass_cancel_reaches_its_scope_oldest_first(market: Market) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(Phase.CONTINUOUS, instrument=2)
    market.buy(1, at=90)
    market.buy(1, at=91, account=ALAN)
    market.sell(1, at=110)
    market.buy(1, at=90, instrument=2)
    market.buy(1, at=90, account=BOB)
    assert without_levels(market.mass_cancel(Scope.ACCOUNT, side=Side.SELL)) == [
        "cancelled 3 MASS_CANCEL",
        "mass cancelled 1",
    ]
    assert without_levels(market.mass_cancel(Scope.ACCOUNT, instrument=2)) == [
        "cancelled 4 MASS_CANCEL",
        "mass cancelled 1",
    ]
    assert without_levels(market.mass_cancel(Scope.FIRM)) == [
        "cancelled 1 MASS_CANCEL",
        "cancelled 2 MASS_CANCEL",
        "mass cancelled 2",
    ]
    assert market.mass_cancel(Scope.VENUE) == ["mass cancel rejected SCOPE_INVALID 0 1"]


def test_a_gateways_refusal_is_put_on_record_and_remembered_nowhere(market: Market) -> None:
    code = RejectCode.GATEWAY_PRICE_OFF_TICK
    market.send(c.RecordRefusal, account=ALICE, code=code, client_order_id=client_id("o"))
    assert market.event(e.RefusalRecorded).code == code
    assert market.buy(1, at=90, client="o")[0].startswith("accepted")


def test_an_accepted_amend_takes_the_fee_rates_of_now() -> None:
    market = Market(taker_ppm=0)
    market.buy(10, at=100)
    market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=50_000, taker_ppm=100_000)
    market.send(c.AssignFeeSchedule, account=ALICE, fee_schedule=2)
    assert market.amend(1, quantity_lots=5)[0].endswith("kept")
    assert market.event(e.OrderAmended).held_atoms == 5 * 100 * 2 + 100
    market.sell(1, at=100, account=BOB)
    assert market.event(e.TradeExecuted).maker_fee_atoms == 10
    assert market.balance(ALICE, QUOTE) == (RICH - 210, 4 * 100 * 2 + 80)


def test_an_amended_date_moves_the_expiry(market: Market) -> None:
    market.buy(
        1,
        at=90,
        time_in_force=TimeInForce.GOOD_TILL_DATE,
        expire_at_ns=market.now_ns + SECOND,
    )
    market.amend(1, expire_at_ns=market.now_ns + 2 * SECOND)
    assert market.later(2 * SECOND - 1) == []
    assert market.later(1)[0] == "expired 1 DATE_REACHED"
