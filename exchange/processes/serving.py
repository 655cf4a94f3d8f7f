"""What every process has: a page that says how it does, and the way to the core."""

import gc
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.state import ProcessPage, State
from runtime.feed import LinkFeed
from runtime.observability import Health, observability


def core_address(configuration: Configuration, state: State) -> str:
    """Say where the processes find the core."""
    return configuration.venue.core.address or f"unix:{state.core_socket}"


def market_data_address(configuration: Configuration, state: State) -> str:
    """Say where the doors find market data."""
    return configuration.venue.market_data.address or f"unix:{state.market_data_socket}"


def core_feed(
    configuration: Configuration, state: State, name: str
) -> Callable[[bytes | None], LinkFeed]:
    """Return what makes a process's feed, for a consumer that knows its venue or not yet."""

    def make_feed(known: bytes | None) -> LinkFeed:
        return LinkFeed(core_address(configuration, state), name, state.token(name), venue=known)

    return make_feed


def health_of_samples(registry: CollectorRegistry, *names: str) -> Health:
    """Make a health report of a serving process from its metrics."""

    def health() -> dict[str, object]:
        shown = {
            name.partition("_")[2]: int(registry.get_sample_value(name) or 0) for name in names
        }
        return {"healthy": True, **shown}

    return health


@asynccontextmanager
async def page(
    configuration: Configuration,
    places: Places,
    *,
    name: str,
    registry: CollectorRegistry,
    health: Health,
    port: int,
) -> AsyncIterator[Callable[[dict[str, str]], None]]:
    """Show metrics and health while the block runs, and give the way to say that we serve."""
    host = configuration.venue.observability.host
    async with observability(registry, health, host=host, port=port) as metrics_port:

        def announce(addresses: dict[str, str]) -> None:
            # What was made so far stays: later collections need not walk it again.
            gc.collect()
            gc.freeze()
            places.state.announce(
                ProcessPage(
                    name=name,
                    pid=os.getpid(),
                    started_at_ns=time.time_ns(),
                    addresses=addresses,
                    metrics_port=metrics_port,
                )
            )

        yield announce
