"""What market data shows to Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class MarketDataMetrics:
    """The process's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seen = Gauge("market_data_seen_event", "Last event published", registry=registry)
        self.stored = Gauge(
            "market_data_stored_event", "Last event whose trades are stored", registry=registry
        )
        self.trades = Counter(
            "market_data_trades", "Trades stored since the start", registry=registry
        )
        self.rebuilt = Counter(
            "market_data_rebuilt_candles", "Candles made again for a bust", registry=registry
        )
        self.connected = Gauge(
            "market_data_postgres_connected", "1 while connected", registry=registry
        )
        self.outages = Counter(
            "market_data_postgres_outages", "Connections lost or refused", registry=registry
        )
        self.doors = Gauge("market_data_doors", "Processes connected", registry=registry)
        self.cut = Counter(
            "market_data_doors_cut", "Doors cut, by reason", ("reason",), registry=registry
        )
        self.published = Counter("market_data_published", "Payloads made", registry=registry)
        self.published_bytes = Counter(
            "market_data_published_bytes", "Their bytes, once", registry=registry
        )
        self.asks = Counter(
            "market_data_asks", "Questions answered, by status", ("status",), registry=registry
        )
