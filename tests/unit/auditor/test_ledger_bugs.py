"""Mistakes that settlement could make, one at a time: balanced or not, each is found in seconds.

A bug is what a faulty posting rule would have written: rows are changed and balances are those of
the changed rows, so that nothing but the auditor's own rules can tell. What the drill plants is in
``auditor/drill/plants.py``; what is done to PostgreSQL by hand in
``tests/integration/settlement/test_ledger_auditor.py``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from auditor.checks.postings import CorrectionRow, EntryRow, TradeRow
from auditor.drill.drill import FOUND_SECONDS_MAX
from auditor.drill.shadow import Shadow
from auditor.findings import Check
from exchange.drill_day import drill_day
from settlement.chart import EntryCause as Cause
from settlement.chart import LedgerAccountKind as Kind

Rule = Callable[[EntryRow], EntryRow | None]
Plant = Callable[[Shadow], None]

ENTRIES, TRADES = Check.LEDGER_ENTRIES, Check.LEDGER_TRADES


@pytest.fixture(scope="module")
def true() -> Shadow:
    day = drill_day()
    shadow = Shadow(day.events, day.commands)
    assert not shadow.audit().kept
    return shadow


def of_cause(*causes: Cause) -> Callable[[EntryRow], bool]:
    return lambda row: row.cause in causes


def everywhere(applies: Callable[[EntryRow], bool], rule: Rule) -> Plant:
    """Book every entry to which a faulty rule applies by that rule."""

    def plant(shadow: Shadow) -> None:
        rows = [rule(row) if applies(row) else row for row in shadow.entries]
        book(shadow, [row for row in rows if row is not None])

    return plant


def in_one_event(cause: Cause, bug: Callable[[Sequence[EntryRow]], list[EntryRow]]) -> Plant:
    """Book the last event that has a cause by a faulty rule."""

    def plant(shadow: Shadow) -> None:
        number = max(row.event_number for row in shadow.entries if row.cause == cause)
        of_it = [row for row in shadow.entries if row.event_number == number]
        rest = [row for row in shadow.entries if row.event_number != number]
        book(shadow, sorted([*rest, *bug(of_it)]))

    return plant


def book(shadow: Shadow, rows: list[EntryRow]) -> None:
    assert rows != shadow.entries, "the bug changed nothing"
    shadow.entries = rows
    shadow.balances = Counter()
    for row in rows:
        shadow.balances[row.kind, row.account, row.asset] += row.amount


def to_other_account(row: EntryRow) -> EntryRow:
    others = {11: 12, 12: 11, 21: 31, 31: 21}
    return row._replace(account=others.get(row.account, row.account))


def negated(row: EntryRow) -> EntryRow:
    return row._replace(amount=-row.amount)


def of_trade(change: Callable[[TradeRow], list[TradeRow]]) -> Plant:
    def plant(shadow: Shadow) -> None:
        shadow.trades = [*change(shadow.trades[0]), *shadow.trades[1:]]

    return plant


def of_bust(change: Callable[[CorrectionRow], list[CorrectionRow]]) -> Plant:
    def plant(shadow: Shadow) -> None:
        shadow.corrections = [*change(shadow.corrections[0]), *shadow.corrections[1:]]

    return plant


def an_atom_more(rows: Sequence[EntryRow]) -> list[EntryRow]:
    """Book an atom too much both ways: the event balances."""
    first, second = rows[:2]
    return [
        first._replace(amount=first.amount - 1),
        second._replace(amount=second.amount + 1),
        *rows[2:],
    ]


BUGS: dict[str, tuple[Check, Plant]] = {
    "base goes the wrong way": (ENTRIES, everywhere(
        lambda row: row.cause == Cause.TRADE and row.leg <= 2, negated)),
    "both sides of trades are exchanged": (ENTRIES, everywhere(
        of_cause(Cause.TRADE, Cause.FEE, Cause.REBATE), to_other_account)),
    "fees are never booked": (ENTRIES, everywhere(of_cause(Cause.FEE), lambda _row: None)),
    "fees are booked twice as high": (ENTRIES, everywhere(
        of_cause(Cause.FEE), lambda row: row._replace(amount=2 * row.amount))),
    "a rebate is booked as a fee": (ENTRIES, everywhere(
        of_cause(Cause.REBATE), lambda row: row._replace(cause=Cause.FEE))),
    "rebates come out of fee income": (ENTRIES, everywhere(
        lambda row: row.kind == Kind.REBATES, lambda row: row._replace(kind=Kind.FEE_INCOME))),
    "notionals are booked in the base asset": (ENTRIES, everywhere(
        lambda row: row.cause == Cause.TRADE and row.leg > 2, lambda row: row._replace(asset=1))),
    "a trade moves an atom too much": (ENTRIES, in_one_event(Cause.TRADE, an_atom_more)),
    "an event is left out": (ENTRIES, in_one_event(Cause.TRADE, lambda _rows: [])),
    "an event is booked again under the next number": (ENTRIES, in_one_event(
        Cause.CREDIT,
        lambda rows: [*rows, *(row._replace(event_number=row.event_number + 1) for row in rows)])),
    "legs are numbered from nought": (ENTRIES, everywhere(
        lambda _row: True, lambda row: row._replace(leg=row.leg - 1))),
    "a deposit is booked as a debit": (ENTRIES, everywhere(
        of_cause(Cause.CREDIT), lambda row: negated(row)._replace(cause=Cause.DEBIT))),
    "a debit gives": (ENTRIES, everywhere(of_cause(Cause.DEBIT), negated)),
    "a withdrawal leaves before it is committed": (ENTRIES, everywhere(
        lambda row: row.cause == Cause.WITHDRAWAL_RESERVED and row.kind == Kind.WITHDRAWALS,
        lambda row: row._replace(kind=Kind.CLEARING, account=0))),
    "a released withdrawal stays away": (ENTRIES, everywhere(
        of_cause(Cause.WITHDRAWAL_RELEASED), lambda _row: None)),
    "a bust keeps the fee": (ENTRIES, everywhere(
        of_cause(Cause.FEE_REVERSED), lambda _row: None)),
    "a bust books the trade again": (ENTRIES, everywhere(
        of_cause(Cause.TRADE_REVERSED), negated)),
    "a transfer goes the wrong way": (ENTRIES, everywhere(of_cause(Cause.TRANSFER), negated)),
    "a credit line is taken for money": (ENTRIES, everywhere(
        lambda row: row.kind == Kind.CREDIT_LINE, lambda row: row._replace(kind=Kind.FUNDS))),
    "rewards come out of suspense": (ENTRIES, everywhere(
        lambda row: row.kind == Kind.REWARDS, lambda row: row._replace(kind=Kind.SUSPENSE))),
    "an adjustment goes to another account": (ENTRIES, everywhere(
        of_cause(Cause.ADJUSTMENT), to_other_account)),
    "a trade is not kept": (TRADES, of_trade(lambda _row: [])),
    "a trade is kept with its sides exchanged": (TRADES, of_trade(
        lambda row: [row._replace(maker_account=row.taker_account,
                                  taker_account=row.maker_account)])),
    "a trade is kept without its fee": (TRADES, of_trade(
        lambda row: [row._replace(taker_fee_atoms=0)])),
    "a bust is kept as a correction": (TRADES, of_bust(
        lambda row: [row._replace(is_bust=False)])),
    "a bust names one operator twice": (TRADES, of_bust(
        lambda row: [row._replace(approver=row.operator)])),
    "a bust undoes another event": (TRADES, of_bust(
        lambda row: [row._replace(corrected_event=row.corrected_event + 1)])),
}  # fmt: skip


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_of_settlement_is_found(true: Shadow, name: str) -> None:
    check, plant = BUGS[name]
    shadow = true.copy()
    plant(shadow)
    started = time.thread_time()
    assert check in shadow.audit().counts
    assert time.thread_time() - started < FOUND_SECONDS_MAX


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 20
