"""Candles add up, close in time, and are flat where nothing trades."""

from __future__ import annotations

import random

from services.market_data.candles import SUM_MAX, Candle, CandleKey, Gathering
from services.market_data.intervals import DAY_MS, FINEST, HOUR_MS, INTERVALS, MINUTE
from services.market_data.records import SeenTrade
from services.market_data.rolling import Minute, Rolling
from services.market_data.running import GRACE_MS, RunningCandles

NOON_MS = 1_701_432_000_000
"""2023-12-01 12:00."""


def trade(number: int, *, at_ms: int, price: int = 100, lots: int = 1, side: int = 1) -> SeenTrade:
    return SeenTrade(
        number=number,
        sequence=number,
        time_ns=at_ms * 1_000_000,
        instrument=1,
        taker_side=side,
        is_auction=0,
        is_negotiated=0,
        trade_id=number,
        price_ticks=price,
        quantity_lots=lots,
        notional_atoms=price * lots,
        taker_order_id=number,
    )


def take(candles: RunningCandles, seen: SeenTrade) -> None:
    candles.add(FINEST.opening(seen.time_ns // 1_000_000), Candle.of(seen))


def some_trades(chance: random.Random, count: int) -> list[SeenTrade]:
    time_ms, trades = NOON_MS, []
    for number in range(1, count + 1):
        time_ms += chance.choice((0, 1, 400, 1000, 50_000, 3_000_000))
        price, lots = chance.randint(1, 50), chance.randint(1, 9)
        side = chance.randint(1, 2)
        trades.append(trade(number, at_ms=time_ms, price=price, lots=lots, side=side))
    return trades


def test_what_is_gathered_adds_up_to_every_interval(chance: random.Random) -> None:
    trades, gathering = some_trades(chance, 500), Gathering()
    assert all(gathering.takes(each) for each in trades)
    for name, candles in gathering.candles():
        expected: dict[CandleKey, Candle] = {}
        for each in trades:
            key = CandleKey(1, INTERVALS[name].opening(each.time_ns // 1_000_000))
            if key in expected:
                expected[key].add(each)
            else:
                expected[key] = Candle.of(each)
        assert {key: candle.numbers() for key, candle in candles.items()} == {
            key: candle.numbers() for key, candle in expected.items()
        }


def test_a_gathering_takes_no_more_than_64_bits_hold() -> None:
    gathering = Gathering()
    assert gathering.takes(trade(1, at_ms=NOON_MS, price=SUM_MAX - 11, lots=1))
    assert gathering.takes(trade(2, at_ms=NOON_MS, price=4, lots=1))
    assert not gathering.takes(trade(3, at_ms=NOON_MS, price=5, lots=1))
    assert gathering.takes(trade(3, at_ms=NOON_MS, price=4, lots=1))
    sums = [next(iter(each.values())).quote_atoms for _, each in gathering.candles()]
    assert set(sums) == {SUM_MAX - 3}


def test_one_trade_fits_however_large() -> None:
    assert Gathering().takes(trade(1, at_ms=NOON_MS, price=SUM_MAX, lots=1))


def closed(candles: RunningCandles, name: str = "1m") -> list[tuple[int, tuple[int, ...]]]:
    return [
        (opened_ms, candle.numbers()[:5])
        for running, opened_ms, candle in candles.closed()
        if running.name == name
    ]


def test_a_candle_closes_with_the_first_trade_after_it() -> None:
    candles = RunningCandles()
    take(candles, trade(1, at_ms=NOON_MS, price=5))
    take(candles, trade(2, at_ms=NOON_MS + 59_999, price=7))
    assert closed(candles) == []
    take(candles, trade(3, at_ms=NOON_MS + 60_000, price=6))
    assert closed(candles) == [(NOON_MS, (5, 7, 5, 7, 2))]
    assert closed(candles) == []


def test_a_candle_closes_by_the_clock_and_the_next_is_flat() -> None:
    candles = RunningCandles()
    take(candles, trade(1, at_ms=NOON_MS, price=5))
    candles.look_at_clock(NOON_MS + 60_000 + GRACE_MS - 1)
    assert closed(candles) == []
    candles.look_at_clock(NOON_MS + 60_000 + GRACE_MS)
    assert closed(candles) == [(NOON_MS, (5, 5, 5, 5, 1))]
    assert candles.by_interval["1m"].candle.numbers()[:5] == (5, 5, 5, 5, 0)
    candles.look_at_clock(NOON_MS + 120_000 + GRACE_MS)
    assert closed(candles) == [(NOON_MS + 60_000, (5, 5, 5, 5, 0))]
    take(candles, trade(2, at_ms=NOON_MS + 120_001, price=9))
    assert candles.by_interval["1m"].candle.numbers()[:5] == (9, 9, 9, 9, 1)


def test_a_trade_that_was_on_its_way_is_in_its_candle() -> None:
    candles = RunningCandles()
    take(candles, trade(1, at_ms=NOON_MS, price=5))
    candles.look_at_clock(NOON_MS + 60_000 + GRACE_MS)
    closed(candles)
    take(candles, trade(2, at_ms=NOON_MS + 59_999, price=4))
    assert closed(candles) == [(NOON_MS, (5, 5, 4, 4, 2))]
    assert candles.by_interval["1m"].candle.numbers()[:5] == (4, 4, 4, 4, 0)
    take(candles, trade(3, at_ms=NOON_MS + 60_001, price=6))
    assert candles.by_interval["1m"].candle.numbers()[:5] == (6, 6, 6, 6, 1)


def test_a_trade_that_comes_later_than_the_next_candles_end_is_told_of_no_candle() -> None:
    candles = RunningCandles()
    take(candles, trade(1, at_ms=NOON_MS, price=5))
    candles.look_at_clock(NOON_MS + 60_000 + GRACE_MS)
    candles.look_at_clock(NOON_MS + 120_000 + GRACE_MS)
    closed(candles)
    take(candles, trade(2, at_ms=NOON_MS + 59_999, price=4))
    assert closed(candles) == [], "its candle has the first trade too"
    assert candles.by_interval["1m"].candle.numbers()[:5] == (4, 4, 4, 4, 0)


def test_what_is_stored_runs_on_unless_its_time_is_over() -> None:
    stored = Candle.of(trade(1, at_ms=NOON_MS, price=5))
    latest = {name: (each.opening(NOON_MS), stored.copy()) for name, each in INTERVALS.items()}
    candles = RunningCandles()
    candles.begin(latest, NOON_MS + HOUR_MS // 2)
    assert candles.by_interval["1h"].candle.trades == 1
    flat = candles.by_interval["1m"]
    assert (flat.opened_ms, flat.candle.trades) == (NOON_MS + HOUR_MS // 2, 0)
    assert closed(candles) == []


def test_a_window_is_what_its_minutes_add_up_to(chance: random.Random) -> None:
    trades = some_trades(chance, 800)
    window = Rolling(DAY_MS)
    minutes: list[Minute] = []
    now_ms = 0
    for each in trades:
        time_ms = each.time_ns // 1_000_000
        opened_ms = MINUTE.opening(time_ms)
        if minutes and minutes[-1].opened_ms == opened_ms:
            minutes[-1].candle.add(each)
        else:
            if minutes:
                window.push(minutes[-1])
            minutes.append(Minute(opened_ms, Candle.of(each)))
        now_ms = max(now_ms, time_ms + chance.choice((0, 0, 30_000)))
        total = window.total(now_ms, minutes[-1])
        begin_ms = MINUTE.opening(now_ms - DAY_MS)
        inside = [m.candle for m in minutes if m.opened_ms >= begin_ms]
        assert total is not None
        assert (total.open, total.close) == (inside[0].open, inside[-1].close)
        assert total.high == max(m.high for m in inside)
        assert total.low == min(m.low for m in inside)
        assert total.trades == sum(m.trades for m in inside)
        assert total.lots == sum(m.lots for m in inside)
        assert total.first_trade == inside[0].first_trade
        gone = [m.candle for m in minutes if m.opened_ms < begin_ms]
        assert window.close_before == (gone[-1].close if gone else 0)
    later_ms = minutes[-1].opened_ms + 2 * DAY_MS
    assert window.total(later_ms, minutes[-1]) is None
    assert window.close_before == minutes[-1].candle.close
