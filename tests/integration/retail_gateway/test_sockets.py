"""The WebSocket API and the user data stream, through a client that is not ours."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from retail_gateway.settings import SocketLimits
from services.accounts.terms import KeyKind, Permission, Status
from tests.integration.retail_gateway.small_venue import AsyncTrader, SmallVenue, small_venue
from tests.integration.retail_gateway.trader import PATIENT

BUY = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


class Socket:
    """One connection of a trader's."""

    def __init__(self, connection: ClientConnection, trader: AsyncTrader) -> None:
        self.connection = connection
        self.trader = trader
        self.events: list[dict[str, Any]] = []
        self._number = 0

    def signed(self, **parameters: Any) -> dict[str, Any]:
        """Add the key, the time and the signature."""
        params = {**PATIENT, **parameters, "apiKey": self.trader.key_id}
        params["timestamp"] = time.time_ns() // 1_000_000
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return {**params, "signature": self.trader.signature(text.encode())}

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request; return its answer, and keep the events that came before it."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": params or {}}
        await self.connection.send(json.dumps(request))
        while (said := json.loads(await self.connection.recv())).get("id") != self._number:
            self.events.append(said)
        return dict(said)

    async def told(self, kind: str, execution: str = "") -> dict[str, Any]:
        """Wait for an event of a kind; return it, and forget those before it."""
        while True:
            if not self.events:
                self.events.append(json.loads(await self.connection.recv()))
            said = self.events.pop(0)
            event = dict(said["event"])
            if event["e"] == kind and execution in ("", event.get("x")):
                return event


@asynccontextmanager
async def socket(venue: SmallVenue, trader: AsyncTrader) -> AsyncIterator[Socket]:
    async with connect(venue.socket_url) as connection:
        yield Socket(connection, trader)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


async def test_an_order_is_placed_and_its_owner_is_told_of_all_that_happens(
    venue: SmallVenue,
) -> None:
    ada, ben = await venue.funded(usd=100_000), await venue.funded(btc=1)
    async with socket(venue, ada) as hers:
        subscribed = await hers.ask("userDataStream.subscribe.signature", hers.signed())
        assert subscribed["result"] == {"subscriptionId": 0}
        terms = {**BUY, "quantity": "0.5", "price": "59000", "newClientOrderId": "ws-1"}
        placed = await hers.ask("order.place", hers.signed(**terms))
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        new = await hers.told("executionReport", "NEW")
        assert (new["c"], new["X"], new["q"], new["i"]) == (
            "ws-1", "NEW", "0.5000", placed["result"]["orderId"],
        )  # fmt: skip
        money = await hers.told("outboundAccountPosition")
        assert {"a": "USD", "f": "70485.250000", "l": "29514.750000"} in money["B"]
        sell = {**BUY, "side": "SELL", "quantity": "0.2", "price": "59000"}
        await ben.does("POST", "/api/v3/order", **sell)
        trade = await hers.told("executionReport", "TRADE")
        assert (trade["l"], trade["L"], trade["z"], trade["X"], trade["m"]) == (
            "0.2000", "59000.00", "0.2000", "PARTIALLY_FILLED", True,
        )  # fmt: skip
        assert (trade["n"], trade["N"]) == ("2.360000", "USD")
        gone = await hers.ask("order.cancel", hers.signed(symbol="BTCUSD", orderId=new["i"]))
        assert gone["result"]["status"] == "CANCELED"
        cancelled = await hers.told("executionReport", "CANCELED")
        assert (cancelled["C"], cancelled["X"]) == ("ws-1", "CANCELED")
        await venue.credit(ada, 2, 3)
        update = await hers.told("balanceUpdate")
        assert (update["a"], update["d"]) == ("BTC", "3.00000000")
        await hers.ask("userDataStream.unsubscribe", {"subscriptionId": 0})
        assert (await hers.ask("session.subscriptions"))["result"] == []


async def test_an_answer_says_no_limits_when_nobody_wants_them(venue: SmallVenue) -> None:
    ada = await venue.funded(usd=100_000)
    async with socket(venue, ada) as hers:
        terms = {**BUY, "quantity": "0.5", "price": "59000"}
        placed = await hers.ask("order.place", hers.signed(**terms, returnRateLimits="false"))
        assert placed["status"] == 200, placed
        assert "rateLimits" not in placed
        assert "rateLimits" in await hers.ask("ping", {"returnRateLimits": True})
        refused = await hers.ask("ping", {"returnRateLimits": "perhaps"})
        assert (refused["status"], refused["error"]["code"]) == (400, -1100)


async def test_nobody_hears_of_another_person(venue: SmallVenue) -> None:
    ada, eve = await venue.funded(usd=100_000), venue.trader()
    async with socket(venue, eve) as hers:
        await hers.ask("userDataStream.subscribe.signature", hers.signed())
        await ada.does("POST", "/api/v3/order", **BUY, quantity="0.5", price="59000")
        seen = await hers.ask("openOrders.status", hers.signed())
        assert seen["result"] == []
        assert hers.events == []


async def test_a_session_is_opened_once_and_ends_with_its_key(venue: SmallVenue) -> None:
    trader = venue.trader(kind=KeyKind.ED25519)
    async with socket(venue, trader) as hers:
        assert (await hers.ask("account.status"))["status"] == 401
        assert (await hers.ask("session.logon", hers.signed()))["result"]["apiKey"]
        now = {**PATIENT, "timestamp": time.time_ns() // 1_000_000}
        assert (await hers.ask("account.status", now))["result"]["canTrade"]
        assert (await hers.ask("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        person = venue.people.by_key[trader.key_id]
        venue.people.by_key[trader.key_id] = replace(person, status=Status.FROZEN)
        assert (await hers.ask("account.status", now))["error"]["code"] == -2015
        venue.people.by_key[trader.key_id] = person
        assert (await hers.ask("session.logout"))["result"]["apiKey"] is None
        assert (await hers.ask("account.status", now))["status"] == 401


async def test_a_session_of_a_key_that_reads_does_not_trade(venue: SmallVenue) -> None:
    reader = venue.trader(permissions=(Permission.READ,))
    async with socket(venue, reader) as hers:
        await hers.ask("session.logon", hers.signed())
        now = time.time_ns() // 1_000_000
        terms = {**BUY, "quantity": "0.5", "price": "59000", "timestamp": now, **PATIENT}
        assert (await hers.ask("order.place", terms))["error"]["code"] == -2015


async def test_a_forged_or_repeated_request_does_nothing(venue: SmallVenue) -> None:
    ada = await venue.funded(usd=100_000)
    async with socket(venue, ada) as hers:
        good = hers.signed(**BUY, quantity="0.5", price="59000")
        for name, value in (("quantity", "0.6"), ("price", 59001), ("icebergQty", "0.1")):
            refused = await hers.ask("order.place", {**good, name: value})
            assert refused["error"]["code"] == -1022
        assert (await hers.ask("order.place", good))["status"] == 200
        assert (await hers.ask("order.place", good))["error"]["code"] == -2010
        assert (await hers.ask("order.test", good))["error"]["code"] == -2010
        assert len(await ada.does("GET", "/api/v3/openOrders")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"id":1}', '{"id":{},"method":"ping"}', '{"method":1}',
        '{"id":1,"method":"order.nothing","params":{}}', '{"id":1,"method":"ping","more":1}',
        '{"id":1,"method":"order.place","params":[]}', "[" * 5000,
        '{"id":1,"method":"time","params":{"a":{}}}',
        '{"id":1,"method":"time","params":{"a":1.5}}',
        '{"id":1,"method":"time","params":{"a\\u0000":"1"}}',
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_and_the_connection_goes_on(
    venue: SmallVenue, text: str
) -> None:
    async with socket(venue, venue.trader()) as hers:
        await hers.connection.send(text)
        refused = json.loads(await hers.connection.recv())
        assert refused["error"]["code"] < 0
        assert refused["status"] in (400, 404)
        assert (await hers.ask("ping"))["result"] == {}


async def test_frames_that_are_too_large_or_no_text_end_the_connection(venue: SmallVenue) -> None:
    for message in (b"\x00", "x" * 70_000):
        async with connect(venue.socket_url) as connection:
            await connection.send(message)
            with pytest.raises(ConnectionClosed):
                await connection.recv()
    with pytest.raises(InvalidStatus):
        await connect(venue.socket_url.replace("/v3", "/v4"))


async def test_who_says_too_much_is_told_so_and_cut(tmp_path: Path) -> None:
    limits = SocketLimits(messages_per_second=1)
    async with (
        small_venue(tmp_path, sockets=limits) as venue,
        connect(venue.socket_url) as connection,
    ):
        with suppress(ConnectionClosed):
            for number in range(200):
                await connection.send(json.dumps({"id": number, "method": "ping"}))
        answers = [json.loads(text) async for text in _until_cut(connection)]
        refused = [each for each in answers if each["status"] != 200]
        assert [(each["status"], each["error"]["code"]) for each in refused] == [(429, -1003)]
        assert refused[0]["error"]["details"] == {
            "code": 1263, "name": "TOO_MANY_MESSAGES", "limit": 1, "usage": 2,
        }  # fmt: skip
        assert connection.close_code == 1008
        assert connection.close_reason is not None
        assert connection.close_reason.startswith("1263 more than 1 messages a second")


async def test_pings_count_as_messages(tmp_path: Path) -> None:
    limits = SocketLimits(messages_per_second=1)
    async with (
        small_venue(tmp_path, sockets=limits) as venue,
        connect(venue.socket_url, ping_interval=None) as connection,
    ):
        with suppress(ConnectionClosed):
            for number in range(200):
                await connection.ping(str(number))
        assert [json.loads(text)["status"] async for text in _until_cut(connection)] == [429]
        assert connection.close_code == 1008


async def _until_cut(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await connection.recv()
    except ConnectionClosed:
        return
