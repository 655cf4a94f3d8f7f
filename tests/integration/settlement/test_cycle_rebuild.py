"""Settlement made again in another database: the same rows, from events and decisions alone."""

from __future__ import annotations

import random

import msgspec
import pytest

from runtime.postgres import Connection, connect
from settlement import cycle_queries, database
from settlement.adapters.memory import MemoryBatch
from settlement.cycle_decisions import Ask
from settlement.cycle_rebuild import RecordedDecision, rebuild, recorded_decisions
from settlement.cycle_terms import SettlementCode, SettlementMode
from settlement.cycles import close_cycle
from settlement.errors import SettlementRefusedError
from settlement.modes import seed_modes, set_mode
from settlement.reconcile_loader import reconcile
from tests.integration.settlement.conftest import dump, settle
from tests.integration.settlement.test_cycles import TABLES
from tests.integration.settlement.test_cycles_in_the_ledger import decide_at_random
from tests.integration.settlement.test_engine import count_of, figures
from tests.property.flow import Flow
from venue.engines import create_engine


def ask(reference: str) -> Ask:
    return Ask(operator=3, reference=reference, decided_at_ns=1_790_000_000_000_000_000)


async def test_settlement_is_made_again_from_events_and_decisions(
    ledger_dsn: str,
    other_dsn: str,
    owner: Connection,
    application: Connection,
    chance: random.Random,
) -> None:
    engine, last, batches = create_engine("native"), 0, list[MemoryBatch]()
    await seed_modes(
        application, dict.fromkeys(range(1, 40, 2), SettlementMode.NET), decided_at_ns=1
    )
    await seed_modes(
        application, dict.fromkeys(range(2, 40, 6), SettlementMode.GROSS), decided_at_ns=1
    )
    done = 0
    for index, (_, events) in enumerate(Flow(chance.getrandbits(32), calm=True).run(engine, 2_000)):
        if events:
            batches.append(MemoryBatch(last + 1, last + count_of(events), events))
            last = batches[-1].last
        if index % 400 == 399:
            await settle(ledger_dsn, batches[done:])
            done = len(batches)
            await close_cycle(application, ask(f"close {index}"))
            await decide_at_random(application, chance, f"{index}")
            await change_a_mode(application, chance, f"mode {index}")
    await settle(ledger_dsn, batches[done:])

    decisions = await recorded_decisions(application)
    copied = msgspec.json.decode(msgspec.json.encode(decisions), type=list[RecordedDecision])
    await settle(other_dsn, batches)
    other = await connect(other_dsn, role=database.APPLICATION_ROLE)
    assert await rebuild(other, copied) == len(decisions) > 10
    first, second = await dump(owner), await dump(other)
    for table in TABLES:
        assert first[table], table
        assert second[table] == first[table]
    assert (await reconcile(other, figures(engine))).differences == []

    with pytest.raises(SettlementRefusedError) as caught:
        await rebuild(other, copied)
    assert caught.value.code is SettlementCode.NOT_EMPTY
    await other.close()


async def change_a_mode(connection: Connection, chance: random.Random, name: str) -> None:
    known = await cycle_queries.modes(connection)
    accounts = await connection.fetch("select account from settlement.accounts")
    account = chance.choice([row[0] for row in accounts])
    now = cycle_queries.mode_of(known, account)
    (other,) = set(SettlementMode) - {now}
    await set_mode(connection, ask(name), account=account, mode=other)


async def test_decisions_need_the_events_that_they_were_made_after(
    other_dsn: str, application: Connection
) -> None:
    decision = RecordedDecision(
        decision=1,
        kind=1,
        operator=3,
        reference="monday",
        reason="",
        request="{}",
        at_event=900,
        decided_at_ns=5,
        approver=0,
    )
    with pytest.raises(SettlementRefusedError) as caught:
        await rebuild(application, [decision])
    assert caught.value.code is SettlementCode.LEDGER_TOO_SHORT
    assert (caught.value.limit, caught.value.usage) == (0, 900)
    assert await recorded_decisions(application) == []
