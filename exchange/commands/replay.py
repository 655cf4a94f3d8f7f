"""Replay the journal from its beginning and print the state's digest."""

import argparse
import json

from exchange.errors import CommandError
from exchange.state import State
from runtime.process import EXIT_INVARIANT, EXIT_OK
from venue.engines import ENGINES, create_engine
from venue.replay import ReplayResult, replay
from venue.state_files import Stores

BOTH = "both"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--engine",
        default=ENGINES[0],
        choices=[*ENGINES, BOTH],
        help=f"which engine applies the commands; {BOTH}: each, and their states must be equal",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    """Replay; damage, a differing hash and differing engines end with their own exit codes."""
    names = ENGINES if options.engine == BOTH else (options.engine,)
    state = State(options.state)
    if not (state.venue / "journal").is_dir():
        raise CommandError(f"no journal in {state.venue}")
    journal = Stores.read_only(state.venue).journal
    # Each replay compares its events with the hashes in the journal, the end's digest is ours.
    results = {name: replay(journal, create_engine(name)) for name in names}
    digests = {result.digest for result in results.values()}
    is_same = len(digests) == 1
    report = _report(results) if is_same else _difference(results)
    if options.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:<18} {value}")
    return EXIT_OK if is_same else EXIT_INVARIANT


def _report(results: dict[str, ReplayResult]) -> dict[str, object]:
    result = next(iter(results.values()))
    return {
        "engine": " = ".join(results),
        "venue": result.venue.hex(),
        "last_sequence": result.last_sequence,
        "events": result.events,
        "checks_compared": result.checks_compared,
        "digest": result.digest.hex(),
        "cut": str(result.cut) if result.cut else "none",
    }


def _difference(results: dict[str, ReplayResult]) -> dict[str, object]:
    """Say what each engine makes of the journal, where they differ."""
    differing: dict[str, object] = {"engine": " != ".join(results)}
    for name, result in results.items():
        differing[f"{name} at"] = f"command {result.last_sequence}, event {result.events}"
        differing[f"{name} digest"] = result.digest.hex()
    return differing
