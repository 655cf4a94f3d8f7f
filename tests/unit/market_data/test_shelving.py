"""Books on the shelf are those of the venue, and go on with the updates that are told."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from messages.market_data import (
    SHELVED_LEVELS,
    SHELVED_SECONDS,
    Delivery,
    shelved_depth,
    shortened_depth,
)
from services.market_data.publisher import PULSES_A_SECOND
from services.market_data.shelving import Shelving
from tests.integration.market_data.test_serving import SYMBOLS, Rebuilt, levels_of
from tests.unit.market_data.test_market import a_day, from_the_first_event


def test_a_book_from_the_shelf_is_the_venues_and_the_next_update_fits(
    chance: random.Random,
) -> None:
    day = a_day(chance, 400)
    told = from_the_first_event(day)
    kept: defaultdict[str, list[Rebuilt]] = defaultdict(list)
    for _ in range(30):
        seen = len(day.batches)
        day.go_on(chance.randrange(40))
        for batch in day.batches[seen:]:
            told.publisher.take(batch.data)
        told.payloads.clear()
        told.shelved.clear()
        told.publisher.pulse(day.time_ns // 1_000_000, stored=0)
        for update in told.of(Delivery.DELTA, "depth@100ms"):
            for book in kept[update["s"]]:
                book.take(update)
        for symbol, answer in told.shelved:
            kept[symbol].append(Rebuilt(answer))
    for instrument, symbol in SYMBOLS.items():
        assert len(kept[symbol]) > 2, "it changed, or a second went by"
        bids, asks = levels_of(day, instrument)
        assert max(len(bids), len(asks)) <= SHELVED_LEVELS, "or it would not be all of it"
        for book in kept[symbol]:
            assert [list(map(list, side)) for side in book.best()] == [bids, asks]


def test_a_book_that_does_not_change_is_put_again_each_second(chance: random.Random) -> None:
    day = a_day(chance, 100)
    told = from_the_first_event(day)
    now_ms = day.time_ns // 1_000_000
    told.pulse_a_second(now_ms, 0)
    before = dict(told.shelved)
    told.shelved.clear()
    told.pulse_a_second(now_ms + 1000, 0)
    assert len(told.shelved) == len(before) >= len(SYMBOLS), "a day may list one more"
    assert dict(told.shelved) == before
    assert SHELVED_SECONDS > 2, "one that comes late is not missed"
    assert PULSES_A_SECOND > 1


@pytest.mark.parametrize("limit", [1, 5, 99, 100, 5000])
def test_fewer_levels_are_the_best_ones(limit: int) -> None:
    levels = [[str(price), "1"] for price in range(100)]
    answer = {"lastUpdateId": 7, "E": 1, "T": 2, "cs": 3, "bids": levels, "asks": levels[:10]}
    short = msgspec.json.decode(shortened_depth(msgspec.json.encode(answer), limit))
    assert short == answer | {"bids": levels[:limit], "asks": levels[:10][:limit]}
    assert list(short) == list(answer)


class SlowShelf:
    """A shelf that takes as long as a test wants."""

    def __init__(self) -> None:
        self.put_so_far: list[dict[str, bytes]] = []
        self.may_go_on = asyncio.Event()
        self.is_asked = asyncio.Event()

    async def put(self, values: Mapping[str, bytes], *, seconds: float) -> None:
        """See ``Shelf``."""
        assert seconds == SHELVED_SECONDS
        self.put_so_far.append(dict(values))
        self.is_asked.set()
        await self.may_go_on.wait()

    async def find(self, name: str) -> Any:
        """See ``Shelf``."""
        raise AssertionError(name)


async def test_while_a_shelf_is_slow_the_newest_book_of_each_symbol_waits() -> None:
    shelf, stop = SlowShelf(), asyncio.Event()
    shelving = Shelving(shelf)
    task = asyncio.create_task(shelving.run(stop))
    shelving.put("A", b"1")
    await shelf.is_asked.wait()
    for number in range(100):
        shelving.put("A", b"%d" % number)
        shelving.put("B", b"b")
    shelf.is_asked.clear()
    shelf.may_go_on.set()
    await shelf.is_asked.wait()
    stop.set()
    await task
    a, b = shelved_depth("A"), shelved_depth("B")
    assert [each for each in shelf.put_so_far if each] == [{a: b"1"}, {a: b"99", b: b"b"}]
