"""Stepping up: a fresh proof, made for one dangerous action and good once for it.

The grant names what it is for and, where money moves, exactly what will be done (``details``), so
that a proof given for one withdrawal cannot be spent on another.
"""

from typing import Any

from services.accounts import passkeys, sessions
from services.accounts.opaque_tokens import SECRET_BYTES
from services.accounts.person import Changed, Grant, Person
from services.accounts.refusals import (
    CREDENTIALS_INVALID,
    ROLE_MISSING,
    SESSION_ENDED,
    STEP_UP_MISSING,
    RefusalCode,
    Refused,
)
from services.accounts.registry import Caller, Registry, too_many
from services.accounts.second_factor import (
    Proof,
    asked,
    find_challenge,
    proved,
    without_challenge,
)
from services.accounts.terms import Activity, Method, Purpose

DETAILS_LENGTH_MAX = 512


class StepUp:
    """The desk for fresh proofs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ask_passkey(self, caller: Caller) -> tuple[str, dict[str, Any]] | Refused:
        """Ask for a passkey's signature: the challenge's secret, and the browser's options."""
        registry = self._registry
        limits = registry.limits
        secret, nonce = registry.chance(SECRET_BYTES), registry.chance(32)

        def decide(person: Person) -> Changed[tuple[str, dict[str, Any]] | Refused]:
            if not person.passkeys:
                said = "there is no passkey to ask"
                return Changed(person=person, answer=Refused(RefusalCode.FACTOR_NOT_READY, said))
            waiting = asked(
                person,
                secret,
                nonce,
                sid=caller.session.sid,
                until_ns=registry.later(limits.challenge_seconds),
                kept_max=limits.challenges_max,
            )
            options = passkeys.assertion_options(registry.party, person, nonce)
            return Changed(person=waiting, answer=(secret.hex(), options))

        return await registry.change_own(caller, decide)

    async def prove(
        self, caller: Caller, purpose: Purpose, details: str, proof: Proof, challenge: str
    ) -> str | Refused:
        """Check a fresh proof; the grant that is returned is good once, for this alone.

        Args:
            caller: who asks.
            purpose: what for.
            details: exactly what will be done, where the action says so; empty otherwise.
            proof: a second factor, or the password of somebody who has none.
            challenge: the secret of the challenge that a passkey signed; empty otherwise.
        """
        registry = self._registry
        person_id = caller.person.person_id
        subject = registry.factor_subject(person_id)
        blocked = await registry.store.attempt([subject], now_ns=registry.clock())
        if blocked is not None:
            return too_many(blocked)
        kept = caller.person.password_hash
        if proof.password is not None:
            is_right = await registry.hasher.verify(kept, proof.password)
            if isinstance(is_right, Refused):
                return is_right
            if not is_right:
                return CREDENTIALS_INVALID
        secret = registry.chance(SECRET_BYTES)

        def decide(person: Person) -> Changed[str | Refused]:
            if proof.password is not None:
                is_enough = not person.has_second_factor and person.password_hash == kept
                result = (person, Method.PASSWORD) if is_enough and proof.given == 1 else None
            else:
                result = self._proved(person, caller.session.sid, proof, challenge)
            if result is None:
                note = registry.note(Activity.SECOND_FACTOR_FAILED, caller.visitor, purpose)
                return Changed(person=person, answer=CREDENTIALS_INVALID, notes=(note,))
            return self._granted(result, caller, purpose, details, secret)

        answer = await registry.change_own(caller, decide)
        if not isinstance(answer, Refused):
            await registry.store.forgive([subject.digest])
        return answer

    def _proved(
        self, person: Person, sid: str, proof: Proof, challenge: str
    ) -> tuple[Person, Method] | None:
        registry = self._registry
        now_ns = registry.clock()
        found = None
        if proof.passkey is not None:
            try:
                secret = bytes.fromhex(challenge)
            except ValueError:
                return None
            found = find_challenge(person.challenges, secret, sid=sid, now_ns=now_ns)
        result = proved(
            person,
            proof,
            vault=registry.vault,
            party=registry.party,
            challenge=found.passkey_challenge if found is not None else None,
            now_ns=now_ns,
        )
        if result is None or found is None:
            return result
        return without_challenge(result[0], found), result[1]

    def _granted(
        self,
        result: tuple[Person, Method],
        caller: Caller,
        purpose: Purpose,
        details: str,
        secret: bytes,
    ) -> Changed[str | Refused]:
        registry = self._registry
        person, method = result
        session = person.session(caller.session.sid)
        if session is None:
            return Changed(person=person, answer=SESSION_ENDED)
        until_ns = registry.later(registry.limits.step_up_seconds)
        grant = sessions.new_grant(purpose, details, secret, method, until_ns=until_ns)
        stepped = sessions.granted(person, session, grant, registry.limits)
        note = registry.note(Activity.STEPPED_UP, caller.visitor, purpose)
        return Changed(person=stepped, answer=secret.hex(), notes=(note,))

    async def spend(
        self, caller: Caller, purpose: Purpose, grant: str, details: str = ""
    ) -> Grant | Refused:
        """Spend a grant; whoever moves money asks this before he does."""
        registry = self._registry

        def decide(person: Person) -> Changed[Grant | Refused]:
            spent = sessions.grant_spent(
                person, caller.session.sid, purpose, details, grant, now_ns=registry.clock()
            )
            if isinstance(spent, Refused):
                return Changed(person=person, answer=spent)
            return Changed(person=spent[0], answer=spent[1])

        if not grant:
            return STEP_UP_MISSING
        return await registry.change_own(caller, decide)

    async def spend_passkey(self, caller: Caller, purpose: Purpose, grant: str) -> Refused | None:
        """Spend a grant that only a passkey may have given: for what touches other people."""
        spent = await self.spend(caller, purpose, grant)
        if isinstance(spent, Refused):
            return spent
        return None if spent.method is Method.PASSKEY else ROLE_MISSING
