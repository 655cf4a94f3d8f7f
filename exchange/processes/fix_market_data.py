"""Market data over FIX."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import core_address, page
from exchange.venue_settings import market_data_doors
from fix_gateway.market_data.service import MarketDataService
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.settings import read_sessions
from runtime.link import Link
from runtime.link_frames import Refusal
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state, table = places.state, configuration.venue
    settings = MarketDataSettings(
        comp_id=table.fix.comp_id,
        doors=market_data_doors(state),
        limits=table.fix_market_data.limits,
        sessions=places.sessions,
        sequence_warning=table.fix.sequence_warning,
    )

    async def dial(refused: Callable[[Sequence[Refusal]], None]) -> Link:
        name = "fix_market_data"
        address = core_address(configuration, state)
        return await Link.connect(address, name, state.token(name), refusals=refused)

    registry = CollectorRegistry()
    service = MarketDataService(
        settings, sessions=read_sessions(places.sessions), registry=registry
    )
    async with page(
        configuration,
        places,
        name="fix_market_data",
        registry=registry,
        health=service.health,
        port=table.observability.fix_market_data_port,
    ) as announce:
        await service.run(dial, stop, listening=lambda: announce({}))
    return EXIT_OK
