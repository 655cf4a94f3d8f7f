"""The FIX gateway: order entry and drop copy."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from exchange.configuration import Configuration
from exchange.places import Places
from exchange.processes.serving import core_address, page
from exchange.venue_settings import fix_doors
from fix_gateway.history import READ_AHEAD_BYTES
from fix_gateway.service import Gateway
from fix_gateway.settings import GatewaySettings, read_sessions
from runtime.link import DEFAULT_LIMITS, Link, LinkLimits
from runtime.link_frames import Refusal
from runtime.process import EXIT_OK


async def run(configuration: Configuration, places: Places, stop: asyncio.Event) -> int:
    """Run it until it is asked to stop; returns the exit code."""
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
    gateway = Gateway(
        settings,
        sessions=sessions,
        registry=registry,
    )
    async with page(
        configuration,
        places,
        name="fix_gateway",
        registry=registry,
        health=gateway.health,
        port=table.observability.fix_port,
    ) as announce:
        await gateway.run(dial, stop, history=dial_history, listening=lambda: announce({}))
    return EXIT_OK
