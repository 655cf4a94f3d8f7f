"""Planted errors: reconciliation finds each, and what it finds is where it was planted."""

import random

import pytest

from runtime.postgres import Connection
from settlement.errors import LedgerBehindError
from settlement.reconcile_loader import reconcile
from tests.integration.settlement.conftest import fast_settings, running, settle, until
from tests.unit.settlement.flow import Flow, flow_of

# Only the server's owner, going out of his way, gets past the rules.
UNGUARDED = "set session_replication_role = replica"

WORDS = {
    "ANY_TRADE": "(select max(event_number) from settlement.trades)",
    "ANY_OPEN": "(select max(order_id) from settlement.orders where is_open)",
}

PLANTS = {
    "a balance moved without an entry": (
        (
            "update settlement.balances set balance_atoms = balance_atoms + 1"
            " where kind = 1 and account = 11 and asset = 1"
        ),
        {"balance", "balance is the sum of its entries", "ledger sums to zero"},
    ),
    "money moved between two accounts, still summing to zero": (
        (
            "update settlement.balances set balance_atoms = balance_atoms +"
            " case account when 11 then 5 else -5 end"
            " where kind = 1 and account in (11, 12) and asset = 1"
        ),
        {"balance", "balance is the sum of its entries"},
    ),
    "fee income taken away": (
        "update settlement.balances set balance_atoms = balance_atoms - 1 where kind = 10",
        {"fees", "balance is the sum of its entries"},
    ),
    "a deposit that nobody made": (
        (
            "update settlement.balances set balance_atoms = balance_atoms - 7"
            " where kind = 20 and asset = 2"
        ),
        {"supply", "balance is the sum of its entries"},
    ),
    "an entry changed": (
        (
            "update settlement.entries set amount_atoms = amount_atoms + 1"
            " where leg = 1 and event_number = ANY_TRADE"
        ),
        {"entries of an event sum to zero", "entries are those of the trade"},
    ),
    "an entry removed": (
        "delete from settlement.entries where leg = 2 and event_number = ANY_TRADE",
        {"entries of an event sum to zero", "entries are those of the trade"},
    ),
    "all entries of a trade removed": (
        "delete from settlement.entries where event_number = ANY_TRADE",
        {"entries are those of the trade", "balance is the sum of its entries"},
    ),
    "a balanced pair of entries that no event caused": (
        (
            "insert into settlement.entries"
            " select 999999, leg, 1, 1, 10 + leg, 1, 3 * (3 - 2 * leg), 0"
            " from generate_series(1, 2) as leg"
        ),
        {"entries are those of the trade", "balance is the sum of its entries"},
    ),
    "an entry on another account": (
        (
            "update settlement.entries set account = account + 100"
            " where leg = 1 and event_number = ANY_TRADE"
        ),
        {"entries are those of the trade", "balance is the sum of its entries"},
    ),
    "a ledger account removed": (
        "delete from settlement.balances where kind = 1 and account = 13 and asset = 3",
        {"balance", "balance is the sum of its entries", "ledger sums to zero"},
    ),
    "a ledger account of an unknown client": (
        (
            "insert into settlement.balances (kind, account, asset, balance_atoms)"
            " values (1, 666, 1, 5)"
        ),
        {"balance", "balance is the sum of its entries"},
    ),
    "a trade removed": (
        "delete from settlement.trades where trade_id = 2",
        {"trades are contiguous", "entries are those of the trade"},
    ),
    "the first trade removed": (
        "delete from settlement.trades where trade_id = 1",
        {"trades are contiguous"},
    ),
    "a trade's quantity changed": (
        "update settlement.trades set base_atoms = base_atoms + 1 where event_number = ANY_TRADE",
        {"entries are those of the trade"},
    ),
    "a trade's fee changed": (
        (
            "update settlement.trades set taker_fee_atoms = taker_fee_atoms + 1"
            " where event_number = ANY_TRADE"
        ),
        {"entries are those of the trade"},
    ),
    "a fill removed from the order history": (
        "delete from settlement.order_events where leg = 2 and event_number = ANY_TRADE",
        {"fills of the order history are the ledger's trades"},
    ),
    "an open order closed": (
        "update settlement.orders set is_open = false, status = 5 where order_id = ANY_OPEN",
        {"open order", "held", "an order stands as its history says"},
    ),
    "an order removed": (
        "delete from settlement.orders where order_id = ANY_OPEN",
        {"open order", "held"},
    ),
    "an order's remainder changed": (
        "update settlement.orders set leaves_lots = leaves_lots + 1 where order_id = ANY_OPEN",
        {"an order stands as its history says"},
    ),
    "a history line changed": (
        (
            "update settlement.order_events set held_atoms = held_atoms + 1 where event_number ="
            " (select updated_event from settlement.orders where order_id = ANY_OPEN)"
            " and order_id in (select order_id from settlement.orders where is_open)"
        ),
        {"held", "open order", "an order stands as its history says"},
    ),
}


async def settled(dsn: str, chance: random.Random) -> Flow:
    flow = flow_of(chance, steps=250)
    assert flow.trades > 2
    if not flow.open:
        flow.place()
    await settle(dsn, flow.batches(commands_max=20))
    return flow


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_error_is_found(
    ledger_dsn: str, owner: Connection, chance: random.Random, plant: str
) -> None:
    flow = await settled(ledger_dsn, chance)
    assert (await reconcile(owner, flow.engine())).is_clean
    statement, expected = PLANTS[plant]
    for word, meaning in WORDS.items():
        statement = statement.replace(word, meaning)
    await owner.execute(UNGUARDED)
    done = await owner.execute(statement)
    assert not done.endswith(" 0"), "nothing was planted"

    report = await reconcile(owner, flow.engine())

    assert not report.is_clean
    assert {difference.what for difference in report.differences} >= expected
    assert all(difference.engine != difference.ledger for difference in report.differences)


async def test_an_earlier_moment_is_compared_as_it_was(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=120)
    moments = [flow.engine()]
    for _ in range(6):
        for _ in range(40):
            flow.step()
        moments.append(flow.engine())
    await settle(ledger_dsn, flow.batches(commands_max=30))

    for engine in moments:
        report = await reconcile(owner, engine)
        assert report.differences == []
        assert report.counts["open_orders"] == len(engine.open_orders or ())


async def test_reconciling_waits_for_both_consumers(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=50)
    batches = flow.batches(commands_max=5)
    async with running(fast_settings(ledger_dsn), batches[:-1]) as (service, feeds):
        await until(lambda: service.poster.position == batches[-2].last)
        feeds[0].add(batches[-1])
        feeds[1].add(batches[-1])
        assert (await reconcile(owner, flow.engine(), seconds_max=30)).is_clean


async def test_a_ledger_that_does_not_come_is_said_with_its_position(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=50)
    batches = flow.batches(commands_max=5)
    await settle(ledger_dsn, batches[:-1])

    with pytest.raises(LedgerBehindError, match=f"at event {batches[-2].last}.*{flow.number}"):
        await reconcile(owner, flow.engine(), seconds_max=0.1)
