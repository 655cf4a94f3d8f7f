"""What the core counts. The adapter to Prometheus is chosen outside."""

from collections import Counter, defaultdict
from typing import Protocol


class Metrics(Protocol):
    """Where counts and measurements go; nothing here blocks or fails.

    Names: ``commands_total`` (kind), ``refusals_total`` (code), ``batch_commands``,
    ``journal_sync_seconds``, ``apply_seconds``, ``queued_commands``, ``links`` (principal),
    ``feed_lag_events`` (principal, the furthest behind), ``event_log_position``,
    ``sequence``, ``event_number``, ``cuts_total`` (log).
    """

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float) -> None:
        """Put a value into a histogram; from any thread, each name always from the same."""
        ...

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge."""
        ...


class MetricsInMemory:
    """Metrics that a test can look at."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[tuple[str, str], float] = {}
        self.observations: defaultdict[str, int] = defaultdict(int)

    def count(self, name: str, amount: int = 1, label: str = "") -> None:
        """See ``Metrics.count``."""
        self.counts[name, label] += amount

    def observe(self, name: str, value: float) -> None:  # noqa: ARG002  # only how often
        """See ``Metrics.observe``."""
        self.observations[name] += 1

    def set(self, name: str, value: float, label: str = "") -> None:
        """See ``Metrics.set``."""
        self.gauges[name, label] = value
