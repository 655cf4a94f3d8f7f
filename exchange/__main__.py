"""``python -m exchange``, which is ``./rialto`` once the environment is there."""

import argparse
import sys

from exchange.commands import admin, check, demo, reconcile, replay, run, status, up
from exchange.errors import CommandError
from exchange.places import places_parser
from runtime.process import EXIT_CONFIGURATION, EXIT_OK, exit_code_of
from runtime.toml import SettingsError

COMMANDS = (up, demo, status, check, replay, reconcile, admin, run)


def main(arguments: list[str]) -> int:
    """Run one command and return the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SettingsError as error:
        sys.stderr.write(f"rialto: {error}\n")
        return EXIT_CONFIGURATION
    except CommandError as error:
        sys.stderr.write(f"rialto: {error}\n")
        return exit_code_of(error)
    except KeyboardInterrupt:
        return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rialto", description="An institutional crypto exchange with a FIX front."
    )
    subparsers = parser.add_subparsers(metavar="command", required=True)
    for command in COMMANDS:
        summary = (command.__doc__ or "").partition("\n")[0]
        sub = subparsers.add_parser(
            command.NAME, parents=[places_parser()], help=summary, description=summary
        )
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
