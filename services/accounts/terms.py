"""The words of accounts: what a person may be, prove, and let a key do."""

from enum import StrEnum


class Status(StrEnum):
    """How far a registration has come, and whether it may be used."""

    UNVERIFIED = "unverified"
    ACTIVE = "active"
    FROZEN = "frozen"


class Role(StrEnum):
    """What a person may do to others' accounts. Nobody gives himself one."""

    CUSTOMER = "customer"
    SUPPORT = "support"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What an API key may do."""

    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


class KeyKind(StrEnum):
    """How an API key signs."""

    HMAC = "hmac-sha256"
    ED25519 = "ed25519"


class Purpose(StrEnum):
    """The dangerous actions: each needs a fresh proof made for it alone."""

    CHANGE_PASSWORD = "change_password"  # noqa: S105  # a purpose, no password
    MANAGE_FACTORS = "manage_factors"
    MANAGE_API_KEYS = "manage_api_keys"
    MANAGE_PEOPLE = "manage_people"
    WITHDRAW = "withdraw"


class Method(StrEnum):
    """How a person proved who it is."""

    PASSWORD = "password"  # noqa: S105  # a method, no password
    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


class Activity(StrEnum):
    """What a person's security record says."""

    REGISTERED = "registered"
    EMAIL_VERIFIED = "email_verified"
    SIGNED_IN = "signed_in"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    REFRESH_REPLAYED = "refresh_replayed"
    SESSION_ENDED = "session_ended"
    STEPPED_UP = "stepped_up"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # an activity, no password
    PASSWORD_RECOVERED = "password_recovered"  # noqa: S105  # an activity, no password
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    API_KEY_CREATED = "api_key_created"
    API_KEY_DELETED = "api_key_deleted"
    ANTI_PHISHING_CODE_SET = "anti_phishing_code_set"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    ROLES_CHANGED = "roles_changed"
