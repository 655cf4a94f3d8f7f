from __future__ import annotations

import pytest

from exchange.demo import proof
from exchange.demo.orders import Report
from exchange.demo.proof import BookedTrade, Units
from tests.unit.demo.test_flow import MARKETS

UNITS = Units(
    markets=MARKETS,
    fee_scales={"BTC-USD": 6, "ETH-USD": 6},
    account_names={1001: "MM1", 1003: "INST1"},
)
TRADE = BookedTrade(
    event_number=70,
    instrument=1,
    price_ticks=6_000_000,
    quantity_lots=25,
    taker_side=1,
    maker_account=1001,
    maker_fee_atoms=-7_500,
    maker_client_order_id="m-1",
    taker_account=1003,
    taker_fee_atoms=75_000,
    taker_client_order_id="i-1",
)


def fill(account: str = "INST1", **changes: str) -> Report:
    """The report of ``TRADE`` to the taker, or to the maker."""
    is_taker = account == "INST1"
    report = Report(
        execution_id="70B" if is_taker else "70S",
        execution_type="F",
        status="2",
        client_order_id="i-1" if is_taker else "m-1",
        original_client_order_id="",
        account=account,
        symbol="BTC-USD",
        side="1" if is_taker else "2",
        last_quantity="0.0025",
        last_price="60000.00",
        leaves="0",
        filled="0.0025",
        fee="0.075" if is_taker else "-0.0075",
    )
    return report._replace(**changes)


NEW = fill()._replace(execution_id="69", execution_type="0", last_quantity="", last_price="")
BOTH = [fill("INST1"), fill("MM1")]


def test_equal_books_are_ok() -> None:
    assert proof.drop_copy_equals([NEW, fill()], [fill(), NEW]).is_ok
    assert proof.trades_equal(BOTH, [TRADE], UNITS, ["MM1", "INST1"]).is_ok
    assert proof.sums_are_zero({"USD": (12, 0)}).is_ok
    assert proof.nothing_is_open([], {("MM1", "USD"): 0}, placed=3).is_ok
    assert proof.mistakes_were_refused(3, 3, []).is_ok


@pytest.mark.parametrize(
    ("copied", "says"),
    [
        ([NEW], "told, not copied"),
        ([NEW, fill(), fill(execution_id="71B")], "copied, not told"),
        ([NEW, fill(), fill()], "copied 2 times: 70B"),
        ([NEW, fill(last_quantity="0.0026")], "quantity told"),
        ([NEW, fill(last_price="60000.01")], "70B: told"),
        ([NEW._replace(status="8"), fill()], "69: told"),
    ],
)
def test_a_planted_difference_of_the_drop_copy_is_named(copied: list[Report], says: str) -> None:
    check = proof.drop_copy_equals([NEW, fill()], copied)
    assert not check.is_ok
    assert any(says in difference for difference in check.differences)


@pytest.mark.parametrize(
    ("told", "booked", "says"),
    [
        ([fill("INST1")], [TRADE], "booked, not told"),
        (BOTH, [], "told, not booked"),
        ([], [], "nothing was traded"),
        ([*BOTH, fill("MM1")], [TRADE], "told 2 times: 70S"),
        (BOTH, [TRADE._replace(price_ticks=6_000_001)], "70B: told"),
        (BOTH, [TRADE._replace(quantity_lots=26)], "70B: told"),
        (BOTH, [TRADE._replace(taker_fee_atoms=75_001)], "70B: told"),
        (BOTH, [TRADE._replace(maker_client_order_id="m-2")], "70S: told"),
        (BOTH, [TRADE._replace(taker_side=2)], "70B: told"),
        (BOTH, [TRADE._replace(maker_account=9)], "told, not booked"),
        ([fill(last_price="1e5"), fill("MM1")], [TRADE], "ValueError"),
        ([fill(symbol="XRP-USD"), fill("MM1")], [TRADE], "KeyError"),
    ],
)
def test_a_planted_difference_of_the_trades_is_named(
    told: list[Report], booked: list[BookedTrade], says: str
) -> None:
    check = proof.trades_equal(told, booked, UNITS, ["MM1", "INST1"])
    assert not check.is_ok
    assert any(says in difference for difference in check.differences)


def test_other_planted_differences_are_named() -> None:
    sums = proof.sums_are_zero({"USD": (12, 0), "BTC": (4, -1)})
    assert sums.differences == ("BTC: -1 atoms too many",)
    assert not proof.sums_are_zero({}).is_ok
    left = proof.nothing_is_open(
        [("MM1", "m-1")], {("MM1", "USD"): 5}, placed=1, left=["INST1: i-1 would not go"]
    )
    assert len(left.differences) == 3
    assert not proof.mistakes_were_refused(3, 2, []).is_ok
    surprised = proof.mistakes_were_refused(3, 2, ["accepted: x", "accepted: x"])
    assert surprised.differences == ("accepted: x (2 times)",)


def test_only_what_happened_since_counts() -> None:
    answer = NEW._replace(execution_id="0", execution_type="I")
    assert proof.since([NEW, answer, fill()], 69) == [fill()]
