"""Balances as of a moment in a ledger of ten million entries: milliseconds for one account.

The ledger is made by ``settlement.rebuild`` from events that are made meanwhile: one account, a
market maker's, makes every second trade; makers and takers of the others are a thousand accounts.
Then random accounts are asked for at random events, at random times, the market maker and the
venue's own at random events.
"""

import random
import statistics
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench.processor_time import process_times_ns
from messages.trading.events import LAST_OF_COMMAND, BookLevelChanged, TradeExecuted
from messages.trading.terms import Side
from runtime.postgres import Connection, connect
from settlement import balances_as_of, rebuild
from settlement.adapters.memory import MemoryBatch

ENTRIES_PER_TRADE = 8
LEVELS_PER_TRADE = 4
MARKET_MAKER = 1
FRAME_TRADES = 1_000
START_NS = 1_700_000_000_000_000_000
NANOSECONDS_PER_EVENT = 20_000
QUESTIONS = 200

_HEAD = struct.Struct("<QQq")
_HEAD_AT = 8
"""Number, sequence and stamp: what all events have in the same place."""


class Answered(NamedTuple):
    """How long questions took, and the server's time on a processor, in milliseconds."""

    median: float
    at_99: float
    longest: float
    processor: float


def trades_after(
    before: list[MemoryBatch], count: int, *, accounts: int, instruments: int, seed: int
) -> Iterator[MemoryBatch]:
    """Yield frames, and then many trades more: each an event, with four levels before it."""
    yield from before
    chance, number = random.Random(seed), before[-1].last
    level = BookLevelChanged.make(instrument=1).pack()
    terms = {"quantity_lots": 5, "notional_atoms": 50_000, "base_atoms": 5, "price_ticks": 1}
    fees = {"maker_fee_atoms": -2, "taker_fee_atoms": 5, "flags": LAST_OF_COMMAND}
    trade = TradeExecuted.make(taker_side=Side.BUY, **terms, **fees).pack()
    block = bytearray(level * LEVELS_PER_TRADE + trade)
    offsets = {field.name: field.offset for field in TradeExecuted.FIELDS}
    starts = [len(level) * index for index in range(LEVELS_PER_TRADE + 1)]
    id_at, instrument_at, side_at, maker_at, taker_at = (
        starts[-1] + offsets[name]
        for name in ("trade_id", "instrument", "taker_side", "maker_account", "taker_account")
    )
    frame, first = bytearray(), number + 1
    for trade_id in range(1, count + 1):
        for start in starts:
            number += 1
            stamp = START_NS + number * NANOSECONDS_PER_EVENT
            _HEAD.pack_into(block, start + _HEAD_AT, number, number, stamp)
        maker = MARKET_MAKER if trade_id % 2 else 1 + int(chance.random() * accounts)
        taker = 1 + (maker + int(chance.random() * (accounts - 1))) % accounts
        struct.pack_into("<Q", block, id_at, trade_id)
        struct.pack_into("<I", block, instrument_at, 1 + trade_id % instruments)
        block[side_at] = Side.BUY if chance.random() < 0.5 else Side.SELL
        struct.pack_into("<I", block, maker_at, maker)
        struct.pack_into("<I", block, taker_at, taker)
        frame += block
        if trade_id % FRAME_TRADES == 0 or trade_id == count:
            yield MemoryBatch(first, number, bytes(frame))
            frame, first = bytearray(), number + 1


async def ask(
    connection: Connection, last: int, *, accounts: int, seed: int
) -> dict[str, Answered]:
    """Ask for accounts at moments, each time a different one."""
    chance = random.Random(seed)
    asked = {"market_maker": MARKET_MAKER, "house": 0}
    session = {"session": await connection.fetchval("select pg_backend_pid()")}
    answers = {}
    for what in ("event", "time", "market_maker", "house"):
        took = []
        before = process_times_ns(session)["session"]
        for _ in range(QUESTIONS):
            event = chance.randint(1, last)
            account = asked.get(what, chance.randint(1, accounts))
            started = time.perf_counter()
            if what == "time":
                time_ns = START_NS + event * NANOSECONDS_PER_EVENT
                moment = await balances_as_of.at_time(connection, time_ns)
            else:
                moment = await balances_as_of.after_event(connection, event)
            assert await balances_as_of.balances(connection, moment, account=account)
            took.append((time.perf_counter() - started) * 1_000)
        spent = (process_times_ns(session)["session"] - before) / QUESTIONS / 1e6
        took.sort()
        answers[what] = Answered(
            statistics.median(took), took[len(took) * 99 // 100], took[-1], spent
        )
    return answers


async def measure(
    dsn: str,
    before: list[MemoryBatch],
    entries: int,
    *,
    venue: bytes,
    accounts: int,
    instruments: int,
    seed: int,
) -> dict[str, float | int]:
    """Fill a migrated, empty database, and say what answers took.

    Args:
        dsn: of the schema's owner.
        before: what defines accounts, instruments 1 and following, and gives them money.
        entries: how many to make.
        venue: whose events they are.
        accounts: numbered from 1.
        instruments: numbered from 1.
        seed: of the events, and of what is asked.
    """
    connection = await connect(dsn, seconds_max=60)
    try:
        events = trades_after(
            before,
            entries // ENTRIES_PER_TRADE,
            accounts=accounts,
            instruments=instruments,
            seed=seed,
        )
        started = time.perf_counter()
        made = await rebuild.rebuild(connection, events, dsn=dsn, venue=venue)
        figures: dict[str, float | int] = {
            "as_of_entries": await connection.fetchval("select count(*) from settlement.entries"),
            "as_of_filled_in_seconds": round(time.perf_counter() - started, 1),
        }
        answers = await ask(connection, made.event_number, accounts=accounts, seed=seed)
        for what, answered in answers.items():
            for name, value in answered._asdict().items():
                figures[f"as_of_{what}_{name}_milliseconds"] = round(value, 2)
        return figures
    finally:
        await connection.close()
