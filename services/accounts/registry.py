"""What all of the service's desks share: the store, the keys, the rules and the clock."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.accounts.access_tokens import KeyRing
from services.accounts.opaque_tokens import Chance
from services.accounts.passkeys import RelyingParty
from services.accounts.passwords import Hasher
from services.accounts.person import Answer, Changed, Note, Person, Session
from services.accounts.ports import BreachedPasswords, Clock, Store
from services.accounts.refusals import SESSION_ENDED, RefusalCode, Refused
from services.accounts.secrets_at_rest import Vault
from services.accounts.sessions import SECOND_NS, Visitor
from services.accounts.settings import Limits
from services.accounts.terms import Activity
from services.accounts.throttle import Allowance, Blocked, Subject

EMAIL_LENGTH_MAX = 254
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who makes a request: proved by an access token of a session that is open now."""

    person: Person
    session: Session
    visitor: Visitor


@dataclass(frozen=True, kw_only=True)
class Registry:
    """What every desk works with."""

    store: Store
    vault: Vault
    ring: KeyRing
    hasher: Hasher
    breached: BreachedPasswords
    party: RelyingParty
    limits: Limits
    clock: Clock
    chance: Chance

    @property
    def site(self) -> str:
        """Where people find us."""
        return self.party.origin

    def later(self, seconds: int) -> int:
        """Return the time so many seconds from now."""
        return self.clock() + seconds * SECOND_NS

    def note(self, activity: Activity, visitor: Visitor, detail: str = "") -> Note:
        """Write a line for the security record."""
        return Note(activity=activity, time_ns=self.clock(), address=visitor.address, detail=detail)

    def seal(self, plain: bytes, place: str) -> bytes:
        """Seal for a place."""
        return self.vault.seal(plain, place=place, nonce=self.chance(12))

    def password_subjects(self, email: str, visitor: Visitor) -> list[Subject]:
        """Say what a password attempt is counted against.

        One network guessing at one address soon waits; the address itself is locked only after a
        hundred failures, so that strangers cannot easily lock an owner out; and a network that
        tries many addresses waits, too.
        """
        return [
            self._subject(
                "password", f"{email} {visitor.network}", self.limits.failures_free, None
            ),
            self._subject("email", email, self.limits.failures_max, self.limits.failures_max),
            self._subject("network", visitor.network, self.limits.network_failures_free, None),
        ]

    def factor_subject(self, person_id: str) -> Subject:
        """Say what a second factor is counted against: the person, wherever it comes from."""
        limits = self.limits
        return self._subject("factor", person_id, limits.failures_free, limits.failures_max)

    def recovery_subject(self, person_id: str) -> Subject:
        """Say what a second factor at a recovery is counted against: slow, and never locked."""
        return self._subject("recovery", person_id, self.limits.failures_free, None)

    def letter_subjects(self, email: str, visitor: Visitor) -> list[Subject]:
        """Say what letters that strangers ask for are counted against."""
        return [
            self._subject("letter", email, self.limits.letters_free, None),
            self._subject("asking", visitor.network, self.limits.network_failures_free, None),
        ]

    def _subject(self, kind: str, value: str, free: int, failures_max: int | None) -> Subject:
        return Subject(
            digest=self.vault.subject_digest(kind, value),
            allowance=Allowance(free=free, failures_max=failures_max),
        )

    async def change_own(
        self, caller: Caller, decide: Callable[[Person], Changed[Answer]]
    ) -> Answer | Refused:
        """Change the caller, unless the session has ended since the request was let in.

        A recovery ends every session; a thief's request that was on its way then changes nothing.
        """

        def guarded(person: Person) -> Changed[Answer | Refused]:
            if person.session(caller.session.sid) is None:
                return Changed(person=person, answer=SESSION_ENDED)
            return decide(person)

        return await self.store.change(caller.person.person_id, guarded)

    def held(self, person: Person) -> int:
        """Return until when withdrawals are held once a credential changes now."""
        return max(person.held_until_ns, self.later(self.limits.hold_seconds))


def too_many(blocked: Blocked) -> Refused:
    """Say that an attempt came too early."""
    wait = (
        f"wait {blocked.wait_seconds} s" if blocked.wait_seconds else "recover the account by mail"
    )
    return Refused(
        RefusalCode.TOO_MANY_ATTEMPTS,
        f"{blocked.usage} attempts failed, and {blocked.limit} are allowed: {wait}",
        blocked.limit,
        blocked.usage,
    )


def normalized_email(text: str) -> str | None:
    """Return the one form of an e-mail address; None when it is none that we write to."""
    email = text.strip().lower()
    if len(email) > EMAIL_LENGTH_MAX or _EMAIL.fullmatch(email) is None:
        return None
    return email
