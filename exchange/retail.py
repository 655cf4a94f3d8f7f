"""The retail API as this venue runs it: its database, its keys, its way to the core."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from exchange.accounts import sealing_vault
from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.processes.serving import core_address, market_data_address
from exchange.sharing import shared_redis
from exchange.signers import AccountSigners, RememberedKeys, hearing
from exchange.state import State
from retail_gateway.adapters.postgres import postgres_history
from retail_gateway.adapters.postgres_money import PostgresMoney
from retail_gateway.adapters.redis import RedisCounters
from retail_gateway.allowances import Counters, MemoryCounters
from retail_gateway.service import RetailService
from retail_gateway.settings import RetailSettings
from runtime.link import Link
from runtime.link_frames import Refusal, UnixAddress, parse_address
from runtime.redis import RedisDoor, RedisShelf
from services.accounts.adapters.postgres import postgres_store

PRINCIPAL = "retail_gateway"


def retail_settings(configuration: Configuration) -> RetailSettings:
    """Return what the process is told."""
    table = configuration.venue.retail_api
    return RetailSettings(
        host=table.host,
        port=table.port,
        firm=table.firm,
        firm_name=table.firm_name,
        session=table.session,
        session_name=table.session_name,
        first_account=table.first_account,
        last_account=table.last_account,
        first_timer_session=table.first_timer_session,
        limits=table.limits,
        account=table.account,
        http=table.http,
        socket_port=table.socket_port,
        sockets=table.sockets,
    )


def _counters(configuration: Configuration, door: RedisDoor | None) -> Counters:
    """Return the counts of this process, or those that several share in a Redis."""
    alone = MemoryCounters(configuration.venue.retail_api.limits.subjects_max)
    return alone if door is None else RedisCounters(door, alone)


@asynccontextmanager
async def retail_service(
    configuration: Configuration, state: State, registry: CollectorRegistry
) -> AsyncIterator[RetailService]:
    """Make the service, with its stores open while the block runs."""
    settings, dsn = retail_settings(configuration), database_dsn(configuration, state)
    vault = sealing_vault(state)

    async def dial(refused: Callable[[Sequence[Refusal]], None], venue: bytes | None) -> Link:
        return await Link.connect(
            core_address(configuration, state),
            PRINCIPAL,
            state.token(PRINCIPAL),
            venue=venue,
            refusals=refused,
        )

    async def dial_market_data() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = parse_address(market_data_address(configuration, state))
        if isinstance(where, UnixAddress):
            return await asyncio.open_unix_connection(where.path)
        return await asyncio.open_connection(where.host, where.port)

    async with (
        postgres_store(dsn, vault, secrets.token_bytes) as store,
        postgres_history(dsn, first=settings.first_account, last=settings.last_account) as (
            history,
            people,
            reading,
        ),
        shared_redis(configuration, state) as door,
    ):
        keys = RememberedKeys(
            store,
            time.time_ns,
            seconds_max=settings.limits.signer_seconds,
            keys_max=settings.limits.signers_max,
        )
        async with hearing(dsn, keys):
            service = RetailService(
                settings,
                dial=dial,
                market_data=dial_market_data,
                history=history,
                money=PostgresMoney(reading),
                people=people,
                signers=AccountSigners(keys, vault, time.time_ns),
                counters=_counters(configuration, door),
                shelf=None if door is None else RedisShelf(door),
                clock=time.time_ns,
                signed_since_ns=time.time_ns(),
                registry=registry,
            )
            keys.changed = service.person_changed
            yield service
