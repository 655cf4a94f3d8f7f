"""How many connections there are, of whom, and how often they come: no clock, no socket.

Who knocks is let in for a moment, whoever knocks already: where there is no room for one more, the
oldest of the network with the most goes. A handshake takes an honest client a moment, so one that
has had more time than all others of its network is the one to end; and whoever fills the room with
silence ends their own.
"""

from collections import Counter
from typing import Final

from retail_gateway.streams.ports import Guest
from retail_gateway.streams.refusals import Reason, Refusal
from retail_gateway.streams.settings import Limits
from runtime.networks import network_of

_TIMES_TOO_MANY: Final = 2
"""From so many times the attempts on, a connection is dropped before anything is read of it."""


class Room:
    """Counts connections by address; of IPv6, by network."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._knocking: dict[str, dict[Guest, None]] = {}
        self._inside: Counter[str] = Counter()
        self._attempts: dict[str, tuple[float, int]] = {}
        self.knocking = 0
        self.inside = 0

    def knock(self, guest: Guest, now: float) -> Guest | None:
        """Count an attempt, and a connection that has not said what it wants.

        Returns:
            Who has to go: another that makes room, the guest itself when its network begins far
            too many connections, or nobody.
        """
        network, limits = network_of(guest.address), self._limits
        if self._attempt(network, now) > _TIMES_TOO_MANY * limits.attempts_per_address_max:
            return guest
        leaving = None
        if len(self._knocking.get(network, ())) >= limits.handshakes_per_address_max:
            leaving = self._oldest(network)
        elif self.knocking >= limits.handshakes_max:
            leaving = self._oldest(max(self._knocking, key=lambda each: len(self._knocking[each])))
        if leaving is not None:
            self.go(leaving)
        self._knocking.setdefault(network, {})[guest] = None
        self.knocking += 1
        return leaving

    def go(self, guest: Guest) -> None:
        """Count it no more; repeating it is harmless."""
        network = network_of(guest.address)
        guests = self._knocking.get(network, {})
        if guest in guests:
            del guests[guest]
            self.knocking -= 1
            if not guests:
                del self._knocking[network]

    def _oldest(self, network: str) -> Guest:
        return next(iter(self._knocking[network]))

    def judge(self, address: str) -> Refusal | None:
        """Say why a connection that has said what it wants cannot come in."""
        network, limits = network_of(address), self._limits
        _, attempts = self._attempts.get(network, (0.0, 0))
        if attempts > limits.attempts_per_address_max:
            return Refusal(
                Reason.TOO_MANY_ATTEMPTS,
                f"{attempts} connections of your address in {limits.attempts_seconds:g} s, "
                f"of {limits.attempts_per_address_max}",
            )
        if self._inside[network] >= limits.connections_per_address_max:
            return Refusal(
                Reason.TOO_MANY_OF_ADDRESS,
                f"{self._inside[network]} connections of your address are open, "
                f"of {limits.connections_per_address_max}",
            )
        if self.inside >= limits.connections_max:
            return Refusal(
                Reason.TOO_MANY_CONNECTIONS,
                f"{self.inside} connections are open, of {limits.connections_max}",
            )
        return None

    def enter(self, address: str) -> None:
        """Count a reader."""
        self._inside[network_of(address)] += 1
        self.inside += 1

    def leave(self, address: str) -> None:
        """Count it no more."""
        self.inside -= 1
        _less(self._inside, network_of(address))

    def _attempt(self, network: str, now: float) -> int:
        began, count = self._attempts.get(network, (now, 0))
        if now - began >= self._limits.attempts_seconds:
            # A new window goes to the end: windows stay in the order in which they began.
            del self._attempts[network]
            began, count = now, 0
        elif not count and len(self._attempts) >= self._limits.addresses_max:
            del self._attempts[next(iter(self._attempts))]
        self._attempts[network] = began, count + 1
        return count + 1


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
