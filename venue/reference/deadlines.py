"""What falls due without any other command, earliest first.

Equal stamps are served in a stated order: orders expire before graces end, and those before
phases do, quotes before the requests that they answer, and frozen protection groups thaw last;
then by number.
"""

from __future__ import annotations

from typing import Final

from sortedcontainers import SortedList

ORDER_EXPIRY: Final = 1
SESSION_GRACE: Final = 2
PHASE_END: Final = 3
INDICATIVE_PRICE: Final = 4
RFQ_QUOTE_END: Final = 15
QUOTE_REQUEST_END: Final = 16
PROTECTION_THAW: Final = 50


class Deadlines:
    """A queue of (stamp, kind, number of the order, session, instrument, request or group)."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: SortedList[tuple[int, int, int]] = SortedList()

    def add(self, at_ns: int, kind: int, number: int) -> None:
        """Let something fall due."""
        self._due.add((at_ns, kind, number))

    def remove(self, at_ns: int, kind: int, number: int) -> None:
        """Take back what was added."""
        self._due.remove((at_ns, kind, number))

    def next_at_ns(self) -> int:
        """Return the earliest stamp, 0 for none."""
        return self._due[0][0] if self._due else 0

    def pop_due(self, now_ns: int) -> tuple[int, int, int] | None:
        """Take out the first entry that is due at or before ``now_ns``."""
        if self._due and self._due[0][0] <= now_ns:
            entry: tuple[int, int, int] = self._due.pop(0)
            return entry
        return None
