"""The follower: snapshots of a core that never waits for them."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import health_of_samples, page
from exchange.venue_settings import venue_settings
from venue.adapters.prometheus import PrometheusMetrics
from venue.engines import create_engine
from venue.follower import run_follower


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    settings = venue_settings(configuration, places.state)
    registry = CollectorRegistry()
    health = health_of_samples(registry, "core_follower_sequence", "core_snapshot_sequence")
    port = configuration.venue.observability.follower_port
    async with page(
        configuration, places, name="follower", registry=registry, health=health, port=port
    ) as announce:
        announce({})
        return await run_follower(
            settings,
            lambda: create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
        )
