"""What people and other services ask of the ledger and of the order history.

Every list is bounded and pages backwards: newest first, and ``before`` is the last row's event
number. Read with ``settlement.database.READER_ROLE`` or better.
"""

from collections.abc import Collection
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Select, cast, func, or_, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from runtime.postgres import Connection
from settlement.chart import Consumer, LedgerAccountKind
from settlement.order_rows import HistoryRow, OrderRow
from settlement.schema import accounts, assets, balances, entries, order_events, positions, trades
from settlement.schema import orders as orders_table

ROWS_MAX = 10_000
"""Of one answer, whatever is asked for."""

_OWN = (LedgerAccountKind.FUNDS, LedgerAccountKind.WITHDRAWALS)
"""What the engine's balance of an account is made of."""

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trade, its fields in the table's order."""

    event_number: int
    trade_id: int
    time_ns: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    base_atoms: int
    taker_side: int
    is_auction: bool
    maker_order_id: int
    maker_account: int
    maker_fee_atoms: int
    maker_client_order_id: str
    taker_order_id: int
    taker_account: int
    taker_fee_atoms: int
    taker_client_order_id: str


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    event_number: int
    leg: int
    kind: int
    cause: int
    account: int
    asset: int
    amount_atoms: int
    time_ns: int


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger account and what is on it."""

    kind: int
    account: int
    asset: int
    balance_atoms: int
    credit_line_atoms: int


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has of an asset, withdrawals on their way included; the engine's balance."""

    account: int
    asset: int
    symbol: str
    scale: int
    position_atoms: int
    funds_atoms: int
    withdrawals_atoms: int
    credit_line_atoms: int
    position_max_atoms: int


class ConsumerRow(msgspec.Struct, frozen=True, kw_only=True):
    """How far a consumer is: its last event, and that event's stamp."""

    consumer: str
    event_number: int
    time_ns: int


async def orders(
    connection: Connection,
    *,
    account: int | None = None,
    client_order_id: str | None = None,
    statuses: Collection[int] = (),
    is_open: bool | None = None,
    from_ns: int | None = None,
    until_ns: int | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[OrderRow]:
    """Find orders as they stand now, newest first; what is not given does not narrow.

    Args:
        connection: to read with.
        account: whose.
        client_order_id: any id that the order ever had, or that a request about it carried;
            needs ``account``, for client order ids are the client's own.
        statuses: of ``OrderStatus``. Refused orders are among them as REJECTED.
        is_open: whether it can still trade.
        from_ns: created at this stamp or later.
        until_ns: created before this stamp.
        before: created before this event number: where the previous page ended.
        limit: rows at most.
    """
    table = orders_table
    query = select(table).order_by(table.c.created_event.desc())
    if client_order_id is not None:
        assert account is not None, "a client order id means nothing without its account"
        query = query.where(
            or_(
                table.c.client_order_id == client_order_id,
                table.c.order_id.in_(_orders_named(account, client_order_id)),
            )
        )
    if account is not None:
        query = query.where(table.c.account == account)
    if statuses:
        query = query.where(table.c.status.in_(sorted(statuses)))
    if is_open is not None:
        query = query.where(table.c.is_open if is_open else ~table.c.is_open)
    query = _between(query, table.c.created_at_ns, from_ns=from_ns, until_ns=until_ns)
    query = _page(query, table.c.created_event, before=before, limit=limit)
    return await _fetch(connection, query, OrderRow)


def _orders_named(account: int, client_order_id: str) -> Select[Any]:
    table = order_events
    # The kinds left out are acceptances and fills: the partial indexes hold the rest.
    return select(table.c.order_id).where(
        table.c.account == account,
        table.c.order_id.is_not(None),
        or_(
            (table.c.client_order_id == client_order_id) & table.c.kind.not_in([1, 10]),
            table.c.related_client_order_id == client_order_id,
        ),
    )


async def order_history(
    connection: Connection, order_id: int, *, after: int = 0, limit: int = 1000
) -> list[HistoryRow]:
    """Return all that happened to one order, oldest first, from after an event number on."""
    table = order_events
    query = (
        select(table)
        .where(table.c.order_id == order_id, table.c.event_number > after)
        .order_by(table.c.event_number, table.c.leg)
        .limit(min(limit, ROWS_MAX))
    )
    return await _fetch(connection, query, HistoryRow)


async def requests_named(
    connection: Connection, *, account: int, client_order_id: str, limit: int = 100
) -> list[HistoryRow]:
    """Return what the venue or a gateway said to requests under a client order id, newest first.

    Amends, cancels, refusals and mass cancels: also those that named no order of the account.
    """
    table = order_events
    query = (
        select(table)
        .where(
            table.c.account == account,
            table.c.client_order_id == client_order_id,
            table.c.kind.not_in([1, 10]),
        )
        .order_by(table.c.event_number.desc())
        .limit(min(limit, ROWS_MAX))
    )
    return await _fetch(connection, query, HistoryRow)


async def trades_of_account(
    connection: Connection,
    account: int,
    *,
    from_ns: int | None = None,
    until_ns: int | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[TradeRow]:
    """Return an account's trades, newest first; one with itself counts once."""
    # Two index scans of which only a page is read, rather than all trades of an active account.
    sides = []
    for side in (trades.c.maker_account, trades.c.taker_account):
        query = select(trades).where(side == account).order_by(trades.c.event_number.desc())
        query = _between(query, trades.c.time_ns, from_ns=from_ns, until_ns=until_ns)
        sides.append(_page(query, trades.c.event_number, before=before, limit=limit).subquery())
    both = select(sides[0]).union(select(sides[1])).subquery()
    page = select(both).order_by(both.c.event_number.desc()).limit(min(limit, ROWS_MAX))
    return await _fetch(connection, page, TradeRow)


async def entries_of_event(connection: Connection, event_number: int) -> list[EntryRow]:
    """Return the journal lines of one event, by leg."""
    query = select(entries).where(entries.c.event_number == event_number).order_by(entries.c.leg)
    return await _fetch(connection, query, EntryRow)


async def balances_of_account(connection: Connection, account: int) -> list[BalanceRow]:
    """Return the ledger accounts of an account; of ``chart.VENUE``, the venue's own."""
    table = balances
    query = (
        select(
            table.c.kind,
            table.c.account,
            table.c.asset,
            table.c.balance_atoms,
            table.c.credit_line_atoms,
        )
        .where(table.c.account == account)
        .order_by(table.c.asset, table.c.kind)
    )
    return await _fetch(connection, query, BalanceRow)


async def positions_of_account(connection: Connection, account: int) -> list[PositionRow]:
    """Return what an account has of each asset."""
    table, funds = balances, balances.c.kind == LedgerAccountKind.FUNDS
    total = func.sum(table.c.balance_atoms)
    # PostgreSQL sums bigints to a numeric; the supply of an asset fits a bigint.
    whole = partial(cast, type_=BigInteger)
    query = (
        select(
            table.c.account,
            table.c.asset,
            assets.c.symbol,
            assets.c.scale,
            whole(total).label("position_atoms"),
            whole(func.coalesce(total.filter(funds), 0)).label("funds_atoms"),
            whole(func.coalesce(total.filter(~funds), 0)).label("withdrawals_atoms"),
            func.max(table.c.credit_line_atoms).label("credit_line_atoms"),
            func.max(table.c.position_max_atoms).label("position_max_atoms"),
        )
        .join(assets, assets.c.asset == table.c.asset)
        .where(table.c.account == account, table.c.kind.in_(_OWN))
        .group_by(table.c.account, table.c.asset, assets.c.symbol, assets.c.scale)
        .order_by(table.c.asset)
    )
    return await _fetch(connection, query, PositionRow)


async def accounts_of_firm(connection: Connection, firm: int) -> list[int]:
    """Return the numbers of a firm's accounts."""
    query = select(accounts.c.account).where(accounts.c.firm == firm).order_by(accounts.c.account)
    text, parameters = _compiled(query)
    return [row[0] for row in await connection.fetch(text, *parameters)]


async def consumer_positions(connection: Connection) -> dict[Consumer, ConsumerRow]:
    """Return how far each consumer is; one that never ran is at event 0."""
    rows = await _fetch(connection, select(positions), ConsumerRow)
    known = {Consumer(row.consumer): row for row in rows}
    for consumer in Consumer:
        known.setdefault(consumer, ConsumerRow(consumer=consumer, event_number=0, time_ns=0))
    return known


def _between(
    query: Select[Any], column: Any, *, from_ns: int | None, until_ns: int | None
) -> Select[Any]:
    if from_ns is not None:
        query = query.where(column >= from_ns)
    if until_ns is not None:
        query = query.where(column < until_ns)
    return query


def _page(query: Select[Any], key: Any, *, before: int | None, limit: int) -> Select[Any]:
    if before is not None:
        query = query.where(key < before)
    return query.limit(min(limit, ROWS_MAX))


async def _fetch(connection: Connection, query: Any, row: type[Any]) -> list[Any]:
    text, parameters = _compiled(query)
    return [
        msgspec.convert(dict(found), row) for found in await connection.fetch(text, *parameters)
    ]


def _compiled(query: Any) -> tuple[str, list[Any]]:
    """Render a statement for asyncpg itself: the driver's pool serves it, without a second one."""
    compiled = query.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), [compiled.params[name] for name in compiled.positiontup]
