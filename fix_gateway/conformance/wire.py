"""FIX messages as a judge of conformance reads and writes them.

Nothing here comes from the gateway's own translation or the guard's framing, so that an error of
theirs is not judged by itself.

Errors:
    BrokenStreamError: bytes that are no whole, well-summed FIX messages.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

SOH = "\x01"
ADMINISTRATIVE = frozenset(["0", "1", "2", "3", "4", "5", "A"])
_HEADER = frozenset(
    [
        "8",
        "9",
        "35",
        "49",
        "56",
        "34",
        "52",
        "43",
        "97",
        "122",
        "50",
        "57",
        "115",
        "128",
        "129",
        "1128",
    ]
)
_SECRET = frozenset(["96", "553", "554"])
_BEGIN = re.compile(rb"8=(FIX\.4\.4|FIXT\.1\.1)\x019=([1-9][0-9]{0,5})\x01")
_BEGIN_BYTES_MAX = 24
_TRAILER = re.compile(rb"10=([0-9]{3})\x01")
_TRAILER_BYTES = 7

Pairs = Sequence[tuple[str, str]]


class BrokenStreamError(Exception):
    """The other side sent bytes that are no FIX messages; the text says what was wrong."""


@dataclass(frozen=True)
class Message:
    """A whole message: its fields in their order, from BeginString to CheckSum."""

    fields: tuple[tuple[str, str], ...]

    @cached_property
    def _first(self) -> dict[str, str]:
        return dict(reversed(self.fields))

    def __getitem__(self, tag: str) -> str:
        """Return a field's first value; empty when it is not there."""
        return self._first.get(tag, "")

    def __contains__(self, tag: object) -> bool:
        """Say whether a field is there."""
        return tag in self._first

    def all(self, tag: str) -> list[str]:
        """Return every value of a field that may stand in a group."""
        return [value for each, value in self.fields if each == tag]

    @property
    def kind(self) -> str:
        """MsgType (35)."""
        return self["35"]

    @property
    def number(self) -> int:
        """MsgSeqNum (34); zero when there is none."""
        text = self["34"]
        return int(text) if text.isascii() and text.isdecimal() else 0

    @property
    def is_again(self) -> bool:
        """Whether it is marked as sent before (43=Y)."""
        return self["43"] == "Y"

    @property
    def is_administrative(self) -> bool:
        """Whether it is the session's own."""
        return self.kind in ADMINISTRATIVE

    @property
    def data(self) -> bytes:
        """The message's bytes."""
        return "".join(f"{tag}={value}{SOH}" for tag, value in self.fields).encode("latin-1")

    def __str__(self) -> str:
        """Write it for people: ``|`` for SOH, and no proof."""
        return "".join(f"{tag}={'...' if tag in _SECRET else value}|" for tag, value in self.fields)


class Reader:
    """Cuts a byte stream into messages, checking each BodyLength and CheckSum."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes as they came, and return the messages that are whole now.

        Raises:
            BrokenStreamError: as the module says.
        """
        self._rest += data
        found = []
        while (end := _end(self._rest)) is not None:
            found.append(parsed(self._rest[:end]))
            self._rest = self._rest[end:]
        return found


def parsed(data: bytes) -> Message:
    """Read one whole message, without checking it."""
    texts = data.decode("latin-1").removesuffix(SOH).split(SOH)
    pairs = [text.partition("=") for text in texts]
    return Message(tuple((tag, value) for tag, _, value in pairs))


def _end(data: bytes) -> int | None:
    head = _BEGIN.match(data)
    if head is None:
        if len(data) >= _BEGIN_BYTES_MAX:
            raise BrokenStreamError(f"no message begins with {data[:_BEGIN_BYTES_MAX]!r}")
        return None
    end = head.end() + int(head[2]) + _TRAILER_BYTES
    if len(data) < end:
        return None
    trailer = _TRAILER.fullmatch(data, end - _TRAILER_BYTES, end)
    if trailer is None:
        raise BrokenStreamError(f"BodyLength is wrong: {data[:end]!r}")
    if int(trailer[1]) != sum(data[: end - _TRAILER_BYTES]) % 256:
        raise BrokenStreamError(f"CheckSum is wrong: {data[:end]!r}")
    return end


def encoded(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Make a message of fields: BodyLength and CheckSum are computed where they say ``#``.

    The header's fields come first, the others in the order that they are given in.
    """
    given = list(pairs)
    ordered = [pair for pair in given if pair[0] in _HEADER]
    ordered += [pair for pair in given if pair[0] not in _HEADER and pair[0] != "10"]
    ordered += [pair for pair in given if pair[0] == "10"]
    return in_order(ordered)


def in_order(pairs: Pairs) -> bytes:
    """Do as ``encoded`` does, and leave every field where it stands."""
    lengths = [at for at, (tag, _) in enumerate(pairs) if tag == "9"]
    texts = [f"{tag}={value}{SOH}" for tag, value in pairs]
    for at in lengths:
        if pairs[at][1] == "#":
            size = sum(map(len, texts[at + 1 :])) - sum(
                len(text) for text, (tag, _) in zip(texts, pairs, strict=True) if tag == "10"
            )
            texts[at] = f"9={size}{SOH}"
    data = b""
    for (tag, value), text in zip(pairs, texts, strict=True):
        if (tag, value) == ("10", "#"):
            data += b"10=%03d\x01" % (sum(data) % 256)
        else:
            data += text.encode("latin-1")
    return data


def timestamp(time_ns: int) -> str:
    """Write nanoseconds since the epoch as UTCTimestamp with milliseconds."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y%m%d-%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}"


def time_ns(text: str) -> int | None:
    """Read a UTCTimestamp of seconds and up to nine digits of them; None when it is none."""
    whole, _, rest = text.partition(".")
    try:
        moment = datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    if rest and not (rest.isascii() and rest.isdecimal() and len(rest) <= 9):
        return None
    return int(moment.timestamp()) * 1_000_000_000 + int(rest.ljust(9, "0") or 0)
