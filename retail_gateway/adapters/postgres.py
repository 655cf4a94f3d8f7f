"""People's orders and trades as settlement wrote them, and whose account is whose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import structlog

from messages.trading.terms import Side
from retail_gateway import database
from retail_gateway.orders import Order, Trade
from retail_gateway.ports import Beginning, HistoryAwayError, Range
from retail_gateway.schema import APPLICATION_ROLE
from runtime.postgres import Connection, connect, is_outage

log = structlog.get_logger()

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool

READER_ROLE = "rialto_reader"
"""Settlement's role for whoever only reads."""

CONNECTIONS_MAX = 8
SECONDS_MAX = 5.0
"""For one call, waiting for a connection included."""

_ORDER = (
    "select order_id, account, instrument, client_order_id, side, order_type, time_in_force,"
    " order_flags, self_trade_prevention, status, reason, price_ticks, stop_price_ticks,"
    " quantity_lots, leaves_lots, filled_lots, filled_value, display_lots, held_atoms,"
    " created_at_ns, updated_at_ns, updated_event from settlement.orders"
    " where order_id is not null"
)

_SIDE_OF_TRADES = """
(select t.event_number, t.trade_id, t.time_ns, t.instrument, t.price_ticks, t.quantity_lots,
        t.notional_atoms, t.taker_side, {side}_order_id as order_id,
        {side}_fee_atoms as fee_atoms, {is_maker} as is_maker
 from settlement.trades t where t.{side}_account = $1 and t.instrument = $2{conditions}
 order by t.event_number {direction} limit {limit})
"""

# Stamps, event numbers and trade ids grow together, so a page is bound by events alone: trades of
# an account are found by its index, and none of those outside of the page is read.
_FIRST_EVENT_SINCE = """(
    with recursive halving(low, high) as (
        select 0::bigint, (select coalesce(max(event_number), 0) + 1 from settlement.trades)
        union all
        select case when found.time_ns < {time} then found.event_number else low end,
            case when found.time_ns < {time} then high else (low + high) / 2 end
        from halving left join lateral (
            select event_number, time_ns from settlement.trades
            where event_number >= (low + high) / 2 order by event_number limit 1
        ) as found on true
        where high - low > 1
    ) select high from halving order by high - low limit 1)"""
_EVENT_OF_TRADE = """(
    select event_number from settlement.trades where trade_id >= {trade_id}
    order by trade_id limit 1)"""
_EVENTS_OF_ORDER = """ and t.event_number
    between (select created_event from settlement.orders where order_id = {order_id})
    and (select updated_event from settlement.orders where order_id = {order_id})"""

_TRADES = """
select s.trade_id, s.event_number, s.order_id, s.is_maker, s.taker_side, s.time_ns,
       coalesce(c.price_ticks, s.price_ticks) as price_ticks,
       coalesce(c.quantity_lots, s.quantity_lots) as quantity_lots,
       coalesce(c.notional_atoms, s.notional_atoms) as notional_atoms,
       case when c.event_number is null then s.fee_atoms
            when s.is_maker then c.maker_fee_atoms else c.taker_fee_atoms end as fee_atoms
from ({maker} union all {taker}) s
left join lateral (
    select * from settlement.trade_corrections k
    where k.trade_id = s.trade_id order by k.event_number desc limit 1
) c on true
where not coalesce(c.is_bust, false)
order by s.event_number {direction} limit {limit}
"""


class PostgresHistory:
    """A ``History`` over settlement's tables, read as its reader."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def beginning(self, first: int, last: int) -> Beginning:
        """See ``History.beginning``."""
        async with (
            pooled(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            venue = await connection.fetchval("select venue from settlement.lineage")
            position = await connection.fetchval(
                "select event_number from settlement.positions where consumer = 'order_history'"
            )
            rows = await connection.fetch(
                f"{_ORDER} and is_open and account between $1 and $2 order by order_id", first, last
            )
        return Beginning(
            None if venue is None else venue.bytes, position or 0, [_order(row) for row in rows]
        )

    async def positions(self) -> tuple[int, int]:
        """See ``History.positions``."""
        async with pooled(self._pool) as connection:
            rows = await connection.fetch("select consumer, event_number from settlement.positions")
        found = {row["consumer"]: row["event_number"] for row in rows}
        return found.get("order_history", 0), found.get("ledger", 0)

    async def order(self, account: int, order_id: int) -> Order | None:
        """See ``History.order``."""
        return await self._one(f"{_ORDER} and account = $1 and order_id = $2", account, order_id)

    async def order_of_client_id(self, account: int, client_order_id: str) -> Order | None:
        """See ``History.order_of_client_id``."""
        return await self._one(
            f"{_ORDER} and account = $1 and client_order_id = $2"
            " order by created_event desc limit 1",
            account,
            client_order_id,
        )

    async def _one(self, statement: str, *values: Any) -> Order | None:
        async with pooled(self._pool) as connection:
            row = await connection.fetchrow(statement, *values)
        return None if row is None else _order(row)

    async def orders(self, account: int, instrument: int, wanted: Range) -> list[Order]:
        """See ``History.orders``."""
        conditions, values = _conditions(wanted, number="order_id", time="created_at_ns")
        direction = _direction(wanted)
        statement = (
            f"{_ORDER} and account = $1 and instrument = $2{conditions}"
            f" order by order_id {direction} limit {int(wanted.limit)}"
        )
        async with pooled(self._pool) as connection:
            rows = await connection.fetch(statement, account, instrument, *values)
        return sorted(map(_order, rows), key=lambda order: order.order_id)

    async def trades(self, account: int, instrument: int, wanted: Range) -> list[Trade]:
        """See ``History.trades``."""
        conditions, values = _trade_conditions(wanted)
        direction, limit = _direction(wanted), int(wanted.limit)
        sides = {}
        for side, is_maker in (("maker", "true"), ("taker", "false")):
            more = conditions
            if wanted.order_id is not None:
                more += f" and t.{side}_order_id = {int(wanted.order_id)}"
            sides[side] = _SIDE_OF_TRADES.format(
                side=side, is_maker=is_maker, conditions=more, direction=direction, limit=limit
            )
        statement = _TRADES.format(**sides, direction=direction, limit=limit)
        async with pooled(self._pool) as connection:
            rows = await connection.fetch(statement, account, instrument, *values)
        found = [_trade(row, account, instrument) for row in rows]
        return sorted(found, key=lambda trade: trade.event_number)


class PostgresPeople:
    """``People`` in a table of our own."""

    def __init__(self, pool: Pool, *, first: int, last: int) -> None:
        self._pool = pool
        self._first, self._last = first, last

    async def account_of(self, person_id: str, is_taken: Callable[[int], bool]) -> int | None:
        """See ``People.account_of``."""
        person = UUID(person_id)
        find = "select account from retail.people where person = $1"
        async with pooled(self._pool) as connection:
            account = await connection.fetchval(find, person)
            while account is None:
                ordinal = await connection.fetchval("select nextval('retail.ordinals')")
                number = self._first - 1 + int(ordinal)
                if number > self._last:
                    return None
                if is_taken(number):
                    log.error("account_of_nobody", account=number)
                    continue
                # Whoever is second finds the first one's row; its ordinal is then nobody's.
                await connection.execute(
                    "insert into retail.people (person, account) values ($1, $2)"
                    " on conflict (person) do nothing",
                    person,
                    number,
                )
                account = await connection.fetchval(find, person)
        return None if account is None else int(account)


@asynccontextmanager
async def postgres_history(
    dsn: str, *, first: int, last: int
) -> AsyncIterator[tuple[PostgresHistory, PostgresPeople, Pool]]:
    """Open both, and close them after the block; the pool is the reader's.

    Raises:
        SchemaError: our schema is not at our version.
        OSError, asyncpg.PostgresError: the server cannot be reached.
    """
    reading, writing = await _pool(dsn, READER_ROLE), await _pool(dsn, APPLICATION_ROLE)
    try:
        async with writing.acquire() as connection:
            await database.check(connection)  # type: ignore[arg-type]  # a proxy that does all
        yield PostgresHistory(reading), PostgresPeople(writing, first=first, last=last), reading
    finally:
        reading.terminate()
        writing.terminate()


async def _pool(dsn: str, role: str) -> Pool:
    async def dial(*_arguments: Any, **_options: Any) -> Connection:
        return await connect(dsn, role=role, application="retail_api")

    return await asyncpg.create_pool(dsn, connect=dial, min_size=1, max_size=CONNECTIONS_MAX)


@asynccontextmanager
async def pooled(pool: Pool) -> AsyncIterator[Connection]:
    """Have a connection of a pool's for the block.

    Raises:
        HistoryAwayError: the server does not answer.
    """
    try:
        async with asyncio.timeout(SECONDS_MAX), pool.acquire() as connection:
            # A proxy of the pool's that does all that a connection does.
            yield connection  # type: ignore[misc]
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if is_outage(error):
            raise HistoryAwayError(f"the database is away: {error}") from error
        raise


def _direction(wanted: Range) -> str:
    is_from = wanted.from_id is not None or wanted.start_ns is not None
    return "asc" if is_from else "desc"


def _conditions(wanted: Range, *, number: str, time: str) -> tuple[str, list[int]]:
    """Return what a page is bound by, its values numbered from $3 on."""
    found, values = "", []
    for column, comparison, value in (
        (number, ">=", wanted.from_id),
        (time, ">=", wanted.start_ns),
        (time, "<=", wanted.end_ns),
    ):
        if value is not None:
            values.append(value)
            found += f" and {column} {comparison} ${len(values) + 2}"
    return found, values


def _trade_conditions(wanted: Range) -> tuple[str, list[int]]:
    """Return what a page of trades is bound by, its values numbered from $3 on."""
    found, values = "", []
    for comparison, first, value in (
        (">=", _EVENT_OF_TRADE, wanted.from_id),
        (">=", _FIRST_EVENT_SINCE, wanted.start_ns),
        ("<", _FIRST_EVENT_SINCE, None if wanted.end_ns is None else wanted.end_ns + 1),
    ):
        if value is not None:
            values.append(value)
            place = f"${len(values) + 2}::bigint"
            bound = first.format(time=place, trade_id=place)
            found += f" and t.event_number {comparison} {bound}"
    if wanted.order_id is not None:
        found += _EVENTS_OF_ORDER.format(order_id=int(wanted.order_id))
    return found, values


def _order(row: asyncpg.Record) -> Order:
    return Order(**dict(row.items()), cash_atoms=0)


def _trade(row: asyncpg.Record, account: int, instrument: int) -> Trade:
    taker_side = row["taker_side"]
    other = Side.SELL if taker_side == Side.BUY else Side.BUY
    return Trade(
        trade_id=row["trade_id"],
        event_number=row["event_number"],
        account=account,
        instrument=instrument,
        order_id=row["order_id"],
        side=int(other if row["is_maker"] else taker_side),
        is_maker=row["is_maker"],
        price_ticks=row["price_ticks"],
        quantity_lots=row["quantity_lots"],
        notional_atoms=row["notional_atoms"],
        fee_atoms=row["fee_atoms"],
        time_ns=row["time_ns"],
    )
