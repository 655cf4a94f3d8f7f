"""The demo from beginning to end: connect, trade, lose a connection and return, clear up, prove."""

import asyncio
import gc
import time
from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table

from exchange.books import reconcile_venue, report_lines
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.demo import driving, proof
from exchange.demo.book_state import MarketState
from exchange.demo.fix_session import FixSession, FixSessionError
from exchange.demo.flow import SeededFlow
from exchange.demo.latency import LatencyHistogram
from exchange.demo.negotiation import (
    Negotiated,
    executions_of,
    negotiate,
    negotiated_trade_is_booked,
)
from exchange.demo.participant import DropCopy, Participant, TooManyReportsError
from exchange.demo.proof import DIFFERENCES_SHOWN, Check, Units
from exchange.demo.proof_sources import (
    Booked,
    NotCaughtUpError,
    decode_balances,
    held_amounts,
    read_booked,
)
from exchange.demo.recorded import SYMBOL, RecordedFlow, RecordedFlowError, read_rows
from exchange.demo.stage import COPIED, COPY, REQUESTER, TRADERS, DemoError, Plan, Stage
from exchange.demo.view import View, latency_text
from exchange.operator_link import connect, core_address
from messages.layout import plain_text
from messages.trading import events
from runtime.feed import LinkFeed

AWAY_SECONDS: Final = 1.0
_LISTENER: Final = "auditor"
_RECONCILE_SECONDS_MAX: Final = 60.0
_EXPECTED: Final = (
    FixSessionError, RecordedFlowError, TooManyReportsError, NotCaughtUpError
)  # fmt: skip


class Show:
    """One run on one stage."""

    def __init__(self, stage: Stage, plan: Plan, console: Console) -> None:
        self._stage = stage
        self._plan = plan
        self._console = console
        self._run = f"{time.time_ns() // 1_000_000:x}"
        self._market_state = MarketState()
        self._participants = {
            name: Participant(stage.settings[name], stage.markets) for name in TRADERS
        }
        self._copy = DropCopy(stage.settings[COPY])
        self._view = View(
            console,
            self._market_state,
            stage.shown,
            list(self._participants.values()),
            [self._copy],
        )
        self._left: list[str] = []
        self._returned = ""
        self._negotiated = Negotiated(missing="nothing was asked")
        self._seconds = 0.0

    @property
    def _sessions(self) -> list[FixSession]:
        return [self._copy.session, *(each.session for each in self._participants.values())]

    async def run(self, stop: asyncio.Event) -> bool:
        """Carry out the plan, or as much of it as there is time for before ``stop``.

        Returns:
            Whether everything that was to be proved holds.

        Raises:
            DemoError: a session was refused or lost, or a recording cannot be read.
        """
        try:
            await self._trade(stop)
            checks = await self._prove()
        except _EXPECTED as error:
            raise DemoError(str(error)) from error
        except ExceptionGroup as group:
            # Not except*: what is raised within it comes out in a group that nobody knows.
            expected, others = group.split(_EXPECTED)
            if expected is None or others is not None:
                raise
            raise DemoError("; ".join(_messages(expected))) from group
        finally:
            for session in self._sessions:
                session.drop()
        self._tell(checks)
        return all(check.is_ok for check in checks)

    # --- trading ---

    async def _trade(self, stop: asyncio.Event) -> None:
        for session in self._sessions:
            await session.open(self._stage.host, self._stage.port, reset=not self._plan.is_fresh)
        done = asyncio.Event()
        # What is here by now stays: a full collection of it in mid-run would be seen as latency.
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_market(done), name="demo market data")
            group.create_task(self._view.run(done), name="demo view")
            begun = time.monotonic()
            over = asyncio.Event()
            away = group.create_task(self._leave_and_return(over), name="demo drop copy")
            await self._drive(stop)
            if self._plan.recorded is None:
                await self._negotiate()
            self._seconds = time.monotonic() - begun
            over.set()
            await away
            self._left = await driving.clear_up(self._participants, run=self._run)
            copied = [self._participants[name] for name in COPIED]
            await driving.wait_for_copies(self._copy, copied, after=self._stage.after)
            done.set()
        for session in self._sessions:
            await session.close()

    async def _drive(self, stop: asyncio.Event) -> None:
        plan = self._plan
        if plan.recorded is None:
            flow = SeededFlow(self._stage.markets, seed=plan.seed, run=self._run)
            await driving.drive_seeded(
                flow, self._participants, seconds=plan.seconds, rate=plan.rate, stop=stop
            )
            return
        recording = RecordedFlow(self._stage.markets[SYMBOL], run=self._run)
        steps = driving.limited(recording.steps(read_rows(plan.recorded)), plan.rows_max)
        await driving.drive_recorded(steps, self._participants, speed=plan.speed, stop=stop)

    async def _negotiate(self) -> None:
        """Let the institution trade once by a request for quote, which both makers answer."""
        requester = self._participants[REQUESTER]
        makers = [each for name, each in self._participants.items() if name != REQUESTER]
        market = self._stage.markets[SYMBOL]
        self._negotiated = await negotiate(requester, makers, market, run=self._run)

    async def _watch_market(self, done: asyncio.Event) -> None:
        state = self._stage.state
        feed = LinkFeed(await core_address(state), _LISTENER, state.token(_LISTENER))
        async for batch in feed.read(0, done):
            self._market_state.take(batch.data)

    async def _leave_and_return(self, over: asyncio.Event) -> None:
        """Cut the drop copy's connection in mid-run, and come back for what it missed."""
        if await driving.passes(
            over, self._plan.seconds / 2 if self._plan.recorded is None else 5.0
        ):
            return
        copy = self._copy
        before = len(copy.reports)
        self._view.note = f"{COPY} has lost its connection"
        copy.session.drop()
        await driving.passes(over, AWAY_SECONDS)
        told = sum(len(self._participants[name].reports) for name in COPIED)
        await copy.session.open(self._stage.host, self._stage.port)
        self._view.note = f"{COPY} is back"
        self._returned = (
            f"{COPY} lost its connection after {before} reports and came back when "
            f"{told} had been made"
        )

    # --- proof ---

    async def _prove(self) -> list[Check]:
        stage = self._stage
        configuration = read_configuration(stage.places.config)
        reconciled = await reconcile_venue(
            configuration, stage.state, seconds_max=_RECONCILE_SECONDS_MAX
        )
        through, held = await self._engine_says()
        dsn = database_dsn(configuration, stage.state)
        booked = await read_booked(dsn, after=stage.after, through=through, accounts=stage.accounts)
        return [
            *self._compare(booked),
            Check(
                "engine = ledger",
                f"at event {reconciled.event_number}: "
                + ", ".join(
                    f"{n} {what.replace('_', ' ')}" for what, n in reconciled.counts.items()
                ),
                () if reconciled.is_clean else tuple(report_lines(reconciled)),
            ),
            proof.sums_are_zero(booked.sums),
            proof.nothing_is_open(
                [(stage.account_names[account], order) for account, order in booked.open_orders],
                held,
                placed=booked.placed,
                left=self._left,
            ),
        ]

    async def _engine_says(self) -> tuple[int, dict[tuple[str, str], int]]:
        """Return the venue's last event and what it holds for our accounts."""
        link = await connect(self._stage.state, "admin")
        try:
            answer = await link.query("balances")
        finally:
            await link.close()
        balances = decode_balances(answer.payload)
        names = self._stage.account_names
        return answer.event_number, held_amounts(balances, self._stage.known, names)

    def _compare(self, booked: Booked) -> list[Check]:
        after = self._stage.after
        told = {name: proof.since(each.reports, after) for name, each in self._participants.items()}
        copied = proof.since(self._copy.reports, after)
        of_firm = [report for name in COPIED for report in told[name]]
        everything = [report for reports in told.values() for report in reports]
        traders = self._participants.values()
        surprises = [f"{each.name}: {what}" for each in traders for what in each.surprises]
        if self._copy.unmarked:
            surprises.append(f"{COPY}: {self._copy.unmarked} reports without 797=Y")
        return [
            proof.drop_copy_equals(of_firm, copied),
            proof.trades_equal(everything, booked.trades, self._units(), TRADERS),
            *self._negotiation_checks(booked),
            proof.mistakes_were_refused(
                sum(each.mistakes for each in traders),
                sum(each.mistakes_refused for each in traders),
                surprises,
            ),
        ]

    def _negotiation_checks(self, booked: Booked) -> list[Check]:
        """Check the request for quote, which a recording has none of."""
        if self._plan.recorded is not None:
            return []
        executions = executions_of(self._negotiated, list(self._participants.values()))
        return [negotiated_trade_is_booked(self._negotiated, booked.trades, executions=executions)]

    def _units(self) -> Units:
        created = [e for e in self._stage.known.records if isinstance(e, events.InstrumentCreated)]
        return Units(
            markets=self._stage.markets,
            fee_scales={
                plain_text(each.symbol): self._stage.known.asset(str(each.quote_asset)).scale
                for each in created
            },
            account_names=self._stage.account_names,
        )

    # --- telling ---

    def _tell(self, checks: list[Check]) -> None:
        out = self._console
        asked: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        latency = LatencyHistogram()
        for each in self._participants.values():
            asked += each.asked
            refused += each.refused
            latency.add(each.latency)
        executions = sum(each.executions for each in self._participants.values())
        total = asked.total()
        rate = total / max(self._seconds, 1e-9)
        out.print(
            f"\n{total} requests in {self._seconds:.1f} s ({rate:.0f}/s), {executions} executions, "
            f"{self._market_state.trade_count} trades seen in market data"
        )
        out.print(f"order to acknowledgement: {latency_text(latency)} ({latency.count} orders)")
        out.print("asked: " + _listed(asked))
        out.print("refused: " + _listed(refused))
        if self._returned:
            out.print(self._returned)
        table = Table(title="Proof", title_justify="left")
        for heading in ("what", "figures", ""):
            table.add_column(heading, overflow="fold")
        for check in checks:
            table.add_row(check.name, check.figures, "ok" if check.is_ok else "DIFFERS")
        out.print(table)
        for check in checks:
            for difference in check.differences[:DIFFERENCES_SHOWN]:
                out.print(f"{check.name}: {difference}", markup=False, soft_wrap=True)
            if (more := len(check.differences) - DIFFERENCES_SHOWN) > 0:
                out.print(f"{check.name}: and {more} more")
        if all(check.is_ok for check in checks):
            out.print("OK", style="bold green")
        else:
            out.print("NOT OK", style="bold red")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common()) or "nothing"


def _messages(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [message for inner in error.exceptions for message in _messages(inner)]
    return [str(error)]
