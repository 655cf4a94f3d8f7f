"""Registration and recovery: what strangers may ask for, answered alike whoever exists.

The answer is given before anything is looked up; the work is done afterwards, one errand after
the other. So neither the text nor the time of the answer says whether an address has an account.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from msgspec.structs import replace

from services.accounts import letters
from services.accounts.errors import StoreAwayError
from services.accounts.opaque_tokens import (
    SECRET_BYTES,
    digest,
    matches,
    read_token,
    token_text,
)
from services.accounts.passwords import unfit
from services.accounts.person import Changed, EmailToken, Person
from services.accounts.refusals import CREDENTIALS_INVALID, TOKEN_INVALID, RefusalCode, Refused
from services.accounts.registry import Registry, normalized_email, too_many
from services.accounts.second_factor import Proof, proved
from services.accounts.sessions import Visitor
from services.accounts.terms import Activity, Status

log = structlog.get_logger()

Errand = Callable[[], Awaitable[None]]


class Errands:
    """Work that is done after its answer was given. What a crash loses is simply asked again."""

    def __init__(self, count_max: int) -> None:
        self._queue: asyncio.Queue[Errand] = asyncio.Queue(count_max)

    def take(self, errand: Errand) -> Refused | None:
        """Take an errand; refused when too many wait."""
        try:
            self._queue.put_nowait(errand)
        except asyncio.QueueFull:
            limit = self._queue.maxsize
            said = "too many requests at once: try again in a moment"
            return Refused(RefusalCode.BUSY, said, limit, limit)
        return None

    async def run_one(self) -> None:
        """Do the errand that waits longest; one that meets an outage is dropped."""
        errand = await self._queue.get()
        try:
            await errand()
        except StoreAwayError as error:
            log.warning("errand_dropped", error=str(error))
        finally:
            self._queue.task_done()

    async def run(self) -> None:
        """Do errands, one after the other, until cancelled."""
        while True:
            await self.run_one()

    async def all_done(self) -> None:
        """Wait until nothing waits and nothing is in hand."""
        await self._queue.join()


class Registration:
    """The desk for strangers."""

    def __init__(self, registry: Registry, errands: Errands) -> None:
        self._registry = registry
        self._errands = errands

    async def request(self, email: str, password: str, visitor: Visitor) -> Refused | None:
        """Ask for an account; whether there is one already, only the mailbox learns."""
        registry = self._registry
        address = normalized_email(email)
        if address is None:
            return Refused(RefusalCode.VALUE_INVALID, "this is not an e-mail address that we take")
        refused = unfit(password, registry.breached)
        if refused is not None:
            return refused
        blocked = await self._blocked(address, visitor)
        if blocked is not None:
            return blocked
        return self._errands.take(lambda: self._register(address, password, visitor))

    async def request_recovery(self, email: str, visitor: Visitor) -> Refused | None:
        """Ask for a letter that lets the owner choose a new password."""
        address = normalized_email(email)
        if address is None:
            return Refused(RefusalCode.VALUE_INVALID, "this is not an e-mail address that we take")
        blocked = await self._blocked(address, visitor)
        if blocked is not None:
            return blocked
        return self._errands.take(lambda: self._send_recovery(address))

    async def _blocked(self, email: str, visitor: Visitor) -> Refused | None:
        registry = self._registry
        subjects = registry.letter_subjects(email, visitor)
        blocked = await registry.store.attempt(subjects, now_ns=registry.clock())
        return None if blocked is None else too_many(blocked)

    async def _register(self, email: str, password: str, visitor: Visitor) -> None:
        registry = self._registry
        hashed = await registry.hasher.hash(password)
        if isinstance(hashed, Refused):
            log.warning("errand_dropped", error=hashed.said)
            return
        secret = registry.chance(SECRET_BYTES)
        token = EmailToken(
            digest=digest(secret),
            until_ns=registry.later(registry.limits.verification_seconds),
            is_recovery=False,
        )
        person_id = UUID(bytes=registry.chance(16), version=4).hex
        person = Person(
            person_id=person_id,
            email=email,
            status=Status.UNVERIFIED,
            password_hash=hashed,
            created_at_ns=registry.clock(),
            email_tokens=(token,),
        )
        letter = letters.verification(email, token_text(person_id, secret), site=registry.site)
        note = registry.note(Activity.REGISTERED, visitor)
        if not await registry.store.add(person, (letter,), (note,)):
            await self._register_again(email, hashed, token, secret)

    async def _register_again(
        self, email: str, hashed: str, token: EmailToken, secret: bytes
    ) -> None:
        registry = self._registry
        found = await registry.store.person_of_email(email)
        if found is None:
            return

        def decide(person: Person) -> Changed[None]:
            if person.status is not Status.UNVERIFIED:
                letter = letters.already_registered(person, site=registry.site)
                return Changed(person=person, answer=None, mail=(letter,))
            # The last password counts, and only who knows it can confirm: a letter that was
            # caused by somebody else's registration opens nothing to its reader or to him.
            text = token_text(person.person_id, secret)
            letter = letters.verification(email, text, site=registry.site)
            renewed = replace(person, password_hash=hashed, email_tokens=(token,))
            return Changed(person=renewed, answer=None, mail=(letter,))

        await registry.store.change(found.person_id, decide)

    async def verify(self, token: str, password: str, visitor: Visitor) -> Refused | None:
        """Finish a registration, by who reads the mailbox and knows the password."""
        registry = self._registry
        read = read_token(token)
        found = await registry.store.person(read[0]) if read is not None else None
        kept = found.password_hash if found is not None else None
        is_right = await registry.hasher.verify(kept, password)
        if isinstance(is_right, Refused):
            return is_right
        if read is None or found is None:
            return TOKEN_INVALID
        person_id, secret = read

        def decide(person: Person) -> Changed[Refused | None]:
            good = email_token(person, secret, is_recovery=False, now_ns=registry.clock())
            if good is None or person.status is not Status.UNVERIFIED:
                return Changed(person=person, answer=TOKEN_INVALID)
            if not is_right or person.password_hash != kept:
                return Changed(person=person, answer=CREDENTIALS_INVALID)
            active = replace(person, status=Status.ACTIVE, email_tokens=())
            note = registry.note(Activity.EMAIL_VERIFIED, visitor)
            return Changed(person=active, answer=None, notes=(note,))

        return await registry.store.change(person_id, decide)

    async def _send_recovery(self, email: str) -> None:
        registry = self._registry
        found = await registry.store.person_of_email(email)
        if found is None or found.status is not Status.ACTIVE:
            return
        secret = registry.chance(SECRET_BYTES)
        token = EmailToken(
            digest=digest(secret),
            until_ns=registry.later(registry.limits.recovery_seconds),
            is_recovery=True,
        )

        def decide(person: Person) -> Changed[None]:
            kept = (*person.email_tokens, token)[-registry.limits.email_tokens_max :]
            text = token_text(person.person_id, secret)
            letter = letters.recovery(person, text, site=registry.site)
            return Changed(person=replace(person, email_tokens=kept), answer=None, mail=(letter,))

        await registry.store.change(found.person_id, decide)

    async def recover(
        self, token: str, password: str, proof: Proof | None, visitor: Visitor
    ) -> Refused | None:
        """Choose a new password; the second factor is asked for as at every sign-in.

        A passkey signs a challenge of a sign-in, and there is none here: who has passkeys only
        gives a recovery code.
        """
        registry = self._registry
        refused = unfit(password, registry.breached)
        if refused is not None:
            return refused
        read = read_token(token)
        found = await registry.store.person(read[0]) if read is not None else None
        now_ns = registry.clock()
        if read is None or found is None:
            return TOKEN_INVALID
        if email_token(found, read[1], is_recovery=True, now_ns=now_ns) is None:
            return TOKEN_INVALID
        # Counted apart from sign-ins: a factor that strangers locked there is opened here.
        recovering = registry.recovery_subject(found.person_id)
        blocked = await registry.store.attempt([recovering], now_ns=now_ns)
        if blocked is not None:
            return too_many(blocked)
        hashed = await registry.hasher.hash(password)
        if isinstance(hashed, Refused):
            return hashed
        answer = await registry.store.change(
            found.person_id,
            lambda person: self._recovered(person, read[1], hashed, proof, visitor),
        )
        if answer is None:
            pair, email, _ = registry.password_subjects(found.email, visitor)
            factor = registry.factor_subject(found.person_id)
            opened = (recovering, factor, pair, email)
            await registry.store.forgive([each.digest for each in opened])
        return answer

    def _recovered(
        self, person: Person, secret: bytes, hashed: str, proof: Proof | None, visitor: Visitor
    ) -> Changed[Refused | None]:
        registry = self._registry
        now_ns = registry.clock()
        if email_token(person, secret, is_recovery=True, now_ns=now_ns) is None:
            return Changed(person=person, answer=TOKEN_INVALID)
        if person.status is not Status.ACTIVE:
            return Changed(person=person, answer=TOKEN_INVALID)
        proved_person = person
        if person.has_second_factor:
            result = proof and proved(
                person,
                proof,
                vault=registry.vault,
                party=registry.party,
                challenge=None,
                now_ns=now_ns,
            )
            if not result:
                note = registry.note(Activity.SECOND_FACTOR_FAILED, visitor, "recovery")
                return Changed(person=person, answer=CREDENTIALS_INVALID, notes=(note,))
            proved_person = result[0]
        recovered = replace(
            proved_person,
            password_hash=hashed,
            email_tokens=(),
            sessions=(),
            challenges=(),
            held_until_ns=registry.held(person),
        )
        what = "Your password was recovered by mail, and every session was ended."
        letter = letters.notice(person, "Your password was changed", what, site=registry.site)
        note = registry.note(Activity.PASSWORD_RECOVERED, visitor)
        return Changed(person=recovered, answer=None, mail=(letter,), notes=(note,))


def email_token(
    person: Person, secret: bytes, *, is_recovery: bool, now_ns: int
) -> EmailToken | None:
    """Return the mailed token that a secret is of, if it is for this and in time."""
    for each in person.email_tokens:
        if matches(secret, each.digest) and each.is_recovery is is_recovery:
            return each if now_ns < each.until_ns else None
    return None
