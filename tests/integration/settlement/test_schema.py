import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.postgres import Connection, connect
from settlement import balances_as_of as as_of
from settlement import database, reconcile_loader
from settlement import database as database_module
from settlement.errors import ForeignSchemaError, ForeignVenueError, SchemaVersionError
from settlement.schema import NAMESPACE, metadata
from tests.integration.settlement.conftest import settle, until
from tests.unit.settlement.flow import VENUE, flow_of

OTHER_VENUE = bytes(16)


async def shape(connection: Connection) -> dict[str, list[str]]:
    """Everything the database knows of our schema's shape."""
    queries = {
        "columns": "select table_name || '.' || column_name || ' ' || data_type || ' '"
        " || is_nullable || ' ' || coalesce(column_default, '')"
        " from information_schema.columns where table_schema = $1",
        "constraints": "select conname || ' ' || pg_get_constraintdef(c.oid) from pg_constraint c"
        " join pg_namespace n on n.oid = c.connamespace where nspname = $1",
        "indexes": "select indexdef from pg_indexes where schemaname = $1",
        "triggers": "select pg_get_triggerdef(t.oid) from pg_trigger t"
        " join pg_class r on r.oid = t.tgrelid join pg_namespace n on n.oid = r.relnamespace"
        " where nspname = $1 and not tgisinternal",
        "functions": "select pg_get_functiondef(p.oid) from pg_proc p"
        " join pg_namespace n on n.oid = p.pronamespace where nspname = $1",
        "grants": "select grantee || ' ' || table_name || ' ' || privilege_type"
        " from information_schema.role_table_grants where table_schema = $1",
    }
    found = {}
    for name, query in queries.items():
        rows = [row[0] for row in await connection.fetch(query, NAMESPACE)]
        found[name] = sorted(row for row in rows if "alembic_version" not in row)
    return found


async def test_migrations_end_in_the_schema_that_the_code_describes(
    ledger_dsn: str, owner: Connection
) -> None:
    def differences(connection: Any) -> list[Any]:
        options = {
            "include_schemas": True,
            "version_table_schema": NAMESPACE,
            "include_name": lambda name, kind, _: kind != "schema" or name == NAMESPACE,
            "compare_type": True,
            "compare_server_default": True,
        }
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    async def dial() -> Connection:
        return await connect(ledger_dsn)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=dial)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    migrated = await shape(owner)
    await owner.execute(f"drop schema {NAMESPACE} cascade; create schema {NAMESPACE}")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()

    # Alembic does not compare checks, nor what an index is partial on; the server's text does.
    described = await shape(owner)
    for part in ("columns", "constraints", "indexes"):
        assert migrated[part] == described[part]


async def test_migrations_go_down_and_up_again_to_the_same_shape(
    ledger_dsn: str, owner: Connection
) -> None:
    before = await shape(owner)
    assert before["triggers"]
    assert before["grants"]

    await database.migrate(ledger_dsn, revision="base")
    assert not any((await shape(owner)).values())
    await database.migrate(ledger_dsn)

    assert await shape(owner) == before


async def test_migrating_one_step_down_and_up_keeps_the_data(
    ledger_dsn: str, owner: Connection, chance: Any
) -> None:
    flow = flow_of(chance, steps=0)
    await settle(ledger_dsn, flow.batches(commands_max=5))
    counted = "select count(*), sum(abs(amount_atoms)) from settlement.entries"
    before = await owner.fetchrow(counted)

    for revision in ("0021", "0003"):
        await database.migrate(ledger_dsn, revision=revision)
        await database.migrate(ledger_dsn)

        assert await owner.fetchrow(counted) == before


async def test_a_migration_down_throws_no_entries_away(ledger_dsn: str, owner: Connection) -> None:
    await owner.execute(
        "insert into settlement.assets values (1, 'USD', 2, 1000, 1);"
        "insert into settlement.entries values (5, 1, 4, 19, 7, 1, 100, 0),"
        " (5, 2, 21, 19, 0, 1, -100, 0)"
    )

    with pytest.raises(DBAPIError, match="entries that schema version 0003 has no accounts for"):
        await database.migrate(ledger_dsn, revision="0003")

    assert await owner.fetchval("select count(*) from settlement.entries") == 2


FORMER_LEDGER = """
insert into settlement.assets values (1, 'USD', 2, 9000, 1), (2, 'BTC', 8, 9000, 2);
insert into settlement.instruments values (1, 'BTC-USD', 2, 1, 1, 1, 1, 1, 0, 0, 3);
insert into settlement.positions values ('ledger', 12, 1200);
insert into settlement.balances (kind, account, asset, credit_line_atoms, credit_floor_atoms)
    values (1, 7, 1, 300, 500), (1, 8, 1, 40, 40);
insert into settlement.trades select 10, 1, 1000, 1, 100, 3, 300, 3, 1, false, 1, 7, -2, 'm', 2, 8,
    5, 't';
insert into settlement.entries values
    (5, 1, 20, 11, 0, 1, -900, 500), (5, 2, 1, 11, 8, 1, 900, 500),
    (6, 1, 20, 11, 0, 2, -9, 600), (6, 2, 1, 11, 7, 2, 9, 600),
    (10, 1, 1, 1, 7, 2, -3, 1000), (10, 2, 1, 1, 8, 2, 3, 1000),
    (10, 3, 1, 1, 7, 1, 300, 1000), (10, 4, 1, 1, 8, 1, -300, 1000),
    (10, 5, 1, 2, 7, 1, 2, 1000), (10, 6, 1, 2, 8, 1, -5, 1000), (10, 7, 10, 2, 0, 1, 3, 1000);
"""
"""A ledger at schema version 0003: rebates were paid out of fee income."""


async def test_an_older_ledger_is_carried_over(database: str) -> None:
    await database_module.migrate(database, revision="0003")
    owner = await connect(database)
    await owner.execute(FORMER_LEDGER)

    await database_module.migrate(database)

    assert [tuple(row) for row in await owner.fetch(
        "select kind, account, asset, balance_atoms from settlement.balances"
        " where asset = 1 order by kind, account"
    )] == [
        (1, 7, 1, 302), (1, 8, 1, 595), (4, 7, 1, 300), (4, 8, 1, 40),
        (10, 0, 1, 5), (11, 0, 1, -2), (20, 0, 1, -900), (21, 0, 1, -340),
    ]  # fmt: skip
    moment = await as_of.after_event(owner, 12)
    for account in (7, 8, 0):
        for row in await as_of.balances(owner, moment, account=account):
            assert row.balance_atoms == await owner.fetchval(
                "select balance_atoms from settlement.balances"
                " where kind = $1 and account = $2 and asset = $3",
                row.kind,
                row.account,
                row.asset,
            )
    assert (await reconcile_loader.load(owner, 12)).findings == []
    # Both have a credit line, and what is in the ledger was settled at once.
    words = await owner.fetch("select * from settlement.account_modes order by account")
    assert [tuple(row) for row in words] == [(7, 12, 0, 2), (8, 12, 0, 2)]
    await owner.close()


async def test_two_writers_may_open_the_same_ledger_account(
    ledger_dsn: str, owner: Connection
) -> None:
    await owner.execute("insert into settlement.assets values (1, 'USD', 2, 0, 1)")
    entries = (
        "insert into settlement.entries values"
        " ({0}, 1, 10, 2, 0, 1, 5, 0), ({0}, 2, 20, 2, 0, 1, -5, 0)"
    )
    other = await connect(ledger_dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(entries.format(1))
    waiting = asyncio.create_task(owner.execute(entries.format(2)))
    await until(lambda: is_waiting(other))
    await transaction.commit()
    await waiting
    rows = await owner.fetch("select kind, balance_atoms from settlement.balances order by kind")
    assert [tuple(row) for row in rows] == [(10, 10), (20, -10)]
    await other.close()


async def is_blocking(connection: Connection, pid: int) -> bool:
    """Say whether somebody waits for what another session holds.

    Within a transaction the server would go on showing the sessions that there were at first.
    """
    return bool(
        await connection.fetchval(
            "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))",
            pid,
        )
    )


async def is_waiting(connection: Connection) -> bool:
    """Say whether somebody waits for what this connection's transaction holds."""
    return bool(
        await connection.fetchval(
            "select exists (select from pg_stat_activity"
            " where pg_backend_pid() = any(pg_blocking_pids(pid)))"
        )
    )


async def test_a_migration_that_meets_anothers_locks_crosswise_is_made_all_the_same(
    ledger_dsn: str, owner: Connection
) -> None:
    other = await connect(ledger_dsn)
    # The server looks for a deadlock once, so long after a wait began: first in the migration's.
    await owner.execute("alter role rialto set deadlock_timeout = '2s'")
    await other.execute("set deadlock_timeout = '20s'")
    try:
        async with other.transaction():
            await other.execute("lock table settlement.balance_marks in access share mode")
            migrating = asyncio.create_task(database.migrate(ledger_dsn, revision="base"))
            await until(lambda: is_blocking(owner, other.get_server_pid()))
            # Dropped before those, in the same transaction; or it was too late, and this one is
            # the one to be refused.
            with contextlib.suppress(asyncpg.DeadlockDetectedError):
                await other.execute("lock table settlement.profit_marks in access share mode")
    finally:
        await owner.execute("alter role rialto reset deadlock_timeout")
        await other.close()
    await migrating
    assert not any((await shape(owner)).values())


async def test_migrating_twice_is_harmless(ledger_dsn: str) -> None:
    await database.migrate(ledger_dsn)


async def test_an_empty_database_is_told_apart_from_a_foreign_one(database: str) -> None:
    connection = await connect(database)
    with pytest.raises(SchemaVersionError, match="holds no ledger yet"):
        await check(connection)
    await connection.close()


async def check(connection: Connection) -> None:
    await database.check(connection)


async def migrate(dsn: str) -> None:
    await database.migrate(dsn)


async def test_a_database_with_other_peoples_tables_is_refused(database: str) -> None:
    connection = await connect(database)
    await connection.execute("create table invoices (id int)")

    with pytest.raises(ForeignSchemaError, match=r"public\.invoices"):
        await migrate(database)

    assert await connection.fetchval("select to_regnamespace('settlement')") is None
    await connection.close()


async def test_a_schema_of_our_name_that_is_not_ours_is_refused(database: str) -> None:
    connection = await connect(database)
    await connection.execute("create schema settlement; create table settlement.trades (id int)")

    with pytest.raises(ForeignSchemaError, match="not Rialto's: trades"):
        await migrate(database)
    with pytest.raises(ForeignSchemaError, match="not Rialto's: trades"):
        await check(connection)
    await connection.close()


async def test_a_table_slipped_into_our_schema_is_refused(owner: Connection) -> None:
    await owner.execute("create table settlement.shadow (id int)")

    with pytest.raises(ForeignSchemaError, match="no migration made: shadow"):
        await check(owner)


async def test_a_missing_table_is_refused(owner: Connection) -> None:
    await owner.execute("drop table settlement.order_events")

    with pytest.raises(ForeignSchemaError, match="lacks order_events"):
        await check(owner)


async def test_a_schema_of_a_newer_program_is_refused(ledger_dsn: str, owner: Connection) -> None:
    await owner.execute("update settlement.alembic_version set version_num = '9999'")

    with pytest.raises(SchemaVersionError, match=r"9999.*a newer one"):
        await check(owner)
    with pytest.raises(SchemaVersionError, match="9999"):
        await migrate(ledger_dsn)


async def test_a_schema_of_an_older_program_must_be_migrated_first(
    ledger_dsn: str, owner: Connection
) -> None:
    await database.migrate(ledger_dsn, revision="-1")

    with pytest.raises(SchemaVersionError, match="this program needs"):
        await check(owner)


async def test_a_database_of_another_venue_is_refused(ledger_dsn: str, chance: Any) -> None:
    flow = flow_of(chance, steps=5)
    batches = flow.batches(commands_max=4)
    await settle(ledger_dsn, batches[:-1])

    with pytest.raises(BaseExceptionGroup) as caught:
        await settle(ledger_dsn, batches, venue=OTHER_VENUE)

    refusal = caught.value.split(ForeignVenueError)[0]
    assert refusal is not None
    inner: BaseException = refusal
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    assert VENUE.hex() in str(inner)
    assert OTHER_VENUE.hex() in str(inner)


async def test_a_ledger_cannot_be_claimed_twice(application: Connection) -> None:
    await database.claim(application, VENUE)
    await database.claim(application, VENUE)

    with pytest.raises(ForeignVenueError):
        await database.claim(application, OTHER_VENUE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute("update settlement.lineage set venue = gen_random_uuid()")
