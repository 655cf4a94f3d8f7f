"""How many connections there are, of whom, and how often they come: no clock, no socket."""

from collections import Counter

from retail_gateway.streams.refusals import Reason, Refusal
from retail_gateway.streams.settings import Limits
from runtime.networks import network_of


class Room:
    """Counts connections by address; of IPv6, by network."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._knocking: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._attempts: dict[str, tuple[float, int]] = {}
        self.knocking = 0
        self.inside = 0

    def knock(self, address: str) -> bool:
        """Count a connection that has not said what it wants; False if it has to go."""
        network = network_of(address)
        if (
            self.knocking >= self._limits.handshakes_max
            or self._knocking[network] >= self._limits.handshakes_per_address_max
        ):
            return False
        self._knocking[network] += 1
        self.knocking += 1
        return True

    def go(self, address: str) -> None:
        """Count it no more."""
        self.knocking -= 1
        _less(self._knocking, network_of(address))

    def judge(self, address: str, now: float) -> Refusal | None:
        """Count an attempt, and say why it cannot come in."""
        network, limits = network_of(address), self._limits
        attempts = self._attempt(network, now)
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
