"""Both consumers over a real PostgreSQL: what they store, and that they store it once."""

import asyncio
import random

import pytest
from prometheus_client import CollectorRegistry

from messages.trading.events import OrderAmended, RefusalRecorded, TradeExecuted
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause, OrderStatus
from runtime.postgres import Connection, connect
from settlement import database, queries
from settlement.adapters.memory import MemoryFeed
from settlement.chart import VENUE as VENUES_OWN
from settlement.chart import Consumer, LedgerAccountKind
from settlement.errors import (
    ConsumerBusyError,
    EventGapError,
    LedgerRefusedError,
    PositionMovedError,
    SettlementError,
)
from settlement.locks import try_lock
from settlement.order_history import rebuild
from settlement.reconcile_loader import reconcile
from settlement.service import run
from tests.integration.settlement.conftest import dump, fast_settings, running, settle, until
from tests.unit.settlement.flow import BASES, QUOTE, START_NS, VENUE, flow_of


def leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_ledger_and_history_agree_with_the_model(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=400)

    await settle(ledger_dsn, flow.batches(commands_max=20), batch_events_max=50)

    report = await reconcile(owner, flow.engine())
    assert report.differences == []
    assert report.counts["trades"] == flow.trades > 0
    assert report.counts["open_orders"] == len(flow.open) > 0


async def test_stopping_and_starting_anywhere_gives_the_same_tables(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=150)
    batches = flow.batches(commands_max=10)
    await settle(ledger_dsn, batches)
    in_one_go = await dump(owner)
    await database.migrate(ledger_dsn, revision="base")
    await database.migrate(ledger_dsn)

    for through in sorted({*chance.sample(range(1, len(batches)), 8), len(batches)}):
        await settle(ledger_dsn, batches[:through], batch_events_max=chance.randint(1, 30))

    assert await dump(owner) == in_one_go


async def test_rebuilding_the_order_history_gives_identical_tables(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=200).batches(commands_max=10)
    await settle(ledger_dsn, batches)
    before = await dump(owner)

    await rebuild(ledger_dsn)
    assert await owner.fetchval("select count(*) from settlement.order_events") == 0
    assert await owner.fetchval("select count(*) from settlement.entries") > 0
    await settle(ledger_dsn, batches, batch_events_max=7)

    assert await dump(owner) == before


async def test_a_running_projector_is_not_rebuilt_under_its_feet(
    ledger_dsn: str, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=5).batches(commands_max=10)
    async with running(fast_settings(ledger_dsn), batches) as (service, _):
        await until(lambda: service.projector.position == batches[-1].last)
        with pytest.raises(ConsumerBusyError, match="stop settlement first"):
            await rebuild(ledger_dsn)


async def test_a_second_settlement_process_is_refused(
    ledger_dsn: str, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=5).batches(commands_max=10)
    async with running(fast_settings(ledger_dsn), batches) as (service, _):
        await until(lambda: service.projector.position == batches[-1].last)
        with pytest.raises(BaseExceptionGroup) as caught:
            await settle(ledger_dsn, batches, takeover_seconds_max=0.1)
    refusal = leaf(caught.value)
    assert isinstance(refusal, ConsumerBusyError)
    assert refusal.exit_code == 75


async def test_a_writer_that_lost_its_lock_still_commits_nothing_twice(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=20).batches(commands_max=5)
    before = 0

    async def run_beside_a_thief() -> None:
        nonlocal before
        async with running(fast_settings(ledger_dsn), batches[:-1]) as (service, feeds):
            await until(lambda: service.projector.position == batches[-2].last)
            await until(lambda: service.poster.position == batches[-2].last)
            before = await owner.fetchval("select count(*) from settlement.entries")
            await owner.execute("update settlement.positions set event_number = 1")
            for feed in feeds:
                feed.add(batches[-1])
            # Ends with the service, or the test fails: nothing else is to come.
            await until(lambda: False)

    with pytest.raises(BaseExceptionGroup) as caught:
        await run_beside_a_thief()

    assert isinstance(leaf(caught.value), PositionMovedError)
    assert await owner.fetchval("select count(*) from settlement.entries") == before


async def test_a_gap_in_the_feed_ends_settlement_with_the_numbers(
    ledger_dsn: str, chance: random.Random
) -> None:
    batches = flow_of(chance, steps=20).batches(commands_max=5)
    missing = batches[: len(batches) // 2] + batches[len(batches) // 2 + 1 :]

    with pytest.raises(BaseExceptionGroup) as caught:
        await settle(ledger_dsn, missing)

    error = leaf(caught.value)
    assert isinstance(error, EventGapError)
    assert error.exit_code == 70
    first = batches[len(batches) // 2].first
    assert str(error) == f"expected event {first}, found {batches[len(batches) // 2 + 1].first}"


async def test_what_the_ledger_refuses_ends_settlement_and_leaves_nothing(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=5)
    whole = flow.batches(commands_max=5)
    flow.commands.clear()
    flow.money(BalanceCause.DEBIT, 11, QUOTE, 10**15)
    await settle(ledger_dsn, whole)
    before = await dump(owner)

    with pytest.raises(BaseExceptionGroup) as caught:
        await settle(ledger_dsn, whole + flow.batches(commands_max=5))

    error = leaf(caught.value)
    assert isinstance(error, LedgerRefusedError)
    assert "not_below_credit_floor" in str(error)
    after = await dump(owner)
    # The projector may have been quicker than the poster's end: that event is none of its.
    assert after["entries"] == before["entries"]
    assert after["balances"] == before["balances"]


async def test_credit_lines_hold_as_of_each_event_of_a_batch(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    free = flow.balances[11, QUOTE]
    flow.limits(11, QUOTE, 500)
    flow.money(BalanceCause.DEBIT, 11, QUOTE, free + 500)
    flow.limits(11, QUOTE, 0)

    await settle(ledger_dsn, flow.batches(commands_max=1000))

    (row,) = [
        row
        for row in await queries.balances_of_account(owner, 11)
        if (row.kind, row.asset) == (LedgerAccountKind.FUNDS, QUOTE)
    ]
    assert (row.balance_atoms, row.credit_line_atoms) == (-500, 0)
    assert (await reconcile(owner, flow.engine())).is_clean


async def test_each_consumer_stores_its_position_with_its_effects(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=30)
    batches = flow.batches(commands_max=5)
    await settle(ledger_dsn, batches)

    stored = await queries.consumer_positions(owner)

    assert {consumer: row.event_number for consumer, row in stored.items()} == dict.fromkeys(
        Consumer, flow.number
    )
    assert stored[Consumer.LEDGER].time_ns == START_NS + flow.number * 1_000


async def test_stop_ends_both_consumers_though_postgres_is_away() -> None:
    stop = asyncio.Event()
    settings = fast_settings("postgresql://nobody:x@127.0.0.1:1/none")
    task = asyncio.create_task(
        run(settings, lambda _: MemoryFeed([], venue=VENUE), stop, CollectorRegistry())
    )
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(60):
        await task


async def test_a_wrong_password_is_said_and_not_retried(database: str) -> None:
    stop = asyncio.Event()
    scheme, rest = database.split("://")
    user, address = rest.split(":", 1)[0], rest.split("@")[1]
    settings = fast_settings(f"{scheme}://{user}:wrong@{address}")
    with pytest.raises(BaseExceptionGroup) as caught:
        await run(settings, lambda _: MemoryFeed([], venue=VENUE), stop, CollectorRegistry())
    error = leaf(caught.value)
    assert isinstance(error, SettlementError)
    assert error.exit_code == 78
    assert "does not let us in" in str(error)


async def test_the_lock_is_free_again_when_its_session_ends(ledger_dsn: str) -> None:
    first, second = await connect(ledger_dsn), await connect(ledger_dsn)
    assert await try_lock(first, Consumer.LEDGER)
    assert not await try_lock(second, Consumer.LEDGER)
    assert await try_lock(second, Consumer.ORDER_HISTORY)
    await first.close()

    async def taken() -> bool:
        return await try_lock(second, Consumer.LEDGER)

    await until(taken)
    await second.close()


# --- queries ---


async def test_orders_are_found_by_account_state_id_and_time(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=300)
    await settle(ledger_dsn, flow.batches(commands_max=20))

    for account in flow.accounts:
        found = await queries.orders(owner, account=account, limit=10_000)
        assert [order.created_event for order in found] == sorted(
            (order.created_event for order in found), reverse=True
        )
        still_open = await queries.orders(owner, account=account, is_open=True, limit=10_000)
        assert {order.order_id for order in still_open} == {
            order.order_id for order in flow.open.values() if order.account == account
        }
        rejected = await queries.orders(owner, account=account, statuses=[OrderStatus.REJECTED])
        assert all(order.order_id is None and order.reason for order in rejected)
        middle = found[len(found) // 2]
        older = await queries.orders(
            owner, account=account, before=middle.created_event, limit=10_000
        )
        assert older == found[len(found) // 2 + 1 :]
        later = await queries.orders(
            owner, account=account, from_ns=middle.created_at_ns, limit=10_000
        )
        assert later == found[: len(found) // 2 + 1]
    every = await queries.orders(owner, limit=10_000)
    assert len([order for order in every if order.order_id is not None]) == flow.orders


async def test_an_order_is_found_by_every_id_it_ever_had(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    order = flow.place()
    names = [order.name]
    for _ in range(3):
        flow.amend(order)
        names.append(order.name)
    flow.trade(order)
    await settle(ledger_dsn, flow.batches(commands_max=20))

    for name in names:
        text = name.rstrip(b"\0").decode()
        (found,) = await queries.orders(owner, account=order.account, client_order_id=text)
        assert (found.order_id, found.price_ticks) == (order.order_id, order.price)
        assert found.client_order_id == names[-1].rstrip(b"\0").decode()
    other = next(account for account in flow.accounts if account != order.account)
    last = order.name.rstrip(b"\0").decode()
    assert await queries.orders(owner, account=other, client_order_id=last) == []

    history = await queries.order_history(owner, order.order_id)
    kinds = [line.kind for line in history]
    assert kinds == [1, OrderAmended.KIND, OrderAmended.KIND, OrderAmended.KIND, TradeExecuted.KIND]
    chain = [(line.related_client_order_id, line.client_order_id) for line in history[1:4]]
    assert [pair[0] for pair in chain[1:]] == [pair[1] for pair in chain[:-1]]


async def test_a_gateways_refusal_is_kept_whatever_bytes_it_holds(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    who = {"account": 11, "session": 3, "refused_kind": 1, "code": 1002}
    flow.emit((RefusalRecorded, who | {"client_order_id": client_id("x1"), "text": b"off tick"}))
    flow.emit((RefusalRecorded, who | {"client_order_id": b"\xff\0y", "order_id": (1 << 64) - 1}))
    await settle(ledger_dsn, flow.batches(commands_max=20))

    (refused,) = await queries.orders(owner, account=11, client_order_id="x1")
    assert (refused.status, refused.reason, refused.order_id) == (OrderStatus.REJECTED, 1002, None)
    (line,) = await queries.requests_named(owner, account=11, client_order_id="x1")
    assert (line.text, line.refused_kind) == ("off tick", 1)
    (odd,) = await queries.requests_named(owner, account=11, client_order_id="\\xff\\x00y")
    assert odd.order_id is None


async def test_trades_and_money_of_an_account(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=300)
    await settle(ledger_dsn, flow.batches(commands_max=20))

    seen: set[int] = set()
    for account in flow.accounts:
        page = await queries.trades_of_account(owner, account, limit=10_000)
        mine = [
            record.trade_id
            for record in flow.records
            if isinstance(record, TradeExecuted)
            and account in (record.maker_account, record.taker_account)
        ]
        assert [trade.trade_id for trade in page] == mine[::-1]
        first, *_ = paged = await queries.trades_of_account(owner, account, limit=3)
        assert paged == page[:3]
        following = await queries.trades_of_account(
            owner, account, before=first.event_number, limit=2
        )
        assert following == page[1:3]
        seen |= set(mine)
        for held in await queries.positions_of_account(owner, account):
            assert held.position_atoms == flow.balances[account, held.asset]
            assert held.position_atoms == held.funds_atoms + held.withdrawals_atoms
            assert held.symbol == f"ASSET{held.asset}"
    assert len(seen) == flow.trades
    own = await queries.balances_of_account(owner, VENUES_OWN)
    assert {(row.kind, row.asset): row.balance_atoms for row in own} == {
        (LedgerAccountKind.CLEARING, asset): -flow.supply[asset] for asset in (QUOTE, *BASES)
    } | {
        (LedgerAccountKind.FEE_INCOME, QUOTE): flow.fees[QUOTE] - flow.rebates[QUOTE],
        (LedgerAccountKind.REBATES, QUOTE): flow.rebates[QUOTE],
    }
    assert await queries.accounts_of_firm(owner, 5) == list(flow.accounts)
    (newest,) = await queries.trades_of_account(owner, flow.accounts[0], limit=1)
    lines = await queries.entries_of_event(owner, newest.event_number)
    assert sum(line.amount_atoms for line in lines) == 0
    assert [line.leg for line in lines[:4]] == [1, 2, 3, 4]
