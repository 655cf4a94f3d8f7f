"""Durable events to whoever reads: live from memory, history from the event log's files.

Memory is bounded: of what is already in the files only the newest is kept.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from runtime.link_frames import EventBatch
from runtime.log_files import Entry
from runtime.log_format import FrameKind
from runtime.log_history import Cursor, LogHistory
from venue.event_records import split_after
from venue.metrics import Metrics
from venue.settings import VenueSettings

Subscriber = Callable[[EventBatch], None]


class EventFeed:
    """Where the sequencer publishes, and links read."""

    def __init__(
        self,
        history: LogHistory,
        settings: VenueSettings,
        *,
        last_event: int,
        metrics: Metrics,
    ) -> None:
        self.published = last_event
        """The last event that anybody may see."""
        self.written = last_event
        """The last event that is in the files."""
        self.subscribers: list[Subscriber] = []
        self.submit: Callable[[Entry], None] | None = None
        """Queues a frame for the event log; set once its thread exists."""
        self._history = history
        self._memory: OrderedDict[int, EventBatch] = OrderedDict()
        self._memory_bytes = 0
        self._unwritten: deque[tuple[int, int]] = deque()
        self._unwritten_bytes = 0
        self._memory_bytes_max = settings.links.feed_memory_bytes
        self._unwritten_bytes_max = settings.batch.unpublished_bytes_max
        self._read_bytes = settings.links.feed_batch_bytes
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="event-history")

    def publish(self, batch: EventBatch, time_ns: int) -> None:
        """Make events visible, and queue them for the files."""
        assert batch.first == self.published + 1, batch.first
        assert self.submit is not None
        self.published = batch.last
        self._memory[batch.first] = batch
        self._memory_bytes += len(batch.data)
        self._unwritten.append((batch.last, len(batch.data)))
        self._unwritten_bytes += len(batch.data)
        for subscriber in self.subscribers:
            subscriber(batch)
        self.submit(Entry(FrameKind.EVENTS, batch.first, batch.last, time_ns, batch.data))
        self._metrics.set("event_number", batch.last)

    def file_written(self, last: int) -> None:
        """Take note that the files hold events through ``last``."""
        while self._unwritten and self._unwritten[0][0] <= last:
            self._unwritten_bytes -= self._unwritten.popleft()[1]
        self.written = last
        self._metrics.set("event_log_position", last)
        while self._memory_bytes > self._memory_bytes_max:
            first, batch = next(iter(self._memory.items()))
            if batch.last > last:
                break
            del self._memory[first]
            self._memory_bytes -= len(batch.data)

    def keeps_up(self) -> bool:
        """Say whether the files follow closely enough that more may be published."""
        return self._unwritten_bytes <= self._unwritten_bytes_max

    def from_memory(self, after: int) -> EventBatch | None:
        """Return the events that follow ``after``, if memory has them."""
        batch = self._memory.get(after + 1)
        if batch is not None or not self._memory:
            return batch
        if after + 1 < next(iter(self._memory)):
            return None
        for batch in reversed(self._memory.values()):
            if batch.first <= after < batch.last:
                return cut_before(batch, after)
        return None

    async def from_files(
        self, after: int, cursor: Cursor | None
    ) -> tuple[list[EventBatch], Cursor | None]:
        """Read events after ``after`` from the files, off the loop.

        Args:
            after: an event number.
            cursor: where the last read of the same reader ended, if it went on from there.

        Raises:
            LogDamagedError: what is there cannot be read.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._read, after, cursor)

    def close(self) -> None:
        """Let the reading threads go."""
        self._pool.shutdown(wait=False)

    def _read(self, after: int, cursor: Cursor | None) -> tuple[list[EventBatch], Cursor]:
        if cursor is None or cursor.after != after:
            cursor = self._history.seek(after)
        frames, cursor = self._history.read(cursor, self._read_bytes)
        batches = [
            EventBatch(frame.head.first, frame.head.last, frame.payload)
            for frame in frames
            if frame.head.last > after
        ]
        if batches and batches[0].first <= after:
            batches[0] = cut_before(batches[0], after)
        return batches, cursor


def cut_before(batch: EventBatch, after: int) -> EventBatch:
    """Return the part of a batch that follows event ``after``."""
    return EventBatch(after + 1, batch.last, batch.data[split_after(batch.data, after) :])
