"""The auditor beside a real ledger: quiet while it is true, and whatever is done to it is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from auditor.checks.ledger import LedgerPicture
from auditor.findings import Check, Finding
from auditor.ledger_auditor import PICTURE_NAME, LedgerAuditor
from auditor.metrics import AuditorMetrics
from auditor.pictures import read_picture
from auditor.settings import AuditorSettings
from exchange.drill_day import drill_day
from runtime.postgres import Connection, connect
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from tests.integration.settlement.conftest import settle
from tests.unit.settlement.flow import VENUE
from tests.venue_support import until

LOOKS_MAX = 25
"""At the ledger, until an error in it is found: 0.02 s apart here, a second in a venue."""


def recorded(rounds: int = 20) -> list[MemoryBatch]:
    """A trading day, a batch for each command."""
    commands: dict[int, list[bytes]] = {}
    numbers: dict[int, list[int]] = {}
    for event in drill_day(rounds=rounds).events:
        commands.setdefault(event.sequence, []).append(event.pack())
        numbers.setdefault(event.sequence, []).append(event.number)
    return [
        MemoryBatch(numbers[at][0], numbers[at][-1], b"".join(data))
        for at, data in commands.items()
    ]


class Audited:
    """A ledger's auditor, and what it reported."""

    def __init__(self, auditor: LedgerAuditor, metrics: AuditorMetrics) -> None:
        self.auditor = auditor
        self.metrics = metrics
        self.findings: list[Finding] = []

    @property
    def looks(self) -> float:
        return float(self.metrics.comparisons.labels("ledger")._value.get())

    async def reach(self, number: int) -> None:
        await until(lambda: self.auditor.picture.number == number)
        await self.look_again()

    async def look_again(self) -> None:
        before = self.looks
        await until(lambda: self.looks > before + 1)

    async def finds(self, *checks: Check) -> None:
        before = self.looks
        await until(lambda: any(each.check in checks for each in self.findings))
        assert self.looks - before < LOOKS_MAX


@asynccontextmanager
async def auditing(dsn: str, batches: list[MemoryBatch], folder: Path) -> AsyncIterator[Audited]:
    settings = AuditorSettings(directory=folder, ledger_seconds=0.02, picture_seconds=0.05)
    picture = read_picture(folder / PICTURE_NAME, LedgerPicture) or LedgerPicture()
    metrics, reported = AuditorMetrics(CollectorRegistry()), list[Finding]()
    auditor = LedgerAuditor(
        settings,
        picture,
        dsn=lambda: dsn,
        make_feed=lambda _known: MemoryFeed(batches, venue=VENUE),
        report=reported.extend,
        metrics=metrics,
    )
    audited, stop = Audited(auditor, metrics), asyncio.Event()
    audited.findings = reported
    task = asyncio.create_task(auditor.run(stop))
    try:
        yield audited
        assert not task.done(), task.result()
    finally:
        stop.set()
        await task


async def test_a_true_ledger_is_clean_and_a_restart_goes_on(
    ledger_dsn: str, tmp_path: Path
) -> None:
    batches = recorded()
    half = len(batches) // 2
    await settle(ledger_dsn, batches[:half])
    async with auditing(ledger_dsn, batches, tmp_path) as audited:
        await audited.reach(batches[half - 1].last)
    await settle(ledger_dsn, batches)
    async with auditing(ledger_dsn, batches, tmp_path) as audited:
        assert audited.auditor.picture.number == batches[half - 1].last
        await audited.reach(batches[-1].last)
        assert audited.findings == []
        assert audited.auditor.picture.stretches[0].trades > 20


UNGUARDED = "set session_replication_role = replica"
"""What an owner can do: no trigger runs."""

BY_HAND = """
    insert into settlement.entries
    select event_number, v.leg, v.kind, 11, v.account, asset, v.amount, time_ns
    from (select * from settlement.entries where kind = 1 limit 1) as one,
        (values (90, 20, 0, -1000), (91, 1, 11, 1000)) as v (leg, kind, account, amount)
"""
WITHOUT_BALANCE = """
    insert into settlement.entries
    select event_number, 90, kind, cause, account, asset, 5, time_ns
    from settlement.entries limit 1
"""
CHANGED = """
    update settlement.entries set amount_atoms = amount_atoms + 1
    where leg = 1 and event_number = (select max(event_number) from settlement.entries)
"""
TAKEN_OUT = """
    delete from settlement.entries
    where event_number = (select min(event_number) from settlement.entries)
"""
BALANCE_MOVED = """
    update settlement.balances set balance_atoms = balance_atoms + 1
    where kind = 1 and account = 11 and asset = 1
"""
PRICE_CHANGED = "update settlement.trades set price_ticks = price_ticks + 1 where trade_id = 1"
BOOKED_AHEAD = """
    insert into settlement.entries
    select event_number + 1000000, leg, kind, cause, account, asset, amount_atoms, time_ns
    from settlement.entries limit 1
"""
SET_BACK = """
    update settlement.positions set event_number = event_number - 1 where consumer = 'ledger'
"""

TAMPERINGS = {
    "foreign rows, balanced, by hand": (BY_HAND, {Check.LEDGER_ENTRIES, Check.LEDGER_BALANCES}),
    "foreign rows without a balance": (WITHOUT_BALANCE, {Check.LEDGER_ENTRIES}),
    "a row is changed": (CHANGED, {Check.LEDGER_ENTRIES}),
    "a row is taken out": (TAKEN_OUT, {Check.LEDGER_ENTRIES}),
    "a balance is moved": (BALANCE_MOVED, {Check.LEDGER_BALANCES}),
    "a trade has another price": (PRICE_CHANGED, {Check.LEDGER_TRADES}),
    "rows are booked ahead": (BOOKED_AHEAD, {Check.LEDGER_POSITION}),
    "the position goes back": (SET_BACK, {Check.LEDGER_POSITION}),
}


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_what_is_done_to_the_ledger_is_found(
    ledger_dsn: str, owner: Connection, tmp_path: Path, what: str
) -> None:
    batches = recorded()
    await settle(ledger_dsn, batches)
    statement, checks = TAMPERINGS[what]
    async with auditing(ledger_dsn, batches, tmp_path) as audited:
        await audited.reach(batches[-1].last)
        assert audited.findings == []
        if statement is not BY_HAND:  # which the triggers let pass
            await owner.execute(UNGUARDED)
        await owner.execute(statement)
        await audited.finds(*checks)


async def test_a_lost_connection_is_made_again(ledger_dsn: str, tmp_path: Path) -> None:
    batches = recorded()
    await settle(ledger_dsn, batches)
    killer = await connect(ledger_dsn)
    try:
        async with auditing(ledger_dsn, batches, tmp_path) as audited:
            await audited.reach(batches[-1].last)
            for _ in range(3):
                await killer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'auditor.ledger'"
                )
                await until(lambda: audited.auditor.is_connected)
                await audited.look_again()
            assert audited.findings == []
            assert audited.metrics.postgres_outages._value.get() >= 1
    finally:
        await killer.close()


async def test_a_ledger_that_was_carried_over_is_audited_from_there_on(
    ledger_dsn: str, owner: Connection, tmp_path: Path
) -> None:
    batches = recorded()
    half = len(batches) // 2
    await settle(ledger_dsn, batches[:half])
    await owner.execute(UNGUARDED)
    await owner.execute(
        """
        insert into settlement.house_postings (posting, cause, operator, approver, reference,
            text, after_event, time_ns) values (0, 40, 0, 0, 'opening', 'older books', 0, 1);
        update settlement.entries set leg = leg + 40
        where event_number = (select min(event_number) from settlement.entries);
        """
    )
    async with auditing(ledger_dsn, batches, tmp_path) as audited:
        await audited.reach(batches[half - 1].last)
        assert audited.auditor.picture.taken_over == batches[half - 1].last
        await settle(ledger_dsn, batches)
        await audited.reach(batches[-1].last)
        assert audited.findings == []
        await owner.execute(CHANGED)
        await audited.finds(Check.LEDGER_ENTRIES)
