"""Bytes of anybody's to the text of a FIX value.

What stands in a record's text fields may come from another channel, another principal or a newer
program, and the record may be on the log because those bytes were wrong. A byte above 127 must
not stop the gateway, and a delimiter (SOH) must not become a tag of its own in a firm's reports.
"""

_PRINTABLE = bytes(byte if 0x20 <= byte < 0x7F else ord("?") for byte in range(256))


def safe_text(field: bytes) -> str:
    """Read a zero-padded field as printable ASCII, with a question mark for anything else."""
    return field.rstrip(b"\0").translate(_PRINTABLE).decode("ascii")
