"""How fast trades become candles in PostgreSQL, and how fast history is answered.

    ./rialto bench candles [--trades N] [--history N] [--json]

``build``: N trades of four markets, three hours of them, as events through the recorder into a
fresh embedded PostgreSQL: trades, candles of all intervals and the position. ``copy`` is the
least that must be done, in the same run: the rows of the same trades by one COPY into a table
without an index. ``history``: with so many trades of a year in the tables (made by the server
itself), each question asked again and again for random places, through what answers doors; and
somebody's own trades among as many (``bench/own_trades.py``).
"""

import argparse
import asyncio
import gc
import json
import os
import random
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from bench.own_trades import own_trades
from bench.processor_time import process_times_ns
from messages import market_data as asks
from messages.layout import padded_text
from messages.trading import events as e
from messages.trading.answers import Book
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.postgres import Connection, connect
from services.market_data import database
from services.market_data.answers import Answers
from services.market_data.history import history
from services.market_data.intervals import INTERVALS
from services.market_data.market import Listener, Market
from services.market_data.metrics import MarketDataMetrics
from services.market_data.ports import EventBatch
from services.market_data.recorder import Recorder
from services.market_data.settings import RecorderSettings
from services.market_data.store import span_of
from services.market_data.trades import Trade
from settlement.adapters.memory import MemoryBatch

VENUE = bytes(16)
MARKETS = 4
BATCH = 256
BEGIN_S = 1_701_388_800
BUILD_SECONDS = 3 * 3600
YEAR_SECONDS = 365 * 86_400


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Trades into candles, and history.")
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as folder:
        # Where user namespaces are forbidden the server runs as nobody, who must get through.
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            figures = asyncio.run(measure(server, options))
        finally:
            server.stop()
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<32}{value:>16,.3f}" if value < 100 else f"{name:<32}{value:>16,.0f}")
    return 0


async def measure(server: EmbeddedPostgres, options: argparse.Namespace) -> dict[str, float]:
    """Return all figures."""
    dsn = server.start().url()
    assert server.pid is not None
    chance = random.Random(options.seed)
    await database.migrate(dsn)
    figures = await build(dsn, server.pid, trades_of(chance, options.trades), options.trades)
    owner = await connect(dsn)
    figures |= await copy(owner, options.trades)
    figures["build_of_copy"] = figures["build_seconds"] / figures["copy_seconds"]
    if options.history:
        await fill(owner, options.history)
        figures["history_trades"] = options.history
        figures |= await ask(dsn, chance, options.history, options.questions)
        figures |= await own_trades(dsn, chance, options.history, options.questions)
    await owner.close()
    return figures


# --- trades into candles ---


def trades_of(chance: random.Random, count: int) -> list[MemoryBatch]:
    """Make events: trades that walk up and down, a few of them with one order."""
    offsets = {field.name: field.offset for field in e.TradeExecuted.FIELDS}
    record = bytearray(e.TradeExecuted.make(flags=e.LAST_OF_COMMAND).pack())
    put = struct.Struct("<q").pack_into
    prices = [60_000_00] * MARKETS
    batches: list[MemoryBatch] = []
    for first in range(1, count + 1, BATCH):
        last = min(first + BATCH - 1, count)
        data = bytearray()
        for number in range(first, last + 1):
            market = chance.randrange(MARKETS)
            prices[market] += chance.randint(-50, 50)
            lots = chance.randint(1, 10_000)
            put(record, offsets["number"], number)
            put(record, offsets["time_ns"], _time_ns(number, count))
            put(record, offsets["trade_id"], number)
            put(record, offsets["price_ticks"], prices[market])
            put(record, offsets["quantity_lots"], lots)
            put(record, offsets["notional_atoms"], prices[market] * lots * 100)
            put(record, offsets["taker_order_id"], number // 2)
            record[offsets["instrument"]] = market + 1
            record[offsets["taker_side"]] = 1 + number % 2
            data += record
        batches.append(MemoryBatch(first, last, bytes(data)))
    return batches


def _time_ns(number: int, count: int) -> int:
    return BEGIN_S * 1_000_000_000 + number * BUILD_SECONDS * 1_000_000_000 // (count + 1)


class Backlog:
    """A feed of a history that is all there."""

    def __init__(self, batches: list[MemoryBatch]) -> None:
        self.venue: bytes | None = VENUE
        self.last_event: int | None = None
        self._batches = batches

    async def read(self, after: int, until: asyncio.Event) -> AsyncIterator[EventBatch]:
        """Yield everything, and wait to be asked to stop."""
        assert after == 0
        assert not until.is_set()
        for batch in self._batches:
            yield batch
        await until.wait()


async def build(
    dsn: str, server_pid: int, batches: list[MemoryBatch], count: int
) -> dict[str, float]:
    """Record a history, and return how long it took, and on processors."""
    recorder = Recorder(
        RecorderSettings(dsn=dsn),
        lambda _known: Backlog(batches),
        MarketDataMetrics(CollectorRegistry()),
    )
    gc.collect()
    gc.freeze()  # what was made beforehand is not walked again, as in the process
    roots, stop = {"own": os.getpid(), "postgres": server_pid}, asyncio.Event()
    before, wall = process_times_ns(roots), time.perf_counter()
    recording = asyncio.create_task(recorder.run(stop))
    await recorder.wait_stored(count)
    seconds, after = time.perf_counter() - wall, process_times_ns(roots)
    stop.set()
    await recording
    return {
        "build_trades": count,
        "build_seconds": seconds,
        **{f"build_{name}_cpu_seconds": (after[name] - before[name]) / 1e9 for name in roots},
        "build_trades_per_s": count / seconds,
    }


async def copy(owner: Connection, count: int) -> dict[str, float]:
    """Copy the same rows into a bare table, and return how long it took."""
    rows = [Trade(*row) for row in await owner.fetch(_ALL)]
    assert len(rows) == count
    await owner.execute("create table bare (like market_data.trades including defaults)")
    wall = time.perf_counter()
    await owner.copy_records_to_table("bare", columns=Trade._fields, records=rows)
    seconds = time.perf_counter() - wall
    await owner.execute("drop table bare")
    return {"copy_seconds": seconds, "copy_trades_per_s": count / seconds}


_ALL = f"select {', '.join(Trade._fields)} from market_data.trades"  # noqa: S608  # names of ours


# --- history ---


async def fill(owner: Connection, count: int) -> None:
    """Put a year of one market's trades into the tables."""
    await owner.execute("truncate market_data.trades, market_data.candles")
    month = INTERVALS["1M"]
    for opened_ms in month.openings(month.opening(BEGIN_S * 1000), (BEGIN_S + YEAR_SECONDS) * 1000):
        name = time.strftime("%Y_%m", time.gmtime(opened_ms // 1000))
        following = month.next_opening(opened_ms)
        await owner.execute("select market_data.provide($1, $2, $3)", name, opened_ms, following)
    before = month.earlier_opening(month.opening(BEGIN_S * 1000), 1)
    name = time.strftime("%Y_%m", time.gmtime(before // 1000))
    await owner.execute(
        "select market_data.provide($1, $2, $3)", name, before, month.next_opening(before)
    )
    await owner.execute(
        f"insert into market_data.trades ({', '.join(Trade._fields)})"  # noqa: S608
        f" select 1, n, {BEGIN_S}::bigint * 1000000000 + n * ({YEAR_SECONDS}::bigint * 1000000000"
        " / $1::bigint), 6000000 + (n * 7919) % 10007, 1 + n % 100, 600000000 + n % 1000,"
        " 1 + n % 2, false, n - n % 3 from generate_series(1::bigint, $1::bigint) as n",
        count,
    )
    await owner.execute(_SECONDS)
    for interval in INTERVALS.values():
        if interval.of:
            await _add_up(owner, interval.name)
    await owner.execute("vacuum analyze market_data.trades")
    await owner.execute("vacuum analyze market_data.candles")


_SECONDS = """
    insert into market_data.candles
    select 1, 1, time_ns / 1000000000 * 1000, min(price_ticks), max(price_ticks),
        min(price_ticks), max(price_ticks), sum(lots), sum(quote_atoms), count(*), 0, 0,
        min(trade_id), max(trade_id)
    from market_data.trades group by time_ns / 1000000000"""


async def _add_up(owner: Connection, name: str) -> None:
    interval = INTERVALS[name]
    opened = (
        "(extract(epoch from date_trunc('month', to_timestamp(opened_ms / 1000) at time zone"
        " 'utc')) * 1000)::bigint"
        if interval.is_month
        else f"opened_ms - mod(opened_ms - {interval.first_ms}, {interval.span_ms})"
    )
    await owner.execute(
        "insert into market_data.candles"  # noqa: S608  # numbers of ours
        f" select 1, {span_of(interval)}, {opened}, min(low), max(high), min(low), max(high),"
        " sum(lots), sum(quote_atoms), sum(trades), 0, 0, min(first_trade), max(last_trade)"
        f" from market_data.candles where span = {span_of(INTERVALS[interval.of])} group by 3"
    )


async def ask(dsn: str, chance: random.Random, count: int, questions: int) -> dict[str, float]:
    """Ask about random places, and return percentiles in milliseconds."""
    figures: dict[str, float] = {}
    end_ms = (BEGIN_S + YEAR_SECONDS) * 1000
    async with history(dsn, connections=1, seconds_max=60.0) as past:
        answer = Answers(_market(), past, lambda: end_ms).answer

        def moment() -> int:
            return chance.randrange(BEGIN_S * 1000, end_ms - 86_400_000)

        kinds: dict[str, Callable[[], asks.Ask]] = {
            "trades_from_id_500": lambda: asks.AskHistoricalTrades(
                symbol="BTCUSD", from_id=chance.randrange(count)
            ),
            "aggregates_from_id_500": lambda: asks.AskAggregateTrades(
                symbol="BTCUSD", from_id=chance.randrange(count)
            ),
            "aggregates_from_time_500": lambda: asks.AskAggregateTrades(
                symbol="BTCUSD", start_time=moment()
            ),
            **{
                f"candles_{name}_500": lambda name=name: asks.AskCandles(  # type: ignore[misc]
                    symbol="BTCUSD", interval=name, start_time=moment()
                )
                for name in ("1s", "1m", "1h")
            },
            "candles_1d_last_365": lambda: asks.AskCandles(
                symbol="BTCUSD", interval="1d", limit=365
            ),
        }
        for name, make in kinds.items():
            times = [await _timed(answer, make()) for _ in range(questions)]
            times.sort()
            figures[f"{name}_p50_ms"] = times[len(times) // 2]
            figures[f"{name}_p99_ms"] = times[len(times) * 99 // 100]
    return figures


async def _timed(
    answer: Callable[[memoryview], Awaitable[tuple[int, bytes]]], question: asks.Ask
) -> float:
    # What follows length and kind in the frame.
    body = memoryview(asks.ask(1, question))[5:]
    wall = time.perf_counter()
    status, data = await answer(body)
    milliseconds = (time.perf_counter() - wall) * 1000
    assert status == 200, data
    return milliseconds


def _market() -> Market:
    def ignore(*_: object) -> None:
        """Listen to nothing."""

    market = Market(Listener(traded=ignore, changed=ignore, listed=ignore), unstored_max=1)
    assets = [
        e.AssetCreated.make(asset=number, scale=8, symbol=padded_text(symbol, 16))
        for number, symbol in ((1, "BTC"), (2, "USD"))
    ]
    instrument = e.InstrumentCreated.make(
        instrument=1,
        base_asset=1,
        quote_asset=2,
        tick_units=1,
        lot_units=1,
        tick_lot_atoms=100,
        price_decimals=2,
        quantity_decimals=4,
        symbol=padded_text("BTC-USD", 16),
    )
    market.begin(
        definitions=[*assets, instrument],
        definitions_at=0,
        books=[Book(1, 0, [])],
        books_at=0,
        pasts={},
        pasts_at=0,
        now_ms=0,
    )
    return market


if __name__ == "__main__":
    raise SystemExit(main())
