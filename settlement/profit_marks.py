"""Writes down, now and then, what every position had cost, and reads it back.

The cost of a position is the history of its fills. With a mark every so many events a statement
walks from the mark before its period, and never through all that an account ever traded.
"""

from collections.abc import Iterator
from typing import Any, Final

from runtime.postgres import Connection
from settlement.chart import Consumer
from settlement.profit import FLAT, CostPosition, Fill, after_fill
from settlement.reconcile import Finding

MARK_EVENTS: Final = 250_000
"""Between two places of marks: about 50,000 trades."""

_ROWS: Final = 10_000
"""Trades read at once."""

Key = tuple[int, int]
"""Account and instrument."""

_TRADES = """
select event_number, instrument, taker_side, maker_account, taker_account,
    base_atoms, notional_atoms, 0::bigint as undone_base_atoms, 0::bigint as undone_notional_atoms
from settlement.trades where event_number > $1 and event_number <= $2
union all
select event_number, instrument, taker_side, maker_account, taker_account,
    base_atoms, notional_atoms, previous_base_atoms, previous_notional_atoms
from settlement.trade_corrections where event_number > $1 and event_number <= $2
order by event_number
"""

_STANDS = """
select coalesce((select event_number from settlement.positions where consumer = $1), 0) as stands,
    coalesce((select max(event_number) from settlement.profit_places), 0) as place
"""

_OF_KEYS = """
select wanted.account, wanted.instrument, base_atoms, cost_atoms, realised_atoms
from unnest($1::bigint[], $2::bigint[]) as wanted (account, instrument)
cross join lateral (
    select base_atoms, cost_atoms, realised_atoms from settlement.profit_marks as mark
    where mark.account = wanted.account and mark.instrument = wanted.instrument
        and mark.event_number <= $3
    order by event_number desc limit 1
) as latest
"""

_OF_ACCOUNT = """
select distinct on (instrument) instrument, base_atoms, cost_atoms, realised_atoms
from settlement.profit_marks where account = $1 and event_number <= $2
order by instrument, event_number desc
"""


async def place_before(connection: Connection, event_number: int) -> int:
    """Return the last event, at or before one, as of which there are marks; 0 for none."""
    found: int = await connection.fetchval(
        "select coalesce(max(event_number), 0) from settlement.profit_places"
        " where event_number <= $1",
        event_number,
    )
    return found


async def positions_at(connection: Connection, account: int, place: int) -> dict[int, CostPosition]:
    """Return an account's positions, by instrument, at a place of marks."""
    rows = await connection.fetch(_OF_ACCOUNT, account, place)
    return {instrument: CostPosition(*position) for instrument, *position in rows}


async def mark(connection: Connection, *, every: int = MARK_EVENTS) -> int | None:
    """Make the marks of the next place, once the ledger has come there.

    Args:
        connection: without a transaction, as the application's role.
        every: events between two places.

    Returns:
        The place; None when the ledger is not there yet.
    """
    async with connection.transaction():
        found = await connection.fetchrow(_STANDS, Consumer.LEDGER)
        assert found is not None
        stands, last = found
        place: int = last + every
        if stands < place:
            return None
        held = await _walked(connection, last, place)
        columns = [
            [account for account, _ in held],
            [instrument for _, instrument in held],
            *([getattr(each, name) for each in held.values()] for name in _FIELDS),
        ]
        await connection.execute(_ADD, place, *columns)
        await connection.execute("insert into settlement.profit_places values ($1)", place)
    return place


async def profit_findings(connection: Connection, *, findings_max: int) -> list[Finding]:
    """Make the marks of the last place again, from the place before; say what differs.

    Args:
        connection: in a transaction.
        findings_max: of the answer.
    """
    places = [row[0] for row in await connection.fetch(_LAST_PLACES)]
    if not places:
        return []
    last, before = (*places, 0)[:2]
    walked = await _walked(connection, before, last)
    expected = {(*key, last): position for key, position in walked.items()}
    found = {
        (account, instrument, event_number): CostPosition(*position)
        for account, instrument, event_number, *position in await connection.fetch(
            _BETWEEN, before, last
        )
    }
    return [
        Finding(
            "profit marks are what the trades come to",
            f"account {key[0]} instrument {key[1]} event {key[2]}",
            _said(expected.get(key)),
            _said(found.get(key)),
        )
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ][:findings_max]


def _said(position: CostPosition | None) -> str:
    if position is None:
        return "no mark"
    base, cost, realised = position.base_atoms, position.cost_atoms, position.realised_atoms
    return f"base {base}, cost {cost}, realised {realised}"


_LAST_PLACES = """
select event_number from settlement.profit_places order by event_number desc limit 2
"""

_BETWEEN = """
select account, instrument, event_number, base_atoms, cost_atoms, realised_atoms
from settlement.profit_marks where event_number > $1 and event_number <= $2
"""

_FIELDS: Final = ("base_atoms", "cost_atoms", "realised_atoms")
_ADD = """
insert into settlement.profit_marks
    (account, instrument, event_number, base_atoms, cost_atoms, realised_atoms)
select account, instrument, $1, base_atoms, cost_atoms, realised_atoms
from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as mark (account, instrument, base_atoms, cost_atoms, realised_atoms)
"""


async def _walked(connection: Connection, after: int, through: int) -> dict[Key, CostPosition]:
    """Return every position that the trades of some events changed, as they left it."""
    held: dict[Key, CostPosition] = {}
    cursor = await connection.cursor(_TRADES, after, through)
    while rows := await cursor.fetch(_ROWS):
        fills = [each for row in rows for each in _fills(row)]
        await _load(connection, held, {key for key, _ in fills}, after)
        for key, fill in fills:
            held[key] = after_fill(held[key], fill)
    return held


async def _load(
    connection: Connection, held: dict[Key, CostPosition], keys: set[Key], place: int
) -> None:
    """Add the positions that are not known yet, as their last mark before the walk has them."""
    fresh = sorted(keys - held.keys())
    held.update(dict.fromkeys(fresh, FLAT))
    accounts, instruments = [key[0] for key in fresh], [key[1] for key in fresh]
    rows = await connection.fetch(_OF_KEYS, accounts, instruments, place)
    held.update({(account, each): CostPosition(*position) for account, each, *position in rows})


def _fills(row: Any) -> Iterator[tuple[Key, Fill]]:
    """Yield what a trade or a correction did to each side: what it undid, then what it brought."""
    way_of_taker = 1 if row["taker_side"] == 1 else -1
    for account, way in (
        (row["maker_account"], -way_of_taker),
        (row["taker_account"], way_of_taker),
    ):
        for sign, base, notional in (
            (-way, row["undone_base_atoms"], row["undone_notional_atoms"]),
            (way, row["base_atoms"], row["notional_atoms"]),
        ):
            if base:
                fill = Fill(row["event_number"], sign * base, -sign * notional)
                yield (account, row["instrument"]), fill
