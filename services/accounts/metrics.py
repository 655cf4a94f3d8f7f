"""What the accounts process shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class AccountsMetrics:
    """The process's metrics. No label names a person."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "accounts_refused_total", "Requests refused.", ["reason"], registry=registry
        )
        self.letters_sent = Counter(
            "accounts_letters_sent_total", "Letters handed to the mail server.", registry=registry
        )
        self.letters_failed = Counter(
            "accounts_letters_failed_total",
            "Letters that the mail server did not take.",
            ["outcome"],
            registry=registry,
        )
        self.letters_waiting = Gauge(
            "accounts_letters_waiting", "Letters that wait.", registry=registry
        )
