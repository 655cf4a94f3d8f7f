"""Group commit: what the loop sees of the native threads under one log.

While one group is being synced the next gathers in the queue and is then written by a single
call. The loop never waits for a disk: an eventfd tells it what is there now.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from core import _native
from runtime.log_files import (
    CrashPoint,
    Entry,
    SegmentedLog,
    native_crash_point,
    no_crash_point,
)
from runtime.log_format import LogError

log = structlog.get_logger()

ENDING_SECONDS = 2.0
"""How long a writer that is given up may go on with what it has begun."""


class LogFailedError(LogError):
    """Writing or syncing a log failed. The process ends: a second sync could lie."""


class LogWriter:
    """The threads under one log, and what they tell the loop."""

    def __init__(
        self,
        segmented: SegmentedLog,
        *,
        name: str,
        syncs_each_group: bool,
        sync_seconds: float,
        queued_bytes_max: int,
        written: Callable[[int], None],
        observe_sync: Callable[[float], None] | None = None,
        crash_point: CrashPoint = no_crash_point,
    ) -> None:
        """Keep what to write to.

        Args:
            segmented: the log; nobody else appends to it from here on.
            name: of the log, for threads and messages.
            syncs_each_group: durable before ``written`` is called; otherwise every
                ``sync_seconds``, beside the writing.
            sync_seconds: how much time a power cut may cost where groups are not synced.
            queued_bytes_max: no more than this, frames' heads included, waits to be told as
                written; one entry always may. Memory may hold twice as much.
            written: called on the loop with the last number that is written, and durable if
                groups are synced.
            observe_sync: called on the loop with the seconds that a sync took.
            crash_point: see ``CrashPoint``.
        """
        self.log = segmented
        self._name = name
        self._written = written
        self._observe_sync = observe_sync
        self._last = segmented.last
        self._is_full = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._done = asyncio.Event()
        self._native = _native.LogWriter(
            segmented.native,
            name=name,
            syncs_each_group=syncs_each_group,
            sync_seconds=sync_seconds,
            queued_bytes_max=queued_bytes_max,
            crash_point=native_crash_point(crash_point),
        )

    def submit(self, entry: Entry) -> None:
        """Queue an entry, whose payload is copied; never blocks. The caller bounds what is queued.

        Raises:
            AssertionError: more would be queued than was said.
            ValueError: it does not follow the last one, cannot be a frame, or comes after the
                writer was told to stop.
        """
        is_queued = self._native.submit(*entry)
        assert is_queued, f"{self._name}: more is queued than may be, at number {entry.first}"

    def has_room(self, reserve: int) -> bool:
        """Say whether ``reserve`` bytes can still be written whatever the disk says.

        A next segment that is only not ready yet is no full disk: that one has been refused.
        """
        return not self._native.is_full or self.log.has_spare or self.log.room >= reserve

    async def run(self, stop: asyncio.Event) -> None:
        """Write until asked to stop, then what is queued, durably.

        Raises:
            LogFailedError: the disk failed.
            OSError: there can be no more threads.
        """
        self._native.start()
        self._loop.add_reader(self._native.fileno(), self._take)
        stopping: asyncio.Future[bool] = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((stopping, self._ended), return_when=asyncio.FIRST_COMPLETED)
            self._native.stop()
            await self._ended
        finally:
            stopping.cancel()
            await self._finish()

    async def _finish(self) -> None:
        """See the threads end, but do not wait for ever for a disk that keeps one."""
        self._native.stop()
        done = asyncio.ensure_future(self._done.wait())
        await asyncio.wait((done,), timeout=ENDING_SECONDS)
        done.cancel()
        self._loop.remove_reader(self._native.fileno())
        if not self._native.finish():
            log.error("log_still_writing", log=self._name, seconds=ENDING_SECONDS)

    def _take(self) -> None:
        """Take note of what the threads have done since."""
        is_done, failure = False, None
        try:
            last, is_done, full_reason, failure, syncs, marks = self._native.take()
            self._tell(last, full_reason, syncs, marks)
        except Exception as error:  # noqa: BLE001  # a callback's edge: the process must end
            self._end(error)
        if failure is not None:
            failed = LogFailedError(f"{self._name}: {failure}")
            failed.__cause__ = failure
            self._end(failed)
        if is_done:
            self._done.set()
            if not self._ended.done():
                self._ended.set_result(None)

    def _tell(
        self,
        last: int,
        full_reason: str | None,
        syncs: Sequence[float],
        marks: Sequence[tuple[int, int, int]],
    ) -> None:
        """Pass on what there is, unless somebody has failed already."""
        if self._ended.done():
            return
        self.log.note(marks)
        if self._observe_sync is not None:
            for seconds in syncs:
                self._observe_sync(seconds)
        self._note_fullness(full_reason)
        if last != self._last:
            self._last = last
            self._written(last)

    def _end(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _note_fullness(self, reason: str | None) -> None:
        if reason is not None and not self._is_full:
            log.warning("log_is_full", log=self._name, reason=reason)
        elif reason is None and self._is_full:
            log.warning("log_has_room_again", log=self._name)
        self._is_full = reason is not None
