"""Compare engine, ledger and order history; exit 1 on any difference."""

import argparse
import asyncio
import json

import msgspec

from exchange.books import reconcile_venue, report_lines
from exchange.configuration import read_configuration
from exchange.state import State
from runtime.process import EXIT_OK

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
        print(json.dumps(msgspec.to_builtins(report) | {"is_clean": report.is_clean}))
    else:
        for line in report_lines(report):
            print(line)
    return EXIT_OK if report.is_clean else EXIT_DIFFERENT
