"""What surveillance shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class SurveillanceMetrics:
    """The process's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seen = Gauge("surveillance_seen_event", "Last event looked at", registry=registry)
        self.stored = Gauge(
            "surveillance_stored_event", "Last event whose alerts are stored", registry=registry
        )
        self.alerts = Counter(
            "surveillance_alerts", "Alerts stored since the start", ("kind",), registry=registry
        )
        self.connected = Gauge(
            "surveillance_postgres_connected", "1 while connected", registry=registry
        )
        self.outages = Counter(
            "surveillance_postgres_outages", "Connections lost or refused", registry=registry
        )
