"""Promises of money commands, definitions and limits."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from messages.layout import Record, padded_text
from messages.trading import commands as c
from messages.trading.identity import client_id, source_number
from messages.trading.terms import AMOUNT_LIMIT, BalanceCause, Phase, Scope
from tests.unit.engine.scenario import (
    ALICE,
    BASE,
    BOB,
    BOOK,
    GATEWAY,
    QUOTE,
    RICH,
    SECOND,
    Market,
    Venue,
)

NAME = padded_text("name", 32)
SYMBOL = padded_text("SYM", 16)


@pytest.fixture
def market() -> Market:
    return Market()


def money(
    market: Market, kind: type[Record], amount: int, reference: str, **fields: Any
) -> list[str]:
    values: dict[str, Any] = {"account": ALICE, "asset": BASE, "amount_atoms": amount} | fields
    return market.send(kind, reference=client_id(reference), **values)


def test_credits_and_debits_change_balance_and_supply() -> None:
    market = Market(funds=0)
    assert money(market, c.Credit, 100, "a") == ["CREDIT 100 balance 100 held 0"]
    assert money(market, c.Debit, 101, "b") == ["command rejected INSUFFICIENT_FUNDS 100 101"]
    assert money(market, c.Debit, 100, "b") == ["DEBIT 100 balance 0 held 0"]
    assert market.engine.assets()[0] == (BASE, 0, 0)


def test_a_withdrawal_is_held_and_then_gone_or_free_again(market: Market) -> None:
    money(market, c.ReserveWithdrawal, 100, "w1")
    assert money(market, c.ReserveWithdrawal, 50, "w2") == [
        f"WITHDRAWAL_RESERVED 50 balance {RICH} held 150"
    ]
    assert market.send(c.CommitWithdrawal, reference=client_id("w1")) == [
        f"WITHDRAWAL_COMMITTED 100 balance {RICH - 100} held 50"
    ]
    assert market.send(c.ReleaseWithdrawal, account=ALICE, reference=client_id("w2")) == [
        f"WITHDRAWAL_RELEASED 50 balance {RICH - 100} held 0"
    ]
    repeat = ["command rejected DUPLICATE_REFERENCE 0 0"]
    assert market.send(c.CommitWithdrawal, reference=client_id("w1")) == repeat
    unknown = ["command rejected WITHDRAWAL_UNKNOWN 0 0"]
    assert market.send(c.ReleaseWithdrawal, reference=client_id("w3")) == unknown


def test_held_money_cannot_leave(market: Market) -> None:
    market.sell(10, at=100)
    lines = money(market, c.ReserveWithdrawal, RICH - 99, "w")
    assert lines == [f"command rejected INSUFFICIENT_FUNDS {RICH - 100} {RICH - 99}"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"asset": 9}, "ASSET_UNKNOWN 0 0"),
        ({"amount_atoms": 0}, f"AMOUNT_INVALID {AMOUNT_LIMIT - 1} 0"),
        ({"amount_atoms": AMOUNT_LIMIT}, f"AMOUNT_INVALID {AMOUNT_LIMIT - 1} {AMOUNT_LIMIT}"),
        ({"reference": bytes(40)}, "REFERENCE_INVALID 0 0"),
        ({"reference": client_id("r1")}, "DUPLICATE_REFERENCE 0 0"),
        (
            {"amount_atoms": (1 << 60) - 4 * RICH},
            f"SUPPLY_EXCEEDED {1 << 60} {(1 << 60) + 1}",
        ),
    ],
)
def test_a_credit_is_refused(market: Market, fields: dict[str, Any], line: str) -> None:
    money(market, c.Credit, 1, "r1")
    values: dict[str, Any] = {"account": ALICE, "asset": BASE, "amount_atoms": 1}
    values["reference"] = client_id("n")
    assert market.send(c.Credit, **(values | fields)) == [f"command rejected {line}"]


TWO: dict[str, int] = {"operator": 1, "approver": 2}


def test_the_venue_gives_rewards_and_adjusts_either_way() -> None:
    market = Market(funds=0)

    def adjust(cause: BalanceCause, amount: int, reference: str) -> list[str]:
        return money(market, c.AdjustBalance, amount, reference, cause=cause, **TWO)

    assert adjust(BalanceCause.REWARD, 70, "a") == ["REWARD 70 balance 70 held 0"]
    assert adjust(BalanceCause.ADJUSTMENT_CREDIT, 30, "b") == [
        "ADJUSTMENT_CREDIT 30 balance 100 held 0"
    ]
    assert adjust(BalanceCause.ADJUSTMENT_DEBIT, 101, "c") == [
        "command rejected INSUFFICIENT_FUNDS 100 101"
    ]
    assert adjust(BalanceCause.ADJUSTMENT_DEBIT, 60, "c") == [
        "ADJUSTMENT_DEBIT 60 balance 40 held 0"
    ]
    assert adjust(BalanceCause.REWARD, 1, "a") == ["command rejected DUPLICATE_REFERENCE 0 0"]
    assert market.engine.assets()[0] == (BASE, 40, 0)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        ({"amount_atoms": 0}, f"AMOUNT_INVALID {AMOUNT_LIMIT - 1} 0"),
        ({"approver": 0}, "APPROVAL_MISSING 1 0"),
        ({"approver": 1}, "APPROVAL_MISSING 1 1"),
        ({"cause": BalanceCause.CREDIT}, "ADJUSTMENT_CAUSE_INVALID 9 1"),
        ({"cause": BalanceCause.TRANSFER}, "ADJUSTMENT_CAUSE_INVALID 9 6"),
        ({"cause": 10}, "ADJUSTMENT_CAUSE_INVALID 9 10"),
        (
            {"amount_atoms": (1 << 60) - 4 * RICH + 1},
            f"SUPPLY_EXCEEDED {1 << 60} {(1 << 60) + 1}",
        ),
        (
            {"cause": BalanceCause.ADJUSTMENT_DEBIT, "amount_atoms": RICH + 1},
            f"INSUFFICIENT_FUNDS {RICH} {RICH + 1}",
        ),
    ],
)
def test_an_adjustment_is_refused(market: Market, fields: dict[str, Any], line: str) -> None:
    values: dict[str, Any] = {"account": ALICE, "asset": BASE, "amount_atoms": 1}
    values |= {"cause": BalanceCause.REWARD, "reference": client_id("n")} | TWO
    assert market.send(c.AdjustBalance, **(values | fields)) == [f"command rejected {line}"]


def test_references_are_remembered_for_ever_and_bounded(market: Market) -> None:
    used = 8
    market.configure(references_max=used + 1)
    assert money(market, c.Credit, 1, "last")[0].startswith("CREDIT")
    assert money(market, c.Credit, 1, "more") == [
        f"command rejected REFERENCE_MEMORY_FULL {used + 1} {used + 2}"
    ]
    market.later(10**9 * SECOND)
    assert money(market, c.Credit, 1, "last") == ["command rejected DUPLICATE_REFERENCE 0 0"]


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        (c.CreateAsset, {"asset": 0, "symbol": SYMBOL}, "IDENTIFIER_INVALID 0 0"),
        (c.CreateAsset, {"asset": 3}, "IDENTIFIER_INVALID 0 0"),
        (c.CreateAsset, {"asset": BASE, "symbol": SYMBOL}, "ALREADY_EXISTS 0 0"),
        (c.CreateAsset, {"asset": 3, "symbol": SYMBOL, "scale": 19}, "FIELD_INVALID 18 19"),
        (
            c.CreateAsset,
            {"asset": 3, "symbol": SYMBOL},
            f"AMOUNT_INVALID {AMOUNT_LIMIT - 1} 0",
        ),
        (c.CreateFirm, {"firm": 0, "name": NAME}, "IDENTIFIER_INVALID 0 0"),
        (c.CreateFirm, {"firm": 1, "name": NAME}, "ALREADY_EXISTS 0 0"),
        (c.CreateAccount, {"account": 0, "name": NAME}, "IDENTIFIER_INVALID 0 0"),
        (c.CreateAccount, {"account": ALICE, "name": NAME}, "ALREADY_EXISTS 0 0"),
        (c.CreateAccount, {"account": 99, "name": NAME, "firm": 9}, "FIRM_UNKNOWN 0 0"),
        (c.CreateAccount, {"account": 99, "name": NAME, "firm": 1}, "FIELD_INVALID 0 0"),
        (c.CreateInstrument, {"instrument": 0, "symbol": SYMBOL}, "IDENTIFIER_INVALID 0 0"),
        (c.CreateInstrument, {"instrument": BOOK, "symbol": SYMBOL}, "ALREADY_EXISTS 0 0"),
        (c.CreateInstrument, {"instrument": 2, "symbol": SYMBOL}, "ASSET_UNKNOWN 0 0"),
        (
            c.CreateInstrument,
            {"instrument": 2, "symbol": SYMBOL, "base_asset": 1, "quote_asset": 2},
            "FEE_SCHEDULE_UNKNOWN 0 0",
        ),
        (
            c.CreateInstrument,
            {
                "instrument": 2,
                "symbol": SYMBOL,
                "base_asset": 1,
                "quote_asset": 2,
                "fee_schedule": 1,
            },
            "FIELD_INVALID 0 0",
        ),
        (c.DefineFeeSchedule, {"fee_schedule": 0}, "IDENTIFIER_INVALID 0 0"),
        (c.DefineFeeSchedule, {"fee_schedule": 1}, "ALREADY_EXISTS 0 0"),
        (
            c.DefineFeeSchedule,
            {"fee_schedule": 2, "taker_ppm": 1_000_001},
            "FIELD_INVALID 1000000 1000001",
        ),
        (c.AssignFeeSchedule, {"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        (c.AssignFeeSchedule, {"account": BOB, "fee_schedule": 9}, "FEE_SCHEDULE_UNKNOWN 0 0"),
        (c.AssignFeeSchedule, {"account": BOB, "instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        (c.SetAccountLimits, {"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        (c.SetAccountLimits, {"account": BOB, "message_interval_ns": -1}, "LIMITS_INVALID 0 0"),
        (
            c.SetAccountLimits,
            {"account": BOB, "message_interval_ns": AMOUNT_LIMIT},
            "LIMITS_INVALID 0 0",
        ),
        (c.SetAssetLimits, {"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        (c.SetAssetLimits, {"account": BOB, "asset": 9}, "ASSET_UNKNOWN 0 0"),
        (c.SetInstrumentLimits, {"instrument": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        (c.SetInstrumentLimits, {"instrument": BOOK}, "LIMITS_INVALID 0 0"),
        (c.ChangePhase, {"instrument": 9, "phase": 1}, "INSTRUMENT_UNKNOWN 0 0"),
        (c.Kill, {"scope": 9}, "SCOPE_INVALID 0 9"),
        (c.Kill, {"scope": Scope.VENUE, "target": 1}, "IDENTIFIER_INVALID 0 1"),
        (c.Kill, {"scope": Scope.FIRM, "target": 9}, "FIRM_UNKNOWN 0 0"),
        (c.Kill, {"scope": Scope.ACCOUNT, "target": 9}, "ACCOUNT_UNKNOWN 0 0"),
        (c.Resume, {"scope": Scope.SESSION, "target": 9}, "SESSION_UNKNOWN 0 0"),
        (c.Resume, {"scope": Scope.INSTRUMENT, "target": 9}, "INSTRUMENT_UNKNOWN 0 0"),
        (c.ActivateRules, {"rules": 2}, "RULES_UNKNOWN 1 2"),
        (c.GrantSession, {"account": 99}, "ACCOUNT_UNKNOWN 0 0"),
        (c.GrantSession, {"account": BOB}, "IDENTIFIER_INVALID 0 0"),
        (c.GrantSession, {"account": BOB, "session": 5, "firm": 9}, "FIRM_UNKNOWN 0 0"),
        (c.GrantSession, {"account": BOB, "session": 5, "firm": 1}, "IDENTIFIER_INVALID 2 1"),
        (
            c.GrantSession,
            {"account": BOB, "session": 2, "firm": 2, "rights": 8, "name": padded_text("S2", 32)},
            "FIELD_INVALID 0 0",
        ),
        (c.OpenSession, {"session": 9, "connection": 1}, "SESSION_UNKNOWN 0 0"),
        (c.OpenSession, {"session": 1, "connection": 1}, "IDENTIFIER_INVALID 2 1"),
        (c.OpenSessionOnTerms, {"session": 9, "connection": 1}, "SESSION_UNKNOWN 0 0"),
        (c.OpenSessionOnTerms, {"session": 1, "connection": 1}, "IDENTIFIER_INVALID 2 1"),
        (
            c.OpenSessionOnTerms,
            {"session": 1, "connection": 2, "cancel_on_disconnect": 3},
            "FIELD_INVALID 0 0",
        ),
        (
            c.OpenSessionOnTerms,
            {"session": 1, "connection": 2, "disconnect_grace_ns": -1},
            "FIELD_INVALID 0 0",
        ),
        (c.CloseSession, {"session": 9, "connection": 1}, "SESSION_UNKNOWN 0 0"),
        (c.CloseSession, {"session": 1, "connection": 2}, "SESSION_CLOSED 1 2"),
        (c.ConfigureVenue, {"day_offset_ns": -1}, "LIMITS_INVALID 0 0"),
        (c.ConfigureVenue, {"day_offset_ns": 86_400 * SECOND}, "LIMITS_INVALID 0 0"),
        (c.ConfigureVenue, {"indicative_interval_ns": -1}, "LIMITS_INVALID 0 0"),
        (c.ConfigureVenue, {"indicative_interval_ns": AMOUNT_LIMIT}, "LIMITS_INVALID 0 0"),
        (c.ConfigureVenue, {"client_id_window_ns": AMOUNT_LIMIT}, "LIMITS_INVALID 0 0"),
        (c.ConfigureVenue, {"open_orders_max": 500_001}, "LIMITS_INVALID 500000 500001"),
    ],
)
def test_a_definition_is_refused(
    market: Market, kind: type[Record], fields: dict[str, Any], line: str
) -> None:
    before = market.engine.definitions()
    assert market.send(kind, **fields) == [f"command rejected {line}"]
    assert market.engine.definitions() == before


class Naming(NamedTuple):
    """How something gets a number and a name; ``fields`` is the rest that it needs."""

    kind: type[Record]
    number: str
    name: str
    fields: dict[str, int]

    def fields_of(self, number: int, name: bytes) -> dict[str, Any]:
        padded = name.ljust(16 if self.name == "symbol" else 32, b"\0")
        return self.fields | {self.number: number, self.name: padded}


NAMINGS = (
    Naming(c.CreateAsset, "asset", "symbol", {"supply_max_atoms": 1}),
    Naming(
        c.CreateInstrument,
        "instrument",
        "symbol",
        {"base_asset": BASE, "quote_asset": QUOTE, "fee_schedule": 1}
        | dict.fromkeys(("lot_atoms", "tick_lot_atoms", "tick_units", "lot_units"), 1),
    ),
    Naming(c.CreateFirm, "firm", "name", {}),
    Naming(
        c.CreateAccount,
        "account",
        "name",
        {"firm": 1, "account_kind": 1, "self_trade_prevention": 1},
    ),
    Naming(c.GrantSession, "session", "name", {"account": ALICE, "firm": 1, "rights": 1}),
)


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda each: each.kind.__name__)
def test_a_name_is_in_use_once_among_its_kind(market: Market, naming: Naming) -> None:
    for number, name in ((7, b"EUR"), (8, b"EUR "), (9, b"eur")):  # bytes count, not spellings
        lines = market.send(naming.kind, **naming.fields_of(number, name))
        assert not lines[0].startswith("command rejected"), lines
    restored = Venue()
    restored.engine.restore(market.engine.snapshot())
    restored.sequence, restored.now_ns = market.sequence, market.now_ns
    for venue in (market, restored):
        before = venue.engine.definitions()
        assert venue.send(naming.kind, **naming.fields_of(6, b"EUR")) == [
            "command rejected ALREADY_EXISTS 0 0"
        ]
        assert venue.engine.definitions() == before


@pytest.mark.parametrize("naming", NAMINGS, ids=lambda each: each.kind.__name__)
@pytest.mark.parametrize(
    "name", [b"", b"\0A", b"A\0B", b"A\x1f", b"A\x7f", b"\xc3\x84", b"A\n"], ids=repr
)
def test_a_name_is_printable_and_padded_at_its_end_alone(
    market: Market, naming: Naming, name: bytes
) -> None:
    before = market.engine.definitions()
    assert market.send(naming.kind, **naming.fields_of(7, name)) == [
        "command rejected IDENTIFIER_INVALID 0 0"
    ]
    assert market.engine.definitions() == before


def test_a_session_keeps_its_name(market: Market) -> None:
    before = market.engine.definitions()
    for name in ("else", "S2"):
        assert market.grant(ALICE, name=padded_text(name, 32)) == [
            "command rejected IDENTIFIER_INVALID 0 0"
        ]
    assert market.engine.definitions() == before
    assert market.grant(ALICE, name=padded_text("S1", 32)) == ["SessionGranted"]


@pytest.mark.parametrize("orders", [499_999, 500_000])
def test_the_venue_may_have_half_a_million_open_orders(market: Market, orders: int) -> None:
    assert market.configure(open_orders_max=orders) == ["VenueConfigured"]


def test_capacities_are_the_configured_ones(market: Market) -> None:
    market.configure(accounts_max=5, sessions_max=4, instruments_max=2)
    values: dict[str, Any] = {
        "firm": 1,
        "account_kind": 1,
        "self_trade_prevention": 1,
        "name": NAME,
    }
    assert market.send(c.CreateAccount, account=51, **values) == ["AccountCreated"]
    values["name"] = padded_text("other", 32)
    assert market.send(c.CreateAccount, account=52, **values) == [
        "command rejected CAPACITY_EXCEEDED 5 6"
    ]
    assert market.grant(ALICE, session=4) == ["SessionGranted"]
    assert market.grant(ALICE, session=5) == ["command rejected CAPACITY_EXCEEDED 4 5"]
    assert market.create_instrument(2) == ["InstrumentCreated"]
    assert market.create_instrument(3) == ["command rejected CAPACITY_EXCEEDED 2 3"]


@pytest.mark.parametrize("more", [0, 1])
def test_no_order_can_be_worth_2_to_the_62(market: Market, more: int) -> None:
    price, lots = 1 << 30, 1 << 31
    lines = market.limit(price_ticks_max=price - 1 + more, quantity_lots_max=lots // 2 * 2)
    # ticks x lots x 2 < 2**62
    assert lines == (
        [f"command rejected LIMITS_INVALID {AMOUNT_LIMIT - 1} {AMOUNT_LIMIT}"]
        if more
        else ["InstrumentLimitsSet"]
    )


def test_open_orders_keep_counting_in_the_bound_on_products(market: Market) -> None:
    market.buy(1, at=90)
    few_dear = {"price_ticks_max": 1 << 60, "quantity_lots_max": 1}
    many_cheap = {"price_ticks_max": 1, "quantity_lots_max": 1 << 58, "reference_ticks": 0}
    for bounds in (few_dear, many_cheap):
        assert market.limit(**bounds)[0].startswith("command rejected LIMITS_INVALID")
    market.cancel(1)
    for bounds in (few_dear, many_cheap):
        assert market.limit(**bounds) == ["InstrumentLimitsSet"]


def test_an_instrument_without_limits_cannot_leave_closed(market: Market) -> None:
    market.create_instrument(2)
    assert market.phase(Phase.CONTINUOUS, instrument=2) == ["command rejected LIMITS_INVALID 0 0"]


# Sources and records.


def test_a_source_is_heard_once_per_number_and_anew_in_a_higher_epoch(market: Market) -> None:
    source = source_number(GATEWAY, 77)

    def ask(epoch: int, number: int) -> list[str]:
        return market.buy(1, at=90, source=source, epoch=epoch, source_sequence=number)

    assert ask(1, 5) != []
    assert [ask(1, 5), ask(1, 4), ask(0, 9)] == [[], [], []]
    assert ask(1, 6) != []
    assert ask(2, 1) != []
    assert ask(1, 7) == []
    assert market.engine.last_sequence == market.sequence
    assert (source, 2, 1) in market.engine.sources(GATEWAY)


@pytest.mark.parametrize(("sequence", "time"), [(0, 0), (2, 0), (1, -1)])
def test_a_gap_in_the_sequence_or_a_stamp_going_back_ends_the_process(
    market: Market, sequence: int, time: int
) -> None:
    record = c.AdvanceTime.make(
        sequence=market.sequence + sequence, time_ns=market.now_ns + time
    ).pack()
    with pytest.raises(AssertionError):
        market.engine.apply(record)


def test_rules_are_activated(market: Market) -> None:
    assert market.send(c.ActivateRules, rules=1) == ["RulesActivated"]
