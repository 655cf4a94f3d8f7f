"""Keys that are remembered for a moment, and people who change in it."""

import asyncio
import secrets
import time

from msgspec.structs import replace

from exchange.signers import RememberedKeys, hearing
from services.accounts import database as accounts_database
from services.accounts.adapters.postgres import postgres_store
from services.accounts.person import Changed
from services.accounts.secrets_at_rest import Vault
from services.accounts.terms import Status
from tests.unit.accounts.store_promises import a_key, somebody


async def test_a_person_who_changes_is_looked_up_again_at_once(database: str) -> None:
    await accounts_database.migrate(database)
    key = a_key()
    newcomer = somebody()
    person = replace(newcomer, api_keys=(key,))
    async with postgres_store(database, Vault(bytes(32)), secrets.token_bytes) as store:
        await store.add(newcomer, (), ())
        await store.change(person.person_id, lambda _: Changed(person=person, answer=None))
        keys = RememberedKeys(store, time.time_ns, seconds_max=3600, keys_max=10)
        told: asyncio.Queue[str | None] = asyncio.Queue()
        keys.changed = told.put_nowait
        async with hearing(database, keys), asyncio.timeout(120):
            assert await told.get() is None, "what was before may have changed unheard"
            assert keys.is_told
            assert await keys.person_of_key(key.key_id) == person
            frozen = replace(person, status=Status.FROZEN)
            await store.change(person.person_id, lambda _: Changed(person=frozen, answer=None))
            assert await told.get() == person.person_id
            assert await keys.person_of_key(key.key_id) == frozen
