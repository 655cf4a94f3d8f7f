"""The rolling hash: what the venue published, in 32 bytes.

H(k) = SHA-256(H(k-1) | XXH3-128 of every event of commands (k-1) x interval + 1 to k x interval),
and H(0) = SHA-256 of the venue's UUID. It does not depend on how commands were batched. A check
between boundaries shows the running hash and changes nothing.

What it finds is an engine that answers otherwise than the venue did, which nobody does on
purpose; SHA-256 over the events themselves took as long as matching. Who may have changed the
commands is asked of the segments' own chain.
"""

import hashlib
import struct
from typing import NamedTuple

import xxhash

CHECK = struct.Struct("<QQQ32s")


class Check(NamedTuple):
    """The rolling hash after a command, as it stands in the journal."""

    sequence: int
    event_number: int
    interval: int
    digest: bytes

    def pack(self) -> bytes:
        """Return the payload of a CHECK frame."""
        return CHECK.pack(*self)

    @classmethod
    def unpack(cls, payload: bytes) -> "Check":
        """Read the payload of a CHECK frame."""
        return cls._make(CHECK.unpack(payload))


class RollingHash:
    """The running hash of one venue's events."""

    def __init__(self, interval: int, *, venue: bytes) -> None:
        """Begin a new venue's."""
        self.interval = interval
        self.sequence = 0
        self.boundary: Check | None = None
        """The check at the last boundary that was passed, or begun at."""
        self.event_number = 0
        self._previous = hashlib.sha256(venue).digest()
        self._events = xxhash.xxh3_128()

    def restore(self, check: Check) -> None:
        """Go on from a boundary."""
        assert check.sequence % check.interval == 0, check
        self.interval = check.interval
        self.sequence, self.event_number = check.sequence, check.event_number
        self.boundary = check
        self._begin_after(check)

    def left(self) -> int:
        """Return how many commands fit before the next boundary; a batch never crosses one."""
        return self.interval - self.sequence % self.interval

    def add(self, events: bytes, *, sequence: int, event_number: int) -> Check | None:
        """Add the events of the commands through ``sequence``; return the check at a boundary."""
        assert self.sequence < sequence <= self.sequence + self.left(), sequence
        self._events.update(events)
        self.sequence, self.event_number = sequence, event_number
        if sequence % self.interval:
            return None
        self.boundary = check = self.check()
        self._begin_after(check)
        return check

    def check(self) -> Check:
        """Return the hash as it stands."""
        digest = hashlib.sha256(self._previous + self._events.digest()).digest()
        return Check(self.sequence, self.event_number, self.interval, digest)

    def _begin_after(self, check: Check) -> None:
        self._previous = check.digest
        self._events.reset()
