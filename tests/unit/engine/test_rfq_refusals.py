"""Every refusal of requests for quote, quotes and acceptances, and each bound at its edge."""

from __future__ import annotations

from typing import Any

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import MassActionType, Phase, RfqSubject, Scope, Side
from tests.unit.engine.negotiation import Negotiation
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    CAROL,
    QUOTE,
    RICH,
    SECOND,
    START,
    Venue,
)
from venue.reference import bounds

LONGEST = bounds.QUOTE_REQUEST_LIFETIME_MAX_NS


@pytest.fixture
def market() -> Negotiation:
    return Negotiation()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"session": 2}, "SESSION_NOT_ENTITLED 1 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        ({"side": 3}, "FIELD_INVALID 2 3"),
        ({"quantity_lots": 0}, "QUANTITY_BELOW_MINIMUM 1 0"),
        ({"quantity_lots": 1_000_001}, "QUANTITY_ABOVE_MAXIMUM 1000000 1000001"),
        ({"expire_at_ns": 0}, f"EXPIRY_INVALID {START} 0"),
        ({"expire_at_ns": START}, f"EXPIRY_INVALID {START} {START}"),
        (
            {"expire_at_ns": START + LONGEST + 1},
            f"EXPIRY_INVALID {START + LONGEST} {START + LONGEST + 1}",
        ),
        ({"client_request_id": bytes(40)}, "CLIENT_ORDER_ID_INVALID 0 0"),
    ],
)
def test_a_request_is_refused(market: Negotiation, fields: dict[str, Any], line: str) -> None:
    assert market.ask(10, **fields) == [f"request rejected {line}"]


def test_a_request_may_last_the_longest_time_and_no_more(market: Negotiation) -> None:
    lines = market.ask(10, expire_at_ns=START + LONGEST)
    assert lines == [f"requested 1 either way 10 until +{LONGEST}"]


@pytest.mark.parametrize(
    ("scope", "target", "line"),
    [
        (Scope.VENUE, 0, "VENUE_KILLED 0 0"),
        (Scope.FIRM, 1, "FIRM_KILLED 0 0"),
        (Scope.ACCOUNT, ALICE, "ACCOUNT_KILLED 0 0"),
        (Scope.SESSION, 1, "SESSION_KILLED 0 0"),
        (Scope.INSTRUMENT, 1, "INSTRUMENT_KILLED 0 0"),
    ],
)
def test_kill_switches_stop_requests_and_acceptances(
    market: Negotiation, scope: Scope, target: int, line: str
) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.kill(scope, target)
    assert market.ask(10) == [f"request rejected {line}"]
    assert market.accept(2) == [f"rejected {line}"]


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_suspension_of_either_side_stops_negotiating(market: Negotiation, side: int) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.mass_action(MassActionType.SUSPEND, Scope.ACCOUNT, side=side)
    assert market.ask(10) == ["request rejected ACCOUNT_SUSPENDED 0 0"]
    assert market.accept(2) == ["rejected ACCOUNT_SUSPENDED 0 0"]
    market.mass_action(MassActionType.RELEASE, Scope.ACCOUNT)
    assert market.accept(2)[0].startswith("accepted")


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        (Phase.CLOSED, "INSTRUMENT_CLOSED 0 5"),
        (Phase.HALTED, "INSTRUMENT_HALTED 0 4"),
        (Phase.CALL_AUCTION, "ORDER_NOT_ALLOWED_IN_PHASE 0 2"),
        (Phase.PRE_OPEN, "ORDER_NOT_ALLOWED_IN_PHASE 0 1"),
    ],
)
def test_requests_are_for_continuous_trading(market: Negotiation, phase: Phase, line: str) -> None:
    market.phase(phase)
    assert market.ask(10) == [f"request rejected {line}"]


def test_an_open_requests_id_is_not_used_again(market: Negotiation) -> None:
    same = client_id("same")
    market.ask(10, client_request_id=same)
    assert market.ask(10, client_request_id=same) == [
        "request rejected DUPLICATE_QUOTE_REQUEST_ID 0 0"
    ]
    assert market.ask(10, client_request_id=same, account=CAROL)[0].startswith("requested 2")
    market.withdraw(RfqSubject.REQUESTS, account=ALICE)
    assert market.ask(10, client_request_id=same)[0].startswith("requested 3")


def test_an_account_has_so_many_open_requests(market: Negotiation) -> None:
    limit = bounds.QUOTE_REQUESTS_OF_ACCOUNT_MAX
    for _ in range(limit):
        assert market.ask(10)[0].startswith("requested")
    assert market.ask(10) == [f"request rejected QUOTE_REQUESTS_EXCEEDED {limit} {limit + 1}"]
    market.withdraw(RfqSubject.REQUESTS, account=ALICE, request_id=1)
    assert market.ask(10)[0].startswith("requested")


def test_the_venue_has_so_many_open_requests(
    market: Negotiation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "QUOTE_REQUESTS_MAX", 3)
    for account in (ALICE, BOB, CAROL):
        market.ask(10, account=account)
    assert market.ask(10) == ["request rejected QUOTE_REQUESTS_EXCEEDED 3 4"]


def test_a_request_is_answered_by_so_many_accounts(
    market: Negotiation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "QUOTES_OF_REQUEST_MAX", 1)
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.quote(1, 98, 102, account=CAROL) == ["quote rejected RFQ_QUOTES_EXCEEDED 1 2"]
    assert market.quote(1, 99, 102)[0] == "quote 2 ended REPLACED"


def test_requests_quotes_and_acceptances_count_for_the_throttle(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    for account in (ALICE, BOB):
        market.send(
            c.SetAccountLimits,
            account=account,
            open_orders_max=10,
            message_burst=1,
            message_interval_ns=SECOND,
        )
    market.ask(10)
    assert market.ask(10) == ["request rejected MESSAGE_RATE_EXCEEDED 1 2"]
    assert market.accept(2) == ["rejected MESSAGE_RATE_EXCEEDED 1 2"]
    market.quote(1, 98, 103)
    assert market.quote(1, 98, 104) == ["quote rejected MESSAGE_RATE_EXCEEDED 1 2"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"request_id": 7}, "QUOTE_REQUEST_UNKNOWN 0 0"),
        ({"instrument": 9}, "INSTRUMENT_MISMATCH 1 9"),
        ({"bid_price_ticks": 0, "ask_price_ticks": 0}, "PRICE_REQUIRED 0 0"),
        ({"bid_price_ticks": 102}, "RFQ_PRICES_CROSSED 101 102"),
        ({"quantity_lots": 9}, "RFQ_TERMS_MISMATCH 10 9"),
        ({"expire_at_ns": START}, f"EXPIRY_INVALID {START} {START}"),
        ({"bid_price_ticks": -1}, "PRICE_OUT_OF_RANGE 1 -1"),
        ({"ask_price_ticks": 1_000_001}, "PRICE_OUT_OF_RANGE 1000000 1000001"),
        ({"client_quote_id": b"\x01"}, "CLIENT_ORDER_ID_INVALID 0 0"),
    ],
)
def test_a_quote_is_refused(market: Negotiation, fields: dict[str, Any], line: str) -> None:
    market.ask(10)
    assert market.quote(1, **{"bid": 98, "ask": 102} | fields) == [f"quote rejected {line}"]
    assert market.balance(BOB, QUOTE) == (RICH, 0)


def test_the_side_asked_for_is_quoted_and_no_other(market: Negotiation) -> None:
    market.ask(10, side=Side.BUY)
    market.ask(10, side=Side.SELL)
    assert market.quote(1, 98, 102) == ["quote rejected PRICE_NOT_ALLOWED 0 98"]
    assert market.quote(2, 98, 102) == ["quote rejected PRICE_NOT_ALLOWED 0 102"]
    assert market.quote(1, 0, 102)[0] == "quote 3 of 21 for 1 0/102 holding 0/100"


def test_only_a_session_with_the_right_answers(market: Negotiation) -> None:
    market.ask(10)
    market.grant(BOB, rights=3)
    assert market.quote(1, 98, 102) == ["quote rejected SESSION_NOT_ENTITLED 4 3"]


def test_a_quote_passes_collar_notional_counts_ids_and_limits_of_now(market: Negotiation) -> None:
    market.ask(10)
    market.limit(collar_ppm=50_000)
    assert market.quote(1, 106, 107) == ["quote rejected PRICE_OUTSIDE_COLLAR 105 106"]
    assert market.quote(1, 90, 94) == ["quote rejected PRICE_OUTSIDE_COLLAR 95 94"]
    market.limit(notional_max_atoms=2000)
    assert market.quote(1, 98, 102) == ["quote rejected NOTIONAL_ABOVE_MAXIMUM 2000 2040"]
    market.limit(notional_min_atoms=2000)
    assert market.quote(1, 98, 102) == ["quote rejected NOTIONAL_BELOW_MINIMUM 2000 1960"]
    market.limit(quantity_lots_max=9)
    assert market.quote(1, 98, 102) == ["quote rejected QUANTITY_ABOVE_MAXIMUM 9 10"]
    market.limit(orders_max=0)
    assert market.quote(1, 98, 102) == ["quote rejected BOOK_FULL 0 1"]
    market.limit()
    market.buy(1, at=1, account=BOB, client="used")
    line = "quote rejected DUPLICATE_CLIENT_ORDER_ID 0 0"
    assert market.quote(1, 98, 102, client_quote_id=client_id("used")) == [line]
    market.configure(client_ids_max=1)
    assert market.quote(1, 98, 102) == ["quote rejected CLIENT_ORDER_ID_MEMORY_FULL 1 2"]
    market.configure()
    market.send(c.SetAccountLimits, account=BOB, open_orders_max=1)
    assert market.quote(1, 98, 102) == ["quote rejected OPEN_ORDERS_EXCEEDED 1 2"]


def test_a_quote_needs_position_and_funds_for_both_sides() -> None:
    market = Negotiation(funds=100)
    market.ask(10)
    assert market.quote(1, 98, 102) == ["quote rejected INSUFFICIENT_FUNDS 100 1960"]
    market.credit(BOB, QUOTE, 10_000)
    market.sell(1, at=200, account=BOB)
    assert market.quote(1, 98, 102) == ["quote rejected INSUFFICIENT_FUNDS 90 100"]
    market.send(c.SetAssetLimits, account=BOB, asset=BASE, position_max_atoms=199)
    assert market.quote(1, 98) == ["quote rejected POSITION_LIMIT_EXCEEDED 199 200"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"quote_id": 7}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"account": CAROL, "session": 3}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"instrument": 9}, "INSTRUMENT_MISMATCH 1 9"),
        ({"side": 0}, "FIELD_INVALID 0 0"),
        ({"side": Side.SELL}, "RFQ_SIDE_NOT_QUOTED 0 2"),
        ({"valid_until_ns": START - 1}, f"EXPIRY_INVALID {START - 1} {START}"),
        ({"price_ticks": 101}, "RFQ_TERMS_MISMATCH 102 101"),
        ({"quantity_lots": 9}, "RFQ_TERMS_MISMATCH 10 9"),
        ({"client_order_id": bytes(40)}, "CLIENT_ORDER_ID_INVALID 0 0"),
    ],
)
def test_an_acceptance_is_refused(market: Negotiation, fields: dict[str, Any], line: str) -> None:
    market.ask(10)
    market.quote(1, 0, 102)
    assert market.accept(2, **fields) == [f"rejected {line}"]
    assert "negotiated trade 10@102 maker 1 taker 2" in market.accept(
        2, price_ticks=102, quantity_lots=10, instrument=1, valid_until_ns=START
    )


def test_a_refused_acceptance_shows_what_was_asked_for(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 0, 102)
    market.accept(2, price_ticks=101)
    event = market.event(e.OrderRejected)
    assert (event.instrument, event.price_ticks, event.quantity_lots) == (1, 102, 10)


def test_an_acceptance_passes_what_an_order_passes(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.limit(collar_ppm=10_000)
    assert market.accept(2) == ["rejected PRICE_OUTSIDE_COLLAR 101 102"]
    assert market.accept(2, Side.SELL) == ["rejected PRICE_OUTSIDE_COLLAR 99 98"]
    market.limit(price_ticks_max=101)
    assert market.accept(2) == ["rejected PRICE_OUT_OF_RANGE 101 102"]
    market.limit(quantity_lots_min=11)
    assert market.accept(2) == ["rejected QUANTITY_BELOW_MINIMUM 11 10"]
    market.limit(notional_max_atoms=2039)
    assert market.accept(2) == ["rejected NOTIONAL_ABOVE_MAXIMUM 2039 2040"]
    market.limit()
    market.buy(1, at=1, client="used")
    line = "rejected DUPLICATE_CLIENT_ORDER_ID 0 0"
    assert market.accept(2, client_order_id=client_id("used")) == [line]
    market.configure(client_ids_max=2)
    assert market.accept(2) == ["rejected CLIENT_ORDER_ID_MEMORY_FULL 2 3"]
    market.configure()
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=1)
    assert market.accept(2) == ["rejected OPEN_ORDERS_EXCEEDED 1 2"]


def test_an_acceptance_needs_position_and_funds() -> None:
    market = Negotiation(funds=0, taker_ppm=10_000)
    market.credit(BOB, BASE, 100)
    market.credit(BOB, QUOTE, 2500)
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.accept(2) == ["rejected INSUFFICIENT_FUNDS 0 2061"]
    assert market.accept(2, Side.SELL) == ["rejected INSUFFICIENT_FUNDS 0 100"]
    market.credit(ALICE, QUOTE, 2061)
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, position_max_atoms=99)
    assert market.accept(2) == ["rejected POSITION_LIMIT_EXCEEDED 99 100"]
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, position_max_atoms=100)
    assert "negotiated trade 10@102 maker 1 taker 2" in market.accept(2)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"subject": 0}, "FIELD_INVALID 3 0"),
        ({"subject": 4}, "FIELD_INVALID 3 4"),
        ({"quote_id": 7}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"request_id": 7}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"client_id": client_id("x")}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"subject": RfqSubject.OFFER, "quote_id": 2}, "RFQ_QUOTE_UNKNOWN 0 0"),
        ({"subject": RfqSubject.REQUESTS, "request_id": 1}, "QUOTE_REQUEST_UNKNOWN 0 0"),
        (
            {"subject": RfqSubject.REQUESTS, "client_id": client_id("x")},
            "QUOTE_REQUEST_UNKNOWN 0 0",
        ),
    ],
)
def test_a_withdrawal_is_refused(market: Negotiation, fields: dict[str, Any], line: str) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.withdraw(**fields) == [f"refused {line}"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"connection": 2}, "SESSION_CLOSED 1 2"),
        ({"request_id": 7}, "QUOTE_REQUEST_UNKNOWN 0 0"),
        ({"client_id": client_id("x")}, "QUOTE_REQUEST_UNKNOWN 0 0"),
        ({"quote_id": 7}, "RFQ_QUOTE_UNKNOWN 0 0"),
    ],
)
def test_a_query_is_refused(market: Negotiation, fields: dict[str, Any], line: str) -> None:
    market.ask(10)
    assert market.ask_what_is_open(**fields) == [f"refused {line}"]


def test_bounds_narrowed_meanwhile_keep_products_in_range(market: Negotiation) -> None:
    """A request counts as an open order does for the largest price times quantity."""
    market.ask(1_000_000)
    lines = market.limit(price_ticks_max=1 << 45, quantity_lots_max=10)
    assert lines[0].startswith("command rejected LIMITS_INVALID")
    market.withdraw(RfqSubject.REQUESTS, account=ALICE)
    assert market.limit(price_ticks_max=1 << 45, quantity_lots_max=10) == ["InstrumentLimitsSet"]


def test_nothing_is_negotiated_before_the_venue_is_configured() -> None:
    venue = Venue()
    for command in (
        c.RequestForQuote,
        c.GiveRfqQuote,
        c.AcceptRfqQuote,
        c.WithdrawRfq,
        c.QueryRfq,
    ):
        assert venue.send(command) == ["command rejected NOT_CONFIGURED 0 0"]
