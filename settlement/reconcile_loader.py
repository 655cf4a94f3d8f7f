"""Reads what ``settlement.reconcile`` compares, as of one event number, while settlement runs.

Everything is read in one repeatable-read transaction, so later commits do not blur it. Balances
as of event n are today's less the entries after n: that tail is short, and the key finds it.
"""

import asyncio
import time

from runtime.postgres import Connection
from settlement.chart import Consumer
from settlement.cycle_check import cycle_findings, settled_amounts
from settlement.errors import LedgerBehindError
from settlement.marks import mark_findings
from settlement.profit_marks import profit_findings
from settlement.reconcile import (
    EngineFigures,
    Finding,
    LedgerAccountSum,
    LedgerFigures,
    OpenOrder,
    Report,
    compare,
)

FINDINGS_MAX = 100
"""Of each kind: a broken ledger is reported, not listed to the end."""

POLL_SECONDS = 0.05

_BALANCES = """
select kind, account, asset, (balance_atoms - coalesce(later.atoms, 0))::bigint as atoms
from settlement.balances
left join (
    select kind, account, asset, sum(amount_atoms) as atoms from (
        select kind, account, asset, amount_atoms from settlement.entries where event_number > $1
        union all
        select kind, 0, asset, amount_atoms from settlement.house_entries
            join settlement.house_postings using (posting) where after_event > $1
    ) as after group by kind, account, asset
) as later using (kind, account, asset)
order by kind, account, asset
"""

_OPEN_ORDERS = """
select known.order_id, known.account,
    case line.side when 1 then market.quote_asset else market.base_asset end as asset,
    line.leaves_lots, line.held_atoms
from settlement.orders as known
join settlement.instruments as market using (instrument)
cross join lateral (
    select status, side, leaves_lots, held_atoms from settlement.order_events as event
    where event.order_id = known.order_id and event.event_number <= $1
        and event.kind in (1, 3, 4, 5, 8, 9, 10, 80, 81)
    order by event.event_number desc, event.leg desc limit 1
) as line
where known.created_event <= $1 and known.order_id is not null
    and (known.is_open or known.updated_event > $1) and line.status in (1, 2, 3)
order by known.order_id
"""

_SUMS_OF_ENTRIES = """
select coalesce(b.kind, e.kind) as kind, coalesce(b.account, e.account) as account,
    coalesce(b.asset, e.asset) as asset, coalesce(e.atoms, 0)::text as expected,
    coalesce(b.balance_atoms, 0)::text as found
from settlement.balances as b
full join (
    select kind, account, asset, sum(amount_atoms) as atoms from (
        select kind, account, asset, amount_atoms from settlement.entries
        union all select kind, 0, asset, amount_atoms from settlement.house_entries
    ) as made group by kind, account, asset
) as e on b.kind = e.kind and b.account = e.account and b.asset = e.asset
where coalesce(b.balance_atoms, 0) <> coalesce(e.atoms, 0) limit $1
"""

_UNBALANCED_EVENTS = """
select event_number, asset, sum(amount_atoms)::text as total
from settlement.entries group by event_number, asset having sum(amount_atoms) <> 0
order by event_number limit $1
"""

_TRADE_GAPS = """
select previous, trade_id from (
    select trade_id, lag(trade_id, 1, 0::bigint) over (order by trade_id) as previous
    from settlement.trades
) as pairs where trade_id <> previous + 1 order by trade_id limit $1
"""

# What each trade must have moved, beside what its entries did move, per event and ledger account.
# Up to event ``former`` rebates were paid out of fee income: a migration moved them, by posting 0.
_TRADES_AND_ENTRIES = """
with former as (
    select coalesce((select after_event from settlement.house_postings where posting = 0), 0)
        as events
), moved as (
    select trade.event_number, leg.kind, leg.account, leg.asset, sum(leg.atoms) as atoms
    from former cross join settlement.trades as trade
    join settlement.instruments as market using (instrument)
    cross join lateral (select
        case taker_side when 1 then 1 else -1 end as way) as direction
    cross join lateral (values
        (1, maker_account, market.base_asset, -way * base_atoms),
        (1, taker_account, market.base_asset, way * base_atoms),
        (1, maker_account, market.quote_asset, way * notional_atoms - maker_fee_atoms),
        (1, taker_account, market.quote_asset, -way * notional_atoms - taker_fee_atoms),
        (10, 0, market.quote_asset, case when trade.event_number <= former.events
            then maker_fee_atoms + taker_fee_atoms
            else greatest(maker_fee_atoms, 0) + greatest(taker_fee_atoms, 0) end),
        (11, 0, market.quote_asset, case when trade.event_number <= former.events then 0
            else least(maker_fee_atoms, 0) + least(taker_fee_atoms, 0) end)
    ) as leg (kind, account, asset, atoms)
    group by trade.event_number, leg.kind, leg.account, leg.asset having sum(leg.atoms) <> 0
), booked as (
    select event_number, kind, account, asset, sum(amount_atoms) as atoms
    from settlement.entries where cause in (1, 2, 7)
    group by event_number, kind, account, asset having sum(amount_atoms) <> 0
)
select event_number, kind, account, asset,
    coalesce(moved.atoms, 0)::text as expected, coalesce(booked.atoms, 0)::text as found
from moved full join booked using (event_number, kind, account, asset)
where moved.atoms is distinct from booked.atoms order by event_number limit $1
"""

# The same of each bust and correction: what went back, and what came.
_CORRECTIONS_AND_ENTRIES = """
with former as (
    select coalesce((select after_event from settlement.house_postings where posting = 0), 0)
        as events
), moved as (
    select change.event_number, leg.kind, leg.account, leg.asset, sum(leg.atoms) as atoms
    from former cross join settlement.trade_corrections as change
    join settlement.instruments as market using (instrument)
    cross join lateral (select case taker_side when 1 then 1 else -1 end as way,
        base_atoms - previous_base_atoms as base, notional_atoms - previous_notional_atoms as quote,
        maker_fee_atoms - maker_previous_fee_atoms as maker_fee,
        taker_fee_atoms - taker_previous_fee_atoms as taker_fee,
        greatest(maker_fee_atoms, 0) + greatest(taker_fee_atoms, 0)
            - greatest(maker_previous_fee_atoms, 0) - greatest(taker_previous_fee_atoms, 0) as paid
        ) as by
    cross join lateral (values
        (1, maker_account, market.base_asset, -by.way * by.base),
        (1, taker_account, market.base_asset, by.way * by.base),
        (1, maker_account, market.quote_asset, by.way * by.quote - by.maker_fee),
        (1, taker_account, market.quote_asset, -by.way * by.quote - by.taker_fee),
        (10, 0, market.quote_asset, case when change.event_number <= former.events
            then by.maker_fee + by.taker_fee else by.paid end),
        (11, 0, market.quote_asset, case when change.event_number <= former.events
            then 0 else by.maker_fee + by.taker_fee - by.paid end)
    ) as leg (kind, account, asset, atoms)
    group by change.event_number, leg.kind, leg.account, leg.asset having sum(leg.atoms) <> 0
), booked as (
    select event_number, kind, account, asset, sum(amount_atoms) as atoms
    from settlement.entries where cause in (3, 4, 5, 6, 8, 9)
    group by event_number, kind, account, asset having sum(amount_atoms) <> 0
)
select event_number, kind, account, asset,
    coalesce(moved.atoms, 0)::text as expected, coalesce(booked.atoms, 0)::text as found
from moved full join booked using (event_number, kind, account, asset)
where moved.atoms is distinct from booked.atoms order by event_number limit $1
"""

# A correction undoes what the trade, or the correction before it, said.
_CORRECTIONS_IN_A_ROW = """
with told as (
    select trade_id, event_number, price_ticks, quantity_lots, maker_fee_atoms, taker_fee_atoms
    from settlement.trades
    union all
    select trade_id, event_number, price_ticks, quantity_lots, maker_fee_atoms, taker_fee_atoms
    from settlement.trade_corrections where not is_bust
)
select change.event_number, change.trade_id from settlement.trade_corrections as change
left join told on told.trade_id = change.trade_id and told.event_number = change.corrected_event
where (told.price_ticks, told.quantity_lots, told.maker_fee_atoms, told.taker_fee_atoms)
    is distinct from (change.previous_price_ticks, change.previous_quantity_lots,
        change.maker_previous_fee_atoms, change.taker_previous_fee_atoms)
order by change.event_number limit $1
"""

_TRADES_AND_FILLS = """
with fills as (
    select event_number, count(*) as legs, min(trade_id) as trade_id
    from settlement.order_events where kind = 10 and event_number <= $2 group by event_number
), traded as (
    select event_number, trade_id from settlement.trades where event_number <= $2
)
select event_number, coalesce(traded.trade_id, 0) as expected, coalesce(fills.trade_id, 0) as found,
    coalesce(fills.legs, 0) as legs
from traded full join fills using (event_number)
where traded.trade_id is distinct from fills.trade_id or fills.legs <> 2
order by event_number limit $1
"""

_ORDERS_AND_LINES = """
select known.order_id,
    concat_ws(' ', 'status', line.status, 'left', line.leaves_lots, 'filled', line.filled_lots,
        'held', line.held_atoms) as expected,
    concat_ws(' ', 'status', known.status, 'left', known.leaves_lots,
        'filled', known.filled_lots, 'held', known.held_atoms) as found
from settlement.orders as known
left join lateral (
    select status, leaves_lots, filled_lots, held_atoms from settlement.order_events as event
    where event.order_id = known.order_id and event.kind in (1, 3, 4, 5, 8, 9, 10, 80, 81)
    order by event.event_number desc, event.leg desc limit 1
) as line on true
where known.order_id is not null and (known.status, known.leaves_lots, known.filled_lots,
    known.held_atoms) is distinct from
    (line.status, line.leaves_lots, line.filled_lots, line.held_atoms)
order by known.order_id limit $1
"""

_COUNTS = """
select (select count(*) from settlement.entries) as entries,
    (select count(*) from settlement.trades) as trades,
    (select count(*) from settlement.orders) as orders,
    (select count(*) from settlement.order_events) as order_events,
    (select count(*) from settlement.cycles) as cycles,
    (select count(*) from settlement.instructions) as instructions
"""


async def wait_for(
    connection: Connection, event_number: int, *, consumer: Consumer, seconds_max: float
) -> None:
    """Wait until a consumer has committed an event.

    Raises:
        LedgerBehindError: it has not in time; the message says where it stands.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        found = await connection.fetchval(
            "select event_number from settlement.positions where consumer = $1", consumer
        )
        if (found or 0) >= event_number:
            return
        if time.monotonic() >= deadline:
            raise LedgerBehindError(
                f"{consumer} stands at event {found or 0} and did not reach {event_number}"
                f" in {seconds_max} s"
            )
        await asyncio.sleep(POLL_SECONDS)


async def load(connection: Connection, event_number: int, *, deep: bool = True) -> LedgerFigures:
    """Read the ledger and the order history as of an event that the ledger has reached.

    Args:
        connection: without a transaction.
        event_number: the moment of the engine's answer.
        deep: also compare every trade with its entries and fills, and every order with its
            history; that reads all there is.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stored = await connection.fetch("select consumer, event_number from settlement.positions")
        reached: dict[str, int] = {row["consumer"]: row["event_number"] for row in stored}
        history_through = reached.get(Consumer.ORDER_HISTORY, 0)
        balances = [
            LedgerAccountSum(*row) for row in await connection.fetch(_BALANCES, event_number)
        ]
        open_orders = None
        if history_through >= event_number:
            rows = await connection.fetch(_OPEN_ORDERS, event_number)
            open_orders = [OpenOrder(*row) for row in rows]
        findings = await _inner_findings(connection)
        settled = None
        if deep:
            settled = await settled_amounts(connection, event_number)
            findings += await cycle_findings(connection, findings_max=FINDINGS_MAX)
            findings += await mark_findings(connection, findings_max=FINDINGS_MAX)
            findings += await profit_findings(connection, findings_max=FINDINGS_MAX)
            both_reached = min(history_through, reached.get(Consumer.LEDGER, 0))
            findings += await _deep_findings(connection, both_reached)
        counts = await connection.fetchrow(_COUNTS)
    assert counts is not None
    return LedgerFigures(
        event_number=event_number,
        balances=balances,
        open_orders=open_orders,
        findings=findings,
        counts=dict(counts),
        settled=settled,
    )


async def _inner_findings(connection: Connection) -> list[Finding]:
    findings = [
        Finding(
            "balance is the sum of its entries",
            f"kind {row['kind']} account {row['account']} asset {row['asset']}",
            row["expected"],
            row["found"],
        )
        for row in await connection.fetch(_SUMS_OF_ENTRIES, FINDINGS_MAX)
    ]
    findings += [
        Finding(
            "entries of an event sum to zero",
            f"event {row['event_number']} asset {row['asset']}",
            "0",
            row["total"],
        )
        for row in await connection.fetch(_UNBALANCED_EVENTS, FINDINGS_MAX)
    ]
    findings += [
        Finding(
            "trades are contiguous",
            f"after trade {row['previous']}",
            str(row["previous"] + 1),
            str(row["trade_id"]),
        )
        for row in await connection.fetch(_TRADE_GAPS, FINDINGS_MAX)
    ]
    return findings


async def _deep_findings(connection: Connection, both_reached: int) -> list[Finding]:
    findings = [
        Finding(
            "entries are those of the trade",
            f"event {row['event_number']} kind {row['kind']} account {row['account']}"
            f" asset {row['asset']}",
            row["expected"],
            row["found"],
        )
        for query in (_TRADES_AND_ENTRIES, _CORRECTIONS_AND_ENTRIES)
        for row in await connection.fetch(query, FINDINGS_MAX)
    ]
    findings += [
        Finding(
            "a correction undoes what was told of its trade last",
            f"event {row['event_number']}",
            f"terms of trade {row['trade_id']}",
            "others",
        )
        for row in await connection.fetch(_CORRECTIONS_IN_A_ROW, FINDINGS_MAX)
    ]
    findings += [
        Finding(
            "fills of the order history are the ledger's trades",
            f"event {row['event_number']}",
            f"trade {row['expected']}, 2 legs",
            f"trade {row['found']}, {row['legs']} legs",
        )
        for row in await connection.fetch(_TRADES_AND_FILLS, FINDINGS_MAX, both_reached)
    ]
    findings += [
        Finding(
            "an order stands as its history says",
            f"order {row['order_id']}",
            row["expected"],
            row["found"],
        )
        for row in await connection.fetch(_ORDERS_AND_LINES, FINDINGS_MAX)
    ]
    return findings


async def reconcile(
    connection: Connection,
    engine: EngineFigures,
    *,
    seconds_max: float = 30.0,
    deep: bool = True,
) -> Report:
    """Wait for the ledger and the order history to reach the engine's moment, and compare.

    Raises:
        LedgerBehindError: one of them did not in time.
    """
    for consumer in Consumer:
        await wait_for(connection, engine.event_number, consumer=consumer, seconds_max=seconds_max)
    return compare(engine, await load(connection, engine.event_number, deep=deep))
