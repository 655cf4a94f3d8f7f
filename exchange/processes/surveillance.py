"""Surveillance: the events watched for market abuse."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.places import Places
from exchange.processes.serving import core_feed, page
from runtime.process import EXIT_OK
from services.surveillance.service import SurveillanceService
from services.surveillance.settings import SurveillanceSettings


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state, name = places.state, "surveillance"
    settings = SurveillanceSettings(
        dsn=database_dsn(configuration, state), parameters=configuration.surveillance
    )

    registry = CollectorRegistry()
    service = SurveillanceService(settings, core_feed(configuration, state, name), registry)
    async with page(
        configuration,
        places,
        name=name,
        registry=registry,
        health=service.health,
        port=configuration.venue.observability.surveillance_port,
    ) as announce:
        announce({})
        await service.run(stop)
    return EXIT_OK
