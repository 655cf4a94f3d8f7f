"""The end of a trading day: net what was traded on credit, settle it, and show the books.

Accounts that are prefunded settled with each trade. The others are netted: the day is closed, one
delivery is confirmed in part and then fails, all else is confirmed; a trade of the settled day is
busted; the next day's close asks again for what failed and has the bust in it; at the end nothing
is unsettled, and engine, ledger and cycles agree.
"""

import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from rich.console import Console

from exchange.books import reconcile_venue, report_lines
from exchange.configuration import read_configuration
from exchange.cycle_report import (
    CycleStatus,
    instruction_lines,
    mode_lines,
    obligation_lines,
    status_lines,
)
from exchange.database import database_dsn
from exchange.demo.stage import DemoError, Stage
from exchange.ledger_names import LedgerNames
from exchange.operator_link import OperatorLink, matching
from exchange.operators import Operators
from exchange.statement_html import as_html
from exchange.statement_report import Report, statement_report
from messages.trading import commands, events
from messages.trading.identity import client_id
from runtime import postgres
from runtime.postgres import Connection
from settlement import cycle_queries, database
from settlement.chart import Consumer
from settlement.cycle_decisions import Ask, ledger_position
from settlement.cycle_queries import Standing
from settlement.cycle_terms import Party
from settlement.cycles import Cycle, close_cycle, last_cycle
from settlement.instructions import OPEN_STATES, Chosen, confirm, fail
from settlement.reconcile_loader import wait_for
from settlement.statement_loader import account_statement, period_of

SETTLED_NET: Final = ("MM2",)
"""Who is to settle net beside the institution, which has a credit line."""

FOUNDERS: Final = ("treasurer", "controller")
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
        self._operator = 0
        self._decisions = 0

    async def run(self) -> bool:
        """Settle the day and show it.

        Returns:
            Whether obligations summed to zero, nothing was left unsettled and all books agree.

        Raises:
            DemoError: nothing was traded on credit.
        """
        operators = Operators(self._stage.state.operators)
        if not operators.all():
            operators.found(FOUNDERS)
        self._operator = operators.live()[0].number
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
        return is_balanced and is_settled and report.is_clean

    async def _first_day(self, connection: Connection, names: LedgerNames) -> bool:
        cycle = await close_cycle(connection, self._ask("the end of the day"))
        is_balanced = await self._show_obligations(connection, names, cycle)
        asked = await cycle_queries.instructions(connection, cycle=cycle.cycle)
        failing = next((each for each in asked if _can_fail(each)), None)
        if failing is None:
            raise DemoError("nothing was traded on credit that somebody has to deliver")
        part = abs(failing.amount_atoms) // _CONFIRMED_PART
        chosen = Chosen(numbers=(failing.instruction,))
        await confirm(connection, self._ask("what came in time"), chosen, amount_atoms=part)
        await fail(connection, self._ask("the rest did not come by the deadline"), chosen)
        await confirm(connection, self._ask("delivered"), Chosen(cycle=cycle.cycle))
        self._say(
            f"Instructions of cycle {cycle.cycle}: one came in part and failed, all else settled",
            instruction_lines(names, await cycle_queries.instructions(connection)),
        )
        return is_balanced

    async def _next_day(self, connection: Connection, names: LedgerNames) -> bool:
        busted = await self._bust(connection)
        await wait_for(
            connection, busted.number, consumer=Consumer.LEDGER, seconds_max=_LEDGER_SECONDS_MAX
        )
        cycle = await close_cycle(connection, self._ask("the end of the next day"))
        self._say(
            f"Trade {busted.trade_id} of the settled day was busted: its money goes back by cycle"
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
            await confirm(connection, self._ask("delivered"), Chosen(cycle=each))
        return is_balanced

    async def _bust(self, connection: Connection) -> events.TradeBusted:
        """Undo the last trade of the institution, whose cycle is settled."""
        row = await connection.fetchrow(
            "select trade_id, instrument, maker_account, taker_account, price_ticks, quantity_lots"
            " from settlement.trades where $1 in (maker_account, taker_account)"
            " order by event_number desc limit 1",
            self._stage.known.account(_STATED),
        )
        assert row is not None, "somebody who has to deliver has traded"
        reference = client_id(f"demo-bust-{row['trade_id']}")
        command = commands.BustTrade.make(
            **dict(row),
            operator=self._operator,
            approver=self._operator + 1,
            reference=reference,
            text=b"shown by the demo",
        )
        async with OperatorLink.open(self._stage.state) as operator:
            told = await operator.ask(command, matching(events.TradeBusted, reference=reference))
        assert isinstance(told, events.TradeBusted), told
        return told

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

    def _ask(self, reason: str) -> Ask:
        self._decisions += 1
        return Ask(
            operator=self._operator,
            reference=f"demo-{self._decisions}",
            decided_at_ns=time.time_ns(),
            reason=reason,
        )

    def _say(self, title: str, lines: list[str]) -> None:
        self._console.print(f"\n{title}", style="bold", soft_wrap=True)
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)


def _can_fail(standing: Standing) -> bool:
    return standing.party == Party.ACCOUNT and standing.amount_atoms <= -_CONFIRMED_PART


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
