"""Events that were read and are not yet in the database: a queue with a bound in bytes."""

import asyncio
from collections import deque

from settlement.ports import EventBatch


class Backlog:
    """One reader puts, one writer takes as much as fits one transaction."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._batches: deque[EventBatch] = deque()
        self._bytes = 0
        self._is_closed = False
        self._bytes_wanted = 1
        """From how many on the writer is woken."""
        self._changed = asyncio.Event()

    @property
    def bytes_pending(self) -> int:
        """How much is waiting."""
        return self._bytes

    async def put(self, batch: EventBatch) -> None:
        """Add a batch; waits while the queue is full, which leaves the rest with the core."""
        while self._bytes >= self._bytes_max and not self._is_closed:
            await self._change()
        self._batches.append(batch)
        self._bytes += len(batch.data)
        if self._bytes >= self._bytes_wanted:
            self._changed.set()

    async def gather(self, *, bytes_min: int, seconds: float) -> None:
        """Wait until so much is there, at most some seconds, and not when nothing more comes.

        Args:
            bytes_min: no more than the queue's bound.
            seconds: zero or more.
        """
        self._bytes_wanted = bytes_min
        try:
            async with asyncio.timeout(seconds):
                while self._bytes < bytes_min and not self._is_closed:
                    await self._change()
        except TimeoutError:
            pass
        finally:
            self._bytes_wanted = 1

    def close(self) -> None:
        """Say that nothing more comes, or that nothing more is wanted."""
        self._is_closed = True
        self._changed.set()

    async def take(self, *, events_max: int, bytes_max: int) -> list[EventBatch]:
        """Return what is there, one batch at least and no more than the bounds allow.

        Returns:
            Nothing only when the queue is closed and empty.
        """
        while not self._batches and not self._is_closed:
            await self._change()
        taken: list[EventBatch] = []
        events = size = 0
        while self._batches:
            following = self._batches[0]
            events += following.last - following.first + 1
            size += len(following.data)
            if taken and (events > events_max or size > bytes_max):
                break
            taken.append(self._batches.popleft())
            self._bytes -= len(following.data)
        self._changed.set()
        return taken

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
