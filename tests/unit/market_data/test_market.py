"""The market goes on from what is stored and from the core's books, whichever is ahead."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from messages.market_data import Delivery
from messages.trading.answers import read_books
from messages.trading.events import EVENTS
from services.market_data.candles import Candle
from services.market_data.intervals import INTERVALS, MINUTE
from services.market_data.market import Market, OneMarket, Past
from services.market_data.ports import CorePicture
from services.market_data.publisher import PULSES_A_SECOND, Publisher
from services.market_data.records import SeenTrade
from services.market_data.service import MarketDataService
from services.market_data.settings import MarketDataSettings, RecorderSettings
from services.market_data.trades import Trade
from settlement.adapters.memory import MemoryFeed
from tests.integration.market_data.day import VENUE, Day
from tests.unit.market_data.test_candles import NOON_MS, trade

TRADES_MIN = 30
NOTHING = Past(trades=[], minutes=[], latest={}, close_before=0)


class Told:
    """A publisher, and what it published."""

    def __init__(self) -> None:
        self.payloads: list[tuple[Delivery, str, Any]] = []
        self.shelved: list[tuple[str, Any]] = []
        self.publisher = Publisher(
            self._publish,
            trade_changed=lambda _market, _number: None,
            unstored_max=100_000,
            shelve=self._shelve,
        )
        self.market = self.publisher.market

    def _publish(self, delivery: Delivery, name: str, payload: bytes) -> None:
        self.payloads.append((delivery, name, msgspec.json.decode(payload)))

    def _shelve(self, symbol: str, answer: bytes) -> None:
        self.shelved.append((symbol, msgspec.json.decode(answer)))

    def begin(self, picture: CorePicture, *, pasts_at: int, now_ms: int) -> None:
        self.market.begin(
            definitions=EVENTS.unpack(picture.definitions.payload),
            definitions_at=picture.definitions.event_number,
            books=read_books(picture.books.payload),
            books_at=picture.books.event_number,
            pasts={},
            pasts_at=pasts_at,
            now_ms=now_ms,
        )
        self.publisher.begin()

    def pulse_a_second(self, now_ms: int, stored: int) -> None:
        for _ in range(PULSES_A_SECOND):
            self.publisher.pulse(now_ms, stored=stored)

    def of(self, delivery: Delivery, kind: str) -> list[Any]:
        return [
            payload
            for told, name, payload in self.payloads
            if told is delivery and name.partition("@")[2] == kind
        ]


def a_day(chance: random.Random, commands: int) -> Day:
    day = Day(chance, 1 << 30)
    day.go_on(commands)
    while len(day.all_trades) < TRADES_MIN:
        day.go_on(100)
    return day


def from_the_first_event(day: Day) -> Told:
    """Follow a day from where nothing was defined."""
    told = Told()
    for batch in day.batches:
        told.publisher.take(batch.data)
    return told


def test_a_first_delta_claims_no_event_that_the_books_had_before(chance: random.Random) -> None:
    day, told = a_day(chance, 400), Told()
    picture, stored = day.picture(), day.batches[len(day.batches) // 2].last
    told.begin(picture, pasts_at=stored, now_ms=day.time_ns // 1_000_000)
    assert told.market.position == stored < picture.books.event_number
    tops = told.of(Delivery.LATEST, "bookTicker")
    assert tops
    assert {each["u"] for each in tops} == {picture.books.event_number}
    while not any(day.last_level_change(each) > picture.books.event_number for each in (1, 2, 3)):
        day.go_on(100)
    for batch in day.batches:
        if batch.first > stored:
            told.publisher.take(batch.data)
    told.pulse_a_second(day.time_ns // 1_000_000, stored)
    for kind in ("depth@100ms", "depth"):
        deltas = told.of(Delivery.DELTA, kind)
        assert deltas
        assert {each["U"] for each in deltas} == {picture.books.event_number + 1}


def test_a_market_listed_while_history_was_filled_lacks_no_trade(chance: random.Random) -> None:
    day, told = a_day(chance, 600), Told()
    # Asked before anything was defined; when the database was read it had all but the last event.
    told.market.begin(
        definitions=[],
        definitions_at=0,
        books=[],
        books_at=0,
        pasts={},
        pasts_at=day.last - 1,
        now_ms=0,
    )
    for batch in day.batches:
        told.publisher.take(batch.data)
    assert day.all_trades
    for market in told.market.markets.values():
        mine = [t for t in day.all_trades.values() if t.instrument == market.instrument.number]
        assert [each.trade_id for each in market.last_trades] == [t.trade_id for t in mine[-1000:]]


def test_what_is_forgotten_is_known(chance: random.Random) -> None:
    day = a_day(chance, 600)
    told = from_the_first_event(day)
    numbers = sorted(each.number for m in told.market.markets.values() for each in m.unstored)
    stored = numbers[len(numbers) // 2]
    told.market.forget_stored(stored)
    assert told.market.forgotten == stored
    kept = sorted(each.number for m in told.market.markets.values() for each in m.unstored)
    assert kept == [each for each in numbers if each > stored]


def test_what_was_stored_within_the_last_second_is_not_forgotten(chance: random.Random) -> None:
    day = a_day(chance, 300)
    told = from_the_first_event(day)
    now_ms = day.time_ns // 1_000_000
    told.pulse_a_second(now_ms, stored=day.last)
    assert told.market.forgotten == 0
    told.pulse_a_second(now_ms + 1000, stored=day.last)
    assert told.market.forgotten > 0
    assert not any(market.unstored for market in told.market.markets.values())


class Pictures:
    """A history that stands at one position after another, while the market forgets the last."""

    def __init__(self, market: Market, one: OneMarket, positions: list[int]) -> None:
        self.position = 0
        self._market = market
        self._known = list(one.unstored)
        self._positions = positions
        self._last = positions[-1]

    @asynccontextmanager
    async def picture(self) -> AsyncIterator[Pictures]:
        self.position = self._positions.pop(0)
        yield self

    async def past(self, _instrument: int, _now_ms: int) -> Past:
        self._market.forget_stored(self._last)
        trades = [each.trade for each in self._known if each.number <= self.position]
        return NOTHING._replace(trades=trades)


async def test_a_market_begun_again_lacks_no_trade_that_was_stored_meanwhile(
    chance: random.Random,
) -> None:
    day = a_day(chance, 600)
    service = MarketDataService(
        MarketDataSettings(
            recorder=RecorderSettings(dsn=""), listen="unix:/nowhere", reconnect_seconds=0.001
        ),
        make_feed=lambda _known: MemoryFeed([], venue=VENUE),
        take_picture=_no_picture,
        registry=CollectorRegistry(),
        now_ms=lambda: day.time_ns // 1_000_000,
    )
    market = service._publisher.market
    for batch in day.batches:
        service._publisher.take(batch.data)
    one = max(market.markets.values(), key=lambda each: len(each.unstored))
    trades, count = list(one.last_trades), len(one.unstored)
    positions = [one.unstored[at * count // 3].number for at in (1, 2)]
    pictures = Pictures(market, one, positions)
    await service._begin_again(one, pictures)  # type: ignore[arg-type]  # a fake
    assert list(one.last_trades) == trades


async def _no_picture(_stop: asyncio.Event) -> CorePicture | None:
    return None


def past_of(trades: list[Trade], seen: list[SeenTrade]) -> Past:
    """Return what is stored of trades that are within one minute."""
    candle = Candle.of(seen[0])
    for each in seen[1:]:
        candle.add(each)
    return Past(
        trades=trades,
        minutes=[],
        latest={
            name: (each.opening(seen[0].time_ns // 1_000_000), candle.copy())
            for name, each in INTERVALS.items()
        },
        close_before=0,
    )


def test_a_market_begun_again_still_tells_the_candles_that_had_closed(
    chance: random.Random,
) -> None:
    told = from_the_first_event(a_day(chance, 1))
    market = next(iter(told.market.markets.values()))
    told.market.begin_again(market, NOTHING, 1 << 60, NOON_MS)
    list(market.candles.closed())  # those of the day
    seen = [
        trade(1 << 40, at_ms=NOON_MS, price=5),
        trade(2 << 40, at_ms=NOON_MS + 1, price=7),
        trade(3 << 40, at_ms=NOON_MS + MINUTE.span_ms, price=6),
    ]
    trades = [
        Trade(1, s.trade_id, s.time_ns, s.price_ticks, 1, s.price_ticks, 1, False, s.trade_id)
        for s in seen
    ]
    for its, each in zip(trades, seen, strict=True):
        market.trade(each.number, its, each)
    past = past_of(trades[:2], seen[:2])

    def closed() -> list[tuple[int, tuple[int, ...]]]:
        return [
            (opened_ms, candle.numbers()[:5])
            for running, opened_ms, candle in market.candles.closed()
            if running.name == "1m"
        ]

    now_ms = NOON_MS + MINUTE.span_ms
    told.market.begin_again(market, past, seen[1].number, now_ms)
    assert closed() == [(NOON_MS, (5, 7, 5, 7, 2))]
    told.market.begin_again(market, past, seen[1].number, now_ms)
    assert closed() == [], "told once"
    # The clock passes its end while the market is begun again.
    told.market.begin_again(market, past, seen[1].number, now_ms + 2 * MINUTE.span_ms)
    assert closed() == [(now_ms, (6, 6, 6, 6, 1))]
