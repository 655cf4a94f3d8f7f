"""The core: sequencer, engine, journal and feed."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import health_of_samples, page
from exchange.venue_settings import venue_settings
from venue.adapters.prometheus import PrometheusMetrics
from venue.engines import create_engine
from venue.service import run_core


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state = places.state
    settings = venue_settings(configuration, state)
    for name in settings.principals:
        state.token(name)  # made when it is not there yet
    registry = CollectorRegistry()
    health = health_of_samples(
        registry, "core_sequence", "core_event_number", "core_queued_commands"
    )
    port = configuration.venue.observability.core_port
    async with page(
        configuration, places, name="core", registry=registry, health=health, port=port
    ) as announce:
        return await run_core(
            settings,
            create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
            started=lambda _venue, addresses: announce(_by_scheme(addresses)),
        )


def _by_scheme(addresses: list[str]) -> dict[str, str]:
    return {address.partition(":")[0]: address for address in addresses}
