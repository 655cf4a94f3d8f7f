from __future__ import annotations

import random

import pytest

from exchange.demo.latency import LatencyHistogram


def test_percentiles_are_within_a_thirty_second(chance: random.Random) -> None:
    values = sorted(int(chance.lognormvariate(13, 2)) for _ in range(5000))
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    for percent in (1, 50, 90, 99, 99.9, 100):
        exact = values[max(0, -(-int(len(values) * percent * 10) // 1000) - 1)]
        assert exact <= histogram.percentile_ns(percent) <= exact * 33 / 32 + 1
    assert histogram.max_ns == values[-1]
    assert histogram.count == len(values)


@pytest.mark.parametrize("value", [0, 1, 31, 32, 33, 63, 64, 1_000_000])
def test_one_value_is_its_own_percentile(value: int) -> None:
    histogram = LatencyHistogram()
    histogram.record(value)
    assert histogram.percentile_ns(50) == value


def test_a_huge_latency_is_counted_as_the_largest() -> None:
    histogram = LatencyHistogram()
    histogram.record(1 << 60)
    assert (histogram.count, histogram.max_ns) == (1, 1 << 60)
    assert histogram.percentile_ns(50) == (1 << 48) - 1


def test_histograms_add_up_and_an_empty_one_says_zero() -> None:
    left, right = LatencyHistogram(), LatencyHistogram()
    assert left.percentile_ns(99) == 0
    left.record(10)
    right.record(20)
    left.add(right)
    assert (left.count, left.max_ns, left.percentile_ns(50)) == (2, 20, 10)
