"""The core process's work: recover, serve, drain."""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from messages.trading.codes import RejectCode
from runtime.log_files import CrashPoint, SegmentedLog
from runtime.log_format import LogError, LogFullError
from runtime.log_writer import LogWriter
from venue.crash_points import crash_point
from venue.errors import EngineBrokenError, NotDrainedError, VenueError
from venue.event_feed import EventFeed
from venue.link_server import LinkServer, carries_sessions
from venue.metrics import Metrics
from venue.ports import Engine
from venue.recovery import Recovered, Recovery
from venue.sequencer import Sequencer
from venue.settings import VenueSettings, check_settings, read_tokens
from venue.state_files import StateLock, Stores

log = structlog.get_logger()

ROOM_CHECK_SECONDS = 0.1
EXIT_OK = 0
EXIT_BROKEN = 70
EXIT_DISK = 73

Started = Callable[[bytes, list[str]], None]
"""Called once links are accepted, with the venue's UUID and the addresses, ports filled in."""


def ignore_start(_venue: bytes, _addresses: list[str]) -> None:
    """Take no note of the start."""


async def run_core(
    settings: VenueSettings,
    engine: Engine,
    stop: asyncio.Event,
    metrics: Metrics,
    *,
    started: Started = ignore_start,
    stores: Stores | None = None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> int:
    """Run the venue until asked to stop; returns the process's exit code.

    Args:
        settings: checked here.
        engine: fresh.
        stop: set it to drain: nothing more is admitted, what was admitted is made durable and
            published, a last check is written.
        metrics: where to count.
        started: see ``Started``.
        stores: where the state lies; None for the settings' directory.
        clock_ns: the wall clock.

    Returns:
        0 after a drain; 65 damaged data, 70 broken invariant, 73 a disk that failed, 75 state
        in use, 78 configuration: the log says what and where.
    """
    try:
        check_settings(settings)
        tokens = read_tokens(settings)
        sys.setswitchinterval(settings.thread_switch_seconds)
        directory = Path(settings.directory)
        with StateLock(directory):
            core = Core(
                settings,
                engine,
                metrics,
                tokens=tokens,
                stores=stores or Stores.on_disk(directory),
                clock_ns=clock_ns,
            )
            await core.run(stop, started)
    except BaseExceptionGroup as group:
        return _exit_code(_first(group))
    except Exception as error:  # noqa: BLE001  # the process's edge
        return _exit_code(error)
    return EXIT_OK


class Core:
    """The parts of a running venue, put together."""

    def __init__(
        self,
        settings: VenueSettings,
        engine: Engine,
        metrics: Metrics,
        *,
        tokens: Mapping[str, bytes],
        stores: Stores,
        clock_ns: Callable[[], int],
    ) -> None:
        """Recover the venue; nothing runs yet."""
        assert __debug__, "the venue refuses to run without its assertions"
        self._settings = settings
        self._metrics = metrics
        self._crash_point: CrashPoint = crash_point(allowed=settings.allow_crash_points)
        recovered = Recovery(
            stores, engine, settings, clock_ns=clock_ns, crash_point=self._crash_point
        ).run()
        self.venue = recovered.venue
        metrics.set("sequence", engine.last_sequence)
        metrics.set("event_number", recovered.events.last)
        metrics.set("event_log_position", recovered.events.last)
        for name in recovered.cuts:
            metrics.count("cuts_total", 1, name)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.feed = EventFeed(
            recovered.history, settings, last_event=recovered.events.last, metrics=metrics
        )
        self._journal, self._events = self._writers(recovered)
        self.feed.submit = self._events.submit
        self.sequencer = Sequencer(
            engine,
            recovered.rolling,
            settings,
            submit=self._journal.submit,
            publish=self.feed.publish,
            may_go_on=self.feed.keeps_up,
            failed=self._fail,
            clock_ns=clock_ns,
            metrics=metrics,
            crash_point=self._crash_point,
        )
        self.server = LinkServer(
            self.sequencer,
            self.feed,
            settings,
            venue=self.venue,
            tokens=tokens,
            metrics=metrics,
        )

    async def run(self, stop: asyncio.Event, started: Started = ignore_start) -> None:
        """Serve until asked to stop, then drain; raises what ends the core."""
        journal_stop, events_stop, server_stop = (asyncio.Event() for _ in range(3))
        await self._make_room()
        try:
            async with asyncio.TaskGroup() as group:
                journal = group.create_task(self._journal.run(journal_stop), name="journal")
                events = group.create_task(self._events.run(events_stop), name="event_log")
                room = group.create_task(self._watch_room(), name="room")
                self._close_old_sessions()
                self.sequencer.wake()  # what fell due while nobody ran waits for no command
                await self.server.listen()
                group.create_task(self.server.run(server_stop), name="links")
                # What recovery made stays: no collection need ever walk through it again.
                gc.collect()
                gc.freeze()
                log.info("core_started", venue=self.venue.hex(), listen=self.server.addresses)
                started(self.venue, self.server.addresses)
                await self._until_asked(stop)
                room.cancel()
                log.info("core_draining")
                await self._drain()
                journal_stop.set()
                await journal
                events_stop.set()
                await events
                server_stop.set()
        finally:
            self.server.abort_all()
            self.feed.close()
        durable = self.sequencer.durable
        log.info("core_stopped", sequence=durable.sequence, event_number=durable.event_number)

    def _writers(self, recovered: Recovered) -> tuple[LogWriter, LogWriter]:
        seconds = self._settings.journal.background_sync_seconds
        journal = LogWriter(
            recovered.journal,
            name="journal",
            syncs_each_group=self._settings.durability == "disk",
            sync_seconds=seconds,
            queued_bytes_max=self._settings.batch.journal_bytes_max,
            written=self._journal_written,
            observe_sync=self._observe_sync,
            crash_point=self._crash_point,
        )
        events = LogWriter(
            recovered.events,
            name="event-log",
            syncs_each_group=False,
            sync_seconds=seconds,
            queued_bytes_max=self._settings.batch.event_bytes_max,
            written=self._events_written,
        )
        return journal, events

    def _journal_written(self, last: int) -> None:
        self.sequencer.journal_written(last)

    def _events_written(self, last: int) -> None:
        self.feed.file_written(last)
        self.sequencer.go_on()

    def _observe_sync(self, seconds: float) -> None:
        self._metrics.observe("journal_sync_seconds", seconds)

    async def _make_room(self) -> None:
        """Make the next segments before the first command needs them."""
        for writer in (self._journal, self._events):
            await asyncio.get_running_loop().run_in_executor(None, _try_spare, writer.log)

    def _close_old_sessions(self) -> None:
        """Tell the engine, before anything else, that every link died with the last process."""
        for principal in self._settings.principals.values():
            if carries_sessions(principal) and self.sequencer.engine.sources(principal.number):
                self.sequencer.lose_link(principal.number)

    async def _watch_room(self) -> None:
        """Refuse new commands while there is no room to write them down."""
        admission = self.sequencer.admission
        reserve = self._settings.journal.reserve_bytes
        while True:
            has_room = all(
                writer.has_room(min(reserve, size // 4))
                for writer, size in (
                    (self._journal, self._settings.journal.segment_bytes),
                    (self._events, self._settings.journal.event_segment_bytes),
                )
            )
            if has_room and admission.closed_with is RejectCode.STORAGE_FULL:
                log.warning("admission_open")
                admission.closed_with = None
            elif not has_room and admission.closed_with is None:
                log.error("admission_closed", reason="no room on the disk")
                admission.closed_with = RejectCode.STORAGE_FULL
            await asyncio.sleep(ROOM_CHECK_SECONDS)

    async def _until_asked(self, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((stopping, self._failure), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self._failure.done():
            await self._failure

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                await self.sequencer.drain()
        except TimeoutError:
            raise NotDrainedError(
                f"the journal did not answer in {self._settings.drain_seconds} s"
            ) from None

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)


def _try_spare(segmented: SegmentedLog) -> None:
    try:
        segmented.prepare_spare()
    except LogFullError as error:
        log.warning("log_is_full", reason=str(error))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that says most: one with an exit code of its own, else the first."""
    errors = list(_leaves(group))
    return next((each for each in errors if isinstance(each, (VenueError, LogError))), errors[0])


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _exit_code(error: BaseException) -> int:
    if isinstance(error, EngineBrokenError):
        log.critical(
            "engine_broken",
            first_sequence=error.first,
            last_sequence=error.last,
            place=error.place,
            exc_info=error,
        )
    if isinstance(error, (VenueError, LogError)):
        log.error("core_ended", kind=type(error).__name__, reason=str(error))
        return error.exit_code
    if isinstance(error, OSError):
        log.error("core_ended", kind=type(error).__name__, reason=str(error))
        return EXIT_DISK
    log.error("core_broken", exc_info=error)
    return EXIT_BROKEN
