"""The one writer: numbers commands, stamps them, and makes them true.

A batch is whatever has arrived. It goes to the journal's thread and through the engine at the
same time; its events are seen by nobody before the journal says that its commands are there.
While one batch is being synced the next ones gather and are applied, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog

from messages.trading.codes import RejectCode
from messages.trading.commands import AdvanceTime, LinkLost
from runtime.link_frames import EventBatch
from runtime.log_files import CrashPoint, Entry, no_crash_point
from runtime.log_format import FrameKind
from venue.admission import KIND_NAMES, OWN_SOURCE, Admission, Inbox, Taken
from venue.errors import EngineBrokenError, InvariantError
from venue.event_records import EVENTS_BYTES_MAX, first_number, whole_commands
from venue.metrics import Metrics
from venue.ports import Engine
from venue.rolling import RollingHash
from venue.settings import VenueSettings

log = structlog.get_logger()

_ADVANCE_TIME = AdvanceTime.make(source=OWN_SOURCE).pack()
DEADLINE_CHECK_SECONDS_MAX = 60.0
SAME_DEADLINE_MAX = 1000
"""How often AdvanceTime may leave the deadline where it is: an engine may work off what is due
at one stamp in several commands, but not for ever."""


class Position(NamedTuple):
    """Where the venue stands."""

    sequence: int
    event_number: int
    time_ns: int


class _Applied(NamedTuple):
    position: Position
    first_event: int
    events: bytes


class Sequencer:
    """Runs on the loop by callbacks; ``failed`` is told if the engine breaks its contract."""

    def __init__(
        self,
        engine: Engine,
        rolling: RollingHash,
        settings: VenueSettings,
        *,
        submit: Callable[[Entry], None],
        publish: Callable[[EventBatch, int], None],
        may_go_on: Callable[[], bool],
        failed: Callable[[BaseException], None],
        clock_ns: Callable[[], int],
        metrics: Metrics,
        crash_point: CrashPoint = no_crash_point,
    ) -> None:
        """Keep what to run.

        Args:
            engine: recovered, standing where ``rolling`` stands.
            rolling: the running hash.
            settings: the venue's.
            submit: queues a frame for the journal.
            publish: takes durable events, whole commands, in order, and the last one's stamp.
            may_go_on: False while what is published cannot be kept up with.
            failed: told of a broken contract; nothing is sequenced after it.
            clock_ns: the wall clock, which may jump; stamps never decrease.
            metrics: where to count.
            crash_point: see ``CrashPoint``.
        """
        self.admission = Admission(settings.batch)
        self.engine = engine
        self.rolling = rolling
        self.applied = Position(engine.last_sequence, engine.last_event, engine.last_time_ns)
        self.durable = self.applied
        self._settings = settings
        self._submit, self._publish = submit, publish
        self._may_go_on, self._failed = may_go_on, failed
        self._clock_ns = clock_ns
        self._metrics = metrics
        self._crash_point = crash_point
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Applied] = deque()
        self._when_durable: deque[tuple[int, Callable[[], None]]] = deque()
        self._after_batch: list[Callable[[], None]] = []
        self._is_scheduled = False
        self._is_stopped = False
        self._is_held_up = False
        """Whether a batch that was due had to wait for a log."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline = 0
        self._due = 0
        """The deadline that the batch in hand advances past; zero for none."""
        self._same_deadline = 0
        self._drained: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Sequence what waits, after what is arriving at this moment has arrived."""
        if not self._is_scheduled and not self._is_stopped:
            self._is_scheduled = True
            self._loop.call_soon(self._pump)

    def lose_link(self, principal: int, inbox: Inbox | None = None) -> None:
        """Sequence a LinkLost, after what the principal's last link had sent."""
        record = LinkLost.make(source=OWN_SOURCE, principal=principal)
        self.admission.admit_internal(record.pack(), inbox)
        self.wake()

    def when_durable(self, call: Callable[[], None]) -> None:
        """Call when everything applied by now is durable."""
        if self.applied.sequence <= self.durable.sequence:
            call()
        else:
            self._when_durable.append((self.applied.sequence, call))

    def after_batch(self, call: Callable[[], None]) -> None:
        """Call after the next turn that something else causes."""
        self._after_batch.append(call)

    def journal_written(self, sequence: int) -> None:
        """Publish: the journal has commands through ``sequence``, as durable as configured."""
        try:
            self._release(sequence)
        except Exception as error:  # noqa: BLE001  # a callback's edge: the process must end
            self._stop_failed(error)
            return
        self.go_on()

    def go_on(self) -> None:
        """Sequence what could not be: what stood in the way may be gone."""
        if self._is_held_up or self._after_batch or self._drained is not None:
            self.wake()

    async def drain(self) -> None:
        """Admit nothing more, and return when all that was admitted is published."""
        self.admission.closed_with = RejectCode.VENUE_STOPPING
        self._drained = self._loop.create_future()
        self.wake()
        self._check_drained()
        await self._drained
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self.applied.sequence % self.rolling.interval:
            self._submit_check()

    def _pump(self) -> None:
        self._is_scheduled = False
        if self._is_stopped:
            return
        try:
            self._run_batch()
            calls, self._after_batch = self._after_batch, []
            for call in calls:
                call()
        except Exception as error:  # noqa: BLE001  # a callback's edge: the process must end
            self._stop_failed(error)
            return
        self._check_drained()

    def _run_batch(self) -> None:
        self._is_held_up = (
            len(self._waiting) >= self._settings.batch.batches_in_flight_max
            or not self._may_go_on()
        )
        if self._is_held_up:
            return  # the journal's or the event log's thread lets us go on
        now = max(self._clock_ns(), self.applied.time_ns)
        commands, total, kinds = self._gather(now)
        if total:
            self._metrics.observe("batch_commands", total)
            for kind, count in kinds:
                self._metrics.count("commands_total", count, KIND_NAMES[kind])
            self._apply(commands, total, now)
        self._check_progress()
        self._set_timer(now)
        if self.admission:
            self.wake()

    def _gather(self, now: int) -> Taken:
        limit = min(self._settings.batch.commands_max, self.rolling.left())
        deadline = self.engine.next_deadline()
        self._due = deadline if 0 < deadline <= now else 0
        if self._drained is not None and not self.admission:
            self._due = 0  # what is due comes first after the next start, so that we can stop
        return self.admission.take(
            limit,
            sequence=self.applied.sequence + 1,
            time_ns=now,
            first=_ADVANCE_TIME if self._due else b"",
        )

    def _check_progress(self) -> None:
        """See that AdvanceTime moves the engine on, or at least does so in the end."""
        if not self._due or not 0 < self.engine.next_deadline() <= self._due:
            self._same_deadline = 0
            return
        self._same_deadline += 1
        if self._same_deadline > SAME_DEADLINE_MAX:
            raise InvariantError(f"AdvanceTime does not move the engine past deadline {self._due}")

    def _apply(self, commands: bytes, count: int, now: int) -> None:
        engine, before = self.engine, self.applied
        first, last = before.sequence + 1, before.sequence + count
        self._submit(Entry(FrameKind.COMMANDS, first, last, now, commands))
        began = self._loop.time()
        try:
            events = engine.apply(commands)
            made = EventBatch(before.event_number + 1, engine.last_event, events)
            parts = list(whole_commands(made))
        except Exception as error:
            # The commands are being written down at this moment: every restart meets them again.
            raise EngineBrokenError(first, last, error) from error
        self._metrics.observe("apply_seconds", self._loop.time() - began)
        self.applied = Position(last, engine.last_event, now)
        if engine.last_sequence != last:
            raise EngineBrokenError(first, last, f"the engine is at {engine.last_sequence}")
        if bool(events) != (engine.last_event > before.event_number) or (
            events and first_number(events) != before.event_number + 1
        ):
            raise EngineBrokenError(
                first, last, f"the events do not follow event {before.event_number}"
            )
        for part in parts:
            position = Position(last, part.last, now)
            self._waiting.append(_Applied(position, part.first, part.data))
        if not parts:
            self._waiting.append(_Applied(self.applied, before.event_number + 1, b""))
        check = self.rolling.add(events, sequence=last, event_number=engine.last_event)
        if check is not None:
            self._submit(Entry(FrameKind.CHECK, last + 1, last, now, check.pack()))

    def _submit_check(self) -> None:
        last, now = self.applied.sequence, self.applied.time_ns
        payload = self.rolling.check().pack()
        self._submit(Entry(FrameKind.CHECK, last + 1, last, now, payload))

    def _release(self, sequence: int) -> None:
        self._crash_point("before_publish")
        ready: list[_Applied] = []
        while self._waiting and self._waiting[0].position.sequence <= sequence:
            ready.append(self._waiting.popleft())
        if ready:
            self.durable = ready[-1].position
            self._metrics.set("sequence", self.durable.sequence)
        size_max = min(self._settings.links.feed_batch_bytes, EVENTS_BYTES_MAX)
        group: list[_Applied] = []
        size = 0
        for applied in ready:
            if group and size + len(applied.events) > size_max:
                self._publish_group(group)
                group, size = [], 0
            if applied.events:
                group.append(applied)
                size += len(applied.events)
        if group:
            self._publish_group(group)
        self._crash_point("after_publish")
        while self._when_durable and self._when_durable[0][0] <= self.durable.sequence:
            self._when_durable.popleft()[1]()

    def _publish_group(self, group: list[_Applied]) -> None:
        data = group[0].events if len(group) == 1 else b"".join(part.events for part in group)
        last = group[-1].position
        self._publish(EventBatch(group[0].first_event, last.event_number, data), last.time_ns)

    def _set_timer(self, now: int) -> None:
        deadline = self.engine.next_deadline()
        if deadline == self._timer_deadline and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_deadline = deadline
        if deadline:
            seconds = min(max(0.0, (deadline - now) / 1e9), DEADLINE_CHECK_SECONDS_MAX)
            self._timer = self._loop.call_later(seconds, self._deadline_passed)

    def _deadline_passed(self) -> None:
        self._timer = None
        self.wake()

    def _check_drained(self) -> None:
        if self._drained is None or self._drained.done():
            return
        if not self.admission and not self._waiting and not self._after_batch:
            self._drained.set_result(None)

    def _stop_failed(self, error: BaseException) -> None:
        self._is_stopped = True
        self._failed(error)
