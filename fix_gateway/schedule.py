"""When a session may be logged on: its own hours, in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class ScheduleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[schedule]``: from ``start`` to ``end`` on the days that it begins on; around the clock.

    An ``end`` at or before the ``start`` is on the next day.
    """

    start: TimeOfDay = "00:00"
    end: TimeOfDay = "24:00"
    days: tuple[Day, ...] = DAYS

    def is_open(self, now_ns: int) -> bool:
        """Say whether a session of these hours may be logged on; the start counts, the end not."""
        now = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
        minute = now.hour * 60 + now.minute
        start, end = _minutes(self.start), _minutes(self.end)
        today, yesterday = DAYS[now.weekday()], DAYS[(now - timedelta(days=1)).weekday()]
        if end > start:
            return today in self.days and start <= minute < end
        return (today in self.days and minute >= start) or (yesterday in self.days and minute < end)

    def __str__(self) -> str:
        """Say the hours for people."""
        return f"{self.start} to {self.end} UTC, {' '.join(self.days)}"


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
