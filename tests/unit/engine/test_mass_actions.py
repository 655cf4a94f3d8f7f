"""Promises of a client's own switches, and of lists of open orders."""

from __future__ import annotations

from typing import Any

import pytest

from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import MassActionType, OrderType, Scope, Side
from tests.unit.engine.scenario import ALAN, ALICE, BOB, BOOK, Market, Venue, without_levels
from venue.reference import bounds

SUSPEND, RELEASE, CANCEL = MassActionType.SUSPEND, MassActionType.RELEASE, MassActionType.CANCEL
SUSPENDED = ["action SUSPEND accepted", "action SUSPEND completed 1"]


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_suspended_account_places_and_amends_nothing_and_cancels_all(market: Market) -> None:
    market.buy(5, at=90)
    assert market.mass_action(SUSPEND, Scope.ACCOUNT) == SUSPENDED
    assert market.buy(5, at=91) == ["rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.amend(1, quantity_lots=4) == ["amend rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.check(quantity_lots=1, price_ticks=90).code == 263
    assert market.buy(5, at=91, account=ALAN)[0] == "accepted 2 buy 5@91"
    assert without_levels(market.cancel(1)) == ["cancelled 1 REQUESTED"]
    market.sell(1, at=91, account=BOB)
    assert market.event(e.TradeExecuted).maker_order_id == 2


def test_release_lifts_it_and_both_are_harmless_when_repeated(market: Market) -> None:
    market.mass_action(SUSPEND, Scope.ACCOUNT)
    assert market.mass_action(SUSPEND, Scope.ACCOUNT)[-1] == "action SUSPEND completed 0"
    assert market.mass_action(RELEASE, Scope.ACCOUNT)[-1] == "action RELEASE completed 1"
    assert market.mass_action(RELEASE, Scope.ACCOUNT)[-1] == "action RELEASE completed 0"
    assert market.buy(5, at=90)[0] == "accepted 1 buy 5@90"


def test_a_suspended_session_stops_whatever_account_it_asks_for(market: Market) -> None:
    market.grant(ALICE, session=5, name=b"S5".ljust(32, b"\0"))
    market.open(5, connection=1)
    assert market.mass_action(SUSPEND, Scope.SESSION) == SUSPENDED
    for account in (ALICE, ALAN):
        assert market.buy(1, at=90, account=account) == ["rejected SESSION_SUSPENDED 0 0"]
    assert market.buy(1, at=90, session=5)[0] == "accepted 1 buy 1@90"


def test_the_firm_means_each_account_that_the_session_may_trade_for(market: Market) -> None:
    assert market.mass_action(SUSPEND, Scope.FIRM)[-1] == "action SUSPEND completed 2"
    for account in (ALICE, ALAN):
        assert market.buy(1, at=90, account=account) == ["rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.buy(1, at=90, account=BOB)[0] == "accepted 1 buy 1@90"
    assert market.mass_action(RELEASE, Scope.ACCOUNT)[-1] == "action RELEASE completed 1"
    assert market.buy(1, at=90)[0] == "accepted 2 buy 1@90"
    assert market.buy(1, at=90, account=ALAN) == ["rejected ACCOUNT_SUSPENDED 0 0"]


def test_a_side_or_an_instrument_narrows_it(market: Market) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(3, instrument=2)
    market.mass_action(SUSPEND, Scope.ACCOUNT, instrument=BOOK, side=Side.BUY)
    assert market.buy(1, at=90) == ["rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.sell(1, at=95)[0] == "accepted 1 sell 1@95"
    assert market.buy(1, at=90, instrument=2)[0] == "accepted 2 buy 1@90"


def test_a_narrow_release_leaves_a_wide_suspension_and_a_wide_one_lifts_all(
    market: Market,
) -> None:
    market.mass_action(SUSPEND, Scope.ACCOUNT)
    market.mass_action(SUSPEND, Scope.ACCOUNT, side=Side.BUY)
    market.mass_action(SUSPEND, Scope.ACCOUNT, instrument=BOOK)
    lifted = market.mass_action(RELEASE, Scope.ACCOUNT, side=Side.BUY)
    assert lifted[-1] == "action RELEASE completed 1"
    assert market.sell(1, at=95) == ["rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.mass_action(RELEASE, Scope.ACCOUNT)[-1] == "action RELEASE completed 2"
    assert market.sell(1, at=95)[0] == "accepted 1 sell 1@95"


def test_the_operators_switch_and_the_clients_are_two(market: Market) -> None:
    market.mass_action(SUSPEND, Scope.ACCOUNT)
    market.kill(Scope.ACCOUNT, ALICE)
    assert market.buy(1, at=90) == ["rejected ACCOUNT_KILLED 0 0"]
    market.mass_action(RELEASE, Scope.ACCOUNT)
    assert market.buy(1, at=90) == ["rejected ACCOUNT_KILLED 0 0"]
    market.mass_action(SUSPEND, Scope.ACCOUNT)
    market.resume(Scope.ACCOUNT, ALICE)
    assert market.buy(1, at=90) == ["rejected ACCOUNT_SUSPENDED 0 0"]


def test_cancelling_is_told_between_accepted_and_completed(market: Market) -> None:
    market.buy(5, at=90)
    market.sell(5, at=95, account=ALAN)
    request: dict[str, Any] = {"client_order_id": client_id("all")}
    assert without_levels(market.mass_action(CANCEL, Scope.FIRM, **request)) == [
        "action CANCEL accepted",
        "cancelled 1 MASS_CANCEL",
        "cancelled 2 MASS_CANCEL",
        "action CANCEL completed 2",
    ]
    assert market.event(e.OrderCancelled).request_client_order_id == request["client_order_id"]
    assert market.buy(1, at=90)[0] == "accepted 3 buy 1@90"


def test_a_suspension_outlives_connection_and_restart(market: Market) -> None:
    market.mass_action(SUSPEND, Scope.SESSION)
    market.mass_action(SUSPEND, Scope.ACCOUNT, account=BOB, side=Side.SELL)
    market.close(1)
    market.open(1, connection=2)
    snapshot = market.engine.snapshot()
    market.engine.restore(snapshot)
    assert market.engine.snapshot() == snapshot
    assert market.buy(1, at=90, connection=2) == ["rejected SESSION_SUSPENDED 0 0"]
    assert market.sell(1, at=90, account=BOB) == ["rejected ACCOUNT_SUSPENDED 0 0"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"action": 0}, "FIELD_INVALID 3 0"),
        ({"action": 4}, "FIELD_INVALID 3 4"),
        ({"scope": Scope.VENUE}, "SCOPE_INVALID 0 1"),
        ({"side": 3}, "FIELD_INVALID 2 3"),
        ({"instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        ({"session": 2}, "SESSION_NOT_ENTITLED 1 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"client_order_id": client_id("o1")}, "DUPLICATE_CLIENT_ORDER_ID 0 0"),
        ({"client_order_id": b"\x7f"}, "CLIENT_ORDER_ID_INVALID 0 0"),
    ],
)
def test_a_refused_action_changes_nothing(
    market: Market, fields: dict[str, Any], line: str
) -> None:
    market.buy(1, at=90)
    values = {"action": SUSPEND, "scope": Scope.ACCOUNT} | fields
    assert market.mass_action(**values) == [f"action rejected {line}"]
    assert market.buy(1, at=90)[0] == "accepted 2 buy 1@90"


def test_an_id_of_a_mass_action_is_taken(market: Market) -> None:
    market.mass_action(SUSPEND, Scope.ACCOUNT, client_order_id=client_id("a1"))
    again = market.mass_action(RELEASE, Scope.ACCOUNT, client_order_id=client_id("a1"))
    assert again == ["action rejected DUPLICATE_CLIENT_ORDER_ID 0 0"]


def test_suspensions_are_bounded(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SUSPENSIONS_OF_TARGET_MAX", 2)
    market.mass_action(SUSPEND, Scope.ACCOUNT, side=Side.BUY)
    market.mass_action(SUSPEND, Scope.ACCOUNT, side=Side.SELL)
    assert market.mass_action(SUSPEND, Scope.ACCOUNT, side=Side.SELL)[-1].endswith("completed 0")
    assert market.mass_action(SUSPEND, Scope.FIRM) == ["action rejected SUSPENSIONS_EXCEEDED 2 3"]
    assert market.buy(1, at=90, account=ALAN)[0] == "accepted 1 buy 1@90"
    assert market.mass_action(SUSPEND, Scope.SESSION) == SUSPENDED
    snapshot = market.engine.snapshot()
    monkeypatch.setattr(bounds, "SUSPENSIONS_OF_TARGET_MAX", 1)
    with pytest.raises(ValueError, match="too many suspensions"):
        market.engine.restore(snapshot)


# Lists of open orders.


def test_open_orders_are_listed_by_number_with_their_place(market: Market) -> None:
    market.buy(5, at=90, trader=7)
    market.sell(5, at=95, account=ALAN)
    market.buy(4, order_type=OrderType.STOP, stop_price_ticks=110)
    assert market.query_orders(Scope.ACCOUNT) == [
        "listed 1/2+0 1 buy 5@90",
        "listed 2/2+0 3 buy 4@121",
    ]
    first = market.event(e.OrderListed)
    assert (first.trader, first.origin_session, first.origin_connection) == (7, 1, 1)
    assert market.query_orders(Scope.FIRM)[1] == "listed 2/3+0 2 sell 5@95"
    assert market.query_orders(Scope.FIRM, side=Side.SELL) == ["listed 1/1+0 2 sell 5@95"]
    assert market.query_orders(Scope.SESSION, instrument=BOOK)[-1] == "listed 3/3+0 3 buy 4@121"


def test_a_long_list_goes_on_where_it_ended(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ORDERS_PER_QUERY_MAX", 2)
    for price in (90, 91, 92, 93, 94):
        market.buy(1, at=price)
    assert market.query_orders(Scope.ACCOUNT) == [
        "listed 1/2+3 1 buy 1@90",
        "listed 2/2+3 2 buy 1@91",
    ]
    assert market.query_orders(Scope.ACCOUNT, after_order_id=2)[-1] == "listed 2/2+1 4 buy 1@93"
    assert market.query_orders(Scope.ACCOUNT, after_order_id=4) == ["listed 1/1+0 5 buy 1@94"]
    assert market.query_orders(Scope.ACCOUNT, after_order_id=5) == [
        "list rejected ORDER_UNKNOWN 0 0"
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"scope": Scope.INSTRUMENT}, "SCOPE_INVALID 0 5"),
        ({"side": 3}, "FIELD_INVALID 2 3"),
        ({"instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        ({"session": 2}, "SESSION_NOT_ENTITLED 1 0"),
        ({}, "ORDER_UNKNOWN 0 0"),
    ],
)
def test_a_list_is_refused_with_a_code(market: Market, fields: dict[str, Any], line: str) -> None:
    values: dict[str, Any] = {"scope": Scope.ACCOUNT, "request_id": client_id("q")} | fields
    assert market.query_orders(**values) == [f"list rejected {line}"]
    assert market.event(e.OrdersQueryRejected).request_id == client_id("q")


def test_a_kill_switch_does_not_stop_lists_and_releases(market: Market) -> None:
    market.buy(1, at=90)
    market.mass_action(SUSPEND, Scope.ACCOUNT)
    market.kill(Scope.VENUE, 0)
    assert market.query_orders(Scope.ACCOUNT) == ["listed 1/1+0 1 buy 1@90"]
    assert market.mass_action(RELEASE, Scope.ACCOUNT)[-1] == "action RELEASE completed 1"


def test_before_the_venue_is_configured_both_are_refused() -> None:
    venue = Venue()
    for market_lines in (
        Market.mass_action(venue, SUSPEND, Scope.ACCOUNT),  # type: ignore[arg-type]
        Market.query_orders(venue, Scope.ACCOUNT),  # type: ignore[arg-type]
    ):
        assert market_lines[0].endswith("rejected NOT_CONFIGURED 0 0")
