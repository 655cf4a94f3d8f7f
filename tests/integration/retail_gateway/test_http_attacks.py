"""Bytes that are no body: what a client may send without end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.retail_gateway.small_venue import SmallVenue, small_venue

HEAD = b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"0\r\n", b"a1: b\r\n"),  # trailers, of which one is too many
        (b"0\r\na1: ", b"b" * 4000),  # one trailer
        (b"1;", b"x" * 4000),  # an extension of a chunk
    ],
    ids=["trailers", "trailer", "extension"],
)
async def test_what_is_no_body_has_an_end(venue: SmallVenue, begin: bytes, more: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.http.base_url.port)
    writer.write(HEAD)
    await asyncio.sleep(0)
    writer.write(begin)
    async with asyncio.timeout(55):  # the exchange itself may take a minute
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
    writer.close()
    assert (await venue.http.get("/api/v3/ping")).status_code == 200


async def test_a_body_in_chunks_is_a_body(venue: SmallVenue) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"symbol=BTCUSD&"

    answer = await venue.http.post("/api/v3/order", content=parts())
    assert answer.status_code in (400, 401), answer.text
