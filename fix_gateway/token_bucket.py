"""A limit of so many in so long, in whole nanoseconds."""


class TokenBucket:
    """Holds up to ``burst`` tokens and gains them evenly; time is the caller's."""

    __slots__ = ("_full_at_ns", "_room_ns", "burst", "interval_ns")

    def __init__(self, *, burst: int, interval_ns: int) -> None:
        """Begin full.

        Args:
            burst: tokens at most.
            interval_ns: until one more is there; zero for no limit.
        """
        self.burst = burst
        self.interval_ns = interval_ns
        self._room_ns = burst * interval_ns
        self._full_at_ns = 0

    def take(self, now_ns: int, count: int = 1) -> bool:
        """Take tokens; False, and nothing taken, when there are too few."""
        full_at = max(self._full_at_ns, now_ns) + count * self.interval_ns
        if full_at - now_ns > self._room_ns:
            return False
        self._full_at_ns = full_at
        return True

    def spend(self, now_ns: int, count: int) -> int:
        """Take tokens, also those that are not there yet.

        Returns:
            Nanoseconds until the debt is paid; zero when there is none.
        """
        self._full_at_ns = max(self._full_at_ns, now_ns) + count * self.interval_ns
        return max(0, self._full_at_ns - now_ns - self._room_ns)

    def available(self, now_ns: int) -> int:
        """Return how many tokens are there; of a bucket that has a limit."""
        owed_ns = max(0, self._full_at_ns - now_ns)
        return (self._room_ns - owed_ns) // self.interval_ns

    def wait_ns(self, now_ns: int) -> int:
        """Return how long until one token is there."""
        full_at = max(self._full_at_ns, now_ns) + self.interval_ns
        return max(0, full_at - now_ns - self._room_ns)
