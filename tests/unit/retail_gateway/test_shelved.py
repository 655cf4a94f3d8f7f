"""What lies on the shelf and is no book is not there: market data is asked."""

import asyncio

import msgspec
import pytest

from messages.market_data import SHELVED_LEVELS, AskDepth, shelved_depth
from retail_gateway.market_data import MarketDataLink, Passed
from retail_gateway.refusals import DoorCode, Refusal
from runtime.shelf import MemoryShelf

BOOK = b'{"lastUpdateId":7,"E":1,"T":1,"cs":2,"bids":[["2","1"],["1","1"]],"asks":[["3","1"]]}'


async def nobody() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise OSError("no market data here")


async def answer(lies: bytes, limit: int) -> Passed | Refusal:
    shelf = MemoryShelf(values_max=1)
    await shelf.put({shelved_depth("BTCUSD"): lies}, seconds=3600.0)
    return await MarketDataLink(nobody, shelf).ask(AskDepth(symbol="BTCUSD", limit=limit))


async def test_a_book_is_passed_on_as_it_lies_or_with_the_best_levels() -> None:
    assert await answer(BOOK, SHELVED_LEVELS) == Passed(200, BOOK)
    short = await answer(BOOK, 1)
    assert isinstance(short, Passed)
    assert msgspec.json.decode(short.body)["bids"] == [["2", "1"]]


@pytest.mark.parametrize("limit", [1, SHELVED_LEVELS])
@pytest.mark.parametrize(
    "lies",
    [
        b"",
        b"no",
        b"\xff\xfe",
        BOOK[:-1],
        BOOK.replace(b"bids", b"buds"),
        BOOK.replace(b"7", b'"7"'),
        BOOK.replace(b'[["3","1"]]', b"[" * 100_000 + b"]" * 100_000),
    ],
)
async def test_what_is_no_book_is_not_there(lies: bytes, limit: int) -> None:
    refused = await answer(lies, limit)
    assert isinstance(refused, Refusal)
    assert refused.details.code == DoorCode.MARKET_DATA_AWAY
