"""Replay the journal from its beginning and print the state's digest."""

import argparse
import json

from exchange.errors import CommandError
from exchange.state import State
from runtime.process import EXIT_OK
from venue.engines import create_engine
from venue.replay import replay
from venue.state_files import Stores


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--engine", default="reference", choices=["reference"])
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Replay; damage and a differing hash end with their own exit codes."""
    result = _replay(State(options.state), options.engine)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<18} {value}")
    return EXIT_OK


def _replay(state: State, engine: str) -> dict[str, object]:
    """Replay a state directory's journal from its beginning.

    Raises:
        CommandError: there is none. VenueError: it is damaged, or the engine differs from it.
    """
    if not (state.venue / "journal").is_dir():
        raise CommandError(f"no journal in {state.venue}")
    result = replay(Stores.read_only(state.venue).journal, create_engine(engine))
    return {
        "engine": engine,
        "venue": result.venue.hex(),
        "last_sequence": result.last_sequence,
        "events": result.events,
        "checks_compared": result.checks_compared,
        "digest": result.digest.hex(),
        "cut": str(result.cut) if result.cut else "none",
    }
