"""What the market-data process counts; names begin with ``fix_market_data``."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class MarketDataMetrics:
    """The process's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"fix_market_data_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"fix_market_data_{name}", text, registry=registry)

        self.messages = counter("messages", "Messages sent, by MsgType", "type")
        self.merged = counter("merged", "Updates in which several moments are one")
        self.begun_again = counter("begun_again", "Whole books sent to who was too far behind")
        self.paused = counter("paused", "Times that a session took less than it was sent")
        self.cut = counter("cut", "Sessions ended by us, by reason", "reason")
        self.requests = counter("requests", "Requests, by MsgType and outcome", "type", "outcome")
        self.link_losses = counter("link_losses", "Times that the core was lost")
        self.sessions = gauge("sessions", "Sessions that are logged on")
        self.subscriptions = gauge("subscriptions", "Instruments in all subscriptions")
        self.views = gauge("views", "Different views of books that are watched")
        self.event = gauge("event_number", "Last event taken")
        self.disagreements = gauge(
            "disagreements", "Books whose orders do not add up to their levels"
        )
