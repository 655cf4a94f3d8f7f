"""Statements: every figure is what the query in docs/statements.md says, run as it is written."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from exchange.ledger_names import LedgerNames
from exchange.statement_html import as_html
from exchange.statement_report import as_csv, as_json, statement_report
from runtime.postgres import Connection
from settlement.adapters.memory import MemoryBatch
from settlement.balances_as_of import LedgerNotThereError
from settlement.chart import EntryCause
from settlement.cycle_decisions import Ask
from settlement.cycles import business_date, close_cycle
from settlement.errors import SettlementRefusedError
from settlement.profit import CostPosition, Fill, after_fill
from settlement.profit_marks import mark, profit_findings
from settlement.reconcile import Finding
from settlement.statement import AccountStatement, Period
from settlement.statement_loader import account_statement, period_of
from settlement.trade_reports import blotter, fee_report
from tests.integration.settlement.conftest import settle
from tests.integration.settlement.test_engine import count_of
from tests.property.flow import Flow
from venue.engines import create_engine

PAGE = Path(__file__).resolve().parents[3] / "docs" / "statements.md"


def queries() -> dict[str, str]:
    return dict(re.findall(r"```sql (\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL))


async def told(connection: Connection, name: str, **variables: object) -> list[tuple[Any, ...]]:
    """Run a documented query with psql's variables filled in."""
    text = queries()[name]
    for variable, value in variables.items():
        quoted = str(value) if isinstance(value, int) else f"date '{value}'"
        text = re.sub(rf":{variable}\b", quoted, text)
    return [tuple(row) for row in await connection.fetch(text)]


@pytest.fixture
async def traded(ledger_dsn: str, application: Connection, chance: random.Random) -> Connection:
    """A ledger of the engine's own flow, with cycles closed in it."""
    engine, last, batches = create_engine("native"), 0, list[MemoryBatch]()
    for _, events in Flow(chance.getrandbits(32), calm=True).run(engine, 4_000):
        if events:
            batches.append(MemoryBatch(last + 1, last + count_of(events), events))
            last = batches[-1].last
    third = len(batches) // 3
    for at in range(3):
        await settle(ledger_dsn, batches[at * third : (at + 1) * third if at < 2 else None])
        stands = await application.fetchval("select max(time_ns) from settlement.positions")
        ask = Ask(operator=1, reference=f"close {at}", decided_at_ns=stands)
        await close_cycle(application, ask)
    return application


async def some_period(connection: Connection, chance: random.Random) -> Period:
    stamps = [
        row[0] for row in await connection.fetch("select distinct time_ns from settlement.entries")
    ]
    first, second = sorted(chance.sample(sorted(stamps), 2))
    return await period_of(
        connection,
        from_ns=first + chance.choice((0, 1)),
        until_ns=second + chance.choice((1, 2, 10**15)),
        so_far=True,
    )


async def statement_of(
    connection: Connection, account: int, period: Period, **options: int
) -> AccountStatement:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await account_statement(connection, account, period, **options)


async def busy_accounts(connection: Connection) -> list[int]:
    rows = await connection.fetch(
        "select account from settlement.entries where account <> 0 and cause <= 9"
        " group by account order by count(*) desc limit 6"
    )
    assert rows
    return [row[0] for row in rows]


async def test_every_figure_is_what_its_documented_query_says(
    traded: Connection, chance: random.Random
) -> None:
    seen = {"bust": 0, "correction": 0, "trade": 0, "settlement": 0}
    for account in await busy_accounts(traded):
        for _ in range(3):
            period = await some_period(traded, chance)
            await compare(traded, account, period, seen)
    period = await period_of(traded, from_ns=0, until_ns=1 << 62, so_far=True)
    for account in await busy_accounts(traded):
        await compare(traded, account, period, seen)
    assert seen["trade"], seen
    assert seen["settlement"], seen
    assert seen["bust"] or seen["correction"], seen  # some flows have but one of them


async def test_marks_change_no_figure_and_shorten_the_walk(
    traded: Connection, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    periods = [await some_period(traded, chance) for _ in range(4)]
    periods.append(await period_of(traded, from_ns=0, until_ns=1 << 62, so_far=True))
    accounts = await busy_accounts(traded)
    before = [
        await statement_of(traded, account, period) for account in accounts for period in periods
    ]
    last = await traded.fetchval("select max(event_number) from settlement.positions")
    every = last // 5
    places = []
    while (place := await mark(traded, every=every)) is not None:
        places.append(place)
    assert places == [every * number for number in range(1, len(places) + 1)]
    assert places[-1] > last - every
    after = [
        await statement_of(traded, account, period) for account in accounts for period in periods
    ]
    assert after == before

    walked: list[int] = []

    def counted(held: CostPosition, fill: Fill) -> CostPosition:
        walked.append(fill.event_number)
        return after_fill(held, fill)

    monkeypatch.setattr("settlement.statement_loader.after_fill", counted)
    for account in accounts:
        for period in periods:
            walked.clear()
            await statement_of(traded, account, period)
            start = max((place for place in places if place <= period.after_event), default=0)
            assert all(start < number <= period.through_event for number in walked)
            assert period.after_event - start < every


async def remade(connection: Connection) -> list[Finding]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await profit_findings(connection, findings_max=1000)


async def test_marks_are_made_from_the_ones_before_and_are_final(
    traded: Connection, owner: Connection, chance: random.Random
) -> None:
    last = await traded.fetchval("select max(event_number) from settlement.positions")
    while await mark(traded, every=last // 9) is not None:
        pass
    marks = await traded.fetch(
        "select * from settlement.profit_marks order by account, instrument, event_number"
    )
    assert marks
    for row in chance.sample(marks, min(10, len(marks))):
        known = await told(traded, "profit", account=row["account"], event=row["event_number"])
        position = (row["base_atoms"], row["cost_atoms"], row["realised_atoms"])
        assert (row["instrument"], *position) in known
    assert await remade(traded) == []
    late = "insert into settlement.profit_marks values (1, 1, $1, 1, 1, 1)"
    for number in (1, marks[0]["event_number"]):
        with pytest.raises(asyncpg.PostgresError, match="are made"):
            await traded.execute(late, number)
    for change in (
        "delete from settlement.profit_marks",
        "update settlement.profit_places set event_number = 1",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await owner.execute(change)
    # An owner who goes out of his way is found by reconciliation.
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "update settlement.profit_marks set cost_atoms = cost_atoms + 1 where event_number ="
        " (select max(event_number) from settlement.profit_marks)"
    )
    found = await remade(traded)
    assert len(found) == await traded.fetchval(
        "select count(*) from settlement.profit_marks where event_number ="
        " (select max(event_number) from settlement.profit_marks)"
    )
    assert "cost" in found[0].expected


async def compare(
    connection: Connection, account: int, period: Period, seen: dict[str, int]
) -> None:
    after, through = period.after_event, period.through_event
    assert [(after, through)] == await told(
        connection, "period", from_ns=period.from_ns, until_ns=period.until_ns
    )
    made = await statement_of(connection, account, period)
    of_period = {"account": account, "after_event": after, "through_event": through}
    assert [
        (line.kind, line.asset, line.opening_atoms, line.closing_atoms) for line in made.balances
    ] == [
        row
        for row in await told(connection, "balances", **of_period)
        if any(row[2:]) or has_moved(made, row)
    ]
    assert sorted(
        (line.asset, line.kind, EntryCause[cause.upper()], atoms)
        for line in made.balances
        for cause, atoms in line.movements.items()
    ) == sorted(
        (asset, kind, cause, atoms)
        for kind, asset, cause, atoms in await told(connection, "movements", **of_period)
    )
    assert [
        (f.asset, f.charged_atoms, f.rebated_atoms, f.corrected_atoms, f.total_atoms)
        for f in made.fees
    ] == await told(connection, "fees", **of_period)
    assert sorted(
        (f.event_number, f.trade_id, f.what, f.side == 1, f.base_atoms, f.quote_atoms, f.fee_atoms)
        for f in made.fills
    ) == sorted(await told(connection, "trades", **of_period))
    assert [
        (e.event_number, e.leg, e.kind, e.cause, e.asset, e.amount_atoms, e.balance_atoms)
        for e in made.entries
    ] == await told(connection, "entries", **of_period)
    await compare_profits(connection, made)
    dates = business_date(period.from_ns), business_date(period.until_ns - 1)
    assert [
        (s.instruction, s.cycle, s.asset, s.amount_atoms, s.confirmed_atoms)
        for s in made.settlements
    ] == await told(
        connection, "settlement", account=account, first_date=dates[0], last_date=dates[1]
    )
    for fill in made.fills:
        seen[fill.what] += 1
    seen["settlement"] += len(made.settlements)


def has_moved(made: AccountStatement, row: tuple[Any, ...]) -> bool:
    return any((e.kind, e.asset) == row[:2] for e in made.entries)


async def compare_profits(connection: Connection, made: AccountStatement) -> None:
    period = made.period
    closing = await positions(connection, made.account, period.through_event)
    opening = await positions(connection, made.account, period.after_event)
    fees: dict[int, int] = {}
    for fill in made.fills:
        fees[fill.instrument] = fees.get(fill.instrument, 0) + fill.fee_atoms
    lines = {line.instrument: line for line in made.profits}
    assert lines.keys() == {
        instrument for instrument, row in closing.items() if row[0] or instrument in fees
    }
    for instrument, line in lines.items():
        before = opening.get(instrument, (0, 0, 0))
        base, cost, realised = closing[instrument]
        assert (line.opening_base_atoms, line.opening_cost_atoms) == before[:2]
        assert (line.closing_base_atoms, line.closing_cost_atoms) == (base, cost)
        assert line.realised_atoms == realised - before[2]
        assert line.fees_atoms == fees.get(instrument, 0)
        assert line.net_atoms == line.realised_atoms - line.fees_atoms


async def positions(
    connection: Connection, account: int, event: int
) -> dict[int, tuple[int, int, int]]:
    rows = await told(connection, "profit", account=account, event=event)
    return {instrument: (base, cost, realised) for instrument, base, cost, realised in rows}


async def test_the_fees_of_all_accounts_are_the_venues_income(
    traded: Connection, chance: random.Random
) -> None:
    names = await LedgerNames.read(traded)
    for _ in range(4):
        period = await some_period(traded, chance)
        paid: dict[int, int] = {}
        for line in await fee_report(traded, period):
            asset = names.instruments[line.instrument].quote_asset
            paid[asset] = paid.get(asset, 0) + line.maker_fee_atoms + line.taker_fee_atoms
        income = await told(
            traded,
            "income",
            after_event=period.after_event,
            through_event=period.through_event,
        )
        assert {asset: atoms for asset, atoms in paid.items() if atoms} == {
            asset: atoms for asset, atoms in income if atoms
        }


async def test_the_blotter_has_every_trade_and_correction_once(traded: Connection) -> None:
    period = await period_of(traded, from_ns=0, until_ns=1 << 62, so_far=True)
    lines = await blotter(traded, period)
    counted = await traded.fetchval(
        "select (select count(*) from settlement.trades)"
        " + (select count(*) from settlement.trade_corrections)"
    )
    assert len(lines) == len({line.event_number for line in lines}) == counted
    account = lines[0].maker_account
    of_one = await blotter(traded, period, accounts=[account])
    assert of_one == [line for line in lines if account in (line.maker_account, line.taker_account)]
    assert await blotter(traded, period, rows_max=counted) == lines
    with pytest.raises(SettlementRefusedError, match="2012 STATEMENT_TOO_LONG"):
        await blotter(traded, period, rows_max=counted - 1)


async def test_a_statement_lists_so_many_entries_and_no_more(traded: Connection) -> None:
    period = await period_of(traded, from_ns=0, until_ns=1 << 62, so_far=True)
    account = (await busy_accounts(traded))[0]
    count = len((await statement_of(traded, account, period)).entries)
    await statement_of(traded, account, period, rows_max=count)
    with pytest.raises(SettlementRefusedError, match=f"limit {count - 1}"):
        await statement_of(traded, account, period, rows_max=count - 1)


async def test_json_csv_and_html_say_the_same(traded: Connection) -> None:
    period = await period_of(traded, from_ns=0, until_ns=1 << 62, so_far=True)
    names = await LedgerNames.read(traded)
    accounts = (await busy_accounts(traded))[:2]
    statements = [await statement_of(traded, account, period) for account in accounts]
    report = statement_report(names, statements, title="Statement of <b>two</b>", position=9)

    document = json.loads(as_json(report))
    rows = list(csv.reader(io.StringIO(as_csv(report))))
    page = as_html(report)
    for section in report.sections:
        wanted = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
        assert document["sections"][section.name] == wanted
        in_csv = [tuple(row[1:]) for row in rows if row[0] == section.name]
        assert len(in_csv) == len(section.rows)
        alone = list(csv.reader(io.StringIO(as_csv(report, section.name))))
        assert alone[0] == list(section.columns)
        assert len(alone) == len(section.rows) + 1
        for row in section.rows:
            assert all(f">{cell}</td>" in page for cell in row if cell.isdigit())
    assert "<b>two</b>" not in page
    assert "http" not in page
    assert "<script" not in page
    assert sum(page.count(f"<{tag}>") for tag in ("table", "thead", "tbody")) == 3 * page.count(
        "</table>"
    )


async def test_a_period_that_the_ledger_has_not_passed_is_refused(traded: Connection) -> None:
    stands = await traded.fetchval(
        "select time_ns from settlement.positions where consumer = 'ledger'"
    )
    await period_of(traded, from_ns=0, until_ns=stands + 1)
    with pytest.raises(LedgerNotThereError):
        await period_of(traded, from_ns=0, until_ns=stands + 2)
    period = await period_of(traded, from_ns=0, until_ns=stands + 2, so_far=True)
    assert period.through_event > 0
