"""Every refusal of the operators' API, by number (1100 to 1111, beside the venue's own codes)."""

from enum import IntEnum


class AdminCode(IntEnum):
    """Why a request was refused before, or instead of, becoming a command."""

    SIGNATURE_INVALID = 1100
    """Nobody, or not who is named, signed this. One code, so that nobody learns who there is."""
    REQUEST_STALE = 1101
    REQUEST_REPEATED = 1102
    ROLE_MISSING = 1103
    BODY_INVALID = 1104
    PATH_UNKNOWN = 1105
    PROPOSAL_NOT_OPEN = 1106
    SECOND_OPERATOR_MISSING = 1107
    BUSY = 1108
    IMPOSSIBLE = 1109
    """What is named is not there, or cannot be so; the text says what."""
    VENUE_NOT_SIGNED = 1110
    """Signed in the first version, which named no venue and held at every one."""
    VENUE_FOREIGN = 1111
    """Signed for another venue."""


class AdminRefusedError(Exception):
    """A request was refused; the text is for who asked."""

    def __init__(self, code: AdminCode, text: str) -> None:
        super().__init__(f"{text} ({code.name} {code.value})")
        self.code = code
        self.text = text
