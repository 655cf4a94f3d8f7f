"""How fast the engine is, beside a bare book: ``python -m bench.core [--json]``.

Workload ``simple``: 50% passive adds, 40% cancels, 10% aggressive immediate-or-cancel orders, about
1,000 orders resting a side. The peer is what a Python user would write on sortedcontainers: a book
and nothing else. The engine runs every check (throttle, collar, notional, position, funds, client
ids, fees) and emits every event. Both see the same orders and must make the same trades.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sortedcontainers import SortedDict

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading.events import EVENTS, TradeExecuted
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, Phase, Side, TimeInForce
from venue.engines import create_engine

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MAKERS = (1, 2, 3)
TAKER = 4
MID_TICKS = 100_000
RESTING = 1_000
BATCH = 64
COMMAND_GAP_NS = 10_000


class Step(NamedTuple):
    """One command of the workload: an add (``price``, ``lots``) or a cancel of ``order_id``."""

    order_id: int
    side: int
    price_ticks: int
    lots: int
    is_immediate: bool


class PeerBook:
    """A bare price-time book: prices in a SortedDict, each level a dict of orders."""

    def __init__(self) -> None:
        self.sides: dict[int, SortedDict[int, dict[int, int]]] = {
            Side.BUY: SortedDict(),
            Side.SELL: SortedDict(),
        }
        self.orders: dict[int, tuple[int, int]] = {}
        self.trades: list[tuple[int, int, int]] = []
        self.resting: dict[int, int] = {Side.BUY: 0, Side.SELL: 0}

    def best(self, side: int) -> int | None:
        """Return the best price of a side."""
        levels = self.sides[side]
        if not levels:
            return None
        price: int = levels.peekitem(-1 if side == Side.BUY else 0)[0]
        return price

    def run(self, step: Step) -> None:
        """Do one step."""
        if step.lots == 0:
            self._cancel(step.order_id)
        else:
            self._add(step)

    def _add(self, step: Step) -> None:
        side, price, lots = step.side, step.price_ticks, step.lots
        opposite = Side.SELL if side == Side.BUY else Side.BUY
        levels = self.sides[opposite]
        while lots and levels:
            best, queue = levels.peekitem(0 if side == Side.BUY else -1)
            if best > price if side == Side.BUY else best < price:
                break
            while lots and queue:
                resting_id = next(iter(queue))
                traded = min(lots, queue[resting_id])
                self.trades.append((resting_id, best, traded))
                lots -= traded
                queue[resting_id] -= traded
                if queue[resting_id] == 0:
                    del queue[resting_id]
                    del self.orders[resting_id]
                    self.resting[opposite] -= 1
            if not queue:
                del levels[best]
        if lots and not step.is_immediate:
            self.sides[side].setdefault(price, {})[step.order_id] = lots
            self.orders[step.order_id] = (side, price)
            self.resting[side] += 1

    def _cancel(self, order_id: int) -> None:
        side, price = self.orders.pop(order_id)
        levels = self.sides[side]
        del levels[price][order_id]
        if not levels[price]:
            del levels[price]
        self.resting[side] -= 1


def simple(chance: random.Random, count: int) -> list[Step]:
    """Make the workload, on a peer book that knows which orders still rest."""
    book, steps, live = PeerBook(), [], list[int]()
    next_id, mid = 1, MID_TICKS

    def passive(side: int) -> Step:
        distance = 1 + int(100 * chance.random() * chance.random())
        price = mid - distance if side == Side.BUY else mid + distance
        opposite = book.best(Side.SELL if side == Side.BUY else Side.BUY)
        if opposite is not None:
            price = min(price, opposite - 1) if side == Side.BUY else max(price, opposite + 1)
        live.append(next_id)
        return Step(next_id, side, price, chance.randint(1, 100), is_immediate=False)

    for index in range(2 * RESTING + count):
        if index % 1024 == 0:
            mid += chance.randint(-1, 1)
        deeper = Side.BUY if book.resting[Side.BUY] > book.resting[Side.SELL] else Side.SELL
        thinner = Side.SELL if deeper == Side.BUY else Side.BUY
        draw = chance.random() if index >= 2 * RESTING else 0.0
        step = None
        if 0.5 <= draw < 0.9:
            order_id = _pick(chance, live, book, deeper)
            step = Step(order_id, 0, 0, 0, is_immediate=False) if order_id else None
        elif draw >= 0.9:
            price = mid + 5 if thinner == Side.BUY else mid - 5
            lots = chance.randint(1, 160 if sum(book.resting.values()) > 2 * RESTING else 60)
            step = Step(next_id, thinner, price, lots, is_immediate=True)
        if step is None:
            step = passive(thinner)
        next_id += 1 if step.lots else 0
        book.run(step)
        steps.append(step)
    return steps


def _pick(chance: random.Random, live: list[int], book: PeerBook, side: int) -> int:
    """Take a resting order of a side out of ``live``, forgetting done ones on the way."""
    for _ in range(16):
        if not live:
            return 0
        index = chance.randrange(len(live))
        order_id = live[index]
        place = book.orders.get(order_id)
        if place is None or place[0] == side:
            live[index] = live[-1]
            live.pop()
            if place is not None:
                return order_id
    return 0


def set_up() -> list[tuple[type[c.Command], dict[str, Any]]]:
    """Return the commands that make a venue with every limit in force."""
    commands: list[tuple[type[c.Command], dict[str, Any]]] = [
        (
            c.ConfigureVenue,
            {
                "client_ids_max": 1_000_000,
                "references_max": 1000,
                "open_orders_max": 100_000,
                "accounts_max": 100,
                "instruments_max": 100,
                "sessions_max": 100,
                "client_id_window_ns": SECOND,
                "indicative_interval_ns": SECOND,
            },
        ),
        (c.DefineFeeSchedule, {"fee_schedule": 1, "maker_ppm": 100, "taker_ppm": 250}),
    ]
    commands += [
        (
            c.CreateAsset,
            {
                "asset": asset,
                "scale": 8,
                "supply_max_atoms": 1 << 61,
                "symbol": padded_text(symbol, 16),
            },
        )
        for asset, symbol in ((1, "BTC"), (2, "USD"))
    ]
    commands.append(
        (
            c.CreateInstrument,
            {
                "instrument": 1,
                "base_asset": 1,
                "quote_asset": 2,
                "fee_schedule": 1,
                "lot_atoms": 10_000,
                "tick_lot_atoms": 100,
                "tick_units": 1,
                "lot_units": 1,
                "symbol": padded_text("BTC-USD", 16),
            },
        )
    )
    for account in (*MAKERS, TAKER):
        commands += _set_up_account(account)
    commands.append((c.SetInstrumentLimits, INSTRUMENT_LIMITS))
    commands.append((c.ChangePhase, {"instrument": 1, "phase": Phase.CONTINUOUS}))
    return commands


INSTRUMENT_LIMITS = {
    "instrument": 1,
    "orders_max": 100_000,
    "price_ticks_min": 1,
    "price_ticks_max": 1_000_000,
    "quantity_lots_min": 1,
    "quantity_lots_max": 1_000_000,
    "notional_min_atoms": 1,
    "notional_max_atoms": 1 << 50,
    "display_lots_min": 1,
    "reference_ticks": MID_TICKS,
    "collar_ppm": 100_000,
    "protection_ppm": 50_000,
    "band_ppm": 500_000,
    "band_window_ns": 60 * SECOND,
    "halt_ns": SECOND,
    "auction_ns": SECOND,
}


def _set_up_account(account: int) -> list[tuple[type[c.Command], dict[str, Any]]]:
    name = padded_text(f"A{account}", 32)
    commands: list[tuple[type[c.Command], dict[str, Any]]] = [
        (c.CreateFirm, {"firm": account, "name": name}),
        (
            c.CreateAccount,
            {
                "account": account,
                "firm": account,
                "owner_group": account,
                "account_kind": 1,
                "self_trade_prevention": 1,
                "name": name,
            },
        ),
        (
            c.SetAccountLimits,
            {
                "account": account,
                "open_orders_max": 100_000,
                "message_burst": 1_000_000,
                "message_interval_ns": COMMAND_GAP_NS,
            },
        ),
        (
            c.GrantSession,
            {"account": account, "session": account, "rights": 1, "firm": account, "name": name},
        ),
        (c.OpenSession, {"session": account, "connection": 1}),
    ]
    for asset in (1, 2):
        limits = {"account": account, "asset": asset, "position_max_atoms": 1 << 60}
        reference = client_id(f"c{account}-{asset}")
        amount = {"account": account, "asset": asset, "amount_atoms": 1 << 57}
        commands.append((c.SetAssetLimits, limits))
        commands.append((c.Credit, amount | {"reference": reference}))
    return commands


def encode(steps: list[Step]) -> tuple[bytes, list[bytes]]:
    """Return the set-up as one batch, and one record for each step."""
    sequence = 0

    def record(command: type[c.Command], **fields: Any) -> bytes:
        nonlocal sequence
        sequence += 1
        time_ns = START + sequence * COMMAND_GAP_NS
        return command.make(sequence=sequence, time_ns=time_ns, **fields).pack()

    preamble = b"".join(record(command, **fields) for command, fields in set_up())
    owners: dict[int, int] = {}
    records = []
    for index, step in enumerate(steps):
        if step.lots:
            account = TAKER if step.is_immediate else MAKERS[step.order_id % len(MAKERS)]
            owners[step.order_id] = account
        account = owners[step.order_id]
        header = {
            "account": account,
            "session": account,
            "connection": 1,
            "source": source_number(3, account),
            "epoch": 1,
            "source_sequence": index + 1,
            "instrument": 1,
            "client_order_id": client_id(f"MM{account}-{index:09d}"),
        }
        if step.lots == 0:
            records.append(record(c.CancelOrder, order_id=step.order_id, **header))
            continue
        immediate, resting = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.GOOD_TILL_CANCEL
        records.append(
            record(
                c.PlaceOrder,
                side=step.side,
                order_type=OrderType.LIMIT,
                time_in_force=immediate if step.is_immediate else resting,
                price_ticks=step.price_ticks,
                quantity_lots=step.lots,
                **header,
            )
        )
    return preamble, records


def measure(run: Callable[[Any], object], work: list[Any]) -> dict[str, float]:
    """Run each piece of work and return rates and percentiles of the time of one."""
    laps = []
    clock = time.perf_counter_ns
    gc.collect()
    began_ns, cpu_began = clock(), time.process_time()
    for each in work:
        at = clock()
        run(each)
        laps.append(clock() - at)
    wall, cpu = (clock() - began_ns) / 1e9, time.process_time() - cpu_began
    laps.sort()
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "p50_ns": laps[len(laps) // 2],
        "p99_ns": laps[len(laps) * 99 // 100],
        "p999_ns": laps[len(laps) * 999 // 1000],
    }


def run_engine(name: str, preamble: bytes, records: list[bytes]) -> dict[str, float]:
    """Measure an engine: in batches for the rate, one by one for the percentiles."""
    fill, rest = records[: 2 * RESTING], records[2 * RESTING :]
    batches = [b"".join(rest[at : at + BATCH]) for at in range(0, len(rest), BATCH)]
    engine = create_engine(name)
    engine.apply(preamble + b"".join(fill))
    rate = measure(engine.apply, batches)
    engine = create_engine(name)
    engine.apply(preamble + b"".join(fill))
    single = measure(engine.apply, rest)
    return single | {
        "commands_per_s": len(rest) / rate["cpu_s"],
        "cpu_us_per_command": rate["cpu_s"] / len(rest) * 1e6,
        "wall_s": rate["wall_s"],
        "cpu_s": rate["cpu_s"],
    }


def run_peer(steps: list[Step]) -> dict[str, float]:
    """Measure the bare book."""
    book = PeerBook()
    for step in steps[: 2 * RESTING]:
        book.run(step)
    rest = steps[2 * RESTING :]
    figures = measure(book.run, rest)
    return figures | {
        "commands_per_s": len(rest) / figures["cpu_s"],
        "cpu_us_per_command": figures["cpu_s"] / len(rest) * 1e6,
    }


def require_same_trades(steps: list[Step], preamble: bytes, records: list[bytes]) -> int:
    """Run both once, and stop unless they made the same trades; return how many."""
    book = PeerBook()
    for step in steps:
        book.run(step)
    events = EVENTS.unpack(create_engine("reference").apply(preamble + b"".join(records)))
    trades = [
        (each.maker_order_id, each.price_ticks, each.quantity_lots)
        for each in events
        if isinstance(each, TradeExecuted)
    ]
    if trades != book.trades:
        sys.exit("the engine and the peer made different trades")
    return len(trades)


def best_of(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the quickest run, with the median rate of all beside it."""
    best = max(runs, key=lambda run: run["commands_per_s"])
    median = statistics.median(run["commands_per_s"] for run in runs)
    return best | {"commands_per_s_median": median}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    steps = simple(random.Random(options.seed), options.commands)
    preamble, records = encode(steps)
    trades = require_same_trades(steps, preamble, records)
    engine_runs, peer_runs = [], []
    for _ in range(options.rounds):
        engine_runs.append(run_engine("reference", preamble, records))
        peer_runs.append(run_peer(steps))
    figures = {
        "reference": {"simple": best_of(engine_runs)},
        "sortedcontainers": {"simple": best_of(peer_runs)},
    }
    if options.json:
        about = {"seed": options.seed, "commands": options.commands, "trades": trades}
        print(json.dumps({"core": figures, "about": about}, indent=2))
        return
    print(f"simple: {options.commands} commands, {trades} trades, seed {options.seed}")
    print(f"{'engine':18}{'commands/s':>12}{'median':>12}{'CPU us':>9}{'p50 us':>9}{'p99 us':>9}")
    for name, workloads in figures.items():
        run = workloads["simple"]
        print(
            f"{name:18}{run['commands_per_s']:12,.0f}{run['commands_per_s_median']:12,.0f}"
            f"{run['cpu_us_per_command']:9.2f}"
            f"{run['p50_ns'] / 1000:9.2f}{run['p99_ns'] / 1000:9.2f}"
        )


if __name__ == "__main__":
    main()
