"""The guard: who may speak FIX to us, and how much."""

import asyncio
import sys

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import page
from exchange.venue_settings import guard_settings
from fix_gateway.guard.service import Guard
from runtime.process import EXIT_OK

_THREAD_SWITCH_SECONDS = 0.0005
"""How long a thread that reads files may keep the guard's loop waiting."""


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    registry = CollectorRegistry()
    settings = guard_settings(configuration, places.sessions, places.state)
    sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
    guard = Guard(settings, registry)
    async with page(
        configuration,
        places,
        name="fix_guard",
        registry=registry,
        health=guard.health,
        port=configuration.venue.observability.fix_guard_port,
    ) as announce:
        await guard.run(stop, listening=announce)
    return EXIT_OK
