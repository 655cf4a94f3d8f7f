"""Whatever is asked is answered: at the edges of the calendar, of a window, and of a page."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from messages import market_data as contract
from messages.market_data import Kind
from services.market_data import answers as module
from services.market_data.answers import Answers
from services.market_data.book import Book
from services.market_data.doors import Doors
from services.market_data.instruments import Instrument
from services.market_data.market import Listener, Market, OneMarket
from services.market_data.metrics import MarketDataMetrics
from services.market_data.records import SeenTrade
from services.market_data.settings import MarketDataLimits
from services.market_data.trades import Aggregate, Numbering, Trade, aggregates
from tests.unit.market_data.test_candles import NOON_MS, trade

DAY_MS = 86_400_000
PATIENCE_SECONDS = 60.0
BTCUSD = Instrument(1, "BTCUSD", 1, 1, 1, 0, 0, 0)


class Stored:
    """Trades as the database has them; it counts how many were read."""

    def __init__(self, trades: list[Trade]) -> None:
        self.position = 1 << 60
        self.read = 0
        self._trades = trades

    @asynccontextmanager
    async def picture(self) -> AsyncIterator[Stored]:
        yield self

    async def trades(self, _instrument: int, first: int, count: int) -> list[Trade]:
        found = [each for each in self._trades if each.trade_id >= first][:count]
        self.read += len(found)
        return found

    async def last_trades(self, _instrument: int, count: int) -> list[Trade]:
        return self._trades[-count:]

    async def aggregate_at(self, _instrument: int, trade_id: int) -> int:
        return next((t.aggregate_id for t in self._trades if t.trade_id >= trade_id), trade_id)

    async def first_trade_since(self, _instrument: int, time_ms: int) -> int | None:
        second = time_ms // 1000 * 1000
        return next((t.trade_id for t in self._trades if t.time_ms >= second), None)


class Desk:
    """Answers over one market, and the clock."""

    def __init__(self, trades: list[Trade] | None = None) -> None:
        self.now_ms = NOON_MS
        self.stored = Stored(trades or [])
        self._told: list[OneMarket] = []
        market = Market(
            Listener(
                traded=lambda market, _trades: self._told.append(market),
                changed=lambda _market, _number: None,
                listed=self._told.append,
            ),
            unstored_max=1000,
        )
        market.directory.by_number[1] = market.directory.by_symbol["BTCUSD"] = BTCUSD
        self.market = market.markets[1] = OneMarket(BTCUSD, Book(1))
        self.answers = Answers(market, self.stored, lambda: self.now_ms)  # type: ignore[arg-type]

    def trade(self, number: int, *, at_ms: int, price: int) -> None:
        seen = trade(number, at_ms=at_ms, price=price)
        self.market.trade(number, Numbering().trade(seen), seen)

    async def asked(self, question: contract.Ask) -> Any:
        (frame,) = contract.Splitter().feed(contract.ask(1, question))
        status, body = await self.answers.answer(frame.body)
        assert status == 200, body
        return msgspec.json.decode(body)


@pytest.mark.parametrize("interval", contract.INTERVALS)
async def test_no_candle_has_opened_in_the_future(interval: contract.Interval) -> None:
    desk = Desk()
    for start in (NOON_MS + 1, 253_402_300_799_999):
        for end in (None, 0, start):
            question = contract.AskCandles(
                symbol="BTCUSD", interval=interval, start_time=start, end_time=end
            )
            assert await desk.asked(question) == []


async def test_a_question_that_we_fail_at_costs_the_others_nothing(tmp_path: Path) -> None:
    metrics = MarketDataMetrics(CollectorRegistry())
    doors, path = Doors(MarketDataLimits(), metrics), tmp_path / "market.sock"

    async def answer(body: memoryview) -> tuple[int, bytes]:
        if isinstance(contract.read_ask(body), contract.AskTrades):
            raise OverflowError("year 10000")
        return 200, b"[]"

    doors.answer = answer
    async with asyncio.timeout(PATIENCE_SECONDS), doors.listening(f"unix:{path}"):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(
            contract.ask(1, contract.AskTrades(symbol="BTCUSD"))
            + contract.ask(2, contract.AskDepth(symbol="BTCUSD"))
        )
        splitter, answered = contract.Splitter(), dict[int, tuple[int, Any]]()
        while len(answered) < 2:
            data = await reader.read(1 << 16)
            assert data, "the door was cut"
            for frame in splitter.feed(data):
                assert frame.kind is Kind.ANSWER
                told = contract.read_answer(frame.body)
                answered[told.id] = (told.status, msgspec.json.decode(told.body))
        writer.close()
    assert answered[1][0] == 500
    assert answered[1][1]["code"] == -1000
    assert answered[2] == (200, [])


async def test_the_price_before_a_window_is_that_of_its_beginning() -> None:
    desk, ask = Desk(), contract.AskTicker24Hours(symbol="BTCUSD")
    desk.trade(1, at_ms=NOON_MS, price=5)
    desk.trade(2, at_ms=NOON_MS + 3_600_000, price=9)
    desk.now_ms = NOON_MS + DAY_MS + 60_000
    assert (await desk.asked(ask))["prevClosePrice"] == "5"
    desk.now_ms = NOON_MS + 2 * DAY_MS
    told = await desk.asked(ask)
    assert (told["prevClosePrice"], told["lastPrice"], told["count"]) == ("9", "9", 0)


def some_fills(chance: random.Random, orders: int) -> list[Trade]:
    """Return trades of orders that match from one to some twenty times, at a price or two."""
    numbering, trades, number = Numbering(), [], 0
    for order in range(orders):
        time_ms = NOON_MS + order * 300
        for _ in range(chance.choice((1, 1, 2, 20))):
            number += chance.randint(1, 3)
            seen = trade(number, at_ms=time_ms, price=chance.choice((10, 10, 10, 11)))
            trades.append(numbering.trade(_of(seen, order)))
    return trades


def _of(seen: SeenTrade, order: int) -> SeenTrade:
    return seen._replace(sequence=order, taker_order_id=order)


def rows_of(found: list[Aggregate]) -> list[tuple[int, int, str, str]]:
    return [(a.first, a.last, str(a.price_ticks), str(a.lots)) for a in found]


def told_rows(rows: list[dict[str, Any]]) -> list[tuple[int, int, str, str]]:
    return [(row["a"], row["l"], row["p"], row["q"]) for row in rows]


@pytest.mark.parametrize("page", [1, 7, 100_000])
async def test_aggregates_are_the_same_however_they_are_read(
    chance: random.Random, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(module, "_PAGE", page)
    trades = some_fills(chance, 60)
    every, desk = list(aggregates(trades)), Desk(trades)
    ask = contract.AskAggregateTrades
    for limit in (1, 10, 1000):
        rows = await desk.asked(ask(symbol="BTCUSD", from_id=0, limit=limit))
        assert told_rows(rows) == rows_of(every[:limit])
        rows = await desk.asked(ask(symbol="BTCUSD", limit=limit))
        assert told_rows(rows) == rows_of(every[-limit:])
        begin = chance.choice(trades).trade_id
        rows = await desk.asked(ask(symbol="BTCUSD", from_id=begin, limit=limit))
        assert told_rows(rows) == rows_of([a for a in every if a.first >= begin][:limit])
        one, other = sorted(chance.sample(trades, 2), key=lambda each: each.time_ns)
        rows = await desk.asked(
            ask(symbol="BTCUSD", start_time=one.time_ms, end_time=other.time_ms, limit=limit)
        )
        within = [a for a in every if one.time_ns <= a.time_ns <= other.time_ns]
        assert told_rows(rows) == rows_of(within[:limit])


async def test_an_answer_about_aggregates_reads_so_many_trades_and_no_more(
    chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 10)
    monkeypatch.setattr(module, "_TRADES_MAX", 100)
    trades = some_fills(chance, 400)
    every, desk = list(aggregates(trades)), Desk(trades)
    found: list[tuple[int, int, str, str]] = []
    while True:
        desk.stored.read, begin = 0, found[-1][1] + 1 if found else 0
        rows = await desk.asked(
            contract.AskAggregateTrades(symbol="BTCUSD", from_id=begin, limit=1000)
        )
        assert desk.stored.read <= 110
        if not rows:
            break
        found += told_rows(rows)
    assert found == rows_of(every), "whoever goes on after the last one gets all"
    last = told_rows(await desk.asked(contract.AskAggregateTrades(symbol="BTCUSD", limit=1000)))
    assert last == rows_of([a for a in every if a.first > trades[-100].trade_id])[-len(last) :]
    assert last
