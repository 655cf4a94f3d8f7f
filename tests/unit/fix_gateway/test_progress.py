"""Which messages count as answered, when the guard is told, and how a client is held meanwhile."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.bridge import Request
from fix_gateway.guard.window import Window
from fix_gateway.outbox import in_turns
from fix_gateway.progress import MessageCost, Progress
from fix_gateway.sessions import LiveSession, Sent
from fix_gateway.settings import SessionFile


class Course:
    """One session, of which QuickFIX has taken some messages."""

    def __init__(self) -> None:
        self.live = live_session(1, "MM1")
        self.channel = SimpleNamespace(target_next=1)
        self.progress = Progress({"MM1": self.live})
        self.progress.channels = {"MM1": self.channel}  # type: ignore[dict-item]
        self.told: list[int] = []

    def take(self, sequence: int) -> None:
        """Let QuickFIX take a request and hand it over."""
        self.channel.target_next = sequence + 1
        self.live.handed_over += 1

    def send(self, sequence: int) -> None:
        """Let the loop take it and send it to the core."""
        self.live.taken += 1
        self.live.taken_through = sequence
        self.live.remember_sent(1, sequence, Sent("D", f"o-{sequence}"))
        self.progress.sent(self.live, epoch=1, sequence=sequence, received_at_ns=1000 + sequence)

    def ask(self, number: int) -> None:
        self.progress.wait("MM1", number, lambda _cost: self.told.append(number))

    def answer(self, sequence: int) -> None:
        self.progress.answered(1000 + sequence)
        self.progress.look()


def live_session(number: int, name: str) -> LiveSession:
    fields: dict[str, Any] = {"id": number, "kind": "order_entry", "sender_comp_id": name}
    fields["firm"] = {"id": 1, "name": "F"}
    return LiveSession(msgspec.convert(fields, SessionFile), 3)


async def test_a_request_is_answered_when_its_event_came() -> None:
    course = Course()
    course.ask(2)
    course.take(1)
    course.take(2)
    course.progress.look()
    assert course.told == [], "it waits for the loop"
    course.send(1)
    course.send(2)
    course.progress.look()
    course.answer(1)
    assert course.told == [], "one of two"
    course.answer(2)
    assert course.told == [2]
    course.answer(2)
    assert course.told == [2], "once"


async def test_a_later_answer_covers_what_the_core_dropped_as_a_repeat() -> None:
    course = Course()
    for sequence in (1, 2, 3):
        course.take(sequence)
        course.send(sequence)
    course.ask(2)
    course.answer(3)
    assert course.told == [2]


async def test_what_the_core_refuses_is_answered_and_what_was_before_it_is_not() -> None:
    course = Course()
    for sequence in (1, 2):
        course.take(sequence)
        course.send(sequence)
    course.live.recall_sent(1, 2)
    course.ask(2)
    assert course.told == []
    course.answer(1)
    assert course.told == [2]


async def test_nothing_is_kept_of_what_was_refused_or_dropped() -> None:
    course = Course()
    for sequence in range(1, 1001):
        course.take(sequence)
        course.send(sequence)
        course.live.recall_sent(1, sequence)
    assert len(course.progress._by_receipt) == 1, "the last, until the next is sent"
    course.send(1001)
    assert list(course.progress._by_receipt) == [2001]


async def test_a_message_that_is_no_request_is_answered_when_quickfix_took_it() -> None:
    course = Course()
    course.ask(5)
    assert course.told == []
    course.channel.target_next = 6
    course.progress.look()
    assert course.told == [5]


async def test_a_lost_link_leaves_nothing_on_its_way_and_strangers_are_not_told() -> None:
    course = Course()
    course.take(1)
    course.send(1)
    course.ask(1)
    course.progress.wait("NOBODY", 1, lambda _cost: course.told.append(-1))
    course.progress.forget()
    course.progress.look()
    assert course.told == [1]


@given(st.lists(st.integers(1, 3), max_size=30))
def test_sessions_take_turns_and_keep_their_order(numbers: list[int]) -> None:
    sessions = {number: live_session(number, f"S{number}") for number in (1, 2, 3)}
    requests = [
        Request(sessions[number], 1, sequence, b"") for sequence, number in enumerate(numbers, 1)
    ]
    ordered = in_turns(requests)
    assert sorted(ordered, key=lambda each: each.sequence) == requests
    seen: dict[int, list[int]] = {1: [], 2: [], 3: []}
    for each in ordered:
        mine = seen[each.session.number]
        assert not mine or mine[-1] < each.sequence
        mine.append(each.sequence)
        for other in seen.values():
            # Whoever still has something waiting is at most one turn behind.
            left = numbers.count(each.session.number) - len(mine)
            assert len(mine) - len(other) <= 1 or len(other) == numbers.count(
                next(number for number, found in seen.items() if found is other)
            ), left


# --- the guard's end ---


@given(
    st.integers(2, 40),
    st.integers(1, 1000),
    st.lists(st.one_of(st.integers(-1000, 0), st.integers(1, 60))),
)
def test_no_more_than_the_window_is_ever_unanswered(
    most: int, logon: int, steps: list[int]
) -> None:
    window = Window(messages_max=most, seconds_max=0.005)
    passed, answered, asked = logon, logon, 0
    window.logged_on(logon)
    for step in steps:
        if step <= 0:
            if asked:
                answered, asked = asked, 0
                window.answered(-step)
        else:
            passed = max(passed, min(passed + step, window.last(passed)))
        question = window.question(passed)
        assert not (question and asked), "one question at a time"
        asked = question or asked
        assert passed - answered <= most
        assert min(8, most) <= window.size <= most
        assert (passed >= window.last(passed)) == (passed - answered >= window.size)
        assert asked or 2 * (passed - answered) < window.size, "who may be held has asked"


def test_half_a_window_costs_no_question() -> None:
    window = Window(messages_max=10, seconds_max=1.0)
    window.logged_on(1)
    assert [window.question(passed) for passed in (1, 5, 6, 7)] == [0, 0, 6, 0]
    assert (window.last(7), window.last(11)) == (11, 11)
    window.answered(0)
    assert window.last(11) == 16


@pytest.mark.parametrize(
    ("cost_us", "size"), [(0, 64), (1, 64), (78, 64), (79, 63), (400, 12), (625, 8), (9999, 8)]
)
def test_a_window_holds_what_is_answered_in_its_time(cost_us: int, size: int) -> None:
    window = Window(messages_max=64, seconds_max=0.005)
    window.logged_on(1)
    assert window.question(33) == 33
    window.answered(cost_us)
    assert window.size == size
    assert window.last(33) == 33 + size


def test_what_a_message_costs_is_measured_over_enough_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=10.0, cpu_ns=5_000, taken=100)
    monkeypatch.setattr("fix_gateway.progress.time.monotonic", lambda: clock.now)
    monkeypatch.setattr("fix_gateway.progress.time.process_time_ns", lambda: clock.cpu_ns)
    cost = MessageCost(lambda: clock.taken)

    def later(seconds: float, cpu_us: int, taken: int) -> int:
        clock.now += seconds
        clock.cpu_ns += cpu_us * 1000
        clock.taken += taken
        return cost.microseconds()

    assert later(0.5, 500, 31) == 0, "too few messages"
    assert later(0.1, 100, 1) == 600 // 32
    assert later(0.04, 9000, 500) == 600 // 32, "too little time"
    assert later(0.02, 1000, 500) == 10
    assert later(0.9, 5000, -900) == 10, "numbers began anew"
    assert later(0.06, 320, 32) == 10
    assert later(0.06, 640, 32) == 20
    assert later(1.01, 9000, 32) == 0, "that was a quiet time"
    assert later(0.06, 640, 32) == 20


def test_numbers_that_quickfix_asks_for_again_are_counted_from_there() -> None:
    window = Window(messages_max=10, seconds_max=1.0)
    window.logged_on(50)
    assert window.last(19) == 29
