"""The composition root: which adapters the processes are made of, and how they find each other."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec
from prometheus_client import CollectorRegistry

import fix_gateway.service
import settlement.service
import venue.follower
import venue.service
from exchange.configuration import Configuration
from exchange.definitions import Difference, compare, outcome_of
from exchange.errors import CommandError, VenueAwayError
from exchange.operator_link import OperatorLink, connect, core_address, matching
from exchange.state import ProcessPage, State
from exchange.wanted import wanted_definitions, wanted_phases
from fix_gateway.settings import GatewaySettings, SessionFile, read_sessions
from messages.trading import commands, events
from messages.trading.answers import Balances
from messages.trading.terms import Phase
from runtime import postgres
from runtime.feed import LinkFeed
from runtime.link import Link
from runtime.link_frames import Refusal
from runtime.observability import Health, observability
from runtime.process import EXIT_OK
from settlement import database
from settlement.reconcile import AssetSum, EngineFigures, Holding, Report
from settlement.reconcile_loader import reconcile
from settlement.settings import SettlementSettings
from venue.adapters.prometheus import PrometheusMetrics
from venue.engines import create_engine
from venue.replay import replay
from venue.settings import Principal, VenueSettings
from venue.state_files import Stores

DATABASE = "postgres"
CRASH_POINTS_VARIABLE = "RIALTO_ALLOW_CRASH_POINTS"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a process finds what is not configuration."""

    state: State
    sessions: Path


ProcessMain = Callable[[Configuration, Places, asyncio.Event], Awaitable[None]]


def counterparties(directory: Path) -> dict[str, SessionFile]:
    """Read the session files.

    Raises:
        SettingsError: naming file, key and reason.
    """
    return read_sessions(directory)


def venue_settings(configuration: Configuration, state: State) -> VenueSettings:
    """Return what the core and its follower are told."""
    table = configuration.venue
    listen = [f"tcp:{table.core.host}:{table.core.port}"]
    if state.core_socket is not None:
        listen.insert(0, f"unix:{state.core_socket}")
    return VenueSettings(
        directory=str(state.venue),
        listen=tuple(listen),
        principals={
            name: Principal(
                number=principal.number,
                token_file=str(state.secrets / f"{name}.token"),
                may_send=principal.may_send,
                links_max=principal.links_max,
            )
            for name, principal in table.principals.items()
        },
        engine=table.engine,
        durability=table.durability,
        journal=table.core.journal,
        batch=table.core.batch,
        links=table.core.links,
        snapshots=table.core.snapshots,
        drain_seconds=table.core.drain_seconds,
        allow_crash_points=os.environ.get(CRASH_POINTS_VARIABLE) == "1",
    )


def database_dsn(configuration: Configuration, state: State) -> str:
    """Return the way into the database, with its password.

    Raises:
        VenueAwayError: the embedded server does not run.
    """
    table = configuration.venue.postgres
    if not table.dsn:
        page = state.page(DATABASE)
        if page is None:
            raise VenueAwayError(f"no PostgreSQL runs in {state.root}; start one with ./rialto up")
        password = state.postgres.with_name(f"{state.postgres.name}.password").read_text().strip()
        return f"postgresql://rialto:{quote(password)}@{page.addresses[DATABASE]}/{DATABASE}"
    if not table.password_file:
        return table.dsn
    password = Path(table.password_file).read_text().strip()
    separator = "&" if "?" in table.dsn else "?"
    return f"{table.dsn}{separator}password={quote(password, safe='')}"


def session_secrets(state: State, sessions: dict[str, SessionFile]) -> dict[str, bytes]:
    """Return each session's password by its file's name, made on first use."""
    names = {file.secret_file for file in sessions.values()}
    return {name: state.secret(name, secrets.token_urlsafe(24)).encode() for name in names}


async def _run_core(configuration: Configuration, places: Places, stop: asyncio.Event) -> None:
    state = places.state
    settings = venue_settings(configuration, state)
    for name in settings.principals:
        state.token(name)  # made when it is not there yet
    registry = CollectorRegistry()
    health = _from_samples(registry, "core_sequence", "core_event_number", "core_queued_commands")
    port = configuration.venue.observability.core_port
    async with _page(configuration, places, "core", registry, health, port) as announce:
        code = await venue.service.run_core(
            settings,
            create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
            started=lambda _venue, addresses: announce(_by_scheme(addresses)),
        )
    _leave(code)


def _by_scheme(addresses: list[str]) -> dict[str, str]:
    return {address.partition(":")[0]: address for address in addresses}


async def _run_follower(configuration: Configuration, places: Places, stop: asyncio.Event) -> None:
    settings = venue_settings(configuration, places.state)
    registry = CollectorRegistry()
    health = _from_samples(registry, "core_follower_sequence", "core_snapshot_sequence")
    port = configuration.venue.observability.follower_port
    async with _page(configuration, places, "follower", registry, health, port) as announce:
        announce({})
        code = await venue.follower.run_follower(
            settings,
            lambda: create_engine(settings.engine),
            stop,
            PrometheusMetrics(registry),
        )
    _leave(code)


class ProcessEndedError(Exception):
    """A process's own service says with which code to end; its log says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with code {code}; the lines above say why")
        self.exit_code = code


def _leave(code: int) -> None:
    if code != EXIT_OK:
        raise ProcessEndedError(code)


def _from_samples(registry: CollectorRegistry, *names: str) -> Health:
    """Make a health report of a serving process from its metrics."""

    def health() -> dict[str, object]:
        shown = {
            name.partition("_")[2]: int(registry.get_sample_value(name) or 0) for name in names
        }
        return {"healthy": True, **shown}

    return health


async def _run_settlement(
    configuration: Configuration, places: Places, stop: asyncio.Event
) -> None:
    state = places.state
    settings = SettlementSettings(
        dsn=database_dsn(configuration, state),
        batch_events_max=configuration.venue.settlement.batch_events_max,
    )

    def make_feed(known: bytes | None) -> LinkFeed:
        return LinkFeed(core_address(state), "settlement", state.token("settlement"), venue=known)

    registry = CollectorRegistry()
    service = settlement.service.SettlementService(settings, make_feed, registry)
    port = configuration.venue.observability.settlement_port
    async with _page(
        configuration, places, "settlement", registry, service.health, port
    ) as announce:
        announce({})
        await service.run(stop)


async def _run_fix_gateway(
    configuration: Configuration, places: Places, stop: asyncio.Event
) -> None:
    state, table = places.state, configuration.venue
    sessions = counterparties(places.sessions)
    settings = GatewaySettings(
        principal=table.principals["fix_gateway"].number,
        comp_id=table.fix.comp_id,
        host=table.fix.host,
        port=table.fix.port,
        state=state.fix,
        dictionary=places.sessions / "dictionary" / "RIALTO44.xml",
    )

    async def dial(refused: Callable[[Sequence[Refusal]], None]) -> Link:
        token = state.token("fix_gateway")
        return await Link.connect(core_address(state), "fix_gateway", token, refusals=refused)

    registry = CollectorRegistry()
    health = _from_samples(registry, "fix_sessions_logged_on", "fix_feed_event")
    port = table.observability.fix_port
    async with _page(configuration, places, "fix_gateway", registry, health, port) as announce:
        await fix_gateway.service.run(
            settings,
            sessions=sessions,
            secrets=session_secrets(state, sessions),
            connect=dial,
            stop=stop,
            registry=registry,
            listening=lambda fix_port: announce({"fix": f"{table.fix.host}:{fix_port}"}),
        )


@asynccontextmanager
async def _page(
    configuration: Configuration,
    places: Places,
    name: str,
    registry: CollectorRegistry,
    health: Health,
    port: int,
) -> AsyncIterator[Callable[[dict[str, str]], None]]:
    """Show metrics and health while the block runs, and give the way to say that we serve."""
    host = configuration.venue.observability.host
    async with observability(registry, health, host=host, port=port) as metrics_port:

        def announce(addresses: dict[str, str]) -> None:
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
    "fix_gateway": _run_fix_gateway,
}


async def prepare_database(configuration: Configuration, state: State) -> None:
    """Bring the database to this program's schema.

    Raises:
        DatabaseError: it is not one that we may use.
    """
    await database.migrate(database_dsn(configuration, state))


async def seed_venue(
    state: State, configuration: Configuration, sessions: dict[str, SessionFile]
) -> list[Difference]:
    """Define a new venue by the configuration; say how an older one differs from it.

    Returns:
        What differs in a venue that was there already; nothing of it is applied.

    Raises:
        CommandError: the venue refused a definition, or does not answer.
    """
    async with OperatorLink.open(state) as operator:
        known = await operator.definitions()
        differences = compare(wanted_definitions(configuration, sessions), known)
        if any(isinstance(event, events.VenueConfigured) for event in known):
            return differences
        await apply_definitions(operator, configuration, differences)
        return []


async def apply_definitions(
    operator: OperatorLink, configuration: Configuration, differences: list[Difference]
) -> None:
    """Send the commands of the differences that have one, and open instruments that are new.

    Raises:
        CommandError: the venue refused one; those before it are done.
    """
    phases = wanted_phases(configuration)
    opened: list[int] = []
    for difference in differences:
        command = difference.command
        if command is None:
            continue
        assert isinstance(command, commands.Command)
        await operator.ask(command, outcome_of(command))
        if isinstance(command, commands.CreateInstrument):
            opened.append(command.instrument)
    for instrument in opened:
        phase = phases[instrument]
        if phase is not Phase.CLOSED:
            await operator.ask(
                commands.ChangePhase.make(instrument=instrument, phase=phase),
                matching(events.PhaseChanged, instrument=instrument, phase=phase),
            )


def replay_journal(state: State, engine: str) -> dict[str, object]:
    """Replay a state directory's journal from its beginning.

    Raises:
        CommandError: there is none. VenueError: it is damaged, or the engine differs from it.
    """
    if not (state.venue / "journal").is_dir():
        raise CommandError(f"no journal in {state.venue}")
    result = replay(Stores.on_disk(state.venue).journal, create_engine(engine))
    return {
        "engine": engine,
        "venue": result.venue.hex(),
        "last_sequence": result.last_sequence,
        "events": result.events,
        "checks_compared": result.checks_compared,
        "digest": result.digest.hex(),
        "cut": str(result.cut) if result.cut else "none",
    }


async def reconcile_venue(
    configuration: Configuration, state: State, *, seconds_max: float
) -> Report:
    """Compare the running core with the ledger at the same event.

    Raises:
        VenueAwayError: core or database do not run. LedgerBehindError: not in time.
    """
    link = await connect(state, "admin")
    try:
        answer = await link.query("balances")
    finally:
        await link.close()
    figures = msgspec.msgpack.decode(answer.payload, type=Balances)
    engine = EngineFigures(
        event_number=answer.event_number,
        balances=[Holding(*balance) for balance in figures.balances],
        assets=[AssetSum(*asset) for asset in figures.assets],
    )
    connection = await postgres.connect(
        database_dsn(configuration, state), application="reconcile", role=database.READER_ROLE
    )
    try:
        return await reconcile(connection, engine, seconds_max=seconds_max)
    finally:
        await connection.close()


def report_lines(report: Report) -> Iterator[str]:
    """Write a reconciliation for people."""
    yield f"engine and ledger at event {report.event_number}"
    for name, count in report.counts.items():
        yield f"  {name.replace('_', ' ')}: {count}"
    for difference in report.differences:
        yield (
            f"DIFFERENT {difference.what}, {difference.where}: "
            f"engine {difference.engine}, ledger {difference.ledger}"
        )
    yield "clean" if report.is_clean else f"{len(report.differences)} differences"
