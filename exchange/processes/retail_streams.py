"""Public streams over WebSocket; one of several processes on one port."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import market_data_address, page
from exchange.streams_settings import streams_context, streams_settings
from retail_gateway.adapters.picows_server import serve
from retail_gateway.streams.service import StreamsService
from runtime.open_files import allow_connections
from runtime.process import EXIT_OK


async def run(
    configuration: Configuration, places: Places, stop: asyncio.Event, *, name: str
) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state = places.state
    settings = streams_settings(
        configuration, market_data=market_data_address(configuration, state)
    )
    context = streams_context(configuration, state)
    allow_connections(settings.limits.connections_max + settings.limits.handshakes_max)
    registry = CollectorRegistry()
    service = StreamsService(settings, registry=registry, clock_ns=time.time_ns)
    is_first = name == "retail_streams"
    async with page(
        configuration,
        places,
        name=name,
        registry=registry,
        health=service.health,
        port=configuration.venue.observability.retail_streams_port if is_first else 0,
    ) as announce:
        await service.run(
            serve, stop, context=context, listening=lambda address: announce({"streams": address})
        )
    return EXIT_OK
