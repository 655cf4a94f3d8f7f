"""How far behind a running venue its auditor is, and how fast it catches up after a burst.

    ./rialto bench auditor-lag [--rate N] [--seconds S] [--burst N] [--json]

A whole venue runs: core, ledger and everything else, each in its process, on the machine's
processors. A link of its own sends offers and their takers, so many trades a second; then a burst
of trades as fast as the core takes them. The bench reads the venue's events itself, so it knows
when each was told, and asks the auditor four times a second how far it has come:

- ``events``: every event recomputed, beside its command;
- ``ledger``: every row compared, which cannot be ahead of settlement.

The lag at a moment is how long ago the first event that was not yet looked at had been told.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.request
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.fix import FIRM, say, write_venue
from bench.processor_time import process_times_ns
from bench.workplace import workplace
from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.demo.funding import fund
from exchange.demo.temporary_config import changed
from exchange.demo.temporary_venue import Places, running_venue
from exchange.directory import Directory
from exchange.operator_link import OperatorLink
from exchange.processes.serving import core_address
from exchange.state import State
from messages.trading import commands, events
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, SessionRight, Side, TimeInForce
from runtime.link import Link
from runtime.logs import configure_logs

PRINCIPAL: Final = "bench_flow"
SESSION: Final = 5000
MAKER, TAKER = f"{FIRM}1-M", f"{FIRM}1-T"
PARTS: Final = ("events", "ledger")
TOLD: Final = "told"
EVENTS_PER_TRADE: Final = 5
"""Two orders, the trade, and a level that comes and goes."""

CATCH_UP_SECONDS_MAX: Final = 600.0
_TURN_SECONDS: Final = 0.01
_SAMPLE_SECONDS: Final = 0.25
_SETTLED_SECONDS: Final = 2.0
_BURST_PIECE: Final = 200


def write_audited_venue(folder: Path) -> Places:
    """Write a venue with a principal for the flow.

    Both sides of it are of one firm. That each of its trades is no alert is what makes it a flow
    as others are: alerts are written at once, and thousands of them a second would be measured.
    """
    places = write_venue(folder)
    with changed(places.config / "surveillance.toml") as surveillance:
        surveillance["wash"]["same_firm"] = False
    with changed(places.config / "venue.toml") as venue:
        venue["principals"][PRINCIPAL] = {"number": 60, "may_send": ["OpenSession", "PlaceOrder"]}
    return places


class Flow:
    """Offers and their takers: each pair is a trade, and sides take turns."""

    def __init__(self, link: Link, known: Directory) -> None:
        self.trades = 0
        self._link = link
        self._source = source_number(link.welcome.principal, SESSION)
        self._accounts = known.account(MAKER), known.account(TAKER)
        self._number = 0
        (limits,) = (
            each
            for each in known.records
            if isinstance(each, events.InstrumentLimitsSet)
            and each.instrument == known.instrument("BTC-USD")
        )
        self._market = {"instrument": limits.instrument, "price_ticks": limits.reference_ticks}
        opening = [self._record(commands.OpenSession, account) for account in self._accounts]
        assert link.send(b"".join(opening)), "the link is empty"

    async def steadily(self, rate: float, seconds: float) -> None:
        """Make so many trades a second."""
        loop = asyncio.get_running_loop()
        begun, before = loop.time(), self.trades
        while (passed := loop.time() - begun) < seconds:
            due = before + int(passed * rate)
            while self.trades < due:
                await self.trade()
            await asyncio.sleep(_TURN_SECONDS)

    async def at_once(self, count: int) -> None:
        """Make trades as fast as they are taken."""
        end = self.trades + count
        while self.trades < end:
            for _ in range(min(_BURST_PIECE, end - self.trades)):
                await self.trade()
            await asyncio.sleep(_TURN_SECONDS)

    async def trade(self) -> None:
        """Send an offer and what takes it, once the link has room: the core may have stalled."""
        self.trades += 1
        is_offer = self.trades % 2
        first, second = (Side.SELL, Side.BUY) if is_offer else (Side.BUY, Side.SELL)
        pair = [
            self._record(
                commands.PlaceOrder,
                account,
                **self._market,
                side=side,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GOOD_TILL_CANCEL,
                # No trade is the way back of another, or it would be a circular one.
                quantity_lots=10 + 2 * (self.trades % 7) + is_offer,
                client_order_id=client_id(f"a{self._number}"),
            )
            for account, side in zip(self._accounts, (first, second), strict=True)
        ]
        while not self._link.send(b"".join(pair)):  # noqa: ASYNC110  # no event tells of room
            await asyncio.sleep(_TURN_SECONDS)

    def _record(self, kind: type[commands.Command], account: int, **fields: int | bytes) -> bytes:
        self._number += 1
        record = kind.make(
            source=self._source,
            epoch=1,
            source_sequence=self._number,
            account=account,
            session=SESSION,
            connection=1,
            **fields,
        )
        return record.pack()


class Watch:
    """When each event was told, and how far each part of the auditor was then."""

    def __init__(self, state: State, link: Link) -> None:
        self._link = link
        page = state.page("auditor")
        assert page is not None, "the auditor runs"
        self.pid = page.pid
        self._port = page.metrics_port
        self._told: list[int] = [link.welcome.last_event]
        self._told_at: list[float] = [time.monotonic()]
        self.lags: dict[str, list[float]] = {part: [] for part in PARTS}
        self.positions: dict[str, int] = {}

    @property
    def last(self) -> int:
        """The last event that was told."""
        return self._told[-1]

    async def follow(self) -> None:
        """Read events until cancelled."""
        async for batch in self._link.events(self.last):
            self._told.append(batch.last)
            self._told_at.append(time.monotonic())

    async def sample(self) -> None:
        """Ask the auditor where it is until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def look(self) -> None:
        """Ask once."""
        asked = time.monotonic()
        health = await asyncio.to_thread(_health, self._port)
        assert health["findings"] == 0, health
        self.positions = {"events": health["event"], "ledger": health["ledger_event"]}
        for part, position in self.positions.items():
            self.lags[part].append(self._lag(position, asked))

    def _lag(self, position: int, now: float) -> float:
        """Say how long ago the first event beyond a position was told."""
        at = bisect_right(self._told, position)
        return max(0.0, now - self._told_at[at]) if at < len(self._told) else 0.0

    async def reached(self, part: str, number: int) -> float:
        """Wait until a part, or what is told, is at an event; return when it was seen there."""
        deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
        while (self.last if part == TOLD else self.positions.get(part, 0)) < number:
            assert time.monotonic() < deadline, f"{part} does not reach event {number}"
            await asyncio.sleep(_TURN_SECONDS)
        return time.monotonic()


def _health(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
        health: dict[str, Any] = json.loads(answer.read())
    return health


async def measure(*, rate: int, seconds: float, burst: int, folder: Path) -> dict[str, Any]:
    """Start a venue, trade at a rate, then in a burst."""
    places = write_audited_venue(folder)
    state = State(places.state)
    configuration = read_configuration(places.config)
    say("starting a venue ...")
    async with running_venue(places, log_file=folder / "up.log"):
        wealth = (("USD", "100000000000"), ("BTC", "1000000"))
        await fund(state, {(who, asset): n for who in (MAKER, TAKER) for asset, n in wealth})
        known = await _granted(state)
        report = await asyncio.to_thread(venue_report, state)
        address, token = core_address(configuration, state), state.token(PRINCIPAL)
        link, listener = [await Link.connect(address, PRINCIPAL, token) for _ in range(2)]
        watch, flow = Watch(state, listener), Flow(link, known)
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch.follow()), group.create_task(watch.sample())]
            say(f"{rate} trades a second ...")
            figures = await _steady(watch, flow, rate=rate, seconds=seconds, report=report)
            say(f"a burst of {burst} trades ...")
            figures |= await _burst(watch, flow, burst)
            for task in watching:
                task.cancel()
        await listener.close()
        await link.close()
    return figures


async def _granted(state: State) -> Directory:
    """Let the flow trade for both accounts: no session file names its session."""
    async with OperatorLink.open(state) as operator:
        known = Directory(await operator.definitions())
        for name in (MAKER, TAKER):
            grant = commands.GrantSession.make(
                session=SESSION,
                account=known.account(name),
                firm=known.firm(FIRM),
                rights=SessionRight.TRADE,
                name=b"BENCH-FLOW",
            )
            await operator.ask(grant, lambda event: isinstance(event, events.SessionGranted))
        return known


async def _steady(
    watch: Watch, flow: Flow, *, rate: int, seconds: float, report: dict[str, Any]
) -> dict[str, Any]:
    pids = {name: each["pid"] for name, each in report["processes"].items() if each["pid"]}
    await flow.steadily(rate, _SETTLED_SECONDS)
    for lags in watch.lags.values():
        lags.clear()
    trades, before, begun = flow.trades, process_times_ns(pids), time.monotonic()
    await flow.steadily(rate, seconds)
    passed, after = time.monotonic() - begun, process_times_ns(pids)
    shares = {name: (after[name] - before[name]) / passed / 1e7 for name in pids}
    return {
        "load_average": round(os.getloadavg()[0], 1),
        "trades_per_second": round((flow.trades - trades) / passed),
        "seconds": round(passed, 1),
        **{
            f"{part}_lag_{name}_seconds": round(_percentile(watch.lags[part], percent), 2)
            for part in PARTS
            for name, percent in (("median", 50), ("p95", 95), ("longest", 100))
        },
        "processor_percent": {name: round(share, 1) for name, share in shares.items()},
    }


async def _burst(watch: Watch, flow: Flow, burst: int) -> dict[str, Any]:
    """Measure from the first trade of a burst until each part has had the last."""
    for part in PARTS:
        await watch.reached(part, watch.last)
    begun, first = time.monotonic(), watch.last
    await flow.at_once(burst)
    last = first + burst * EVENTS_PER_TRADE
    parts = (TOLD, *PARTS)
    seen = await asyncio.gather(*(watch.reached(part, last) for part in parts))
    took = {part: at - begun for part, at in zip(parts, seen, strict=True)}
    return {
        "burst_trades": burst,
        "burst_told_per_second": round(burst / took[TOLD]),
        **{f"{part}_caught_up_per_second": round(burst / took[part]) for part in PARTS},
    }


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures for people."""
    say("")
    print(
        f"{figures['trades_per_second']} trades/s for {figures['seconds']} s,"
        f" load {figures['load_average']}\n"
    )
    print(f"{'':<8}{'lag, median':>12}{'p95':>8}{'longest':>9}{'caught up':>14}")
    for part in PARTS:
        lags = [figures[f"{part}_lag_{name}_seconds"] for name in ("median", "p95", "longest")]
        print(
            f"{part:<8}{lags[0]:>10.2f} s{lags[1]:>6.2f} s{lags[2]:>7.2f} s"
            f"{figures[f'{part}_caught_up_per_second']:>8,} tr/s"
        )
    print(
        f"\nthe burst: {figures['burst_trades']:,} trades, told at"
        f" {figures['burst_told_per_second']:,} trades/s\n\nprocessor in percent of one:\n"
    )
    for name, percent in figures["processor_percent"].items():
        print(f"  {name:<18}{percent:>7.1f}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=2000, help="trades a second (default 2000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of it (default 30)")
    parser.add_argument("--burst", type=int, default=20_000, help="trades (default 20000)")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    configure_logs("bench", level="error")
    with workplace("auditor") as folder:
        figures = uvloop.run(
            measure(rate=options.rate, seconds=options.seconds, burst=options.burst, folder=folder)
        )
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print_table(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
