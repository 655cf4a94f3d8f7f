"""The core's counts and measurements, shown to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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


class PrometheusMetrics:
    """The core's metrics port, in a registry. A name that is not declared here is a defect."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters = {
            name: Counter(f"core_{name}", text, [label], registry=registry)
            for name, (text, label) in _COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"core_{name}", text, [label] if label else [], registry=registry)
            for name, (text, label) in _GAUGES.items()
        }
        self._histograms = {
            name: Histogram(f"core_{name}", text, buckets=buckets, registry=registry)
            for name, (text, buckets) in _HISTOGRAMS.items()
        }

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        """Add to a counter."""
        self._counters[name].labels(label).inc(amount)

    def observe(self, name: str, value: float) -> None:
        """Put a value into a histogram; called from any thread."""
        self._histograms[name].observe(value)

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(label) if _GAUGES[name][1] else gauge).set(value)
