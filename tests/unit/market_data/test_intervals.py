"""When candles open and close."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from messages.market_data import INTERVALS as PROMISED
from services.market_data.intervals import DAY_MS, INTERVALS
from tests.integration.market_data.day import openings


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1000


def test_there_are_those_that_are_promised() -> None:
    assert tuple(INTERVALS) == PROMISED


@pytest.mark.parametrize(
    ("interval", "moment", "opened", "following"),
    [
        ("1M", "2024-02-29T23:59:59", "2024-02-01", "2024-03-01"),
        ("1M", "2023-12-31T23:59:59", "2023-12-01", "2024-01-01"),
        ("1M", "2024-01-01T00:00:00", "2024-01-01", "2024-02-01"),
        ("1w", "2023-12-31T23:59:59", "2023-12-25", "2024-01-01"),
        ("1w", "2024-01-01T00:00:00", "2024-01-01", "2024-01-08"),
        ("1w", "1970-01-01T00:00:00", "1969-12-29", "1970-01-05"),
        ("3d", "1970-01-03T23:59:59", "1970-01-01", "1970-01-04"),
        ("3d", "2023-12-01T12:00:00", "2023-12-01", "2023-12-04"),
        ("12h", "2023-12-01T12:00:00", "2023-12-01T12:00", "2023-12-02"),
        ("1s", "2023-12-01T00:00:01", "2023-12-01T00:00:01", "2023-12-01T00:00:02"),
    ],
)
def test_the_edges_are_where_the_calendar_has_them(
    interval: str, moment: str, opened: str, following: str
) -> None:
    made = INTERVALS[interval]
    assert made.opening(at(moment)) == at(opened)
    assert made.next_opening(at(opened)) == at(following)


def test_any_moment_is_in_the_candle_that_the_calendar_says(chance: random.Random) -> None:
    for _ in range(3000):
        time_ms = chance.randrange(at("2100-01-01"))
        for name, opened_ms in openings(time_ms * 1_000_000):
            interval = INTERVALS[name]
            assert interval.opening(time_ms) == opened_ms
            following = interval.next_opening(opened_ms)
            assert opened_ms <= time_ms < following
            assert interval.opening(following - 1) == opened_ms
            assert interval.earlier_opening(following, 1) == max(opened_ms, interval.opening(0))


def test_a_candle_is_made_of_whole_finer_ones(chance: random.Random) -> None:
    for _ in range(300):
        time_ms = chance.randrange(at("2100-01-01"))
        for interval in INTERVALS.values():
            if interval.of:
                finer = INTERVALS[interval.of]
                opened_ms = interval.opening(time_ms)
                assert finer.opening(opened_ms) == opened_ms
                following = interval.next_opening(opened_ms)
                assert finer.opening(following) == following


def test_counting_back_ends_in_1970() -> None:
    month = INTERVALS["1M"]
    assert month.earlier_opening(at("2024-03-01"), 14) == at("2023-01-01")
    assert month.earlier_opening(at("2024-03-01"), 1000) == 0
    assert INTERVALS["1d"].earlier_opening(10 * DAY_MS, 1000) == 0
    assert INTERVALS["1w"].earlier_opening(at("1970-01-12"), 5) == at("1969-12-29")
