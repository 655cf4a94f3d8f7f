"""What settlement shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_EVENTS = (1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000)


class SettlementMetrics:
    """The process's metrics, each labelled with the consumer it is about."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("consumer",)
        self.position = Gauge(
            "settlement_position_events", "Last event committed", labels, registry=registry
        )
        self.lag_events = Gauge(
            "settlement_lag_events", "Events read and not committed", labels, registry=registry
        )
        self.lag_seconds = Gauge(
            "settlement_lag_seconds",
            "Age of the last committed event when last looked at; 0 when all that was read is in",
            labels,
            registry=registry,
        )
        self.batch_events = Histogram(
            "settlement_batch_events",
            "Events per transaction",
            labels,
            buckets=_EVENTS,
            registry=registry,
        )
        self.post_seconds = Histogram(
            "settlement_post_seconds",
            "From begin to commit",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self.batches_beside = Counter(
            "settlement_batches_beside",
            "Transactions whose rows were added while the one before was on its way",
            labels,
            registry=registry,
        )
        self.batches_given_up = Counter(
            "settlement_batches_given_up",
            "Of those that were tried so: ones that were posted again, alone",
            labels,
            registry=registry,
        )
        self.connected = Gauge(
            "settlement_postgres_connected", "1 while connected", labels, registry=registry
        )
        self.outages = Counter(
            "settlement_postgres_outages", "Connections lost or refused", labels, registry=registry
        )
        self.outcomes_recovered = Counter(
            "settlement_commits_recovered",
            "Commits whose answer was lost and that had happened",
            labels,
            registry=registry,
        )
