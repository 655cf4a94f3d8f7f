"""Run one process of the venue; the supervisor does this."""

import argparse
import asyncio

from exchange.bootstrap import process_main
from exchange.children import COPIES, PROCESSES
from exchange.configuration import read_configuration
from exchange.places import Places
from exchange.state import State
from runtime.logs import configure_logs
from runtime.process import die_with_parent, run_process


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the process's name."""
    parser.add_argument("process", choices=(*PROCESSES, *COPIES))


def run(options: argparse.Namespace) -> int:
    """Run the process until it is asked to stop."""
    configuration = read_configuration(options.config)
    configure_logs(options.process, level=configuration.venue.observability.level)
    die_with_parent()
    state = State(options.state)
    state.prepare()
    places = Places(state=state, config=options.config, sessions=options.sessions)

    async def main(stop: asyncio.Event) -> int:
        return await process_main(options.process)(configuration, places, stop)

    return run_process(main)
