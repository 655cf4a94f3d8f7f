"""Check configuration and sessions, and say how a running venue differs from them."""

import argparse
import asyncio

from rich.console import Console

from exchange.configuration import read_configuration
from exchange.definitions import Difference, compare
from exchange.errors import VenueAwayError
from exchange.operator_link import OperatorLink
from exchange.state import State
from exchange.wanted import wanted_definitions
from fix_gateway.settings import read_sessions
from messages.layout import Record
from runtime.process import EXIT_CONFIGURATION, EXIT_OK


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add this command's options: there are none of its own."""


def run(options: argparse.Namespace) -> int:
    """Print what is wrong or differs; exit 78 for a conflict, 0 otherwise."""
    configuration = read_configuration(options.config)
    wanted = wanted_definitions(configuration, read_sessions(options.sessions))
    console = Console()
    console.print(f"configuration is sound: {len(wanted)} definitions")
    try:
        differences = asyncio.run(_differences(State(options.state), wanted))
    except VenueAwayError:
        console.print("no venue runs, so there is nothing to compare it with")
        return EXIT_OK
    report(console, differences)
    conflicts = any(difference.is_conflict for difference in differences)
    return EXIT_CONFIGURATION if conflicts else EXIT_OK


def report(console: Console, differences: list[Difference]) -> None:
    """Print each difference on lines of its own."""
    if not differences:
        console.print("the venue agrees with it")
    for difference in differences:
        verdict = "cannot be changed" if difference.is_conflict else "admin apply would set it"
        console.print(
            f"{difference.subject} ({verdict})\n"
            f"    wanted {difference.wanted}\n    known  {difference.known}",
            markup=False,
            highlight=False,
        )


async def _differences(state: State, wanted: list[Record]) -> list[Difference]:
    async with OperatorLink.open(state) as operator:
        return compare(wanted, await operator.definitions())
