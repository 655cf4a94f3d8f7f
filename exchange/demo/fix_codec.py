"""FIX 4.4 messages on a byte stream, as a client sees them; simplefix reads and writes the fields.

This is the venue's independent voice: nothing here comes from ``fix_gateway``, so an error that
the gateway makes in both directions cannot hide behind shared code.
"""

import time
from collections.abc import Iterable
from typing import Final

from simplefix import FixMessage, FixParser

BEGIN_STRING: Final = b"FIX.4.4"
MESSAGE_BYTES_MAX: Final = 64 * 1024

Fields = dict[int, str]
"""A message's fields by tag; of a repeated tag the last one: groups alone repeat, unread here."""

_HEAD: Final = b"8=FIX.4.4\x019="
_TRAILER_BYTES: Final = 7  # 10=nnn and its end
_LENGTH_DIGITS_MAX: Final = 7


class MalformedStreamError(Exception):
    """The other side sent bytes that are not FIX 4.4 messages."""


class Framer:
    """Cuts a byte stream into whole messages, checking their length and checksum."""

    def __init__(self, message_bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came and return the messages that are now whole.

        Raises:
            MalformedStreamError: what came is not FIX 4.4, is too long, or was damaged.
        """
        self._buffer += data
        messages = []
        start = 0
        while (end := self._end_of_message(start)) is not None:
            messages.append(bytes(self._buffer[start:end]))
            start = end
        del self._buffer[:start]
        return messages

    def _end_of_message(self, start: int) -> int | None:
        buffer = self._buffer
        head = bytes(buffer[start : start + len(_HEAD)])
        if not _HEAD.startswith(head):
            raise MalformedStreamError(f"expected a FIX 4.4 message, found {head!r}")
        digits_at = start + len(_HEAD)
        body_at = buffer.find(b"\x01", digits_at, digits_at + _LENGTH_DIGITS_MAX + 1) + 1
        if body_at == 0:
            if len(buffer) > digits_at + _LENGTH_DIGITS_MAX:
                raise MalformedStreamError("BodyLength is not a number")
            return None
        digits = bytes(buffer[digits_at : body_at - 1])
        if not digits.isdigit():
            raise MalformedStreamError(f"BodyLength is not a number: {digits!r}")
        trailer_at = body_at + int(digits)
        end = trailer_at + _TRAILER_BYTES
        if end - start > self._message_bytes_max:
            raise MalformedStreamError(f"a message of {end - start} bytes is longer than allowed")
        if len(buffer) < end:
            return None
        expected = b"10=%03d\x01" % (sum(buffer[start:trailer_at]) % 256)
        if buffer[trailer_at:end] != expected:
            raise MalformedStreamError(f"checksum: expected {expected!r}")
        return end


class Decoder:
    """Reads whole messages into fields."""

    def __init__(self) -> None:
        self._parser = FixParser()

    def decode(self, message: bytes) -> Fields:
        """Return the fields of one whole message.

        Raises:
            MalformedStreamError: simplefix found no message in it.
        """
        self._parser.append_buffer(message)
        parsed = self._parser.get_message()
        if parsed is None:
            self._parser.reset()
            raise MalformedStreamError(f"not a message: {message!r}")
        return {int(tag): value.decode("latin-1") for tag, value in parsed}


def encode(
    message_type: str,
    fields: Iterable[tuple[int, str]],
    *,
    sender: str,
    target: str,
    number: int,
    sending_time: str,
    original_sending_time: str | None = None,
) -> bytes:
    """Write one message; one with ``original_sending_time`` is marked as a possible duplicate."""
    message = FixMessage()
    message.append_pair(8, BEGIN_STRING)
    message.append_pair(35, message_type)
    message.append_pair(34, number)
    if original_sending_time is not None:
        message.append_pair(43, "Y")
    message.append_pair(49, sender)
    message.append_pair(52, sending_time)
    message.append_pair(56, target)
    if original_sending_time is not None:
        message.append_pair(122, original_sending_time)
    for tag, value in fields:
        message.append_pair(tag, value)
    return message.encode()


def utc_timestamp(time_ns: int) -> str:
    """Write nanoseconds since the epoch as UTCTimestamp with milliseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    moment = time.gmtime(seconds)
    return time.strftime("%Y%m%d-%H:%M:%S", moment) + f".{rest // 1_000_000:03d}"
