"""Requests for quote: what is said, what is held, how they end, and that nobody looks twice."""

from __future__ import annotations

import pytest

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import CancelOnDisconnect, Phase, RfqSubject, Scope, Side
from tests.unit.engine.negotiation import MAKER_RIGHTS, Negotiation
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    BOOK,
    CAROL,
    QUOTE,
    RICH,
    SECOND,
)

REQUESTS, QUOTES, OFFER = RfqSubject.REQUESTS, RfqSubject.QUOTES, RfqSubject.OFFER


@pytest.fixture
def market() -> Negotiation:
    return Negotiation(maker_ppm=100, taker_ppm=10_000)


def test_a_quote_is_accepted_and_trades_at_once(market: Negotiation) -> None:
    assert market.ask(10) == ["requested 1 either way 10 until +30000000000"]
    # The bid holds 10 x 98 x 2 and one per cent of it, the ask 10 lots of 10 atoms.
    assert market.quote(1, 98, 102) == ["quote 2 of 21 for 1 98/102 holding 1980/100"]
    assert market.quote(1, 97, 101, account=CAROL) == [
        "quote 3 of 31 for 1 97/101 holding 1960/100"
    ]
    assert market.accept(3, Side.BUY) == [
        "accepted 1 sell 10@101",
        "accepted 2 buy 10@101",
        "negotiated trade 10@101 maker 1 taker 2",
        "quote 3 ended ACCEPTED",
        "quote 2 ended REQUEST_ENDED",
        "request 1 ended ACCEPTED",
    ]
    trade = market.event(e.TradeExecuted)
    assert (trade.maker_account, trade.taker_account) == (CAROL, ALICE)
    assert (trade.maker_fee_atoms, trade.taker_fee_atoms) == (1, 21)  # 0.202 and 20.2 of 2020
    assert market.balance(CAROL, BASE) == (RICH - 100, 0)
    assert market.balance(CAROL, QUOTE) == (RICH + 2020 - 1, 0)
    assert market.balance(ALICE, BASE) == (RICH + 100, 0)
    assert market.balance(ALICE, QUOTE) == (RICH - 2020 - 21, 0)
    assert market.balance(BOB, QUOTE) == (RICH, 0)


def test_a_bid_is_hit_and_the_requester_sells(market: Negotiation) -> None:
    market.ask(4, side=Side.SELL)
    market.quote(1, 98)
    assert market.accept(2, Side.SELL)[:3] == [
        "accepted 1 buy 4@98",
        "accepted 2 sell 4@98",
        "negotiated trade 4@98 maker 1 taker 2",
    ]
    assert market.event(e.TradeExecuted).taker_side == Side.SELL
    assert market.balance(BOB, BASE) == (RICH + 40, 0)


def test_a_negotiated_trade_moves_neither_the_book_nor_stops_nor_the_reference(
    market: Negotiation,
) -> None:
    market.limit(collar_ppm=50_000)
    market.buy(5, order_type=3, stop_price_ticks=103, account=CAROL)
    market.sell(1, at=103, account=CAROL)
    market.ask(10)
    market.quote(market.number(), 0, 104)
    lines = market.accept(market.number())
    assert "negotiated trade 10@104 maker 3 taker 4" in lines
    assert not [line for line in lines if "level" in line or "triggered" in line]
    # The reference is still 100: 106 is beyond five per cent of it, though not of 104.
    assert market.buy(1, at=106) == ["rejected PRICE_OUTSIDE_COLLAR 105 106"]


def test_both_orders_are_known_by_their_clients_ids(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102, client_quote_id=client_id("mine"))
    market.accept(2, client_order_id=client_id("yours"))
    assert market.query(account=BOB, client_order_id=client_id("mine")) == [
        "reported 1 sell 10@102 FILLED leaves 0"
    ]
    assert market.query(client_order_id=client_id("yours")) == [
        "reported 2 buy 10@102 FILLED leaves 0"
    ]
    assert market.buy(1, at=90, account=BOB, client="mine") == [
        "rejected DUPLICATE_CLIENT_ORDER_ID 0 0"
    ]
    market.later(61 * SECOND)
    assert market.buy(1, at=90, account=BOB, client="mine")[0] == "accepted 3 buy 1@90"


def test_the_rates_are_those_of_when_the_quote_was_given(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 0, 100)
    market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=10_000, taker_ppm=10_000)
    market.send(c.AssignFeeSchedule, account=BOB, fee_schedule=2)
    market.accept(2)
    assert market.event(e.TradeExecuted).maker_fee_atoms == 1


def test_a_newer_quote_of_an_account_replaces_its_earlier_one(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.quote(1, 99, 101) == [
        "quote 2 ended REPLACED",
        "quote 3 of 21 for 1 99/101 holding 2000/100",
    ]
    assert market.balance(BOB, BASE) == (RICH, 100)
    assert market.accept(2) == ["rejected RFQ_QUOTE_UNKNOWN 0 0"]


def test_what_an_earlier_quote_holds_pays_for_the_newer() -> None:
    market = Negotiation(funds=100)
    market.credit(BOB, QUOTE, 1900)
    market.ask(10)
    assert market.quote(1, 100, 102) == ["quote 2 of 21 for 1 100/102 holding 2000/100"]
    assert market.quote(1, 101, 102) == ["quote rejected INSUFFICIENT_FUNDS 2000 2020"]
    assert market.quote(1, 99, 102) == [
        "quote 2 ended REPLACED",
        "quote 3 of 21 for 1 99/102 holding 1980/100",
    ]
    assert market.buy(11, at=1, account=BOB)[0] == "rejected INSUFFICIENT_FUNDS 20 22"
    assert market.sell(1, at=200, account=BOB)[0] == "rejected INSUFFICIENT_FUNDS 0 10"


def test_a_bid_counts_towards_the_largest_position(market: Negotiation) -> None:
    market.send(c.SetAssetLimits, account=BOB, asset=BASE, position_max_atoms=RICH + 100)
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.buy(1, at=90, account=BOB) == [
        f"rejected POSITION_LIMIT_EXCEEDED {RICH + 100} {RICH + 110}"
    ]
    assert market.quote(1, 97)[0] == "quote 2 ended REPLACED"
    market.withdraw(QUOTES)
    assert market.buy(10, at=90, account=BOB)[0] == "accepted 1 buy 10@90"


def test_a_quote_ends_at_its_time_and_a_request_at_its_own(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102, expire_at_ns=market.now_ns + SECOND)
    market.quote(1, 97, 103, account=CAROL, expire_at_ns=market.now_ns + 500 * SECOND)
    assert market.event(e.RfqQuoteGiven).expires_at_ns == market.now_ns + 30 * SECOND
    assert market.later(SECOND - 1) == []
    assert market.later(1) == ["quote 2 ended EXPIRED"]
    # At one stamp the quote goes first, then the request that it answered.
    assert market.later(29 * SECOND) == ["quote 3 ended EXPIRED", "request 1 ended EXPIRED"]
    assert market.balance(CAROL, QUOTE) == (RICH, 0)
    assert market.engine.next_deadline() == 0


def test_a_maker_withdraws_before_acceptance_and_not_after(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.quote(1, 97, 103, account=CAROL)
    assert market.withdraw(QUOTES, quote_id=2) == [
        "quote 2 ended WITHDRAWN",
        "answered 0 requests 1 quotes",
    ]
    market.accept(3)
    assert market.withdraw(QUOTES, account=CAROL, quote_id=3) == ["refused RFQ_QUOTE_UNKNOWN 0 0"]


def test_quotes_are_withdrawn_by_number_request_own_id_or_all(market: Negotiation) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(Phase.CONTINUOUS, instrument=2)
    for instrument in (1, 1, 2, 2):
        market.ask(10, instrument=instrument)
    for request in (1, 2, 3, 4):
        market.quote(request, 98, 102, client_quote_id=client_id(f"q-{request}"))
    assert market.withdraw(QUOTES, request_id=2)[0] == "quote 6 ended WITHDRAWN"
    assert market.withdraw(QUOTES, client_id=client_id("q-4"))[0] == "quote 8 ended WITHDRAWN"
    assert market.withdraw(QUOTES, instrument=1) == [
        "quote 5 ended WITHDRAWN",
        "answered 0 requests 1 quotes",
    ]
    assert market.withdraw(QUOTES, account=CAROL) == ["answered 0 requests 0 quotes"]
    assert market.withdraw(QUOTES)[0] == "quote 7 ended WITHDRAWN"
    assert market.withdraw(REQUESTS, account=ALICE, request_id=2)[0] == "request 2 ended WITHDRAWN"
    assert market.withdraw(REQUESTS, account=ALICE) == [
        "request 1 ended WITHDRAWN",
        "request 3 ended WITHDRAWN",
        "request 4 ended WITHDRAWN",
        "answered 3 requests 0 quotes",
    ]


def test_a_requester_passes_on_one_quote(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.quote(1, 97, 103, account=CAROL)
    assert market.withdraw(OFFER, account=ALICE, quote_id=2) == [
        "quote 2 ended PASSED",
        "answered 0 requests 1 quotes",
    ]
    assert market.quote(1, 98, 101)[0] == "quote 4 of 21 for 1 98/101 holding 1980/100"


def test_ending_a_request_by_its_clients_id_ends_its_quotes(market: Negotiation) -> None:
    market.ask(10, client_request_id=client_id("mine"))
    market.quote(1, 98, 102)
    assert market.withdraw(REQUESTS, account=ALICE, client_id=client_id("mine")) == [
        "quote 2 ended REQUEST_ENDED",
        "request 1 ended WITHDRAWN",
        "answered 1 requests 0 quotes",
    ]
    assert market.balance(BOB, QUOTE) == (RICH, 0)


@pytest.mark.parametrize(
    ("scope", "target", "ended"),
    [
        (Scope.VENUE, 0, ["quote 2", "quote 3", "request 1"]),
        (Scope.INSTRUMENT, BOOK, ["quote 2", "quote 3", "request 1"]),
        (Scope.ACCOUNT, BOB, ["quote 2"]),
        (Scope.FIRM, 3, ["quote 3"]),
        (Scope.SESSION, 2, ["quote 2"]),
        (Scope.ACCOUNT, ALICE, ["request 1"]),
    ],
)
def test_a_kill_switch_ends_what_is_in_its_scope(
    market: Negotiation, scope: Scope, target: int, ended: list[str]
) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.quote(1, 97, 103, account=CAROL)
    lines = market.kill(scope, target, cancel=True)
    assert [line for line in lines if "KILL_SWITCH" in line] == [
        f"{each} ended KILL_SWITCH" for each in ended
    ]


def test_a_kill_switch_without_cancels_lets_firm_quotes_stand(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.kill(Scope.ACCOUNT, BOB)
    assert "negotiated trade 10@102 maker 1 taker 2" in market.accept(2)


@pytest.mark.parametrize("mode", [CancelOnDisconnect.SESSION, CancelOnDisconnect.ACCOUNT])
def test_quotes_and_requests_go_with_a_lost_connection(
    market: Negotiation, mode: CancelOnDisconnect
) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    market.grant(BOB, rights=MAKER_RIGHTS, cancel_on_disconnect=mode)
    assert market.close(2)[:2] == ["quote 2 ended DISCONNECT", "closed 2 on 1 cancelled 0"]
    market.grant(ALICE, cancel_on_disconnect=mode, disconnect_grace_ns=SECOND)
    market.quote(1, 97, 103, account=CAROL)
    assert market.close(1)[0] == "closed 1 on 1 cancelled 0"
    assert market.later(SECOND)[:2] == [
        "quote 3 ended REQUEST_ENDED",
        "request 1 ended DISCONNECT",
    ]


def test_without_cancel_on_disconnect_a_firm_quote_stands(market: Negotiation) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.close(2)[0] == "closed 2 on 1 cancelled 0"
    assert "negotiated trade 10@102 maker 1 taker 2" in market.accept(2)


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CALL_AUCTION, Phase.PRE_OPEN, Phase.CLOSED])
def test_requests_end_when_their_instrument_leaves_continuous_trading(
    market: Negotiation, phase: Phase
) -> None:
    market.ask(10)
    market.quote(1, 98, 102)
    assert market.phase(phase) == [
        "quote 2 ended REQUEST_ENDED",
        "request 1 ended PHASE_CHANGED",
        f"phase {phase.name} OPERATOR",
    ]


def test_a_price_band_that_halts_trading_ends_requests_too(market: Negotiation) -> None:
    market.limit(band_ppm=10_000, band_window_ns=SECOND, halt_ns=SECOND, auction_ns=SECOND)
    market.ask(10)
    market.sell(1, at=150, account=CAROL)
    lines = market.buy(1, at=150)
    assert "request 1 ended PHASE_CHANGED" in lines
    assert any(line.startswith("phase HALTED PRICE_BAND") for line in lines)


def test_everybody_sees_what_is_open_and_theirs(market: Negotiation) -> None:
    market.ask(10, client_request_id=client_id("first"))
    market.quote(1, 98, 102, client_quote_id=client_id("bid"))
    market.quote(1, 97, 103, account=CAROL)
    request = "reported request 1 either way 10 until +30000000000"
    bobs = "reported quote 2 of 21 for 1 98/102 holding 1980/100"
    carols = "reported quote 3 of 31 for 1 97/103 holding 1960/100"
    both = [request, bobs, carols, "answered 1 requests 2 quotes"]
    assert market.ask_what_is_open() == both
    assert market.ask_what_is_open(client_id=client_id("first")) == both
    assert market.ask_what_is_open(quote_id=3) == [carols, "answered 0 requests 1 quotes"]
    assert market.ask_what_is_open(account=BOB, request_id=1) == [
        request,
        bobs,
        "answered 1 requests 1 quotes",
    ]
    assert market.ask_what_is_open(account=BOB, client_id=client_id("bid")) == [
        bobs,
        "answered 0 requests 1 quotes",
    ]
    # Bob is not told of Carol's quote, nor without the right of requests that he has not answered.
    assert market.ask_what_is_open(account=BOB, quote_id=3) == ["refused RFQ_QUOTE_UNKNOWN 0 0"]
    market.grant(BOB, rights=3)
    market.withdraw(QUOTES)
    assert market.ask_what_is_open(account=BOB) == ["answered 0 requests 0 quotes"]


def test_an_own_firm_is_neither_told_nor_answered(market: Negotiation) -> None:
    market.grant(12, rights=MAKER_RIGHTS)  # Alan is of Alice's firm
    market.ask(10)
    assert market.quote(1, 98, 102, account=12) == ["quote rejected RFQ_OWN_FIRM 0 0"]
    assert market.ask_what_is_open(account=12) == ["answered 0 requests 0 quotes"]


def test_an_owner_group_over_two_firms_does_not_negotiate_with_itself(market: Negotiation) -> None:
    dave = {"account": 41, "session": 4, "connection": 1}
    market.send(c.CreateFirm, firm=4, name=padded_text("F4", 32))
    market.send(
        c.CreateAccount,
        account=41,
        firm=4,
        owner_group=1,  # Alice's
        account_kind=1,
        self_trade_prevention=1,
        name=padded_text("A41", 32),
    )
    market.send(
        c.GrantSession,
        account=41,
        session=4,
        rights=MAKER_RIGHTS,
        firm=4,
        name=padded_text("S4", 32),
    )
    market.open(4, connection=1)
    market.ask(10)
    quote = {"request_id": 1, "bid_price_ticks": 98}
    assert market.send(c.GiveRfqQuote, **dave, **quote) == ["quote rejected RFQ_OWN_FIRM 0 0"]
