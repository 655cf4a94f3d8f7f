"""The composition root: which adapters the processes are made of, and how they find each other."""

import asyncio
import gc
import importlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

import fix_gateway.guard.service
import fix_gateway.service
import services.surveillance.service
import settlement.service
import venue.follower
import venue.service
from exchange.accounts import accounts_context, accounts_service
from exchange.auditing import make_auditor
from exchange.books import database_dsn
from exchange.configuration import Configuration
from exchange.places import Places
from exchange.settlement_setup import configured_modes, settlement_settings
from exchange.state import ProcessPage, State
from exchange.venue_settings import (
    fix_doors,
    guard_settings,
    market_data_doors,
    venue_settings,
)
from fix_gateway.history import READ_AHEAD_BYTES
from fix_gateway.market_data.service import MarketDataService
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.settings import GatewaySettings, read_sessions
from runtime.feed import LinkFeed
from runtime.link import DEFAULT_LIMITS, Link, LinkLimits
from runtime.link_frames import Refusal
from runtime.observability import Health, observability
from runtime.process import EXIT_OK
from services.surveillance.settings import SurveillanceSettings
from venue.adapters.prometheus import PrometheusMetrics
from venue.engines import create_engine

ProcessMain = Callable[[Configuration, Places, asyncio.Event], Awaitable[int]]
"""Runs a process until it is asked to stop; returns its exit code."""


def core_address(configuration: Configuration, state: State) -> str:
    """Say where the processes find the core."""
    return configuration.venue.core.address or f"unix:{state.core_socket}"


async def _run_core(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    state = places.state
    settings = venue_settings(configuration, state)
    for name in settings.principals:
        state.token(name)  # made when it is not there yet
    registry = CollectorRegistry()
    health = _from_samples(registry, "core_sequence", "core_event_number", "core_queued_commands")
    port = configuration.venue.observability.core_port
    async with _page(
        configuration, places, name="core", registry=registry, health=health, port=port
    ) as announce:
        return await venue.service.run_core(
            settings,
            create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
            started=lambda _venue, addresses: announce(_by_scheme(addresses)),
        )


def _by_scheme(addresses: list[str]) -> dict[str, str]:
    return {address.partition(":")[0]: address for address in addresses}


async def _run_follower(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    settings = venue_settings(configuration, places.state)
    registry = CollectorRegistry()
    health = _from_samples(registry, "core_follower_sequence", "core_snapshot_sequence")
    port = configuration.venue.observability.follower_port
    async with _page(
        configuration, places, name="follower", registry=registry, health=health, port=port
    ) as announce:
        announce({})
        return await venue.follower.run_follower(
            settings,
            lambda: create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
        )


def _from_samples(registry: CollectorRegistry, *names: str) -> Health:
    """Make a health report of a serving process from its metrics."""

    def health() -> dict[str, object]:
        shown = {
            name.partition("_")[2]: int(registry.get_sample_value(name) or 0) for name in names
        }
        return {"healthy": True, **shown}

    return health


async def _run_settlement(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    state = places.state
    settings = settlement_settings(configuration, state)
    modes = configured_modes(read_sessions(places.sessions))

    def make_feed(known: bytes | None) -> LinkFeed:
        return LinkFeed(
            core_address(configuration, state), "settlement", state.token("settlement"), venue=known
        )

    registry = CollectorRegistry()
    service = settlement.service.SettlementService(settings, make_feed, registry, modes=modes)
    port = configuration.venue.observability.settlement_port
    async with _page(
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


async def _run_surveillance(
    configuration: Configuration, places: Places, stop: asyncio.Event
) -> int:
    state, name = places.state, "surveillance"
    settings = SurveillanceSettings(
        dsn=database_dsn(configuration, state), parameters=configuration.surveillance
    )

    def make_feed(known: bytes | None) -> LinkFeed:
        return LinkFeed(core_address(configuration, state), name, state.token(name), venue=known)

    registry = CollectorRegistry()
    service = services.surveillance.service.SurveillanceService(settings, make_feed, registry)
    async with _page(
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


async def _run_accounts(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    registry = CollectorRegistry()
    context = accounts_context(configuration, places.state)
    async with (
        accounts_service(configuration, places.state, registry) as service,
        _page(
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


async def _run_auditor(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    registry = CollectorRegistry()
    address = core_address(configuration, places.state)
    service = make_auditor(configuration, places, address=address, registry=registry)
    async with _page(
        configuration,
        places,
        name="auditor",
        registry=registry,
        health=service.health,
        port=configuration.venue.observability.auditor_port,
    ) as announce:
        announce({})
        await service.run(stop)
    return EXIT_OK


async def _run_fix_gateway(
    configuration: Configuration, places: Places, stop: asyncio.Event
) -> int:
    state, table = places.state, configuration.venue
    files = read_sessions(places.sessions)
    sessions = {name: file for name, file in files.items() if file.kind != "market_data"}
    settings = GatewaySettings(
        principal=table.principals["fix_gateway"].number,
        comp_id=table.fix.comp_id,
        market=table.fix.market,
        doors=fix_doors(state),
        state=state.fix,
        signing_key=state.signing_key,
        sessions=places.sessions,
        sequence_warning=table.fix.sequence_warning,
        resend_messages=table.fix.resend_messages,
        dictionaries=places.sessions / "dictionary",
        recovery=table.fix.recovery,
    )

    async def dial(
        refused: Callable[[Sequence[Refusal]], None], limits: LinkLimits = DEFAULT_LIMITS
    ) -> Link:
        address, token = core_address(configuration, state), state.token("fix_gateway")
        return await Link.connect(address, "fix_gateway", token, refusals=refused, limits=limits)

    async def dial_history(refused: Callable[[Sequence[Refusal]], None]) -> Link:
        return await dial(refused, LinkLimits(incoming_bytes_max=READ_AHEAD_BYTES))

    registry = CollectorRegistry()
    gateway = fix_gateway.service.Gateway(
        settings,
        sessions=sessions,
        registry=registry,
    )
    async with _page(
        configuration,
        places,
        name="fix_gateway",
        registry=registry,
        health=gateway.health,
        port=table.observability.fix_port,
    ) as announce:
        await gateway.run(dial, stop, history=dial_history, listening=lambda: announce({}))
    return EXIT_OK


async def _run_fix_market_data(
    configuration: Configuration, places: Places, stop: asyncio.Event
) -> int:
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
    async with _page(
        configuration,
        places,
        name="fix_market_data",
        registry=registry,
        health=service.health,
        port=table.observability.fix_market_data_port,
    ) as announce:
        await service.run(dial, stop, listening=lambda: announce({}))
    return EXIT_OK


_GUARD_THREAD_SWITCH_SECONDS = 0.0005
"""How long a thread that reads files may keep the guard's loop waiting."""


async def _run_fix_guard(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    registry = CollectorRegistry()
    settings = guard_settings(configuration, places.sessions, places.state)
    sys.setswitchinterval(_GUARD_THREAD_SWITCH_SECONDS)
    guard = fix_gateway.guard.service.Guard(settings, registry)
    async with _page(
        configuration,
        places,
        name="fix_guard",
        registry=registry,
        health=guard.health,
        port=configuration.venue.observability.fix_guard_port,
    ) as announce:
        await guard.run(stop, listening=announce)
    return EXIT_OK


async def _run_admin_api(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    # Only this process pays for an HTTP framework.
    admin = importlib.import_module("exchange.admin.process")
    registry = CollectorRegistry()
    async with _page(
        configuration,
        places,
        name="admin_api",
        registry=registry,
        health=lambda: {"healthy": True},
        port=configuration.venue.observability.admin_api_port,
    ) as announce:
        await admin.run(configuration, places, stop, registry=registry, listening=announce)
    return EXIT_OK


@asynccontextmanager
async def _page(
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


PROCESS_MAINS: dict[str, ProcessMain] = {
    "core": _run_core,
    "follower": _run_follower,
    "settlement": _run_settlement,
    "auditor": _run_auditor,
    "surveillance": _run_surveillance,
    "accounts": _run_accounts,
    "fix_guard": _run_fix_guard,
    "fix_gateway": _run_fix_gateway,
    "fix_market_data": _run_fix_market_data,
    "admin_api": _run_admin_api,
}
