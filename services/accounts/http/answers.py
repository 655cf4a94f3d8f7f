"""What requests are answered with: never the person as it is kept, always a view of it."""

from typing import Any

import msgspec

from services.accounts.person import ApiKey, Note, Passkey, Person, Session
from services.accounts.refusals import Refused
from services.accounts.sign_in import FactorWanted, Tokens, methods_of


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer."""


class Refusal(View, frozen=True):
    """The body of every answer that is no success: a stable number, its name, and words."""

    code: int
    name: str
    said: str
    limit: int | None = None
    usage: int | None = None


class TokenPair(View, frozen=True):
    """A session's tokens."""

    session: str
    access_token: str
    refresh_token: str
    expires_in_seconds: int


class WantedFactor(View, frozen=True):
    """A second factor is asked for."""

    challenge: str
    methods: tuple[str, ...]
    passkey_options: dict[str, Any] | None


class SignInAnswer(View, frozen=True):
    """Either of them."""

    tokens: TokenPair | None = None
    second_factor: WantedFactor | None = None


class SessionView(View, frozen=True):
    """A session, as its owner sees it."""

    session: str
    opened_at_ns: int
    used_at_ns: int
    address: str
    agent: str
    methods: tuple[str, ...]
    is_this_one: bool


class PasskeyView(View, frozen=True):
    """A passkey; its id is hexadecimal."""

    credential: str
    label: str
    added_at_ns: int


class ApiKeyView(View, frozen=True):
    """A key, without what it signs with."""

    key_id: str
    label: str
    kind: str
    permissions: tuple[str, ...]
    addresses: tuple[str, ...]
    created_at_ns: int
    expires_at_ns: int


class CreatedApiKey(View, frozen=True):
    """A key that was just made; ``secret`` (HMAC) is shown this once."""

    key: ApiKeyView
    secret: str


class Me(View, frozen=True):
    """What a person sees of its own account."""

    person: str
    email: str
    roles: tuple[str, ...]
    methods: tuple[str, ...]
    passkeys: tuple[PasskeyView, ...]
    has_totp: bool
    recovery_codes_left: int
    anti_phishing_code: str
    withdrawals_held_until_ns: int
    created_at_ns: int


class PersonView(View, frozen=True):
    """What staff sees of somebody's account."""

    person: str
    email: str
    status: str
    roles: tuple[str, ...]
    has_second_factor: bool
    sessions: int
    api_keys: int
    withdrawals_held_until_ns: int
    created_at_ns: int


class NoteView(View, frozen=True):
    """A line of the security record."""

    activity: str
    time_ns: int
    address: str
    detail: str


class TotpOffer(View, frozen=True):
    """A secret for an authenticator app."""

    secret: str
    uri: str


class PasskeyChallenge(View, frozen=True):
    """What to give back with the browser's answer, and what to give the browser."""

    challenge: str
    options: dict[str, Any]


class RecoveryCodes(View, frozen=True):
    """Recovery codes, shown this once; empty when there were some already."""

    recovery_codes: list[str]


class StepUpGrant(View, frozen=True):
    """Goes into the header ``Rialto-Step-Up`` of the one request that it is for."""

    grant: str
    expires_in_seconds: int


class KeySet(View, frozen=True):
    """The public keys of access tokens (RFC 7517)."""

    keys: list[dict[str, str]]


def refusal(refused: Refused) -> Refusal:
    """View a refusal."""
    return Refusal(
        code=refused.code.value,
        name=refused.code.name,
        said=refused.said,
        limit=refused.limit,
        usage=refused.usage,
    )


def tokens(pair: Tokens) -> TokenPair:
    """View a pair of tokens."""
    return TokenPair(
        session=pair.sid,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in_seconds=pair.expires_in_seconds,
    )


def sign_in(answer: Tokens | FactorWanted) -> SignInAnswer:
    """View what came of a password."""
    if isinstance(answer, Tokens):
        return SignInAnswer(tokens=tokens(answer))
    return SignInAnswer(
        second_factor=WantedFactor(
            challenge=answer.challenge,
            methods=answer.methods,
            passkey_options=answer.passkey_options,
        )
    )


def me(person: Person) -> Me:
    """View one's own account."""
    return Me(
        person=person.person_id,
        email=person.email,
        roles=person.roles,
        methods=methods_of(person),
        passkeys=tuple(_passkey(each) for each in person.passkeys),
        has_totp=person.totp is not None,
        recovery_codes_left=len(person.recovery_codes),
        anti_phishing_code=person.anti_phishing_code,
        withdrawals_held_until_ns=person.held_until_ns,
        created_at_ns=person.created_at_ns,
    )


def somebody(person: Person) -> PersonView:
    """View another's account."""
    return PersonView(
        person=person.person_id,
        email=person.email,
        status=person.status,
        roles=person.roles,
        has_second_factor=person.has_second_factor,
        sessions=len(person.sessions),
        api_keys=len(person.api_keys),
        withdrawals_held_until_ns=person.held_until_ns,
        created_at_ns=person.created_at_ns,
    )


def session(found: Session, *, this: str) -> SessionView:
    """View a session."""
    return SessionView(
        session=found.sid,
        opened_at_ns=found.opened_at_ns,
        used_at_ns=found.used_at_ns,
        address=found.address,
        agent=found.agent,
        methods=found.methods,
        is_this_one=found.sid == this,
    )


def api_key(key: ApiKey) -> ApiKeyView:
    """View a key."""
    return ApiKeyView(
        key_id=key.key_id,
        label=key.label,
        kind=key.kind,
        permissions=key.permissions,
        addresses=key.addresses,
        created_at_ns=key.created_at_ns,
        expires_at_ns=key.expires_at_ns,
    )


def note(line: Note) -> NoteView:
    """View a line of the record."""
    return NoteView(
        activity=line.activity, time_ns=line.time_ns, address=line.address, detail=line.detail
    )


def _passkey(passkey: Passkey) -> PasskeyView:
    return PasskeyView(
        credential=passkey.credential.hex(),
        label=passkey.label,
        added_at_ns=passkey.added_at_ns,
    )
