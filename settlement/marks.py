"""Which balances are written down, and where: so that one as of any moment is read from few rows.

Marks follow from the entries alone, so a ledger that is made again has the same. They are worked
out in ``core`` while entries are encoded; what that needs to know of the entries before is told
here, once, when a poster starts.
"""

import struct
from collections import Counter
from typing import Final, NamedTuple

from core._native import LedgerRows
from runtime.postgres import Connection
from settlement.reconcile import Finding


class MarkRules(NamedTuple):
    """Where balances are written down; docs/ledger.md, "As of a moment", says why so.

    A place is each event whose number is a multiple of ``place_events``, if there are entries on
    both sides of it. The venue's own ledger accounts are written down at each place since which
    they moved; those of a trading account where it had ``busy_entries`` since the place before;
    and all that moved at the first place in each ``whole_events``.
    """

    place_events: int
    whole_events: int
    busy_entries: int


MARKS: Final = MarkRules(place_events=5_000, whole_events=100_000, busy_entries=200)
"""Never changed: a ledger made again has the same marks."""

# A row of balance_marks, behind its number of fields and each behind its length.
_ROW = struct.Struct(">hihiqiqiqiq")

# The last place at which everything was written down. Where nothing lay before it, nothing was.
_LAST_WHOLE = """
with block as (
    select (greatest(max(event_number), 1) - 1) / $1 * $1 as begins from settlement.entries
)
select min(event_number) from settlement.ledger_marks, block
where event_number >= begins
    and exists (select from settlement.entries where event_number <= begins)
"""

_SINCE = """
select kind, account, asset, max(event_number) as event_number, max(time_ns) as time_ns,
    sum(amount_atoms)::bigint as amount_atoms, count(*) as entries
from settlement.entries where event_number > $1
group by (greatest(event_number, 1) - 1) / $2, kind, account, asset
"""

# Entries of the house are made at any time; a mark is about events alone.
BALANCES_BY_EVENTS: Final = """
select kind, account, asset, (balance_atoms - case when account = 0 then coalesce((
    select sum(amount_atoms) from settlement.house_entries as own
    where own.kind = balance.kind and own.asset = balance.asset), 0) else 0 end)::bigint as atoms
from settlement.balances as balance
"""

_ADD_PLACES = """
insert into settlement.ledger_marks select * from unnest($1::bigint[], $2::bigint[])
on conflict do nothing
"""

_ADD_BALANCES = """
insert into settlement.balance_marks select * from
    unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
on conflict do nothing
"""

# Of each ledger account, wherever its account was written down: what its entries up to there come
# to, and what of it was written last. A row that is missing is found like one that is wrong.
_WRONG = """
with places as (
    select distinct account, event_number from settlement.balance_marks where account <> 0
    union all select 0, event_number from settlement.ledger_marks
), told as (
    select kind, account, asset, event_number, amount_atoms as moved, null::bigint as written,
        false as is_place from settlement.entries
    union all
    select kind, account, asset, event_number, 0, balance_atoms, false from settlement.balance_marks
    union all
    select known.kind, account, known.asset, event_number, 0, null, true
    from settlement.balances as known join places using (account)
), summed as (
    select *, sum(moved) over by_event as expected, count(written) over by_event as part
    from told window by_event as (partition by kind, account, asset order by event_number)
), compared as (
    select *, coalesce(max(written) over (partition by kind, account, asset, part), 0) as found
    from summed
)
select kind, account, asset, event_number, expected::text, found::text from compared
where is_place and expected <> found order by event_number, kind, account, asset limit $1
"""

_BEGINNING = -(1 << 63)


async def restore(connection: Connection, rows: LedgerRows, rules: MarkRules) -> None:
    """Tell ``rows`` what lies on the ledger accounts, and what moved since it was written down.

    Marks that an older program did not make are added from the last whole one on: from there
    every later mark builds on those before.
    """
    whole = await connection.fetchval(_LAST_WHOLE, rules.whole_events)
    since = await connection.fetch(
        _SINCE, _BEGINNING if whole is None else whole, rules.place_events
    )
    moved: Counter[tuple[int, int, int]] = Counter()
    for row in since:
        moved[row["kind"], row["account"], row["asset"]] += row["amount_atoms"]
    for kind, account, asset, atoms in await connection.fetch(BALANCES_BY_EVENTS):
        rows.know_balance(kind, account, asset, atoms - moved[kind, account, asset])
    for row in since:
        rows.move(
            row["event_number"],
            row["time_ns"],
            row["kind"],
            row["account"],
            row["asset"],
            row["amount_atoms"],
            row["entries"],
        )
    places, encoded = rows.close_marks()
    await add_places(connection, places)
    if encoded:
        columns = zip(*(row[2::2] for row in _ROW.iter_unpack(encoded)), strict=True)
        await connection.execute(_ADD_BALANCES, *map(list, columns))


async def add_places(connection: Connection, places: list[tuple[int, int]]) -> None:
    """Write down places, each with the stamp of the last entry up to it."""
    if places:
        numbers, times = zip(*places, strict=True)
        await connection.execute(_ADD_PLACES, list(numbers), list(times))


async def mark_findings(connection: Connection, *, findings_max: int) -> list[Finding]:
    """Compare what was written down with the entries; that reads all there is."""
    return [
        Finding(
            "a mark is the sum of the entries before it",
            f"kind {row['kind']} account {row['account']} asset {row['asset']}"
            f" at event {row['event_number']}",
            row["expected"],
            row["found"],
        )
        for row in await connection.fetch(_WRONG, findings_max)
    ]
