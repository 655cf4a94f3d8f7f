"""What Prometheus is shown is what the library's own metrics would show."""

from __future__ import annotations

import random

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from venue.adapters import prometheus
from venue.adapters.prometheus import PrometheusMetrics


class LibraryMetrics:
    """The same port on the library's own counters, gauges and histograms."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counters = {
            name: Counter(f"core_{name}", text, [label], registry=registry)
            for name, (text, label) in prometheus._COUNTERS.items()
        }
        self.gauges = {
            name: Gauge(f"core_{name}", text, [label] if label else [], registry=registry)
            for name, (text, label) in prometheus._GAUGES.items()
        }
        self.histograms = {
            name: Histogram(f"core_{name}", text, buckets=bounds, registry=registry)
            for name, (text, bounds) in prometheus._HISTOGRAMS.items()
        }

    def count(self, name: str, amount: int, label: str) -> None:
        self.counters[name].labels(label).inc(amount)

    def observe(self, name: str, value: float) -> None:
        self.histograms[name].observe(value)

    def set(self, name: str, value: float, label: str) -> None:
        gauge = self.gauges[name]
        (gauge.labels(label) if prometheus._GAUGES[name][1] else gauge).set(value)


def shown(registry: CollectorRegistry) -> list[str]:
    """The page's lines in any order; when a series was first seen is not ours to say."""
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


def test_the_page_is_what_the_library_would_show(chance: random.Random) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    metrics, library = PrometheusMetrics(ours), LibraryMetrics(theirs)
    assert shown(ours) == shown(theirs)
    for _ in range(500):
        counter, label = chance.choice(list(prometheus._COUNTERS)), chance.choice("ab\n")
        gauge = chance.choice(list(prometheus._GAUGES))
        histogram = chance.choice(list(prometheus._HISTOGRAMS))
        amount, level = chance.randrange(1, 5), chance.random() * 10
        of_gauge = label if prometheus._GAUGES[gauge][1] else ""
        value = chance.choice((0, level, chance.choice(prometheus._HISTOGRAMS[histogram][1])))
        for each in (metrics, library):
            each.count(counter, amount, label)
            each.set(gauge, level, of_gauge)
            each.observe(histogram, value)
    assert shown(ours) == shown(theirs)


def test_a_name_that_is_not_declared_is_a_defect() -> None:
    metrics = PrometheusMetrics(CollectorRegistry())
    with pytest.raises(KeyError):
        metrics.count("unheard_of")
    with pytest.raises(KeyError):
        metrics.observe("unheard_of", 1)
    with pytest.raises(KeyError):
        metrics.set("unheard_of", 1)
