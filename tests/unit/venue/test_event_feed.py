"""The feed keeps little in memory, and never drops what the files do not hold yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.trading.events import SessionOpened
from runtime.link_frames import EventBatch
from runtime.log_files import Entry
from runtime.log_format import Stream
from runtime.log_history import LogHistory
from runtime.simulated_storage import SimulatedStorage
from tests.venue_support import settings_in
from venue.event_feed import EventFeed
from venue.event_records import split_after, whole_commands
from venue.metrics import MetricsInMemory
from venue.settings import LinkSettings

SIZE = SessionOpened.LENGTH
KEPT = 10


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[EventFeed]:
    settings = settings_in(tmp_path, links=LinkSettings(feed_memory_bytes=KEPT * SIZE))
    history = LogHistory(SimulatedStorage(), Stream.EVENTS, venue=bytes(16))
    made = EventFeed(history, settings, last_event=0, metrics=MetricsInMemory())
    submitted: list[Entry] = []
    made.submit = submitted.append
    yield made
    made.close()


def batch(first: int, last: int) -> EventBatch:
    numbers = range(first, last + 1)
    return EventBatch(first, last, b"".join(SessionOpened.make(number=n).pack() for n in numbers))


def test_memory_is_bounded_once_the_files_have_it(feed: EventFeed) -> None:
    for number in range(1, 101):
        feed.publish(batch(number, number), 0)
        feed.file_written(number)
    assert feed.from_memory(100 - KEPT - 1) is None
    assert feed.from_memory(100 - KEPT) == batch(101 - KEPT, 101 - KEPT)
    assert feed.from_memory(99) == batch(100, 100)
    assert feed.from_memory(100) is None


def test_what_is_not_in_the_files_stays_in_memory(feed: EventFeed) -> None:
    for number in range(1, 101):
        feed.publish(batch(number, number), 0)
    feed.file_written(5)
    assert feed.from_memory(4) is None
    assert feed.from_memory(5) == batch(6, 6)


def test_a_reader_may_begin_inside_a_batch(feed: EventFeed) -> None:
    feed.publish(batch(1, 3), 0)
    feed.publish(batch(4, 8), 0)
    assert feed.from_memory(5) == batch(6, 8)
    assert feed.from_memory(1) == batch(2, 3)


def test_the_sequencer_is_told_when_the_files_fall_too_far_behind(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    history = LogHistory(SimulatedStorage(), Stream.EVENTS, venue=bytes(16))
    feed = EventFeed(history, settings, last_event=0, metrics=MetricsInMemory())
    feed.submit = lambda _entry: None
    big = EventBatch(1, 1, bytes(settings.batch.unpublished_bytes_max))
    feed.publish(big, 0)
    assert feed.keeps_up()
    feed.publish(batch(2, 2), 0)
    assert not feed.keeps_up()
    feed.file_written(1)
    assert feed.keeps_up()
    feed.close()


def test_a_cut_inside_a_batch_falls_between_events() -> None:
    events = batch(5, 9).data
    assert [split_after(events, number) for number in (4, 5, 8, 9, 10)] == [
        0,
        SIZE,
        4 * SIZE,
        5 * SIZE,
        5 * SIZE,
    ]
    assert split_after(b"", 1) == 0


@pytest.mark.parametrize("damage", [bytes(24), bytes(8), b"\xff" * 24])
def test_bytes_that_are_no_events_are_not_walked(damage: bytes) -> None:
    for data in (damage, batch(1, 3).data + damage, batch(1, 3).data[:-8]):
        with pytest.raises(ValueError, match="no event record at byte"):
            split_after(data, 3)
        with pytest.raises(ValueError, match="no event record at byte"):
            list(whole_commands(EventBatch(1, 3, data), len(data) - 1))
