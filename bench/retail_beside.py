"""Order entry over FIX without and with a thousand readers of public streams on the other core.

    ./rialto bench retail-beside [--readers N] [--seconds S] [--rounds N] [--json]

A venue of its own runs on one processor, and FIX order entry with it: one session sends orders in
an open loop, and latency counts from the intended time of sending. The process that copies streams
to readers, and the readers, are on the others. Books move and trade all the time; in turns nobody
reads and everybody does, so that what the machine does besides falls on both alike.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from bench.fix import FIRM, GENERATOR, percentiles_us, say, write_venue
from bench.fix_load import MID_TICKS, Load, Workload
from bench.market_data_flow import (
    MAKER,
    NAMES,
    PRINCIPAL,
    TABLE,
    TAKER,
    Flow,
    accounts,
    grant,
)
from bench.processor_time import process_times_ns, process_trees
from bench.retail_streams import READERS, SERVER, Readers, readers
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.demo.funding import fund
from exchange.demo.latency import LatencyHistogram
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_config import changed
from exchange.demo.temporary_venue import Places, running_venue
from exchange.operator_link import OperatorLink
from exchange.processes.serving import core_address
from exchange.state import State
from messages.trading.events import SessionGranted
from runtime.link import Link
from runtime.logs import configure_logs

STREAMS: Final = "btcusd@trade/btcusd@depth@100ms/btcusd@bookTicker"
ORDERS_PER_SECOND: Final = 100.0
COMMANDS_PER_SECOND: Final = 50.0
"""Of the flow that moves the book."""
SLOWER_MAX: Final = 1.10
"""What is promised: medians of all rounds, with readers over without."""
_WARM_SECONDS: Final = 2.0


def write_beside_venue(folder: Path) -> Places:
    """Write the venue: FIX sessions, the flow, and room for many readers of one address."""
    places = write_venue(folder)
    with changed(places.config / "venue.toml") as venue:
        venue["principals"][PRINCIPAL] = TABLE
        venue["retail_streams"]["limits"] |= {
            "connections_per_address_max": 100_000,
            "attempts_per_address_max": 1_000_000,
            "handshakes_max": 1000,
            "handshakes_per_address_max": 1000,
            "handshake_seconds": 60.0,
        }
    with changed(places.sessions / f"{FIRM}1.toml") as one:
        one["account"] += accounts()
    return places


def pin(pids: dict[str, int], processors: list[int], *, elsewhere: frozenset[str]) -> None:
    """Keep process trees on the first processor, or, those that are named, on the others."""
    for name, tree in process_trees(pids).items():
        where = processors[1:] if name in elsewhere else processors[:1]
        for thread in _threads(tree):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, where)


def _threads(pids: list[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(FileNotFoundError):
            yield from (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())


class Rounds:
    """What was measured in all rounds of one kind."""

    def __init__(self) -> None:
        self.latency = LatencyHistogram()
        self.each: list[dict[str, float]] = []
        self.messages_per_second: list[float] = []
        self.processor_percent: list[dict[str, float]] = []

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a program."""
        names = sorted({name for used in self.processor_percent for name in used})
        return {
            "orders": self.latency.count,
            **percentiles_us(self.latency),
            "p50_us_by_round": [each["p50_us"] for each in self.each],
            "p99_us_by_round": [each["p99_us"] for each in self.each],
            "messages_per_second": median(self.messages_per_second),
            "processor_percent": {
                name: median(used.get(name, 0.0) for used in self.processor_percent)
                for name in names
            },
        }


class Stage:
    """The running venue, and the FIX session that is timed."""

    def __init__(self, state: State, report: dict[str, Any], load: Load) -> None:
        processes = report["processes"]
        self.pids = {name: each["pid"] for name, each in processes.items() if each["pid"]}
        page = state.page(SERVER)
        assert page is not None
        self.url = f"{page.addresses['streams']}/stream?streams={STREAMS}"
        self._load = load
        self._processors = sorted(os.sched_getaffinity(0))
        """All that we may use, before anybody is kept to some of them."""

    def elsewhere(self) -> None:
        """Be where readers are, so that those that we start now are there from the beginning."""
        os.sched_setaffinity(0, self._processors[1:])

    async def round(self, rounds: Rounds, seconds: float, some: Readers | None, pid: int) -> None:
        """Time orders for a while, beside what the readers get and every process uses."""
        pids = self.pids | ({READERS: pid} if some is not None else {})
        everybody = pids | {GENERATOR: os.getpid()}
        pin(everybody, self._processors, elsewhere=frozenset({SERVER, READERS}))
        await asyncio.sleep(_WARM_SECONDS)
        if some is not None:
            await some.got()
        before = process_times_ns(pids)
        outcome = await self._load.open_loop(rate=ORDERS_PER_SECOND, seconds=seconds)
        after = process_times_ns(pids)
        got = await some.got() if some is not None else {"messages": 0, "lost": 0}
        assert not got["lost"], "a reader was cut"
        rounds.latency.add(outcome.latency)
        rounds.each.append(percentiles_us(outcome.latency))
        rounds.messages_per_second.append(got["messages"] / outcome.seconds)
        rounds.processor_percent.append(
            {name: (after[name] - before[name]) / outcome.seconds / 1e7 for name in pids}
        )


async def measure(*, count: int, seconds: float, rounds: int, folder: Path) -> dict[str, Any]:
    """Start a venue, let its book move, and measure without and with readers in turns."""
    places = write_beside_venue(folder)
    state, configuration = State(places.state), read_configuration(places.config)
    instrument = configuration.instruments[0]
    alone, beside = Rounds(), Rounds()
    say("starting a venue ...")
    async with running_venue(places, log_file=folder / "up.log"):
        amounts = {
            (name, asset): amount
            for name in (f"{FIRM}1-M", *NAMES)
            for asset, amount in (("USD", "1000000000"), ("BTC", "100000"))
        }
        await fund(state, amounts)
        async with OperatorLink.open(state) as operator:
            for account in (MAKER, TAKER):
                granted = grant(account, 9)
                await operator.ask(granted, lambda event: isinstance(event, SessionGranted))
        report = await asyncio.to_thread(venue_report, state)
        load = Load(Workload(is_trading=False), target="RIALTO")
        stage = Stage(state, report, load)
        host, _, port = str(report["fix_address"]).rpartition(":")
        key = read_key(state.fix_keys / f"{FIRM}1.json")
        await load.open(host, int(port), {f"{FIRM}1": key})
        link = await Link.connect(
            core_address(configuration, state), PRINCIPAL, state.token(PRINCIPAL)
        )
        flow = Flow(link, instruments=[instrument.id], mid_ticks=MID_TICKS)
        moving = asyncio.create_task(flow.run(COMMANDS_PER_SECOND))
        try:
            for number in range(1, rounds + 1):
                say(f"round {number} of {rounds}, nobody reads ...")
                await stage.round(alone, seconds, None, 0)
                say(f"round {number} of {rounds}, {count} read ...")
                stage.elsewhere()
                async with readers(stage.url, count) as (some, pid):
                    await stage.round(beside, seconds, some, pid)
            assert not moving.done(), moving
        finally:
            moving.cancel()
            await load.close()
            await link.close()
    return _figures(alone, beside, readers=count, load_average=os.getloadavg()[0])


def _figures(alone: Rounds, beside: Rounds, **about: float) -> dict[str, Any]:
    without, with_readers = alone.as_dict(), beside.as_dict()
    ratios = {
        name: median(
            slow[name] / quick[name] for quick, slow in zip(alone.each, beside.each, strict=True)
        )
        for name in ("p50_us", "p99_us")
    }
    return {**about, "alone": without, "beside": with_readers, "ratios": ratios}


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    print(
        f"{figures['readers']} readers of {STREAMS}; {ORDERS_PER_SECOND:.0f} orders a second "
        f"over FIX; load average {figures['load_average']:.1f}\n"
    )
    print(f"{'':<18}{'orders':>8}{'p50 us':>9}{'p99 us':>9}{'max us':>10}{'messages/s':>12}")
    for name, title in (("alone", "nobody reads"), ("beside", "all read")):
        row = figures[name]
        print(
            f"{title:<18}{row['orders']:>8}{row['p50_us']:>9.0f}{row['p99_us']:>9.0f}"
            f"{row['max_us']:>10.0f}{row['messages_per_second']:>12,.0f}"
        )
    ratios = figures["ratios"]
    print(
        f"\nwith readers over without, median of the rounds: p50 {ratios['p50_us']:.3f}, "
        f"p99 {ratios['p99_us']:.3f} (promised: p50 at most {SLOWER_MAX:.2f})"
    )
    print("\nprocessor in percent of one: without, with\n")
    for name, used in figures["beside"]["processor_percent"].items():
        before = figures["alone"]["processor_percent"].get(name, 0.0)
        print(f"  {name:<18}{before:>7.1f}{used:>7.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="each round (default 10)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        print("bench retail-beside: needs two processors", file=sys.stderr)
        return 69
    configure_logs("bench", level="error")
    with workplace("beside") as folder:
        figures = uvloop.run(
            measure(
                count=options.readers,
                seconds=options.seconds,
                rounds=options.rounds,
                folder=folder,
            )
        )
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
