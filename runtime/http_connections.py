"""What HTTP connections may take: a time for each request, and no more than their share.

Without these, whoever opens connections and says nothing, or a byte now and then, has them all.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from runtime.connection_room import Room
from runtime.networks import network_of


def bounded_protocol(
    *, seconds_max: float, connections_max: int, per_network_max: int
) -> type[H11Protocol]:
    """Make the protocol of a server whose connections are bounded; see ``Room``."""
    taken = Room(seconds_max, connections_max, per_network_max)

    class OfOneServer(BoundedProtocol):
        room = taken

    return OfOneServer


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a deadline, in a room."""

    room: ClassVar[Room]
    network = ""
    # There is none before the first request, which uvicorn's types leave out.
    cycle: RequestResponseCycle | None  # type: ignore[assignment]
    _deadline: asyncio.TimerHandle | None = None

    @property
    def keeps_waiting(self) -> bool:
        """See ``Occupant``."""
        cycle = self.cycle
        return bool(cycle is None or cycle.response_complete or cycle.more_body)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the first request's time, if there is room."""
        super().connection_made(transport)
        self.network = network_of(self.client[0] if self.client is not None else "")
        if self.room.take(self, self.loop.time()):
            self._begin()
        else:
            self.cut()

    def on_response_complete(self) -> None:
        """Begin the next request's time."""
        self.room.put_last(self, self.loop.time())
        self._begin()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._leave()
        super().connection_lost(exc)

    def cut(self) -> None:
        """See ``Occupant``; it counts no more from now, not from the loop's next turn."""
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
