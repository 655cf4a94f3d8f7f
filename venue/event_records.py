"""What the venue needs to know of event records: their numbers and lengths, nothing else."""

import struct

_LENGTH = struct.Struct("<H")
_NUMBER = struct.Struct("<Q")
_NUMBER_OFFSET = 8


def first_number(events: bytes) -> int:
    """Return the number of the first record."""
    return int(_NUMBER.unpack_from(events, _NUMBER_OFFSET)[0])


def split_after(events: bytes, number: int) -> int:
    """Return the offset of the first record whose number is above ``number``."""
    offset = 0
    while offset < len(events):
        if _NUMBER.unpack_from(events, offset + _NUMBER_OFFSET)[0] > number:
            return offset
        (length,) = _LENGTH.unpack_from(events, offset)
        assert length > 0, f"event record without length at byte {offset}"
        offset += length
    return offset
