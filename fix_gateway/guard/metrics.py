"""What the guard counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class GuardMetrics:
    """The guard's counters, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.logons = Counter(
            "fix_guard_logons_total", "Logons by outcome", ["outcome"], registry=registry
        )
        self.cut = Counter(
            "fix_guard_cut_total", "Connections ended by the guard", ["reason"], registry=registry
        )
        self.connections = Gauge(
            "fix_guard_connections", "Connections by stage", ["stage"], registry=registry
        )
        self.received = Gauge(
            "fix_guard_messages_received", "Messages passed on from clients", registry=registry
        )
        self.sent = Gauge(
            "fix_guard_messages_sent", "Messages passed on to clients", registry=registry
        )
        self.held = Counter(
            "fix_guard_held_total",
            "Times that a client was read no further until it was answered",
            registry=registry,
        )
        self.output = Gauge(
            "fix_guard_output_bytes", "Waiting for clients to read", registry=registry
        )
