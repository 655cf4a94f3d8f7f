"""Public streams over WebSocket; one of several processes on one port."""

import asyncio
import resource
import time

import structlog
from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import market_data_address, page
from exchange.streams_settings import streams_context, streams_settings
from retail_gateway.adapters.picows_server import serve
from retail_gateway.streams.service import StreamsService
from runtime.process import EXIT_OK

log = structlog.get_logger()

_OTHER_FILES = 64
"""What the process has open beside connections."""


async def run(
    configuration: Configuration, places: Places, stop: asyncio.Event, *, name: str
) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state = places.state
    settings = streams_settings(
        configuration, market_data=market_data_address(configuration, state)
    )
    context = streams_context(configuration, state)
    _make_room(settings.limits.connections_max + settings.limits.handshakes_max)
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


def _make_room(connections: int) -> None:
    """Raise the number of open files as far as we may: each connection is one."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        log.warning("open_files_limited", wanted=wanted, limit=hard)
        wanted = hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
