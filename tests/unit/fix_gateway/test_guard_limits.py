"""Paces and bounds: buckets, gaps, and resends page by page, each beside a slow twin."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.guard.gaps import GapWatch
from fix_gateway.guard.resends import Page, ResendPacer
from fix_gateway.token_bucket import TokenBucket

SECOND = 1_000_000_000


@given(
    st.integers(1, 20),
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 5)), max_size=60),
)
def test_a_bucket_gives_what_a_slow_one_gives(
    burst: int, interval: int, steps: list[tuple[int, int]]
) -> None:
    bucket, held, last, now = TokenBucket(burst=burst, interval_ns=interval), burst * interval, 0, 0
    for after, count in steps:
        now += after
        held, last = min(burst * interval, held + now - last), now
        assert bucket.available(now) == held // interval
        is_there = held >= count * interval
        assert bucket.take(now, count) == is_there
        held -= count * interval * is_there
        assert bucket.wait_ns(now) == max(0, interval - held)


def test_a_debt_is_paid_by_time() -> None:
    bucket = TokenBucket(burst=10, interval_ns=100)
    assert bucket.spend(0, 10) == 0
    assert bucket.spend(0, 5) == 500
    assert bucket.spend(400, 0) == 100
    assert not bucket.take(500)
    assert bucket.take(600)


def test_no_interval_is_no_limit() -> None:
    bucket = TokenBucket(burst=0, interval_ns=0)
    assert all(bucket.take(0) for _ in range(1000))


# --- gaps ---


class SlowSession:
    """What QuickFIX expects and keeps, in the plainest way."""

    def __init__(self, logon: int) -> None:
        self.expected = logon + 1
        self.queue: dict[int, int] = {}

    def take(self, number: int, following: int) -> None:
        if number > self.expected:
            self.queue[number] = following
        elif number == self.expected:
            self.expected = following
            while self.expected in self.queue:
                self.expected = max(self.expected, self.queue.pop(self.expected))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=100))
def test_gaps_are_followed_as_quickfix_does(steps: list[tuple[int, int]]) -> None:
    watch, slow = GapWatch(messages_max=1000), SlowSession(3)
    watch.logged_on(3)
    for number, step in steps:
        assert watch.passed(number, number + step)
        slow.take(number, number + step)
        assert watch.expected == slow.expected
        assert len(watch) == len(slow.queue)


def test_what_waits_beyond_a_gap_is_bounded() -> None:
    watch = GapWatch(messages_max=100)
    watch.logged_on(1)
    assert all(watch.passed(number, number + 1) for number in range(10, 110))
    assert not watch.passed(110, 111)


def test_a_gap_before_the_logon_counts_what_came_after_it() -> None:
    watch = GapWatch(messages_max=100)
    watch.logged_on(50)
    for number in range(51, 61):
        watch.passed(number, number + 1)
    assert watch.asked_from(20)
    assert watch.expected == 20
    assert len(watch) == 11, "the Logon and ten messages"
    for number in range(20, 50):
        watch.passed(number, number + 1)
    assert (watch.expected, len(watch)) == (61, 0)


def test_a_reset_forward_is_followed() -> None:
    watch = GapWatch(messages_max=10)
    watch.logged_on(1)
    watch.reset_to(1000)
    assert watch.expected == 1000
    watch.reset_to(5)
    assert watch.expected == 1000


# --- resends ---


def served(pacer: ResendPacer, page: Page | None, *, now: int, took: int = 1) -> Iterator[Page]:
    """Answer pages with a message for each number, until no more is asked for."""
    while True:
        while page is not None:
            yield page
            now += took
            for number in range(page.begin, page.end + 1):
                pacer.answered(number, is_fill=False, now_ns=now)
            page = pacer.next_page(now)
        if not pacer.is_waiting:
            return
        now += pacer.wait_ns(now)
        page = pacer.next_page(now)
        assert page is not None, "its time had come"


def pacer_at(highest: int) -> ResendPacer:
    pacer = ResendPacer(page_messages=100, messages_per_second=5000)
    pacer.highest = highest
    return pacer


@given(st.integers(1, 5000), st.integers(1, 5000), st.booleans())
def test_pages_cover_a_range_once_and_in_order(begin: int, end: int, is_open: bool) -> None:
    pacer = pacer_at(3000)
    first = pacer.asked(9, begin, 0 if is_open else end, 0)
    last = min(3000, 3000 if is_open else end)
    pages = list(served(pacer, first, now=0))
    numbers = [number for page in pages for number in range(page.begin, page.end + 1)]
    assert numbers == list(range(begin, last + 1))
    assert {page.number for page in pages} <= {9}
    assert all(page.end - page.begin < 100 for page in pages)
    assert not pacer.is_asked


def test_the_long_run_keeps_to_its_rate_and_to_a_share_of_quickfix() -> None:
    pacer = pacer_at(100_000)
    now, took, asked = 0, 2_000_000, 0
    page = pacer.asked(2, 1, 0, now)
    while now < 10 * SECOND and (page is not None or pacer.is_waiting):
        if page is not None:
            asked += page.end - page.begin + 1
            now += took
            for number in range(page.begin, page.end + 1):
                pacer.answered(number, is_fill=False, now_ns=now)
        now += max(pacer.wait_ns(now), 1)
        page = pacer.next_page(now)
    assert asked <= 5000 * 11
    slow = pacer_at(100_000)
    page, now, busy = slow.asked(2, 1, 0, 0), 0, 0
    for _ in range(50):
        assert page is not None
        now, busy = now + 40_000_000, busy + 40_000_000
        slow.answered(page.end, is_fill=True, now_ns=now)
        now += slow.wait_ns(now)
        page = slow.next_page(now)
    assert busy * 5 <= now * 1.01


def test_a_storm_of_requests_is_one_page_on_its_way() -> None:
    pacer = pacer_at(20_000)
    assert pacer.asked(2, 1, 0, 0) == Page(2, 1, 100)
    for number in range(3, 1000):
        assert pacer.asked(number, 1, 0, 0) is None, "a Heartbeat takes its place"
    pacer.answered(100, is_fill=False, now_ns=1)
    assert pacer.next_page(SECOND) == Page(999, 1, 100), "the latest word counts"


def test_a_hole_is_crossed_in_growing_pages_while_they_are_quick() -> None:
    pacer = pacer_at(1_000_000)
    page, now, pages, longest = pacer.asked(2, 1, 0, 0), 0, 0, 0
    while page is not None:
        pages, longest = pages + 1, max(longest, page.end - page.begin + 1)
        now += 100_000
        pacer.answered(page.end, is_fill=True, now_ns=now)
        if not pacer.is_waiting:
            break
        now += pacer.wait_ns(now)
        page = pacer.next_page(now)
    assert pages < 200
    assert longest == 6400
    now += pacer.wait_ns(now)
    page = pacer.asked(3, 1, 0, now)
    assert page is not None
    assert page.end == 100, "another request begins anew"


def test_what_was_never_sent_is_not_asked_for() -> None:
    pacer = pacer_at(10)
    assert pacer.asked(2, 11, 0, 0) is None
    assert not pacer.is_waiting
    assert pacer.asked(3, 5, 10**17, 0) == Page(3, 5, 10)


def test_an_answer_that_never_comes_is_given_up() -> None:
    pacer = pacer_at(1000)
    pacer.asked(2, 1, 0, 0)
    pacer.give_up()
    assert not pacer.is_asked
    assert not pacer.is_waiting
    assert pacer.asked(3, 1, 50, SECOND) == Page(3, 1, 50)
