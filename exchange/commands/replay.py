"""Replay the journal from its beginning and print the state's digest."""

import argparse
import json

from exchange.bootstrap import replay_journal
from exchange.state import State
from runtime.process import EXIT_OK

NAME = "replay"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--engine", default="reference", choices=["reference"])
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Replay; damage and a differing hash end with their own exit codes."""
    result = replay_journal(State(options.state), options.engine)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<18} {value}")
    return EXIT_OK
