"""The end of a trading day: net what was traded on credit, settle it, and show the books.

Accounts that are prefunded settled with each trade. The others are netted: the day is closed, one
delivery is confirmed in part and then fails, all else is confirmed; a trade of the settled day is
busted; the next day's close asks again for what failed and has the bust in it; at the end nothing
is unsettled, engine, ledger and cycles agree, and an audit of the day finds nothing.

Every decision is asked of the operators' API, signed and on the record that is audited then.
"""

import asyncio
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from exchange.admin.pair import OperatorPair
from exchange.books import reconcile_venue, report_lines
from exchange.configuration import Configuration, read_configuration
from exchange.cycle_report import (
    CycleStatus,
    instruction_lines,
    mode_lines,
    obligation_lines,
    status_lines,
)
from exchange.database import database_dsn
from exchange.demo.audit import audit_day
from exchange.demo.funding import FOUNDERS
from exchange.demo.proof import Check
from exchange.demo.stage import DemoError, Stage
from exchange.ledger_names import LedgerNames
from exchange.statement_html import as_html
from exchange.statement_report import Report, statement_report
from runtime import postgres
from runtime.postgres import Connection
from settlement import cycle_queries, database
from settlement.chart import Consumer
from settlement.cycle_decisions import ledger_position
from settlement.cycle_queries import Standing
from settlement.cycle_terms import Party
from settlement.cycles import Cycle, last_cycle
from settlement.instructions import OPEN_STATES
from settlement.reconcile_loader import wait_for
from settlement.statement_loader import account_statement, period_of

SETTLED_NET: Final = ("MM2",)
"""Who is to settle net beside the institution, which has a credit line."""

SHOWN: Final = ("balances", "positions and profit", "fees", "settlement")
"""The sections of the statement that are printed; the page has all."""

_STATED: Final = "INST1"
_DAY_NS: Final = 86_400_000_000_000
_LEDGER_SECONDS_MAX: Final = 60.0
_CONFIRMED_PART: Final = 3
"""The part of the failing delivery that comes: one in so many."""


class SettlementDay:
    """Settles what a demo traded."""

    def __init__(self, stage: Stage, console: Console, page: Path) -> None:
        self._stage = stage
        self._console = console
        self._page = page
        self._operators: OperatorPair | None = None

    async def run(self) -> bool:
        """Settle the day and show it.

        Returns:
            Whether obligations summed to zero, nothing was left unsettled, all books agree and
            the audit is clean.

        Raises:
            DemoError: nothing was traded on credit.
        """
        self._operators = await asyncio.to_thread(OperatorPair.of, self._stage.state, FOUNDERS)
        configuration = read_configuration(self._stage.places.config)
        connection = await postgres.connect(
            database_dsn(configuration, self._stage.state),
            application="demo settlement",
            role=database.APPLICATION_ROLE,
        )
        try:
            await database.check(connection)
            names = await LedgerNames.read(connection)
            self._say("How the accounts settle", mode_lines(
                names, await cycle_queries.modes(connection), {}
            ))  # fmt: skip
            is_balanced = await self._first_day(connection, names)
            is_balanced &= await self._next_day(connection, names)
            is_settled = await self._state(connection, names)
            await self._write_statement(connection, names)
        finally:
            await connection.close()
        report = await reconcile_venue(
            configuration, self._stage.state, seconds_max=_LEDGER_SECONDS_MAX
        )
        self._say("Reconciliation", list(report_lines(report)))
        is_clean = await self._audit(configuration)
        return is_balanced and is_settled and report.is_clean and is_clean

    async def _audit(self, configuration: Configuration) -> bool:
        """Let the day be audited and say what came of it."""
        checks = await audit_day(configuration, self._stage.state)
        lines = [
            f"{'ok' if each.is_ok else 'FOUND':<5} {each.name}: {each.figures}" for each in checks
        ]
        lines += [f"      {each}" for check in checks for each in check.differences]
        is_clean = all(each.is_ok for each in checks)
        self._say("Audit", [*lines, "the audit is clean" if is_clean else "NOT CLEAN"])
        return is_clean

    async def _first_day(self, connection: Connection, names: LedgerNames) -> bool:
        cycle = await self._close(connection, "demo-day-1", "the end of the day")
        is_balanced = await self._show_obligations(connection, names, cycle)
        asked = await cycle_queries.instructions(connection, cycle=cycle.cycle)
        failing = next((each for each in asked if _can_fail(each)), None)
        if failing is None:
            raise DemoError("nothing was traded on credit that somebody has to deliver")
        part = names.assets[failing.asset].text(abs(failing.amount_atoms) // _CONFIRMED_PART)
        chosen = {"instructions": [failing.instruction]}
        await self._decide(
            "confirm", chosen | {"amount": part, "reference": "demo-part"}, "what came in time"
        )
        await self._decide("fail", chosen, "the rest did not come by the deadline")
        await self._decide("confirm", {"cycle": cycle.cycle}, "delivered")
        self._say(
            f"Instructions of cycle {cycle.cycle}: one came in part and failed, all else settled",
            instruction_lines(names, await cycle_queries.instructions(connection)),
        )
        return is_balanced

    async def _next_day(self, connection: Connection, names: LedgerNames) -> bool:
        busted = await self._bust(connection)
        cycle = await self._close(connection, "demo-day-2", "the end of the next day")
        self._say(
            f"Trade {busted} of the settled day was busted: its money goes back by cycle"
            f" {cycle.cycle}",
            [],
        )
        is_balanced = await self._show_obligations(connection, names, cycle)
        asked = await cycle_queries.instructions(connection, states=OPEN_STATES)
        self._say(
            "What is open: what failed is asked for again, and its obligation has aged",
            instruction_lines(names, asked),
        )
        for each in sorted({row.cycle for row in asked}):
            await self._decide("confirm", {"cycle": each}, "delivered")
        return is_balanced

    async def _bust(self, connection: Connection) -> int:
        """Undo the last trade of the institution, whose cycle is settled; return its number."""
        trade = await connection.fetchval(
            "select trade_id from settlement.trades where $1 in (maker_account, taker_account)"
            " order by event_number desc limit 1",
            self._stage.known.account(_STATED),
        )
        assert isinstance(trade, int), "somebody who has to deliver has traded"
        done = await self._carry_out("bust", {"trade": trade}, "shown by the demo")
        await wait_for(
            connection, done["event"], consumer=Consumer.LEDGER, seconds_max=_LEDGER_SECONDS_MAX
        )
        return trade

    async def _close(self, connection: Connection, reference: str, reason: str) -> Cycle:
        await self._decide("close", {"reference": reference}, reason)
        cycle = await last_cycle(connection)
        assert cycle is not None, "it was just closed"
        return cycle

    async def _decide(self, what: str, body: dict[str, Any], reason: str) -> None:
        await self._carry_out(f"cycles.{what}", body, reason)

    async def _carry_out(self, action: str, body: dict[str, Any], reason: str) -> dict[str, Any]:
        assert self._operators is not None, "the day has begun"
        signed = body | {"reason": reason}
        return await asyncio.to_thread(self._operators.carry_out, action, signed)

    async def _show_obligations(
        self, connection: Connection, names: LedgerNames, cycle: Cycle
    ) -> bool:
        rows = await cycle_queries.obligations(connection, cycle=cycle.cycle)
        entries = await connection.fetchval(
            "select count(*) from settlement.entries where event_number > $1"
            " and event_number <= $2 and cause between 1 and 9",
            cycle.after_event,
            cycle.through_event,
        )
        self._say(
            f"Cycle {cycle.cycle}: {entries} entries became {len(rows)} obligations",
            obligation_lines(names, rows),
        )
        sums: defaultdict[int, int] = defaultdict(int)
        for row in rows:
            sums[row.asset] += row.amount_atoms
        return bool(rows) and not any(sums.values())

    async def _state(self, connection: Connection, names: LedgerNames) -> bool:
        status = CycleStatus(
            last_cycle=await last_cycle(connection),
            ledger_position=await ledger_position(connection),
            open_cycle=await cycle_queries.open_cycle(connection),
            unsettled=await cycle_queries.unsettled(connection),
            instructions=await cycle_queries.instructions(connection),
        )
        self._say("Where settlement stands", status_lines(names, status))
        return not status.unsettled

    async def _write_statement(self, connection: Connection, names: LedgerNames) -> None:
        account = names.account(_STATED)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            now_ns = time.time_ns()
            period = await period_of(
                connection, from_ns=now_ns - _DAY_NS, until_ns=now_ns, so_far=True
            )
            statement = await account_statement(connection, account, period)
            position = await ledger_position(connection)
        report = statement_report(
            names, [statement], title=f"Statement of account {_STATED}", position=position
        )
        self._page.write_text(as_html(report))
        lines = [line for name in SHOWN for line in _section_lines(report, name)]
        self._say(report.title, lines)
        self._console.print(
            f"{len(statement.fills)} trades and {len(statement.entries)} entries are in"
            f" {self._page.name}"
        )

    def _say(self, title: str, lines: list[str]) -> None:
        self._console.print(f"\n{title}", style="bold", soft_wrap=True)
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)


def _can_fail(standing: Standing) -> bool:
    return standing.party == Party.ACCOUNT and standing.amount_atoms <= -_CONFIRMED_PART


def _verdict(check: Check) -> str:
    return "ok" if check.is_ok else "FOUND"


def _section_lines(report: Report, name: str) -> list[str]:
    """Write a section in columns."""
    section = next(each for each in report.sections if each.name == name)
    rows = [section.columns, *section.rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(section.columns))]
    lines = [f"- {name}"]
    for row in rows:
        cells = (
            text.rjust(width) if column in section.numbers else text.ljust(width)
            for text, width, column in zip(row, widths, section.columns, strict=True)
        )
        lines.append("  " + "  ".join(cells).rstrip())
    return lines
