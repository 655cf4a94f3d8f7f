"""Books that market data leaves in a real Redis, as a process that serves people finds them."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec

from messages.market_data import AskDepth
from retail_gateway.market_data import MarketDataLink, Passed
from retail_gateway.refusals import Refusal
from runtime.redis import RedisShelf
from tests.integration.market_data.day import Day
from tests.integration.market_data.test_serving import (
    PATIENCE_SECONDS,
    SYMBOLS,
    Rig,
    dsn,
    levels_of,
)
from tests.integration.retail_counters.server import a_door, a_server

__all__ = ["dsn"]


async def nobody() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise OSError("market data is not to be asked")


async def test_who_has_no_way_to_market_data_answers_from_the_shelf_and_not_once_it_is_away(
    dsn: str, tmp_path: Path, chance: random.Random
) -> None:
    day = Day(chance, 1 << 30)
    day.go_on(400)
    async with a_server() as server, a_door(server) as one, a_door(server) as other:
        rig = Rig(dsn, tmp_path, day, RedisShelf(one))
        link = MarketDataLink(nobody, RedisShelf(other))
        async with rig.running():
            for instrument, symbol in SYMBOLS.items():
                found = await _found(link, AskDepth(symbol=symbol), day.last)
                bids, asks = levels_of(day, instrument)
                assert (found["bids"], found["asks"]) == (bids[:100], asks[:100])
                short = await _found(link, AskDepth(symbol=symbol, limit=3), day.last)
                assert short == found | {"bids": bids[:3], "asks": asks[:3]}
            # More than lies there, and what is no symbol, is for market data to answer.
            for question in (AskDepth(symbol="A1A2", limit=101), AskDepth(symbol="NOPE")):
                assert isinstance(await link.ask(question), Refusal)
            await server.stop()
            assert isinstance(await link.ask(AskDepth(symbol="A1A2")), Refusal)


async def _found(link: MarketDataLink, question: AskDepth, last: int) -> dict[str, object]:
    """Ask until there is a book as of the last event."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await link.ask(question)
            if isinstance(answer, Passed):
                book = msgspec.json.decode(answer.body, type=dict[str, object])
                if book["lastUpdateId"] == last:
                    return book
            await asyncio.sleep(0.02)
