"""The follower: a second engine in a process of its own, which takes the snapshots.

It reads the journal's files and nothing else, so the core never waits for it. It applies only
what is known durable: every frame says how far the journal was synced when it was written.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from runtime.log_files import CrashPoint
from runtime.log_format import Frame, LogError, Stream, parse_head
from runtime.log_history import Cursor, LogHistory
from runtime.log_scan import segment_name
from runtime.storage import Storage
from runtime.waiting import stopped_within
from venue.crash_points import crash_point
from venue.errors import InvariantError, VenueError
from venue.metrics import Metrics
from venue.ports import Engine
from venue.replay import READ_BYTES, Replayer, first_check
from venue.rolling import RollingHash
from venue.settings import VenueSettings, check_settings
from venue.snapshots import Snapshot, SnapshotFiles
from venue.state_files import Stores

log = structlog.get_logger()

EXIT_DISK = 73

EngineFactory = Callable[[], Engine]


async def run_follower(
    settings: VenueSettings,
    make_engine: EngineFactory,
    stop: asyncio.Event,
    metrics: Metrics,
    *,
    stores: Stores | None = None,
) -> int:
    """Follow the journal until asked to stop; returns the process's exit code.

    Metrics: ``follower_sequence``, ``snapshot_sequence``, ``snapshot_seconds``.
    """
    try:
        check_settings(settings)
        found = stores or Stores.on_disk(Path(settings.directory))
        venue = await _venue_of(found.journal, stop, settings.snapshots.poll_seconds)
        if venue is not None:
            await Follower(settings, make_engine, found, metrics, venue=venue).run(stop)
    except (VenueError, LogError) as error:
        log.critical("follower_ended", kind=type(error).__name__, reason=str(error))
        return error.exit_code
    except OSError as error:
        log.critical("follower_ended", kind=type(error).__name__, reason=str(error))
        return EXIT_DISK
    return 0


class Follower:
    """One engine, always a little behind the core's."""

    def __init__(
        self,
        settings: VenueSettings,
        make_engine: EngineFactory,
        stores: Stores,
        metrics: Metrics,
        *,
        venue: bytes,
    ) -> None:
        """Begin from the newest snapshot that can be believed."""
        self._settings = settings.snapshots
        self._name = settings.engine
        self._make_engine = make_engine
        self._metrics = metrics
        self._venue = venue
        self._crash_point: CrashPoint = crash_point(allowed=settings.allow_crash_points)
        self._files = SnapshotFiles(stores.snapshots, venue=venue, crash_point=self._crash_point)
        self._history = LogHistory(stores.journal, Stream.JOURNAL, venue=venue)
        rolling = RollingHash(first_check(self._history).interval, venue=venue)
        engine = make_engine()
        for snapshot in self._files.newest_first():
            try:
                engine.restore(snapshot.state)
            except ValueError as error:
                log.warning("snapshot_refused", reason=str(error))
                continue
            rolling.restore(snapshot.check)
            break
        self.replayer = Replayer(engine, rolling)
        self._snapshot_sequence = rolling.sequence
        self._snapshot_at = time.monotonic()
        self._retry_at = 0.0
        self._cursor: Cursor = self._history.seek(rolling.sequence)
        self._pending: deque[Frame] = deque()
        self._synced = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until asked to stop.

        Raises:
            ReplayMismatchError: this engine does not make the events that the core published.
            LogDamagedError: the journal is damaged.
        """
        log.info("follower_started", after=self.replayer.engine.last_sequence)
        while not stop.is_set():
            if not self.step():
                await stopped_within(stop, self._settings.poll_seconds)
            await asyncio.sleep(0)
        log.info("follower_stopped", through=self.replayer.engine.last_sequence)

    def step(self) -> bool:
        """Read once and apply what is durable; says whether there was anything to read."""
        frames, self._cursor = self._history.read(self._cursor, READ_BYTES)
        for frame in frames:
            self._synced = max(self._synced, frame.head.synced)
            self._pending.append(frame)
        while self._pending and self._pending[0].head.last <= self._synced:
            self.replayer.take(self._pending.popleft())
            if self._is_due():
                self._try_snapshot()
        self._metrics.set("follower_sequence", self.replayer.engine.last_sequence)
        return bool(frames)

    def _is_due(self) -> bool:
        boundary, sequence = self.replayer.boundary, self.replayer.engine.last_sequence
        if boundary is None or boundary.sequence != sequence:
            return False
        if time.monotonic() < self._retry_at:
            return False
        news = sequence - self._snapshot_sequence
        is_old = time.monotonic() - self._snapshot_at >= self._settings.every_seconds
        return news >= self._settings.every_commands or (news > 0 and is_old)

    def _try_snapshot(self) -> None:
        """Take a snapshot; one that the disk refuses is tried again later, for none is vital."""
        try:
            self._write_snapshot()
        except OSError as error:
            self._retry_at = time.monotonic() + self._settings.retry_seconds
            log.error(  # noqa: TRY400  # the disk's fault, whose text says it all
                "snapshot_failed",
                sequence=self.replayer.engine.last_sequence,
                reason=str(error),
                retry_seconds=self._settings.retry_seconds,
            )

    def _write_snapshot(self) -> None:
        began = time.monotonic()
        boundary = self.replayer.boundary
        assert boundary is not None
        state = self.replayer.engine.snapshot()
        snapshot = Snapshot(self._venue, self._name, boundary, state)
        self._verify(snapshot)
        name = self._files.write(snapshot, kept=self._settings.kept)
        written = self._files.read(name)
        if written != snapshot:
            raise InvariantError(f"snapshot {name} reads back differently")
        self._snapshot_sequence, self._snapshot_at = boundary.sequence, time.monotonic()
        self._metrics.set("snapshot_sequence", boundary.sequence)
        self._metrics.observe("snapshot_seconds", time.monotonic() - began)
        log.info(
            "snapshot_written",
            sequence=boundary.sequence,
            state_bytes=len(state),
            digest=snapshot.digest.hex(),
        )

    def _verify(self, snapshot: Snapshot) -> None:
        """Restore into a second engine: a snapshot that cannot come back is none."""
        other = self._make_engine()
        other.restore(snapshot.state)
        if hashlib.sha256(other.snapshot()).digest() != snapshot.digest:
            raise InvariantError(
                f"the state after command {snapshot.check.sequence} does not survive restoring"
            )


async def _venue_of(journal: Storage, stop: asyncio.Event, poll_seconds: float) -> bytes | None:
    """Wait for a journal, and return the venue it belongs to."""
    while not stop.is_set():
        if segment_name(1) in journal.names():
            file = journal.open(segment_name(1))
            try:
                head = parse_head(file.read(128, 0))
            finally:
                file.close()
            history = (
                None if head is None else LogHistory(journal, Stream.JOURNAL, venue=head.venue)
            )
            if (
                head is not None
                and history is not None
                and history.read(Cursor(1, 128, 0), 4096)[0]
            ):
                return head.venue
        await stopped_within(stop, poll_seconds)
    return None
