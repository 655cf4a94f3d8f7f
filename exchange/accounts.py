"""The accounts service as this venue runs it: its keys, its database, its mail server."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from exchange.accounts_settings import accounts_settings
from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.state import State
from services.accounts.access_tokens import read_key_ring
from services.accounts.adapters.breached_file import BreachedPasswordsFile
from services.accounts.adapters.memory import MemoryBreachedPasswords
from services.accounts.adapters.postgres import postgres_store
from services.accounts.adapters.smtp import SmtpMailer
from services.accounts.person import Changed, Mail, Note, Person
from services.accounts.ports import BreachedPasswords
from services.accounts.refusals import Refused
from services.accounts.secrets_at_rest import Vault
from services.accounts.service import AccountsService
from services.accounts.terms import Activity, Role

SEALING_KEY = "accounts.key"
SIGNING_KEYS = "accounts-signing.keys"
LETTERS_MAX = 10_000
"""How many of the newest letters are looked at for those to one address."""


def sealing_vault(state: State) -> Vault:
    """Return what the key file can do; the file is made on first use."""
    return Vault(bytes.fromhex(state.secret(SEALING_KEY, secrets.token_hex(32))))


@asynccontextmanager
async def accounts_service(
    configuration: Configuration, state: State, registry: CollectorRegistry
) -> AsyncIterator[AccountsService]:
    """Make the service, with its store open while the block runs."""
    table, settings = configuration.venue.accounts, accounts_settings(configuration, state)
    vault = sealing_vault(state)
    keys = state.secret(SIGNING_KEYS, f"1 {secrets.token_hex(32)}")
    ring = read_key_ring(keys, issuer=settings.issuer, where=str(state.secrets / SIGNING_KEYS))
    breached: BreachedPasswords = MemoryBreachedPasswords()
    if table.breached_passwords_file:
        breached = BreachedPasswordsFile(state.secrets / table.breached_passwords_file)
    mailer = SmtpMailer(settings.smtp) if settings.smtp.host else None
    async with postgres_store(settings.dsn, vault, secrets.token_bytes) as store:
        yield AccountsService(
            settings,
            store=store,
            vault=vault,
            ring=ring,
            mailer=mailer,
            breached=breached,
            clock=time.time_ns,
            chance=secrets.token_bytes,
            registry=registry,
        )


async def set_roles(
    configuration: Configuration, state: State, email: str, roles: tuple[Role, ...]
) -> bool:
    """Set somebody's roles from the machine itself: how the first administrator comes to be.

    Returns:
        Whether there is somebody with that address.
    """

    def decide(person: Person) -> Changed[None]:
        changed = replace(person, roles=roles, sessions=(), challenges=())
        said = f"from the command line: {', '.join(roles)}"
        note = Note(activity=Activity.ROLES_CHANGED, time_ns=time.time_ns(), detail=said)
        return Changed(person=changed, answer=None, notes=(note,))

    vault = sealing_vault(state)
    async with postgres_store(
        database_dsn(configuration, state), vault, secrets.token_bytes
    ) as store:
        found = await store.person_of_email(email)
        if found is None:
            return False
        answer = await store.change(found.person_id, decide)
        return not isinstance(answer, Refused)


async def waiting_letters(configuration: Configuration, state: State, email: str) -> list[Mail]:
    """Return the letters to an address that no mail server took yet, newest first.

    For a venue without a mail server. Who can run this has the key that seals them.
    """
    vault = sealing_vault(state)
    async with postgres_store(
        database_dsn(configuration, state), vault, secrets.token_bytes
    ) as store:
        return await store.letters_to(email, count_max=LETTERS_MAX)
