"""What is done about a person from this machine: roles, and letters that nothing sends."""

import argparse
import asyncio

from exchange.accounts import set_roles, waiting_letters
from exchange.errors import CommandError
from exchange.state import State
from exchange.venue_settings import read_and_check
from runtime.process import EXIT_OK
from services.accounts.terms import Role


def configure(parser: argparse.ArgumentParser) -> None:
    """Add whom, and what."""
    parser.add_argument("email", help="of somebody who has registered")
    known = ", ".join(Role)
    parser.add_argument(
        "roles", nargs="*", type=Role, metavar="role", help=f"{known}; every session ends"
    )
    parser.add_argument(
        "--letters", action="store_true", help="print those that wait, for want of a mail server"
    )


def run(options: argparse.Namespace) -> int:
    """Set the roles, or print the letters."""
    if options.letters == bool(options.roles):
        raise CommandError("say either roles or --letters")
    state = State(options.state)
    configuration, _ = read_and_check(options.config, options.sessions, state)
    if options.letters:
        letters = asyncio.run(waiting_letters(configuration, state, options.email))
        if not letters:
            raise CommandError(f"no letter waits for {options.email}")
        for letter in letters:
            print(f"{letter.subject}\n\n{letter.text}")
        return EXIT_OK
    roles = tuple(options.roles)
    if not asyncio.run(set_roles(configuration, state, options.email, roles)):
        raise CommandError(f"nobody has registered as {options.email}")
    print(f"{options.email}: {', '.join(roles)}")
    return EXIT_OK
