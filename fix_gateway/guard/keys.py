"""A session's keys: what its client proves itself by, at most two of them alive at a time.

Errors:
    KeyRingError: a key cannot be added, or is not there; the operator's to mend.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LIVE_KEYS_MAX = 2
REVOKED_KEYS_KEPT = 8
HMAC_SECRET_BYTES = 32
_ED25519_SIGNATURE_BYTES = 64

_KEY_ID = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
KeyId = Annotated[str, msgspec.Meta(pattern=f"^{_KEY_ID}$")]
KeyKind = Literal["hmac-sha256", "ed25519"]


class KeyRingError(Exception):
    """A key cannot be added, is not there, or is none."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key. ``material`` is base64: a shared secret, or a public key of 32 bytes.

    A revoked key is kept for a while with its material, so that a client who still uses it can
    be told so; it opens nothing.
    """

    id: KeyId
    kind: KeyKind
    material: str
    added_at_ns: int
    revoked_at_ns: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it opens a session."""
        return not self.revoked_at_ns


class KeyRing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All keys of one session, oldest first."""

    session: str
    keys: tuple[Key, ...] = ()

    @property
    def live(self) -> tuple[Key, ...]:
        """Those that open the session."""
        return tuple(key for key in self.keys if key.is_live)

    def find(self, key_id: str) -> Key | None:
        """Return a key by its id."""
        return next((key for key in self.keys if key.id == key_id), None)


def with_key(ring: KeyRing, key: Key) -> KeyRing:
    """Return the ring with one key more.

    Raises:
        KeyRingError: the id is taken, two keys are live already, or the material is none.
    """
    check_material(key)
    if ring.find(key.id) is not None:
        raise KeyRingError(f"{ring.session} has a key {key.id} already; ids are used once")
    if len(ring.live) >= LIVE_KEYS_MAX:
        alive = ", ".join(each.id for each in ring.live)
        raise KeyRingError(f"{ring.session} has {LIVE_KEYS_MAX} live keys ({alive}): revoke one")
    return _trimmed(KeyRing(session=ring.session, keys=(*ring.keys, key)))


def without_key(ring: KeyRing, key_id: str, *, now_ns: int) -> KeyRing:
    """Return the ring with a key revoked.

    Raises:
        KeyRingError: there is no such live key.
    """
    key = ring.find(key_id)
    if key is None or not key.is_live:
        raise KeyRingError(f"{ring.session} has no live key {key_id}")
    revoked = msgspec.structs.replace(key, revoked_at_ns=now_ns)
    keys = tuple(revoked if each is key else each for each in ring.keys)
    return _trimmed(KeyRing(session=ring.session, keys=keys))


def next_key_id(ring: KeyRing) -> str:
    """Return an id that the ring does not have: the session's name and the next number."""
    suffixes = [key.id.removeprefix(f"{ring.session}-") for key in ring.keys]
    last = max((int(suffix) for suffix in suffixes if suffix.isdecimal()), default=0)
    return f"{ring.session}-{last + 1}"


def check_material(key: Key) -> None:
    """Check that a key can be used.

    Raises:
        KeyRingError: its id or its material is none.
    """
    if not re.fullmatch(_KEY_ID, key.id):
        raise KeyRingError(f"{key.id!r} is no key id: letters, digits, '_', '.' and '-'")
    material = _decoded(key.material.encode())
    if key.kind == "ed25519":
        if material is None or len(material) != HMAC_SECRET_BYTES:
            raise KeyRingError(f"key {key.id}: an Ed25519 public key is 32 bytes in base64")
    elif material is None or len(material) < HMAC_SECRET_BYTES:
        raise KeyRingError(f"key {key.id}: a shared secret is at least 32 bytes in base64")


def is_proof(proof: bytes, payload: bytes, key: Key | None) -> bool:
    """Say whether a proof of possession is right, in a time that the key does not show in.

    What is computed depends on the proof's own length alone: where there is no key, or one of
    the other kind, a key that nobody has is tried in its place.

    Args:
        proof: RawData (96), base64.
        payload: what was signed.
        key: the one that the client named, if there is one.
    """
    given = _decoded(proof)
    if given is None:
        return False
    kind: KeyKind = "ed25519" if len(given) == _ED25519_SIGNATURE_BYTES else "hmac-sha256"
    is_ours = key is not None and key.kind == kind
    used = key if key is not None and is_ours else _NOBODY[kind]
    material = _decoded(used.material.encode())
    assert material is not None, "checked when it was added"
    if kind == "ed25519":
        try:
            Ed25519PublicKey.from_public_bytes(material).verify(given, payload)
        except InvalidSignature:
            return False
        return is_ours
    expected = hmac.new(material, payload, hashlib.sha256).digest()
    return hmac.compare_digest(expected, given) and is_ours


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _trimmed(ring: KeyRing) -> KeyRing:
    revoked = [key for key in ring.keys if not key.is_live][-REVOKED_KEYS_KEPT:]
    keys = tuple(key for key in ring.keys if key.is_live or key in revoked)
    return KeyRing(session=ring.session, keys=keys)


_NOBODY: dict[KeyKind, Key] = {
    # Anybody can sign for the first and knows the second: they only take their time.
    "ed25519": Key(
        id="nobody",
        kind="ed25519",
        material="WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=",
        added_at_ns=0,
    ),
    "hmac-sha256": Key(
        id="nobody", kind="hmac-sha256", material="AAAA" * 10 + "AAA=", added_at_ns=0
    ),
}
