"""Two batches in the database at once: as if there had been one after the other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import pytest

from messages.trading.terms import BalanceCause
from runtime.postgres import Connection, connect, drop, is_outage
from settlement import database
from settlement.adapters.memory import MemoryBatch
from settlement.binary_copy import copy
from settlement.chart import Consumer
from settlement.errors import ConsumerBusyError, LedgerRefusedError
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import TRADE_COLUMNS
from settlement.locks import AFTER_BATCH, TURN_SPACE, try_lane, try_lock, turn_key
from settlement.reconcile_loader import reconcile
from settlement.service import SettlementService
from settlement.settings import SettlementSettings
from tests.integration.settlement.conftest import dump, fast_settings, running, until
from tests.integration.settlement.test_schema import is_waiting
from tests.integration.settlement.test_settlement import leaf
from tests.unit.settlement.flow import QUOTE, Flow, flow_of


def crowded(dsn: str, **changes: float) -> SettlementSettings:
    """Settings by which a frame or two fill a batch, so that a backlog is soon one."""
    return fast_settings(
        dsn,
        **({"batch_bytes_max": 2_000, "gather_seconds": 0.0, "post_seconds_max": 60.0} | changes),
    )


def beside(service: SettlementService) -> int:
    """How many batches were written while the one before was on its way."""
    counter = service.metrics.batches_beside
    return int(counter.labels(str(Consumer.LEDGER))._value.get())


def given_up(service: SettlementService) -> int:
    """How many were to be, and were posted again alone."""
    counter = service.metrics.batches_given_up
    return int(counter.labels(str(Consumer.LEDGER))._value.get())


async def post_all(dsn: str, batches: Sequence[MemoryBatch], **changes: float) -> int:
    """Post everything; returns how many batches were written beside another."""
    last = batches[-1].last
    async with running(crowded(dsn, **changes), batches) as (service, _):
        await until(lambda: service.poster.position == service.projector.position == last)
        assert given_up(service) == 0
        return beside(service)


async def test_two_lanes_leave_what_one_leaves(
    ledger_dsn: str, owner: Connection, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = flow_of(chance, steps=300)
    batches = flow.batches(commands_max=4)
    assert await post_all(ledger_dsn, batches) > len(batches) // 10
    assert (await reconcile(owner, flow.engine())).differences == []
    by_two = await dump(owner)
    await database.migrate(ledger_dsn, revision="base")
    await database.migrate(ledger_dsn)

    monkeypatch.setattr(LedgerProjection, "lanes", 1)
    assert await post_all(ledger_dsn, batches) == 0

    assert await dump(owner) == by_two


def money_in_and_out(chance: random.Random, *, times: int) -> Flow:
    """Batches of which each second one takes out all that the one before brought in."""
    flow = flow_of(chance, steps=0)
    flow.money(BalanceCause.DEBIT, 11, QUOTE, flow.balances[11, QUOTE])
    for _ in range(times):
        amount = chance.randint(1, 10**9)
        flow.money(BalanceCause.CREDIT, 11, QUOTE, amount)
        flow.money(BalanceCause.DEBIT, 11, QUOTE, amount)
    return flow


async def test_balances_move_in_the_order_of_the_events(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = money_in_and_out(chance, times=60)
    settings = crowded(ledger_dsn, batch_events_max=1)
    async with running(settings, flow.batches(commands_max=1)) as (service, _):
        await until(lambda: service.poster.position == flow.number)
        assert beside(service) > 0
    found = (
        "select balance_atoms from settlement.balances where (kind, account, asset) = (1, 11, 1)"
    )
    assert await owner.fetchval(found) == 0


async def test_no_balance_moves_before_its_turn(
    ledger_dsn: str, owner: Connection, application: Connection, chance: random.Random
) -> None:
    flow = money_in_and_out(chance, times=1)
    *before, bring, take = flow.batches(commands_max=1)
    projection = LedgerProjection()
    ready = [projection.decode(batches)[0] for batches in (before, [bring], [take])]
    await projection.write(owner, ready[0])
    key = turn_key(bring.last)

    async with application.transaction():
        async with owner.transaction():
            await owner.execute(f"select pg_advisory_xact_lock({TURN_SPACE}, {key})")
            await application.execute(f"set local {AFTER_BATCH} = {key}")
            second = asyncio.create_task(projection.write(application, ready[2]))
            await until(lambda: second.done() or is_waiting(owner))
            # Taken out before it was brought in, it would have been refused; and if not, the
            # first would wait for the second now.
            await projection.write(owner, ready[1])
        await second

    assert await owner.fetchval("select max(event_number) from settlement.entries") == take.last


async def test_what_the_second_batch_is_refused_for_leaves_the_first(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    first = flow.number
    flow.money(BalanceCause.DEBIT, 11, QUOTE, 10**15)
    flow.money(BalanceCause.CREDIT, 12, QUOTE, 5)

    with pytest.raises(BaseExceptionGroup) as caught:
        await post_all(ledger_dsn, flow.batches(commands_max=1), batch_events_max=1)

    error = leaf(caught.value)
    assert isinstance(error, LedgerRefusedError)
    assert f"after event {first}" in str(error)
    assert "not_below_credit_floor" in str(error)
    assert await owner.fetchval("select max(event_number) from settlement.entries") == first


async def test_a_key_that_both_batches_have_is_refused_and_not_waited_for(
    ledger_dsn: str, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    for _ in range(2):
        flow.trade(flow.place())
        flow.trades = 0
    batches = flow.batches(commands_max=1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await post_all(ledger_dsn, batches, batch_events_max=1, post_seconds_max=2.0)

    assert isinstance(leaf(caught.value), LedgerRefusedError)


async def test_a_session_that_another_batch_gave_up_is_an_outage(application: Connection) -> None:
    drop(application)
    with pytest.raises(asyncpg.InterfaceError) as caught:
        await copy(application, "settlement.trades", columns=TRADE_COLUMNS, rows=[b""])
    assert is_outage(caught.value)


async def sessions(owner: Connection) -> list[int]:
    rows = await owner.fetch(
        "select pid from pg_stat_activity where application_name = 'settlement.ledger'"
        " and datname = current_database()"
    )
    return [row["pid"] for row in rows]


async def test_a_session_that_is_ended_alone_loses_and_doubles_nothing(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=20)
    async with running(crowded(ledger_dsn), flow.batches(commands_max=3)) as (service, feeds):
        for _ in range(20):
            flow.commands.clear()
            for _ in range(30):
                flow.step()
            for batch in flow.batches(commands_max=3):
                for feed in feeds:
                    feed.add(batch)
            await asyncio.sleep(chance.uniform(0, 0.01))
            for pid in (await sessions(owner))[:1]:
                await owner.execute("select pg_terminate_backend($1)", pid)
        await until(lambda: service.poster.position == service.projector.position == flow.number)
        assert beside(service) > 0
    assert (await reconcile(owner, flow.engine())).differences == []


@pytest.mark.parametrize("lane", [0, 1])
async def test_a_poster_waits_for_each_session_of_its_predecessor(
    ledger_dsn: str, chance: random.Random, lane: int
) -> None:
    predecessor = await connect(ledger_dsn)
    assert await try_lane(predecessor, Consumer.LEDGER, lane)
    other = await connect(ledger_dsn)
    assert not await try_lock(other, Consumer.LEDGER)
    # It kept nothing of what it could have had.
    assert await try_lane(predecessor, Consumer.LEDGER, 1 - lane)
    await other.close()
    batches = flow_of(chance, steps=2).batches(commands_max=10)

    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(crowded(ledger_dsn, takeover_seconds_max=0.1), batches):
            await until(lambda: False)

    assert isinstance(leaf(caught.value), ConsumerBusyError)
    async with running(crowded(ledger_dsn), batches) as (service, _):
        await predecessor.close()
        await until(lambda: service.poster.position == batches[-1].last)


async def test_little_is_not_posted_before_it_is_enough(
    ledger_dsn: str, chance: random.Random
) -> None:
    """The first at once; what comes after it, in one transaction as soon as there is enough."""
    first, *others, final = flow_of(chance, steps=60).batches(commands_max=2)
    enough = sum(len(each.data) for each in (*others, final))
    # Enough is a 32nd part of what a transaction may have.
    settings = fast_settings(ledger_dsn, gather_seconds=3600.0, batch_bytes_max=32 * enough)
    async with running(settings, [first]) as (service, feeds):
        consumers = service.poster, service.projector
        await until(lambda: all(each.position == first.last for each in consumers))
        for feed in feeds:
            for batch in others:
                feed.add(batch)
        await until(lambda: all(each._read_through == others[-1].last for each in consumers))
        assert [each.position for each in consumers] == [first.last] * 2
        for feed in feeds:
            feed.add(final)
        await until(lambda: all(each.position == final.last for each in consumers))
        for consumer in Consumer:
            posted = service.metrics.batch_events.labels(str(consumer))
            assert posted._sum.get() == final.last
            assert sum(bucket.get() for bucket in posted._buckets) == 2
