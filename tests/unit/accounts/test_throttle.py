from services.accounts.throttle import (
    SECOND_NS,
    Allowance,
    Attempts,
    Blocked,
    attempt,
    wait_seconds,
)

ALLOWANCE = Allowance(free=3, failures_max=20, wait_seconds_max=60)


def test_waits_double_up_to_their_bound() -> None:
    waits = [wait_seconds(count, ALLOWANCE) for count in range(12)]
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert wait_seconds(10**9, ALLOWANCE) == 60


def test_who_waits_as_long_as_told_may_try_and_not_before() -> None:
    before = Attempts(count=5, last_at_ns=100 * SECOND_NS)
    early = attempt(before, ALLOWANCE, now_ns=104 * SECOND_NS - 1)
    assert early == Blocked(limit=3, usage=5, wait_seconds=1)
    after = attempt(before, ALLOWANCE, now_ns=104 * SECOND_NS)
    assert after == Attempts(count=6, last_at_ns=104 * SECOND_NS)


def test_a_wait_is_rounded_up() -> None:
    before = Attempts(count=5, last_at_ns=0)
    blocked = attempt(before, ALLOWANCE, now_ns=1)
    assert isinstance(blocked, Blocked)
    assert blocked.wait_seconds == 4


def test_the_last_failure_locks_for_good() -> None:
    before = Attempts(count=20, last_at_ns=0)
    assert attempt(before, ALLOWANCE, now_ns=10**30) == Blocked(limit=20, usage=20, wait_seconds=0)
    assert not isinstance(
        attempt(Attempts(count=19, last_at_ns=0), ALLOWANCE, now_ns=10**20), Blocked
    )


def test_old_failures_are_forgotten() -> None:
    before = Attempts(count=10, last_at_ns=SECOND_NS)
    day_ns = ALLOWANCE.forgotten_seconds * SECOND_NS
    later = SECOND_NS + day_ns
    assert attempt(before, ALLOWANCE, now_ns=later) == Attempts(count=11, last_at_ns=later)
    assert attempt(before, ALLOWANCE, now_ns=later + 1) == Attempts(count=1, last_at_ns=later + 1)
