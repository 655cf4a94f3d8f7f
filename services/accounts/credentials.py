"""Credentials of a person who is signed in: the password, second factors, recovery codes.

Each change spends a grant, tells the owner by mail, and holds withdrawals for a while: a thief
who came this far gains nothing before the owner has read his mail.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from services.accounts import letters, passkeys
from services.accounts.one_time_codes import (
    RECOVERY_CODE_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    matching_step,
    provisioning_uri,
    recovery_code_digest,
    recovery_code_text,
)
from services.accounts.opaque_tokens import SECRET_BYTES as TOKEN_BYTES
from services.accounts.passwords import unfit
from services.accounts.person import Answer, Changed, Person, Totp
from services.accounts.refusals import (
    CREDENTIALS_INVALID,
    NOT_FOUND,
    RefusalCode,
    Refused,
    limit_reached,
)
from services.accounts.registry import Caller, Registry, too_many
from services.accounts.second_factor import (
    asked,
    find_challenge,
    totp_place,
    without_challenge,
)
from services.accounts.step_up import StepUp
from services.accounts.terms import Activity, Purpose

Codes = list[str]
Without = Callable[[Person], Person | None]


class Credentials:
    """The desk for what proves a person."""

    def __init__(self, registry: Registry, step_up: StepUp) -> None:
        self._registry = registry
        self._step_up = step_up

    async def change_password(self, caller: Caller, password: str, grant: str) -> Refused | None:
        """Take another password, and end every other session."""
        registry = self._registry
        refused = unfit(password, registry.breached)
        if refused is not None:
            return refused
        spent = await self._step_up.spend(caller, Purpose.CHANGE_PASSWORD, grant)
        if isinstance(spent, Refused):
            return spent
        hashed = await registry.hasher.hash(password)
        if isinstance(hashed, Refused):
            return hashed

        def decide(person: Person) -> Changed[Refused | None]:
            sid = caller.session.sid
            kept = tuple(each for each in person.sessions if each.sid == sid)
            other = replace(
                person, password_hash=hashed, sessions=kept, challenges=(), email_tokens=()
            )
            return self._told(other, caller, Activity.PASSWORD_CHANGED, "password", answer=None)

        return await registry.change_own(caller, decide)

    async def begin_totp(self, caller: Caller, grant: str) -> tuple[bytes, str] | Refused:
        """Offer a secret for an authenticator app; it counts once a code of it was given."""
        registry = self._registry
        spent = await self._step_up.spend(caller, Purpose.MANAGE_FACTORS, grant)
        if isinstance(spent, Refused):
            return spent
        secret = registry.chance(SECRET_BYTES)
        sealed = registry.seal(secret, totp_place(caller.person.person_id))

        def decide(person: Person) -> Changed[tuple[bytes, str] | Refused]:
            uri = provisioning_uri(secret, email=person.email, issuer=registry.party.name)
            offered = replace(person, totp_pending=Totp(sealed_secret=sealed))
            return Changed(person=offered, answer=(secret, uri))

        return await registry.change_own(caller, decide)

    async def confirm_totp(self, caller: Caller, code: str) -> Codes | Refused:
        """Take the app that was offered; with a first factor come recovery codes, shown once."""
        registry = self._registry
        subject = registry.factor_subject(caller.person.person_id)
        blocked = await registry.store.attempt([subject], now_ns=registry.clock())
        if blocked is not None:
            return too_many(blocked)
        fresh = self._fresh_codes()

        def decide(person: Person) -> Changed[Codes | Refused]:
            pending = person.totp_pending
            if pending is None:
                said = "no authenticator app was begun"
                return Changed(person=person, answer=Refused(RefusalCode.FACTOR_NOT_READY, said))
            secret = registry.vault.open(pending.sealed_secret, place=totp_place(person.person_id))
            step = matching_step(secret, code, now_ns=registry.clock(), after_step=0)
            if step is None:
                return Changed(person=person, answer=CREDENTIALS_INVALID)
            added = replace(person, totp=replace(pending, last_step=step), totp_pending=None)
            return self._added(added, caller, "authenticator app", fresh)

        answer = await registry.change_own(caller, decide)
        if not isinstance(answer, Refused):
            await registry.store.forgive([subject.digest])
        return answer

    async def begin_passkey(
        self, caller: Caller, grant: str
    ) -> tuple[str, dict[str, Any]] | Refused:
        """Ask a browser for a new passkey: the challenge's secret, and the options."""
        registry, limits = self._registry, self._registry.limits
        spent = await self._step_up.spend(caller, Purpose.MANAGE_FACTORS, grant)
        if isinstance(spent, Refused):
            return spent
        secret, nonce = registry.chance(TOKEN_BYTES), registry.chance(32)

        def decide(person: Person) -> Changed[tuple[str, dict[str, Any]] | Refused]:
            usage = len(person.passkeys)
            if usage >= limits.passkeys_max:
                refused = limit_reached("passkeys", limit=limits.passkeys_max, usage=usage)
                return Changed(person=person, answer=refused)
            waiting = asked(
                person,
                secret,
                nonce,
                sid=_adding(caller),
                until_ns=registry.later(limits.challenge_seconds),
                kept_max=limits.challenges_max,
            )
            options = passkeys.registration_options(registry.party, person, nonce)
            return Changed(person=waiting, answer=(secret.hex(), options))

        return await registry.change_own(caller, decide)

    async def add_passkey(
        self, caller: Caller, challenge: str, credential: dict[str, Any], label: str
    ) -> Codes | Refused:
        """Take the passkey that a browser made; with a first factor come recovery codes."""
        registry = self._registry
        fresh = self._fresh_codes()

        def decide(person: Person) -> Changed[Codes | Refused]:
            now_ns = registry.clock()
            secret = _read_hex(challenge)
            found = find_challenge(person.challenges, secret, sid=_adding(caller), now_ns=now_ns)
            if found is None:
                said = "no passkey was begun"
                return Changed(person=person, answer=Refused(RefusalCode.FACTOR_NOT_READY, said))
            passkey = passkeys.created(
                registry.party, credential, found.passkey_challenge, label=label, now_ns=now_ns
            )
            # Every attempt uses the challenge up.
            answered = without_challenge(person, found)
            if passkey is None:
                return Changed(person=answered, answer=CREDENTIALS_INVALID)
            limit, usage = registry.limits.passkeys_max, len(person.passkeys)
            if usage >= limit or any(p.credential == passkey.credential for p in person.passkeys):
                refused = limit_reached("passkeys", limit=limit, usage=usage)
                return Changed(person=answered, answer=refused)
            added = replace(answered, passkeys=(*answered.passkeys, passkey))
            return self._added(added, caller, "passkey", fresh)

        return await registry.change_own(caller, decide)

    async def remove_totp(self, caller: Caller, grant: str) -> Refused | None:
        """Forget the authenticator app."""

        def without(person: Person) -> Person | None:
            if person.totp is None:
                return None
            return replace(person, totp=None, totp_pending=None)

        return await self._removed(caller, grant, "authenticator app", without)

    async def remove_passkey(self, caller: Caller, credential: str, grant: str) -> Refused | None:
        """Forget a passkey."""

        def without(person: Person) -> Person | None:
            left = tuple(each for each in person.passkeys if each.credential.hex() != credential)
            return None if len(left) == len(person.passkeys) else replace(person, passkeys=left)

        return await self._removed(caller, grant, "passkey", without)

    async def make_recovery_codes(self, caller: Caller, grant: str) -> Codes | Refused:
        """Make new recovery codes, shown once; the old ones are worth nothing from now on."""
        registry = self._registry
        spent = await self._step_up.spend(caller, Purpose.MANAGE_FACTORS, grant)
        if isinstance(spent, Refused):
            return spent
        fresh = self._fresh_codes()

        def decide(person: Person) -> Changed[Codes | Refused]:
            if not person.has_second_factor:
                said = "recovery codes stand in for a second factor, and there is none"
                return Changed(person=person, answer=Refused(RefusalCode.FACTOR_NOT_READY, said))
            renewed = replace(person, recovery_codes=_digests(fresh))
            return self._told(
                renewed, caller, Activity.RECOVERY_CODES_MADE, "recovery codes", answer=fresh
            )

        return await registry.change_own(caller, decide)

    async def set_anti_phishing_code(self, caller: Caller, code: str) -> Refused | None:
        """Set the words that every letter of ours begins with; empty: none."""
        registry = self._registry

        def decide(person: Person) -> Changed[None]:
            note = registry.note(Activity.ANTI_PHISHING_CODE_SET, caller.visitor)
            marked = replace(person, anti_phishing_code=code)
            return Changed(person=marked, answer=None, notes=(note,))

        return await registry.change_own(caller, decide)

    async def _removed(
        self, caller: Caller, grant: str, what: str, without: Without
    ) -> Refused | None:
        spent = await self._step_up.spend(caller, Purpose.MANAGE_FACTORS, grant)
        if isinstance(spent, Refused):
            return spent

        def decide(person: Person) -> Changed[Refused | None]:
            left = without(person)
            if left is None:
                return Changed(person=person, answer=NOT_FOUND)
            if not left.has_second_factor:
                left = replace(left, recovery_codes=())
            return self._told(left, caller, Activity.FACTOR_REMOVED, what, answer=None)

        return await self._registry.change_own(caller, decide)

    def _fresh_codes(self) -> Codes:
        chance = self._registry.chance
        return [recovery_code_text(chance(RECOVERY_CODE_BYTES)) for _ in range(RECOVERY_CODES)]

    def _added(
        self, person: Person, caller: Caller, what: str, fresh: Codes
    ) -> Changed[Codes | Refused]:
        shown: Codes = []
        if not person.recovery_codes:
            shown, person = fresh, replace(person, recovery_codes=_digests(fresh))
        return self._told(person, caller, Activity.FACTOR_ADDED, what, answer=shown)

    def _told(
        self, person: Person, caller: Caller, activity: Activity, what: str, *, answer: Answer
    ) -> Changed[Answer]:
        registry = self._registry
        held = replace(person, held_until_ns=registry.held(person))
        said = (
            f"This was done from {caller.visitor.address}: {activity.replace('_', ' ')} ({what})."
        )
        letter = letters.notice(person, "Your credentials changed", said, site=registry.site)
        note = registry.note(activity, caller.visitor, what)
        return Changed(person=held, answer=answer, mail=(letter,), notes=(note,))


def _adding(caller: Caller) -> str:
    """Say whose challenge it is: one for adding proves nothing, one for proving adds nothing."""
    return f"{caller.session.sid}+"


def _digests(codes: Codes) -> tuple[bytes, ...]:
    return tuple(recovery_code_digest(code) for code in codes)


def _read_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
