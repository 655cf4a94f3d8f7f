"""How many failed attempts are allowed, and how long the next one waits. Pure.

An attempt is counted before it is looked at, so attempts made in parallel count like attempts
in a row; success takes the count back. Subjects are counted whether or not an account is behind
them, so the answer says nothing about that.

Source:
    NIST SP 800-63B-4, 3.2.2: at most 100 consecutive failures.
"""

import msgspec

SECOND_NS = 1_000_000_000


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of subject may fail."""

    free: int
    """Attempts without a wait; after them the wait doubles from ``first_wait_seconds``."""
    failures_max: int | None
    """After which only recovery helps; None: never."""
    first_wait_seconds: int = 1
    wait_seconds_max: int = 900
    forgotten_seconds: int = 86_400
    """After this long without an attempt the count begins anew, unless it is locked."""


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive attempts of one subject that have not succeeded."""

    count: int = 0
    last_at_ns: int = 0


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts are counted against: a keyed digest, and what it is allowed."""

    digest: bytes
    allowance: Allowance


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """No attempt may be made now."""

    limit: int
    usage: int
    wait_seconds: int
    """0: waiting does not help."""


def attempt(before: Attempts, allowance: Allowance, *, now_ns: int) -> Attempts | Blocked:
    """Count one more attempt, unless it comes too early."""
    limit = allowance.failures_max
    if limit is not None and before.count >= limit:
        return Blocked(limit=limit, usage=before.count, wait_seconds=0)
    if now_ns - before.last_at_ns > allowance.forgotten_seconds * SECOND_NS:
        return Attempts(count=1, last_at_ns=now_ns)
    opens_at_ns = before.last_at_ns + wait_seconds(before.count, allowance) * SECOND_NS
    if now_ns < opens_at_ns:
        # Rounded up: who waits as long as told is let in.
        wait = -((now_ns - opens_at_ns) // SECOND_NS)
        return Blocked(limit=allowance.free, usage=before.count, wait_seconds=wait)
    return Attempts(count=before.count + 1, last_at_ns=now_ns)


def wait_seconds(count: int, allowance: Allowance) -> int:
    """Say how long after the last of ``count`` failures the next attempt must wait."""
    if count < allowance.free:
        return 0
    doublings = min(count - allowance.free, 30)
    return min(allowance.first_wait_seconds << doublings, allowance.wait_seconds_max)
