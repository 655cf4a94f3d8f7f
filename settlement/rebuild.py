"""The ledger made again from the events, in bulk: the rows that the poster would have made.

An empty ledger is filled in one transaction, all of it or nothing: tables that grow with trades
lose their keys, indexes and triggers, rows are decoded and written as the poster does it, and then
everything is put back as it was. Keys and foreign keys are proven by that. What triggers had kept
is proven by statements over all rows: entries of each event sum to zero, and each balance is the
sum of its entries, within its signs.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from runtime.postgres import Connection
from settlement import database
from settlement.chart import Consumer
from settlement.errors import ConsumerBusyError, LedgerRefusedError, SettlementError
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import LedgerBatch
from settlement.locks import read_position, try_lock, unlock
from settlement.ports import EventBatch
from settlement.records import contiguous
from settlement.schema import NAMESPACE

BATCH_EVENTS = 100_000
"""Events of one COPY. Bounds the memory: two batches are in it, one of them being written."""

BULKY = ("entries", "trades", "balance_marks")
"""What grows with trades."""

_RESOURCES = {
    "maintenance_work_mem": "256MB",
    "work_mem": "256MB",
    "max_parallel_workers_per_gather": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
}
"""For sorting keys and for the sums, of one transaction that has the ledger to itself; sums are
made by several processes, however little the server knows of tables that are new."""


class LedgerNotEmptyError(SettlementError):
    """The operator's: there is a ledger already, and none is ever overwritten."""

    exit_code = 73


class Rebuilt(NamedTuple):
    """What was made."""

    event_number: int
    trades: int


class _Part(NamedTuple):
    """A constraint or an index: what takes it away, and what puts it back."""

    drop: str
    restore: str


_ANYTHING = " or ".join(f"exists (select from {NAMESPACE}.{each})" for each in BULKY)


async def rebuild(
    connection: Connection, batches: Iterable[EventBatch], *, venue: bytes
) -> Rebuilt:
    """Make the ledger from all events.

    Args:
        connection: of the schema's owner, without a transaction, to a migrated ledger that is
            empty but for what its house has moved by itself.
        batches: from the first event on, without gaps; read in a thread of its own.
        venue: whose events they are.

    Raises:
        LedgerNotEmptyError: events were booked into this ledger.
        ConsumerBusyError: a poster runs.
        LedgerRefusedError: what was made breaks a rule; nothing is left of it.
        EventGapError, UnsettleableEventError: as for the poster.
    """
    await database.check(connection, is_replacing=True)
    if not await try_lock(connection, Consumer.LEDGER):
        raise ConsumerBusyError("a poster runs in this database: stop settlement first")
    try:
        stands = await read_position(connection, Consumer.LEDGER)
        if stands or await connection.fetchval(f"select {_ANYTHING}"):
            raise LedgerNotEmptyError(f"this ledger stands at event {stands}: it is not empty")
        async with connection.transaction():
            made = await _fill(connection, batches, venue)
        # Its rows were written frozen, and a vacuum would find nothing to do.
        for table in BULKY:
            await connection.execute(f"analyze {NAMESPACE}.{table}")
        await connection.execute(f"vacuum analyze {NAMESPACE}.balances")
        return made
    finally:
        if not connection.is_closed():
            await unlock(connection, Consumer.LEDGER)


async def _fill(connection: Connection, batches: Iterable[EventBatch], venue: bytes) -> Rebuilt:
    for setting, value in _RESOURCES.items():
        await connection.execute(f"set local {setting} = '{value}'")
    await database.claim(connection, venue)
    parts = await _parts(connection)
    for part in parts:
        await connection.execute(part.drop)
    for table in BULKY:
        await connection.execute(f"alter table {NAMESPACE}.{table} disable trigger user")
        # They are empty. Files that this transaction began need no write-ahead log of their rows
        # (``wal_level`` minimal), and no vacuum after it.
        await connection.execute(f"truncate {NAMESPACE}.{table}")
    projection, last, stamp, trades = LedgerProjection(is_alone=True), 0, 0, 0
    await projection.load(connection)
    async for ready, last, stamp in _decoded(projection, batches):  # noqa: B007  # used below
        await projection.write(connection, ready)
        trades += ready.trade_count
    for part in reversed(parts):
        await connection.execute(part.restore)
    await _prove(connection)
    for table in BULKY:
        await connection.execute(f"alter table {NAMESPACE}.{table} enable trigger user")
    await connection.execute(
        "update settlement.positions set event_number = $1, time_ns = $2 where consumer = $3",
        last,
        stamp,
        Consumer.LEDGER,
    )
    return Rebuilt(last, trades)


# Foreign keys first, and put back last: they stand on keys.
_CONSTRAINTS = """
select conrelid::regclass::text as of_table, conname::text as name,
    pg_get_constraintdef(oid) as definition
from pg_constraint
where contype in ('p', 'u') and conrelid = any($1::regclass[])
    or contype = 'f' and (conrelid = any($1::regclass[]) or confrelid = any($1::regclass[]))
order by contype = 'f' desc, conname
"""

_INDEXES = """
select index.indexrelid::regclass::text as name, pg_get_indexdef(index.indexrelid) as definition
from pg_index as index
where index.indrelid = any($1::regclass[])
    and not exists (select from pg_constraint where conindid = index.indexrelid)
order by 1
"""


async def _parts(connection: Connection) -> list[_Part]:
    tables = [f"{NAMESPACE}.{table}" for table in BULKY]
    parts = [
        _Part(
            f"alter table {row['of_table']} drop constraint {row['name']}",
            f"alter table {row['of_table']} add constraint {row['name']} {row['definition']}",
        )
        for row in await connection.fetch(_CONSTRAINTS, tables)
    ]
    indexes = await connection.fetch(_INDEXES, tables)
    return [*parts, *(_Part(f"drop index {row['name']}", row["definition"]) for row in indexes)]


async def _decoded(
    projection: LedgerProjection, batches: Iterable[EventBatch]
) -> AsyncIterator[tuple[LedgerBatch, int, int]]:
    """Yield rows, the last event and its stamp; the next ones are made while these are written."""
    made = _decode(projection, batches)
    following = asyncio.create_task(asyncio.to_thread(next, made, None))
    try:
        while (found := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(next, made, None))
            yield found
    finally:
        # A thread cannot be cancelled: it is waited for, whatever ended the writing.
        await asyncio.gather(following, return_exceptions=True)


def _decode(
    projection: LedgerProjection, batches: Iterable[EventBatch]
) -> Iterator[tuple[LedgerBatch, int, int]]:
    gathered: list[EventBatch] = []
    last = 0
    for batch in batches:
        gathered.append(batch)
        if batch.last - last >= BATCH_EVENTS:
            ready, stamp = projection.decode(list(contiguous(gathered, last)))
            gathered, last = [], batch.last
            yield ready, last, stamp
    if gathered:
        ready, stamp = projection.decode(list(contiguous(gathered, last)))
        yield ready, gathered[-1].last, stamp


_UNBALANCED = """
select event_number, asset, sum(amount_atoms) as total from settlement.entries
group by event_number, asset having sum(amount_atoms) <> 0 limit 1
"""

# Only what entries moved: accounts with a line and without money keep their zero.
_MOVED = """
create temporary table moved on commit drop as
select kind, account, asset, sum(amount_atoms)::bigint as atoms
from settlement.entries group by kind, account, asset
"""

_OPEN = """
insert into settlement.balances (kind, account, asset)
select kind, account, asset from moved order by 1, 2, 3 on conflict do nothing
"""

_SET = """
update settlement.balances as balance set balance_atoms = balance.balance_atoms + moved.atoms
from moved where (moved.kind, moved.account, moved.asset)
    = (balance.kind, balance.account, balance.asset)
"""


async def _prove(connection: Connection) -> None:
    broken = await connection.fetchrow(_UNBALANCED)
    if broken is not None:
        raise LedgerRefusedError(
            f"entries of event {broken['event_number']} do not balance:"
            f" asset {broken['asset']} sums to {broken['total']}"
        )
    await connection.execute(_MOVED)
    await connection.execute(_OPEN)
    # What only entries may do the entries were not asked to do here.
    await connection.execute(f"alter table {NAMESPACE}.balances disable trigger user")
    await connection.execute(_SET)
    await connection.execute(f"alter table {NAMESPACE}.balances enable trigger user")
