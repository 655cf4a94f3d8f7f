"""How many connections a server has open, and whose turn it is to go when there are too many."""

from collections import Counter
from typing import Final, Protocol

SPARE_CONNECTIONS: Final = 4
"""Above the bound, and answered all the same: for when every connection has a request in hand."""


class Occupant(Protocol):
    """A connection, as the room sees it."""

    network: str
    """What is counted together; see ``runtime.networks``."""

    @property
    def keeps_waiting(self) -> bool:
        """Whether it is the client's turn: there is no request yet, or not all of it."""
        ...

    def cut(self) -> None:
        """End the connection; it gives its place back at once."""
        ...


class Room:
    """The open connections of one server, the one whose present request is oldest first."""

    def __init__(self, seconds_max: float, connections_max: int, per_network_max: int) -> None:
        """Begin empty.

        Args:
            seconds_max: for a connection since it was taken in, or put last.
            connections_max: connections at a time; a further one takes the place of one that keeps
                the server waiting, if there is one.
            per_network_max: connections of one network at a time; a further one is cut.
        """
        self.seconds_max = seconds_max
        self._connections_max = connections_max
        self._per_network_max = per_network_max
        self._by_network: Counter[str] = Counter()
        self._open: dict[Occupant, float] = {}

    @property
    def is_overfull(self) -> bool:
        """Whether more are open than are answered: all of them have a request in hand."""
        return len(self._open) > self._connections_max + SPARE_CONNECTIONS

    def occupants(self) -> tuple[Occupant, ...]:
        """Return the open connections."""
        return tuple(self._open)

    def take(self, connection: Occupant, now: float) -> bool:
        """Take a connection in, for another's place if need be; False if it has to go."""
        if self._by_network[connection.network] >= self._per_network_max:
            return False
        if len(self._open) >= self._connections_max:
            self._cut_one()
        self._by_network[connection.network] += 1
        self._open[connection] = now
        return True

    def put_last(self, connection: Occupant, now: float) -> None:
        """Note that a connection's time begins again."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = now

    def give_back(self, connection: Occupant) -> None:
        """Forget a connection, if it was taken in."""
        if connection in self._open:
            del self._open[connection]
            self._by_network[connection.network] -= 1
            if not self._by_network[connection.network]:
                del self._by_network[connection.network]

    def cut_overdue(self, now: float) -> None:
        """Cut whose time is over."""
        while self._open:
            connection, began = next(iter(self._open.items()))
            if now - began < self.seconds_max:
                return
            connection.cut()
            self.give_back(connection)

    def _cut_one(self) -> None:
        """Cut who keeps us waiting longest, of the network that has most connections."""
        waiting = [each for each in self._open if each.keeps_waiting]
        if waiting:
            max(waiting, key=lambda each: self._by_network[each.network]).cut()
