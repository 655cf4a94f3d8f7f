"""The events of a venue as its log holds them, for who makes something of all of them again."""

from collections.abc import Iterator

from exchange.errors import CommandError
from exchange.state import State
from runtime.link_frames import EventBatch
from runtime.log_format import FrameKind, Stream
from runtime.log_scan import LogScan
from venue.state_files import Stores


def venue_of(state: State) -> bytes:
    """Return the venue whose events lie in a state directory.

    Raises:
        CommandError: there are none.
    """
    scan = _scan(state)
    next(scan.frames(), None)
    if scan.venue is None:
        raise CommandError(f"no events in {state.venue}")
    return scan.venue


def logged_events(state: State) -> Iterator[EventBatch]:
    """Yield all events in the log, in batches of whole commands; every frame is verified.

    Each was published, for only then is it written here. A frame that is torn, or being written,
    ends it: its events are for the venue to hand out when it runs.

    Raises:
        LogDamagedError: the log is damaged.
    """
    for frame in _scan(state).frames():
        if frame.head.kind is FrameKind.EVENTS:
            yield EventBatch(frame.head.first, frame.head.last, frame.payload)


def _scan(state: State) -> LogScan:
    if not (state.venue / "events").is_dir():
        raise CommandError(f"no events in {state.venue}")
    return LogScan(Stores.read_only(state.venue).events, Stream.EVENTS)
