"""Check configuration and sessions, and say how a running venue differs from them."""

import argparse
import asyncio

from rich.console import Console

from exchange.configuration import Configuration
from exchange.definitions import Difference, compare, grants_too_many
from exchange.directory import describe
from exchange.errors import VenueAwayError
from exchange.operator_link import OperatorLink
from exchange.state import State
from exchange.venue_settings import read_and_check
from exchange.wanted import wanted_definitions
from messages.layout import Record
from runtime.process import EXIT_CONFIGURATION, EXIT_OK


def configure(_parser: argparse.ArgumentParser) -> None:
    """Add this command's options: there are none of its own."""


def run(options: argparse.Namespace) -> int:
    """Print what is wrong or differs; exit 78 for a conflict, 0 otherwise."""
    state = State(options.state)
    configuration, sessions = read_and_check(options.config, options.sessions, state)
    wanted = wanted_definitions(configuration, sessions)
    console = Console()
    console.print(f"configuration is sound: {len(wanted)} definitions")
    try:
        known = asyncio.run(_definitions(state))
    except VenueAwayError:
        console.print("no venue runs, so there is nothing to compare it with")
        return EXIT_OK
    differences = compare(wanted, known)
    report(console, differences, unnamed_grants(configuration, wanted, known))
    conflicts = any(difference.is_conflict for difference in differences)
    return EXIT_CONFIGURATION if conflicts else EXIT_OK


def unnamed_grants(
    configuration: Configuration, wanted: list[Record], known: list[Record]
) -> list[Record]:
    """Return the rights that only the venue knows, but for people's, which come and go by them."""
    retail = configuration.venue.retail_api
    return [each for each in grants_too_many(wanted, known) if not retail.has_session(each.session)]


def report(
    console: Console,
    differences: list[Difference],
    grants: list[Record],
    *,
    remedy: str = "admin apply would set it",
) -> None:
    """Print each difference, and each right that only the venue knows, on lines of its own."""
    if not differences and not grants:
        console.print("the venue agrees with it")
    for grant in grants:
        console.print(f"only the venue knows it (admin revoke takes it away): {describe(grant)}")
    for difference in differences:
        verdict = "cannot be changed" if difference.is_conflict else remedy
        console.print(
            f"{difference.subject} ({verdict})\n"
            f"    wanted {difference.wanted}\n    known  {difference.known}",
            markup=False,
            highlight=False,
        )


async def _definitions(state: State) -> list[Record]:
    async with OperatorLink.open(state) as operator:
        return await operator.definitions()
