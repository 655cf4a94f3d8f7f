"""Access tokens: JSON Web Tokens of one algorithm, with keys that can be changed.

The algorithm is a constant of this file: what a token's header says of it is compared, never
followed. Headers that bring or point to a key are refused, and a key is only ever one of ours.

Source:
    RFC 8725 (JWT best current practices), RFC 9068 (``at+jwt``); OWASP ASVS 5.0, 9.1 and 9.2.
"""

import base64
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.exceptions import PyJWTError

from runtime.toml import SettingsError

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
AUDIENCE = "rialto"
TOKEN_LENGTH_MAX = 2_048
_HEADER_FIELDS = frozenset({"alg", "typ", "kid"})
_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp"]
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Who a good token speaks for."""

    person_id: str
    sid: str


class KeyRing:
    """The signing keys: the first signs, all are believed. Taken out, a key is worth nothing."""

    def __init__(self, keys: dict[str, Ed25519PrivateKey], *, issuer: str) -> None:
        assert keys, "a ring has at least one key"
        self._keys = keys
        self._public = {key_id: key.public_key() for key_id, key in keys.items()}
        self._issuer = issuer
        self._signing_id = next(iter(keys))

    def sign(self, bearer: Bearer, *, now_ns: int, seconds: int) -> str:
        """Make a token that is good for so many seconds."""
        issued_at = now_ns // _SECOND_NS
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": bearer.person_id,
            "sid": bearer.sid,
            "iat": issued_at,
            "exp": issued_at + seconds,
        }
        key = self._keys[self._signing_id]
        headers = {"kid": self._signing_id, "typ": TYPE}
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers=headers)

    def bearer(self, token: str, *, now_ns: int) -> Bearer | None:
        """Return whom a token speaks for; None unless it is ours and in time by our clock."""
        if len(token) > TOKEN_LENGTH_MAX:
            return None
        try:
            header = jwt.get_unverified_header(token)
            key = self._public.get(str(header.get("kid")))
            if key is None or set(header) != _HEADER_FIELDS or header["typ"] != TYPE:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                # Times are held against the clock that we are given, below.
                options={
                    "require": _CLAIMS,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (PyJWTError, ValueError, TypeError):
            return None
        return _in_time(claims, now_ns // _SECOND_NS)

    def published(self) -> list[dict[str, str]]:
        """Return the public keys as JSON Web Keys (RFC 8037)."""
        return [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": ALGORITHM,
                "kid": key_id,
                "x": base64.urlsafe_b64encode(
                    key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
                )
                .decode()
                .rstrip("="),
            }
            for key_id, key in self._public.items()
        ]


def _in_time(claims: dict[str, object], now: int) -> Bearer | None:
    issued_at, expires_at = claims["iat"], claims["exp"]
    if type(issued_at) is not int or type(expires_at) is not int:
        return None
    if not issued_at <= now < expires_at:
        return None
    return Bearer(person_id=str(claims["sub"]), sid=str(claims["sid"]))


def read_key_ring(text: str, *, issuer: str, where: str) -> KeyRing:
    """Read the key file: ``key-id private-key-in-hexadecimal``, a line each, the signing one first.

    Raises:
        SettingsError: a line is not that, or an id is there twice.
    """
    keys: dict[str, Ed25519PrivateKey] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        key_id, _, secret = line.strip().partition(" ")
        try:
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        except ValueError as error:
            raise SettingsError(f"{where}: line {number}: not a key") from error
        if not key_id or key_id in keys:
            raise SettingsError(f"{where}: line {number}: a key without an id of its own")
        keys[key_id] = key
    if not keys:
        raise SettingsError(f"{where}: no key")
    return KeyRing(keys, issuer=issuer)
