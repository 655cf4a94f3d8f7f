"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from fix_gateway.bridge import Bridge
from runtime.histogram import Histogram

_LATENCY_BUCKETS = (
    0.0002,
    0.0005,
    0.001,
    0.0015,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)


class Metrics:
    """The gateway's counters, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "fix_messages_received_total", "Application messages from clients", registry=registry
        )
        self.sent = Counter(
            "fix_messages_sent_total", "Application messages to clients", registry=registry
        )
        self.rejects = Counter(
            "fix_rejects_total", "Refused requests by code", ["code"], registry=registry
        )
        self.acknowledgement = Histogram(
            "fix_acknowledgement_seconds",
            "From receipt of a request to its answer in QuickFIX's hands",
            _LATENCY_BUCKETS,
        ).shown_in(registry)
        self.bridge_depth = Gauge(
            "fix_bridge_messages", "Requests waiting for the loop", registry=registry
        )
        self.bridge_full = Gauge(
            "fix_bridge_full", "Requests refused because too many waited", registry=registry
        )
        self.throttled = Gauge(
            "fix_throttled", "Requests refused above their session's rate", registry=registry
        )
        self.engine_silence = Gauge(
            "fix_engine_silence_seconds", "Since QuickFIX last answered", registry=registry
        )
        self.logons = Gauge(
            "fix_logons", "Logons since the start, by outcome", ["outcome"], registry=registry
        )
        self.sessions = Gauge("fix_sessions_logged_on", "Sessions logged on", registry=registry)
        self.feed_event = Gauge("fix_feed_event", "Last event given to QuickFIX", registry=registry)
        self.feed_behind = Gauge(
            "fix_feed_behind_events",
            "Events behind the core when the link was made",
            registry=registry,
        )
        self.store_messages = Gauge(
            "fix_store_messages",
            "Messages that can be sent again, each with an index entry in memory",
            registry=registry,
        )
        self.replays = Gauge(
            "fix_replays", "Requests for messages that are being answered", registry=registry
        )
        self.captures_taken = Counter(
            "fix_captures_taken_total", "Captures that clients took (AR)", registry=registry
        )
        self.told_again = Counter(
            "fix_messages_told_again_total", "Messages sent as asked for by BW", registry=registry
        )
        self.link_losses = Counter(
            "fix_link_losses_total", "How often the core was lost", registry=registry
        )

    def take_over(self, bridge: Bridge, *, silence_seconds: float) -> None:
        """Take over what QuickFIX's thread counted, and how long it has been silent."""
        for outcome, count in bridge.logon_counts.items():
            self.logons.labels(outcome).set(count)
        self.bridge_full.set(bridge.full_count)
        self.throttled.set(bridge.throttled_count)
        self.engine_silence.set(silence_seconds)
