"""Set a person's roles from this machine: how the first administrator comes to be."""

import argparse
import asyncio

from exchange.accounts import set_roles
from exchange.errors import CommandError
from exchange.state import State
from exchange.venue_settings import read_and_check
from runtime.process import EXIT_OK
from services.accounts.terms import Role


def configure(parser: argparse.ArgumentParser) -> None:
    """Add whom, and what."""
    parser.add_argument("email", help="of somebody who has registered")
    parser.add_argument("roles", nargs="+", choices=[role.value for role in Role])


def run(options: argparse.Namespace) -> int:
    """Set the roles; every session of the person ends."""
    state = State(options.state)
    configuration, _ = read_and_check(options.config, options.sessions, state)
    roles = tuple(Role(role) for role in options.roles)
    if not asyncio.run(set_roles(configuration, state, options.email, roles)):
        raise CommandError(f"nobody has registered as {options.email}")
    print(f"{options.email}: {', '.join(roles)}")
    return EXIT_OK
