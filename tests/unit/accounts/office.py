"""An accounts service for tests: in memory, with a clock that is set by hand."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.accounts.access_tokens import KeyRing
from services.accounts.adapters.memory import MemoryBreachedPasswords, MemoryStore
from services.accounts.desks import Desks, open_desks
from services.accounts.one_time_codes import STEP_NS, totp
from services.accounts.passkeys import RelyingParty
from services.accounts.passwords import Hasher
from services.accounts.person import Mail
from services.accounts.ports import Store
from services.accounts.registry import Caller, Registry
from services.accounts.second_factor import Proof
from services.accounts.secrets_at_rest import Vault
from services.accounts.sessions import SECOND_NS, Visitor
from services.accounts.settings import Hashing, Limits
from services.accounts.sign_in import FactorWanted, Tokens
from services.accounts.terms import Purpose

ISSUER = "Rialto"
SITE = "https://rialto.example"
PARTY = RelyingParty(id="rialto.example", name=ISSUER, origin=SITE)
EMAIL = "ada@example.org"
PASSWORD = "three quiet brown foxes"
OTHER_PASSWORD = "two noisy purple herons"
BREACHED = "correct horse battery staple"
VISITOR = Visitor(address="192.0.2.7", agent="Firefox")
FAST = Hashing(memory_kibibytes=64, passes=1)
BEGINNING_NS = 1_800_000_000 * SECOND_NS


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = BEGINNING_NS

    def __call__(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


@dataclass
class Office:
    """The desks, and what a person would do at them."""

    desks: Desks
    clock: HandClock
    vault: Vault
    ring: KeyRing
    store: Store
    letters: list[Mail] = field(default_factory=list)

    async def mail(self) -> list[Mail]:
        """Do the errands that wait, and take every letter that came of them."""
        while not self.desks.errands._queue.empty():
            await self.desks.errands.run_one()
        fresh = []
        later = self.clock() + 10**18
        while letter := await self.store.next_letter(now_ns=self.clock(), again_at_ns=later):
            await self.store.letter_done(letter.number)
            fresh.append(letter.mail)
        self.letters += fresh
        return fresh

    async def register(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """Register somebody and confirm it; returns the person's id."""
        assert await self.desks.registration.request(email, password, VISITOR) is None
        token = token_in((await self.mail())[-1])
        assert await self.desks.registration.verify(token, password, VISITOR) is None
        return token.partition(".")[0]

    async def sign_in(
        self, email: str = EMAIL, password: str = PASSWORD, visitor: Visitor = VISITOR
    ) -> Tokens:
        """Sign in somebody without a second factor."""
        tokens = await self.desks.sign_in.begin(email, password, visitor)
        assert isinstance(tokens, Tokens), tokens
        return tokens

    async def caller(self, tokens: Tokens, visitor: Visitor = VISITOR) -> Caller:
        caller = await self.desks.sign_in.caller(tokens.access_token, visitor)
        assert isinstance(caller, Caller), caller
        return caller

    async def newcomer(self, email: str = EMAIL) -> Caller:
        """Register and sign in."""
        await self.register(email)
        return await self.caller(await self.sign_in(email))

    async def grant(
        self, caller: Caller, purpose: Purpose, proof: Proof | None = None, details: str = ""
    ) -> str:
        """Step up; with the password unless a proof is given."""
        proof = proof or Proof(password=PASSWORD)
        grant = await self.desks.step_up.prove(caller, purpose, details, proof, "")
        assert isinstance(grant, str), grant
        return grant

    async def add_totp(self, caller: Caller) -> tuple[bytes, list[str]]:
        """Give a person an authenticator app; returns its secret and the recovery codes."""
        grant = await self.grant(caller, Purpose.MANAGE_FACTORS)
        offered = await self.desks.credentials.begin_totp(caller, grant)
        assert isinstance(offered, tuple), offered
        secret = offered[0]
        codes = await self.desks.credentials.confirm_totp(caller, self.code(secret))
        assert isinstance(codes, list), codes
        self.clock.pass_seconds(30)
        return secret, codes

    def code(self, secret: bytes) -> str:
        """Return what the app shows now."""
        return totp(secret, self.clock() // STEP_NS)

    async def challenge(self, email: str = EMAIL, password: str = PASSWORD) -> FactorWanted:
        """Give a password that is not enough."""
        wanted = await self.desks.sign_in.begin(email, password, VISITOR)
        assert isinstance(wanted, FactorWanted), wanted
        return wanted


def make_office(
    *,
    store: Store | None = None,
    clock: HandClock | None = None,
    hashing: Hashing = FAST,
    vault: Vault | None = None,
    ring: KeyRing | None = None,
    chance: Callable[[int], bytes] = secrets.token_bytes,
    **limits: Any,
) -> Office:
    clock = clock or HandClock()
    vault = vault or Vault(bytes(32))
    ring = ring or KeyRing({"1": Ed25519PrivateKey.generate()}, issuer=ISSUER)
    kept: Store = store or MemoryStore()
    registry = Registry(
        store=kept,
        vault=vault,
        ring=ring,
        hasher=Hasher(hashing),
        breached=MemoryBreachedPasswords([BREACHED]),
        party=PARTY,
        limits=Limits(**limits),
        clock=clock,
        chance=chance,
    )
    return Office(desks=open_desks(registry), clock=clock, vault=vault, ring=ring, store=kept)


def token_in(mail: Mail) -> str:
    """Return the token of the link in a letter."""
    found = re.search(r"#(\S+)", mail.text)
    assert found is not None, mail.text
    return found[1]
