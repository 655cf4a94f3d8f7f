"""Parts of messages, with the sums of their bytes: one part may be in many messages.

CheckSum (10) is a sum, so a message is put together, length and sum included, without another
look at the part that it shares with the messages of other sessions.
"""

from typing import NamedTuple

from fix_gateway.guard.framing import byte_sum


class Piece(NamedTuple):
    """Whole fields, and the sum of their bytes."""

    data: bytes
    sum: int


def piece(text: str) -> Piece:
    """Make a part of whole fields, each ended by SOH."""
    data = text.encode("latin-1")  # what a client sent may be in it, byte for byte
    return Piece(data, byte_sum(data, 0, len(data)))


def assemble(begin: bytes, pieces: tuple[Piece, ...]) -> bytes:
    """Make a message.

    Args:
        begin: BeginString's value.
        pieces: from MsgType on.
    """
    length = total = 0
    for each in pieces:
        length += len(each.data)
        total += each.sum
    head = b"8=%b\x019=%d\x01" % (begin, length)
    parts = [head]
    parts += [each.data for each in pieces]
    parts.append(b"10=%03d\x01" % ((total + sum(head)) & 0xFF))
    return b"".join(parts)
