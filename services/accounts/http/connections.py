"""What one connection may take: a time for each request, and company from its network.

Without these, whoever opens connections and says nothing, or a byte now and then, has them all.
"""

import asyncio
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.accounts.sessions import Visitor


def bounded_protocol(*, seconds_max: float, per_network_max: int) -> type[H11Protocol]:
    """Make the protocol of a server whose connections are bounded.

    Args:
        seconds_max: from a connection's beginning, or an answer, to the end of the next answer.
        per_network_max: connections of one network at a time; a further one is cut.
    """
    open_connections: Counter[str] = Counter()

    class BoundedProtocol(H11Protocol):
        """HTTP/1.1 with a deadline."""

        _network = ""
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Begin the first request's time, unless the network has enough connections."""
            super().connection_made(transport)
            host = self.client[0] if self.client is not None else ""
            self._network = Visitor(address=host, agent="").network
            open_connections[self._network] += 1
            if open_connections[self._network] > per_network_max:
                transport.abort()
                return
            self._begin()

        def on_response_complete(self) -> None:
            """Begin the next request's time."""
            self._begin()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            """Make room."""
            if self._deadline is not None:
                self._deadline.cancel()
            open_connections[self._network] -= 1
            if not open_connections[self._network]:
                del open_connections[self._network]
            super().connection_lost(exc)

        def _begin(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = self.loop.call_later(seconds_max, self.transport.abort)

    return BoundedProtocol
