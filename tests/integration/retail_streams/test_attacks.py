"""What strangers try against an open port; who behaves is served meanwhile."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from messages.market_data import Delivery
from retail_gateway.streams.settings import Limits
from tests.integration.retail_streams.raw import (
    BINARY,
    PING,
    PONG,
    REQUEST,
    TEXT,
    RawReader,
    frame,
)
from tests.integration.retail_streams.stage import (
    GENEROUS,
    FakeMarketData,
    Stage,
    asked,
    heard,
    stage,
    until,
)


@asynccontextmanager
async def attacked(limits: Limits = GENEROUS) -> AsyncIterator[Stage]:
    """A stage where somebody reads all the time, and still does at the end."""
    async with stage(limits) as shown, shown.connect("/ws/btcusd@trade") as honest:
        yield shown
        shown.market.publish(Delivery.EVERY, "btcusd@trade", {"t": 1})
        assert await heard(honest) == {"t": 1}


async def test_ten_thousand_subscriptions_are_refused_and_none_is_begun() -> None:
    symbols = tuple(f"S{number}" for number in range(2000))
    names = [f"{symbol.lower()}@trade" for symbol in symbols]
    async with (
        stage(market=FakeMarketData(symbols)) as shown,
        shown.connect("/ws") as reader,
    ):
        said = await asked(reader, "SUBSCRIBE", names)
        assert said["error"]["reason"] == 1262
        assert said["error"]["msg"] == "Invalid request: 2000 streams, of 1024 on a connection"
        assert shown.health()["streams"] == 0
        assert await asked(reader, "SUBSCRIBE", names[:1024]) == {"result": None, "id": 1}
        assert (await asked(reader, "SUBSCRIBE", names[1024:1025]))["error"]["reason"] == 1262
        assert await asked(reader, "SUBSCRIBE", names[:1024]) == {"result": None, "id": 1}
        assert shown.health()["streams"] == 1024
        with pytest.raises(InvalidStatus) as refused:
            await shown.connect("/stream?streams=" + "/".join(names[:1025]))
        assert refused.value.response.status_code == 400
    async with stage() as shown, shown.connect("/ws") as reader:
        many = json.dumps({"method": "SUBSCRIBE", "params": names * 5, "id": 1})
        await reader.send(many)
        with pytest.raises(ConnectionClosed) as closed:
            await heard(reader)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("first", [TEXT, PING, PONG])
async def test_who_says_too_much_is_cut(first: int) -> None:
    async with attacked() as shown:
        flooder = await RawReader.connect(shown.port)
        text = json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}).encode()
        for _ in range(20):  # five are allowed, and five a second more
            flooder.send(first, text)
        code, reason = await flooder.closed()
        assert (code, reason[:4]) == (1008, "1263")
        await flooder.ended()
        assert shown.count("cut_total", reason="too_many_messages") == 1
        flooder.close()


async def test_five_messages_a_second_are_answered() -> None:
    async with stage() as shown, shown.connect("/ws") as reader:
        for number in range(5):
            assert (await asked(reader, "LIST_SUBSCRIPTIONS", number=number))["id"] == number


@pytest.mark.parametrize(
    ("sent", "code", "number"),
    [
        (frame(TEXT, b"x" * 65_537), 1009, None),  # picows closes, in its own words
        (frame(0x01, b"x" * 40_000) + frame(0x80, b"x" * 40_000), 1009, "1265"),
        (frame(0x01, b"a") + frame(0x00, b"a") * 64, 1009, "1265"),
        (frame(BINARY, b"x"), 1003, "1272"),
        (frame(TEXT, b"\xff\xfe"), 1007, "1272"),
        (frame(TEXT | 0x40, b"{}"), 1002, "1275"),  # compressed, which was not agreed
        (frame(0x80, b"x"), 1002, "1275"),  # a part of nothing
        (frame(0x01, b"x") + frame(0x01, b"x"), 1002, "1275"),
        (frame(0x83, b"x"), 1002, None),  # no such opcode
        (frame(0x09, b"x"), 1002, None),  # a ping in parts
        (frame(PING, b"x" * 126), 1002, None),
        (b"\x81\x02{}", 1002, None),  # without a mask
        (b"\x81\xff" + b"\xff" * 8 + b"mask", 1002, None),  # longer than any memory
        (frame(0x88, b"\x03"), 1002, None),
    ],
)
async def test_frames_that_break_the_protocol_end_their_connection(
    sent: bytes, code: int, number: str | None
) -> None:
    async with attacked() as shown:
        rude = await RawReader.connect(shown.port)
        rude.writer.write(sent)
        said, reason = await rude.closed()
        assert said == code
        if number is not None:
            assert reason.startswith(number)
        await rude.ended()
        rude.close()
        await until(lambda: shown.health()["connections"] == 1)


async def test_who_goes_on_after_the_farewell_fills_nothing() -> None:
    async with attacked() as shown:
        rude = await RawReader.connect(shown.port)
        rude.writer.write(frame(0x01, b"x" * 40_000) + frame(0x00, b"x" * 40_000))
        assert (await rude.closed())[0] == 1009
        part = frame(0x00, b"x" * 60_000)
        before = resident_bytes()
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                rude.writer.write(part)
                await rude.writer.drain()
        assert resident_bytes() - before < 30_000_000, "of sixty million that were sent"
        await rude.ended()
        rude.close()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_message_in_parts_is_one_message() -> None:
    async with stage() as shown:
        reader = await RawReader.connect(shown.port)
        reader.send(0x01, b'{"method":"LIST_')
        reader.send(0x00, b'SUBSCRIPTIONS",')
        reader.send(0x80, b'"id":3}')
        assert await reader.text() == {"result": [], "id": 3}
        reader.send(0x01, b'{"method":"LIST_SUBSCRIPTIONS",')
        reader.send(PING, b"between")
        reader.send(0x80, b'"id":4}')
        assert await reader.next() == (PONG, b"between")
        assert await reader.text() == {"result": [], "id": 4}
        reader.close()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"[" * 60_000, b'{"a":' * 10_000, b"1e999999",
        b'{"method":"SUBSCRIBE"}', b'{"method":"SUBSCRIBE","params":"btcusd@trade","id":1}',
        b'{"method":"SUBSCRIBE","params":[1],"id":1}', b'{"method":"SUBSCRIBE","params":[],"id":1}',
        b'{"method":1,"id":1}', b'{"method":["SUBSCRIBE"],"id":1}', b'{"id":1}',
        b'{"method":"DROP","id":1}', b'{"method":"SUBSCRIBE","params":["\\u0000@trade"],"id":1}',
        b'{"method":"LIST_SUBSCRIPTIONS","id":1.5}', b'{"method":"LIST_SUBSCRIPTIONS","id":true}',
        b'{"method":"LIST_SUBSCRIPTIONS","id":{}}', b'{"method":"LIST_SUBSCRIPTIONS","x":1,"id":1}',
        b'{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}',
        b'{"method":"SET_PROPERTY","params":["nothing",true],"id":1}',
        b'{"method":"GET_PROPERTY","params":[1],"id":1}',
    ],
)  # fmt: skip
async def test_a_message_that_says_nothing_is_answered_with_an_error(text: bytes) -> None:
    async with attacked() as shown:
        rude = await RawReader.connect(shown.port)
        rude.send(TEXT, text)
        said = await rude.text()
        assert isinstance(said, dict)
        assert set(said) == {"error", "id"}
        assert said["error"]["code"] in (0, 1, 2, 3)
        assert said["error"]["reason"] in (1260, 1276)
        rude.send(TEXT, b'{"method":"GET_PROPERTY","params":["combined"],"id":2}')
        assert await rude.text() == {"result": False, "id": 2}
        rude.close()


HALVES = [b"", b"GET /ws HT", b"GET /ws HTTP/1.1\r\nHost: x\r\n"]


@pytest.mark.parametrize("start", HALVES)
async def test_half_handshakes_end_by_themselves(start: bytes) -> None:
    async with stage(Limits(handshake_seconds=0.3)) as shown:
        half = [await asyncio.open_connection("127.0.0.1", shown.port) for _ in range(5)]
        for _, writer in half:
            writer.write(start)
        for each, its_writer in half:
            async with asyncio.timeout(120):
                assert await _rest(each) == b""  # dropped without a word
            its_writer.close()
        assert shown.count("refused_total", reason="handshakes") == 0


@pytest.mark.parametrize("start", HALVES)
async def test_half_handshakes_do_not_take_the_room(start: bytes) -> None:
    limits = Limits(handshake_seconds=600, handshakes_per_address_max=5)
    async with attacked(limits) as shown:
        half = [await asyncio.open_connection("127.0.0.1", shown.port) for _ in range(6)]
        for _, writer in half:
            writer.write(start)
        async with asyncio.timeout(120):
            assert await _rest(half[0][0]) == b""  # the oldest made room for the sixth
        async with shown.connect("/ws"):
            async with asyncio.timeout(120):
                assert await _rest(half[1][0]) == b""
        assert shown.count("refused_total", reason="handshakes") == 2
        for _, writer in half:
            writer.close()


async def test_who_begins_connections_without_end_is_heard_no_more() -> None:
    limits = Limits(attempts_per_address_max=3)
    async with attacked(limits) as shown:
        for number in range(2, 7):
            said = await _said(shown)
            assert (b" 429 " in said) == (number > 3), (number, said)
        assert await _said(shown) == b""
        assert shown.count("refused_total", reason="handshakes") == 1


async def _said(shown: Stage) -> bytes:
    """The beginning of what a request for nothing is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shown.port)
    writer.write(REQUEST.format(path="/nothing").encode())
    async with asyncio.timeout(120):
        answer = await _rest(reader)
    writer.close()
    return answer


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /ws HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nX: " + b"y" * 70_000,
    ],
)
async def test_what_is_no_handshake_is_ended(request_bytes: bytes) -> None:
    async with attacked() as shown:
        reader, writer = await asyncio.open_connection("127.0.0.1", shown.port)
        writer.write(request_bytes)
        async with asyncio.timeout(120):
            answer = await _rest(reader)
        assert b" 101 " not in answer
        assert not answer or answer.startswith(b"HTTP/1.1 4")
        writer.close()
        await until(lambda: shown.health()["connections"] == 1)


async def test_connections_of_one_address_are_bounded_and_the_refusal_says_so() -> None:
    limits = Limits(connections_per_address_max=3, attempts_per_address_max=6)
    async with stage(limits) as shown:
        readers = [await shown.connect("/ws") for _ in range(3)]
        assert await _refusal(shown) == (429, 1268, "1")
        await readers.pop().close()
        await until(lambda: shown.health()["connections"] == 2)
        readers.append(await shown.connect("/ws"))  # the fifth attempt
        await readers.pop().close()
        await until(lambda: shown.health()["connections"] == 2)
        readers.append(await shown.connect("/ws"))
        assert await _refusal(shown) == (429, 1270, "300")
        for reader in readers:
            await reader.close()


async def test_connections_in_all_are_bounded() -> None:
    limits = Limits(connections_max=2)
    async with stage(limits) as shown, shown.connect("/ws"), shown.connect("/ws"):
        assert await _refusal(shown) == (503, 1269, "1")


async def _refusal(shown: Stage) -> tuple[int, int, str]:
    with pytest.raises(InvalidStatus) as refused:
        await shown.connect("/ws")
    response = refused.value.response
    return response.status_code, json.loads(response.body)["code"], response.headers["Retry-After"]
