"""FIX messages on a byte stream: where one ends, whether it is whole, and how one is made.

Errors:
    GarbledError: bytes that are no message; ``is_fatal`` where skipping them would not help.
"""

import zlib
from typing import Protocol

SOH = 0x01
BEGIN_STRINGS = (b"FIX.4.4", b"FIXT.1.1")
"""What a session may begin its messages with: FIX 4.4, and the transport of FIX 5.0."""

_HEADS = tuple(b"8=%b\x019=" % begin_string for begin_string in BEGIN_STRINGS)
_BEGIN_BYTES_MAX = 20
_LENGTH_DIGITS_MAX = 6
_TRAILER_BYTES = 7  # 10=nnn and its end
_BODY_BYTES_MIN = 5  # 35=x and its end
_CHUNK = 256


class GarbledError(Exception):
    """Bytes that are no FIX message; the text says why, for the log and the client."""

    def __init__(self, text: str, *, is_fatal: bool = False) -> None:
        super().__init__(text)
        self.is_fatal = is_fatal


def read_frame(data: bytes, at: int, *, bytes_max: int) -> tuple[int, int] | None:
    """Find the message that begins at an offset, and check its length and checksum.

    Nothing is taken on trust: BodyLength is read as one to six digits without sign or leading
    zero, and a message above the limit is refused before its bytes have come.

    Args:
        data: bytes as they came.
        at: where a message has to begin.
        bytes_max: of a whole message.

    Returns:
        Offsets of its third field, which is MsgType, and of its end; None while it is not all
        there.

    Raises:
        GarbledError: as the module says.
    """
    found = _extent(data, at, bytes_max)
    if found is None:
        return None
    body, end = found
    if data[end - 4 : end - 1] != b"%03d" % (byte_sum(data, at, end - _TRAILER_BYTES) & 0xFF):
        raise GarbledError("the checksum is wrong")
    if not data.startswith(b"35=", body):
        raise GarbledError("MsgType is not the third field")
    return body, end


def read_trusted_frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Do as ``read_frame`` for bytes of QuickFIX's: what it sends is not summed again."""
    return _extent(data, at, 10**_LENGTH_DIGITS_MAX)


def next_begin(data: bytes, garbled_at: int) -> int:
    """Return where a message may begin after a garbled one; the end when none does yet.

    A rest that could be a beginning cut in two is kept.
    """
    found = data.find(b"\x018=FIX", garbled_at)
    if found >= 0:
        return found + 1
    for length in (5, 4, 3, 2, 1):
        if data.endswith(b"\x018=FIX"[:length]):
            return max(garbled_at + 1, len(data) - length + 1)
    return len(data)


def byte_sum(data: bytes, start: int, end: int) -> int:
    """Add up bytes, as CheckSum (10) does before it takes the remainder.

    Adler-32 adds them up in C; of 256 bytes the sum still fits its modulus.
    """
    view, total = memoryview(data), 0
    while start < end:
        stop = min(start + _CHUNK, end)
        total += zlib.adler32(view[start:stop], 0) & 0xFFFF
        start = stop
    return total


def frame(body: bytes, *, begin_string: bytes = BEGIN_STRINGS[0]) -> bytes:
    """Make a message of its fields from MsgType on, each ended by SOH."""
    text = b"8=%b\x019=%d\x01%b" % (begin_string, len(body), body)
    return b"%b10=%03d\x01" % (text, byte_sum(text, 0, len(text)) & 0xFF)


def begin_string_of(message: bytes) -> bytes:
    """Return what a framed message begins with."""
    return message[2 : message.index(b"\x01")]


def field_value(data: bytes, tag: bytes, start: int, end: int) -> bytes | None:
    """Return a field's value within a message; None where it is not.

    Args:
        data: holds the message.
        tag: with its separators, such as ``SOH 34=``.
        start: where to look from.
        end: of the message.
    """
    found = data.find(tag, start, end)
    if found < 0:
        return None
    found += len(tag)
    return data[found : data.find(b"\x01", found, end)]


def number_value(data: bytes, tag: bytes, start: int, end: int) -> int | None:
    """Return a field of one to eighteen digits as a number; None for anything else."""
    value = field_value(data, tag, start, end)
    if value is None or not value.isdigit() or len(value) > 18:
        return None
    return int(value)


def first_sent_number(data: bytes, start: int, end: int) -> int:
    """Return a message's number; zero if it is sent again, or has none."""
    if data.find(b"\x0143=Y\x01", start, end) >= 0:
        return 0
    return number_value(data, b"\x0134=", start, end) or 0


def resent_through(data: bytes, start: int, end: int) -> tuple[int, bool]:
    """Return the last number that a message sent again covers, and whether it only fills a gap.

    The number is zero of a message that is not sent again, or says none.
    """
    is_fill = data[start + 3] == ord("4")
    if data.find(b"\x0143=Y\x01", start, end) < 0:
        return 0, is_fill
    through = number_value(data, b"\x0136=" if is_fill else b"\x0134=", start, end) or 0
    return max(through - is_fill, 0), is_fill


class FieldLimits(Protocol):
    """How many fields a message may have, and how long each may be."""

    @property
    def fields_max(self) -> int:
        """The number of fields."""
        ...

    @property
    def field_bytes_max(self) -> int:
        """The length of one, with its tag."""
        ...


def check_fields(data: bytes, start: int, end: int, limits: FieldLimits) -> str:
    """Say what is wrong with the number and sizes of a message's fields; nothing if all is well."""
    if data.count(b"\x01", start, end) > limits.fields_max:
        return f"more than {limits.fields_max} fields"
    if end - start > limits.field_bytes_max:
        longest = max(map(len, data[start:end].split(b"\x01")))
        if longest > limits.field_bytes_max:
            return f"a field of {longest} bytes; at most {limits.field_bytes_max}"
    return ""


def checked_number(data: bytes, body: int, end: int, limits: FieldLimits) -> tuple[int, str]:
    """Return a live session's message's number; or zero, and what is wrong with the message."""
    wrong = check_fields(data, body, end, limits)
    number = number_value(data, b"\x0134=", body, end) or 0
    if not number:
        wrong = wrong or "MsgSeqNum (34) is missing or no number"
    wrong = wrong or missing_in_header(data, body, end)
    return (0, wrong) if wrong else (number, "")


def missing_in_header(data: bytes, start: int, end: int) -> str:
    """Say which field of the standard header a message lacks; nothing if all are there.

    QuickFIX answers that by a Reject, by a BusinessMessageReject or by hanging up without a word,
    depending on message and dialect.
    """
    if data.find(b"\x0149=", start, end) < 0:
        return "SenderCompID (49) is missing"
    if data.find(b"\x0156=", start, end) < 0:
        return "TargetCompID (56) is missing"
    if data.find(b"\x0152=", start, end) < 0:
        return "SendingTime (52) is missing"
    return ""


def _extent(data: bytes, at: int, bytes_max: int) -> tuple[int, int] | None:
    """Return where body and message begin and end, by BodyLength and trailer."""
    if data.startswith(_HEADS, at):
        digits = data.index(b"\x019=", at) + 3
    else:
        digits = _other_begin(data, at)
        if not digits:
            return None
    body = data.find(b"\x01", digits, digits + _LENGTH_DIGITS_MAX + 1) + 1
    text = data[digits : body - 1] if body else data[digits : digits + _LENGTH_DIGITS_MAX + 1]
    if text and not (text.isdigit() and text[0] != 0x30):
        raise GarbledError("BodyLength is no plain number")
    if not body:
        if len(text) > _LENGTH_DIGITS_MAX:
            raise GarbledError("BodyLength has too many digits", is_fatal=True)
        return None
    if not text:
        raise GarbledError("BodyLength is empty")
    length = int(text)
    end = body + length + _TRAILER_BYTES
    if end - at > bytes_max:
        raise GarbledError(f"a message of {end - at} bytes; at most {bytes_max}", is_fatal=True)
    if length < _BODY_BYTES_MIN:
        raise GarbledError("BodyLength is below that of any message")
    if len(data) < end:
        return None
    if (
        data[end - 8] != SOH
        or data[end - 1] != SOH
        or not data.startswith(b"10=", end - _TRAILER_BYTES)
        or not data[end - 4 : end - 1].isdigit()
    ):
        raise GarbledError("CheckSum does not stand where BodyLength says")
    return body, end


def _other_begin(data: bytes, at: int) -> int:
    """Return where BodyLength's digits begin after another BeginString; 0 while unknown."""
    have = data[at : at + _BEGIN_BYTES_MAX]
    if not b"8=".startswith(have[:2]):
        raise GarbledError("does not begin with BeginString")
    stop = have.find(b"\x01")
    if stop < 0:
        if len(have) == _BEGIN_BYTES_MAX:
            raise GarbledError("BeginString has no end")
        return 0
    following = data[at + stop + 1 : at + stop + 3]
    if not b"9=".startswith(following):
        raise GarbledError("BodyLength is not the second field")
    return at + stop + 3 if len(following) == 2 else 0
