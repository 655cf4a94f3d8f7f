"""Who operates a venue: a name, a number for the record, roles, and a key of each one's own.

``secrets/operators/NAME.json`` says who there is, with the public key; ``NAME.key`` is the token:
the private key, readable by its owner only. An operator keeps it elsewhere and shows it by
``--token``; the venue needs the public half alone. Everything that an operator asks is signed
with it. Names and numbers are used once: who was taken away stays on file, revoked.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.admin.roles import Role
from exchange.errors import CommandError
from runtime.storage import sync_folder

OPERATORS_MIN = 2
OPERATORS_MAX = 1000
NUMBER_MAX = (1 << 32) - 1

_PRIVATE_MODE = 0o600


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who may do what the roles allow; ``number`` is what commands and events carry."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.\-]{0,31}$")]
    number: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
    public_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    roles: Annotated[tuple[Role, ...], msgspec.Meta(max_length=len(Role))] = ()
    revoked_at_ns: int = 0

    @property
    def is_revoked(self) -> bool:
        """Whether nothing that this operator signs counts any more."""
        return self.revoked_at_ns != 0

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
        raise CommandError(f"no operator {name}; ./rialto admin operators list says who there is")

    def live(self) -> list[Operator]:
        """Return every operator who was not taken away, by number."""
        return [each for each in self.all() if not each.is_revoked]

    def found(self, names: Sequence[str]) -> list[Path]:
        """Make the first operators, each with every role and a token; return where those are.

        Raises:
            CommandError: there are operators already, or fewer than two names.
        """
        if there := self.all():
            raise CommandError(f"there are operators already, {there[0].name} first: they add more")
        if len(set(names)) < OPERATORS_MIN:
            raise CommandError("found at least two: most dangerous actions take two operators")
        tokens = []
        for number, name in enumerate(names, start=1):
            key = Ed25519PrivateKey.generate()
            operator = checked(name, number, public_key_of(key), tuple(Role))
            tokens.append(write_token(self.token_path(name), key))
            self.write(operator)
        return tokens

    def add(self, operator: Operator) -> None:
        """Take a new operator in; one who is there just so already changes nothing.

        Raises:
            CommandError: name, number or key are taken, or there are too many.
        """
        there = self.all()
        if operator in there:
            return
        if len(there) >= OPERATORS_MAX:
            raise CommandError(f"there are {len(there)} operators, and {OPERATORS_MAX} may be")
        for other in there:
            if operator.name == other.name or operator.number == other.number:
                raise CommandError(f"operator {other.name} has number {other.number} already")
            if operator.public_key == other.public_key:
                raise CommandError(f"that is the key of operator {other.name}")
        self.write(operator)

    def write(self, operator: Operator) -> None:
        """Put an operator on the disk, durably, whole or not at all."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.directory / f"{operator.name}.json"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(operator) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(self.directory)

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
    """What an operator signs with. Whether it is the operator's is for the venue to say."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key

    @classmethod
    def read(cls, operator: Operator, path: Path) -> "Token":
        """Read a token and require that it is the operator's.

        Raises:
            CommandError: it is not there, others may read it, or it is another's.
        """
        key = read_token(path)
        if public_key_of(key) != operator.public_key:
            raise CommandError(f"{path}: not the token of {operator.name}")
        return cls(operator.name, key)

    def sign(self, message: bytes) -> str:
        """Sign a message; the signature is in hexadecimal."""
        return self._key.sign(message).hex()


def checked(name: str, number: int, public_key: str, roles: Iterable[Role]) -> Operator:
    """Make an operator of what somebody wrote.

    Raises:
        CommandError: it cannot be one.
    """
    fields = {"name": name, "number": number, "public_key": public_key, "roles": tuple(roles)}
    try:
        return msgspec.convert(fields, Operator)
    except msgspec.ValidationError as error:
        raise CommandError(f"operator {name}: {error}") from error


def public_key_of(key: Ed25519PrivateKey) -> str:
    """Return a key's public half, in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def write_token(path: Path, key: Ed25519PrivateKey) -> Path:
    """Write a private key where none is yet, readable by its owner only; return the path.

    Raises:
        CommandError: there is a file already, or the disk refused.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(path, key.private_bytes_raw().hex().encode() + b"\n")
    return path


def read_token(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        CommandError: it is not there, others may read it, or it is none.
    """
    try:
        text, mode = path.read_text(), path.stat().st_mode
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise CommandError(f"{path}: others may read it; chmod 600 it, or make a new operator")
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text.strip()))
    except ValueError as error:
        raise CommandError(f"{path}: not an operator's token") from error


def _write_new(path: Path, data: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
