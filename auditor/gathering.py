"""Events that were told and not yet looked at, put together."""

import asyncio

from auditor.ports import EventBatch


class Gathered:
    """What waits to be looked at, bounded.

    A busy core tells its events in many small batches. To look at each by itself, and into the
    journal every time, costs more than the events do.
    """

    def __init__(self, bytes_max: int) -> None:
        """Let about ``bytes_max`` wait; more waits with the core."""
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._last = 0
        self._size = 0
        self._is_over = False
        self._some = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._size

    async def put(self, batch: EventBatch) -> None:
        """Add a batch, once there is room."""
        while self._size >= self._bytes_max:
            self._room.clear()
            await self._room.wait()
        self._parts.append(batch.data)
        self._size += len(batch.data)
        self._last = batch.last
        self._some.set()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._is_over = True
        self._some.set()

    async def take(self) -> tuple[bytes, int] | None:
        """Return all that waits and its last event, once there is some; None when all is over."""
        await self._some.wait()
        if not self._parts:
            return None
        data, self._parts, self._size = b"".join(self._parts), [], 0
        if not self._is_over:
            self._some.clear()
        self._room.set()
        return data, self._last
