"""The settlement process: the ledger's poster, the order history's projector, and its tasks."""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from settlement.closer import CycleCloser
from settlement.consumer import FeedConsumer
from settlement.cycle_terms import SettlementMode
from settlement.ledger import LedgerProjection
from settlement.metrics import SettlementMetrics
from settlement.order_history import OrderHistoryProjection
from settlement.ports import FeedFactory
from settlement.profit_marker import ProfitMarker
from settlement.settings import SettlementSettings


class SettlementService:
    """Both consumers, each with its own feed, connection, position and lock; closer and marker."""

    name = "settlement"

    def __init__(
        self,
        settings: SettlementSettings,
        make_feed: FeedFactory,
        metrics: CollectorRegistry,
        *,
        modes: Mapping[int, SettlementMode] | None = None,
    ) -> None:
        """Describe the service; nothing happens before ``run()``.

        Args:
            settings: bounds and the database.
            make_feed: called once for each consumer, with the venue that the database holds.
            metrics: where the service's metrics are registered, once.
            modes: how accounts are to settle that the ledger has not heard of yet.
        """
        self.metrics = shown = SettlementMetrics(metrics)
        self.poster = FeedConsumer(
            LedgerProjection(modes if settings.decides else None),
            make_feed,
            settings=settings,
            metrics=shown,
        )
        self.closer = CycleCloser(settings, metrics, self.poster.standing)
        self.marker = ProfitMarker(settings)
        self.projector = FeedConsumer(
            OrderHistoryProjection(), make_feed, settings=settings, metrics=shown
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until asked to stop; one that fails ends all."""
        async with asyncio.TaskGroup() as group:
            for task in (self.closer, self.marker):
                group.create_task(task.run(stop), name=task.name)
            for consumer in (self.poster, self.projector):
                group.create_task(consumer.run(stop), name=consumer.name)

    def health(self) -> dict[str, object]:
        """Say where each consumer stands; unhealthy while PostgreSQL is away."""
        consumers = (self.poster, self.projector)
        return {
            "healthy": all(consumer.is_connected for consumer in consumers),
            "positions": {consumer.name: consumer.position for consumer in consumers},
        }


async def run(
    settings: SettlementSettings,
    make_feed: FeedFactory,
    stop: asyncio.Event,
    metrics: CollectorRegistry,
) -> None:
    """Settle the feed's events until asked to stop.

    Raises:
        BaseExceptionGroup: of ``SettlementError`` and what the feed raises.
    """
    await SettlementService(settings, make_feed, metrics).run(stop)
