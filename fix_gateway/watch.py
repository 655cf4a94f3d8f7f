"""Finds in batches of events what the publisher has to look at.

Nearly all that happens on a venue concerns no session here. It is passed over in C++; what names
one of our sessions, or an account that one of them may hear of, is found, and so is everything
that is rare.
"""

from collections.abc import Collection, Iterator

from core import _native
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.interest import PLACES, interest_of
from messages.layout import RECORD_PREFIX
from messages.trading import events

_OF_THE_MARKET = (
    events.BookLevelChanged.KIND,
    events.IndicativePriceChanged.KIND,
    events.BalanceChanged.KIND,
)
"""Nobody is told of these, and every request of a session also causes another event."""


class Watch:
    """What concerns some sessions, by the rights of this moment."""

    def __init__(self, directory: Directory, sessions: Collection[int]) -> None:
        """Watch for sessions.

        Args:
            directory: learns from the same events, while they are looked at.
            sessions: their numbers, which may become more; ``renew`` says so.
        """
        self._directory = directory
        self._sessions = sessions
        self._filter = _native.EventFilter()
        for kind, (accounts, named) in PLACES.items():
            self._filter.look_by(kind, accounts=accounts, sessions=named)
        for kind in _OF_THE_MARKET:
            self._filter.look_by(kind, accounts=(), sessions=())
        self._edition = -1

    def renew(self) -> None:
        """Take note that there are other sessions than before."""
        self._edition = -1

    def found(self, data: bytes) -> Iterator[int]:
        """Yield where events stand in a batch, in order.

        Rights may change by an event that was yielded: what comes after it is found by the new
        ones.
        """
        end = 0
        while True:
            edition = self._want()
            for offset in self._filter.find(data, end):
                yield offset
                if self._directory.edition != edition:
                    length, _ = RECORD_PREFIX.unpack_from(data, offset)
                    end = offset + length
                    break
            else:
                return

    def _want(self) -> int:
        """Have found what the present rights let our sessions hear of; return the edition."""
        if self._edition != self._directory.edition:
            self._edition = self._directory.edition
            wanted = interest_of(self._sessions, self._directory)
            self._filter.want(accounts=tuple(wanted.accounts), sessions=tuple(wanted.sessions))
        return self._edition
