"""The core's counts and measurements, shown to Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.histogram import Histogram

_SECONDS = (25e-6, 50e-6, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1, 5)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

_COUNTERS = {
    "commands_total": ("Commands sequenced", "kind"),
    "refusals_total": ("Commands refused before they were sequenced", "code"),
    "cuts_total": ("Torn tails cut back on start", "log"),
}
_GAUGES = {
    "queued_commands": ("Commands admitted and not yet sequenced", ""),
    "links": ("Connections to the core", ""),
    "feed_lag_events": ("Events a principal's slowest reader has not been sent", "principal"),
    "event_log_position": ("Last event written to the event log", ""),
    "sequence": ("Last command that is durable", ""),
    "event_number": ("Last event published", ""),
    "follower_sequence": ("Last command that the follower has applied", ""),
    "snapshot_sequence": ("The command that the newest snapshot was taken after", ""),
}
_HISTOGRAMS = {
    "batch_commands": ("Commands per batch", _BATCH),
    "journal_sync_seconds": ("From handing a batch to the journal until it is durable", _SECONDS),
    "apply_seconds": ("The engine's time for a batch", _SECONDS),
    "snapshot_seconds": ("From deciding on a snapshot until it is in its place", _SECONDS),
}


class PrometheusMetrics(Collector):
    """The core's metrics port, in a registry. A name that is not declared here is a defect.

    Counting is plain arithmetic, for every batch counts; families are made when somebody asks.
    The library's own metrics took a third of the core's Python time for a batch of one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters: dict[str, dict[str, float]] = {name: {} for name in _COUNTERS}
        self._gauges: dict[str, dict[str, float]] = {
            name: {} if label else {"": 0.0} for name, (_, label) in _GAUGES.items()
        }
        self._histograms = {
            name: Histogram(f"core_{name}", text, bounds)
            for name, (text, bounds) in _HISTOGRAMS.items()
        }
        registry.register(self)

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        """Add to a counter."""
        counter = self._counters[name]
        counter[label] = counter.get(label, 0) + amount

    def observe(self, name: str, value: float) -> None:
        """Put a value into a histogram; each is one thread's."""
        self._histograms[name].observe(value)

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge."""
        self._gauges[name][label] = value

    def collect(self) -> Iterator[Metric]:
        """Return everything as it stands."""
        for name, (text, label) in _COUNTERS.items():
            counter = CounterMetricFamily(f"core_{name}", text, labels=[label])
            for value, total in list(self._counters[name].items()):
                counter.add_metric([value], total)
            yield counter
        for name, (text, label) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"core_{name}", text, labels=[label] if label else [])
            for value, now in list(self._gauges[name].items()):
                gauge.add_metric([value] if label else [], now)
            yield gauge
        for histogram in self._histograms.values():
            yield from histogram.collect()
