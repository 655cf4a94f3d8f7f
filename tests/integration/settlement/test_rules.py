"""What the database itself refuses, whoever asks."""

import asyncpg
import pytest

from runtime.postgres import Connection, connect

REFUSED = asyncpg.InsufficientPrivilegeError
BROKEN = asyncpg.CheckViolationError

FUNDS, WITHDRAWALS, RECEIVABLES, FEE_INCOME, CLEARING = 1, 2, 3, 10, 20
ENTRY = "event_number, leg, kind, cause, account, asset, amount_atoms, time_ns"


@pytest.fixture
async def writer(application: Connection) -> Connection:
    """The application's role in a ledger where account 4 was credited 100 of asset 1."""
    await application.execute(
        "insert into settlement.assets values (1, 'USD', 2, 1000, 1), (2, 'BTC', 8, 1000, 2)"
    )
    await enter(application, (5, 1, CLEARING, 11, 0, 1, -100), (5, 2, FUNDS, 11, 4, 1, 100))
    return application


async def enter(connection: Connection, *rows: tuple[int, ...]) -> None:
    await connection.copy_records_to_table(
        "entries",
        schema_name="settlement",
        columns=ENTRY.split(", "),
        records=[(*row, 0) for row in rows],
    )


async def balance(connection: Connection, kind: int, account: int) -> int | None:
    found = await connection.fetchval(
        "select balance_atoms from settlement.balances"
        " where kind = $1 and account = $2 and asset = 1",
        kind,
        account,
    )
    return None if found is None else int(found)


async def test_entries_move_balances(writer: Connection) -> None:
    await enter(writer, (6, 1, FUNDS, 13, 4, 1, -30), (6, 2, WITHDRAWALS, 13, 4, 1, 30))

    assert await balance(writer, FUNDS, 4) == 70
    assert await balance(writer, WITHDRAWALS, 4) == 30
    assert await balance(writer, CLEARING, 0) == -100


async def test_entries_that_do_not_sum_to_zero_are_refused(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="event 6 do not balance: asset 1 sums to 1"):
        await enter(writer, (6, 1, FUNDS, 1, 4, 1, -30), (6, 2, FEE_INCOME, 2, 0, 1, 31))
    assert await balance(writer, FUNDS, 4) == 100


async def test_entries_balance_in_each_asset_and_not_only_together(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="do not balance"):
        await enter(writer, (6, 1, FUNDS, 1, 4, 1, -30), (6, 2, FUNDS, 1, 4, 2, 30))


async def test_an_imbalance_hides_behind_no_balanced_asset(writer: Connection) -> None:
    pair = (6, 1, FUNDS, 1, 4, 1, -30), (6, 2, FEE_INCOME, 2, 0, 1, 30)
    with pytest.raises(BROKEN, match="event 6 do not balance: asset 2 sums to 5"):
        await enter(writer, *pair, (6, 3, FUNDS, 1, 4, 2, 5))
    assert await balance(writer, FUNDS, 4) == 100


async def test_entries_balance_in_each_event_and_not_only_together(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="do not balance"):
        await enter(writer, (6, 1, FUNDS, 1, 4, 1, -30), (7, 1, FEE_INCOME, 2, 0, 1, 30))


async def test_half_an_event_is_refused_even_when_the_other_half_would_follow(
    writer: Connection,
) -> None:
    async with writer.transaction():
        with pytest.raises(BROKEN):
            async with writer.transaction():
                await writer.execute(
                    "insert into settlement.entries values (6, 1, 1, 1, 4, 1, -3, 0)"
                )


async def test_a_leg_is_entered_once(writer: Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError, match="entries_pk"):
        await enter(writer, (5, 1, CLEARING, 11, 0, 1, -100), (5, 2, FUNDS, 11, 4, 1, 100))
    assert await balance(writer, FUNDS, 4) == 100


async def test_an_entry_moves_something(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="entries_moves_something"):
        await enter(writer, (6, 1, FUNDS, 1, 4, 1, 0))


async def test_an_account_never_falls_below_zero_without_credit(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="not_below_credit_floor"):
        await enter(writer, (6, 1, FUNDS, 1, 4, 1, -101), (6, 2, FEE_INCOME, 2, 0, 1, 101))
    with pytest.raises(BROKEN, match="not_below_credit_floor"):
        await enter(writer, (6, 1, FUNDS, 1, 9, 1, -1), (6, 2, FEE_INCOME, 2, 0, 1, 1))


async def test_an_account_falls_as_far_as_its_widest_credit_line(writer: Connection) -> None:
    await writer.execute(
        "update settlement.balances set credit_line_atoms = 50, credit_floor_atoms = 50"
        " where kind = 1 and account = 4"
    )
    await enter(writer, (6, 1, FUNDS, 1, 4, 1, -150), (6, 2, FEE_INCOME, 2, 0, 1, 150))
    assert await balance(writer, FUNDS, 4) == -50
    # A narrower line stops further use in the engine; what is used stands.
    await writer.execute("update settlement.balances set credit_line_atoms = 10 where kind = 1")

    with pytest.raises(BROKEN, match="not_below_credit_floor"):
        await enter(writer, (7, 1, FUNDS, 1, 4, 1, -1), (7, 2, FEE_INCOME, 2, 0, 1, 1))
    # Nor does the bound ever narrow, used or not.
    await writer.execute("update settlement.balances set credit_floor_atoms = 90 where kind = 1")
    with pytest.raises(REFUSED, match="may be in use"):
        await writer.execute(
            "update settlement.balances set credit_floor_atoms = 80 where kind = 1"
        )


async def test_withdrawals_on_their_way_are_never_negative(writer: Connection) -> None:
    with pytest.raises(BROKEN, match="not_below_credit_floor"):
        await enter(writer, (6, 1, WITHDRAWALS, 14, 4, 1, -1), (6, 2, CLEARING, 14, 0, 1, 1))
    with pytest.raises(BROKEN, match="credit_is_for_funds"):
        await writer.execute(
            "insert into settlement.balances (kind, account, asset, credit_floor_atoms)"
            " values (2, 4, 1, 5)"
        )


async def test_what_is_owed_to_the_venue_is_never_above_zero(writer: Connection) -> None:
    await enter(writer, (6, 1, RECEIVABLES, 17, 4, 1, -30), (6, 2, FUNDS, 17, 4, 1, 30))
    assert await balance(writer, RECEIVABLES, 4) == -30
    with pytest.raises(BROKEN, match="never_above_zero"):
        await enter(writer, (7, 1, RECEIVABLES, 18, 4, 1, 31), (7, 2, FUNDS, 18, 4, 1, -31))


@pytest.mark.parametrize(
    ("kind", "account"), [(FUNDS, 0), (WITHDRAWALS, 0), (FEE_INCOME, 4), (CLEARING, 4), (99, 0)]
)
async def test_a_ledger_account_must_make_sense(
    writer: Connection, kind: int, account: int
) -> None:
    with pytest.raises(BROKEN):
        await enter(writer, (6, 1, kind, 1, account, 1, 5), (6, 2, CLEARING, 1, 0, 1, -5))


async def test_an_entry_in_an_unknown_asset_is_refused(writer: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await enter(writer, (6, 1, CLEARING, 1, 0, 77, -5), (6, 2, FUNDS, 1, 4, 77, 5))


CHANGES = [
    "update settlement.entries set amount_atoms = 1",
    "delete from settlement.entries",
    "truncate settlement.entries",
    "update settlement.trades set price_ticks = 1",
    "delete from settlement.trades",
    "truncate settlement.trades cascade",
    "update settlement.trade_corrections set price_ticks = 1",
    "delete from settlement.trade_corrections",
    "delete from settlement.balances",
    "truncate settlement.balances",
    "update settlement.balances set balance_atoms = 1000",
    "update settlement.balances set account = 5",
    "insert into settlement.balances (kind, account, asset, balance_atoms) values (1, 8, 1, 5)",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_application_may_not_change_what_was_booked(
    writer: Connection, change: str
) -> None:
    with pytest.raises(REFUSED):
        await writer.execute(change)


@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_the_owner_changes_the_books_by_accident(
    writer: Connection, ledger_dsn: str, change: str
) -> None:
    owner = await connect(ledger_dsn)
    try:
        if "settlement.balances set balance" in change or "account = 5" in change:
            assert await owner.fetchval("select count(*) from settlement.balances") > 0
        with pytest.raises(REFUSED, match="is not allowed"):
            await owner.execute(change)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "escape",
    [
        "alter table settlement.entries disable trigger all",
        "drop trigger entries_are_posted on settlement.entries",
        "set session_replication_role = replica",
        "alter function settlement.post_entries() security invoker",
        "delete from settlement.positions",
        "update settlement.accounts set name = 'x'",
    ],
)
async def test_the_application_cannot_take_the_rules_away(writer: Connection, escape: str) -> None:
    with pytest.raises(REFUSED):
        await writer.execute(escape)


async def test_readers_read_and_nothing_else(ledger_dsn: str, writer: Connection) -> None:
    reader = await connect(ledger_dsn, role="rialto_reader")
    try:
        assert await balance(reader, FUNDS, 4) == 100
        with pytest.raises(REFUSED):
            await reader.execute("truncate settlement.orders")
        with pytest.raises(REFUSED):
            await enter(reader, (6, 1, CLEARING, 11, 0, 1, -1), (6, 2, FUNDS, 11, 4, 1, 1))
    finally:
        await reader.close()


async def test_the_application_cannot_grant_itself_more(writer: Connection) -> None:
    # PostgreSQL answers this one with a warning, and grants nothing.
    await writer.execute("grant update on settlement.entries to rialto_settlement")

    with pytest.raises(REFUSED, match="permission denied"):
        await writer.execute("update settlement.entries set amount_atoms = 1")
