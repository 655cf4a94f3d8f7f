"""A session's hours, at their edges."""

from datetime import UTC, datetime

import msgspec
import pytest

from fix_gateway.schedule import ScheduleTable


def at(text: str) -> int:
    """2026-11-30 is a Monday."""
    return int(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("11-30T07:59:59", False),
        ("11-30T08:00:00", True),
        ("11-30T16:59:59", True),
        ("11-30T17:00:00", False),
        ("11-29T12:00:00", False),
    ],
)
def test_the_start_counts_and_the_end_does_not(moment: str, is_open: bool) -> None:
    hours = ScheduleTable(start="08:00", end="17:00", days=("mon", "tue", "wed", "thu", "fri"))
    assert hours.is_open(at(moment)) == is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("11-30T21:59:59", False),
        ("11-30T22:00:00", True),
        ("12-01T05:59:59", True),
        ("12-01T06:00:00", False),
        ("12-01T23:00:00", False),
        ("11-30T03:00:00", False),
    ],
)
def test_hours_over_midnight_belong_to_the_day_they_begin_on(moment: str, is_open: bool) -> None:
    hours = ScheduleTable(start="22:00", end="06:00", days=("mon",))
    assert hours.is_open(at(moment)) == is_open


def test_without_a_word_it_is_always_open() -> None:
    hours = ScheduleTable()
    assert all(
        hours.is_open(at(f"12-0{day}T{hour:02}:30:00")) for day in range(1, 8) for hour in range(24)
    )
    assert str(hours) == "00:00 to 24:00 UTC, mon tue wed thu fri sat sun"


@pytest.mark.parametrize("wrong", [{"start": "25:00"}, {"end": "8:00"}, {"days": ["monday"]}])
def test_what_is_no_time_or_day_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, ScheduleTable)
