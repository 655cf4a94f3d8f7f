"""Commands from a journal into an engine: the one way back, for recovery, follower and audit."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import structlog

from messages.trading.commands import whole_command
from runtime.log_format import Frame, FrameKind, Stream
from runtime.log_history import Cursor, LogHistory
from runtime.log_scan import Cut, LogScan
from runtime.storage import Storage
from venue.errors import (
    EngineBrokenError,
    InvariantError,
    ReplayMismatchError,
    StateMismatchError,
)
from venue.ports import Engine
from venue.rolling import Check, RollingHash

log = structlog.get_logger()

READ_BYTES = 1024 * 1024

EventsHandler = Callable[[int, int, bytes], None]
"""Called with first and last event number and the records of one batch."""


def ignore_events(_first: int, _last: int, _events: bytes) -> None:
    """Take events that nobody needs."""


class ReplayResult(NamedTuple):
    """What a whole journal makes of an engine."""

    venue: bytes
    digest: bytes
    last_sequence: int
    events: int
    checks_compared: int
    cut: Cut | None


class Replayer:
    """Feeds frames to an engine and compares every check on the way."""

    def __init__(self, engine: Engine, rolling: RollingHash) -> None:
        """Go on from where both stand, which is the same command."""
        assert engine.last_sequence == rolling.sequence
        self.engine = engine
        self.rolling = rolling
        self.checks_compared = 0
        self.last_check = 0
        """The sequence of the last check that was met."""
        self.boundary: Check | None = None
        """The last check at a boundary that was computed here."""

    def take(self, frame: Frame, handle: EventsHandler = ignore_events) -> None:
        """Apply a frame of commands, or compare a check; what the engine has is skipped.

        Raises:
            EngineBrokenError: the engine fails at one of the frame's commands.
            ReplayMismatchError: the events are not those that the venue published.
            InvariantError: the engine broke its contract.
        """
        if frame.head.kind is FrameKind.COMMANDS:
            if frame.head.last > self.engine.last_sequence:
                self._apply(frame, handle)
        elif frame.head.kind is FrameKind.CHECK:
            self._compare(Check.unpack(frame.payload))

    def _apply(self, frame: Frame, handle: EventsHandler) -> None:
        engine = self.engine
        if frame.head.first != engine.last_sequence + 1:
            raise InvariantError(
                f"engine is at {engine.last_sequence}, the frame begins with {frame.head.first}"
            )
        before = engine.last_event
        try:
            events = engine.apply(frame.payload)
        except Exception as error:
            raise EngineBrokenError(frame.head.first, frame.head.last, error) from error
        if engine.last_sequence != frame.head.last:
            raise InvariantError(
                f"engine is at {engine.last_sequence} after commands through {frame.head.last}"
            )
        self.boundary = (
            self.rolling.add(events, sequence=engine.last_sequence, event_number=engine.last_event)
            or self.boundary
        )
        if events:
            handle(before + 1, engine.last_event, events)

    def _compare(self, check: Check) -> None:
        self.last_check = max(self.last_check, check.sequence)
        if check.sequence < self.rolling.sequence:
            return
        if check.sequence and check.sequence % check.interval == 0:
            if self.boundary is None:
                return  # the snapshot we began with was taken here
            ours = self.boundary
        else:
            ours = self.rolling.check()
        if ours != check:
            raise ReplayMismatchError(
                check.sequence,
                f"event {ours.event_number}, hash {ours.digest.hex()[:16]} here; "
                f"event {check.event_number}, hash {check.digest.hex()[:16]} in the journal",
            )
        self.checks_compared += 1


def first_check(history: LogHistory) -> Check:
    """Return the check that begins every journal: it says the interval.

    Raises:
        StateMismatchError: the journal does not begin with one.
    """
    frames, _ = history.read(Cursor(1, 128, 0), 4096)
    if not frames or frames[0].head.kind is not FrameKind.CHECK:
        raise StateMismatchError("the journal does not begin with a check")
    return Check.unpack(frames[0].payload)


def replay(journal: Storage, engine: Engine, handle: EventsHandler = ignore_events) -> ReplayResult:
    """Apply a whole journal, from its first command, to a fresh engine.

    Every segment, frame and check is verified first and on the way. Nothing is written: a torn
    tail is left as it is and only reported.

    Raises:
        LogDamagedError: the journal is damaged.
        ReplayMismatchError: this engine does not make the venue's events.
        StateMismatchError: there is no journal.
    """
    scan = LogScan(journal, Stream.JOURNAL)
    for _ in scan.frames():
        pass
    if scan.venue is None or not scan.end.number:
        raise StateMismatchError("there is no journal here")
    history = LogHistory(journal, Stream.JOURNAL, venue=scan.venue)
    rolling = RollingHash(first_check(history).interval, venue=scan.venue)
    replayer = Replayer(engine, rolling)
    read_through(history, replayer, scan.end.last, handle, origin=engine.snapshot())
    return ReplayResult(
        scan.venue,
        hashlib.sha256(engine.snapshot()).digest(),
        engine.last_sequence,
        engine.last_event,
        replayer.checks_compared,
        scan.cut,
    )


def read_through(
    history: LogHistory,
    replayer: Replayer,
    last: int,
    handle: EventsHandler = ignore_events,
    *,
    origin: bytes,
) -> None:
    """Replay what lies between the engine and number ``last``, and the checks there.

    Args:
        history: the journal.
        replayer: stands where the replay begins.
        last: the last command wanted.
        handle: takes the events.
        origin: the engine's state where the replay begins, to go back to when it breaks.

    Raises:
        EngineBrokenError: the engine fails at a command, which is named.
        ReplayMismatchError, InvariantError: see ``Replayer.take``.
    """
    cursor = history.seek(replayer.engine.last_sequence)
    while True:
        frames, cursor = history.read(cursor, READ_BYTES)
        if not frames:
            break
        for frame in frames:
            if frame.head.last > last:
                return
            try:
                replayer.take(frame, handle)
            except EngineBrokenError as error:
                place = f"segment {cursor.segment}, byte {frame.offset}"
                found = _broken_command(history, replayer.engine, origin, frame)
                raise EngineBrokenError(
                    found or error.first, found or error.last, error.__cause__ or "", place=place
                ) from error
    if replayer.engine.last_sequence != last:
        raise InvariantError(f"replay ended at {replayer.engine.last_sequence}, not {last}")


def _broken_command(
    history: LogHistory, engine: Engine, origin: bytes, broken: Frame
) -> int | None:
    """Find the command of a frame at which the engine fails, from the beginning once more.

    Returns:
        Its sequence; None if one by one they do not fail.
    """
    log.error("engine_broken", first=broken.head.first, last=broken.head.last)
    engine.restore(origin)
    cursor = history.seek(engine.last_sequence)
    while engine.last_sequence < broken.head.first - 1:
        frames, cursor = history.read(cursor, READ_BYTES)
        assert frames, cursor
        for frame in frames:
            if engine.last_sequence < frame.head.last < broken.head.first:
                engine.apply(frame.payload)
    offset = 0
    for sequence in range(broken.head.first, broken.head.last + 1):
        length = whole_command(broken.payload, offset)
        try:
            engine.apply(broken.payload[offset : offset + length])
        except Exception:
            log.exception("engine_broken_at", sequence=sequence)
            return sequence
        offset += length
    return None
