"""The ledger made again from the events, in bulk: the rows that the poster would have made.

An empty ledger is filled, all of it or nothing, by two sessions side by side: entries and all that
is small in one, trades and what is about them in the other. Tables that grow with trades lose their
keys, indexes and triggers, rows are decoded and written as the poster does it, and then everything
is put back as it was. Keys and foreign keys are proven by that. What triggers had kept is proven
over all rows: entries of each event sum to zero, and each balance is the sum of its entries, within
its signs.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from core._native import EntryProof
from runtime.postgres import Connection, connect, drop
from runtime.process import describe
from settlement import database
from settlement.bulk_tables import Part, dress, strip
from settlement.chart import Consumer
from settlement.errors import ConsumerBusyError, LedgerRefusedError, SettlementError
from settlement.hidden_tables import hide, put_back, reveal
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import LedgerBatch
from settlement.locks import read_position, try_lock, unlock
from settlement.marks import add_places
from settlement.ports import EventBatch
from settlement.records import contiguous
from settlement.schema import NAMESPACE

log = structlog.get_logger()

BATCH_EVENTS = 100_000
"""Events of one COPY. Bounds the memory: two batches are in it, one of them being written."""

ENTRIES: Final = ("entries",)
TRADES: Final = ("trades", "trade_corrections", "balance_marks")
"""What grows with trades, by the session that writes it; the first has all other tables, too."""

SERVER_SETTINGS: Final = {"wal_level": "minimal", "max_wal_senders": "0"}
"""For a server that is started for this and nobody follows: rows of files that their transaction
began need no write-ahead log, for the files themselves are on the disk before it commits."""

_RESOURCES: Final = {
    "maintenance_work_mem": "256MB",
    "work_mem": "256MB",
    # Either session builds keys while the other does: helpers would only be in the way.
    "max_parallel_maintenance_workers": "0",
    "max_parallel_workers_per_gather": "2",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    # Either waits for the other, as long as it takes. A client that is gone is noticed all the
    # same, by its socket.
    "idle_in_transaction_session_timeout": "0",
    # Who reads trades and then entries would wait for one session, and the other for the reader:
    # PostgreSQL does not see that circle, which goes through us.
    "lock_timeout": "60s",
}
"""For sorting keys and for the sums, of sessions that have the ledger to themselves; sums are
made by several processes, however little the server knows of tables that are new."""


class LedgerNotEmptyError(SettlementError):
    """The operator's: there is a ledger already, and none is ever overwritten."""

    exit_code = 73


class Rebuilt(NamedTuple):
    """What was made."""

    event_number: int
    trades: int


class _Read(NamedTuple):
    """A batch of events, decoded, and its entries, proven; the last event and its stamp."""

    ready: LedgerBatch
    entries: list[bytes]
    event_number: int
    time_ns: int


_ANYTHING = " or ".join(f"exists (select from {NAMESPACE}.{each})" for each in (*ENTRIES, *TRADES))


async def rebuild(
    connection: Connection,
    batches: Iterable[EventBatch],
    *,
    dsn: str,
    venue: bytes,
    is_replacing: bool = False,
) -> Rebuilt:
    """Make the ledger from all events.

    Args:
        connection: of the schema's owner, without a transaction, to a migrated ledger that is
            empty but for what its house has moved by itself.
        batches: from the first event on, without gaps; read in a thread of its own.
        dsn: of the same owner and database, for a second session.
        venue: whose events they are.
        is_replacing: whether another ledger was set aside for this one.

    Raises:
        LedgerNotEmptyError: events were booked into this ledger.
        ConsumerBusyError: a poster runs, or somebody does not end a transaction that has read.
        UnfinishedLedgerError: another was set aside, and this is not meant to take its place.
        LedgerRefusedError: what was made breaks a rule; nothing is left of it.
        EventGapError, UnsettleableEventError: as for the poster.
    """
    await _lock(connection)
    try:
        async with _resourceful(connection):
            await put_back(connection)
            await database.check(connection, is_replacing=is_replacing)
            stands = await read_position(connection, Consumer.LEDGER)
            if stands or await connection.fetchval(f"select {_ANYTHING}"):
                raise LedgerNotEmptyError(f"this ledger stands at event {stands}: it is not empty")
            return await _make(connection, batches, dsn=dsn, venue=venue)
    except asyncpg.LockNotAvailableError as error:
        seconds = _RESOURCES["lock_timeout"]
        raise ConsumerBusyError(
            f"somebody has read this ledger for more than {seconds} in one transaction: end that"
        ) from error
    finally:
        if not connection.is_closed():
            await unlock(connection, Consumer.LEDGER)


async def mend(connection: Connection) -> None:
    """Put back what a rebuild that broke off at its last step has hidden, before a migration.

    Raises:
        ConsumerBusyError: a poster runs.
    """
    await _lock(connection)
    try:
        await put_back(connection)
    finally:
        if not connection.is_closed():
            await unlock(connection, Consumer.LEDGER)


async def _lock(connection: Connection) -> None:
    if not await try_lock(connection, Consumer.LEDGER):
        raise ConsumerBusyError("a poster runs in this database: stop settlement first")


async def _make(
    connection: Connection, batches: Iterable[EventBatch], *, dsn: str, venue: bytes
) -> Rebuilt:
    """Fill and prove both halves, and only then commit the one and the other."""
    try:
        async with _second(dsn) as beside, connection.transaction():
            async with beside.transaction():
                made = await _fill(connection, beside, batches, venue)
                await hide(beside, TRADES)
            await reveal(connection, TRADES)
    finally:
        if not connection.is_closed():
            await put_back(connection)
    await connection.execute(f"vacuum analyze {NAMESPACE}.balances")
    return made


@asynccontextmanager
async def _resourceful(connection: Connection) -> AsyncIterator[None]:
    for setting, value in _RESOURCES.items():
        await connection.execute(f"set {setting} = '{value}'")
    try:
        yield
    finally:
        if not connection.is_closed():
            for setting in _RESOURCES:
                await connection.execute(f"reset {setting}")


@asynccontextmanager
async def _second(dsn: str) -> AsyncIterator[Connection]:
    beside = await connect(dsn, application="ledger rebuild, trades", seconds_max=60)
    try:
        async with _resourceful(beside):
            yield beside
    finally:
        drop(beside)


async def _fill(
    connection: Connection, beside: Connection, batches: Iterable[EventBatch], venue: bytes
) -> Rebuilt:
    await database.claim(connection, venue)
    projection, proof = LedgerProjection(is_alone=True), EntryProof()
    await projection.load(connection)
    entry_parts, trade_parts = await strip(connection, ENTRIES), await strip(beside, TRADES)
    last, stamp, trades = 0, 0, 0
    async for read in _decoded(projection, proof, batches):
        await _together(
            entries=_write_entries(connection, projection, read),
            trades=_write_trades(beside, projection, read),
        )
        last, stamp, trades = read.event_number, read.time_ns, trades + read.ready.trade_count
    await _together(
        entries=_finish_entries(connection, entry_parts, proof),
        trades=dress(beside, TRADES, trade_parts),
    )
    await connection.execute(
        "update settlement.positions set event_number = $1, time_ns = $2 where consumer = $3",
        last,
        stamp,
        Consumer.LEDGER,
    )
    return Rebuilt(last, trades)


async def _together(**works: Coroutine[Any, Any, None]) -> None:
    """Wait for the work of all sessions, whatever becomes of it, and raise the first error.

    No task group: it would cut one session off in the middle of a COPY when the other fails. Where
    several fail each is logged, for what is raised may be the consequence of another.
    """
    outcomes = await asyncio.gather(*works.values(), return_exceptions=True)
    failures = {
        session: outcome
        for session, outcome in zip(works, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    }
    if len(failures) > 1:
        for session, failure in failures.items():
            log.error("rebuild_session_failed", session=session, error=describe(failure))
    for failure in failures.values():
        raise failure


async def _write_entries(connection: Connection, projection: LedgerProjection, read: _Read) -> None:
    """Write what a batch defines, its entries, and its places of marks."""
    await projection.write_terms(connection, read.ready)
    await projection.write_entries(connection, read.entries)
    await add_places(connection, read.ready.mark_places)


async def _write_trades(beside: Connection, projection: LedgerProjection, read: _Read) -> None:
    await projection.write_trades(beside, read.ready)
    await projection.write_marks(beside, read.ready)


async def _decoded(
    projection: LedgerProjection, proof: EntryProof, batches: Iterable[EventBatch]
) -> AsyncIterator[_Read]:
    """Yield rows; the next ones are made while these are written."""
    made = _decode(projection, proof, batches)
    following = asyncio.create_task(asyncio.to_thread(next, made, None))
    try:
        while (found := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(next, made, None))
            yield found
    finally:
        # A thread cannot be cancelled: it is waited for, whatever ended the writing.
        await asyncio.gather(following, return_exceptions=True)


def _decode(
    projection: LedgerProjection, proof: EntryProof, batches: Iterable[EventBatch]
) -> Iterator[_Read]:
    gathered: list[EventBatch] = []
    last = 0
    for batch in batches:
        gathered.append(batch)
        if batch.last - last >= BATCH_EVENTS:
            yield _read(projection, proof, gathered, last)
            gathered, last = [], batch.last
    if gathered:
        yield _read(projection, proof, gathered, last)


def _read(
    projection: LedgerProjection, proof: EntryProof, batches: list[EventBatch], after: int
) -> _Read:
    ready, stamp = projection.decode(list(contiguous(batches, after)))
    entries = ready.entry_rows()
    for rows in entries:
        broken = proof.read(rows)
        if broken is not None:
            event, asset, total = broken
            raise LedgerRefusedError(
                f"entries of event {event} do not balance: asset {asset} sums to {total}"
            )
    return _Read(ready, entries, batches[-1].last, stamp)


# Only what entries moved: accounts with a line and without money keep their zero.
_MOVED = """
create temporary table moved on commit drop as
select kind, account, asset, sum(amount_atoms)::bigint as atoms, count(*) as entries
from settlement.entries group by kind, account, asset
"""

# That entries of an event balance is proven as they are sent: here, that they are what was sent.
_ALTERED = """
select kind, account, asset, moved.entries as stored, sent.entries as sent
from moved full join
    unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        as sent (kind, account, asset, atoms, entries) using (kind, account, asset)
where (moved.atoms, moved.entries) is distinct from (sent.atoms, sent.entries) limit 1
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


async def _finish_entries(connection: Connection, parts: list[Part], proof: EntryProof) -> None:
    await dress(connection, ENTRIES, parts)
    await connection.execute(_MOVED)
    columns = [list(column) for column in zip(*proof.moved(), strict=True)] or [[]] * 5
    altered = await connection.fetchrow(_ALTERED, *columns)
    if altered is not None:
        kind, account, asset, stored, sent = altered
        raise LedgerRefusedError(
            f"entries are not stored as they were sent: kind {kind} account {account} asset"
            f" {asset} has {stored} of {sent}, or others"
        )
    await connection.execute(_OPEN)
    # What only entries may do the entries were not asked to do here.
    await connection.execute(f"alter table {NAMESPACE}.balances disable trigger user")
    await connection.execute(_SET)
    await connection.execute(f"alter table {NAMESPACE}.balances enable trigger user")
