"""What is written down of balances, against the slow twin that looks at every entry."""

import random

import pytest

from runtime.postgres import Connection
from settlement import ledger
from settlement.adapters.memory import MemoryBatch
from settlement.marks import MarkRules
from settlement.reconcile_loader import load
from tests.integration.settlement.books_model import Books
from tests.integration.settlement.test_books import book
from tests.twins.marks import Moved, Row, naive_marks

RULES = MarkRules(place_events=10, whole_events=70, busy_entries=9)


@pytest.fixture(autouse=True)
def close_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks so close that they are passed inside batches, and between them."""
    monkeypatch.setattr(ledger, "MARKS", RULES)


def made(chance: random.Random, *, frames: int) -> list[MemoryBatch]:
    books, made = Books(chance), []
    books.define()
    for _ in range(frames):
        for _ in range(chance.randint(5, 30)):
            books.step()
        made.append(books.frame())
    return made


async def told(owner: Connection) -> tuple[list[tuple[int, int]], set[Row]]:
    places = await owner.fetch("select * from settlement.ledger_marks order by event_number")
    rows = await owner.fetch("select * from settlement.balance_marks")
    return [(row[0], row[1]) for row in places], {
        (row[0], row[1], row[2], row[3], row[4]) for row in rows
    }


async def worked_out(owner: Connection) -> tuple[list[tuple[int, int]], set[Row]]:
    entries = await owner.fetch(
        "select event_number, time_ns, kind, account, asset, amount_atoms from settlement.entries"
    )
    return naive_marks([Moved(*row) for row in entries], RULES)


@pytest.mark.parametrize("batch_events", [1, 100_000])
async def test_marks_follow_from_the_entries_alone(
    ledger_dsn: str, owner: Connection, chance: random.Random, batch_events: int
) -> None:
    frames = made(chance, frames=20)
    for stop in (5, 6, 13, 20):  # each time a poster that has to learn what was before
        await book(ledger_dsn, frames[:stop], batch_events_max=batch_events)

    places, rows = await told(owner)

    assert (places, rows) == await worked_out(owner)
    # The first place of each long stretch writes all down, others the venue's and the busy.
    long = {place: place // RULES.whole_events for place, _ in places}
    firsts = {min(at for at in long if long[at] == stretch) for stretch in {*long.values()} - {0}}
    assert {account == 0 for *_, account, _, at, _ in rows if at not in firsts} == {True, False}
    assert firsts


FEE_INCOME = """
select * from (select *, lag(balance_atoms) over (order by event_number) as former
    from settlement.balance_marks where kind = 10) as told
where balance_atoms is distinct from former
"""


@pytest.mark.parametrize("plant", ["delete from", "update"])
async def test_a_mark_that_is_wrong_or_missing_is_found(
    ledger_dsn: str, owner: Connection, chance: random.Random, plant: str
) -> None:
    frames = made(chance, frames=10)
    await book(ledger_dsn, frames)
    assert (await load(owner, frames[-1].last)).findings == []
    row = chance.choice(await owner.fetch(FEE_INCOME))
    change = " set balance_atoms = balance_atoms + 1" if plant == "update" else ""
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        f"{plant} settlement.balance_marks{change} where (kind, account, asset, event_number)"
        f" = ({row['kind']}, {row['account']}, {row['asset']}, {row['event_number']})"
    )

    found = (await load(owner, frames[-1].last)).findings

    assert {finding.what for finding in found} == {"a mark is the sum of the entries before it"}
    assert found[0].where == f"kind 10 account 0 asset 1 at event {row['event_number']}"


async def test_marks_that_an_older_program_did_not_make_are_added(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    frames = made(chance, frames=20)
    await book(ledger_dsn, frames[:15])
    last = await owner.fetchval("select max(event_number) from settlement.entries")
    stretch = (last - 1) // RULES.whole_events * RULES.whole_events
    whole = await owner.fetchval(
        "select min(event_number) from settlement.ledger_marks where event_number >= $1", stretch
    )
    for table in ("ledger_marks", "balance_marks"):
        await owner.execute(f"alter table settlement.{table} disable trigger user")
        await owner.execute(f"delete from settlement.{table} where event_number > {whole}")  # noqa: S608
        await owner.execute(f"alter table settlement.{table} enable trigger user")

    await book(ledger_dsn, frames)

    assert await told(owner) == await worked_out(owner)
