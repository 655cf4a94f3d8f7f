"""``python -m exchange``, which is ``./rialto`` once the environment is there."""

import argparse
import importlib
import sys
from typing import Any, NoReturn

from exchange.errors import CommandError
from exchange.places import places_parser
from runtime.process import EXIT_CONFIGURATION, EXIT_OK, EXIT_USAGE, exit_code_of

COMMANDS = {
    "up": "start the venue on this machine, and stop it on Ctrl-C or SIGTERM",
    "demo": "trade over FIX as three firms, and prove that all books agree",
    "certify": "show that a FIX client fits, and that the venue keeps the standard",
    "status": "say what runs, where, and how far each part has come",
    "check": "check configuration and sessions, and compare a running venue with them",
    "replay": "replay the journal from its beginning and print the state's digest",
    "settlement": "net settlement: close a cycle, obligations, instructions, confirm, fail",
    "statement": "statements of accounts and firms, the trade blotter, the fee report",
    "audit": "what the auditor found; its drill; check and export the audit trail",
    "surveillance": "alerts of market abuse, and what was decided of each",
    "ledger": "balances as of any moment, the general ledger, the chart of accounts",
    "reconcile": "compare engine, ledger and order history",
    "explain-digest": "say what differs between a FIX log and the state digests in it",
    "admin": "operate: definitions, money, limits, phases, kill switches, sessions, keys",
    "accounts": "a person's roles, set from this machine, and letters that no server sends",
    "run": "run one process of the venue; the supervisor does this",
}


def main(arguments: list[str]) -> int:
    """Run one command and return the process's exit code."""
    if not __debug__:
        sys.stderr.write("rialto: refuses to run under python -O: assertions are checks here\n")
        return EXIT_CONFIGURATION
    options = _parser(arguments).parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return EXIT_OK
    except Exception as error:
        if not isinstance(error, CommandError) and not hasattr(error, "exit_code"):
            raise
        sys.stderr.write(f"rialto: {error}\n")
        return exit_code_of(error)


class _Parser(argparse.ArgumentParser):
    """A parser, and parsers of its kind below it, whose refusals have our exit code."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rialto", description="An institutional crypto exchange with a FIX front."
    )
    subparsers = parser.add_subparsers(metavar="command", required=True)
    for name, summary in COMMANDS.items():
        places: list[Any] = [places_parser()]
        sub = subparsers.add_parser(name, parents=places, help=summary, description=summary)
        if name in arguments[:1]:
            # Only the command in hand is imported: most need a part of the venue, none all of it.
            command = importlib.import_module(f"exchange.commands.{name.replace('-', '_')}")
            command.configure(sub)
            sub.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
