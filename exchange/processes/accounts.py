"""Accounts: people, how they prove who they are, and their keys."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.accounts import accounts_service
from exchange.accounts_settings import accounts_context
from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import page
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    registry = CollectorRegistry()
    context = accounts_context(configuration, places.state)
    async with (
        accounts_service(configuration, places.state, registry) as service,
        page(
            configuration,
            places,
            name=service.name,
            registry=registry,
            health=service.health,
            port=configuration.venue.observability.accounts_port,
        ) as announce,
    ):
        await service.run(
            stop, context=context, listening=lambda address: announce({"accounts": address})
        )
    return EXIT_OK
