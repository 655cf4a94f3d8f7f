"""A feed of events that are already in memory, for tests and benchmarks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple


class MemoryBatch(NamedTuple):
    """Event records ``first`` to ``last``."""

    first: int
    last: int
    data: bytes


class MemoryFeed:
    """Serves batches as they are and then waits; it cannot start in the middle of one."""

    def __init__(self, batches: Sequence[MemoryBatch], *, venue: bytes) -> None:
        self.venue: bytes | None = venue
        self.last_event: int | None = None
        self._batches = list(batches)
        self._more = asyncio.Event()

    def add(self, batch: MemoryBatch) -> None:
        """Let readers see one more batch."""
        self._batches.append(batch)
        self._more.set()

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
        """Yield the batches after ``after``, then those that are added, until asked to stop."""
        index = 0
        self.last_event = self._batches[-1].last if self._batches else 0
        stopping = asyncio.ensure_future(until.wait())
        try:
            while not stopping.done():
                if index < len(self._batches):
                    batch = self._batches[index]
                    index += 1
                    if batch.first > after:
                        yield batch
                    continue
                self._more.clear()
                added = asyncio.ensure_future(self._more.wait())
                await asyncio.wait((stopping, added), return_when=asyncio.FIRST_COMPLETED)
                added.cancel()
        finally:
            stopping.cancel()
