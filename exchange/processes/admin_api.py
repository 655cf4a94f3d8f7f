"""The operators' API."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.admin.process import run as serve_operators
from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import page
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    registry = CollectorRegistry()
    async with page(
        configuration,
        places,
        name="admin_api",
        registry=registry,
        health=lambda: {"healthy": True},
        port=configuration.venue.observability.admin_api_port,
    ) as announce:
        await serve_operators(configuration, places, stop, registry=registry, listening=announce)
    return EXIT_OK
