"""What waits for a reader that does not keep up: as little as it can be without saying less."""

from typing import Final

from messages.market_data import Delivery
from retail_gateway.streams.message import Message, merged

DELTA_PIECES_MAX: Final = 16
"""Updates of one book that wait one by one; then they become one, so that each is read once."""


class Backlog:
    """Messages in order, the newer in the place of the older where it says all that is left."""

    __slots__ = ("_bytes", "_bytes_max", "_count", "_waiting")

    def __init__(self, bytes_max: int) -> None:
        """Begin empty.

        Args:
            bytes_max: of payloads, so many may wait.
        """
        self._bytes_max = bytes_max
        self._bytes = 0
        self._count = 0
        self._waiting: dict[str | int, list[Message]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def is_overfull(self) -> bool:
        """Whether more waits than may."""
        return self._bytes > self._bytes_max

    @property
    def bytes(self) -> int:
        """How much waits, in bytes of payloads."""
        return self._bytes

    def put(self, message: Message) -> bool:
        """Add a message; False when too much waits, and the reader has to go."""
        if message.delivery is Delivery.EVERY:
            # What was to be shown before it of the same stream, a candle before its close, is past.
            self._drop(message.key)
            self._count += 1
            self._add(self._count, message)
        elif message.delivery is Delivery.LATEST:
            self._replace(message.key, [message])
        else:
            pieces = self._waiting.get(message.key, [])
            if len(pieces) >= DELTA_PIECES_MAX:
                self._replace(message.key, [merged(pieces)])
            self._add(message.key, message)
        if self._bytes > self._bytes_max:
            self._merge_all()
        return not self.is_overfull

    def take(self) -> Message | None:
        """Take what is next; None when nothing waits."""
        if not self._waiting:
            return None
        pieces = self._drop(next(iter(self._waiting)))
        return merged(pieces)

    def forget(self, name: str) -> None:
        """Drop what waits of a stream: its reader wants it no more."""
        gone = [key for key, pieces in self._waiting.items() if pieces[0].name == name]
        for key in gone:
            self._drop(key)

    def _merge_all(self) -> None:
        for key, pieces in self._waiting.items():
            if len(pieces) > 1:
                self._replace(key, [merged(pieces)])

    def _add(self, key: str | int, message: Message) -> None:
        self._waiting.setdefault(key, []).append(message)
        self._bytes += len(message.payload)

    def _replace(self, key: str | int, pieces: list[Message]) -> None:
        """Put pieces in the place of those that are there, so that their turn stays."""
        self._bytes -= _size(self._waiting.get(key, []))
        self._waiting[key] = pieces
        self._bytes += _size(pieces)

    def _drop(self, key: str | int) -> list[Message]:
        pieces = self._waiting.pop(key, [])
        self._bytes -= _size(pieces)
        return pieces


def _size(pieces: list[Message]) -> int:
    return sum(len(piece.payload) for piece in pieces)
