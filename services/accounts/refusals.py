"""Every refusal of the accounts service: a stable number, and words that give nothing away."""

from enum import IntEnum

import msgspec


class RefusalCode(IntEnum):
    """The numbers; docs/accounts.md says what to do about each."""

    CREDENTIALS_INVALID = 1200
    TOO_MANY_ATTEMPTS = 1201
    TOKEN_INVALID = 1202
    SESSION_ENDED = 1203
    STEP_UP_MISSING = 1204
    ROLE_MISSING = 1205
    NOT_FOUND = 1206
    REQUEST_INVALID = 1207
    PASSWORD_TOO_WEAK = 1208
    PASSWORD_BREACHED = 1209
    FACTOR_NOT_READY = 1210
    LIMIT_REACHED = 1211
    SIGNATURE_INVALID = 1212
    ADDRESS_NOT_ALLOWED = 1213
    PERMISSION_MISSING = 1214
    FROZEN = 1215
    BUSY = 1216
    VALUE_INVALID = 1217
    HELD = 1218


class Refused(msgspec.Struct, frozen=True):
    """An answer that says no, with the limit and its usage where there is one."""

    code: RefusalCode
    said: str
    limit: int | None = None
    usage: int | None = None


CREDENTIALS_INVALID = Refused(
    RefusalCode.CREDENTIALS_INVALID, "what was given does not match an account"
)
"""One text for a wrong password, an unknown address and a registration never confirmed."""

TOKEN_INVALID = Refused(RefusalCode.TOKEN_INVALID, "the token is not valid, or not any more")
SESSION_ENDED = Refused(RefusalCode.SESSION_ENDED, "the session has ended: sign in again")
NOT_FOUND = Refused(RefusalCode.NOT_FOUND, "there is no such thing of yours")
FROZEN = Refused(RefusalCode.FROZEN, "the account is frozen; support can say why")
ROLE_MISSING = Refused(RefusalCode.ROLE_MISSING, "your roles do not allow this")
STEP_UP_MISSING = Refused(
    RefusalCode.STEP_UP_MISSING, "this needs a fresh proof made for it: see step-up"
)


def limit_reached(what: str, *, limit: int, usage: int) -> Refused:
    """Say that there is no room for one more."""
    return Refused(RefusalCode.LIMIT_REACHED, f"{what}: {usage} of {limit} are there", limit, usage)
