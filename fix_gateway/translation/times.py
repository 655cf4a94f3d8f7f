"""UTC timestamps of FIX to nanoseconds and back, by integers."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_TIMESTAMP = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?", re.ASCII
)
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS = 1_000_000_000


def timestamp_text(time_ns: int) -> str:
    """Write nanoseconds since the epoch as UTCTimestamp with microseconds, rounded down."""
    seconds, nanoseconds = divmod(time_ns, _SECOND_NS)
    return f"{_second_text(seconds)}.{nanoseconds // 1000:06d}"


def nanosecond_text(time_ns: int) -> str:
    """Write nanoseconds since the epoch as UTCTimestamp with all nine digits."""
    seconds, nanoseconds = divmod(time_ns, _SECOND_NS)
    return f"{_second_text(seconds)}.{nanoseconds:09d}"


def timestamp_ns(text: str) -> int | None:
    """Read a UTCTimestamp as nanoseconds since the epoch; None if it is none after 1970."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    fraction = int((match.group(7) or "").ljust(9, "0"))
    return _instant_ns([int(part) for part in match.groups()[:6]], fraction)


def day_end_ns(text: str) -> int | None:
    """Read a date and return its last instant, 24:00 UTC, in nanoseconds; None if it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    begin = _instant_ns([*(int(part) for part in match.groups()), 0, 0, 0], 0)
    return None if begin is None else begin + 86_400 * _SECOND_NS


def _instant_ns(parts: list[int], fraction_ns: int) -> int | None:
    try:
        year, month, day, hour, minute, second = parts
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    if not 1970 <= year <= 2200:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * _SECOND_NS + fraction_ns


@lru_cache(maxsize=256)
def _second_text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S")
