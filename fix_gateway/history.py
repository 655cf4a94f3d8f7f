"""The venue's events from a number on, read over a link of its own: one is open at a time.

The core serves it from memory or from the event log's files, at the reader's pace.
"""

from collections.abc import AsyncIterator
from struct import Struct

from fix_gateway.ports import CommandLink, LinkFactory
from runtime.link_frames import EventBatch

READ_AHEAD_BYTES = 1 << 20
"""What a link of history should hold that was not asked for yet."""

_LENGTH = Struct("<H").unpack_from
_NUMBER = Struct("<Q").unpack_from
_TIME = Struct("<q").unpack_from
_NUMBER_OFFSET, _TIME_OFFSET = 8, 24
"""Where every event has its number and its stamp."""


class History:
    """Reads events again; who asks goes on where the last one stopped, or begins anew."""

    def __init__(self, connect: LinkFactory) -> None:
        """Keep how to connect; nothing is open yet."""
        self._connect = connect
        self._link: CommandLink | None = None
        self._batches: AsyncIterator[EventBatch] | None = None
        self._before = 0
        self._last: EventBatch | None = None

    async def after(self, event: int) -> EventBatch:
        """Return a batch that holds the next event after one; it may begin with earlier ones.

        Raises:
            LinkError: as a link's ``events`` does.
        """
        if self._last is not None and self._before <= event < self._last.last:
            return self._last
        if self._batches is None or self._last is None or event != self._last.last:
            await self.close()
            self._link = await self._connect(lambda _refusals: None)
            self._batches = self._link.events(event)
        self._before, self._last = event, await anext(self._batches)
        return self._last

    async def time_of(self, event: int) -> int:
        """Return an event's stamp in nanoseconds."""
        return stamp_of(await self.after(event - 1), event)

    async def first_since(self, time_ns: int, *, last: int) -> int:
        """Return the first event that is not older than a time, by halving; ``last`` is not."""
        low, high = 1, last
        while low < high:
            middle = (low + high) // 2
            if await self.time_of(middle) < time_ns:
                low = middle + 1
            else:
                high = middle
        return low

    async def close(self) -> None:
        """End the link, if one is open."""
        link, self._link, self._batches, self._last = self._link, None, None, None
        if link is not None:
            await link.close()


def number_at(data: bytes, offset: int) -> int:
    """Return the number of the event whose record begins at ``offset``."""
    return int(_NUMBER(data, offset + _NUMBER_OFFSET)[0])


def offset_after(batch: EventBatch, event: int) -> int:
    """Return where the first record after an event begins, in a batch that holds it."""
    data, offset = batch.data, 0
    while number_at(data, offset) <= event:
        offset += _LENGTH(data, offset)[0]
    return offset


def stamp_of(batch: EventBatch, event: int) -> int:
    """Return the stamp in nanoseconds of an event in a batch."""
    return int(_TIME(batch.data, offset_after(batch, event - 1) + _TIME_OFFSET)[0])
