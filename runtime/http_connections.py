"""What HTTP connections may take: a time for each request, and no more than their share.

Without these, whoever opens connections and says nothing, or a byte now and then, has them all.
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.networks import network_of


def bounded_protocol(
    *,
    seconds_max: float,
    connections_max: int,
    per_network_max: int,
    quick_head_bytes_max: int = 0,
) -> type[asyncio.Protocol]:
    """Make the protocol of a server whose connections are bounded.

    Args:
        seconds_max: from a connection's beginning, or an answer, to the end of the next answer.
        connections_max: connections at a time; a further one takes the place of one that keeps
            the server waiting, if there is one.
        per_network_max: connections of one network at a time; a further one is cut.
        quick_head_bytes_max: above zero, HTTP is read by httptools, with so many bytes of a
            request before its body; else by h11, whose own bound holds.
    """
    taken = Room(seconds_max, connections_max, per_network_max)

    class OfOneServer(BoundedProtocol, H11Protocol):
        room = taken

    class OfOneQuickServer(QuickProtocol):
        room = taken
        head_bytes_max = quick_head_bytes_max

    return OfOneQuickServer if quick_head_bytes_max else OfOneServer


class Room:
    """The open connections of one server, the one whose present request is oldest first."""

    def __init__(self, seconds_max: float, connections_max: int, per_network_max: int) -> None:
        self.seconds_max = seconds_max
        self._connections_max = connections_max
        self._per_network_max = per_network_max
        self._by_network: Counter[str] = Counter()
        self._open: dict[BoundedProtocol, None] = {}

    def take(self, connection: "BoundedProtocol") -> bool:
        """Take a connection in, for another's place if need be; False if it has to go."""
        if self._by_network[connection.network] >= self._per_network_max:
            return False
        if len(self._open) >= self._connections_max:
            self._cut_one()
        self._by_network[connection.network] += 1
        self._open[connection] = None
        return True

    def put_last(self, connection: "BoundedProtocol") -> None:
        """Note that a connection begins another request."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def give_back(self, connection: "BoundedProtocol") -> None:
        """Forget a connection, if it was taken in."""
        if connection in self._open:
            del self._open[connection]
            self._by_network[connection.network] -= 1
            if not self._by_network[connection.network]:
                del self._by_network[connection.network]

    def _cut_one(self) -> None:
        """Cut who keeps us waiting longest, of the network that has most connections."""
        waiting = [each for each in self._open if each.keeps_waiting]
        if waiting:
            max(waiting, key=lambda each: self._by_network[each.network]).cut()


class BoundedProtocol(asyncio.Protocol):
    """HTTP/1.1 with a deadline, in a room; mixed into a protocol of uvicorn's."""

    room: ClassVar[Room]
    network = ""
    # Of uvicorn's protocols, whichever it is.
    client: tuple[str, int] | None
    connections: set[Any]
    cycle: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _deadline: asyncio.TimerHandle | None = None

    @property
    def keeps_waiting(self) -> bool:
        """Whether it is the client's turn: there is no request yet, or not all of it."""
        cycle = self.cycle
        return bool(cycle is None or cycle.response_complete or cycle.more_body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the first request's time, if there is room."""
        super().connection_made(transport)
        self.network = network_of(self.client[0] if self.client is not None else "")
        if self.room.take(self):
            self._begin()
        else:
            self.cut()

    def on_response_complete(self) -> None:
        """Begin the next request's time."""
        self.room.put_last(self)
        self._begin()
        super().on_response_complete()  # type: ignore[misc]  # both of uvicorn's have it

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._leave()
        super().connection_lost(exc)

    def cut(self) -> None:
        """End the connection; it counts no more from now, not from the loop's next turn."""
        self._leave()
        self.connections.discard(self)
        self.transport.abort()

    def _begin(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(self.room.seconds_max, self.transport.abort)

    def _leave(self) -> None:
        self._stop_clock()
        self.room.give_back(self)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class QuickProtocol(BoundedProtocol, HttpToolsProtocol):
    """A bounded connection whose HTTP is read by httptools, which knows no bound of its own."""

    head_bytes_max: ClassVar[int]
    _head_bytes = 0
    """Of a head; of a body, bytes since there was any of it: trailers, and lengths of chunks."""
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request whose head, or whose trailers do not end in time is cut."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.head_bytes_max:
            self.cut()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one behind the body, a trailer, is of no use to anybody here."""
        if self._is_in_head:
            super().on_header(name, value)
        else:
            self.cut()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which others bound."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End to count it."""
        self._is_in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to count what comes after this request."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_complete()
