"""Signed heads: how far journal and records had come, said by a key that is kept apart.

A chain of hashes shows what was changed inside it. What it cannot show is that it was cut short,
or written anew from some place on by somebody who can write all files. A head that was signed
before shows both: the journal up to it must hash to what it says, and the records must run through
the lines that it names.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runtime.chained_lines import START, ChainedLines, Head

_DOMAIN = b"rialto audit head 1\n"


class JournalHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place between two frames of the journal, and what the segment hashes to up to there."""

    segment: int
    offset: int
    sequence: int
    sha256: str


class SignedHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where everything stood at ``at_ns``; ``previous`` is the line of heads before this one."""

    venue: str
    at_ns: int
    previous: Head
    journal: JournalHead
    records: dict[str, Head]
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """Return what is signed: all but the signature."""
        return _DOMAIN + msgspec.json.encode(msgspec.structs.replace(self, signature=""))


class HeadError(Exception):
    """A head is not one that the key signed, or not in its place; somebody wrote it."""

    exit_code = 65


class SigningKey:
    """The key of the trail: whoever has it can write a history, so it lies apart from the rest."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> "SigningKey":
        """Read a key, making it when there is none; the public half lies beside it.

        Raises:
            OSError: it cannot be read or written. HeadError: it is no key, or others may read it.
        """
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = Ed25519PrivateKey.generate()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(key.private_bytes_raw().hex() + "\n")
            public = key.public_key().public_bytes_raw().hex()
            public_path(path).write_text(public + "\n")
        if path.stat().st_mode & 0o077:
            raise HeadError(f"{path}: others may read it; chmod 600 it")
        try:
            return cls(
                Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
            )
        except ValueError as error:
            raise HeadError(f"{path}: not a signing key") from error

    def sign(self, message: bytes) -> str:
        """Return a signature in hexadecimal."""
        return self._key.sign(message).hex()


def public_path(path: Path) -> Path:
    """Say where the public half of a key lies."""
    return path.with_suffix(".pub")


class VerifyingKey:
    """The public half: enough to check, and to give away."""

    def __init__(self, hexadecimal: str) -> None:
        """Take a key of 32 bytes in hexadecimal.

        Raises:
            HeadError: it is none.
        """
        try:
            self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(hexadecimal.strip()))
        except ValueError as error:
            raise HeadError("not a public key") from error

    def has_signed(self, message: bytes, signature: str) -> bool:
        """Say whether a signature is the key's."""
        try:
            self._key.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Heads:
    """The file of signed heads, itself a chain."""

    def __init__(self, path: Path) -> None:
        self._lines = ChainedLines(path)
        self.path = path

    def add(self, key: SigningKey, head: SignedHead) -> Head:
        """Sign a head and write it, durably; return the line that it became."""
        signed = msgspec.structs.replace(head, signature=key.sign(head.signed_bytes()))
        return self._lines.append(signed)

    def last_line(self) -> Head:
        """Return the last line's number and hash, checked from the first on."""
        return self._lines.verify()

    def read(self, key: VerifyingKey) -> Iterator[SignedHead]:
        """Yield every head, each checked.

        Raises:
            HeadError: one that the key did not sign, or that stands where it was not signed for.
            ChainBrokenError: a line is not as it was written.
        """
        before = START
        for line in self._lines.read():
            try:
                head = msgspec.json.decode(line.body, type=SignedHead)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise HeadError(f"{self.path}: line {line.number}: {error}") from error
            if head.previous != before:
                raise HeadError(f"{self.path}: line {line.number}: signed for another place")
            if not key.has_signed(head.signed_bytes(), head.signature):
                raise HeadError(f"{self.path}: line {line.number}: not signed by the key")
            before = Head(line.number, hashlib.sha256(msgspec.json.encode(line)).hexdigest())
            yield head
