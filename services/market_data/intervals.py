"""When candles open and close, in UTC.

Intervals up to a day, and that of three days, are whole numbers of their length since 1970. A
week opens on Monday, a month on its first day. Each interval but the shortest is made of whole
ones of a finer interval (``Interval.of``): that is why candles can be added up, and why a
correction touches few rows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
_MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05, the first Monday."""


class Interval(NamedTuple):
    """A length of candles."""

    name: str
    span_ms: int
    """Its length; of months, the number that stands for them (30 days)."""
    first_ms: int
    """An opening from which all others are counted."""
    of: str
    """The finer interval that it is made of; empty for the finest, which is made of trades."""
    offset_ms: int = 0
    """Of the time zone whose clock it follows, east of UTC; only candles in UTC are stored."""

    @property
    def is_month(self) -> bool:
        """Whether it follows the calendar."""
        return self.name == "1M"

    def opening(self, time_ms: int) -> int:
        """Return when the candle of a moment opened."""
        if self.is_month:
            moment = _moment(time_ms + self.offset_ms)
            return _month_ms(moment.year, moment.month) - self.offset_ms
        return time_ms - (time_ms - self.first_ms + self.offset_ms) % self.span_ms

    def next_opening(self, opened_ms: int) -> int:
        """Return when the candle after the one that opened then opens."""
        if self.is_month:
            moment = _moment(opened_ms + self.offset_ms)
            years, month = divmod(moment.month, 12)
            return _month_ms(moment.year + years, month + 1) - self.offset_ms
        return opened_ms + self.span_ms

    def earlier_opening(self, opened_ms: int, count: int) -> int:
        """Return the opening so many candles before one, at the earliest that of 1970."""
        if self.is_month:
            moment = _moment(opened_ms + self.offset_ms)
            months = max(moment.year * 12 + moment.month - 1 - count, 1970 * 12)
            return _month_ms(months // 12, months % 12 + 1) - self.offset_ms
        return max(opened_ms - count * self.span_ms, self.opening(0))

    def in_zone(self, offset_ms: int) -> "Interval":
        """Return the interval by the clock of a time zone."""
        return self._replace(offset_ms=offset_ms)

    @property
    def stored(self) -> "Interval":
        """The longest interval in UTC whose candles make up ours: itself, in most zones."""
        if not self.offset_ms:
            return self
        found = self
        while found.is_month or self.offset_ms % found.span_ms:
            found = INTERVALS[found.of]
        return found.in_zone(0)

    def openings(self, first_ms: int, last_ms: int) -> Iterator[int]:
        """Yield the openings from one to another, both included."""
        opened = first_ms
        while opened <= last_ms:
            yield opened
            opened = self.next_opening(opened)


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC)


def _month_ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


INTERVALS: Final[dict[str, Interval]] = {
    name: Interval(name, span, first, of)
    for name, span, first, of in (
        # Finer ones first: candles are added up in this order.
        ("1s", SECOND_MS, 0, ""),
        ("1m", MINUTE_MS, 0, "1s"),
        ("3m", 3 * MINUTE_MS, 0, "1m"),
        ("5m", 5 * MINUTE_MS, 0, "1m"),
        ("15m", 15 * MINUTE_MS, 0, "5m"),
        ("30m", 30 * MINUTE_MS, 0, "15m"),
        ("1h", HOUR_MS, 0, "30m"),
        ("2h", 2 * HOUR_MS, 0, "1h"),
        ("4h", 4 * HOUR_MS, 0, "2h"),
        ("6h", 6 * HOUR_MS, 0, "2h"),
        ("8h", 8 * HOUR_MS, 0, "4h"),
        ("12h", 12 * HOUR_MS, 0, "4h"),
        ("1d", DAY_MS, 0, "12h"),
        ("3d", 3 * DAY_MS, 0, "1d"),
        ("1w", 7 * DAY_MS, _MONDAY_MS, "1d"),
        ("1M", 30 * DAY_MS, 0, "1d"),
    )
}

FINEST: Final = INTERVALS["1s"]
MINUTE: Final = INTERVALS["1m"]
