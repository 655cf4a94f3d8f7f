"""What a stock WebSocket client gets from the streams, over real sockets."""

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from messages.market_data import Delivery
from retail_gateway.streams.settings import Limits
from tests.integration.retail_streams.stage import (
    GENEROUS,
    FakeMarketData,
    asked,
    heard,
    stage,
    until,
)


async def followed(market: FakeMarketData, times: int) -> None:
    await until(lambda: len(market.asked) == times)


TRADE = {"e": "trade", "s": "BTCUSD", "p": "100.00", "t": 1}


async def test_a_stream_in_the_url_is_sent_as_it_is() -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@trade") as reader:
        shown.market.publish(Delivery.EVERY, "ethusd@trade", {"t": 9})
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        assert await heard(reader) == TRADE


async def test_several_streams_in_the_url_are_wrapped_with_their_names() -> None:
    async with (
        stage() as shown,
        shown.connect("/stream?streams=btcusd@trade/ethusd@bookTicker") as reader,
    ):
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        assert await heard(reader) == {"stream": "btcusd@trade", "data": TRADE}
        shown.market.publish(Delivery.LATEST, "ethusd@bookTicker", {"u": 5})
        assert await heard(reader) == {"stream": "ethusd@bookTicker", "data": {"u": 5}}


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws/0", "/stream"])
async def test_who_asks_for_nothing_in_the_url_subscribes_later(path: str) -> None:
    async with stage() as shown, shown.connect(path) as reader:
        assert await asked(reader, "LIST_SUBSCRIPTIONS", number="a") == {"result": [], "id": "a"}
        assert await asked(reader, "SUBSCRIBE", ["btcusd@trade"]) == {"result": None, "id": 1}
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        said = await heard(reader)
        assert said == ({"stream": "btcusd@trade", "data": TRADE} if path == "/stream" else TRADE)


async def test_what_is_unsubscribed_is_sent_no_more() -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@trade/ethusd@trade") as reader:
        await asked(reader, "UNSUBSCRIBE", ["btcusd@trade", "never@trade"])
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        shown.market.publish(Delivery.EVERY, "ethusd@trade", {"t": 2})
        assert await heard(reader) == {"t": 2}
        assert (await asked(reader, "LIST_SUBSCRIPTIONS"))["result"] == ["ethusd@trade"]
        assert shown.health()["streams"] == 1


async def test_payloads_are_wrapped_once_it_is_asked_for() -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@trade") as reader:
        assert await asked(reader, "GET_PROPERTY", ["combined"]) == {"result": False, "id": 1}
        assert await asked(reader, "SET_PROPERTY", ["combined", True]) == {"result": None, "id": 1}
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        assert await heard(reader) == {"stream": "btcusd@trade", "data": TRADE}
        assert await asked(reader, "GET_PROPERTY", ["combined"]) == {"result": True, "id": 1}


async def test_the_present_state_comes_at_once_and_a_closed_candle_is_none() -> None:
    market = FakeMarketData()
    market.states["btcusd@bookTicker"] = b'{"u":1}'
    market.states["btcusd@kline_1m"] = b'{"k":"running"}'
    async with stage(market=market) as shown:
        async with shown.connect("/ws/btcusd@kline_1m") as reader:
            assert await heard(reader) == {"k": "running"}
            shown.market.publish(Delivery.EVERY, "btcusd@kline_1m", {"k": "closed"})
            assert await heard(reader) == {"k": "closed"}
        async with shown.connect("/ws/btcusd@kline_1m/btcusd@bookTicker") as reader:
            assert await heard(reader) == {"u": 1}


async def test_all_book_tickers_are_those_of_every_symbol() -> None:
    async with stage() as shown, shown.connect("/stream?streams=!bookTicker") as reader:
        for name in ("btcusd", "ethusd"):
            shown.market.publish(Delivery.LATEST, f"{name}@bookTicker", {"s": name})
            assert await heard(reader) == {"stream": "!bookTicker", "data": {"s": name}}


async def test_a_stream_goes_back_under_the_name_it_was_asked_for_by() -> None:
    async with stage() as shown, shown.connect("/stream?streams=btcusd@depth@1000ms") as reader:
        shown.market.publish(Delivery.DELTA, "btcusd@depth", {"u": 3})
        assert await heard(reader) == {"stream": "btcusd@depth@1000ms", "data": {"u": 3}}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ws/btcusd@nothing", 400, 1260),
        ("/ws/BTCUSD@trade", 400, 1260),
        ("/ws/xxxusd@trade", 400, 1261),
        ("/stream?streams=btcusd@trade/xxxusd@trade", 400, 1261),
        ("/other", 404, 1273),
        ("/", 404, 1273),
    ],
)
async def test_a_url_that_asks_for_what_is_not_there_is_refused(
    path: str, status: int, code: int
) -> None:
    async with stage() as shown:
        with pytest.raises(InvalidStatus) as refused:
            await shown.connect(path)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["code"] == code


async def test_a_wrong_subscription_changes_nothing_and_says_why() -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@trade") as reader:
        said = await asked(reader, "SUBSCRIBE", ["ethusd@trade", "xxxusd@trade"], number=7)
        assert said == {
            "error": {
                "code": 2,
                "msg": "Invalid request: no symbol XXXUSD, in xxxusd@trade",
                "reason": 1261,
            },
            "id": 7,
        }
        assert (await asked(reader, "LIST_SUBSCRIPTIONS"))["result"] == ["btcusd@trade"]


async def test_nobody_is_served_before_market_data_has_come() -> None:
    async with stage(is_ready=False) as shown:
        with pytest.raises(InvalidStatus) as refused:
            await shown.connect("/ws/btcusd@trade")
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "1"
        assert shown.health()["healthy"] is False


async def test_readers_stay_while_market_data_is_away_and_go_on_when_it_is_back() -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@depth") as reader:
        for number in range(3):
            shown.market.publish(Delivery.DELTA, "btcusd@depth", {"u": number})
            assert await heard(reader) == {"u": number}
            await shown.market.close()
            await until(lambda: not shown.health()["healthy"])
            await shown.market.listen()
            # Not before it has asked for streams: what is published to nobody is gone.
            await followed(shown.market, number + 2)
        assert shown.count("upstream_losses_total") == 3


@pytest.mark.parametrize("data", [b"\0\0\0\0\0", b"\x05\0\0\0\x04abcd", b"\x03\0\0\0\x03\x09\x01"])
async def test_a_market_data_that_breaks_the_contract_is_left_and_tried_again(data: bytes) -> None:
    async with stage() as shown, shown.connect("/ws/btcusd@trade") as reader:
        shown.market.say(data)
        await followed(shown.market, 2)
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        assert await heard(reader) == TRADE


async def test_a_planned_stop_is_announced_and_then_said_in_the_close_frame() -> None:
    async with (
        stage(notice_seconds=0.1) as shown,
        shown.connect("/ws/btcusd@trade") as raw,
        shown.connect("/stream?streams=btcusd@trade") as combined,
    ):
        shown.stop.set()
        notice = await heard(raw)
        assert notice["e"] == "serverShutdown"
        assert await heard(combined) == {"stream": "!serverShutdown", "data": notice}
        for reader in (raw, combined):
            with pytest.raises(ConnectionClosed) as closed:
                await heard(reader)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            assert closed.value.rcvd.reason.startswith("1267 ")


async def test_a_connection_ends_when_its_time_is_over() -> None:
    limits = Limits(life_seconds=0.2)
    async with stage(limits) as shown, shown.connect("/ws") as reader:
        with pytest.raises(ConnectionClosed) as closed:
            await heard(reader)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason[:4]) == (1001, "1266")


async def test_who_answers_pings_stays_and_who_does_not_is_cut() -> None:
    limits = Limits(ping_seconds=1.0, pong_seconds=8.0)
    async with stage(limits) as shown:
        silent_reader, silent_writer = await asyncio.open_connection("127.0.0.1", shown.port)
        silent_writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with shown.connect("/ws") as answering, asyncio.timeout(120):
            said = await silent_reader.read(-1)  # until the end
            assert b"1271 no pong" in said
            assert said.count(b"\x89") >= 2  # pings went on meanwhile
            assert (await asked(answering, "LIST_SUBSCRIPTIONS"))["result"] == []
        silent_writer.close()


async def test_a_close_is_answered() -> None:
    async with stage() as shown:
        reader = await shown.connect("/ws/btcusd@trade")
        await reader.close(1000)
        assert reader.close_code == 1000
        await until(lambda: shown.health()["connections"] == 0)
        assert shown.health()["streams"] == 0


async def test_two_readers_of_one_stream_do_not_know_of_each_other() -> None:
    async with stage(GENEROUS) as shown, shown.connect("/ws/btcusd@trade") as first:
        async with shown.connect("/ws/btcusd@trade"):
            pass
        await until(lambda: shown.health()["connections"] == 1)
        shown.market.publish(Delivery.EVERY, "btcusd@trade", TRADE)
        assert await heard(first) == TRADE
