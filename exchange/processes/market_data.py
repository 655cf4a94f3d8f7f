"""Market data for retail: recorded, published and answered."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.places import Places
from exchange.processes.serving import core_address, core_feed, market_data_address, page
from exchange.sharing import shared_redis
from exchange.state import State
from runtime.feed import is_transient
from runtime.link import Link, LinkLost, LinkRefused
from runtime.process import EXIT_OK
from runtime.redis import RedisShelf
from services.market_data.ports import CorePicture
from services.market_data.service import MarketDataService
from services.market_data.settings import MarketDataSettings, RecorderSettings


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
    state, name, table = places.state, "market_data", configuration.venue.market_data
    settings = MarketDataSettings(
        recorder=RecorderSettings(dsn=database_dsn(configuration, state)),
        listen=f"tcp:{table.host}:{table.port}"
        if table.host
        else market_data_address(configuration, state),
        limits=table.limits,
    )
    registry = CollectorRegistry()
    async with shared_redis(configuration, state) as door:
        service = MarketDataService(
            settings,
            make_feed=core_feed(configuration, state, name),
            # A link that the core writes to less often: trades are stored together anyway.
            make_recorder_feed=core_feed(configuration, state, f"{name}_recorder"),
            take_picture=_picture_of_core(configuration, state, name, settings.reconnect_seconds),
            registry=registry,
            shelf=None if door is None else RedisShelf(door),
        )
        async with page(
            configuration,
            places,
            name=name,
            registry=registry,
            health=service.health,
            port=configuration.venue.observability.market_data_port,
        ) as announce:
            half = configuration.venue.supervisor.start_seconds_max / 2

            def tell(address: str) -> None:
                announce({name: address})

            with announced_in_time(tell, settings.listen, half) as listening:
                await service.run(stop, listening=listening)
    return EXIT_OK


@contextmanager
def announced_in_time(
    announce: Callable[[str], None], address: str, seconds: float
) -> Iterator[Callable[[str], None]]:
    """Announce that we serve, but after some seconds that we will.

    While an empty schema is filled from a long history, doors are kept out and try again. The
    supervisor would take us for a process that does not start, and end us each time.

    Args:
        announce: takes the address.
        address: where doors will come.
        seconds: how long to wait for them to be let in.

    Yields:
        What to call, with the address, once doors may come.
    """
    early = asyncio.get_running_loop().call_later(seconds, announce, address)

    def listening(taken: str) -> None:
        early.cancel()
        announce(taken)

    try:
        yield listening
    finally:
        early.cancel()


def _picture_of_core(
    configuration: Configuration, state: State, name: str, pause_seconds: float
) -> Callable[[asyncio.Event], Awaitable[CorePicture | None]]:
    """Return what asks the core for its definitions and books."""

    async def take(stop: asyncio.Event) -> CorePicture | None:
        while not stop.is_set():
            try:
                link = await Link.connect(
                    core_address(configuration, state), name, state.token(name)
                )
            except (LinkLost, LinkRefused) as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(pause_seconds)
                continue
            try:
                definitions = await link.query("definitions")
                return CorePicture(
                    venue=link.welcome.venue,
                    definitions=definitions,
                    books=await link.query("books"),
                    last_event=link.welcome.last_event,
                )
            except (LinkLost, LinkRefused) as error:
                if not is_transient(error):
                    raise
                await asyncio.sleep(pause_seconds)
            finally:
                await link.close()
        return None

    return take
