"""What is kept of one person: one value, changed as a whole, never in part.

Secrets are not in it. Passwords are argon2id hashes; tokens and recovery codes are digests; what
must be read again (TOTP and HMAC secrets) is sealed with a key that is not in the database.
"""

from typing import Generic, TypeVar

import msgspec

from services.accounts.terms import (
    Activity,
    KeyKind,
    Method,
    Permission,
    Purpose,
    Role,
    Status,
)

Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a person; a change makes another."""


class Totp(Value, frozen=True):
    """A code generator (RFC 6238) and the last step that was spent."""

    sealed_secret: bytes
    last_step: int = 0


class Passkey(Value, frozen=True):
    """A WebAuthn credential."""

    credential: bytes
    public_key: bytes
    sign_count: int
    label: str
    added_at_ns: int


class Grant(Value, frozen=True):
    """A fresh proof, good once for one purpose and exactly these details."""

    purpose: Purpose
    details: str
    digest: bytes
    until_ns: int
    method: Method


class Session(Value, frozen=True):
    """A sign-in on one device: a family of refresh tokens, of which the last one is good."""

    sid: str
    opened_at_ns: int
    used_at_ns: int
    generation: int
    address: str
    agent: str
    methods: tuple[Method, ...]
    grants: tuple[Grant, ...] = ()


class Challenge(Value, frozen=True):
    """Something asked and not yet answered: a second factor, or a passkey's signature."""

    digest: bytes
    until_ns: int
    passkey_challenge: bytes
    sid: str = ""
    """The session that asked; empty while there is none yet."""


class EmailToken(Value, frozen=True):
    """A secret that was mailed and has not been used."""

    digest: bytes
    until_ns: int
    is_recovery: bool


class ApiKey(Value, frozen=True):
    """A key for programs. ``material`` is a sealed HMAC secret, or an Ed25519 public key."""

    key_id: str
    label: str
    kind: KeyKind
    material: bytes
    permissions: tuple[Permission, ...]
    addresses: tuple[str, ...]
    created_at_ns: int
    expires_at_ns: int


class Person(Value, frozen=True):
    """Everything that is kept of one person."""

    person_id: str
    email: str
    status: Status
    password_hash: str
    created_at_ns: int
    roles: tuple[Role, ...] = (Role.CUSTOMER,)
    totp: Totp | None = None
    totp_pending: Totp | None = None
    passkeys: tuple[Passkey, ...] = ()
    recovery_codes: tuple[bytes, ...] = ()
    sessions: tuple[Session, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    email_tokens: tuple[EmailToken, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    anti_phishing_code: str = ""
    held_until_ns: int = 0
    devices: tuple[bytes, ...] = ()

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone does not let this person in."""
        return self.totp is not None or bool(self.passkeys)

    def session(self, sid: str) -> Session | None:
        """Return a session that is open."""
        return next((each for each in self.sessions if each.sid == sid), None)


class Mail(Value, frozen=True):
    """A letter, ready to be sent."""

    to: str
    subject: str
    text: str


class Note(Value, frozen=True):
    """One line of a person's security record."""

    activity: Activity
    time_ns: int
    address: str = ""
    detail: str = ""


class Changed(Value, Generic[Answer_co], frozen=True):
    """What a decision makes of a person, and what it answers.

    All of it is kept together or not at all. A person that is the same object as before is not
    written; an answer may refuse and yet keep something (a replayed token ends its session).
    """

    person: Person
    answer: Answer_co
    mail: tuple[Mail, ...] = ()
    notes: tuple[Note, ...] = ()
