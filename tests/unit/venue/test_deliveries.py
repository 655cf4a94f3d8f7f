"""How often a link's events are delivered, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from runtime.link_frames import (
    EventBatch,
    FrameReader,
    FrameType,
    events_frame,
    parse_events,
)
from tests.venue_support import settings_in
from venue.admission import Inbox
from venue.errors import ConfigurationError
from venue.link_connection import Connection
from venue.settings import EVENTS_EVERY_SECONDS_MAX, LinkSettings, Principal, check_settings

EVENT = bytes(64)


@dataclass
class Clock:
    """A loop's clock and timers."""

    now: float = 100.0
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Any:
        self.timers.append((when, call))
        return SimpleNamespace(cancel=self.timers.clear)

    def turn(self, seconds: float) -> None:
        self.now += seconds
        due = [call for when, call in self.timers if when <= self.now]
        self.timers = [each for each in self.timers if each[0] > self.now]
        for call in due:
            call()


class Wire:
    """A transport that keeps the events of each delivery."""

    def __init__(self) -> None:
        self.deliveries: list[list[tuple[int, int]]] = []
        self._reader = FrameReader(1 << 20)

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        for kind, payload in self._reader.feed(b"".join(parts)):
            if kind is FrameType.EVENTS:
                batch = parse_events(payload)
                self.deliveries[-1].append((batch.first, batch.last))

    def abort(self) -> None: ...


class Line:
    """A connection that reads from event 0 on, over a feed in memory."""

    def __init__(self, every_seconds: float) -> None:
        self.clock, self.wire = Clock(), Wire()
        self.batches: dict[int, EventBatch] = {}
        feed = SimpleNamespace(published=0, from_memory=lambda after: self.batches[after + 1])
        self.feed = feed
        server = SimpleNamespace(
            loop=self.clock,
            feed=feed,
            settings=LinkSettings(),
            venue=bytes(16),
            add=lambda _connection: True,
            remove=lambda _connection: None,
            drop_answer=lambda _connection: None,
        )
        self.connection = Connection(server)  # type: ignore[arg-type]
        self.wire.deliveries.append([])
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]
        principal = Principal(number=9, token_file="", events_every_seconds=every_seconds)
        self.connection.inbox = Inbox("follower", principal)
        self.connection.is_reading = True

    def publish(self, count: int = 1) -> list[tuple[int, int]]:
        """Publish a batch; returns what of all batches was delivered by that."""
        first = self.feed.published + 1
        batch = EventBatch(first, first + count - 1, EVENT * count)
        self.batches[first] = batch
        self.feed.published = batch.last
        self.wire.deliveries.append([])
        self.connection.push(batch, events_frame(batch))
        return self.wire.deliveries[-1]

    def turn(self, seconds: float) -> list[tuple[int, int]]:
        """Let time pass; returns what was delivered by that."""
        self.wire.deliveries.append([])
        self.clock.turn(seconds)
        return self.wire.deliveries[-1]


def test_without_a_pause_each_batch_is_delivered_at_once() -> None:
    line = Line(0.0)
    assert line.publish() == [(1, 1)]
    assert line.publish(3) == [(2, 4)]
    assert line.clock.timers == []


def test_what_comes_after_a_quiet_time_is_delivered_at_once_and_the_rest_together() -> None:
    line = Line(0.5)
    assert line.publish() == [(1, 1)]
    assert line.publish() == []
    assert line.publish(2) == []
    assert len(line.clock.timers) == 1
    assert line.turn(0.499) == []
    assert line.turn(0.001) == [(2, 2), (3, 4)]
    # The pause begins anew with every delivery, and a quiet one ends it.
    assert line.publish() == []
    assert line.turn(0.5) == [(5, 5)]
    assert line.turn(0.5) == []
    assert line.publish() == [(6, 6)]


def test_a_link_that_cannot_take_it_gets_it_once_it_can() -> None:
    line = Line(0.5)
    assert line.publish() == [(1, 1)]
    assert line.publish() == []
    line.connection.pause_writing()
    assert line.turn(0.5) == []
    assert line.publish() == []
    line.wire.deliveries.append([])
    line.connection.resume_writing()
    assert line.wire.deliveries[-1] == [(2, 2), (3, 3)]
    assert line.turn(0.5) == []
    assert line.publish() == [(4, 4)]


def test_a_timer_of_a_link_that_is_gone_is_gone() -> None:
    line = Line(0.5)
    line.publish()
    line.publish()
    line.connection.connection_lost(None)
    assert line.clock.timers == []


@pytest.mark.parametrize(
    ("seconds", "is_right"),
    [
        (0.0, True),
        (EVENTS_EVERY_SECONDS_MAX, True),
        (-0.001, False),
        (EVENTS_EVERY_SECONDS_MAX + 0.001, False),
        (float("nan"), False),
    ],
)
def test_the_pause_is_bounded(tmp_path: Any, seconds: float, *, is_right: bool) -> None:
    settings = settings_in(tmp_path)
    settings.principals["auditor"] = msgspec.structs.replace(
        settings.principals["auditor"], events_every_seconds=seconds
    )
    if is_right:
        check_settings(settings)
        return
    with pytest.raises(ConfigurationError, match=r"auditor.events_every_seconds: .* is not 0 to"):
        check_settings(settings)
