"""The auditor: all of it computed again, by code of its own."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.auditing import make_auditor
from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import core_address, page
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    registry = CollectorRegistry()
    address = core_address(configuration, places.state)
    service = make_auditor(configuration, places, address=address, registry=registry)
    async with page(
        configuration,
        places,
        name="auditor",
        registry=registry,
        health=service.health,
        port=configuration.venue.observability.auditor_port,
    ) as announce:
        announce({})
        await service.run(stop)
    return EXIT_OK
