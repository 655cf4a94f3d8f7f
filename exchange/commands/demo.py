"""Trade over FIX as two market makers and an institution, and prove that all books agree."""

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop
from rich.console import Console

from exchange.demo.recorded import read_rows
from exchange.demo.settle import SETTLED_NET, SettlementDay
from exchange.demo.show import Show
from exchange.demo.stage import DemoError, Plan, prepare
from exchange.demo.temporary_venue import Places, temporary_venue
from exchange.errors import VenueAwayError
from exchange.state import State
from runtime.logs import configure_logs
from runtime.process import EXIT_OK

EXIT_DIFFERENT = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "--use-running",
        action="store_true",
        help="trade on the venue in --state; otherwise one is started for the run and removed",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (default 20)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="decides the flow (default 1)")
    parser.add_argument(
        "--recorded",
        type=Path,
        metavar="FILE",
        help="replay a recording instead, .csv or .csv.xz; docs/recorded-flow.md has the format",
    )
    parser.add_argument(
        "--speed", type=float, default=50.0, help="of the replay: so many times its own pace"
    )
    parser.add_argument(
        "--events", type=int, default=5000, help="of the replay: at most so many requests"
    )
    parser.add_argument(
        "--settle",
        action="store_true",
        help="afterwards net and settle the day: cycles, a fail, a bust, a statement, the books",
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary state directory")


def run(options: argparse.Namespace) -> int:
    """Run the demo; the exit code is 0 only when everything was proved."""
    for name in ("seconds", "rate", "speed", "events"):
        if getattr(options, name) <= 0:
            raise DemoError(f"--{name} must be above zero")
    if options.recorded and options.use_running:
        raise DemoError("--recorded needs a venue of its own: its ticks and lots are the file's")
    if options.settle and (options.use_running or options.recorded):
        raise DemoError("--settle needs a venue of its own, and the seeded flow")
    if options.recorded and not options.recorded.is_file():
        raise DemoError(f"{options.recorded}: no such file")
    if options.recorded:
        for _ in read_rows(options.recorded):
            pass  # a file that cannot be replayed is better known before a venue is started
    configure_logs("demo", level="error")
    return EXIT_OK if uvloop.run(_demonstrate(options)) else EXIT_DIFFERENT


async def _demonstrate(options: argparse.Namespace) -> bool:
    plan = Plan(
        seconds=options.seconds,
        rate=options.rate,
        seed=options.seed,
        recorded=options.recorded,
        speed=options.speed,
        rows_max=options.events,
        is_fresh=not options.use_running,
    )
    console = Console(highlight=False)
    stop = _stop_on_signals()
    if options.use_running:
        places = Places(options.state.absolute(), options.config, options.sessions)
        if State(places.state).page("core") is None:
            raise VenueAwayError(f"no venue runs in {places.state}; start one with ./rialto up")
        return await Show(await prepare(places, plan), plan, console).run(stop)
    console.print("starting a venue for the demo ...")
    async with temporary_venue(
        options.config,
        options.sessions,
        is_recorded=plan.recorded is not None,
        is_kept=options.keep,
        net=SETTLED_NET if options.settle else (),
    ) as places:
        if options.keep:
            console.print(f"its state is in {places.state}")
        stage = await prepare(places, plan)
        is_proved = await Show(stage, plan, console).run(stop)
        if not options.settle or not is_proved:
            return is_proved
        page = places.state / "statement.html"
        return await SettlementDay(stage, console, page).run()


def _stop_on_signals() -> asyncio.Event:
    """Let Ctrl-C and SIGTERM end the flow early; the proof is made all the same."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
