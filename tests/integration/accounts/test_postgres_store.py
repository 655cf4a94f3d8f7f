import asyncio
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from runtime.postgres import connect
from services.accounts import database
from services.accounts.adapters.postgres import postgres_store
from services.accounts.errors import SchemaError
from services.accounts.ports import Store
from services.accounts.refusals import SESSION_ENDED
from services.accounts.schema import APPLICATION_ROLE
from services.accounts.second_factor import Proof
from services.accounts.secrets_at_rest import Vault
from services.accounts.sign_in import Tokens
from services.accounts.terms import Purpose
from settlement import database as settlement_database
from tests.conftest import Templates
from tests.unit.accounts.office import PASSWORD, VISITOR, make_office
from tests.unit.accounts.store_promises import StorePromises, letter, somebody

VAULT = Vault(bytes(32))


@pytest.fixture
async def dsn(templates: Templates) -> AsyncIterator[str]:
    async with templates.migrated("accounts", migrated) as dsn:
        yield dsn


async def migrated(dsn: str) -> None:
    await database.migrate(dsn)


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[Store]:
    async with postgres_store(dsn, VAULT, secrets.token_bytes) as store:
        yield store


class TestPostgresStore(StorePromises):
    """The same promises, over a real server."""


async def test_a_letter_waits_sealed(dsn: str, store: Store) -> None:
    await store.add(somebody(), (letter(1),), ())
    connection = await connect(dsn)
    sealed = await connection.fetchval("select sealed from accounts.letters")
    await connection.close()
    assert b"secret text" not in sealed


async def test_a_thief_with_the_database_alone_finds_no_secret(dsn: str, store: Store) -> None:
    office = make_office(store=store, vault=VAULT)
    caller = await office.newcomer()
    secret, codes = await office.add_totp(caller)
    tokens = await office.desks.sign_in.finish(
        (await office.challenge()).challenge, Proof(totp=office.code(secret)), VISITOR
    )
    assert isinstance(tokens, Tokens)
    connection = await connect(dsn)
    dumped = ""
    for table in ("people", "api_keys", "record", "letters", "attempts"):
        # S608: names of ours.
        rows = await connection.fetch(f"select t::text as line from accounts.{table} t")  # noqa: S608
        dumped += "".join(row["line"] for row in rows)
    await connection.close()
    assert caller.person.email in dumped
    proof = tokens.refresh_token.rsplit(".", 1)[1]
    for hidden in (PASSWORD, secret.hex(), b64encode(secret).decode(), *codes, proof):
        assert hidden not in dumped


async def test_a_code_brought_in_parallel_lets_in_once(store: Store) -> None:
    office = make_office(store=store, vault=VAULT, failures_free=100)
    secret, _ = await office.add_totp(await office.newcomer())
    challenges = [(await office.challenge()).challenge for _ in range(6)]
    proof = Proof(totp=office.code(secret))
    answers = await asyncio.gather(
        *(office.desks.sign_in.finish(each, proof, VISITOR) for each in challenges)
    )
    assert sum(isinstance(each, Tokens) for each in answers) == 1


async def test_a_refresh_token_spent_in_parallel_gives_one_pair(store: Store) -> None:
    office = make_office(store=store, vault=VAULT)
    await office.register()
    tokens = await office.sign_in()
    answers = await asyncio.gather(
        *(office.desks.sign_in.refresh(tokens.refresh_token, VISITOR) for _ in range(6))
    )
    assert sum(isinstance(each, Tokens) for each in answers) == 1


async def test_a_grant_spent_in_parallel_is_good_once(store: Store) -> None:
    office = make_office(store=store, vault=VAULT)
    caller = await office.newcomer()
    grant = await office.grant(caller, Purpose.WITHDRAW, details="1 BTC")
    step_up = office.desks.step_up
    answers = await asyncio.gather(
        *(step_up.spend(caller, Purpose.WITHDRAW, grant, "1 BTC") for _ in range(6))
    )
    assert sum(getattr(each, "purpose", None) is Purpose.WITHDRAW for each in answers) == 1


async def test_the_role_reads_no_other_schema_and_rewrites_no_record(dsn: str) -> None:
    await settlement_database.migrate(dsn)
    connection = await connect(dsn, role=APPLICATION_ROLE)
    for statement in (
        "select * from settlement.entries",
        "delete from accounts.record",
        "update accounts.record set detail = ''",
        "drop table accounts.people",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_migrations_go_down_and_up_again(dsn: str) -> None:
    await database.migrate(dsn, revision="base")
    with pytest.raises(SchemaError, match="migrate first"):
        async with postgres_store(dsn, VAULT, secrets.token_bytes):
            pass
    await database.migrate(dsn)
    async with postgres_store(dsn, VAULT, secrets.token_bytes) as store:
        assert await store.letters_waiting() == 0


async def test_a_schema_of_a_newer_program_is_refused(dsn: str) -> None:
    connection = await connect(dsn)
    await connection.execute("update accounts.alembic_version set version_num = '9999'")
    await connection.close()
    with pytest.raises(SchemaError, match="newer program"):
        await database.migrate(dsn)


def test_this_is_where_the_migrations_are() -> None:
    versions = Path(database.__file__).parent / "migrations" / "versions"
    assert database.head() in {path.name[:4] for path in versions.glob("*.py")}


async def test_what_one_process_ends_every_other_one_refuses(dsn: str, store: Store) -> None:
    async with postgres_store(dsn, VAULT, secrets.token_bytes) as another:
        one = make_office(store=store, vault=VAULT)
        other = make_office(store=another, vault=VAULT, clock=one.clock, ring=one.ring)
        await one.register()
        here, there = await one.sign_in(), await other.sign_in()
        caller = await other.caller(here)
        assert {each.sid for each in caller.person.sessions} == {here.sid, there.sid}
        assert await other.desks.sign_in.end(caller, here.sid) is None
        for office in (one, other):
            assert await office.desks.sign_in.caller(here.access_token, VISITOR) is SESSION_ENDED
            assert await office.desks.sign_in.refresh(here.refresh_token, VISITOR) is SESSION_ENDED
        assert isinstance(await one.desks.sign_in.refresh(there.refresh_token, VISITOR), Tokens)
        # Spent at the one it is spent at the other, and who brings it again ends the session.
        spent = await other.desks.sign_in.refresh(there.refresh_token, VISITOR)
        assert spent is SESSION_ENDED
        assert await one.desks.sign_in.caller(there.access_token, VISITOR) is SESSION_ENDED
