"""Latencies in a fixed amount of memory: buckets that are each about three percent wide."""

from array import array
from collections.abc import Iterator
from math import ceil
from typing import Final

_STEPS_BITS: Final = 5
_STEPS: Final = 1 << _STEPS_BITS
_EXPONENTS: Final = 44  # up to 2**44 ns, almost five hours


class LatencyHistogram:
    """Counts nanoseconds; says percentiles to within one thirty-second of the value."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _STEPS * _EXPONENTS))
        self.count = 0
        self.max_ns = 0

    def record(self, latency_ns: int) -> None:
        """Count one latency; a negative one is none and a huge one the largest."""
        latency_ns = max(latency_ns, 0)
        self.count += 1
        self.max_ns = max(self.max_ns, latency_ns)
        self._counts[min(_bucket(latency_ns), len(self._counts) - 1)] += 1

    def percentile_ns(self, percent: float) -> int:
        """Return a value that ``percent`` of the latencies do not exceed; 0 without any."""
        wanted = ceil(self.count * percent / 100)
        seen = 0
        if wanted == 0:
            return 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_upper_bound(bucket), self.max_ns)
        return self.max_ns

    def buckets(self) -> Iterator[tuple[int, int]]:
        """Yield each bucket that is not empty, with its count."""
        return ((bucket, count) for bucket, count in enumerate(self._counts) if count)

    def add(self, other: "LatencyHistogram") -> None:
        """Count all that another one counted."""
        for bucket, count in other.buckets():
            self._counts[bucket] += count
        self.count += other.count
        self.max_ns = max(self.max_ns, other.max_ns)


def _bucket(value: int) -> int:
    """Values below 32 have a bucket each; each doubling above has 32."""
    if value < _STEPS:
        return value
    exponent = value.bit_length() - _STEPS_BITS - 1
    return _STEPS * (exponent + 1) + (value >> exponent) - _STEPS


def _upper_bound(bucket: int) -> int:
    exponent, step = divmod(bucket, _STEPS)
    if exponent == 0:
        return step
    return ((step + _STEPS + 1) << (exponent - 1)) - 1
