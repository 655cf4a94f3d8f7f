"""How fast settlement drains a backlog of trades, beside what bare COPY does in the same run.

    ./rialto bench settlement [--trades N] [--batch-events N] [--with-order-history] [--json]

The stream is generated before the clock starts: for each trade a maker's order, a taker's order,
the trade itself and two level changes, as the engine would emit them. Measured are:

- ``bare_copy``: the same trades and entries through COPY into tables without index, check or
  trigger, committed in batches of the same size; rows made beforehand. This is the limit.
- ``decode``: events to rows, without the database.
- ``ledger``: the poster as it runs, from the first event to the last commit.
- ``rebuild``: the ledger made again in bulk, from the first event to the proof of the last row.
  The server is one that ``./rialto ledger rebuild`` starts; all else begins no files in its
  transactions, and writes the log as ever.
- ``lag``: how long a frame waits for its commit while the venue trades at a steady rate.
- ``as_of``: balances of one account as of a moment, in a ledger of ten million entries.
- ``both``: the poster and the order-history projector side by side, until both are done.

Rates are trades a second of wall clock; beside the ledger's stands the time on a processor that a
trade takes in either process, which a busy machine changes less.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from bench import balances
from bench.processor_time import process_times_ns
from bench.workplace import workplace
from messages.layout import Record
from messages.trading.events import (
    LAST_OF_COMMAND,
    AccountCreated,
    AssetCreated,
    BalanceChanged,
    BookLevelChanged,
    FirmCreated,
    InstrumentCreated,
    OrderAccepted,
    TradeExecuted,
)
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause, OrderStatus, OrderType, Side, TimeInForce
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.postgres import connect
from settlement import database, rebuild
from settlement.adapters.memory import MemoryBatch, MemoryFeed
from settlement.binary_copy import copy
from settlement.consumer import FeedConsumer
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import ENTRY_COLUMNS, TRADE_COLUMNS
from settlement.service import SettlementService
from settlement.settings import SettlementSettings

VENUE = bytes(range(16))
QUOTE, FIRST_BASE, INSTRUMENTS = 1, 2, 4
FRAME_BYTES = 1 << 20
DEPOSIT_ATOMS = 1 << 44
EVENTS_PER_TRADE = 5

Fields = dict[str, int | bytes]


class Stream:
    """Event records in frames, as the core would send them."""

    def __init__(self, seed: int) -> None:
        self.frames: list[MemoryBatch] = []
        self._random = random.Random(seed)
        self._number = 0
        self._orders = 0
        self._trades = 0
        self._pending: list[bytes] = []
        self._size = 0
        self._first = 1

    def command(self, *events: tuple[type[Record], Fields]) -> None:
        """Append the events of one command."""
        for index, (record, values) in enumerate(events, start=1):
            self._number += 1
            flags = LAST_OF_COMMAND if index == len(events) else 0
            data = record.make(
                number=self._number,
                sequence=self._number,
                time_ns=balances.START_NS + self._number * 1000,
                flags=flags,
                **values,
            ).pack()
            self._pending.append(data)
            self._size += len(data)
        if self._size >= FRAME_BYTES:
            self.close_frame()

    def close_frame(self) -> None:
        """End the frame in hand."""
        if self._pending:
            self.frames.append(MemoryBatch(self._first, self._number, b"".join(self._pending)))
            self._first, self._pending, self._size = self._number + 1, [], 0

    def define(self, accounts: int) -> None:
        """Define assets, instruments and accounts, and give every account money."""
        for asset in range(QUOTE, FIRST_BASE + INSTRUMENTS):
            self.command((AssetCreated, {"asset": asset, "scale": 8, "symbol": b"A%d" % asset}))
        for index in range(INSTRUMENTS):
            market: Fields = {"base_asset": FIRST_BASE + index, "quote_asset": QUOTE}
            name: Fields = {"instrument": index + 1, "symbol": b"I%d" % index}
            self.command((InstrumentCreated, name | market))
        self.command((FirmCreated, {"firm": 1, "name": b"firm"}))
        for account in range(1, accounts + 1):
            self.command((AccountCreated, {"account": account, "firm": 1, "name": b"account"}))
            for asset in range(QUOTE, FIRST_BASE + INSTRUMENTS):
                money: Fields = {"asset": asset, "cause": BalanceCause.CREDIT, "account": account}
                amounts: Fields = {"amount_atoms": DEPOSIT_ATOMS, "change_atoms": DEPOSIT_ATOMS}
                self.command((BalanceChanged, money | amounts))

    def trade(self, accounts: int) -> None:
        """Append a maker's order and a taker's order that fills it."""
        chance = self._random
        maker, taker = chance.sample(range(1, accounts + 1), 2)
        instrument = chance.randint(1, INSTRUMENTS)
        taker_side = chance.choice((Side.BUY, Side.SELL))
        price, lots = chance.randint(90_000, 110_000), chance.randint(1, 100)
        self._orders += 2
        self._trades += 1
        ids = self._orders - 1, self._orders
        names = client_id(f"maker-{ids[0]:012d}"), client_id(f"taker-{ids[1]:012d}")
        order: Fields = {
            "instrument": instrument,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "status": OrderStatus.NEW,
            "price_ticks": price,
            "quantity_lots": lots,
            "leaves_lots": lots,
        }
        level: Fields = {"instrument": instrument, "price_ticks": price}
        made: Fields = {"account": maker, "order_id": ids[0], "client_order_id": names[0]}
        took: Fields = {"account": taker, "order_id": ids[1], "client_order_id": names[1]}
        self.command(
            (OrderAccepted, order | made | {"side": 3 - taker_side}),
            (BookLevelChanged, level | {"quantity_lots": lots}),
        )
        sides: Fields = {}
        for side, account, order_id, name, fee in (
            ("maker", maker, ids[0], names[0], -(price * lots // 20_000)),
            ("taker", taker, ids[1], names[1], price * lots // 5_000 + 1),
        ):
            sides |= {
                f"{side}_account": account,
                f"{side}_order_id": order_id,
                f"{side}_client_order_id": name,
                f"{side}_fee_atoms": fee,
                f"{side}_status": OrderStatus.FILLED,
                f"{side}_quantity_lots": lots,
                f"{side}_filled_lots": lots,
                f"{side}_filled_value": lots * price,
            }
        money: Fields = {"notional_atoms": price * lots, "base_atoms": lots * 1000}
        trade: Fields = {"trade_id": self._trades, "taker_side": taker_side, "quantity_lots": lots}
        self.command(
            (OrderAccepted, order | took | {"side": taker_side}),
            (TradeExecuted, level | money | trade | sides),
            (BookLevelChanged, level),
        )


def generate(trades: int, *, accounts: int, seed: int) -> list[MemoryBatch]:
    """Make the whole stream."""
    stream = Stream(seed)
    stream.define(accounts)
    stream.close_frame()
    for _ in range(trades):
        stream.trade(accounts)
    stream.close_frame()
    return stream.frames


async def measure_decode(frames: Sequence[MemoryBatch]) -> float:
    """Turn all events into ledger rows; returns the seconds it took."""
    projection = LedgerProjection()
    started = time.perf_counter()
    for frame in frames:
        projection.decode([frame])
    return time.perf_counter() - started


class Taken(NamedTuple):
    """Seconds of wall clock, and the server's time on a processor."""

    seconds: float
    processor_ns: int


async def measure_bare_copy(
    dsn: str, frames: Sequence[MemoryBatch], *, batch_events: int, server_pid: int
) -> Taken:
    """COPY the same encoded rows into bare tables; returns what it took."""
    projection = LedgerProjection()
    batches = [
        ([ready.trades], ready.entry_rows())
        for ready in (projection.decode(part)[0] for part in _parts(frames, batch_events))
    ]
    connection = await connect(dsn)
    await connection.execute("create schema bare")
    for table in ("trades", "entries"):
        await connection.execute(f"create table bare.{table} (like settlement.{table})")
    before, started = _server_ns(server_pid), time.perf_counter()
    for trades, entries in batches:
        async with connection.transaction():
            for table, columns, rows in (
                ("trades", TRADE_COLUMNS, trades),
                ("entries", ENTRY_COLUMNS, entries),
            ):
                await copy(connection, f"bare.{table}", columns=columns, rows=rows)
    taken = Taken(time.perf_counter() - started, _server_ns(server_pid) - before)
    await connection.execute("drop schema bare cascade")
    await connection.close()
    return taken


def _server_ns(server_pid: int) -> int:
    return process_times_ns({"postgres": server_pid})["postgres"]


def _parts(frames: Sequence[MemoryBatch], batch_events: int) -> Iterator[list[MemoryBatch]]:
    part: list[MemoryBatch] = []
    for frame in frames:
        part.append(frame)
        if frame.last - part[0].first >= batch_events:
            yield part
            part = []
    if part:
        yield part


class PacedFeed(MemoryFeed):
    """Hands out frames at the rate of a venue that makes so many trades a second."""

    def __init__(self, frames: Sequence[MemoryBatch], *, events_per_second: float) -> None:
        super().__init__(frames, venue=VENUE)
        self.events_per_second = events_per_second
        self.handed_out: list[tuple[int, float]] = []

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[MemoryBatch]:
        """Yield each frame when its last event would have happened."""
        started, beginning = time.perf_counter(), after
        async for batch in super().read(after, until):
            due = started + (batch.last - beginning) / self.events_per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.handed_out.append((batch.last, max(due, started)))
            yield batch


async def measure_lag(
    dsn: str, frames: Sequence[MemoryBatch], *, batch_events: int, trades_per_second: int
) -> tuple[float, float]:
    """Post at a given rate; returns the median and the longest lag of a frame, in seconds."""
    feed = PacedFeed(frames, events_per_second=trades_per_second * EVENTS_PER_TRADE)
    stop, settings = asyncio.Event(), SettlementSettings(dsn=dsn, batch_events_max=batch_events)
    poster = SettlementService(settings, lambda _venue: feed, CollectorRegistry()).poster
    lags: list[float] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(poster.run(stop))
        while len(lags) < len(frames):
            await asyncio.sleep(0.002)
            while len(lags) < len(feed.handed_out):
                last, due = feed.handed_out[len(lags)]
                if poster.position < last:
                    break
                lags.append(time.perf_counter() - due)
        stop.set()
    return statistics.median(lags), max(lags)


class Served(NamedTuple):
    """Seconds until the ledger, and until all, was committed; and time on a processor for it."""

    ledger: float
    both: float
    processor_ns: dict[str, int]


async def measure_service(
    dsn: str,
    frames: Sequence[MemoryBatch],
    *,
    batch_events: int,
    with_order_history: bool,
    server_pid: int,
) -> Served:
    """Run the service until everything is committed."""
    roots = {"settlement": os.getpid(), "postgres": server_pid}
    before = process_times_ns(roots)
    stop = asyncio.Event()
    settings = SettlementSettings(dsn=dsn, batch_events_max=batch_events)
    service = SettlementService(
        settings, lambda _venue: MemoryFeed(frames, venue=VENUE), CollectorRegistry()
    )
    consumers: list[FeedConsumer[Any]] = [service.poster]
    if with_order_history:
        consumers.append(service.projector)
    last = frames[-1].last
    started = time.perf_counter()
    ledger_seconds = 0.0
    async with asyncio.TaskGroup() as group:
        for consumer in consumers:
            group.create_task(consumer.run(stop))
        while any(consumer.position < last for consumer in consumers):
            await asyncio.sleep(0.005)
            if not ledger_seconds and service.poster.position == last:
                ledger_seconds = time.perf_counter() - started
        both_seconds = time.perf_counter() - started
        after = process_times_ns(roots)  # before the server's side of it ends
        stop.set()
    spent = {name: after[name] - before[name] for name in roots}
    return Served(ledger_seconds or both_seconds, both_seconds, spent)


async def measure_rebuild(dsn: str, frames: Sequence[MemoryBatch], server_pid: int) -> Taken:
    """Make the ledger again in an empty database; returns what it took.

    Helpers that PostgreSQL starts to sort keys have ended by then: their time is not in it.
    """
    connection = await connect(dsn)
    before, started = _server_ns(server_pid), time.perf_counter()
    await rebuild.rebuild(connection, frames, dsn=dsn, venue=VENUE)
    taken = Taken(time.perf_counter() - started, _server_ns(server_pid) - before)
    await connection.close()
    return taken


async def _make_fresh(dsn: str) -> None:
    await database.migrate(dsn, revision="base")
    await database.migrate(dsn)


def _microseconds(taken: Taken, count: int) -> float:
    return round(taken.processor_ns / count / 1_000, 1)


async def measure(
    arguments: argparse.Namespace, dsn: str, server_pid: int
) -> dict[str, float | int]:
    """Measure everything on a fresh database."""
    count, batch_events = arguments.trades, arguments.batch_events
    frames = generate(count, accounts=arguments.accounts, seed=arguments.seed)
    figures: dict[str, float | int] = {
        "trades": count,
        "accounts": arguments.accounts,
        "events": frames[-1].last,
        "batch_events": batch_events,
        "seed": arguments.seed,
    }
    await database.migrate(dsn)
    figures["load_average"] = round(os.getloadavg()[0], 1)
    figures["decode_per_second"] = round(count / await measure_decode(frames))
    bare = await measure_bare_copy(dsn, frames, batch_events=batch_events, server_pid=server_pid)
    figures["bare_copy_per_second"] = round(count / bare.seconds)
    figures["bare_copy_postgres_processor_microseconds"] = _microseconds(bare, count)
    served = await measure_service(
        dsn, frames, batch_events=batch_events, with_order_history=False, server_pid=server_pid
    )
    figures["ledger_per_second"] = round(count / served.ledger)
    figures["ledger_of_bare_copy"] = round(bare.seconds / served.ledger, 2)
    for name, spent_ns in served.processor_ns.items():
        figures[f"ledger_{name}_processor_microseconds"] = round(spent_ns / count / 1_000, 1)
    await _make_fresh(dsn)
    rebuilt = await measure_rebuild(dsn, frames, server_pid)
    figures["rebuild_per_second"] = round(count / rebuilt.seconds)
    figures["rebuild_of_bare_copy"] = round(bare.seconds / rebuilt.seconds, 2)
    figures["rebuild_postgres_processor_microseconds"] = _microseconds(rebuilt, count)
    if arguments.lag_rate:
        await _make_fresh(dsn)
        median, longest = await measure_lag(
            dsn, frames, batch_events=batch_events, trades_per_second=arguments.lag_rate
        )
        figures["lag_at_trades_per_second"] = arguments.lag_rate
        figures["lag_median_seconds"] = round(median, 3)
        figures["lag_longest_seconds"] = round(longest, 3)
    if arguments.entries:
        await _make_fresh(dsn)
        figures |= await balances.measure(
            dsn,
            frames[:1],
            arguments.entries,
            venue=VENUE,
            accounts=arguments.accounts,
            instruments=INSTRUMENTS,
            seed=arguments.seed,
        )
    if arguments.with_order_history:
        await _make_fresh(dsn)
        served = await measure_service(
            dsn, frames, batch_events=batch_events, with_order_history=True, server_pid=server_pid
        )
        figures["ledger_beside_order_history_per_second"] = round(count / served.ledger)
        figures["both_per_second"] = round(count / served.both)
    return figures


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trades", type=int, default=200_000)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--batch-events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-order-history", action="store_true")
    parser.add_argument("--lag-rate", type=int, default=10_000, help="trades a second; 0: not")
    parser.add_argument(
        "--entries", type=int, default=10_000_000, help="for balances as of a moment; 0: not"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # The poster logs each batch at debug: printing that would be part of the measurement.
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    with workplace("settlement") as folder:
        server = EmbeddedPostgres(folder / "postgres", settings=rebuild.SERVER_SETTINGS)
        try:
            dsn = server.start().url()
            assert server.pid is not None
            figures = uvloop.run(measure(arguments, dsn, server.pid))
        finally:
            server.stop()
    if arguments.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        print(f"{name:42} {value:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
