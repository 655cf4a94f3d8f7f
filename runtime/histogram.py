"""A histogram that costs little to count in: Prometheus's own walks its buckets at each value."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Histogram(Collector):
    """How many values lie in each bucket, the last of which has no upper bound; of one thread."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...]) -> None:
        """Begin with no value.

        Args:
            name: as Prometheus shows it.
            text: what it is, for people.
            bounds: upper bounds of the buckets, ascending.
        """
        self._name, self._text, self._bounds = name, text, bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def shown_in(self, registry: CollectorRegistry) -> "Histogram":
        """Show it in a registry, and return it."""
        registry.register(self)
        return self

    def observe(self, value: float) -> None:
        """Count a value."""
        self._buckets[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        """Return how many values are at most each bound, and their sum."""
        bounds = (*(str(float(bound)) for bound in self._bounds), "+Inf")
        cumulated = list(zip(bounds, accumulate(self._buckets), strict=True))
        family = HistogramMetricFamily(self._name, self._text)
        family.add_metric([], cumulated, self._sum)
        yield family
