"""One payload on its way to readers: framed once in each form, and shared by all who get it."""

import struct
from typing import Final

import msgspec

from messages.market_data import Delivery, DepthUpdate, merge

_TEXT: Final = 0x81
"""The first byte of an unfragmented text frame: RFC 6455, section 5.2."""
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 0xFFFF

_updates = msgspec.json.Decoder(DepthUpdate)


def text_frame(payload: bytes) -> bytes:
    """Frame a text as a server does: in one frame, without a mask."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return bytes((_TEXT, size)) + payload
    if size <= _MEDIUM_MAX:
        return struct.pack(">BBH", _TEXT, 126, size) + payload
    return struct.pack(">BBQ", _TEXT, 127, size) + payload


class Message:
    """A payload of a stream, under the name that its readers call it."""

    __slots__ = ("_combined", "_raw", "delivery", "key", "name", "payload")

    def __init__(
        self, delivery: Delivery, name: str, payload: bytes, *, key: str | None = None
    ) -> None:
        """Take a payload; it is framed when somebody wants it.

        Args:
            delivery: what may be done for a slow reader.
            name: the stream's, as it was asked for; empty for an answer to a request.
            payload: JSON.
            key: which older payloads it stands for; the stream's by default.
        """
        self.delivery = delivery
        self.name = name
        self.payload = payload
        self.key = name if key is None else key
        self._raw = b""
        self._combined = b""

    @property
    def raw(self) -> bytes:
        """The frame of the payload as it is."""
        if not self._raw:
            self._raw = text_frame(self.payload)
        return self._raw

    @property
    def combined(self) -> bytes:
        """The frame of the payload with its stream's name, where it is of one."""
        if not self.name:
            return self.raw
        if not self._combined:
            self._combined = text_frame(
                b'{"stream":"%b","data":%b}' % (self.name.encode("ascii"), self.payload)
            )
        return self._combined


def merged(messages: list[Message]) -> Message:
    """Make one message of several of one DELTA stream, in order.

    What lies before a gap is left out: a reader that meets the gap begins anew from a snapshot,
    and must not be told that there was none.
    """
    first = messages[0]
    if len(messages) == 1:
        return first
    update = _updates.decode(first.payload)
    for message in messages[1:]:
        later = _updates.decode(message.payload)
        update = merge(update, later) if update.u + 1 == later.U else later
    return Message(Delivery.DELTA, first.name, msgspec.json.encode(update), key=first.key)
