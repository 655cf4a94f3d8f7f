"""Bytes of anybody's to the text of a FIX value, and a client's text to a part of a sentence.

What stands in a record's text fields may come from another channel, another principal or a newer
program, and the record may be on the log because those bytes were wrong. A byte above 127 must
not stop the gateway, and a delimiter (SOH) must not become a tag of its own in a firm's reports.
"""

import re

_SHOWN_MAX = 24
_UNPRINTABLE = re.compile(r"[^ -~]")
_PRINTABLE = bytes(byte if 0x20 <= byte < 0x7F else ord("?") for byte in range(256))


def safe_text(field: bytes) -> str:
    """Read a zero-padded field as printable ASCII, with a question mark for anything else."""
    return field.rstrip(b"\0").translate(_PRINTABLE).decode("ascii")


def printable(text: str) -> str:
    """Write a question mark for what is not printable ASCII."""
    return _UNPRINTABLE.sub("?", text)


def shown(text: str) -> str:
    """Cut and clean a client's value for a sentence."""
    clean = printable(text)
    return clean if len(clean) <= _SHOWN_MAX else clean[: _SHOWN_MAX - 2] + ".."
