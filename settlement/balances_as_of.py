"""What was on ledger accounts after an event, or at a time: from the last mark and what followed.

The poster writes balances down (``marks.MARKS``), so that no more entries are read than an account
has between two of its marks, however long the ledger is (``docs/ledger.md``, "As of a moment").
Read with ``settlement.database.READER_ROLE`` or better.
"""

from typing import Final, NamedTuple

import msgspec

from runtime.postgres import Connection
from settlement.chart import VENUE, LedgerAccountKind
from settlement.errors import SettlementError

BEGINNING: Final = -(1 << 63)
"""Before every entry, those of a migration too, whose events have numbers below one."""

END: Final = (1 << 63) - 1


class LedgerNotThereError(SettlementError):
    """The moment is after the last event that the ledger has."""

    exit_code = 69


class Moment(NamedTuple):
    """A place in the ledger: after event ``event_number``, and among those no later than a time.

    ``marked`` is the last place of marks at or before it. Only events up to ``through`` need to be
    looked at.
    """

    marked: int
    through: int
    time_ns: int


class BalanceAsOf(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger account at a moment."""

    kind: int
    account: int
    asset: int
    balance_atoms: int


class HeldAsOf(msgspec.Struct, frozen=True, kw_only=True):
    """What the open orders of an account held of an asset at a moment."""

    asset: int
    held_atoms: int


_AFTER_EVENT = """
select coalesce((select max(event_number) from settlement.ledger_marks where event_number <= $1),
    $2) as marked,
    coalesce((select event_number from settlement.positions where consumer = 'ledger'), 0) as stands
"""

_AT_TIME = """
select coalesce((select event_number from settlement.ledger_marks where time_ns <= $1
        order by time_ns desc, event_number desc limit 1), $2) as marked,
    coalesce((select event_number from settlement.ledger_marks where time_ns > $1
        order by time_ns, event_number limit 1), $3) as through,
    coalesce((select time_ns from settlement.positions where consumer = 'ledger'), 0) as stands
"""

_MARKED = """
with marked as materialized (
    select known.kind, known.asset, mark.event_number, coalesce(mark.balance_atoms, 0) as atoms
    from settlement.balances as known
    left join lateral (
        select event_number, balance_atoms from settlement.balance_marks as mark
        where mark.kind = known.kind and mark.account = known.account and mark.asset = known.asset
            and mark.event_number <= $4
        order by event_number desc limit 1
    ) as mark on true
    where known.account = $1
)"""

BALANCES: Final = f"""
{_MARKED}, since as materialized (
    select coalesce(max(event_number), '-9223372036854775808'::bigint) as event_number from marked
), traded as (
    select event_number from settlement.trades where maker_account = $1
        and event_number > (select event_number from since) and event_number <= $5
    union
    select event_number from settlement.trades where taker_account = $1
        and event_number > (select event_number from since) and event_number <= $5
), later as (
    select kind, asset, sum(amount_atoms) as atoms from (
        select entry.kind, entry.asset, entry.amount_atoms from traded
        cross join lateral (
            select kind, asset, amount_atoms from settlement.entries as entry
            where entry.event_number = traded.event_number and entry.account = $1
                and entry.cause in (1, 2, 7) and entry.time_ns <= $6 offset 0
        ) as entry
        union all
        select kind, asset, amount_atoms from settlement.entries
        where account = $1 and cause not in (1, 2, 7) and time_ns <= $6
            and event_number > (select event_number from since) and event_number <= $5
    ) as entry group by kind, asset
)
select kind, $1::bigint as account, asset,
    (marked.atoms + coalesce(later.atoms, 0))::bigint as balance_atoms
from marked left join later using (kind, asset)
where ($2::smallint is null or kind = $2) and ($3::bigint is null or asset = $3)
order by asset, kind
"""  # noqa: S608  # our own text
"""Balances of a trading account at a moment: when it was written down last, and its entries since.

Those of trades (causes 1, 2 and 7) are found through the trades of the account, all others by an
index of their own. Parameters: account; kind or null; asset or null; then the moment's ``marked``,
``through`` and ``time_ns``.
"""

HOUSE_BALANCES: Final = f"""
{_MARKED}, later as (
    select kind, asset, sum(amount_atoms) as atoms from settlement.entries
    where event_number > $4 and event_number <= $5 and time_ns <= $6 and account = $1
    group by kind, asset
), own as (
    select kind, asset, sum(amount_atoms) as atoms from settlement.house_entries
    join settlement.house_postings as posting using (posting)
    where posting.after_event <= $5 and posting.time_ns <= $6
    group by kind, asset
)
select kind, $1::bigint as account, asset,
    (marked.atoms + coalesce(later.atoms, 0) + coalesce(own.atoms, 0))::bigint as balance_atoms
from marked left join later using (kind, asset) left join own using (kind, asset)
where ($2::smallint is null or kind = $2) and ($3::bigint is null or asset = $3)
order by asset, kind
"""  # noqa: S608  # our own text
"""Those of the venue, which are written down at every mark; and what the house moved by itself."""

HELD: Final = """
select case line.side when 1 then market.quote_asset else market.base_asset end as asset,
    sum(line.held_atoms)::bigint as held_atoms
from settlement.orders as known
join settlement.instruments as market using (instrument)
cross join lateral (
    select side, held_atoms from settlement.order_events as event
    where event.order_id = known.order_id
        and event.event_number <= $2 and event.time_ns <= $3
        and event.kind in (1, 3, 4, 5, 8, 9, 10, 80, 81)
    order by event.event_number desc, event.leg desc limit 1
) as line
where known.account = $1 and known.order_id is not null
    and known.created_event <= $2 and known.created_at_ns <= $3
    and (known.is_open or known.updated_event > $2 or known.updated_at_ns > $3)
group by 1 having sum(line.held_atoms) <> 0 order by 1
"""
"""What an account's open orders held at a moment: account, last event, last time."""


async def after_event(connection: Connection, event_number: int) -> Moment:
    """Return the moment after an event.

    Raises:
        LedgerNotThereError: the ledger has not reached it.
    """
    row = await connection.fetchrow(_AFTER_EVENT, event_number, BEGINNING)
    assert row is not None
    if event_number > row["stands"]:
        raise LedgerNotThereError(
            f"the ledger stands at event {row['stands']}, before {event_number}"
        )
    return Moment(row["marked"], event_number, END)


async def at_time(connection: Connection, time_ns: int) -> Moment:
    """Return the moment after every event whose stamp is no later than a time.

    Raises:
        LedgerNotThereError: the last event that the ledger has is older: more may come.
    """
    row = await connection.fetchrow(_AT_TIME, time_ns, BEGINNING, END)
    assert row is not None
    if time_ns > row["stands"]:
        raise LedgerNotThereError(
            f"the ledger's last event has the stamp {row['stands']}, which is before {time_ns}"
        )
    return Moment(row["marked"], row["through"], time_ns)


async def balances(
    connection: Connection,
    moment: Moment,
    *,
    account: int,
    kind: LedgerAccountKind | None = None,
    asset: int | None = None,
) -> list[BalanceAsOf]:
    """Return the ledger accounts of a trading account at a moment; of ``VENUE``, its own.

    One that had not moved by then is there with zero.
    """
    statement = HOUSE_BALANCES if account == VENUE else BALANCES
    rows = await connection.fetch(statement, account, kind, asset, *moment)
    return [BalanceAsOf(**row) for row in rows]


async def held(connection: Connection, moment: Moment, *, account: int) -> list[HeldAsOf]:
    """Return what an account's open orders held at a moment, by the order history."""
    assert account != VENUE, "the venue has no orders"
    rows = await connection.fetch(HELD, account, moment.through, moment.time_ns)
    return [HeldAsOf(**row) for row in rows]
