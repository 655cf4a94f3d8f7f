"""Promises of mass quotes: docs/matching.md, "Quotes"."""

from __future__ import annotations

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id, source_number
from messages.trading.terms import (
    CancelOnDisconnect,
    MassActionType,
    OrderFlag,
    Phase,
    QuoteFlag,
    QuoteResponse,
    QuoteScope,
    Scope,
    SelfTradePrevention,
)
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import (
    ALAN,
    ALICE,
    BASE,
    BOB,
    BOOK,
    QUOTE,
    SECOND,
    Market,
    without_levels,
)


@pytest.fixture
def market() -> QuotingMarket:
    return QuotingMarket()


def test_each_entry_is_said_and_then_the_whole_and_then_the_levels(market: QuotingMarket) -> None:
    second = entry((5, 98), None, name="e2")
    assert market.mass_quote(entry((5, 99), (4, 101)), second) == [
        "accepted 1 buy 5@99",
        "accepted 2 sell 4@101",
        "accepted 3 buy 5@98",
        "quote 0 accepted",
        "quote 1 accepted",
        "mass quote 2 of 2",
        "level buy 99: 5 in 1",
        "level sell 101: 4 in 1",
        "level buy 98: 5 in 1",
    ]
    assert [each.flags for each in market.records] == [0] * 6 + [1]  # type: ignore[attr-defined]
    accepted = market.event(e.OrderAccepted, 1)
    assert accepted.order_flags == OrderFlag.QUOTE | OrderFlag.POST_ONLY
    assert accepted.client_order_id == client_id("q1/e1")
    answer = market.event(e.MassQuoteAcknowledged)
    assert answer.quote_id == client_id("q1")
    assert answer.response == QuoteResponse.ALL_ENTRIES
    first, second_one = e.QuoteOutcome.unpack(answer.outcomes)[: answer.count]
    assert first == e.QuoteOutcome(b"e1".ljust(16, b"\0"), BOOK, 0, 0, 3, 0, 0)
    assert second_one.stands == QuoteFlag.GIVES_BID


def test_a_side_takes_the_place_of_the_one_that_stood(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    assert market.mass_quote(entry((6, 99), (4, 102))) == [
        "cancelled 1 QUOTE_REPLACED",
        "cancelled 2 QUOTE_REPLACED",
        "accepted 3 buy 6@99",
        "accepted 4 sell 4@102",
        "quote 0 accepted",
        "mass quote 1 of 1",
        "level buy 99: 6 in 1",
        "level sell 101: 0 in 0",
        "level sell 102: 4 in 1",
    ]


def test_a_side_at_its_price_with_no_more_keeps_its_place(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    market.buy(7, at=99, account=BOB)
    assert market.mass_quote(entry((3, 99), (4, 101))) == [
        "amended 1 buy 3@99 leaves 3 kept",
        "amended 2 sell 4@101 leaves 4 kept",
        "quote 0 accepted",
        "mass quote 1 of 1",
        "level buy 99: 10 in 2",
    ]
    assert market.event(e.OrderAmended).client_order_id == client_id("q2/e1")
    assert market.event(e.OrderAmended).previous_client_order_id == client_id("q1/e1")
    assert without_levels(market.sell(4, at=99, account=31)) == [
        "accepted 4 sell 4@99",
        "trade 3@99 maker 1 taker 4",
        "trade 1@99 maker 3 taker 4",
    ]
    assert market.event(e.TradeExecuted).maker_client_order_id == client_id("q2/e1")


def test_what_was_filled_does_not_count_as_quoted(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), None))
    market.sell(2, at=99, account=BOB)
    assert without_levels(market.mass_quote(entry((3, 99), None))) == [
        "amended 1 buy 5@99 leaves 3 kept",
        "quote 0 accepted",
        "mass quote 1 of 1",
    ]
    assert without_levels(market.mass_quote(entry((4, 99), None)))[:2] == [
        "cancelled 1 QUOTE_REPLACED",
        "accepted 3 buy 4@99",
    ]


def test_zero_lots_withdraw_a_side_and_one_not_given_stays(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    assert without_levels(market.mass_quote(entry((0, 0), None))) == [
        "cancelled 1 QUOTE_WITHDRAWN",
        "quote 0 accepted",
        "mass quote 1 of 1",
    ]
    assert without_levels(market.mass_quote(entry((2, 99), None))) == [
        "accepted 3 buy 2@99",
        "quote 0 accepted",
        "mass quote 1 of 1",
    ]
    assert without_levels(market.mass_quote(entry((0, 0), (0, 0))))[-2:] == [
        "quote 0 accepted",
        "mass quote 1 of 1",
    ]


def test_one_name_in_two_instruments_is_two_quotes(market: QuotingMarket) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(Phase.CONTINUOUS, instrument=2)
    lines = market.mass_quote(entry((5, 99), None), entry((5, 99), None, instrument=2))
    assert "mass quote 2 of 2" in lines
    assert without_levels(market.mass_quote(entry((0, 0), None, instrument=2)))[0] == (
        "cancelled 2 QUOTE_WITHDRAWN"
    )


def test_accounts_share_no_names(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), None))
    market.mass_quote(entry((5, 98), None), account=BOB)
    assert (
        without_levels(market.mass_quote(entry((0, 0), None)))[0] == "cancelled 1 QUOTE_WITHDRAWN"
    )


def test_a_maker_moves_through_its_own_quotes(market: QuotingMarket) -> None:
    """All that is replaced is gone before anything is judged, so a market can move up at once."""
    market.mass_quote(entry((5, 98), (5, 100)), entry((5, 97), (5, 101), name="e2"))
    lines = market.mass_quote(entry((5, 100), (5, 102)), entry((5, 99), (5, 103), name="e2"))
    assert "mass quote 2 of 2" in lines


def test_quotes_do_not_take_unless_they_may(market: QuotingMarket) -> None:
    market.sell(5, at=100, account=BOB)
    assert without_levels(market.mass_quote(entry((5, 100), (5, 102)))) == [
        "quote 0 rejected POST_ONLY_WOULD_TAKE 100 100",
        "mass quote 0 of 1",
    ]
    assert without_levels(market.mass_quote(entry((7, 100), (5, 102), takes=True))) == [
        "accepted 2 buy 7@100",
        "accepted 3 sell 5@102",
        "quote 0 accepted",
        "mass quote 1 of 1",
        "trade 5@100 maker 1 taker 2",
    ]


def test_an_acknowledgement_comes_before_what_its_quotes_trade(market: QuotingMarket) -> None:
    market.sell(1, at=100, account=BOB)
    market.sell(1, at=101, account=BOB)
    lines = market.mass_quote(
        entry((1, 100), None, takes=True), entry((1, 101), None, name="e2", takes=True)
    )
    assert lines.index("mass quote 2 of 2") < lines.index("trade 1@100 maker 1 taker 3")
    assert lines.index("trade 1@100 maker 1 taker 3") < lines.index("trade 1@101 maker 2 taker 4")


def test_a_post_only_side_looks_again_after_what_others_set_off(market: QuotingMarket) -> None:
    """The first entry trades and sets off a stop, which rests where the second would take it."""
    market.sell(1, at=100, account=BOB)
    market.place(
        account=BOB,
        side=1,
        order_type=4,
        stop_price_ticks=100,
        price_ticks=105,
        quantity_lots=3,
    )
    lines = without_levels(
        market.mass_quote(entry((1, 100), None, takes=True), entry(None, (2, 104), name="e2"))
    )
    assert lines[-4:] == [
        "mass quote 2 of 2",
        "trade 1@100 maker 1 taker 3",
        "triggered 2 buy 3@105",
        "cancelled 4 POST_ONLY",
    ]


def test_two_entries_that_cross_each_other_do_not_trade(market: QuotingMarket) -> None:
    lines = market.mass_quote(entry((5, 102), None), entry(None, (5, 101), name="e2"))
    assert "mass quote 2 of 2" in lines
    assert "cancelled 2 POST_ONLY" in lines


def test_self_trade_prevention_is_the_entrys(market: QuotingMarket) -> None:
    market.sell(5, at=100, account=ALAN)
    mode = SelfTradePrevention.CANCEL_INCOMING
    lines = market.mass_quote(entry((5, 100), None, takes=True, self_trade_prevention=mode))
    assert without_levels(lines)[-2:] == ["mass quote 1 of 1", "cancelled 2 SELF_TRADE"]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (entry((5, 101), (5, 101)), "QUOTE_CROSSED 101 101"),
        (entry((5, 99), None, protection_group=9), "PROTECTION_UNKNOWN 0 9"),
        (entry((5, 99), None, entry_id=bytes(40)), "QUOTE_ID_INVALID 0 0"),
        (entry((5, 99), None, quote_id=bytes(40)), "QUOTE_ID_INVALID 0 0"),
        (entry((5, 99), None, name="a/b"), "QUOTE_ID_INVALID 0 0"),
        (entry((5, 99), None, name="x" * 17), "QUOTE_ID_INVALID 16 17"),
        (
            entry((5, 99), None, name="x" * 16, quote_id=client_id("q" * 20)),
            "QUOTE_ID_INVALID 36 37",
        ),
        (entry(None, None), "FIELD_INVALID 0 0"),
        (entry((5, 99), None, quote_flags=9), "FIELD_INVALID 0 0"),
        (entry((5, 99), None, self_trade_prevention=5), "FIELD_INVALID 0 0"),
        (entry((5, 99), None, instrument=9), "INSTRUMENT_UNKNOWN 0 0"),
        (entry((5, 0), None), "PRICE_REQUIRED 0 0"),
        (entry((5, 99), (5, 2_000_000)), "PRICE_OUT_OF_RANGE 1000000 2000000"),
        (entry((-1, 99), None), "QUANTITY_BELOW_MINIMUM 1 -1"),
        (entry(None, (2_000_000, 101)), "QUANTITY_ABOVE_MAXIMUM 1000000 2000000"),
    ],
)
def test_a_refused_entry_says_why_and_hurts_no_other(
    market: QuotingMarket, bad: dict[str, int], expected: str
) -> None:
    good = entry((1, 90), (1, 110), name="good")
    lines = without_levels(market.mass_quote(bad, good))
    assert lines == [
        "accepted 1 buy 1@90",
        "accepted 2 sell 1@110",
        f"quote 0 rejected {expected}",
        "quote 1 accepted",
        "mass quote 1 of 2",
    ]


def test_both_ids_together_may_be_as_long_as_a_client_id(market: QuotingMarket) -> None:
    longest = entry((5, 99), None, name="x" * 16, quote_id=client_id("q" * 19))
    assert "mass quote 1 of 1" in market.mass_quote(longest)
    name = market.event(e.OrderAccepted).client_order_id.rstrip(b"\0")
    assert name == b"q" * 19 + b"/" + b"x" * 16


def test_a_long_mass_quote_is_answered_eight_entries_at_a_time(market: QuotingMarket) -> None:
    entries = [entry((1, 90), None, name=f"e{number}") for number in range(19)]
    lines = market.mass_quote(*entries, entry((1, 0), None, name="bad"))
    assert lines[19:] == [
        *(f"quote {place} accepted" for place in range(19)),
        "quote 19 rejected PRICE_REQUIRED 0 0",
        "mass quote 19 of 20",
        "level buy 90: 19 in 19",
    ]
    answers = [each for each in market.records if isinstance(each, e.MassQuoteAcknowledged)]
    assert [(each.first, each.count, each.accepted, each.entries) for each in answers] == [
        (0, 8, 19, 20),
        (8, 8, 19, 20),
        (16, 4, 19, 20),
    ]


def test_the_sides_that_a_refused_entry_gave_stand_no_more(market: QuotingMarket) -> None:
    """A maker that meant to move must not be left at its old price."""
    market.mass_quote(entry((5, 99), (4, 101)))
    assert without_levels(market.mass_quote(entry((5, 99), (4, 2_000_000)))) == [
        "cancelled 2 QUOTE_REPLACED",
        "cancelled 1 QUOTE_WITHDRAWN",
        "quote 0 rejected PRICE_OUT_OF_RANGE 1000000 2000000",
        "mass quote 0 of 1",
    ]
    market.mass_quote(entry((5, 99), (4, 101)))
    assert without_levels(market.mass_quote(entry((5, 101), None))) == [
        "cancelled 3 QUOTE_REPLACED",
        "quote 0 rejected QUOTE_CROSSED 101 101",
        "mass quote 0 of 1",
    ]
    # The ask that was not given stands.
    assert without_levels(market.cancel_quotes(QuoteScope.ALL))[-1] == "quotes cancelled 1"


def test_an_entry_that_comes_twice_counts_once(market: QuotingMarket) -> None:
    lines = without_levels(market.mass_quote(entry((5, 99), None), entry((6, 98), None)))
    assert lines == [
        "accepted 1 buy 5@99",
        "quote 0 accepted",
        "quote 1 rejected QUOTE_ENTRY_REPEATED 0 0",
        "mass quote 1 of 2",
    ]


def test_quotes_pass_the_risk_checks_of_orders() -> None:
    market = QuotingMarket(funds=1000, notional_max_atoms=1500, collar_ppm=100_000)
    market.mass_quote(entry((5, 99), (4, 101)))
    assert market.balance(ALICE, QUOTE) == (1000, 990)
    assert market.balance(ALICE, BASE) == (1000, 40)
    expected = {
        (9, 111): "PRICE_OUTSIDE_COLLAR 110 111",
        (9, 99): "NOTIONAL_ABOVE_MAXIMUM 1500 1782",
        (6, 99): "INSUFFICIENT_FUNDS 1000 1188",
    }
    for bid, why in expected.items():
        assert f"quote 0 rejected {why}" in market.mass_quote(entry(bid, None))
        assert market.balance(ALICE, QUOTE) == (1000, 0)
    market.send(c.SetAssetLimits, account=ALICE, asset=BASE, position_max_atoms=1010)
    assert "quote 0 rejected POSITION_LIMIT_EXCEEDED 1010 1020" in market.mass_quote(
        entry((2, 99), None)
    )


def test_both_sides_of_an_entry_are_counted(market: QuotingMarket) -> None:
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=1)
    lines = market.mass_quote(entry((5, 99), (4, 101)))
    assert lines == ["quote 0 rejected OPEN_ORDERS_EXCEEDED 1 2", "mass quote 0 of 1"]
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=2)
    assert "mass quote 1 of 1" in market.mass_quote(entry((5, 99), (4, 101)))
    market.limit(orders_max=2)
    lines = market.mass_quote(entry((5, 98), (4, 102)), entry((5, 97), None, name="e2"))
    assert "quote 1 rejected OPEN_ORDERS_EXCEEDED 2 3" in lines
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=9)
    assert "quote 0 rejected BOOK_FULL 2 3" in market.mass_quote(entry((5, 97), None, name="e2"))
    market.limit()
    market.configure(open_orders_max=3)
    lines = market.mass_quote(entry((5, 97), (4, 105), name="e2"))
    assert lines[0] == "quote 0 rejected BOOK_FULL 3 4"


def test_a_mass_quote_is_one_message_of_the_throttle(market: QuotingMarket) -> None:
    limits = {"open_orders_max": 100, "message_burst": 1, "message_interval_ns": SECOND}
    market.send(c.SetAccountLimits, account=ALICE, **limits)
    entries = [entry((1, 90), None, name=f"e{number}") for number in range(5)]
    assert "mass quote 5 of 5" in market.mass_quote(*entries)
    assert market.mass_quote(*entries) == ["mass quote rejected MESSAGE_RATE_EXCEEDED 1 2"]
    assert without_levels(market.cancel_quotes(QuoteScope.ALL))[-1] == "quotes cancelled 5"


@pytest.mark.parametrize(
    ("scope", "target", "code"),
    [
        (Scope.VENUE, 0, "VENUE_KILLED"),
        (Scope.FIRM, 1, "FIRM_KILLED"),
        (Scope.ACCOUNT, ALICE, "ACCOUNT_KILLED"),
        (Scope.SESSION, 1, "SESSION_KILLED"),
    ],
)
def test_a_kill_switch_refuses_all_of_it_and_changes_nothing(
    market: QuotingMarket, scope: int, target: int, code: str
) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    market.kill(scope, target)
    assert market.mass_quote(entry((1, 90), (1, 110))) == [f"mass quote rejected {code} 0 0"]
    assert market.event(e.MassQuoteAcknowledged).entries == 1
    market.resume(scope, target)
    assert without_levels(market.mass_quote(entry((5, 99), (4, 101))))[0].startswith("amended 1")


def test_quotes_can_be_withdrawn_where_nothing_may_be_entered(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    market.kill(Scope.INSTRUMENT, BOOK)
    assert "quote 0 rejected INSTRUMENT_KILLED 0 0" in market.mass_quote(entry(None, (3, 101)))
    market.phase(Phase.HALTED)
    assert "mass quote 1 of 1" in market.mass_quote(entry((0, 0), (0, 0)))
    market.resume(Scope.INSTRUMENT, BOOK)
    assert "quote 0 rejected INSTRUMENT_HALTED 0 4" in market.mass_quote(entry((5, 99), None))


def test_a_suspended_side_is_not_quoted_and_may_be_withdrawn(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    market.mass_action(MassActionType.SUSPEND, Scope.ACCOUNT, side=2)
    assert "quote 0 rejected ACCOUNT_SUSPENDED 0 0" in market.mass_quote(entry((5, 98), (4, 101)))
    assert "mass quote 1 of 1" in market.mass_quote(entry((5, 98), None, name="e2"))
    assert "mass quote 1 of 1" in market.mass_quote(entry((0, 0), (0, 0)))


def test_while_orders_gather_only_quotes_that_may_take_are_taken(market: QuotingMarket) -> None:
    market.phase(Phase.PRE_OPEN)
    lines = market.mass_quote(entry((5, 99), None), entry((5, 99), (5, 101), name="e2", takes=True))
    assert lines[2] == "quote 0 rejected ORDER_NOT_ALLOWED_IN_PHASE 0 1"
    assert "mass quote 1 of 2" in lines


def test_who_may_not_ask_is_refused(market: QuotingMarket) -> None:
    unknown = market.mass_quote(entry((1, 90), None), account=99)
    assert unknown == ["mass quote rejected ACCOUNT_UNKNOWN 0 0"]
    other = market.mass_quote(entry((1, 90), None), session=2)
    assert other == ["mass quote rejected SESSION_NOT_ENTITLED 1 0"]
    old = market.mass_quote(entry((1, 90), None), connection=9)
    assert old == ["mass quote rejected SESSION_CLOSED 1 9"]
    assert market.mass_quote(entry((1, 90), None), session=0)[0].endswith(
        "SESSION_NOT_ENTITLED 0 0"
    )


def test_a_late_entry_is_refused(market: QuotingMarket) -> None:
    late = entry((1, 90), None, valid_until_ns=market.now_ns - 1)
    intime = entry((1, 90), None, valid_until_ns=market.now_ns, name="e2")
    lines = market.mass_quote(late, intime)
    assert lines[1] == f"quote 0 rejected EXPIRY_INVALID {market.now_ns - 1} {market.now_ns}"
    assert "mass quote 1 of 2" in lines


def test_a_repeated_mass_quote_runs_once(market: QuotingMarket) -> None:
    source = {"source": source_number(3, 1), "epoch": 2, "source_sequence": 5}
    assert "mass quote 2 of 2" in market.mass_quote(
        entry((1, 90), None), entry((1, 91), None, name="e2"), **source
    )
    assert market.mass_quote(entry((7, 80), None), **source) == []
    assert market.engine.last_sequence == market.sequence


def test_a_group_of_a_kind_that_is_none_is_refused(market: QuotingMarket) -> None:
    assert market.mass_quote(entry((1, 90), None), group_kind=2) == [
        "command rejected NOT_SUPPORTED 1 2"
    ]


def test_the_largest_mass_quote_is_taken(market: QuotingMarket) -> None:
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=300)
    entries = [entry((1, 99), (1, 101), name=f"e{number}") for number in range(c.GROUP_MEMBERS_MAX)]
    assert "mass quote 100 of 100" in market.mass_quote(*entries)
    with pytest.raises(AssertionError):
        market.mass_quote(*entries, entry((1, 99), None, name="one more"))


@pytest.mark.parametrize(
    ("scope", "fields", "gone"),
    [
        (QuoteScope.ALL, {}, 5),
        (QuoteScope.INSTRUMENT, {"instrument": BOOK}, 4),
        (QuoteScope.PROTECTION_GROUP, {"protection_group": 7}, 2),
        (QuoteScope.PROTECTION_GROUP, {"protection_group": 0}, 3),
        (QuoteScope.PROTECTION_GROUP, {"protection_group": 99}, 0),
        (QuoteScope.ENTRY, {"instrument": BOOK, "entry_id": client_id("e2")}, 2),
        (QuoteScope.ENTRY, {"instrument": 2, "entry_id": client_id("e2")}, 0),
        (QuoteScope.ENTRY, {"instrument": BOOK, "entry_id": b"e2\0x".ljust(40, b"\0")}, 0),
    ],
)
def test_a_cancel_of_quotes_reaches_its_scope(
    market: QuotingMarket, scope: int, fields: dict[str, int], gone: int
) -> None:
    market.create_instrument(2)
    market.limit(instrument=2)
    market.phase(Phase.CONTINUOUS, instrument=2)
    market.protect(7)
    market.buy(1, at=50)
    market.mass_quote(
        entry((5, 99), (4, 101), protection_group=7),
        entry((5, 98), (4, 102), name="e2"),
        entry((5, 98), None, name="e3", instrument=2),
    )
    lines = without_levels(market.cancel_quotes(scope, request_id=client_id("z1"), **fields))
    assert lines[-1] == f"quotes cancelled {gone}"
    assert len(lines) == gone + 1
    assert all("QUOTE_WITHDRAWN" in line for line in lines[:-1])
    assert market.event(e.QuotesCancelled).request_id == client_id("z1")


def test_a_cancel_of_quotes_that_cannot_be_is_refused(market: QuotingMarket) -> None:
    assert market.cancel_quotes(5) == ["quoting rejected SCOPE_INVALID 0 5"]
    unknown = market.cancel_quotes(QuoteScope.INSTRUMENT, instrument=9)
    assert unknown == ["quoting rejected INSTRUMENT_UNKNOWN 0 0"]
    fenced = market.cancel_quotes(QuoteScope.ALL, connection=2)
    assert fenced == ["quoting rejected SESSION_CLOSED 1 2"]
    assert market.event(e.QuotingRejected).refused_kind == c.CancelQuotes.KIND


def test_what_cancels_orders_cancels_quotes_too(market: QuotingMarket) -> None:
    market.grant(ALICE, cancel_on_disconnect=CancelOnDisconnect.SESSION)
    market.mass_quote(entry((5, 99), (4, 101)))
    assert "mass cancelled 2" in market.mass_cancel(Scope.SESSION)
    market.mass_quote(entry((5, 99), (4, 101)))
    assert "killed ACCOUNT 11 cancelled 2" in market.kill(Scope.ACCOUNT, ALICE, cancel=True)
    market.resume(Scope.ACCOUNT, ALICE)
    market.mass_quote(entry((5, 99), (4, 101)))
    assert "closed 1 on 1 cancelled 2" in market.close(1)


def test_one_side_can_be_cancelled_by_its_number_but_not_amended(market: QuotingMarket) -> None:
    market.mass_quote(entry((5, 99), (4, 101)))
    amended = market.amend(1, price_ticks=98, client_order_id=client_id("a"))
    assert amended == ["amend rejected QUOTE_NOT_AMENDABLE 0 0"]
    assert without_levels(market.query(1)) == ["reported 1 buy 5@99 NEW leaves 5"]
    cancelled = market.cancel(1, client_order_id=client_id("c1"))
    assert without_levels(cancelled) == ["cancelled 1 REQUESTED"]
    again = market.cancel(1, client_order_id=client_id("c1"))
    assert again == ["cancel rejected ORDER_UNKNOWN 0 0"]


def test_no_order_may_say_that_it_is_a_quote(market: QuotingMarket) -> None:
    assert market.buy(1, at=90, order_flags=OrderFlag.QUOTE) == ["rejected FIELD_INVALID 0 0"]


def test_quotes_take_no_memory_of_client_ids(market: QuotingMarket) -> None:
    """A maker may replace its quotes as often as it likes; nothing that is done is remembered."""
    market.configure(client_ids_max=2)
    for number in range(20):
        market.mass_quote(entry((5, 80 + number), (5, 120 + number)))
    market.sell(5, at=99, account=BOB)
    assert without_levels(market.query(39)) == ["query rejected ORDER_UNKNOWN 0 0"]
    assert market.buy(1, at=50, client="q20/e1")[0].startswith("accepted")
    assert market.sell(1, at=500, client="full")[0].startswith("rejected CLIENT_ORDER_ID_MEMORY")


def test_a_quote_trades_in_an_auction() -> None:
    market = QuotingMarket(phase=Phase.CALL_AUCTION)
    market.mass_quote(entry((5, 101), None, takes=True))
    market.sell(5, at=99, account=BOB)
    assert "auction trade 5@101 maker 1 taker 2" in market.phase(Phase.CONTINUOUS)


def test_the_price_band_halts_what_a_mass_quote_would_trade() -> None:
    market = QuotingMarket(band_ppm=50_000, band_window_ns=SECOND, halt_ns=SECOND, auction_ns=1)
    market.sell(5, at=120, account=BOB)
    lines = without_levels(
        market.mass_quote(entry((5, 120), None, takes=True), entry((1, 90), None, name="e2"))
    )
    assert lines[-2:] == ["mass quote 2 of 2", "phase HALTED PRICE_BAND until +1000000000"]


def test_a_command_that_may_do_no_more_cancels_what_would_cross(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("venue.reference.bounds.STEPS_PER_COMMAND_MAX", 1)
    market = QuotingMarket()
    market.sell(1, at=100, account=BOB)
    market.sell(1, at=100, account=BOB)
    lines = without_levels(
        market.mass_quote(
            entry((1, 100), None, takes=True), entry((1, 100), None, name="e2", takes=True)
        )
    )
    assert lines[-2:] == ["trade 1@100 maker 1 taker 3", "cancelled 4 IMMEDIATE_REMAINDER"]


def test_an_unconfigured_venue_takes_no_quotes() -> None:
    market = QuotingMarket.__new__(QuotingMarket)
    super(Market, market).__init__()
    assert market.mass_quote(entry((1, 90), None)) == ["command rejected NOT_CONFIGURED 0 0"]
    assert market.cancel_quotes(1) == ["quoting rejected NOT_CONFIGURED 0 0"]
    assert market.reset() == ["quoting rejected NOT_CONFIGURED 0 0"]
    assert market.report() == ["quoting rejected NOT_CONFIGURED 0 0"]
    assert market.protect() == ["command rejected NOT_CONFIGURED 0 0"]
