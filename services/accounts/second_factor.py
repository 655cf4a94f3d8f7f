"""One proof of a second factor, checked against a person. Pure.

Whatever a proof spends (a code's step, a recovery code, a passkey's counter, the challenge) is
spent in the person that is returned, so two requests that bring the same proof at once meet the
store's rule of one change at a time, and the second finds it spent.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from services.accounts import passkeys
from services.accounts.one_time_codes import matching_step, without_recovery_code
from services.accounts.opaque_tokens import digest, matches
from services.accounts.person import Challenge, Person
from services.accounts.secrets_at_rest import Vault
from services.accounts.terms import Method


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person gives to prove itself: exactly one of these."""

    totp: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None
    password: str | None = None
    """Enough for those who have no second factor, to step up."""

    @property
    def given(self) -> int:
        """Say how many there are."""
        parts = (self.totp, self.recovery_code, self.passkey, self.password)
        return sum(part is not None for part in parts)


def totp_place(person_id: str) -> str:
    """Say where a TOTP secret is sealed for."""
    return f"totp:{person_id}"


def proved(
    person: Person,
    proof: Proof,
    *,
    vault: Vault,
    party: passkeys.RelyingParty,
    challenge: bytes | None,
    now_ns: int,
) -> tuple[Person, Method] | None:
    """Check a proof and spend it; None when it proves nothing.

    Args:
        person: whose factors are asked.
        proof: one of TOTP, recovery code and passkey; a password is never a second factor.
        vault: opens the TOTP secret.
        party: for passkeys.
        challenge: what a passkey was asked to sign; None where none was asked.
        now_ns: our clock.
    """
    if proof.given != 1:
        return None
    if proof.totp is not None and person.totp is not None:
        secret = vault.open(person.totp.sealed_secret, place=totp_place(person.person_id))
        last = person.totp.last_step
        step = matching_step(secret, proof.totp, now_ns=now_ns, after_step=last)
        if step is None:
            return None
        return replace(person, totp=replace(person.totp, last_step=step)), Method.TOTP
    if proof.recovery_code is not None:
        left = without_recovery_code(person.recovery_codes, proof.recovery_code)
        return (
            None if left is None else (replace(person, recovery_codes=left), Method.RECOVERY_CODE)
        )
    if proof.passkey is not None and challenge is not None:
        moved = passkeys.asserted(party, person, proof.passkey, challenge)
        return None if moved is None else (moved, Method.PASSKEY)
    return None


def asked(
    person: Person, secret: bytes, nonce: bytes, *, sid: str, until_ns: int, kept_max: int
) -> Person:
    """Keep a challenge; the oldest makes room."""
    challenge = Challenge(
        digest=digest(secret), until_ns=until_ns, passkey_challenge=nonce, sid=sid
    )
    return replace(person, challenges=(*person.challenges, challenge)[-kept_max:])


def find_challenge(
    challenges: Sequence[Challenge], secret: bytes, *, sid: str, now_ns: int
) -> Challenge | None:
    """Return a challenge that was asked of this session and is in time."""
    for each in challenges:
        if matches(secret, each.digest) and each.sid == sid and now_ns < each.until_ns:
            return each
    return None


def without_challenge(person: Person, challenge: Challenge) -> Person:
    """Return the person with a challenge answered: it is good once."""
    kept = tuple(each for each in person.challenges if each.digest != challenge.digest)
    return replace(person, challenges=kept)
