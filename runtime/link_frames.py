"""The frames of a link between the core and another process: bytes in, frames out, no I/O.

A frame is a 32-bit little-endian length of what follows, one byte of type, and a payload.
Payloads that are rare are msgpack structs; the hot ones are raw records. ``docs/protocols/feed.md``
describes the conversation.
"""

import hmac
import struct
from enum import IntEnum
from typing import NamedTuple

import msgspec

PROTOCOL = 1
"""The version of this protocol; both ends must speak the same."""

FRAME_SIZE_MAX = 4 * 1024 * 1024
"""What the core accepts unless configured otherwise, in bytes of payload."""

EVENTS_SIZE_MAX = 256 * 1024 * 1024
"""What a client accepts: all events of one command come in one frame, a whole auction's too."""

EVENTS_DATA_MAX = EVENTS_SIZE_MAX - 16
"""How many bytes of records fit beside the two numbers of an EVENTS frame."""

NONCE_SIZE = 32

_HEAD = struct.Struct("<IB")
_NUMBER = struct.Struct("<Q")
_EVENTS_HEAD = struct.Struct("<QQ")
_WORTH_A_PART = 8192
"""What is smaller is sooner copied than sent as a part of its own."""
_EVENTS_FRAME_HEAD = struct.Struct("<IBQQ")
_REFUSAL = struct.Struct("<IIQHH4x")


class FrameType(IntEnum):
    """What a frame carries, and who sends it."""

    CHALLENGE = 1  # core: Challenge
    HELLO = 2  # client: Hello
    WELCOME = 3  # core: Welcome
    BYE = 4  # either: Bye, then the connection is closed
    COMMANDS = 5  # client: command records with zero sequence and time
    REFUSED = 6  # core: refusals of commands that were not sequenced
    READ = 7  # client: the event number after which the feed begins
    EVENTS = 8  # core: first and last event number, event records
    QUERY = 9  # client: Query
    ANSWER = 10  # core: Answer
    PING = 11  # core: empty
    PONG = 12  # client: empty, the answer to PING


class ByeCode(IntEnum):
    """Why a connection was closed."""

    STOPPING = 1
    PROTOCOL_ERROR = 2
    NOT_AUTHENTICATED = 3
    TOO_MANY_CONNECTIONS = 4
    AHEAD_OF_VENUE = 5
    TOO_SLOW = 6
    CLOSED = 7
    HISTORY_DAMAGED = 8
    UNKNOWN_QUERY = 9


class FrameError(ValueError):
    """Bytes that are not a frame of this protocol; the sender's fault."""


class Challenge(msgspec.Struct, frozen=True, array_like=True):
    """The core's first word: who it is, and what to sign."""

    venue: bytes
    nonce: bytes
    protocol: int = PROTOCOL


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The client's first word: who it is, and the proof (see ``proof_of``)."""

    principal: str
    proof: bytes
    protocol: int = PROTOCOL


class SourcePosition(NamedTuple):
    """The last thing of a source that the engine has taken."""

    source: int
    epoch: int
    source_sequence: int


class Welcome(msgspec.Struct, frozen=True, array_like=True):
    """The client is known. Positions say where each of its sources stands."""

    venue: bytes
    principal: int
    last_event: int
    positions: list[SourcePosition]


class Bye(msgspec.Struct, frozen=True, array_like=True):
    """The sender closes the connection, and says why."""

    code: int
    text: str


class Query(msgspec.Struct, frozen=True, array_like=True):
    """Ask for ``what``; the answer carries the same id.

    ``numbers`` say of what, where a question needs it: an account and the like.
    """

    id: int
    what: str
    numbers: tuple[int, ...] = ()


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What was asked, as it stood after ``sequence`` and ``event_number``; durable like an event.

    A long answer comes in several frames, all but the last with ``more``.
    """

    id: int
    event_number: int
    sequence: int
    payload: bytes
    more: bool = False


class Refusal(NamedTuple):
    """A command that was refused before it was sequenced; it never happened."""

    source: int
    epoch: int
    source_sequence: int
    code: int
    kind: int


class EventBatch(NamedTuple):
    """Event records ``first`` to ``last``, without gaps, always whole commands."""

    first: int
    last: int
    data: bytes


class UnixAddress(NamedTuple):
    """A Unix socket."""

    path: str


class TcpAddress(NamedTuple):
    """A TCP host and port."""

    host: str
    port: int


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """Read ``unix:/path`` or ``tcp:host:port``.

    Raises:
        ValueError: neither of the two.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest:
        return UnixAddress(rest)
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host and port.isascii() and port.isdigit() and int(port) < 65_536:
        return TcpAddress(host.strip("[]"), int(port))
    raise ValueError(f"not unix:/path or tcp:host:port: {text!r}")


def proof_of(token: bytes, *, nonce: bytes, principal: str) -> bytes:
    """Prove knowledge of ``token`` without sending it: HMAC-SHA256 over nonce and name."""
    return hmac.digest(token, nonce + principal.encode(), "sha256")


def frame(kind: FrameType, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return _HEAD.pack(1 + len(payload), kind) + payload


def struct_frame(kind: FrameType, value: msgspec.Struct) -> bytes:
    """Return the bytes of one frame with a msgpack payload."""
    return frame(kind, msgspec.msgpack.encode(value))


def read_frame(after: int) -> bytes:
    """Return a READ frame."""
    return frame(FrameType.READ, _NUMBER.pack(after))


def events_frame(batch: EventBatch) -> tuple[bytes, ...]:
    """Return an EVENTS frame, in parts: many records are not copied to be sent."""
    length = 1 + _EVENTS_HEAD.size + len(batch.data)
    head = _EVENTS_FRAME_HEAD.pack(length, FrameType.EVENTS, batch.first, batch.last)
    if len(batch.data) < _WORTH_A_PART:
        return (head + batch.data,)
    return head, batch.data


def parse_read(payload: bytes | memoryview) -> int:
    """Return the event number of a READ frame's payload."""
    if len(payload) != _NUMBER.size:
        raise FrameError(f"READ of {len(payload)} bytes")
    (after,) = _NUMBER.unpack(payload)
    return int(after)


def parse_events(payload: bytes | memoryview) -> EventBatch:
    """Return the batch in an EVENTS frame's payload, as bytes of its own."""
    if len(payload) < _EVENTS_HEAD.size:
        raise FrameError(f"EVENTS of {len(payload)} bytes")
    first, last = _EVENTS_HEAD.unpack_from(payload)
    return EventBatch(first, last, bytes(payload[_EVENTS_HEAD.size :]))


def parse_refusals(payload: bytes | memoryview) -> list[Refusal]:
    """Return the refusals in a REFUSED frame's payload."""
    if len(payload) % _REFUSAL.size:
        raise FrameError(f"REFUSED of {len(payload)} bytes")
    return [Refusal._make(fields) for fields in _REFUSAL.iter_unpack(payload)]


class FrameReader:
    """Cuts a stream of bytes into frames; holds at most one unfinished frame.

    Payloads are views of what arrived, and bytes are copied only where one frame comes in
    several parts: whoever keeps a payload copies it.
    """

    def __init__(self, payload_max: int = FRAME_SIZE_MAX) -> None:
        self._length_max = payload_max + 1
        self._rest = bytearray()
        """The beginning of a frame."""
        self._size = 0
        """How long that frame is, once its head is there."""

    def allow(self, payload_max: int) -> None:
        """Accept payloads of another size from here on."""
        self._length_max = payload_max + 1

    def feed(self, data: bytes) -> list[tuple[FrameType, memoryview]]:
        """Take what arrived and return the frames that are now whole.

        Raises:
            FrameError: an unknown type, or a length of zero or above the limit, which is
                refused before any of it is kept.
        """
        frames: list[tuple[FrameType, memoryview]] = []
        source = memoryview(data)
        offset, end = self._complete(source, frames) if self._rest else 0, len(data)
        while end - offset >= _HEAD.size:
            size = self._frame_size(source, offset)
            if size > end - offset:
                self._size = size
                break
            frames.append(_frame_in(source[offset : offset + size]))
            offset += size
        self._rest += source[offset:]
        return frames

    def _complete(self, data: memoryview, frames: list[tuple[FrameType, memoryview]]) -> int:
        """Go on with the unfinished frame; return how much of ``data`` belongs to it."""
        rest, taken = self._rest, 0
        if not self._size:
            taken = min(_HEAD.size - len(rest), len(data))
            rest += data[:taken]
            if len(rest) < _HEAD.size:
                return taken
            self._size = self._frame_size(rest, 0)
        part = data[taken : taken + self._size - len(rest)]
        rest += part
        if len(rest) == self._size:
            frames.append(_frame_in(memoryview(rest)))
            self._rest, self._size = bytearray(), 0
        return taken + len(part)

    def _frame_size(self, source: bytearray | memoryview, offset: int) -> int:
        length, kind = _HEAD.unpack_from(source, offset)
        if not 1 <= length <= self._length_max:
            raise FrameError(f"frame of {length} bytes, limit {self._length_max}")
        if kind not in _KNOWN_TYPES:
            raise FrameError(f"unknown frame type {kind}")
        return _LENGTH_SIZE + int(length)


def _frame_in(whole: memoryview) -> tuple[FrameType, memoryview]:
    return _KNOWN_TYPES[whole[_LENGTH_SIZE]], whole[_HEAD.size :]


_LENGTH_SIZE = 4
_KNOWN_TYPES = {kind.value: kind for kind in FrameType}
