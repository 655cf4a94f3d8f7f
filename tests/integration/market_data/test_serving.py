"""Who follows is told of everything, and who asks is answered, from the first event to the last."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import signal
import socket
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from messages import market_data as contract
from messages.market_data import Delivery, Kind, Published
from messages.trading.answers import read_books
from messages.trading.terms import Side
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.shelf import Shelf
from services.market_data import database as schema
from services.market_data.ports import CorePicture
from services.market_data.service import MarketDataService
from services.market_data.settings import MarketDataLimits, MarketDataSettings, RecorderSettings
from settlement.adapters.memory import MemoryFeed
from tests.conftest import Templates
from tests.integration.market_data.day import VENUE, Day, openings

PATIENCE_SECONDS = 180.0
DONE = ("published_event", "stored_event")
SYMBOLS = {1: "A1A2", 2: "A3A2", 3: "A3A1"}
"""Of the flow's instruments."""


class Connected:
    """A door: what it was told, and a way to ask."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told: list[Published] = []
        self.writer = writer
        self._reader = reader
        self._answers: dict[int, asyncio.Future[contract.Answer]] = {}
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        splitter = contract.Splitter()
        while data := await self._reader.read(1 << 16):
            for frame in splitter.feed(data):
                if frame.kind is Kind.PUBLISHED:
                    self.told.append(contract.read_published(frame.body))
                    self._more.set()
                else:
                    answer = contract.read_answer(frame.body)
                    self._answers.pop(answer.id).set_result(answer)

    async def ask(self, question: contract.Ask) -> tuple[int, Any]:
        number = len(self.told) * 1000 + len(self._answers)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        self.writer.write(contract.ask(number, question))
        answer = await patiently(future)
        return answer.status, msgspec.json.decode(answer.body)

    async def asked(self, question: contract.Ask) -> Any:
        status, answer = await self.ask(question)
        assert status == 200, answer
        return answer

    def of(self, name: str) -> list[Any]:
        return [msgspec.json.decode(each.payload) for each in self.told if each.name == name]

    async def until(self, is_true: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_true():
                self._more.clear()
                await self._more.wait()

    async def ended(self) -> None:
        await patiently(self._task)

    async def close(self) -> None:
        self.writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def patiently(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await awaitable


class Rig:
    """A service over a day of events."""

    def __init__(
        self, dsn: str, folder: Path, day: Day, shelf: Shelf | None = None, **limits: Any
    ) -> None:
        self.day = day
        self.feeds: list[MemoryFeed] = []
        self.recorder_feeds: list[MemoryFeed] = []
        self.now_ms: int | None = None
        self.registry = CollectorRegistry()
        self.settings = MarketDataSettings(
            recorder=RecorderSettings(
                dsn=dsn, commit_seconds=0.01, pause_seconds_first=0.01, pause_seconds_last=0.1
            ),
            listen=f"unix:{folder}/market.sock",
            limits=MarketDataLimits(**limits),
            reconnect_seconds=0.01,
        )
        self.service = MarketDataService(
            self.settings,
            make_feed=lambda _known: self._feed(self.feeds),
            make_recorder_feed=lambda _known: self._feed(self.recorder_feeds),
            take_picture=self._picture,
            registry=self.registry,
            shelf=shelf,
            now_ms=self.clock,
        )
        self.path = f"{folder}/market.sock"
        self.shown = len(day.batches)

    def clock(self) -> int:
        return self.day.time_ns // 1_000_000 if self.now_ms is None else self.now_ms

    def _feed(self, made: list[MemoryFeed]) -> MemoryFeed:
        feed = MemoryFeed(self.day.batches[: self.shown], venue=VENUE)
        made.append(feed)
        return feed

    async def _picture(self, _stop: asyncio.Event) -> CorePicture:
        return self.day.picture()

    def go_on(self, commands: int) -> None:
        """Let the venue live on, and everybody hear of it."""
        self.day.go_on(commands)
        self.show(self.feeds + self.recorder_feeds)

    def show(self, feeds: list[MemoryFeed]) -> None:
        """Let some hear of what is new."""
        for batch in self.day.batches[self.shown :]:
            for feed in feeds:
                feed.add(batch)
        self.shown = len(self.day.batches)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop, listening = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self.service.run(stop, listening=lambda _: listening.set()))
        waiting = asyncio.create_task(listening.wait())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield
        finally:
            waiting.cancel()
            stop.set()
            await patiently(task)

    @asynccontextmanager
    async def door(self, *, follows: bool = True) -> AsyncIterator[Connected]:
        door = Connected(*await asyncio.open_unix_connection(self.path))
        if follows:
            door.writer.write(contract.follow())
        try:
            yield door
        finally:
            await door.close()

    async def seen(self, *done: str) -> None:
        """Wait until all that happened is published and stored, or what is asked for."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                health = self.service.health()
                if all(health[each] == self.day.last for each in done or DONE):
                    return
                await asyncio.sleep(0.005)


@pytest.fixture
async def dsn(templates: Templates) -> AsyncIterator[str]:
    async with templates.migrated("market_data", schema.migrate) as dsn:
        yield dsn


def rig_after(dsn: str, folder: Path, chance: random.Random, commands: int, **limits: Any) -> Rig:
    day = Day(chance, 1 << 30)
    day.go_on(commands)
    return Rig(dsn, folder, day, **limits)


def levels_of(day: Day, instrument: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return the engine's book as a snapshot has it."""
    (book,) = (each for each in read_books(day.engine.books()) if each.instrument == instrument)
    sides: list[list[list[str]]] = []
    for side in (Side.BUY, Side.SELL):
        lots: defaultdict[int, int] = defaultdict(int)
        for order in book.orders:
            if order.side == side:
                lots[order.price_ticks] += order.shown_lots
        ordered = sorted(lots.items(), reverse=side == Side.BUY)
        sides.append([[str(price), str(quantity)] for price, quantity in ordered])
    return sides[0], sides[1]


class Rebuilt:
    """A book that a client keeps by the procedure of Binance's documentation."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        self.applied = 0

    def take(self, update: dict[str, Any]) -> None:
        if update["u"] <= self.last:
            return
        assert update["U"] <= self.last + 1, "a gap"
        for side, levels in self.sides.items():
            for price, quantity in update[side]:
                if quantity == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = quantity
        self.last = update["u"]
        self.applied += 1
        assert contract.book_checksum(*self.best()) == update["cs"]

    def best(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids = sorted(self.sides["b"].items(), key=lambda each: -int(each[0]))
        asks = sorted(self.sides["a"].items(), key=lambda each: int(each[0]))
        return bids, asks


@pytest.mark.parametrize("pace", ["", "@100ms"])
async def test_a_book_rebuilt_from_deltas_is_the_engines(
    dsn: str, tmp_path: Path, chance: random.Random, pace: str
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 400)
    async with rig.running(), rig.door() as door:
        rebuilt: dict[int, Rebuilt] = {}
        for step in range(6):
            rig.go_on(60)
            await rig.seen()
            for instrument, symbol in SYMBOLS.items():
                snapshot = await door.asked(contract.AskDepth(symbol=symbol, limit=5000))
                assert snapshot["lastUpdateId"] == rig.day.last
                bids, asks = levels_of(rig.day, instrument)
                assert (snapshot["bids"], snapshot["asks"]) == (bids, asks)
                assert snapshot["cs"] == contract.book_checksum(
                    [(p, q) for p, q in bids], [(p, q) for p, q in asks]
                )
                if step == 0:
                    rebuilt[instrument] = Rebuilt(snapshot)
        for instrument, symbol in SYMBOLS.items():
            name = f"{symbol.lower()}@depth{pace}"
            book = rebuilt[instrument]
            changed = rig.day.last_level_change(instrument)
            if changed > book.last:
                await door.until(lambda name=name, changed=changed: _reach(door.of(name), changed))
            updates = door.of(name)
            for update in updates:
                book.take(update)
            assert [list(map(list, side)) for side in book.best()] == list(
                map(list, levels_of(rig.day, instrument))
            )


def _reach(updates: list[dict[str, Any]], number: int) -> bool:
    return bool(updates) and updates[-1]["u"] >= number


async def test_every_trade_is_told_once_and_in_order(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 300)
    async with rig.running(), rig.door() as door:
        await door.until(lambda: door.told)
        known = set(rig.day.all_trades)
        rig.go_on(500)
        await rig.seen()
        new = [trade for number, trade in rig.day.all_trades.items() if number not in known]
        assert new
        for instrument, symbol in SYMBOLS.items():
            mine = [each for each in new if each.instrument == instrument]
            name = f"{symbol.lower()}@trade"
            await door.until(lambda name=name, mine=mine: len(door.of(name)) >= len(mine))
            told = [(t["t"], t["p"], t["q"], t["m"], t["T"]) for t in door.of(name)]
            assert told == [
                (
                    each.trade_id,
                    str(each.price_ticks),
                    str(each.lots),
                    each.taker_side == Side.SELL,
                    each.time_ns // 1_000_000,
                )
                for each in mine
            ]
            events = door.of(f"{symbol.lower()}@aggTrade")
            assert [_aggregate(each) for each in events] == rig.day.aggregates(mine)


async def test_the_recorder_may_hear_later_than_the_publisher(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 300)
    async with rig.running():
        await rig.seen()
        stored, shown = rig.day.last, rig.shown
        rig.day.go_on(300)
        rig.show(rig.feeds)
        await rig.seen("published_event")
        assert rig.recorder_feeds
        assert rig.service.health()["stored_event"] == stored
        rig.shown = shown
        rig.show(rig.recorder_feeds)
        await rig.seen()


def _aggregate(told: dict[str, Any]) -> tuple[int, int, str, str]:
    return told["a"], told["l"], told["p"], told["q"]


async def test_what_is_asked_of_history_is_what_happened(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 1500)
    async with rig.running(), rig.door(follows=False) as door:
        for instrument, symbol in SYMBOLS.items():
            trades = [t for _, t in sorted(rig.day.trades.items()) if t.instrument == instrument]
            if len(trades) < 3:  # the flow had this market halted or its accounts killed
                continue
            rows = await door.asked(contract.AskTrades(symbol=symbol, limit=10))
            assert [row["id"] for row in rows] == [t.trade_id for t in trades[-10:]]
            middle = trades[len(trades) // 2].trade_id
            rows = await door.asked(
                contract.AskHistoricalTrades(symbol=symbol, from_id=middle, limit=1000)
            )
            later = [t for t in trades if t.trade_id >= middle]
            assert [(row["id"], row["price"], row["qty"]) for row in rows] == [
                (t.trade_id, str(t.price_ticks), str(t.lots)) for t in later
            ]
            await _check_aggregates(door, symbol, rig.day, instrument)
            for interval in contract.INTERVALS:
                await _check_candles(door, rig, instrument, interval)


async def _check_aggregates(door: Connected, symbol: str, day: Day, instrument: int) -> None:
    trades = [t for _, t in sorted(day.trades.items()) if t.instrument == instrument]
    expected = day.aggregates(trades)
    ask = contract.AskAggregateTrades
    rows = await door.asked(ask(symbol=symbol, from_id=0, limit=1000))
    assert [_aggregate(row) for row in rows] == expected
    rows = await door.asked(ask(symbol=symbol, limit=3))
    assert [_aggregate(row) for row in rows] == expected[-3:]
    begin, end = (trades[at * len(trades) // 3].time_ns // 1_000_000 for at in (1, 2))
    rows = await door.asked(ask(symbol=symbol, start_time=begin, end_time=end, limit=1000))
    times = {t.trade_id: t.time_ns // 1_000_000 for t in trades}
    assert [r["a"] for r in rows] == [a for a, *_ in expected if begin <= times[a] <= end]


async def _check_candles(
    door: Connected, rig: Rig, instrument: int, interval: contract.Interval
) -> None:
    """See that candles are answered without a gap, and with what traded in them."""
    symbol = SYMBOLS[instrument]
    candles = {
        opened: candle
        for (number, name, opened), candle in rig.day.candles().items()
        if (number, name) == (instrument, interval)
    }
    if not candles:  # the flow had this market halted or its accounts killed all along
        assert await door.asked(contract.AskCandles(symbol=symbol, interval=interval)) == []
        return
    first = min(candles)
    rows = await door.asked(
        contract.AskCandles(symbol=symbol, interval=interval, start_time=first, limit=1000)
    )
    assert rows[0][0] == first
    close, count = None, 0
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        candle = candles.get(row[0])
        numbers = [row[1], row[2], row[3], row[4], row[5], row[8]]
        if candle is None:
            assert numbers == [close, close, close, close, "0", 0]
        else:
            count += 1
            prices = map(str, (candle.open, candle.high, candle.low, candle.close, candle.lots))
            assert numbers == [*prices, candle.trades]
        close = row[4]
        if following is not None:
            assert following[0] == row[6] + 1, "no gap"
            assert dict(openings(following[0] * 1_000_000))[interval] == following[0]
    assert count == len([each for each in candles if each <= rows[-1][0]])
    last = await door.asked(contract.AskCandles(symbol=symbol, interval=interval, limit=2))
    now_ms = rig.clock()
    assert last[-1][0] == dict(openings(now_ms * 1_000_000))[interval]


def _count(day: Day, instrument: int) -> int:
    return sum(trade.instrument == instrument for trade in day.trades.values())


@pytest.mark.parametrize(("zone", "minutes"), [("05:45", 345), ("-3", -180), ("+14:00", 840)])
async def test_candles_follow_the_clock_of_a_time_zone(
    dsn: str, tmp_path: Path, chance: random.Random, zone: str, minutes: int
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 700)
    offset_ms = minutes * 60_000
    async with rig.running(), rig.door(follows=False) as door:
        instrument = max(SYMBOLS, key=lambda number: _count(rig.day, number))
        trades = [t for _, t in sorted(rig.day.trades.items()) if t.instrument == instrument]
        assert trades
        for interval in contract.INTERVALS:
            expected: dict[int, list[int]] = {}
            for trade in trades:
                local = trade.time_ns + offset_ms * 1_000_000
                opened = dict(openings(local))[interval] - offset_ms
                expected.setdefault(opened, []).append(trade.price_ticks)
            first = min(expected)
            rows = await door.asked(
                contract.AskCandles(
                    symbol=SYMBOLS[instrument],
                    interval=interval,
                    start_time=first,
                    limit=1000,
                    time_zone=zone,
                )
            )
            told = {row[0]: [int(each) for each in row[1:5]] for row in rows if row[8]}
            assert told == {
                opened: [prices[0], max(prices), min(prices), prices[-1]]
                for opened, prices in expected.items()
                if opened <= rows[-1][0]
            }
            for row, following in itertools.pairwise(rows):
                assert following[0] == row[6] + 1, "no gap"


@pytest.mark.parametrize(
    ("question", "minutes"),
    [
        (contract.AskTicker(symbol="A1A2", window_size="1m"), 1),
        (contract.AskTicker(symbol="A1A2", window_size="3h"), 180),
        (contract.AskTicker(symbol="A1A2"), 1440),
        (contract.AskTicker(symbol="A1A2", window_size="7d"), 7 * 1440),
        (contract.AskTradingDay(symbol="A1A2"), None),
        (contract.AskTradingDay(symbol="A1A2", time_zone="14", type="MINI"), None),
    ],
)
async def test_windows_add_up_what_traded_in_them(
    dsn: str, tmp_path: Path, chance: random.Random, question: contract.Ask, minutes: int | None
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 700)
    async with rig.running(), rig.door(follows=False) as door:
        now_ms = rig.clock()
        if minutes is not None:
            begin_ms = (now_ms - minutes * 60_000) // 60_000 * 60_000
        else:
            offset_ms = 14 * 3_600_000 if getattr(question, "time_zone", "0") == "14" else 0
            begin_ms = (now_ms + offset_ms) // 86_400_000 * 86_400_000 - offset_ms
        trades = [
            t
            for _, t in sorted(rig.day.trades.items())
            if t.instrument == 1 and t.time_ns // 1_000_000 >= begin_ms
        ]
        told = await door.asked(question)
        assert (told["openTime"], told["closeTime"]) == (begin_ms, now_ms)
        assert told["count"] == len(trades)
        assert told["volume"] == str(sum(t.lots for t in trades))
        if trades:
            prices = [t.price_ticks for t in trades]
            names = ("openPrice", "highPrice", "lowPrice", "lastPrice")
            wanted = (prices[0], max(prices), min(prices), prices[-1])
            assert [told[name] for name in names] == list(map(str, wanted))
        every = await door.asked(msgspec.structs.replace(question, symbol=None))
        assert {row["symbol"] for row in every} >= set(SYMBOLS.values())


async def test_busts_and_corrections_reach_who_listens(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 800)
    async with rig.running(), rig.door() as door:
        before = len(rig.day.busted) + len(rig.day.corrected)
        while len(rig.day.busted) + len(rig.day.corrected) < before + 3:
            rig.go_on(100)
        await rig.seen()
        for instrument, symbol in SYMBOLS.items():
            trades = [t for _, t in sorted(rig.day.trades.items()) if t.instrument == instrument]

            async def shown(symbol: str = symbol) -> list[tuple[int, str, str]]:
                rows = await door.asked(contract.AskTrades(symbol=symbol, limit=1000))
                return [(row["id"], row["price"], row["qty"]) for row in rows]

            expected = [(t.trade_id, str(t.price_ticks), str(t.lots)) for t in trades[-1000:]]
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    if await shown() == expected:
                        break
                    await asyncio.sleep(0.01)
            ticker = await door.asked(contract.AskTicker24Hours(symbol=symbol))
            day_ms = rig.clock() - 86_400_000
            recent = [t for t in trades if t.time_ns // 1_000_000 >= day_ms // 60_000 * 60_000]
            if recent:
                assert ticker["count"] == len(recent)
                assert ticker["volume"] == str(sum(t.lots for t in recent))
                assert ticker["highPrice"] == str(max(t.price_ticks for t in recent))
                assert ticker["lowPrice"] == str(min(t.price_ticks for t in recent))
                assert ticker["openPrice"] == str(recent[0].price_ticks)


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that a test may kill, at a port that it comes back to."""
    folder = Path(tempfile.mkdtemp(prefix="rialto-fault-"))
    folder.chmod(0o711)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = EmbeddedPostgres(folder / "postgres", port=port)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


async def test_while_the_database_is_killed_the_present_goes_on_and_the_past_is_503(
    own_server: EmbeddedPostgres, tmp_path: Path, chance: random.Random
) -> None:
    dsn = (await asyncio.to_thread(own_server.start)).url()
    await schema.migrate(dsn)
    rig = rig_after(dsn, tmp_path, chance, 400)
    async with rig.running(), rig.door() as door:
        await door.until(lambda: door.told)
        ask = contract.AskCandles(symbol="A1A2", interval="1m")
        known = set(rig.day.all_trades)
        rig.go_on(150)
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGKILL)
        await asyncio.to_thread(own_server.stop)
        rig.go_on(300)
        new = [t for n, t in rig.day.all_trades.items() if n not in known]
        wanted = sum(t.instrument == 1 for t in new)
        await door.until(lambda: len(door.of("a1a2@trade")) >= wanted)
        assert (await door.ask(ask))[0] == 503
        assert (await door.ask(contract.AskDepth(symbol="A1A2")))[0] == 200
        assert (await door.ask(contract.AskTrades(symbol="A1A2")))[0] == 200
        assert not rig.service.health()["healthy"]
        await asyncio.to_thread(own_server.start)
        await rig.seen()
        assert (await door.ask(ask))[0] == 200
        for interval in contract.INTERVALS:
            await _check_candles(door, rig, 1, interval)


async def test_a_restart_goes_on_in_the_middle_of_a_candle(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 500)
    async with rig.running():
        pass
    again = Rig(dsn, tmp_path, rig.day)
    again.go_on(200)
    async with again.running(), again.door() as door:
        again.go_on(200)
        await again.seen()
        for interval in contract.INTERVALS:
            await _check_candles(door, again, 1, interval)
            name = f"a1a2@kline_{interval}"
            stored = [
                (opened, candle.trades)
                for (number, its, opened), candle in again.day.candles().items()
                if (number, its) == (1, interval)
            ]
            newest = max(stored, default=(0, 0))
            if again.clock() >= newest[0] + 1000:
                continue  # it is over, and may have closed before anybody came
            await door.until(
                lambda name=name, last=newest: any(
                    (told["k"]["t"], told["k"]["n"]) == last for told in door.of(name)
                )
            )


async def test_first_come_the_symbols_and_then_what_is_known(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 600)
    async with rig.running():
        async with rig.door() as first:
            await first.until(lambda: first.of("a1a2@ticker"))
        async with rig.door() as door:
            await door.until(lambda: len(door.told) > len(SYMBOLS))
            assert door.told[0].name == contract.SYMBOLS_STREAM
            assert set(door.of(contract.SYMBOLS_STREAM)[0]) >= set(SYMBOLS.values())
            traded = SYMBOLS[max(SYMBOLS, key=lambda number: _count(rig.day, number))].lower()
            await door.until(lambda: door.of(f"{traded}@kline_1M"))
            streams = {each.name: each.delivery for each in door.told}
            for symbol in SYMBOLS.values():
                assert streams[f"{symbol.lower()}@bookTicker"] is Delivery.LATEST
            for name in streams:
                assert name.startswith("!") or contract.stream_of(name), name
            assert Delivery.DELTA not in streams.values(), "nothing changed since it came"


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (b'{"what":"depth","symbol":"NONE"}', -1121),
        (b'{"what":"depth","symbol":"A1A2","limit":0}', -1100),
        (b'{"what":"klines","symbol":"A1A2","interval":"7m"}', -1100),
        (b'{"what":"trades"}', -1100),
        (b'{"what":"everything"}', -1100),
        (b"nothing", -1100),
        (b'{"what":"aggTrades","symbol":"A1A2","fromId":1,"startTime":1}', -1128),
        (b'{"what":"tickerPrice","symbol":"A1A2","symbols":["A1A2"]}', -1128),
        (b'{"what":"ticker","symbol":"A1A2","windowSize":"8d"}', -1100),
        (b'{"what":"klines","symbol":"A1A2","interval":"1d","timeZone":"14:01"}', -1100),
        (b'{"what":"klines","symbol":"A1A2","interval":"1d","timeZone":"-13"}', -1100),
    ],
)
async def test_bad_questions_are_answered_400(
    dsn: str, tmp_path: Path, chance: random.Random, question: bytes, code: int
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 100)
    async with rig.running(), rig.door(follows=False) as door:
        future = door._answers[7] = asyncio.get_running_loop().create_future()
        body = (7).to_bytes(4, "little") + question
        door.writer.write((1 + len(body)).to_bytes(4, "little") + bytes([Kind.ASK]) + body)
        answer = await patiently(future)
        assert answer.status == 400
        told = msgspec.json.decode(answer.body)
        assert told["code"] == code
        assert told["msg"]


async def test_a_door_that_breaks_the_rules_or_does_not_read_is_cut(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 300, door_buffer_bytes_max=20_000, doors_max=2)
    async with rig.running():
        async with rig.door(follows=False) as rude:
            rude.writer.write(b"\xff\xff\xff\xff\x01")
            await rude.ended()
        _, deaf = await asyncio.open_unix_connection(rig.path, limit=1)
        deaf.write(contract.follow())
        async with rig.door() as door:
            await door.until(lambda: door.told)
            third, writer = await asyncio.open_unix_connection(rig.path)
            assert await patiently(third.read()) == b"", "two are enough"
            writer.close()

            def cut(reason: str) -> float:
                labels = {"reason": reason}
                return rig.registry.get_sample_value("market_data_doors_cut_total", labels) or 0

            async with asyncio.timeout(PATIENCE_SECONDS):
                while not cut("does_not_read"):
                    rig.go_on(200)
                    await asyncio.sleep(0.01)
            assert cut("broke_a_rule") == 1
            assert cut("too_many") == 1
        deaf.close()


async def test_questions_above_the_bound_are_answered_at_once_that_there_are_too_many(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    rig = rig_after(dsn, tmp_path, chance, 100, asks_per_door_max=2)
    question = contract.AskCandles(symbol="A1A2", interval="1m")
    async with rig.running(), rig.door(follows=False) as door:
        futures = {n: asyncio.get_running_loop().create_future() for n in range(3)}
        door._answers.update(futures)
        door.writer.write(b"".join(contract.ask(number, question) for number in futures))
        answers = [await patiently(future) for future in futures.values()]
        assert [each.status for each in answers] == [200, 200, 503]
        assert msgspec.json.decode(answers[2].body)["code"] == -1003
        assert (await door.ask(question))[0] == 200


async def test_trades_that_wait_for_the_database_are_bounded(
    own_server: EmbeddedPostgres, tmp_path: Path, chance: random.Random
) -> None:
    dsn = (await asyncio.to_thread(own_server.start)).url()
    await schema.migrate(dsn)
    rig = rig_after(dsn, tmp_path, chance, 400, unstored_trades_max=1000)
    market = rig.service._publisher.market
    market._unstored_max = 10  # the least that may be configured takes long to trade
    ask = contract.AskCandles(symbol="A1A2", interval="1m")
    async with rig.running(), rig.door() as door:
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGKILL)
        await asyncio.to_thread(own_server.stop)
        while not market.forgotten:
            rig.go_on(50)
            await asyncio.sleep(0.05)
        assert sum(len(each.unstored) for each in market.markets.values()) <= 10
        await asyncio.to_thread(own_server.start)
        await rig.seen()
        assert (await door.ask(ask))[0] == 200
        await _check_candles(door, rig, 1, "1m")
