"""Signing in: a password, a second factor where there is one, and tokens that follow another."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from services.accounts import letters, passkeys, sessions
from services.accounts.access_tokens import Bearer
from services.accounts.opaque_tokens import (
    SECRET_BYTES,
    read_refresh_token,
    read_token,
    token_text,
)
from services.accounts.person import Changed, Mail, Person, Session
from services.accounts.refusals import (
    CREDENTIALS_INVALID,
    FROZEN,
    SESSION_ENDED,
    TOKEN_INVALID,
    Refused,
)
from services.accounts.registry import Caller, Registry, normalized_email, too_many
from services.accounts.second_factor import (
    Proof,
    asked,
    find_challenge,
    proved,
    without_challenge,
)
from services.accounts.sessions import Visitor
from services.accounts.terms import Activity, Method, Status


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A session's tokens: the access token for requests, the refresh token for the next pair."""

    sid: str
    access_token: str
    refresh_token: str
    expires_in_seconds: int


@dataclass(frozen=True, kw_only=True)
class FactorWanted:
    """The password was right, and a second factor is asked for."""

    challenge: str
    methods: tuple[Method, ...]
    passkey_options: dict[str, Any] | None


class SignIn:
    """The desk where sessions begin, go on and end."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def begin(
        self, email: str, password: str, visitor: Visitor
    ) -> Tokens | FactorWanted | Refused:
        """Check a password.

        An address without an account, one that was never confirmed and a wrong password are one
        answer, after one hash each.
        """
        registry = self._registry
        address = normalized_email(email) or ""
        subjects = registry.password_subjects(address, visitor)
        blocked = await registry.store.attempt(subjects, now_ns=registry.clock())
        if blocked is not None:
            return too_many(blocked)
        found = await registry.store.person_of_email(address)
        is_active = found is not None and found.status is not Status.UNVERIFIED
        kept = found.password_hash if found is not None and is_active else None
        is_right = await registry.hasher.verify(kept, password)
        if isinstance(is_right, Refused):
            return is_right
        if not is_right or found is None or kept is None:
            return CREDENTIALS_INVALID
        pair, email_subject, network = (each.digest for each in subjects)
        await registry.store.forgive([pair, email_subject], one_of=[network])
        kept = await self._hash_anew(found, kept, password)
        secret, nonce = registry.chance(SECRET_BYTES), registry.chance(32)
        return await registry.store.change(
            found.person_id,
            lambda person: self._let_in(person, kept, secret, nonce, visitor),
        )

    async def _hash_anew(self, found: Person, kept: str, password: str) -> str:
        """Return the hash of a right password, made anew if the parameters have changed."""
        registry = self._registry
        if not registry.hasher.is_outdated(kept):
            return kept
        hashed = await registry.hasher.hash(password)
        if isinstance(hashed, Refused):
            return kept

        def decide(person: Person) -> Changed[str]:
            if person.password_hash != kept:
                return Changed(person=person, answer=kept)
            return Changed(person=replace(person, password_hash=hashed), answer=hashed)

        answer = await registry.store.change(found.person_id, decide)
        return kept if isinstance(answer, Refused) else answer

    def _let_in(
        self, person: Person, kept: str, secret: bytes, nonce: bytes, visitor: Visitor
    ) -> Changed[Tokens | FactorWanted | Refused]:
        registry = self._registry
        if person.status is Status.FROZEN:
            return Changed(person=person, answer=FROZEN)
        if person.status is not Status.ACTIVE or person.password_hash != kept:
            return Changed(person=person, answer=CREDENTIALS_INVALID)
        if not person.has_second_factor:
            return self._open(person, (Method.PASSWORD,), visitor)
        limits = registry.limits
        until_ns = registry.later(limits.challenge_seconds)
        waiting = asked(
            person, secret, nonce, sid="", until_ns=until_ns, kept_max=limits.challenges_max
        )
        wanted = FactorWanted(
            challenge=token_text(person.person_id, secret),
            methods=methods_of(person),
            passkey_options=(
                passkeys.assertion_options(registry.party, person, nonce)
                if person.passkeys
                else None
            ),
        )
        return Changed(person=waiting, answer=wanted)

    async def finish(self, challenge: str, proof: Proof, visitor: Visitor) -> Tokens | Refused:
        """Check a second factor, and open the session."""
        registry = self._registry
        read = read_token(challenge)
        if read is None:
            return TOKEN_INVALID
        person_id, secret = read
        found = await registry.store.person(person_id)
        if found is None or not self._is_asked(found, secret):
            return TOKEN_INVALID  # without a challenge of ours nothing is counted against anybody
        subject = registry.factor_subject(person_id)
        blocked = await registry.store.attempt([subject], now_ns=registry.clock())
        if blocked is not None:
            return too_many(blocked)
        answer = await registry.store.change(
            person_id, lambda person: self._finished(person, secret, proof, visitor)
        )
        if isinstance(answer, Tokens):
            await registry.store.forgive([subject.digest])
        return answer

    def _is_asked(self, person: Person, secret: bytes) -> bool:
        now_ns = self._registry.clock()
        return find_challenge(person.challenges, secret, sid="", now_ns=now_ns) is not None

    def _finished(
        self, person: Person, secret: bytes, proof: Proof, visitor: Visitor
    ) -> Changed[Tokens | Refused]:
        registry = self._registry
        now_ns = registry.clock()
        challenge = find_challenge(person.challenges, secret, sid="", now_ns=now_ns)
        if challenge is None:
            return Changed(person=person, answer=TOKEN_INVALID)
        if person.status is not Status.ACTIVE:
            return Changed(person=person, answer=FROZEN)
        result = proved(
            person,
            proof,
            vault=registry.vault,
            party=registry.party,
            challenge=challenge.passkey_challenge,
            now_ns=now_ns,
        )
        if result is None:
            note = registry.note(Activity.SECOND_FACTOR_FAILED, visitor, "sign-in")
            return Changed(person=person, answer=CREDENTIALS_INVALID, notes=(note,))
        proved_person, method = result
        answered = without_challenge(proved_person, challenge)
        return self._open(answered, (Method.PASSWORD, method), visitor)

    def _open(
        self, person: Person, methods: tuple[Method, ...], visitor: Visitor
    ) -> Changed[Tokens]:
        registry = self._registry
        limits = registry.limits
        now_ns, sid = registry.clock(), registry.chance(16).hex()
        opened, session = sessions.opened(
            person, visitor, methods, sid=sid, limits=limits, now_ns=now_ns
        )
        device = sha256(f"{visitor.network}\0{visitor.agent}".encode()).digest()
        mail: tuple[Mail, ...] = ()
        if device not in person.devices:
            opened = replace(opened, devices=(*person.devices, device)[-limits.devices_max :])
            what = f"A device that we had not seen signed in, from {visitor.address}."
            mail = (letters.notice(person, "A new device signed in", what, site=registry.site),)
        note = registry.note(Activity.SIGNED_IN, visitor, "+".join(methods))
        answer = self._tokens(person.person_id, session)
        return Changed(person=opened, answer=answer, mail=mail, notes=(note,))

    def _tokens(self, person_id: str, session: Session) -> Tokens:
        registry = self._registry
        seconds = registry.limits.access_seconds
        bearer = Bearer(person_id=person_id, sid=session.sid)
        mac = registry.vault.refresh_mac(person_id, session.sid, session.generation)
        return Tokens(
            sid=session.sid,
            access_token=registry.ring.sign(bearer, now_ns=registry.clock(), seconds=seconds),
            refresh_token=f"{person_id}.{session.sid}.{session.generation}.{mac}",
            expires_in_seconds=seconds,
        )

    async def refresh(self, token: str, visitor: Visitor) -> Tokens | Refused:
        """Return the next pair of tokens; the refresh token that was given is spent."""
        registry = self._registry
        read = read_refresh_token(token)
        if read is None:
            return TOKEN_INVALID
        person_id, sid, generation, proof = read
        answer = await registry.store.change(
            person_id,
            lambda person: sessions.refreshed(
                person,
                sid=sid,
                generation=generation,
                proof=proof,
                vault=registry.vault,
                limits=registry.limits,
                visitor=visitor,
                now_ns=registry.clock(),
            ),
        )
        return answer if isinstance(answer, Refused) else self._tokens(person_id, answer)

    async def caller(self, access_token: str, visitor: Visitor) -> Caller | Refused:
        """Return who makes a request. The session is looked up each time: ended is ended now."""
        registry = self._registry
        now_ns = registry.clock()
        bearer = registry.ring.bearer(access_token, now_ns=now_ns)
        if bearer is None:
            return TOKEN_INVALID
        person = await registry.store.person(bearer.person_id)
        session = person.session(bearer.sid) if person is not None else None
        if person is None or session is None:
            return SESSION_ENDED
        if not sessions.is_open(session, registry.limits, now_ns=now_ns):
            return SESSION_ENDED
        if person.status is not Status.ACTIVE:
            return FROZEN
        return Caller(person=person, session=session, visitor=visitor)

    async def end(self, caller: Caller, sid: str) -> Refused | None:
        """End one of the caller's sessions, at once."""
        registry = self._registry
        return await registry.store.change(
            caller.person.person_id,
            lambda person: sessions.ended(
                person, sid, visitor=caller.visitor, now_ns=registry.clock()
            ),
        )

    async def end_others(self, caller: Caller) -> Refused | None:
        """End all of the caller's sessions but this one."""
        registry = self._registry

        def decide(person: Person) -> Changed[None]:
            sid = caller.session.sid
            kept = tuple(each for each in person.sessions if each.sid == sid)
            note = registry.note(Activity.SESSION_ENDED, caller.visitor, "all others")
            return Changed(
                person=replace(person, sessions=kept, challenges=()), answer=None, notes=(note,)
            )

        return await registry.change_own(caller, decide)


def methods_of(person: Person) -> tuple[Method, ...]:
    """Return what a person may prove itself with, beside the password."""
    methods = []
    if person.passkeys:
        methods.append(Method.PASSKEY)
    if person.totp is not None:
        methods.append(Method.TOTP)
    if person.recovery_codes:
        methods.append(Method.RECOVERY_CODE)
    return tuple(methods)
