"""Identifiers that more than one process derives, so that all derive the same."""

from messages.layout import padded_text
from messages.trading.terms import CLIENT_ID_LENGTH_MAX, Side

SOURCE_BITS = 20
"""A source number is its principal's number shifted left by this, plus the sub-source."""

NO_CLIENT_ID = bytes(40)


def client_id(text: str) -> bytes:
    """Encode a client's identifier.

    Raises:
        ValueError: not 1 to 36 printable ASCII characters.
    """
    if not 1 <= len(text) <= CLIENT_ID_LENGTH_MAX:
        raise ValueError(f"not 1 to {CLIENT_ID_LENGTH_MAX} characters: {text!r}")
    return padded_text(text, CLIENT_ID_LENGTH_MAX).ljust(40, b"\0")


def source_number(principal: int, sub_source: int) -> int:
    """Number a source: sessions are sub-sources of the gateway that carries them."""
    assert 0 < principal < 1 << (32 - SOURCE_BITS), principal
    assert 0 <= sub_source < 1 << SOURCE_BITS, sub_source
    return principal << SOURCE_BITS | sub_source


def principal_of(source: int) -> int:
    """Return the principal that a source belongs to."""
    return source >> SOURCE_BITS


def execution_id(event_number: int, side: int = 0) -> str:
    """Derive FIX ExecID (17) from the event, and from the side where one event reports both.

    A gateway that lost everything finds its place in the event log from the last one it sent.
    """
    return f"{event_number}{'BS'[side - 1]}" if side in (Side.BUY, Side.SELL) else f"{event_number}"


def event_number_of(execution: str) -> int:
    """Return the event number inside an ExecID.

    Raises:
        ValueError: not an ExecID of this venue.
    """
    return int(execution.removesuffix("B").removesuffix("S"))
