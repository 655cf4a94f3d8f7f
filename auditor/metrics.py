"""What the auditor shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from auditor.findings import Check


class AuditorMetrics:
    """The process's metrics; ``part`` is events or ledger."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.position = Gauge(
            "auditor_position_events", "Last event looked at", ("part",), registry=registry
        )
        self.lag = Gauge(
            "auditor_lag_seconds",
            "Age of the last event when it was looked at",
            ("part",),
            registry=registry,
        )
        self.turn = Gauge(
            "auditor_last_turn_seconds",
            "When a part last came round, seconds since the epoch: its heartbeat",
            ("part",),
            registry=registry,
        )
        self.findings = Counter(
            "auditor_findings", "What was not as it must be", ("check",), registry=registry
        )
        self.open_findings = Gauge(
            "auditor_open_findings", "Findings that nobody acknowledged", registry=registry
        )
        self.commands = Counter(
            "auditor_commands", "Commands put beside their events", registry=registry
        )
        self.comparisons = Counter(
            "auditor_comparisons",
            "Looks at figures of others",
            ("what",),
            registry=registry,
        )
        self.actions = Counter(
            "auditor_actions", "Commands that the auditor sent", ("action",), registry=registry
        )
        self.postgres_outages = Counter(
            "auditor_postgres_outages", "Connections lost or refused", registry=registry
        )
        for check in Check:
            self.findings.labels(check)
