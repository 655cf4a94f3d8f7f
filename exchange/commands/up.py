"""Start the venue on this machine, and stop it on Ctrl-C or SIGTERM."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from exchange.books import prepare_database
from exchange.children import PostgresChild, ProcessChild, copies
from exchange.commands.status import venue_report
from exchange.configuration import Configuration
from exchange.places import places_arguments
from exchange.seeding import seed_venue
from exchange.state import State, StateInUseError
from exchange.supervisor import Supervisor
from exchange.venue_settings import read_and_check
from exchange.wanted import wanted_definitions
from runtime.logs import configure_logs
from runtime.process import EXIT_OK, run_process


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace) -> int:
    """Run the venue until asked to stop; already running is not an error."""
    state = State(options.state)
    configuration, sessions = read_and_check(options.config, options.sessions, state)
    wanted_definitions(configuration, sessions)  # now, rather than when half of it runs
    state.prepare()
    configure_logs("supervisor", level="warning" if sys.stderr.isatty() else "info")

    async def seed() -> None:
        differences = await seed_venue(state, configuration, sessions)
        if differences and not options.quiet:
            Console().print(
                f"the venue differs from its configuration in {len(differences)} points"
            )
            Console().print("./rialto check says how; ./rialto admin apply would set them")

    try:
        with state.held():
            supervisor = _supervisor(state, configuration, places_arguments(options), seed)

            async def main(stop: asyncio.Event) -> int:
                await supervisor.run(
                    stop, started=lambda: asyncio.to_thread(_welcome, state, options)
                )
                return EXIT_OK

            return run_process(main)
    except StateInUseError as error:
        _welcome(state, options, already=error.pid)
        return EXIT_OK


def _supervisor(
    state: State,
    configuration: Configuration,
    arguments: list[str],
    seed: Callable[[], Awaitable[None]],
) -> Supervisor:
    settings = configuration.venue.supervisor
    postgres = PostgresChild(
        state,
        settings,
        configuration.venue.postgres,
        prepare=lambda: prepare_database(configuration, state),
    )
    side = {
        "accounts": configuration.venue.accounts.enabled,
        "retail_api": configuration.venue.retail_api.enabled,
    }
    table = configuration.venue.retail_streams
    streams = copies("retail_streams", table.processes) if table.enabled else []
    wanted = side | {"retail_streams": table.enabled}
    optional = [
        ProcessChild(name, state, settings, arguments, after=postgres)
        for name, is_wanted in side.items()
        if is_wanted
    ]
    return Supervisor(
        state,
        settings,
        core=ProcessChild("core", state, settings, arguments),
        others=[
            postgres,
            ProcessChild("follower", state, settings, arguments),
            ProcessChild("settlement", state, settings, arguments, after=postgres),
            ProcessChild("surveillance", state, settings, arguments, after=postgres),
            ProcessChild("market_data", state, settings, arguments, after=postgres),
            *optional,
            ProcessChild("auditor", state, settings, arguments),
            # Stopped after the gateway, whose farewells go through it.
            ProcessChild("fix_guard", state, settings, arguments),
            ProcessChild("fix_gateway", state, settings, arguments),
            ProcessChild("fix_market_data", state, settings, arguments),
            ProcessChild("admin_api", state, settings, arguments),
            *(ProcessChild(name, state, settings, arguments) for name in streams),
        ],
        seed=seed,
        switched_off=[name for name, is_wanted in wanted.items() if not is_wanted],
    )


def _streams_line(address: str) -> str:
    return f"Streams: [bold]{address}/ws[/bold] and {address}/stream.\n" if address else ""


def _welcome(state: State, options: argparse.Namespace, *, already: int = 0) -> None:
    if options.quiet:
        return
    console = Console(highlight=False)
    report = venue_report(state)
    title = f"Rialto is already running (process {already})" if already else "Rialto is open"
    table = Table(title=title, title_justify="left")
    for heading in ("process", "pid", "where"):
        table.add_column(heading)
    for name, process in report["processes"].items():
        where = ", ".join(process["addresses"].values())
        table.add_row(name, str(process["pid"] or "-"), where or process.get("trouble", ""))
    console.print(table)
    fix, fixs = report["fix_address"], report["fixs_address"]
    stop = f"kill {already} stops everything" if already else "Ctrl-C stops everything"
    console.print(
        f"FIX 4.4: connect to [bold]{fix}[/bold]{f', over TLS to {fixs}' if fixs else ''}, "
        f"TargetCompID RIALTO; sessions are in {options.sessions}, "
        f"their keys in {state.fix_keys}.\n"
        f"{_streams_line(report['streams_address'])}"
        f"Next: ./rialto status, ./rialto admin --help, ./rialto demo. {stop}.",
        soft_wrap=True,
    )
