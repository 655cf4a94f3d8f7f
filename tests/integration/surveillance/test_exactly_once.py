"""The same events give the same alerts once, whatever happens to the process between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from runtime.postgres import Connection, connect
from services.surveillance import database as schema
from services.surveillance import desk
from services.surveillance.alerts import AlertKind
from services.surveillance.errors import DatabaseError, PositionMovedError, UnknownAlertError
from services.surveillance.service import SurveillanceService
from services.surveillance.settings import SurveillanceSettings
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from tests.conftest import Templates
from tests.unit.surveillance.planted import PARAMETERS, day

VENUE = bytes(range(16))
PATIENCE_SECONDS = 180.0


class CutFeed(MemoryFeed):
    """Serves batches from any event on, as the core does."""

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
        async for batch in super().read(after, until):
            assert batch.first > after
            yield batch


def settings(dsn: str, **changes: float) -> SurveillanceSettings:
    values: dict[str, float] = {"pause_seconds_first": 0.01, "pause_seconds_last": 0.1} | changes
    return SurveillanceSettings(dsn=dsn, parameters=PARAMETERS, **values)  # type: ignore[arg-type]


@pytest.fixture
async def dsn(templates: Templates) -> AsyncIterator[str]:
    async with templates.migrated("surveillance", schema.migrate) as dsn:
        yield dsn


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(dsn, role=schema.DESK_ROLE)
    yield connection
    await connection.close()


@asynccontextmanager
async def running(
    told: SurveillanceSettings, batches: Sequence[MemoryBatch], *, venue: bytes = VENUE
) -> AsyncIterator[tuple[SurveillanceService, asyncio.Task[None], asyncio.Event]]:
    service = SurveillanceService(
        told, lambda _known: CutFeed(batches, venue=venue), CollectorRegistry()
    )
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield service, task, stop
    finally:
        stop.set()
        if not task.done():
            async with asyncio.timeout(PATIENCE_SECONDS):
                await task


async def seen(service: SurveillanceService, task: asyncio.Task[None], number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while service.health()["seen_event"] != number:
            if task.done():
                await task
            await asyncio.sleep(0.005)


async def alert_ids(reader: Connection) -> list[str]:
    rows = await reader.fetch("select alert_id from surveillance.alerts order by event_number")
    return [row[0] for row in rows]


def expected() -> list[str]:
    return [alert.alert_id for alert in day().alerts]


def test_the_day_has_every_kind() -> None:
    assert set(day().kinds()) == set(AlertKind)


async def test_alerts_are_stored_with_their_evidence(dsn: str, reader: Connection) -> None:
    batches = day().batches
    async with running(settings(dsn), batches) as (service, task, _):
        await seen(service, task, batches[-1].last)
    assert await alert_ids(reader) == expected()
    for alert in day().alerts:
        kept = await desk.one(reader, alert.alert_id)
        assert (kept.figures, kept.parameters) == (alert.figures, alert.parameters)
        assert (tuple(kept.events), tuple(kept.orders)) == (alert.events, alert.orders)
        assert kept.accounts == [f"A{account}" for account in alert.accounts]
        assert kept.state == "open"
    assert service.stored == batches[-1].last


@pytest.mark.parametrize("checkpoint_events", [1, 40, 1_000_000])
async def test_a_process_that_dies_again_and_again_says_the_same_once(
    dsn: str, reader: Connection, checkpoint_events: int
) -> None:
    batches = day().batches
    told = settings(
        dsn, checkpoint_events=checkpoint_events, commit_events_max=10, commit_seconds_max=1000.0
    )
    for through in range(20, len(batches), 25):
        async with running(told, batches[:through]) as (service, task, _):
            await seen(service, task, batches[through - 1].last)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    async with running(told, batches) as (service, task, _):
        await seen(service, task, batches[-1].last)
    assert await alert_ids(reader) == expected()


async def test_a_process_that_is_stopped_begins_where_it_stood(
    dsn: str, reader: Connection
) -> None:
    batches, told = day().batches, settings(dsn)
    async with running(told, batches[:60]) as (service, task, _):
        await seen(service, task, batches[59].last)
    row = await reader.fetchrow("select * from surveillance.position")
    assert row is not None
    assert row["event_number"] == row["checkpoint_event"] == batches[59].last
    async with running(told, batches) as (service, task, _):
        await seen(service, task, batches[-1].last)
    assert await alert_ids(reader) == expected()


async def test_a_connection_that_is_cut_costs_nothing(dsn: str, reader: Connection) -> None:
    batches, told = day().batches, settings(dsn, commit_events_max=1)
    feed = CutFeed(batches[:40], venue=VENUE)
    service = SurveillanceService(told, lambda _known: feed, CollectorRegistry())
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    owner = await connect(dsn)
    for at in range(40, len(batches), 40):
        await seen(service, task, batches[at - 1].last)
        await owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'surveillance' and datname = current_database()"
        )
        for batch in batches[at : at + 40]:
            feed.add(batch)
    await seen(service, task, batches[-1].last)
    stop.set()
    await task
    await owner.close()
    assert await alert_ids(reader) == expected()


async def test_another_venue_is_refused(dsn: str) -> None:
    batches = day().batches
    async with running(settings(dsn), batches[:60]) as (service, task, _):
        await seen(service, task, batches[59].last)
    with pytest.raises(PositionMovedError, match="of venue ffff"):
        async with running(settings(dsn), batches, venue=b"\xff" * 16) as (_, task, _stop):
            await task


async def test_nothing_that_was_said_can_be_changed(dsn: str, reader: Connection) -> None:
    batches = day().batches
    async with running(settings(dsn), batches) as (service, task, _):
        await seen(service, task, batches[-1].last)
    owner = await connect(dsn)
    for table in ("alerts", "accounts", "instruments", "decisions"):
        for verb in ("delete from", "truncate"):
            with pytest.raises(asyncpg.PostgresError):
                await owner.execute(f"{verb} surveillance.{table}")
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await owner.execute("update surveillance.alerts set kind = 'nothing'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("update surveillance.position set event_number = 0")
    service_role = await connect(dsn, role=schema.SERVICE_ROLE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service_role.execute("insert into surveillance.decisions default values")
    await service_role.close()
    await owner.close()


async def test_alerts_are_found_by_account_kind_time_and_standing(
    dsn: str, reader: Connection
) -> None:
    batches = day().batches
    async with running(settings(dsn), batches) as (service, task, _):
        await seen(service, task, batches[-1].last)

    async def ids(**wanted: object) -> list[str]:
        return [each.alert_id for each in await desk.listed(reader, desk.Wanted(**wanted))]  # type: ignore[arg-type]

    alerts = day().alerts
    assert await ids() == expected()
    assert await ids(account="A22") == [a.alert_id for a in alerts if 22 in a.accounts]
    assert await ids(account="22") == await ids(account="A22") != []
    assert await ids(kind=AlertKind.LAYERING) == [
        a.alert_id for a in alerts if a.kind == AlertKind.LAYERING
    ]
    middle = alerts[len(alerts) // 2].time_ns
    assert await ids(since_ns=middle) == [a.alert_id for a in alerts if a.time_ns >= middle]
    with pytest.raises(UnknownAlertError, match="no account A99"):
        await ids(account="A99")
    first = alerts[0].alert_id
    for number, state in enumerate(desk.TriageState):
        decision = desk.Decision(
            alert_id=first, state=state, operator="ann", reason="seen", decided_at_ns=number
        )
        await desk.decide(reader, desk.Kept(decision=decision, signature="00"))
        assert (await desk.one(reader, first)).state == state
        assert first in await ids(state=state)
    assert [each.decision.state for each in await desk.decisions(reader, first)] == list(
        desk.TriageState
    )
    assert len(await desk.listed(reader, desk.Wanted(), rows_max=2)) == 2


@pytest.mark.parametrize("reason", ["", "  ", "x" * (desk.REASON_MAX + 1)])
async def test_a_decision_needs_a_reason_of_some_length(reader: Connection, reason: str) -> None:
    decision = desk.Decision(
        alert_id="x", state=desk.TriageState.OPEN, operator="ann", reason=reason, decided_at_ns=1
    )
    with pytest.raises(UnknownAlertError, match=f"1 to {desk.REASON_MAX} characters"):
        await desk.decide(reader, desk.Kept(decision=decision, signature="00"))


async def test_a_decision_about_nothing_is_refused(reader: Connection) -> None:
    decision = desk.Decision(
        alert_id="x", state=desk.TriageState.OPEN, operator="ann", reason="why", decided_at_ns=1
    )
    with pytest.raises(UnknownAlertError, match="no alert x"):
        await desk.decide(reader, desk.Kept(decision=decision, signature="00"))


async def test_the_schema_goes_away_and_comes_back(dsn: str) -> None:
    await schema.migrate(dsn, revision="base")
    connection = await connect(dsn)
    with pytest.raises(DatabaseError, match=r"is at version none|lacks|migrate it first"):
        await schema.check(connection)
    await schema.migrate(dsn)
    await schema.check(connection)
    await connection.execute("create table surveillance.mine (a int)")
    with pytest.raises(DatabaseError, match="mine"):
        await schema.check(connection)
    with pytest.raises(DatabaseError, match="mine"):
        await schema.migrate(dsn)
    await connection.close()


async def test_a_schema_of_somebody_else_is_refused(database: str) -> None:
    connection = await connect(database)
    await connection.execute("create schema surveillance")
    await connection.execute("create table surveillance.alerts (a int)")
    with pytest.raises(DatabaseError, match="not Rialto's: alerts"):
        await schema.migrate(database)
    await connection.close()
