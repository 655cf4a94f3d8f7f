"""Group commit: one thread that writes, syncs and says what is there now.

While one group is being synced the next gathers in the queue and is then written by a single
call. The loop never waits for a disk.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from runtime.log_files import CrashPoint, Entry, SegmentedLog, no_crash_point
from runtime.log_format import FrameKind, LogError, LogFullError

log = structlog.get_logger()

HOUSEKEEPING_SECONDS = 0.25
MERGED_BYTES_MAX = 4 * 1024 * 1024


class LogFailedError(LogError):
    """Writing or syncing a log failed. The process ends: a second sync could lie."""


class LogWriter:
    """The thread under one log, and what it tells the loop."""

    def __init__(
        self,
        segmented: SegmentedLog,
        *,
        name: str,
        syncs_each_group: bool,
        sync_seconds: float,
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
            written: called on the loop with the last number that is written, and durable if
                groups are synced.
            observe_sync: called with the seconds that a sync took.
            crash_point: see ``CrashPoint``.
        """
        self.log = segmented
        self._name = name
        self._syncs_each_group = syncs_each_group
        self._sync_seconds = sync_seconds
        self._synced_at = 0.0
        self._written = written
        self._observe_sync = observe_sync
        self._crash_point = crash_point
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[Any] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._done = asyncio.Event()
        self._housekeeper = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-housekeeper")
        self._is_full = False

    def submit(self, entry: Entry) -> None:
        """Queue an entry; never blocks. The caller bounds what is queued."""
        self._queue.put(entry)

    def has_room(self, reserve: int) -> bool:
        """Say whether ``reserve`` bytes can still be written whatever the disk says.

        A next segment that is only not ready yet is no full disk: that one has been refused.
        """
        return not self._is_full or self.log.has_spare or self.log.room >= reserve

    async def run(self, stop: asyncio.Event) -> None:
        """Write until asked to stop, then what is queued, durably.

        Raises:
            LogFailedError: the disk failed.
        """
        self._thread.start()
        stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        endings = (stopping, self._failure)
        try:
            while not stopping.done() and not self._failure.done():
                await self._keep_house()
                await asyncio.wait(
                    endings, timeout=HOUSEKEEPING_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
            self._queue.put(None)
            await self._done.wait()
            if self._failure.done():
                await self._failure
        finally:
            stopping.cancel()
            self._queue.put(None)
            self._housekeeper.shutdown(wait=False)

    async def _keep_house(self) -> None:
        """Make the next segment, and sync where groups are not."""
        loop, segmented = self._loop, self.log
        try:
            if not segmented.has_spare:
                await loop.run_in_executor(self._housekeeper, segmented.prepare_spare)
                if self._is_full:
                    log.warning("log_has_room_again", log=self._name)
                self._is_full = False
            is_due = loop.time() - self._synced_at >= self._sync_seconds
            if not self._syncs_each_group and segmented.is_dirty and is_due:
                await loop.run_in_executor(self._housekeeper, self._sync)
                self._synced_at = loop.time()
        except LogFullError as error:
            if not self._is_full:
                log.warning("log_is_full", log=self._name, reason=str(error))
            self._is_full = True
        except OSError as error:
            self._fail(error)

    def _run(self) -> None:
        try:
            while self._write_group():
                pass
            self.log.close()
        except BaseException as error:  # noqa: BLE001  # the thread's edge: the loop must know
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
                self._loop.call_soon_threadsafe(self._fail, error)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done.set)

    def _write_group(self) -> bool:
        """Write and perhaps sync all that is queued; False when it was the last group."""
        entry = self._queue.get()
        group: list[Entry] = []
        while entry is not None:
            group.append(entry)
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                break
        for run in merged_runs(group) if self._syncs_each_group else [group]:
            self._write_run(run)
        return entry is not None

    def _write_run(self, run: Sequence[Entry]) -> None:
        if not run:
            return
        self.log.append(run)
        self._crash_point("after_write")
        if self._syncs_each_group:
            self._crash_point("before_sync")
            self._sync()
            self._crash_point("after_sync")
        self._loop.call_soon_threadsafe(self._written, self.log.last)

    def _sync(self) -> None:
        began = time.perf_counter()
        self.log.sync()
        if self._observe_sync is not None:
            self._observe_sync(time.perf_counter() - began)

    def _fail(self, error: BaseException) -> None:
        if self._failure.done():
            return
        failure = LogFailedError(f"{self._name}: {error}")
        failure.__cause__ = error
        self._failure.set_exception(failure)
        self._failure.exception()


def merged_runs(group: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Join neighbours of one kind, so that never more than one frame waits to be durable.

    A frame that is there then proves that all before it was durable, and damage before it can
    be told from a torn tail without doubt.
    """
    run: list[Entry] = []
    size = 0
    for entry in group:
        is_other = run and (entry.kind is not run[0].kind or entry.kind is FrameKind.CHECK)
        if is_other or size + len(entry.payload) > MERGED_BYTES_MAX:
            yield [_joined(run)] if run else []
            run, size = [], 0
        run.append(entry)
        size += len(entry.payload)
    if run:
        yield [_joined(run)]


def _joined(run: Sequence[Entry]) -> Entry:
    if len(run) == 1:
        return run[0]
    payload = b"".join(entry.payload for entry in run)
    last = run[-1]
    return Entry(last.kind, run[0].first, last.last, last.time_ns, payload)
