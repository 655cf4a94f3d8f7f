"""Follows a chain of lines without reading it from the beginning again and again.

What was checked once is kept as a few places, one in each stretch of the file. So new lines cost
what they are, a line is found from the place before it, and ``look_back`` checks one stretch of
the old ones at a time, in turn: what somebody changed there is found when its turn comes.
"""

import threading
from collections.abc import Iterator
from typing import Final

from runtime.chained_lines import BEGINNING, ChainBrokenError, ChainedLines, Head, Line

STRETCH_BYTES: Final = 1 << 20


class ChainCursor:
    """How far one process has checked a chain. Any of its threads may ask."""

    def __init__(self, lines: ChainedLines, *, stretch_bytes: int = STRETCH_BYTES) -> None:
        self._lines = lines
        self._stretch_bytes = stretch_bytes
        self._marks = [BEGINNING]
        self._end = BEGINNING
        self._next = 0
        self._lock = threading.Lock()

    def advance(self) -> Head:
        """Check the lines that are new; return the head of the chain.

        Raises:
            ChainBrokenError: one does not fit, or what was checked before is not there any more.
        """
        with self._lock:
            for _, place in self._lines.read_after(self._end):
                self._end = place
                if place.offset - self._marks[-1].offset >= self._stretch_bytes:
                    self._marks.append(place)
            return self._end.head

    def look_back(self) -> int:
        """Check the next stretch of what was checked before; return how many bytes that were.

        Raises:
            ChainBrokenError: it is not as it was.
        """
        with self._lock:
            at = self._next % len(self._marks)
            self._next = at + 1
            start = self._marks[at]
            end = self._marks[at + 1] if at + 1 < len(self._marks) else self._end
            place = start
            for _, place in self._lines.read_after(start):
                if place.offset >= end.offset:
                    break
            if end.offset and place != end:
                raise ChainBrokenError(
                    self._lines.path, end.head.number, "not as it was; it was checked before"
                )
            return end.offset - start.offset

    def read(self, *, after: int) -> Iterator[Line]:
        """Yield the lines behind a number, checked from the place before it.

        Raises:
            ChainBrokenError: at the first line that does not fit.
        """
        with self._lock:
            start = next(mark for mark in reversed(self._marks) if mark.head.number <= after)
        for line, _ in self._lines.read_after(start):
            if line.number > after:
                yield line
