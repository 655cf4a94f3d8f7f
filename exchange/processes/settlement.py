"""Settlement: the ledger, the order history, and the cycles."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import core_feed, page
from exchange.settlement_setup import configured_modes, settlement_settings
from fix_gateway.settings import read_sessions
from runtime.process import EXIT_OK
from settlement.service import SettlementService


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state = places.state
    settings = settlement_settings(configuration, state)
    modes = configured_modes(read_sessions(places.sessions))

    registry = CollectorRegistry()
    service = SettlementService(
        settings, core_feed(configuration, state, "settlement"), registry, modes=modes
    )
    port = configuration.venue.observability.settlement_port
    async with page(
        configuration,
        places,
        name="settlement",
        registry=registry,
        health=service.health,
        port=port,
    ) as announce:
        announce({})
        await service.run(stop)
    return EXIT_OK
