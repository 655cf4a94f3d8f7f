"""Who waits for whom in the plane, so that what is urgent waits for nothing that is not.

Ways into the core come in two lanes, one after the other in each, in the order in which they were
asked for. The record is written by two threads of its own, one for each lane: the loop's shared
threads may all be taken by whatever else is slow, and none of these ever waits for them.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec

from exchange.admin.ports import Venue, Venues
from exchange.admin.record import Entry, Record

EVENTS_PER_ENTRY_MAX: Final = 1000
"""An action that brought more about is on the record in as many entries as it takes."""


class QueuedVenues:
    """Ways into the core, of which each lane has one open at a time."""

    def __init__(self, venues: Venues) -> None:
        self._venues = venues
        self._lanes = {is_urgent: asyncio.Lock() for is_urgent in (False, True)}

    def __call__(self, *, is_urgent: bool) -> AbstractAsyncContextManager[Venue]:
        """See ``Venues``."""
        return self._open(is_urgent=is_urgent)

    @asynccontextmanager
    async def _open(self, *, is_urgent: bool) -> AsyncIterator[Venue]:
        async with self._lanes[is_urgent], self._venues(is_urgent=is_urgent) as venue:
            yield venue


class Scribe:
    """Writes entries of a record beside the loop."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._threads = {
            is_urgent: ThreadPoolExecutor(1, "record-urgent" if is_urgent else "record")
            for is_urgent in (False, True)
        }

    async def add(self, entry: Entry, *, is_urgent: bool) -> None:
        """Write an entry, durably.

        Raises:
            OSError, ChainBrokenError: as ``Record.add``.
        """
        loop, thread = asyncio.get_running_loop(), self._threads[is_urgent]
        for part in _parts(entry):
            await loop.run_in_executor(thread, self._record.add, part)


def _parts(entry: Entry) -> list[Entry]:
    """Divide an entry that names more events than a line holds."""
    starts = range(0, max(len(entry.events), 1), EVENTS_PER_ENTRY_MAX)
    return [
        msgspec.structs.replace(entry, events=entry.events[start : start + EVENTS_PER_ENTRY_MAX])
        for start in starts
    ]
