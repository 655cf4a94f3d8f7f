"""How much a client may ask: counted in windows of the clock, as Binance counts it."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from retail_gateway.refusals import OVERLOADED, DoorCode, Refusal, door_refusal
from retail_gateway.settings import Limits
from retail_gateway.signing import Proven
from runtime.networks import network_of

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
BAN_SECONDS_MAX: Final = 3 * 86_400


class Window(NamedTuple):
    """A bound: so much of something in each ``seconds`` of the clock."""

    kind: str
    letter: str
    """The interval as the headers write it: 1M, 10S."""
    interval: str
    interval_number: int
    seconds: int
    limit: int


NO_ROOM: Final = 1 << 62
"""A count above every limit, of a subject that is not counted."""


class Counters(Protocol):
    """Counts by subject and window, for all who serve the same clients."""

    async def add(self, window: Window, subject: str, amount: int, now_ns: int) -> int:
        """Add to a subject's count in the present window, and return it.

        Returns:
            ``NO_ROOM`` when there is no room to count another subject.
        """
        ...

    async def count(self, window: Window, subject: str, now_ns: int) -> int:
        """Return a subject's count in the present window."""
        ...

    async def ban(self, subject: str, seconds_first: int, now_ns: int) -> int:
        """Ban a subject, twice as long as the last time if that was within a day.

        Returns:
            Until when.
        """
        ...

    async def banned_until(self, subject: str, now_ns: int) -> int:
        """Return until when a subject is banned; zero if it is not."""
        ...


class MemoryCounters:
    """Counts of one process."""

    def __init__(self, subjects_max: int) -> None:
        self._subjects_max = subjects_max
        self._counts: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}
        self._bans: dict[str, tuple[int, int]] = {}

    async def add(self, window: Window, subject: str, amount: int, now_ns: int) -> int:
        """See ``Counters.add``."""
        counts = self._present(window, now_ns)
        if subject not in counts and len(counts) >= self._subjects_max:
            return NO_ROOM
        counts[subject] = used = counts.get(subject, 0) + amount
        return used

    async def count(self, window: Window, subject: str, now_ns: int) -> int:
        """See ``Counters.count``."""
        return self._present(window, now_ns).get(subject, 0)

    def _present(self, window: Window, now_ns: int) -> dict[str, int]:
        number = now_ns // (window.seconds * _SECOND_NS)
        key = window.kind, window.letter
        at, counts = self._counts.get(key, (-1, {}))
        if at != number:
            counts = {}
            self._counts[key] = number, counts
        return counts

    async def ban(self, subject: str, seconds_first: int, now_ns: int) -> int:
        """See ``Counters.ban``."""
        if len(self._bans) >= self._subjects_max:
            # The oldest goes: to look through all of them at each ban would be an attack.
            del self._bans[next(iter(self._bans))]
        until_ns, seconds = self._bans.get(subject, (0, 0))
        is_again = until_ns and now_ns < until_ns + _DAY_NS
        seconds = min(2 * seconds, BAN_SECONDS_MAX) if is_again else seconds_first
        self._bans.pop(subject, None)
        self._bans[subject] = now_ns + seconds * _SECOND_NS, seconds
        return now_ns + seconds * _SECOND_NS

    async def banned_until(self, subject: str, now_ns: int) -> int:
        """See ``Counters.banned_until``."""
        until_ns, _ = self._bans.get(subject, (0, 0))
        return until_ns if until_ns > now_ns else 0


@dataclass(slots=True)
class Usage:
    """What the headers of an answer say."""

    weight: int = 0
    orders: tuple[tuple[str, int], ...] = ()
    proven: Proven | None = None
    """Who asked, by a signature that is let go when nothing was done."""


class Allowances:
    """Lets requests and orders in, as many as the operator allows."""

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self.weight = Window("REQUEST_WEIGHT", "1M", "MINUTE", 1, 60, limits.weight_per_minute)
        self.raw = Window("RAW_REQUESTS", "5M", "MINUTE", 5, 300, limits.requests_per_five_minutes)
        self.orders = (
            Window("ORDERS", "10S", "SECOND", 10, 10, limits.orders_per_ten_seconds),
            Window("ORDERS", "1D", "DAY", 1, 86_400, limits.orders_per_day),
        )
        self._ignored = Window("IGNORED", "1M", "MINUTE", 1, 60, limits.ignored_max)

    async def admit(self, address: str, weight: int, now_ns: int, usage: Usage) -> Refusal | None:
        """Count a request of an address; a refusal if it is one too many."""
        counters, address = self._counters, network_of(address)
        until_ns = await counters.banned_until(address, now_ns)
        if until_ns:
            return _banned(until_ns, now_ns)
        usage.weight = await counters.add(self.weight, address, weight, now_ns)
        requests = await counters.add(self.raw, address, 1, now_ns)
        if usage.weight <= self.weight.limit and requests <= self.raw.limit:
            return None
        if NO_ROOM in (usage.weight, requests):
            usage.weight = 0
            return OVERLOADED  # of one who did nothing: others have filled the place
        if await counters.add(self._ignored, address, 1, now_ns) > self._ignored.limit:
            return _banned(await counters.ban(address, self._limits.ban_seconds, now_ns), now_ns)
        is_weight = usage.weight > self.weight.limit
        over, used = (self.weight, usage.weight) if is_weight else (self.raw, requests)
        return door_refusal(
            DoorCode.WEIGHT_EXCEEDED,
            -1003,
            f"Too much request weight used; current limit is {over.limit} "
            f"{over.kind} per {over.interval_number} {over.interval}. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            limit=over.limit,
            usage=used,
            retry_after=_left(over, now_ns),
        )

    async def admit_orders(
        self, account: int, count: int, now_ns: int, usage: Usage
    ) -> Refusal | None:
        """Count new orders of an account; a refusal if they are too many."""
        refused, used = None, []
        for window in self.orders:
            orders = await self._counters.add(window, str(account), count, now_ns)
            used.append((window.letter, orders))
            if orders > window.limit and refused is None:
                refused = door_refusal(
                    DoorCode.ORDER_COUNT_EXCEEDED,
                    -1015,
                    f"Too many new orders; current limit is {window.limit} orders "
                    f"per {window.interval_number} {window.interval}.",
                    status=429,
                    limit=window.limit,
                    usage=orders,
                    retry_after=_left(window, now_ns),
                )
        usage.orders = tuple(used)
        return refused

    async def order_counts(self, account: int, now_ns: int) -> list[tuple[Window, int]]:
        """Return how many orders an account has placed in each window."""
        return [
            (window, await self._counters.count(window, str(account), now_ns))
            for window in self.orders
        ]


def _left(window: Window, now_ns: int) -> int:
    """Return how many seconds of a window are left, rounded up."""
    length = window.seconds * _SECOND_NS
    return -(-(length - now_ns % length) // _SECOND_NS)


def _banned(until_ns: int, now_ns: int) -> Refusal:
    return door_refusal(
        DoorCode.ADDRESS_BANNED,
        -1003,
        f"Way too much request weight used; IP banned until {until_ns // 1_000_000}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        retry_after=-(-(until_ns - now_ns) // _SECOND_NS),
    )
