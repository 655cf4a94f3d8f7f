"""The retail API: people's orders and questions over HTTP."""

import asyncio

from prometheus_client import CollectorRegistry

from exchange.admin.tls import tls_context
from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import page
from exchange.retail import retail_service
from retail_gateway.adapters.picows_server import serve
from runtime.open_files import allow_connections
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    registry, table = CollectorRegistry(), configuration.venue.retail_api
    context = tls_context(table, places.state.secrets, where="config/venue.toml: [retail_api]")
    sockets = table.sockets
    allow_connections(table.http.connections_max + sockets.connections_max + sockets.handshakes_max)
    async with (
        retail_service(configuration, places.state, registry) as service,
        page(
            configuration,
            places,
            name=service.name,
            registry=registry,
            health=service.health,
            port=configuration.venue.observability.retail_api_port,
        ) as announce,
    ):
        await service.run(serve, stop, context=context, listening=announce)
    return EXIT_OK
