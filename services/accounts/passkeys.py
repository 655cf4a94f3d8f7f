"""Passkeys: WebAuthn credentials asked for and checked. Pure.

Source:
    W3C Web Authentication level 2, sections 7.1 and 7.2, by the ``webauthn`` library.
"""

from typing import Any

import msgspec
import webauthn
from msgspec.structs import replace
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.accounts.person import Passkey, Person

CREDENTIAL_BYTES_MAX = 1_023
"""Of a credential's id (WebAuthn level 2, 4)."""

Options = dict[str, Any]
"""What a browser is given as it is."""


class RelyingParty(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to authenticators: passkeys work on our site only, so none can be phished."""

    id: str
    name: str
    origin: str


def registration_options(party: RelyingParty, person: Person, challenge: bytes) -> Options:
    """Return what makes a browser create a credential."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_name=person.email,
        user_id=bytes.fromhex(person.person_id),
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(person),
    )
    return _plain(webauthn.options_to_json(options))


def assertion_options(party: RelyingParty, person: Person, challenge: bytes) -> Options:
    """Return what makes a browser sign a challenge."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        allow_credentials=_descriptors(person),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _plain(webauthn.options_to_json(options))


def created(
    party: RelyingParty, answer: Options, challenge: bytes, *, label: str, now_ns: int
) -> Passkey | None:
    """Return the credential that a browser created for a challenge; None when it is none."""
    try:
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        return None
    if len(verified.credential_id) > CREDENTIAL_BYTES_MAX:
        return None
    return Passkey(
        credential=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        label=label,
        added_at_ns=now_ns,
    )


def asserted(
    party: RelyingParty, person: Person, answer: Options, challenge: bytes
) -> Person | None:
    """Check a signature by one of a person's passkeys; None when it is not one.

    Returns:
        The person with the passkey's counter moved on; a counter that goes back means a cloned
        authenticator and is refused by the library.
    """
    raw = answer.get("rawId")
    try:
        credential = webauthn.base64url_to_bytes(raw) if isinstance(raw, str) else b""
        passkey = next(each for each in person.passkeys if each.credential == credential)
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (StopIteration, WebAuthnException, ValueError, TypeError, KeyError):
        return None
    moved = replace(passkey, sign_count=verified.new_sign_count)
    kept = tuple(moved if each is passkey else each for each in person.passkeys)
    return replace(person, passkeys=kept)


def _descriptors(person: Person) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=each.credential) for each in person.passkeys]


def _plain(text: str) -> Options:
    return msgspec.json.decode(text.encode(), type=dict[str, Any])
