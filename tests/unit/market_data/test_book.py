"""A book of levels beside a plain dictionary, and what is written of it."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from messages.trading.terms import Side
from services.market_data import rendering
from services.market_data.book import Book, Key
from services.market_data.errors import BookGapError
from services.market_data.instruments import Instrument
from services.market_data.market import OneMarket
from services.market_data.records import SeenLevel
from services.market_data.trades import Aggregate, Numbering, Trade
from tests.unit.market_data.test_candles import NOON_MS, trade

UNITS = Instrument(1, "BTCUSD", 5, 1, 100, 2, 4, 6)


def level(sequence: int, key: Key, lots: int) -> SeenLevel:
    side, price_ticks = key
    return SeenLevel(sequence, 1, side, sequence, price_ticks, lots)


def naive_best(levels: dict[Key, int], side: Side) -> list[Key]:
    return sorted((key for key in levels if key[0] == side), reverse=side == Side.BUY)


def test_a_book_is_what_its_changes_left(chance: random.Random) -> None:
    book = Book(1)
    market, watch = OneMarket(UNITS, book), book.watch()
    levels: dict[Key, int] = {}
    sequence = 0
    for _ in range(300):
        before, changed = dict(levels), set()
        for _ in range(chance.randrange(8)):
            key = (chance.choice((Side.BUY, Side.SELL)), chance.randint(90, 110))
            lots = chance.choice((0, 1, 2, 3))
            sequence += 1
            book.change(level(sequence, key, lots))
            levels[key] = lots
            changed.add(key)
        levels = {key: lots for key, lots in levels.items() if lots}
        book.settle()
        assert watch == {key for key in changed if before.get(key) != levels.get(key)}
        watch.clear()
        for side in (Side.BUY, Side.SELL):
            best, count = naive_best(levels, side), chance.randrange(12)
            assert list(book.best(side, count)) == best[:count]
            assert book.top(side) == (best[0] if best else None)
            assert rendering.levels(market, side, 5) == [
                (UNITS.price(key[1]), UNITS.quantity(levels[key])) for key in best[:5]
            ]
        assert book.texts.keys() <= levels.keys(), "nothing is kept of levels that are gone"
    assert all(book.lots((side, 80)) == 0 for side in (Side.BUY, Side.SELL))


def test_a_change_that_is_missing_is_seen() -> None:
    book = Book(7)
    book.change(level(1, (Side.BUY, 100), 5))
    with pytest.raises(BookGapError, match="instrument 7: book sequence 3 after 1"):
        book.change(level(3, (Side.BUY, 100), 6))


@pytest.mark.parametrize("taker_side", [Side.BUY, Side.SELL])
def test_trades_and_aggregates_are_written_as_their_rows_are(taker_side: Side) -> None:
    trade = Trade(1, 28457, 1_701_432_000_123_999_999, 25, 3, 7500, taker_side, False, 28450)
    told = msgspec.json.decode(rendering.trade_event(UNITS, trade))
    row = rendering.trade_row(UNITS, trade)
    assert told == {
        "e": "trade",
        "E": 1_701_432_000_123,
        "s": "BTCUSD",
        "t": row["id"],
        "p": row["price"],
        "q": row["qty"],
        "T": row["time"],
        "m": row["isBuyerMaker"],
        "M": row["isBestMatch"],
    }
    assert (told["p"], told["q"], told["m"]) == ("1.25", "0.0003", taker_side == Side.SELL)
    aggregate = Aggregate(28450, 28457, 1_701_432_000_123_999_999, 25, 30, taker_side)
    told = msgspec.json.decode(rendering.aggregate_event(UNITS, aggregate))
    head = {"e": "aggTrade", "E": 1_701_432_000_123, "s": "BTCUSD"}
    assert told == head | rendering.aggregate_row(UNITS, aggregate)


def test_an_aggregate_is_of_one_command() -> None:
    """An order may rest and come in again, amended, at the price at which it has traded."""
    first = trade(1, at_ms=NOON_MS)._replace(sequence=7, taker_order_id=5)
    same = first._replace(number=2, trade_id=2)
    later = same._replace(number=3, trade_id=3, sequence=8)
    numbering = Numbering()
    assert [numbering.trade(each).aggregate_id for each in (first, same, later)] == [1, 1, 3]


@pytest.mark.parametrize(
    ("times_ms", "trades_of"),
    [
        ((0, 1), lambda market: market.candles.by_interval["1s"].candle.trades),
        ((0, 1000), lambda market: market.candles.by_interval["1M"].candle.trades),
        ((0, 1), lambda market: market.minute.candle.trades),
        # With the first trade of the next minute the one before is over.
        ((0, 1, 60_000), lambda market: market.minutes[0].candle.trades),
        ((0, 1, 60_000), lambda market: market.windows["1h"].total(NOON_MS + 60_000, None).trades),
    ],
)
def test_whoever_asks_gets_the_second_that_runs(
    times_ms: tuple[int, ...], trades_of: Callable[[OneMarket], int]
) -> None:
    market, numbering = OneMarket(UNITS, Book(1)), Numbering()
    for number, at_ms in enumerate(times_ms, start=1):
        seen = trade(number, at_ms=NOON_MS + at_ms)
        market.trade(number, numbering.trade(seen), seen)
    assert trades_of(market) == 2
