"""What the streams' process counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class StreamsMetrics:
    """The counters, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "retail_streams_connections", "Connections by stage", ["stage"], registry=registry
        )
        self.streams = Gauge(
            "retail_streams_followed", "Streams that have a reader", registry=registry
        )
        self.slow = Gauge(
            "retail_streams_slow", "Readers whose payloads are conflated", registry=registry
        )
        self.cut = Counter(
            "retail_streams_cut_total", "Connections ended by us", ["reason"], registry=registry
        )
        self.refused = Counter(
            "retail_streams_refused_total", "Connections not begun", ["reason"], registry=registry
        )
        self.messages = Gauge(
            "retail_streams_messages", "Payloads put before readers", registry=registry
        )
        self.bytes = Gauge("retail_streams_bytes", "Bytes of their frames", registry=registry)
        self.upstream = Gauge(
            "retail_streams_upstream", "Whether market data is connected", registry=registry
        )
        self.upstream_losses = Counter(
            "retail_streams_upstream_losses_total",
            "Connections to market data that ended",
            registry=registry,
        )
