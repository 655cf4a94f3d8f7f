"""What the retail API shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RetailMetrics:
    """The process's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "retail_refused", "Requests refused, by name", ("name",), registry=registry
        )
        self.seen = Gauge("retail_seen_event", "Last event taken in", registry=registry)
        self.waiting = Gauge(
            "retail_commands_waiting", "Commands without an answer yet", registry=registry
        )
