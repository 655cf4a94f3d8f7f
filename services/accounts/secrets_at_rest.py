"""The key file: what it seals, digests and signs cannot be read, found or made from a database.

Three keys are derived from the file's one (HKDF-SHA256, a label each), so that none of them says
anything about another.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
KEY_BYTES = 32


class WrongKeyError(Exception):
    """A sealed value was not sealed with our key file, or for another place: the operator's."""

    exit_code = 78


class Vault:
    """What the key file can do."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES, "the key file holds 32 bytes in hexadecimal"
        self._cipher = AESGCM(_derived(key, b"rialto accounts seal"))
        self._refresh_key = _derived(key, b"rialto accounts refresh")
        self._subject_key = _derived(key, b"rialto accounts subject")

    def seal(self, plain: bytes, *, place: str, nonce: bytes) -> bytes:
        """Encrypt for one place; moved to another one it cannot be opened (AES-256-GCM)."""
        assert len(nonce) == NONCE_BYTES
        return nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """Decrypt what was sealed for a place.

        Raises:
            WrongKeyError: with another key, for another place, or changed since.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except InvalidTag as error:
            raise WrongKeyError(f"what is sealed for {place} does not open") from error

    def refresh_mac(self, person_id: str, sid: str, generation: int) -> str:
        """Return what proves a refresh token: nothing about it needs to be stored."""
        text = f"{person_id}.{sid}.{generation}".encode()
        return hmac.new(self._refresh_key, text, hashlib.sha256).hexdigest()

    def subject_digest(self, kind: str, value: str) -> bytes:
        """Return under which name attempts are counted: no address or e-mail is kept for it."""
        return hmac.new(self._subject_key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()


def _derived(key: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(key)
