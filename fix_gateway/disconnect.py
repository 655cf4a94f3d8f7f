"""What a Logon may choose for the end of its connection: 8013 and 5070.

A session's file says what holds without a word of the client's, and how far a Logon may depart
from it. What was chosen travels to the core with the opening of the connection.
"""

import re
from dataclasses import dataclass

from fix_gateway.settings import CancelMode, SessionFile
from fix_gateway.translation import tags
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.reasons import code_name
from messages.trading.codes import RejectCode
from messages.trading.terms import CancelOnDisconnect

_MODES: dict[str, CancelMode] = {
    tags.CANCEL_ON_DISCONNECT_NONE: "none",
    tags.CANCEL_ON_DISCONNECT_SESSION: "session",
    tags.CANCEL_ON_DISCONNECT_ACCOUNT: "account",
}
VALUE_OF = {mode: value for value, mode in _MODES.items()}
_SECONDS = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class DisconnectTerms:
    """Which orders go with a lost connection, and after how many seconds."""

    mode: CancelMode
    grace_seconds: int

    @property
    def number(self) -> CancelOnDisconnect:
        """The mode as the core knows it."""
        return CancelOnDisconnect[self.mode.upper()]

    @property
    def grace_ns(self) -> int:
        """The grace as the core knows it."""
        return self.grace_seconds * _NANOSECONDS


def default_terms(file: SessionFile) -> DisconnectTerms:
    """Return what holds for a connection whose Logon says nothing."""
    return DisconnectTerms(file.cancel_on_disconnect, file.disconnect_grace_seconds)


def choose_terms(fields: Fields, file: SessionFile) -> DisconnectTerms | str | None:
    """Read what a Logon chooses.

    Returns:
        The terms; None when it chooses nothing; or why it may not have what it asks for.
    """
    mode_text = fields.get(tags.CANCEL_ON_DISCONNECT)
    grace_text = fields.get(tags.DISCONNECT_GRACE_PERIOD)
    if mode_text is None and grace_text is None:
        return None
    default = default_terms(file)
    mode = default.mode if mode_text is None else _MODES.get(mode_text)
    if mode is None or mode not in (default.mode, *file.cancel_choices):
        allowed = ", ".join(
            value for value, each in _MODES.items() if each in (default.mode, *file.cancel_choices)
        )
        name = code_name(RejectCode.GATEWAY_DISCONNECT_MODE_NOT_ALLOWED)
        return f"{name} (1080): CancelOnDisconnect (8013) is {mode_text}, may be {allowed}"
    grace = default.grace_seconds
    if grace_text is not None:
        grace = int(grace_text) if _SECONDS.fullmatch(grace_text) else -1
    if not 0 <= grace <= file.grace_seconds_max:
        name = code_name(RejectCode.GATEWAY_DISCONNECT_GRACE_NOT_ALLOWED)
        return (
            f"{name} (1081): DisconnectGracePeriod (5070) is {grace_text}, "
            f"may be 0 to {file.grace_seconds_max} seconds"
        )
    return DisconnectTerms(mode, grace)


def answered_terms(terms: DisconnectTerms) -> dict[int, str]:
    """Return what our Logon says of the terms that hold for the connection."""
    return {8013: VALUE_OF[terms.mode], 5070: str(terms.grace_seconds)}
