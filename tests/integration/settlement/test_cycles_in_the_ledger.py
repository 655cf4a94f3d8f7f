"""Settlement cycles beside the real poster: what the engine says, kills, and planted mistakes."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest

from runtime.postgres import Connection, connect
from settlement import cycle_queries, database
from settlement.adapters.memory import MemoryBatch
from settlement.cycle_check import cycle_findings
from settlement.cycle_decisions import Ask
from settlement.cycle_terms import InstructionState, SettlementCode, SettlementMode
from settlement.cycles import close_cycle
from settlement.errors import SettlementRefusedError
from settlement.instructions import Chosen, confirm, fail
from settlement.modes import seed_modes
from settlement.reconcile import Finding
from settlement.reconcile_loader import reconcile
from tests.integration.settlement.conftest import settle, until
from tests.integration.settlement.cycle_model import Model
from tests.integration.settlement.test_engine import count_of, figures
from tests.property.flow import Flow
from tests.unit.settlement.flow import flow_of
from venue.engines import create_engine


def ask(reference: str) -> Ask:
    return Ask(operator=3, reference=reference, decided_at_ns=1_790_000_000_000_000_000)


async def test_engine_is_settled_and_unsettled_at_every_moment(
    ledger_dsn: str, owner: Connection, application: Connection, chance: random.Random
) -> None:
    """The engine's own flow: credit lines come and go, trades are busted and corrected."""
    engine, last, pending = create_engine("native"), 0, list[MemoryBatch]()
    moments, parts = [], 6
    everyone = dict.fromkeys(range(1, 10000, 2), SettlementMode.NET)
    await seed_modes(application, dict(list(everyone.items())[:40]), decided_at_ns=1)
    for index, (_, events) in enumerate(Flow(chance.getrandbits(32), calm=True).run(engine, 3_000)):
        if events:
            pending.append(MemoryBatch(last + 1, last + count_of(events), events))
            last = pending[-1].last
        if index % (3_000 // parts) == 3_000 // parts - 1:
            await settle(ledger_dsn, pending)
            pending = []
            moments.append(figures(engine))
            await close_cycle(application, ask(f"close {index}"))
            await decide_at_random(application, chance, f"{index}")
    await settle(ledger_dsn, pending)
    moments.append(figures(engine))

    reports = [await reconcile(owner, moment) for moment in moments]
    assert [report.differences for report in reports] == [[] for _ in moments]
    assert reports[-1].counts["cycles"] == parts
    assert reports[-1].counts["instructions"] > 10
    corrections = await owner.fetchval("select count(*) from settlement.trade_corrections")
    assert corrections > 0


async def decide_at_random(connection: Connection, chance: random.Random, name: str) -> None:
    for each in await cycle_queries.instructions(connection, states=[InstructionState.PENDING]):
        chosen, reference = Chosen(numbers=(each.instruction,)), f"{name} {each.instruction}"
        if chance.random() < 0.2:
            await fail(connection, ask(reference), chosen)
            continue
        try:
            await confirm(
                connection,
                ask(reference),
                chosen,
                amount_atoms=chance.randint(1, abs(each.amount_atoms)),
            )
        except SettlementRefusedError as error:
            if error.code is not SettlementCode.NOT_COVERED:
                raise


async def test_a_credit_line_makes_an_account_settle_net_unless_there_was_a_word(
    ledger_dsn: str, application: Connection, chance: random.Random
) -> None:
    await seed_modes(application, {12: SettlementMode.GROSS}, decided_at_ns=1)
    flow = flow_of(chance, steps=0)
    flow.limits(11, 1, 0)
    flow.limits(11, 1, 50)
    first = flow.number
    flow.limits(11, 1, 0)
    flow.limits(12, 1, 50)
    flow.limits(11, 1, 70)
    await settle(ledger_dsn, flow.batches(commands_max=2))

    known = await cycle_queries.modes(application)
    assert {n: (row.mode, row.after_event, row.decision) for n, row in known.items()} == {
        11: (SettlementMode.NET, first, 0),
        12: (SettlementMode.GROSS, 0, 1),
    }
    # A file read again later changes nothing about accounts that are there.
    assert await seed_modes(application, {13: SettlementMode.NET}, decided_at_ns=2) == 0


async def test_a_close_that_is_killed_leaves_no_half_cycle(
    ledger_dsn: str, owner: Connection, application: Connection, chance: random.Random
) -> None:
    model = Model(application, chance)
    await model.found()
    for _ in range(20):
        await model.trade()
    await owner.execute(
        "create function public.wait_for_the_kill() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(60); return null; end $$;"
        " create trigger wait_for_the_kill after insert on settlement.instructions"
        " for each statement execute function public.wait_for_the_kill()"
    )
    victim = await connect(ledger_dsn, role=database.APPLICATION_ROLE, application="victim")
    closing = asyncio.create_task(close_cycle(victim, model.ask()))

    async def is_inside() -> bool:
        return bool(
            await owner.fetchval(
                "select exists (select from pg_stat_activity where application_name = 'victim'"
                " and wait_event = 'PgSleep')"
            )
        )

    await until(is_inside)
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'"
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await closing
    for table in ("decisions", "cycles", "obligations", "instructions"):
        # S608: the names are ours.
        assert await owner.fetchval(f"select count(*) from settlement.{table}") == 0  # noqa: S608

    await owner.execute("drop function public.wait_for_the_kill cascade")
    await close_cycle(application, model.ask())
    model.closed()
    assert len(await cycle_queries.instructions(application)) == len(model.instructions)


async def test_two_closes_at_once_are_two_cycles_and_the_same_close_twice_is_one(
    ledger_dsn: str, application: Connection, chance: random.Random
) -> None:
    model = Model(application, chance)
    await model.found()
    await model.trade()
    others = [await connect(ledger_dsn, role=database.APPLICATION_ROLE) for _ in range(6)]
    made = await asyncio.gather(
        *(close_cycle(other, ask(f"close {at % 2}")) for at, other in enumerate(others))
    )
    assert sorted(cycle.cycle for cycle in made) == [1, 1, 1, 2, 2, 2]
    for other in others:
        await other.close()


PLANTED = {
    "update settlement.obligations set amount_atoms = amount_atoms + 1 where cycle = 1 and"
    " party = 1 and account = (select min(account) from settlement.obligations where party = 1)":
        "obligations are those of the cycle's entries",
    "delete from settlement.instructions where instruction = 1":
        "instructions are for what is owed and was not settled",
    "update settlement.instructions set amount_atoms = amount_atoms * 2 where instruction = 1":
        "instructions are for what is owed and was not settled",
    "insert into settlement.account_modes values (11, 0, 0, 2)":
        "obligations are those of the cycle's entries",
}  # fmt: skip


@pytest.mark.parametrize(("statement", "what"), PLANTED.items())
async def test_reconciliation_finds_what_was_changed_by_hand(
    ledger_dsn: str, owner: Connection, chance: random.Random, statement: str, what: str
) -> None:
    model = Model(owner, chance)
    await model.found()
    while not ({11, 13} <= {a for t in model.trades for a in (t.maker, t.taker)}):
        await model.trade()
    await close_cycle(owner, model.ask())
    assert await findings(owner) == []
    await owner.execute("set session_replication_role = replica")  # no rule holds any more
    await owner.execute(statement)

    assert what in {found.what for found in await findings(owner)}


async def findings(connection: Connection) -> list[Finding]:
    return await cycle_findings(connection, findings_max=10)
