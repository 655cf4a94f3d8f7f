"""What requests bring. A field that is not here is refused, so none of ours can be set."""

from typing import Annotated, Any

import msgspec

from services.accounts.second_factor import Proof
from services.accounts.step_up import DETAILS_LENGTH_MAX
from services.accounts.terms import KeyKind, Permission, Purpose, Role

Email = Annotated[str, msgspec.Meta(max_length=320)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
Token = Annotated[str, msgspec.Meta(max_length=256)]
Grant = Annotated[str, msgspec.Meta(max_length=64)]
Code = Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Words = Annotated[str, msgspec.Meta(max_length=32, pattern="^[A-Za-z0-9 _-]*$")]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a request."""


class Registration(Body, frozen=True):
    """``POST /registration``."""

    email: Email
    password: Password


class Verification(Body, frozen=True):
    """``POST /registration/verify``."""

    token: Token
    password: Password


class SigningIn(Body, frozen=True):
    """``POST /sign-in``."""

    email: Email
    password: Password


class SecondFactor(Body, frozen=True):
    """``POST /sign-in/second-factor``."""

    challenge: Token
    proof: Proof


class Refreshing(Body, frozen=True):
    """``POST /refresh``."""

    refresh_token: Token


class Recovery(Body, frozen=True):
    """``POST /recovery``."""

    email: Email


class RecoveryCompletion(Body, frozen=True):
    """``POST /recovery/complete``."""

    token: Token
    password: Password
    proof: Proof | None = None


class SteppingUp(Body, frozen=True):
    """``POST /step-up``."""

    purpose: Purpose
    proof: Proof
    details: Annotated[str, msgspec.Meta(max_length=DETAILS_LENGTH_MAX)] = ""
    challenge: Token = ""


class NewPassword(Body, frozen=True):
    """``PUT /password``."""

    password: Password


class TotpCode(Body, frozen=True):
    """``POST /factors/totp/confirm``."""

    code: Code


class NewPasskey(Body, frozen=True):
    """``POST /factors/passkeys``."""

    challenge: Token
    label: Label
    credential: dict[str, Any]


class AntiPhishingCode(Body, frozen=True):
    """``PUT /me/anti-phishing-code``."""

    code: Words


class NewApiKey(Body, frozen=True):
    """``POST /api-keys``."""

    label: Label
    kind: KeyKind
    permissions: Annotated[tuple[Permission, ...], msgspec.Meta(max_length=3)]
    seconds: Annotated[int, msgspec.Meta(ge=60, le=86_400 * 400)]
    addresses: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=64)], ...], msgspec.Meta(max_length=100)
    ] = ()
    public_key: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Roles(Body, frozen=True):
    """``PUT /people/{person}/roles``."""

    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1, max_length=3)]
