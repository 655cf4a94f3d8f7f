"""The process that serves operators: the plane, and HTTP before it."""

import asyncio
import time
from collections.abc import Callable
from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter

from exchange.admin.daily import DailyFees
from exchange.admin.http import application
from exchange.admin.live_ledger import LiveLedger
from exchange.admin.live_venue import LiveVenues
from exchange.admin.plane import Plane
from exchange.admin.proposals import Proposals
from exchange.admin.record import Record
from exchange.admin.server import serve
from exchange.admin.signing import Doorkeeper
from exchange.admin.tls import tls_context
from exchange.configuration import AdminApiTable, Configuration
from exchange.operators import Operators
from exchange.places import Places
from exchange.venue_identity import venue_identity
from runtime.chained_lines import ChainedLines


async def run(
    configuration: Configuration,
    places: Places,
    stop: asyncio.Event,
    *,
    registry: CollectorRegistry,
    listening: Callable[[dict[str, str]], None],
) -> None:
    """Serve operators until asked to stop.

    Raises:
        ChainBrokenError: the record was changed; nobody is served beside such a one.
        SettingsError: the API cannot be served where it is configured.
    """
    record = Record(ChainedLines(places.state.admin_record))
    await asyncio.to_thread(record.verify)
    table = configuration.venue.admin_api
    plane = plane_of(places, table, record)
    failures = Counter(
        "admin_daily_failures_total",
        "Times that the daily fees were due and could not be done.",
        registry=registry,
    )
    daily = DailyFees(
        plane,
        places.state.admin_record.with_name("fees.json"),
        time.time_ns,
        failed=failures.inc,
    )
    refusals = Counter(
        "admin_refusals_total", "Requests that were refused.", ["code"], registry=registry
    )
    asgi = application(
        plane,
        body_bytes_max=table.body_bytes_max,
        request_seconds_max=table.request_seconds_max,
        refused=lambda name: refusals.labels(name).inc(),
    )
    context = tls_context(table, places.state.secrets)
    async with asyncio.TaskGroup() as group:
        group.create_task(daily.run(stop), name="admin_api.daily")
        await serve(asgi, table, context, stop, listening=listening)


def plane_of(places: Places, table: AdminApiTable, record: Record) -> Plane:
    """Make the plane of a state directory."""
    operators = Operators(places.state.operators)
    return Plane(
        state=places.state,
        config=places.config,
        sessions=places.sessions,
        alone=table.alone,
        doorkeeper=Doorkeeper(
            operators,
            time.time_ns,
            venue=cache(partial(venue_identity, places.state)),
            window_ns=int(table.window_seconds * 1e9),
            nonces_max=table.nonces_max,
        ),
        proposals=Proposals(places.state.proposals, time.time_ns),
        record=record,
        venues=LiveVenues(places.state),
        ledger=LiveLedger(places.state, places.config),
        now_ns=time.time_ns,
    )
