"""Accounts in PostgreSQL: a person is a row, locked while a decision is made about it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import Connection, connect, is_outage
from services.accounts import database
from services.accounts.errors import StoreAwayError
from services.accounts.person import Answer, Changed, Mail, Note, Person
from services.accounts.ports import Letter
from services.accounts.refusals import TOKEN_INVALID, Refused
from services.accounts.schema import APPLICATION_ROLE
from services.accounts.secrets_at_rest import Vault
from services.accounts.terms import Activity
from services.accounts.throttle import Attempts, Blocked, Subject, attempt

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool

CONNECTIONS_MAX = 8
SECONDS_MAX = 10.0
"""For one call of the store, waiting for a connection included."""

_NONCE_BYTES = 12
_PLACE = "letter"


class PostgresStore:
    """A ``Store`` over a pool of connections that work as the application's role."""

    def __init__(self, pool: Pool, vault: Vault, chance: Callable[[int], bytes]) -> None:
        self._pool = pool
        self._vault = vault
        self._chance = chance

    async def add(self, person: Person, mail: Sequence[Mail], notes: Sequence[Note]) -> bool:
        """See ``Store.add``."""
        async with self._transaction() as connection:
            added = await connection.fetchval(
                "insert into accounts.people (person, email, status, lapses_at_ns, state)"
                " values ($1, $2, $3, $4, $5::jsonb) on conflict do nothing returning true",
                *_columns(person),
            )
            if not added:
                return False
            await self._write_beside(connection, person.person_id, mail, notes)
            return True

    async def person(self, person_id: str) -> Person | None:
        """See ``Store.person``."""
        return await self._found("where person = $1", UUID(person_id))

    async def person_of_email(self, email: str) -> Person | None:
        """See ``Store.person_of_email``."""
        return await self._found("where email = $1", email)

    async def person_of_key(self, key_id: str) -> Person | None:
        """See ``Store.person_of_key``."""
        try:
            key = UUID(key_id)
        except ValueError:
            return None
        return await self._found(
            "where person = (select person from accounts.api_keys where key_id = $1)", key
        )

    async def _found(self, where: str, value: UUID | str) -> Person | None:
        async with self._connection() as connection:
            state = await connection.fetchval(
                f"select state::text from accounts.people {where}",  # noqa: S608  # ours
                value,
            )
        return None if state is None else _read(state)

    async def change(
        self, person_id: str, decide: Callable[[Person], Changed[Answer]]
    ) -> Answer | Refused:
        """See ``Store.change``."""
        async with self._transaction() as connection:
            state = await connection.fetchval(
                "select state::text from accounts.people where person = $1 for update",
                UUID(person_id),
            )
            if state is None:
                return TOKEN_INVALID
            before = _read(state)
            changed = decide(before)
            if changed.person is not before:
                await self._write(connection, before, changed.person)
            await self._write_beside(connection, person_id, changed.mail, changed.notes)
        return changed.answer

    async def _write(self, connection: Connection, before: Person, after: Person) -> None:
        person = UUID(after.person_id)
        await connection.execute(
            "update accounts.people set email = $2, status = $3, lapses_at_ns = $4,"
            " state = $5::jsonb where person = $1",
            *_columns(after),
        )
        if before.api_keys is after.api_keys:
            return
        old = {key.key_id for key in before.api_keys}
        new = {key.key_id for key in after.api_keys}
        await connection.execute(
            "delete from accounts.api_keys where key_id = any($1)", [UUID(k) for k in old - new]
        )
        await connection.executemany(
            "insert into accounts.api_keys (key_id, person) values ($1, $2)",
            [(UUID(key), person) for key in new - old],
        )

    async def _write_beside(
        self,
        connection: Connection,
        person_id: str,
        mail: Iterable[Mail],
        notes: Iterable[Note],
    ) -> None:
        lines = [
            (UUID(person_id), each.activity, each.time_ns, each.address, each.detail)
            for each in notes
        ]
        if lines:
            await connection.executemany(
                "insert into accounts.record (person, activity, time_ns, address, detail)"
                " values ($1, $2, $3, $4, $5)",
                lines,
            )
        for each in mail:
            # Letters hold secrets that are good for a while: they wait sealed.
            sealed = self._vault.seal(
                msgspec.json.encode(each), place=_PLACE, nonce=self._chance(_NONCE_BYTES)
            )
            await connection.execute(
                "insert into accounts.letters (sealed, due_at_ns, tries) values ($1, 0, 0)", sealed
            )

    async def attempt(self, subjects: Sequence[Subject], *, now_ns: int) -> Blocked | None:
        """See ``Store.attempt``."""
        # Locked in one order, so that two attempts never wait for each other.
        digests = sorted(subject.digest for subject in subjects)
        async with self._transaction() as connection:
            await connection.executemany(
                "insert into accounts.attempts (subject, count, last_at_ns, is_locked)"
                " values ($1, 0, 0, false) on conflict do nothing",
                [(digest,) for digest in digests],
            )
            rows = await connection.fetch(
                "select subject, count, last_at_ns from accounts.attempts"
                " where subject = any($1) order by subject for update",
                digests,
            )
            before = {
                row["subject"]: Attempts(count=row["count"], last_at_ns=row["last_at_ns"])
                for row in rows
            }
            counted = []
            for subject in subjects:
                after = attempt(
                    before.get(subject.digest, Attempts()), subject.allowance, now_ns=now_ns
                )
                if isinstance(after, Blocked):
                    return after
                limit = subject.allowance.failures_max
                is_locked = limit is not None and after.count >= limit
                counted.append((subject.digest, after.count, after.last_at_ns, is_locked))
            await connection.executemany(
                "update accounts.attempts set count = $2, last_at_ns = $3, is_locked = $4"
                " where subject = $1",
                counted,
            )
        return None

    async def forgive(self, digests: Sequence[bytes], *, one_of: Sequence[bytes] = ()) -> None:
        """See ``Store.forgive``."""
        async with self._transaction() as connection:
            # In the order in which attempts lock them.
            await connection.fetch(
                "select from accounts.attempts where subject = any($1) order by subject for update",
                [*digests, *one_of],
            )
            await connection.execute(
                "delete from accounts.attempts where subject = any($1)", list(digests)
            )
            await connection.execute(
                "update accounts.attempts set count = greatest(count - 1, 0), is_locked = false"
                " where subject = any($1)",
                list(one_of),
            )

    async def notes(self, person_id: str, *, count_max: int) -> list[Note]:
        """See ``Store.notes``."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                "select activity, time_ns, address, detail from accounts.record"
                " where person = $1 order by number desc limit $2",
                UUID(person_id),
                count_max,
            )
        return [
            Note(
                activity=Activity(row["activity"]),
                time_ns=row["time_ns"],
                address=row["address"],
                detail=row["detail"],
            )
            for row in rows
        ]

    async def next_letter(self, *, now_ns: int, again_at_ns: int) -> Letter | None:
        """See ``Store.next_letter``."""
        async with self._transaction() as connection:
            row = await connection.fetchrow(
                "update accounts.letters set due_at_ns = $2, tries = tries + 1 where number ="
                " (select number from accounts.letters where due_at_ns <= $1"
                " order by due_at_ns, number limit 1 for update skip locked)"
                " returning number, sealed, tries",
                now_ns,
                again_at_ns,
            )
        if row is None:
            return None
        plain = self._vault.open(bytes(row["sealed"]), place=_PLACE)
        mail = msgspec.json.decode(plain, type=Mail)
        return Letter(number=row["number"], mail=mail, tries=row["tries"])

    async def letter_done(self, number: int) -> None:
        """See ``Store.letter_done``."""
        async with self._connection() as connection:
            await connection.execute("delete from accounts.letters where number = $1", number)

    async def letter_later(self, number: int, due_at_ns: int) -> None:
        """See ``Store.letter_later``."""
        async with self._connection() as connection:
            await connection.execute(
                "update accounts.letters set due_at_ns = $2 where number = $1", number, due_at_ns
            )

    async def letters_waiting(self) -> int:
        """See ``Store.letters_waiting``."""
        async with self._connection() as connection:
            return int(await connection.fetchval("select count(*) from accounts.letters"))

    async def letters_to(self, email: str, *, count_max: int) -> list[Mail]:
        """See ``Store.letters_to``."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                "select sealed from accounts.letters order by number desc limit $1", count_max
            )
        plain = (self._vault.open(bytes(row["sealed"]), place=_PLACE) for row in rows)
        mails = (msgspec.json.decode(each, type=Mail) for each in plain)
        return [mail for mail in mails if mail.to == email]

    async def prune(self, *, now_ns: int, attempts_before_ns: int) -> None:
        """See ``Store.prune``."""
        async with self._transaction() as connection:
            await connection.execute(
                "delete from accounts.people where status = 'unverified' and lapses_at_ns <= $1",
                now_ns,
            )
            await connection.execute(
                "delete from accounts.attempts where not is_locked and last_at_ns < $1",
                attempts_before_ns,
            )

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(SECONDS_MAX), self._pool.acquire() as connection:
                # A proxy of the pool's that does all that a connection does.
                yield connection  # type: ignore[misc]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if is_outage(error):
                raise StoreAwayError(f"the database is away: {error}") from error
            raise

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._connection() as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def postgres_store(
    dsn: str, vault: Vault, chance: Callable[[int], bytes]
) -> AsyncIterator[PostgresStore]:
    """Open the store, and close it after the block.

    Raises:
        SchemaError: the schema is not at our version.
        OSError, asyncpg.PostgresError: the server cannot be reached.
    """

    async def dial(*_arguments: Any, **_options: Any) -> Connection:
        return await connect(dsn, role=APPLICATION_ROLE, application="accounts")

    pool = await asyncpg.create_pool(
        dsn,
        connect=dial,
        min_size=1,
        max_size=CONNECTIONS_MAX,
    )
    try:
        await _check(dsn)
        yield PostgresStore(pool, vault, chance)
    finally:
        pool.terminate()


async def _check(dsn: str) -> None:
    connection = await connect(dsn, role=APPLICATION_ROLE, application="accounts")
    try:
        await database.check(connection)
    finally:
        await connection.close()


def _columns(person: Person) -> tuple[UUID, str, str, int, str]:
    lapses_at_ns = max((each.until_ns for each in person.email_tokens), default=0)
    state = msgspec.json.encode(person).decode()
    return UUID(person.person_id), person.email, person.status, lapses_at_ns, state


def _read(state: str) -> Person:
    return msgspec.json.decode(state.encode(), type=Person)
