"""The venue's signature under its statements: Ed25519, with a key that only the gateway holds.

Errors:
    SigningKeyError: the key's file is there and cannot be used; an operator decides.
"""

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from runtime.process import EXIT_CONFIGURATION

_KEY_BYTES = 32


class SigningKeyError(Exception):
    """The file of the venue's key is damaged, or others may read it."""

    exit_code = EXIT_CONFIGURATION


class Signer:
    """Signs statements."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Keep the key."""
        self._key = key

    @property
    def public_key(self) -> str:
        """The public key, 32 bytes in base64."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(raw).decode("ascii")

    def sign(self, text: str) -> str:
        """Return a message with VenueSignature (5073) over all of it as its last field.

        Args:
            text: from 35 on, its tags in ascending order, groups in their places: QuickFIX sends
                them so, and what was signed must be what is received.
        """
        signature = base64.b64encode(self._key.sign(text.encode("ascii"))).decode("ascii")
        return f"{text}5073={signature}\x01"


def read_signer(path: Path) -> Signer:
    """Read the venue's key, and make it at the first time.

    Raises:
        SigningKeyError: as the module says.
        OSError: the disk refused.
    """
    try:
        status, text = path.stat(), path.read_text()
    except FileNotFoundError:
        return _made(path)
    if status.st_mode & 0o077:
        raise SigningKeyError(f"{path}: others may read it; chmod 600 it, and change the key")
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise SigningKeyError(f"{path}: an Ed25519 private key is 32 bytes in base64")
    return Signer(Ed25519PrivateKey.from_private_bytes(raw))


def _made(path: Path) -> Signer:
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(base64.b64encode(raw).decode("ascii") + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Signer(key)
