"""Where in many events those of a few kinds are."""

from collections.abc import Iterable

from core import _native
from messages.trading.events import EVENTS


class EventFinder:
    """Finds the events of some kinds, and sees that none at all is missing or cut short.

    What a follower does not read costs it a look at the record's head, in C++.
    """

    __slots__ = ("_finder",)

    def __init__(self, kinds: Iterable[int]) -> None:
        """Keep which kinds are wanted."""
        wanted = frozenset(kinds)
        assert wanted <= EVENTS.by_kind.keys(), wanted - EVENTS.by_kind.keys()
        self._finder = _native.EventFinder()
        for kind, record in EVENTS.by_kind.items():
            self._finder.know(kind, record.LENGTH, is_wanted=kind in wanted)

    def find(self, data: bytes, first: int) -> tuple[int, int, list[tuple[int, int]]]:
        """Look through events.

        Args:
            data: whole records.
            first: the number that the first one must have.

        Returns:
            The last event's number and stamp (``first - 1`` and zero when there is none), and
            kind and offset of each event that is wanted, in their order.

        Raises:
            ValueError: a gap, an unknown kind, a record that is cut short; the words say which.
        """
        return self._finder.find(data, first)
