"""Compare engine, ledger and order history; exit 1 on any difference."""

import argparse
import asyncio
import json

from exchange.bootstrap import reconcile_venue
from exchange.configuration import read_configuration
from exchange.state import State
from runtime.process import EXIT_OK

NAME = "reconcile"
EXIT_DIFFERENT = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long to wait for the ledger to catch up"
    )


def run(options: argparse.Namespace) -> int:
    """Compare the running core with the ledger at the same event."""
    configuration = read_configuration(options.config)
    report = asyncio.run(
        reconcile_venue(configuration, State(options.state), seconds_max=options.seconds)
    )
    if options.json:
        print(json.dumps(report.as_dict()))
    else:
        for line in report.lines():
            print(line)
    return EXIT_OK if report.is_clean else EXIT_DIFFERENT
