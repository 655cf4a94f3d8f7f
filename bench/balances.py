"""Balances as of a moment in a ledger of ten million entries: milliseconds for one account.

The entries are made in the database, in one statement, and written down at marks as the poster
does; then random accounts are asked for at random events, and at random times.
"""

import random
import statistics
import time
from typing import NamedTuple

from runtime.postgres import Connection, connect
from settlement import balances_as_of
from settlement.ledger import MARK_EVENTS
from settlement.schema import NAMESPACE

EVENTS_PER_TRADE = 5
ENTRIES_PER_TRADE = 8
ACCOUNTS = 1_000
NANOSECONDS_PER_EVENT = 20_000
QUESTIONS = 200

_ASSETS = "insert into settlement.assets select n, 'A' || n, 8, 0, n from generate_series(1, 5) n"

_ENTRIES = """
insert into settlement.entries
select trade * $2, leg.leg, leg.kind, leg.cause, leg.account, leg.asset, leg.amount, trade * $2 * $4
from generate_series(1, $1::bigint) as trade
cross join lateral (select 1 + trade * 7919 % $3 as maker, 1 + trade * 104729 % $3 as taker,
    2 + trade % 4 as base, 100 + trade % 900 as size) as by
cross join lateral (values
    (1::smallint, 1::smallint, 1::smallint, by.maker, by.base, -by.size),
    (2, 1, 1, by.taker, by.base, by.size),
    (3, 1, 1, by.maker, 1, by.size * 50), (4, 1, 1, by.taker, 1, -by.size * 50),
    (5, 1, 7, by.maker, 1, 2), (6, 1, 2, by.taker, 1, -5),
    (7, 10, 2, 0, 1, 5), (8, 11, 7, 0, 1, -2)
) as leg (leg, kind, cause, account, asset, amount)
"""

_MARKS = """
insert into settlement.ledger_marks
select place * $1, max(time_ns) from (
    select (event_number + $1 - 1) / $1 as place, time_ns from settlement.entries
) as placed where place * $1 < $2 group by place
"""

_BALANCE_MARKS = """
insert into settlement.balance_marks
select kind, account, asset, place * $1,
    sum(moved) over (partition by kind, account, asset order by place)
from (
    select kind, account, asset, (event_number + $1 - 1) / $1 as place, sum(amount_atoms) as moved
    from settlement.entries group by 1, 2, 3, 4
) as by_place where place * $1 < $2
"""

_BALANCES = """
insert into settlement.balances (kind, account, asset, balance_atoms, credit_floor_atoms)
select kind, account, asset, sum(amount_atoms), case kind when 1 then 1::bigint << 62 else 0 end
from settlement.entries group by kind, account, asset
"""

_TRIGGERS = """
alter table settlement.entries {0} trigger user; alter table settlement.balances {0} trigger user
"""


class Answered(NamedTuple):
    """How long questions took, in milliseconds."""

    median: float
    at_99: float
    longest: float


async def fill(connection: Connection, entries: int) -> int:
    """Make a ledger of so many entries in an empty database; returns its last event."""
    trades = entries // ENTRIES_PER_TRADE
    last = trades * EVENTS_PER_TRADE
    async with connection.transaction():
        await connection.execute(_TRIGGERS.format("disable"))
        await connection.execute(f"alter table {NAMESPACE}.entries drop constraint entries_pk")
        await connection.execute(_ASSETS)
        await connection.execute(
            _ENTRIES, trades, EVENTS_PER_TRADE, ACCOUNTS, NANOSECONDS_PER_EVENT
        )
        await connection.execute(_MARKS, MARK_EVENTS, last)
        await connection.execute(_BALANCE_MARKS, MARK_EVENTS, last)
        await connection.execute(_BALANCES)
        await connection.execute(
            f"alter table {NAMESPACE}.entries"
            " add constraint entries_pk primary key (event_number, leg)"
        )
        await connection.execute(
            "insert into settlement.positions values ('ledger', $1, $2)",
            last,
            last * NANOSECONDS_PER_EVENT,
        )
        await connection.execute(_TRIGGERS.format("enable"))
    await connection.execute("vacuum analyze settlement.entries")
    await connection.execute("vacuum analyze settlement.balance_marks")
    await connection.execute("analyze settlement.balances")
    return last


async def ask(connection: Connection, last: int, *, seed: int) -> dict[str, Answered]:
    """Ask for accounts at moments, each time a different one."""
    chance = random.Random(seed)
    answers: dict[str, list[float]] = {"event": [], "time": [], "house": []}
    for _ in range(QUESTIONS):
        event = chance.randint(1, last)
        for what, took in answers.items():
            account = 0 if what == "house" else chance.randint(1, ACCOUNTS)
            started = time.perf_counter()
            if what == "time":
                moment = await balances_as_of.at_time(connection, event * NANOSECONDS_PER_EVENT)
            else:
                moment = await balances_as_of.after_event(connection, event)
            assert await balances_as_of.balances(connection, moment, account=account)
            took.append((time.perf_counter() - started) * 1_000)
    return {what: _answered(sorted(took)) for what, took in answers.items()}


def _answered(took: list[float]) -> Answered:
    return Answered(statistics.median(took), took[len(took) * 99 // 100], took[-1])


async def measure(dsn: str, entries: int, *, seed: int) -> dict[str, float | int]:
    """Fill a migrated, empty database, and say what answers took."""
    connection = await connect(dsn, seconds_max=60)
    try:
        started = time.perf_counter()
        last = await fill(connection, entries)
        figures: dict[str, float | int] = {
            "as_of_entries": await connection.fetchval("select count(*) from settlement.entries"),
            "as_of_filled_in_seconds": round(time.perf_counter() - started, 1),
        }
        for what, answered in (await ask(connection, last, seed=seed)).items():
            for name, value in answered._asdict().items():
                figures[f"as_of_{what}_{name}_milliseconds"] = round(value, 2)
        return figures
    finally:
        await connection.close()
