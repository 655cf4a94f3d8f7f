"""Named places where a test can kill the process, as a crash would.

``RIALTO_CRASH_AT=name`` or ``name:n`` (the n-th time) is obeyed only when the settings allow
it; an operator's environment cannot end a venue.
"""

import os
import signal
from collections import Counter

from runtime.log_files import CrashPoint, no_crash_point

VARIABLE = "RIALTO_CRASH_AT"

NAMES = frozenset(
    {
        "after_write",
        "before_sync",
        "after_sync",
        "before_publish",
        "after_publish",
        "segment_sealed",
        "segment_rename",
        "snapshot_written",
        "snapshot_rename",
        "recovery_events",
    }
)


def crash_point(*, allowed: bool) -> CrashPoint:
    """Return what to call at each named place."""
    wanted = os.environ.get(VARIABLE, "")
    if not allowed or not wanted:
        return no_crash_point
    name, _, nth = wanted.partition(":")
    assert name in NAMES, f"{VARIABLE}: unknown place {name!r}"
    return _CrashPoint(name, int(nth or "1"))


class _CrashPoint:
    def __init__(self, name: str, nth: int) -> None:
        self._name, self._nth = name, nth
        self._passed: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        self._passed[name] += 1
        if name == self._name and self._passed[name] >= self._nth:
            os.kill(os.getpid(), signal.SIGKILL)
