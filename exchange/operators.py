"""Who operates a venue: a name, a number for the record, and a key of each one's own.

``secrets/operators/NAME.json`` says who there is, with the public key; ``NAME.key`` is the token:
the private key, readable by its owner only. An operator may keep it elsewhere and show it by
``--token``. What an operator proposes or approves is signed with it, so that nobody acts in
another's name, and a changed file is found out.
"""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.errors import CommandError

OPERATORS_MAX = 1000
NUMBER_MAX = (1 << 32) - 1

_PRIVATE_MODE = 0o600


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who may propose and approve; ``number`` is what commands and events carry."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.\-]{0,31}$")]
    number: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
    public_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]

    def has_signed(self, message: bytes, signature: str) -> bool:
        """Say whether a signature, in hexadecimal, is this operator's."""
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
        try:
            key.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Operators:
    """The operators of one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def all(self) -> list[Operator]:
        """Return every operator, by number.

        Raises:
            CommandError: a file that is not an operator's; nobody is trusted then.
        """
        found = [self._read(path) for path in sorted(self.directory.glob("*.json"))]
        return sorted(found, key=lambda each: each.number)

    def named(self, name: str) -> Operator:
        """Return an operator by name.

        Raises:
            CommandError: there is none.
        """
        for operator in self.all():
            if operator.name == name:
                return operator
        raise CommandError(f"no operator {name}; ./rialto admin operators add makes one")

    def add(self, name: str, number: int) -> Path:
        """Make an operator and its token; return where the token is.

        Raises:
            CommandError: name or number are taken or no name, or there are too many.
        """
        there = self.all()
        if len(there) >= OPERATORS_MAX:
            raise CommandError(f"there are {len(there)} operators, and {OPERATORS_MAX} may be")
        for other in there:
            if name == other.name or number == other.number:
                raise CommandError(f"operator {other.name} has number {other.number} already")
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        try:
            operator = msgspec.convert(
                {"name": name, "number": number, "public_key": public}, Operator
            )
        except msgspec.ValidationError as error:
            raise CommandError(f"operator {name}: {error}") from error
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = self.token_path(name)
        _write_new(token, key.private_bytes_raw().hex().encode() + b"\n")
        _write_new(self.directory / f"{name}.json", msgspec.json.encode(operator) + b"\n")
        return token

    def token_path(self, name: str) -> Path:
        """Say where an operator's token is, unless it is kept elsewhere."""
        return self.directory / f"{name}.key"

    def _read(self, path: Path) -> Operator:
        try:
            operator = msgspec.json.decode(path.read_bytes(), type=Operator)
        except msgspec.ValidationError as error:
            raise CommandError(f"{path}: {error}") from error
        if path.stem != operator.name:
            raise CommandError(f"{path}: is about {operator.name}")
        return operator


class Token:
    """An operator who has shown the token."""

    def __init__(self, operator: Operator, key: Ed25519PrivateKey) -> None:
        self.operator = operator
        self._key = key

    @classmethod
    def read(cls, operator: Operator, path: Path) -> "Token":
        """Read a token and require that it is the operator's.

        Raises:
            CommandError: it is not there, others may read it, or it is another's.
        """
        try:
            text, mode = path.read_text(), path.stat().st_mode
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        if mode & 0o077:
            raise CommandError(f"{path}: others may read it; chmod 600 it, or make a new operator")
        try:
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.strip()))
        except ValueError as error:
            raise CommandError(f"{path}: not an operator's token") from error
        public = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        if public.hex() != operator.public_key:
            raise CommandError(f"{path}: not the token of {operator.name}")
        return cls(operator, key)

    def sign(self, message: bytes) -> str:
        """Sign a message; the signature is in hexadecimal."""
        return self._key.sign(message).hex()


def _write_new(path: Path, data: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
