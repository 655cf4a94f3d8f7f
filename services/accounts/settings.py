"""What the operator may set of accounts."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from runtime.toml import SettingsError

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400 * 400)]
Kibibytes = Annotated[int, msgspec.Meta(ge=64, le=4_194_304)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of one person, and of what strangers may ask."""

    sessions_max: Count = 16
    """Open sessions of a person; a further sign-in ends the one unused longest."""
    session_seconds_max: Seconds = 86_400
    session_idle_seconds_max: Seconds = 3_600
    access_seconds: Seconds = 300
    challenge_seconds: Seconds = 300
    challenges_max: Count = 8
    step_up_seconds: Seconds = 120
    grants_max: Count = 8
    verification_seconds: Seconds = 86_400
    recovery_seconds: Seconds = 1_800
    email_tokens_max: Count = 4
    hold_seconds: Seconds = 86_400
    passkeys_max: Count = 8
    api_keys_max: Count = 30
    api_key_addresses_max: Count = 30
    api_key_seconds_max: Seconds = 86_400 * 365
    devices_max: Count = 32
    failures_free: Count = 5
    """Of one e-mail address from one network, before waits begin."""
    failures_max: Count = 100
    """Of one e-mail address, or one person's second factor; then only recovery helps."""
    network_failures_free: Count = 50
    letters_free: Count = 3
    """Letters that strangers may have sent to one e-mail address, before waits begin."""
    errands_max: Count = 256
    """Registrations and recoveries that wait to be worked on; above, BUSY."""
    activity_shown_max: Count = 100


class Hashing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Argon2id (OWASP: 19 MiB, two passes), and how much of it at once."""

    memory_kibibytes: Kibibytes = 19_456
    passes: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    at_once_max: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    waiting_max: Count = 64


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the public door takes."""

    connections_max: Count = 512
    connections_per_network_max: Count = 64
    body_bytes_max: Count = 16_384
    header_bytes_max: Count = 16_384
    request_seconds_max: Seconds = 15
    """From a connection's beginning, or an answer, to the end of the next answer."""


class SmtpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The mail server; without a host, letters wait in the database."""

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    security: Annotated[str, msgspec.Meta(pattern="^(starttls|tls|none)$")] = "starttls"
    """``none`` is refused but on loopback."""
    user: str = ""
    password_file: str = ""
    sender: str = "accounts@localhost"
    seconds_max: Seconds = 20
    tries_max: Count = 20
    retry_seconds_first: Seconds = 60
    retry_seconds_max: Seconds = 3_600
    look_seconds: Annotated[float, msgspec.Meta(gt=0, le=3_600)] = 0.5
    """Between two looks for letters."""


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the service is told."""

    dsn: str
    site: str
    """The address people open, such as https://rialto.example: links and passkeys are of it."""
    issuer: str
    host: str
    port: int
    http: HttpSettings
    smtp: SmtpSettings
    limits: Limits
    hashing: Hashing


def check_site(site: str) -> str:
    """Return the host of the site that people use, which their passkeys are bound to.

    Raises:
        SettingsError: the site is no origin that browsers give passkeys to.
    """
    parts = urlsplit(site)
    is_secure = parts.scheme == "https" or parts.hostname == "localhost"
    if not parts.hostname or parts.path or parts.query or not is_secure:
        raise SettingsError(
            f"accounts.site: {site}: give an origin such as https://rialto.example, without a path"
        )
    return parts.hostname
