"""From what is on disk to a running venue; the same path after a clean stop and after a crash."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import structlog

from runtime.link_frames import EventBatch
from runtime.log_files import CrashPoint, Entry, SegmentedLog, no_crash_point
from runtime.log_format import HEAD_SIZE, Frame, FrameKind, Stream, parse_head
from runtime.log_history import LogHistory
from runtime.log_scan import LogEnd, LogScan, segment_name
from runtime.storage import Storage
from venue.errors import StateMismatchError
from venue.event_records import split_after, whole_commands
from venue.ports import Engine
from venue.replay import Replayer, first_check, read_through
from venue.rolling import Check, RollingHash
from venue.settings import VenueSettings
from venue.snapshots import Snapshot, SnapshotFiles
from venue.state_files import Stores

log = structlog.get_logger()


class Recovered(NamedTuple):
    """A venue ready to run: the engine stands after the journal's last command."""

    venue: bytes
    rolling: RollingHash
    journal: SegmentedLog
    events: SegmentedLog
    history: LogHistory
    """The event log, for reading."""
    cuts: list[str]
    """The logs whose torn tails were cut."""


class Recovery:
    """One recovery; ``run`` does it."""

    def __init__(
        self,
        stores: Stores,
        engine: Engine,
        settings: VenueSettings,
        *,
        clock_ns: Callable[[], int],
        crash_point: CrashPoint = no_crash_point,
    ) -> None:
        """Keep what to recover from, and the fresh engine to recover into."""
        self._stores = stores
        self._engine = engine
        self._settings = settings
        self._clock_ns = clock_ns
        self._crash_point = crash_point

    def run(self) -> Recovered:
        """Verify, restore, replay, compare, and bring the event log up to date.

        Raises:
            LogDamagedError: journal or event log are damaged.
            StateMismatchError: they do not belong together, or the journal lost commands whose
                events were published.
            ReplayMismatchError: the engine does not make the venue's events.
            EngineBrokenError: the engine fails at a command, as it did before.
            OSError: the disk failed.
        """
        snapshots = self._snapshots()
        newest = next(snapshots, None)
        trusted = newest.check if newest else Check(0, 0, 0, b"")
        journal_scan = self._scan(Stream.JOURNAL, None, trusted.sequence)
        events_scan = self._scan(Stream.EVENTS, journal_scan.venue, trusted.event_number)
        known = journal_scan.venue or events_scan.venue
        venue = known or secrets.token_bytes(16)
        if known is None:
            log.info("venue_created", venue=venue.hex())
        if not journal_scan.end.number and events_scan.end.last:
            # The journal begins, durably, before the first event is made: no power cut does this.
            raise StateMismatchError(
                f"the event log ends with event {events_scan.end.last}, and there is no journal"
            )
        journal = self._open(Stream.JOURNAL, journal_scan.end, venue, None)
        if journal_scan.end.number <= 1 and journal_scan.end.offset <= HEAD_SIZE:
            self._begin_journal(journal, venue)
        commands = LogHistory(self._stores.journal, Stream.JOURNAL, venue=venue)
        rolling = RollingHash(first_check(commands).interval, venue=venue)
        if rolling.interval != self._settings.journal.check_interval:
            log.warning("check_interval_kept", interval=rolling.interval)
        candidates = chain([newest] if newest else [], snapshots)
        origin = self._restore(candidates, rolling, journal.last, events_scan.end.last)
        history = LogHistory(self._stores.events, Stream.EVENTS, venue=venue)
        events = self._open(Stream.EVENTS, events_scan.end, venue, history)
        replayer = Replayer(self._engine, rolling)
        self._replay(commands, replayer, journal.last, events, origin)
        if events.last > self._engine.last_event:
            events = self._cut_events(events, venue, history)
        if events.last != self._engine.last_event:
            raise StateMismatchError(
                f"the event log ends with {events.last}, the engine with {self._engine.last_event}"
            )
        events.sync()
        self._complete_checks(journal, replayer)
        log.info(
            "venue_recovered",
            venue=venue.hex(),
            sequence=self._engine.last_sequence,
            event_number=self._engine.last_event,
        )
        cuts = [scan.stream.name for scan in (journal_scan, events_scan) if scan.cut is not None]
        return Recovered(venue, rolling, journal, events, history, cuts)

    def _snapshots(self) -> Iterator[Snapshot]:
        """Yield the snapshots of the journal's venue that can be believed, newest first."""
        journal = self._stores.journal
        first = segment_name(1)
        if first not in journal.names():
            return
        file = journal.open(first)
        try:
            head = parse_head(file.read(HEAD_SIZE, 0))
        finally:
            file.close()
        if head is not None:
            yield from SnapshotFiles(self._stores.snapshots, venue=head.venue).newest_first()

    def _scan(self, stream: Stream, venue: bytes | None, trusted: int) -> LogScan:
        """Verify a log; what lies in segments before a snapshot's is left to ``replay``."""
        scan = LogScan(self._storage(stream), stream, venue=venue, trusted=trusted)
        for _ in scan.frames():
            pass
        if scan.cut is not None:
            log.warning("torn_tail_cut", log=stream.name, **scan.cut._asdict())
        return scan

    def _begin_journal(self, journal: SegmentedLog, venue: bytes) -> None:
        rolling = RollingHash(self._settings.journal.check_interval, venue=venue)
        payload = rolling.check().pack()
        journal.append([Entry(FrameKind.CHECK, 1, 0, self._clock_ns(), payload)])
        journal.sync()

    def _restore(
        self, snapshots: Iterable[Snapshot], rolling: RollingHash, sequence: int, event: int
    ) -> bytes:
        """Start from the newest snapshot that the logs reach; without one from the beginning.

        Returns the state.
        """
        for snapshot in snapshots:
            if self._is_usable(snapshot, sequence, event):
                try:
                    self._engine.restore(snapshot.state)
                except ValueError as error:
                    log.warning(
                        "snapshot_refused", sequence=snapshot.check.sequence, reason=str(error)
                    )
                    continue
                rolling.restore(snapshot.check)
                log.info("snapshot_restored", sequence=snapshot.check.sequence)
                return snapshot.state
        return self._engine.snapshot()

    def _is_usable(self, snapshot: Snapshot, sequence: int, event: int) -> bool:
        check = snapshot.check
        if check.sequence > sequence and self._settings.durability == "disk":
            raise StateMismatchError(
                f"a snapshot stands after command {check.sequence}, the journal ends with "
                f"{sequence}: the journal has lost commands"
            )
        if check.sequence > sequence or check.event_number > event:
            log.warning(
                "snapshot_ahead_of_logs",
                sequence=check.sequence,
                event_number=check.event_number,
                journal_sequence=sequence,
                events_through=event,
            )
            return False
        return True

    def _replay(
        self,
        commands: LogHistory,
        replayer: Replayer,
        last: int,
        events: SegmentedLog,
        origin: bytes,
    ) -> None:
        """Apply the journal's tail, and append the events that the event log lacks."""
        missing_from = events.last + 1

        def append_missing(first: int, last: int, data: bytes) -> None:
            if last < missing_from:
                return
            if first < missing_from:
                data = data[split_after(data, missing_from - 1) :]
            self._append_events(events, max(first, missing_from), last, data)

        read_through(commands, replayer, last, append_missing, origin=origin)
        if events.last >= missing_from:
            log.info("events_restored", first=missing_from, last=events.last)
            self._crash_point("recovery_events")

    def _complete_checks(self, journal: SegmentedLog, replayer: Replayer) -> None:
        """Write the check of the boundary we stand at, if the crash came before it."""
        check, sequence = replayer.rolling.boundary, replayer.rolling.sequence
        if check is not None and replayer.last_check < check.sequence == sequence:
            time_ns = self._engine.last_time_ns
            journal.append([Entry(FrameKind.CHECK, sequence + 1, sequence, time_ns, check.pack())])
            journal.sync()

    def _cut_events(self, events: SegmentedLog, venue: bytes, history: LogHistory) -> SegmentedLog:
        """Drop events whose commands a power cut took."""
        last = self._engine.last_event
        if self._settings.durability == "disk":
            raise StateMismatchError(
                f"event {events.last} was published, but the journal's commands end with event "
                f"{last}: the journal has lost durable commands"
            )
        log.error("events_beyond_journal_cut", cut_from=last + 1, cut_through=events.last)
        events.abandon()
        scan = LogScan(self._stores.events, Stream.EVENTS, venue=venue, through=last)
        for _ in scan.frames():
            pass
        shorter = self._open(Stream.EVENTS, scan.end, venue, history)
        if shorter.last < last and scan.beyond is not None:
            self._keep_part(shorter, scan.beyond, last)
        return shorter

    def _keep_part(self, events: SegmentedLog, frame: Frame, last: int) -> None:
        data = frame.payload[: split_after(frame.payload, last)]
        self._append_events(events, frame.head.first, last, data)

    def _append_events(self, events: SegmentedLog, first: int, last: int, data: bytes) -> None:
        time_ns = self._engine.last_time_ns
        for part in whole_commands(EventBatch(first, last, data)):
            entry = Entry(FrameKind.EVENTS, part.first, part.last, time_ns, part.data)
            events.append([entry])

    def _open(
        self, stream: Stream, end: LogEnd, venue: bytes, history: LogHistory | None
    ) -> SegmentedLog:
        sizes = self._settings.journal
        return SegmentedLog(
            self._storage(stream),
            stream,
            end,
            venue=venue,
            segment_bytes=(
                sizes.segment_bytes if stream is Stream.JOURNAL else sizes.event_segment_bytes
            ),
            clock_ns=self._clock_ns,
            crash_point=self._crash_point,
            mark=None if history is None else history.mark,
        )

    def _storage(self, stream: Stream) -> Storage:
        return self._stores.journal if stream is Stream.JOURNAL else self._stores.events
