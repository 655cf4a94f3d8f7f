"""All books against books of the tests' own: every business event, every moment, every account."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection, connect
from settlement import balances_as_of, database, general_ledger, house, ledger
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.balances_as_of import LedgerNotThereError
from settlement.chart import HOUSE_FIRST, MEMORANDA, SIGNS, EntryCause, LedgerAccountKind, Sign
from settlement.general_ledger import Span
from settlement.house import HouseEntry, HousePosting, HouseRefusedError
from settlement.marks import MarkRules
from settlement.reconcile_loader import load
from settlement.service import SettlementService
from tests.integration.settlement.books_model import (
    ACCOUNTS,
    BTC,
    CAPITAL,
    CLEARING,
    COLD,
    FEES,
    FUNDS,
    HOT,
    INSURANCE,
    REBATES,
    START_NS,
    TAKEN,
    USD,
    Books,
    Key,
)
from tests.integration.settlement.conftest import fast_settings, until
from tests.unit.settlement.flow import VENUE

REFUSED = asyncpg.InsufficientPrivilegeError
BROKEN = asyncpg.CheckViolationError


@pytest.fixture
async def bookkeeper(ledger_dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(ledger_dsn, role=database.BOOKKEEPER_ROLE)
    yield connection
    await connection.close()


async def book(dsn: str, frames: list[MemoryBatch], **settings: float) -> None:
    """Let the poster book frames, beginning where it left."""
    feed, stop = MemoryFeed(frames, venue=VENUE), asyncio.Event()
    service = SettlementService(
        fast_settings(dsn, **settings), lambda _venue: feed, CollectorRegistry()
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(service.poster.run(stop))
        await until(lambda: service.poster.position == frames[-1].last)
        stop.set()


async def all_balances(owner: Connection) -> Counter[Key]:
    rows = await owner.fetch("select kind, account, asset, balance_atoms from settlement.balances")
    return Counter({(row[0], row[1], row[2]): row[3] for row in rows})


def without_zeros(balances: Counter[Key]) -> dict[Key, int]:
    return {key: amount for key, amount in balances.items() if amount}


def posting(cause: EntryCause, *entries: tuple[int, int, int], **changes: object) -> HousePosting:
    values = {"operator": 1, "approver": 2, "reference": "r1", "text": "because", "time_ns": 0}
    made = [HouseEntry(LedgerAccountKind(kind), asset, atoms) for kind, asset, atoms in entries]
    return HousePosting(cause=cause, entries=made, **(values | changes))  # type: ignore[arg-type]


async def house_moves(bookkeeper: Connection, books: Books, chance: random.Random) -> None:
    amount = chance.randint(1, 50)
    earned = books.balances[FEES, 0, USD] + books.balances[REBATES, 0, USD]
    choices = [
        (EntryCause.CUSTODY_MOVED, CLEARING, HOT, -1),
        (EntryCause.CUSTODY_MOVED, HOT, COLD, -1),
        (EntryCause.HOUSE_ADJUSTMENT, HOT, CAPITAL, 1),
    ]
    if earned + books.balances[TAKEN, 0, USD] >= amount:
        choices.append((EntryCause.INSURANCE_FUNDED, TAKEN, INSURANCE, 1))
    cause, giver, taker, way = chance.choice(choices)
    if (giver, taker) == (HOT, COLD) and -books.balances[HOT, 0, USD] < amount:
        return
    moves = [((giver, 0, USD), -way * amount), ((taker, 0, USD), way * amount)]
    told = [(key[0], USD, atoms) for key, atoms in moves]
    reference = f"house-{len(books.moves)}"
    await house.post(bookkeeper, posting(cause, *told, reference=reference, time_ns=books.time_ns))
    books.book(moves)


CLOSE_MARKS = MarkRules(place_events=10, whole_events=70, busy_entries=9)


@pytest.fixture
def close_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks so close that they are passed inside batches, and between them."""
    monkeypatch.setattr(ledger, "MARKS", CLOSE_MARKS)


@pytest.mark.usefixtures("close_marks")
@pytest.mark.parametrize("rounds", [8, pytest.param(300, marks=pytest.mark.long)])
async def test_every_business_event_comes_to_what_the_model_says_at_every_moment(
    ledger_dsn: str,
    owner: Connection,
    bookkeeper: Connection,
    chance: random.Random,
    rounds: int,
) -> None:
    books = Books(chance)
    books.define()
    for _ in range(rounds):
        for _ in range(chance.randint(1, 120)):
            books.step()
        await book(ledger_dsn, [books.frame()])
        assert without_zeros(await all_balances(owner)) == without_zeros(books.balances)
        await house_moves(bookkeeper, books, chance)
        for account in (*ACCOUNTS, 0):
            event = chance.randint(1, books.number)
            time_ns = START_NS + chance.randint(0, books.number // 3) * 1_000
            for moment, expected in (
                (await balances_as_of.after_event(owner, event), books.as_of(event=event)),
                (await balances_as_of.at_time(owner, time_ns), books.as_of(time_ns=time_ns)),
            ):
                rows = await balances_as_of.balances(owner, moment, account=account)
                found = {(row.kind, row.account, row.asset): row.balance_atoms for row in rows}
                assert {key: value for key, value in found.items() if value} == {
                    key: value for key, value in expected.items() if value and key[1] == account
                }
    assert await owner.fetchval("select count(*) from settlement.ledger_marks") >= rounds // 2
    assert (await load(owner, books.number)).findings == []
    assert sum(books.kinds.values()) > 0


async def test_what_the_ledger_has_not_reached_is_not_told(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    books = Books(chance)
    books.define()
    await book(ledger_dsn, [books.frame()])

    with pytest.raises(LedgerNotThereError, match=f"stands at event {books.number}"):
        await balances_as_of.after_event(owner, books.number + 1)
    with pytest.raises(LedgerNotThereError, match="before"):
        await balances_as_of.at_time(owner, books.time_ns + 1)


async def test_the_general_ledger_is_every_entry_once_and_in_order(
    ledger_dsn: str, owner: Connection, bookkeeper: Connection, chance: random.Random
) -> None:
    books = Books(chance)
    books.define()
    for _ in range(60):
        books.step()
    await book(ledger_dsn, [books.frame()])
    moved = len(books.moves)
    while len(books.moves) == moved:  # what it picks may not be there to move
        await house_moves(bookkeeper, books, chance)
    middle = books.number // 2
    middle_ns = START_NS + middle // 3 * 1_000
    whole = []
    parts: list[list[general_ledger.Line]] = [[], [], [], []]
    spans = (
        Span(last_event=middle),
        Span(first_event=middle + 1),
        Span(until_ns=middle_ns),
        Span(from_ns=middle_ns),
    )
    async with owner.transaction():
        whole = [line async for line in general_ledger.lines(owner, Span())]
        for part, span in zip(parts, spans, strict=True):
            part += [line async for line in general_ledger.lines(owner, span)]

    summed: Counter[Key] = Counter()
    for line in whole:
        summed[line.kind, line.account, line.asset] += line.amount_atoms
    assert without_zeros(summed) == without_zeros(books.balances)
    keys = [(line.posting, line.event_number, line.leg) for line in whole]
    assert keys == sorted(set(keys))
    assert sorted(map(repr, parts[0] + parts[1])) == sorted(map(repr, whole))
    assert sorted(map(repr, parts[2] + parts[3])) == sorted(map(repr, whole))
    assert json.dumps([line.text for line in whole if line.posting]).count("because") >= 2


# --- entries of the house ---


@pytest.fixture
async def venue_with_fees(ledger_dsn: str, owner: Connection) -> Connection:
    """A ledger in which 100 of fees were paid and 30 of rebates given, in USD."""
    await owner.execute(
        "insert into settlement.assets values (1, 'USD', 2, 1000, 1), (2, 'BTC', 8, 1000, 2);"
        "insert into settlement.entries values (5, 1, 20, 11, 0, 1, -70, 0),"
        " (5, 2, 10, 2, 0, 1, 100, 0), (5, 3, 11, 7, 0, 1, -30, 0)"
    )
    return owner


async def test_a_posting_is_made_once_and_says_who_and_why(
    venue_with_fees: Connection, bookkeeper: Connection
) -> None:
    asked = posting(EntryCause.INSURANCE_FUNDED, (TAKEN, USD, -70), (INSURANCE, USD, 70))

    assert [await house.post(bookkeeper, asked) for _ in range(2)] == [1, 1]

    row = await venue_with_fees.fetchrow("select * from settlement.house_postings")
    assert tuple(row or ()) == (1, 0, 0, EntryCause.INSURANCE_FUNDED, 1, 2, "r1", "because")
    balances = await all_balances(venue_with_fees)
    assert (balances[TAKEN, 0, USD], balances[INSURANCE, 0, USD]) == (-70, 70)
    other = posting(EntryCause.INSURANCE_FUNDED, (TAKEN, USD, -1), (INSURANCE, USD, 1))
    with pytest.raises(HouseRefusedError, match="reference r1 was used for posting 1"):
        await house.post(bookkeeper, other)


BREAKING: list[tuple[tuple[tuple[int, int, int], ...], str]] = [
    (((TAKEN, USD, -71), (INSURANCE, USD, 71)), "more would be taken than was earned, by 1"),
    (((TAKEN, USD, -5), (INSURANCE, USD, 6)), "do not balance: asset 1 sums to 1"),
    (((TAKEN, USD, -5), (INSURANCE, BTC, 5)), "do not balance"),
    (((FEES, USD, -5), (INSURANCE, USD, 5)), "moves_the_houses_money"),
    (((REBATES, USD, -5), (INSURANCE, USD, 5)), "moves_the_houses_money"),
    (((FUNDS, USD, -5), (INSURANCE, USD, 5)), "moves_the_houses_money"),
    (((INSURANCE, USD, -5), (CAPITAL, USD, 5)), "not_below_credit_floor"),
    (((CLEARING, USD, -5), (HOT, USD, 5)), "never_above_zero"),
    (((CLEARING, 9, -5), (HOT, 9, 5)), "asset_fk"),
    (((CAPITAL, USD, 0), (INSURANCE, USD, 0)), "moves_something"),
]


async def test_a_posting_that_breaks_a_rule_moves_nothing(
    venue_with_fees: Connection, bookkeeper: Connection
) -> None:
    before = await all_balances(venue_with_fees)
    for entries, why in BREAKING:
        with pytest.raises(HouseRefusedError, match=why):
            await house.post(bookkeeper, posting(EntryCause.HOUSE_ADJUSTMENT, *entries))
        assert without_zeros(await all_balances(venue_with_fees)) == without_zeros(before)
    assert await venue_with_fees.fetchval("select count(*) from settlement.house_postings") == 0


async def test_a_posting_is_whole_and_takes_two(
    venue_with_fees: Connection, bookkeeper: Connection
) -> None:
    entry = HouseEntry(LedgerAccountKind.CAPITAL, USD, 1)
    for changes, why in (
        ({"approver": 1}, "takes two operators, not 1 twice"),
        ({"approver": 0}, "takes_two"),
        ({"text": ""}, "says why"),
        ({"text": "x" * (house.TEXT_MAX + 1)}, "1 to 500 characters"),
        ({"cause": EntryCause.CREDIT}, "no cause of the house"),
        ({"entries": [entry]}, "2 to 100 entries, not 1"),
        ({"entries": [entry] * (house.ENTRIES_MAX + 1)}, "2 to 100 entries, not 101"),
    ):
        sound = posting(EntryCause.HOUSE_ADJUSTMENT, (HOT, USD, -5), (CAPITAL, USD, 5))
        with pytest.raises(HouseRefusedError, match=why):
            await house.post(bookkeeper, msgspec.structs.replace(sound, **changes))
    assert await venue_with_fees.fetchval("select count(*) from settlement.house_postings") == 0


async def test_a_bookkeeper_adds_postings_and_does_nothing_else(bookkeeper: Connection) -> None:
    for statement in (
        "update settlement.house_postings set text = 'x'",
        "delete from settlement.house_entries",
        "truncate settlement.house_postings cascade",
        "insert into settlement.entries values (9, 1, 30, 11, 0, 1, -5, 0)",
        "update settlement.balances set balance_atoms = 0",
        "delete from settlement.balance_marks",
        "update settlement.positions set event_number = 0",
        "alter table settlement.house_entries disable trigger all",
    ):
        with pytest.raises(REFUSED):
            await bookkeeper.execute(statement)


async def test_the_poster_makes_no_postings_of_the_house(application: Connection) -> None:
    for table in ("house_postings", "house_entries"):
        with pytest.raises(REFUSED, match="permission denied"):
            await application.execute(f"insert into settlement.{table} default values")


async def test_a_posting_has_the_number_and_the_place_that_the_ledger_gives_it(
    venue_with_fees: Connection, bookkeeper: Connection
) -> None:
    await venue_with_fees.execute("insert into settlement.positions values ('ledger', 5, 0)")
    await bookkeeper.execute(
        "insert into settlement.house_postings values (77, 99, 0, 44, 1, 2, 'r', 'why')"
    )
    row = await bookkeeper.fetchrow("select posting, after_event from settlement.house_postings")
    assert tuple(row or ()) == (1, 5)


async def test_memoranda_and_money_do_not_mix(application: Connection) -> None:
    await application.execute("insert into settlement.assets values (1, 'USD', 2, 1000, 1)")
    with pytest.raises(BROKEN, match="memoranda_are_apart"):
        await application.execute(
            "insert into settlement.entries values (5, 1, 4, 11, 7, 1, 5, 0),"
            " (5, 2, 20, 11, 0, 1, -5, 0)"
        )


_PAIR = """
insert into settlement.entries values ($1, 1, $2, $3, $4, 1, $5, 0), ($1, 2, $6, $3, $7, 1, -$5, 0)
"""


async def test_each_kind_keeps_its_sign(application: Connection) -> None:
    await application.execute("insert into settlement.assets values (1, 'USD', 2, 1000, 1)")
    number = 0
    for kind in LedgerAccountKind:
        if kind in MEMORANDA:
            continue  # they are one another's other side, of opposite signs: below
        allowed = {Sign.NEVER_ABOVE_ZERO: (-1,), Sign.ANY: (-1, 1)}.get(SIGNS[kind], (1,))
        account = 7 if kind < HOUSE_FIRST else 0
        other = LedgerAccountKind.SUSPENSE if kind == CLEARING else LedgerAccountKind.CLEARING
        for amount in (-1, 1):
            number += 1
            pair = (kind, 11, account, amount, other, 0)
            if amount in allowed:
                await application.execute(_PAIR, number, *pair)
                number += 1
                await application.execute(_PAIR, number, kind, 11, account, -amount, other, 0)
                continue
            with pytest.raises(BROKEN):
                await application.execute(_PAIR, number, *pair)
    line, granted = MEMORANDA
    with pytest.raises(BROKEN):
        await application.execute(_PAIR, number + 1, line, 19, 7, -1, granted, 0)
    await application.execute(_PAIR, number + 1, line, 19, 7, 1, granted, 0)


async def test_of_two_hundred_debits_at_once_as_many_succeed_as_there_is_money(
    ledger_dsn: str, application: Connection
) -> None:
    await application.execute(
        "insert into settlement.assets values (1, 'USD', 2, 1000, 1);"
        "insert into settlement.entries values (5, 1, 20, 11, 0, 1, -1000, 0),"
        " (5, 2, 1, 11, 7, 1, 1000, 0)"
    )
    lines = [await connect(ledger_dsn, role=database.APPLICATION_ROLE) for _ in range(10)]
    outcomes: Counter[str] = Counter()

    async def debit(line: Connection, number: int) -> None:
        try:
            await line.execute(
                "insert into settlement.entries values ($1, 1, 1, 12, 7, 1, -10, 0),"
                " ($1, 2, 20, 12, 0, 1, 10, 0)",
                number,
            )
        except BROKEN:
            outcomes["refused"] += 1
        else:
            outcomes["done"] += 1

    async def debits(line: Connection, first: int) -> None:
        for number in range(first, 210, 10):
            await debit(line, number)

    try:
        async with asyncio.TaskGroup() as group:
            for first, line in enumerate(lines, start=10):
                group.create_task(debits(line, first))
    finally:
        for line in lines:
            await line.close()

    assert outcomes == {"done": 100, "refused": 100}
    balance = "select balance_atoms from settlement.balances where kind = 1 and account = 7"
    assert await application.fetchval(balance) == 0
