"""Opaque tokens: whose they are, then a random secret of which only a digest is kept."""

import hashlib
import hmac
import re
from collections.abc import Callable

Chance = Callable[[int], bytes]
"""Gives so many random bytes (``secrets.token_bytes``)."""

SECRET_BYTES = 32
_TOKEN = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")
_REFRESH = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9]{1,9})\.([0-9a-f]{64})")


def digest(secret: bytes) -> bytes:
    """Return what is kept of a secret; it has 256 random bits, so a plain hash will do."""
    return hashlib.sha256(secret).digest()


def matches(secret: bytes, kept: bytes) -> bool:
    """Say whether a secret is the one that was kept, in the same time either way."""
    return hmac.compare_digest(digest(secret), kept)


def token_text(person_id: str, secret: bytes) -> str:
    """Write a token."""
    return f"{person_id}.{secret.hex()}"


def read_token(text: str) -> tuple[str, bytes] | None:
    """Read a token: the person and the secret; None when it is none."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else (found[1], bytes.fromhex(found[2]))


def read_refresh_token(text: str) -> tuple[str, str, int, str] | None:
    """Read a refresh token: person, session, generation, proof; None when it is none."""
    found = _REFRESH.fullmatch(text)
    return None if found is None else (found[1], found[2], int(found[3]), found[4])
