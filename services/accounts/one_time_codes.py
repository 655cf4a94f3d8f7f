"""Time-based one-time codes, and recovery codes. Pure.

Source:
    RFC 6238 with SHA-1, six digits and steps of 30 seconds: what every authenticator app speaks.
"""

import base64
import hashlib
import hmac
import struct
from collections.abc import Sequence
from urllib.parse import quote

STEP_NS = 30_000_000_000
DIGITS = 6
SECRET_BYTES = 20
STEPS_AROUND = 1
"""How far a person's clock may be away, in steps."""

RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10


def totp(secret: bytes, step: int) -> str:
    """Return the code of one step."""
    mac = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = mac[-1] & 0x0F
    number = struct.unpack_from(">I", mac, offset)[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def matching_step(secret: bytes, code: str, *, now_ns: int, after_step: int) -> int | None:
    """Return the step whose code was given, if it is near and none so late was spent before.

    Args:
        secret: shared with the person's app.
        code: as typed.
        now_ns: our clock.
        after_step: the last step spent: it and all before are refused, so a code works once.
    """
    current = now_ns // STEP_NS
    found = None
    for step in range(current - STEPS_AROUND, current + STEPS_AROUND + 1):
        # Every step is tried, so the time says nothing about which one it was.
        is_it = hmac.compare_digest(totp(secret, step).encode(), code.encode())
        if is_it and step > after_step:
            found = step
    return found


def provisioning_uri(secret: bytes, *, email: str, issuer: str) -> str:
    """Return what an authenticator app reads from a QR code."""
    label = quote(f"{issuer}:{email}", safe="")
    return f"otpauth://totp/{label}?secret={secret_text(secret)}&issuer={quote(issuer, safe='')}"


def secret_text(secret: bytes) -> str:
    """Write a secret for typing into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def recovery_code_text(secret: bytes) -> str:
    """Write a recovery code: 16 letters and digits in groups of four (80 bits)."""
    text = base64.b32encode(secret).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def recovery_code_digest(text: str) -> bytes:
    """Return what is kept of a recovery code, however it is grouped and whatever its case."""
    plain = text.replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(plain.encode()).digest()


def without_recovery_code(kept: Sequence[bytes], text: str) -> tuple[bytes, ...] | None:
    """Return the codes that are left when one is spent; None when it is not one of them."""
    given = recovery_code_digest(text)
    left = tuple(each for each in kept if not hmac.compare_digest(each, given))
    return left if len(left) < len(kept) else None
