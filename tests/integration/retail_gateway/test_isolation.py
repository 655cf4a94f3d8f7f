"""Every endpoint against somebody else's objects: made from the table, so none is left out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from retail_gateway.routes import Endpoint, Security
from services.accounts.terms import Permission
from tests.integration.retail_gateway.small_venue import AsyncTrader, SmallVenue, small_venue
from tests.unit.retail_gateway.desk import a_table

SIGNED = [each for each in a_table() if each.security is not Security.NONE]
HERS = "hers-0815"


class Scene:
    """Ada has an order and has traded; Eve has a key, and knows all of Ada's ids."""

    def __init__(self, venue: SmallVenue, ada: AsyncTrader, eve: AsyncTrader) -> None:
        self.venue, self.ada, self.eve = venue, ada, eve
        self.order: dict[str, Any] = {}

    def wanted(self, endpoint: Endpoint) -> dict[str, str | int]:
        """Return what an endpoint needs, with Ada's ids wherever an id goes."""
        hers: dict[str, str | int] = {
            "symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.01", "price": "50000", "orderId": self.order["orderId"],
            "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": self.order["orderId"],
            "newQty": "0.1", "fromId": 0, "countdownTime": "60000",
        }  # fmt: skip
        fields = msgspec.structs.fields(endpoint.takes)
        # Trades are asked for by order, orders from one on.
        skipped = {"orderId"} if endpoint.path.endswith("allOrders") else set()
        return {
            field.encode_name: hers[field.encode_name]
            for field in fields
            if field.encode_name in hers and field.encode_name not in skipped
        }

    async def picture(self) -> dict[str, Any]:
        """Return all that Ada can see of herself."""
        account = await self.ada.does("GET", "/api/v3/account")
        del account["updateTime"]
        return {
            "account": account,
            "open": await self.ada.does("GET", "/api/v3/openOrders"),
            "all": await self.ada.does("GET", "/api/v3/allOrders", symbol="BTCUSD"),
            "trades": await self.ada.does("GET", "/api/v3/myTrades", symbol="BTCUSD"),
        }


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with small_venue(tmp_path) as venue:
        ada, eve = await venue.funded(usd=100_000), await venue.funded(btc=1)
        scene = Scene(venue, ada, eve)
        limit = {"symbol": "BTCUSD", "type": "LIMIT", "timeInForce": "GTC"}
        scene.order = await ada.does(
            "POST", "/api/v3/order", **limit, side="BUY", quantity="0.5", price="59000",
            newClientOrderId=HERS,
        )  # fmt: skip
        await eve.does("POST", "/api/v3/order", **limit, side="SELL", quantity="0.1", price="59000")
        yield scene


async def test_nobody_sees_or_moves_what_is_another_persons(scene: Scene) -> None:
    before = await scene.picture()
    assert before["trades"]
    assert before["open"][0]["executedQty"] == "0.1000"
    for endpoint in SIGNED:
        query = scene.eve.signed(scene.wanted(endpoint))
        answer = await scene.eve.sends(endpoint.method, endpoint.path, query)
        assert HERS not in answer.text, endpoint.door
        names_hers = f'"orderId":{scene.order["orderId"]},' in answer.text
        assert not names_hers, endpoint.door
        assert answer.status_code < 500, answer.text
        assert await scene.picture() == before, endpoint.door


async def test_by_a_clients_id_nobody_finds_anothers_order_either(scene: Scene) -> None:
    for method, path, name in (
        ("GET", "/api/v3/order", "origClientOrderId"),
        ("DELETE", "/api/v3/order", "origClientOrderId"),
    ):
        refused = await scene.eve.may_not(method, path, **{"symbol": "BTCUSD", name: HERS})
        assert refused["code"] in (-2013, -2011)
    assert (await scene.picture())["open"]


async def test_nothing_of_a_person_is_told_without_a_signature(scene: Scene) -> None:
    before = await scene.picture()
    for endpoint in SIGNED:
        query = "&".join(f"{name}={value}" for name, value in scene.wanted(endpoint).items())
        answer = await scene.ada.sends(endpoint.method, endpoint.path, query)
        assert answer.json()["code"] == -1102, endpoint.door
        stranger = await scene.venue.http.request(endpoint.method, endpoint.path)
        assert stranger.json()["code"] == -2014, endpoint.door
    assert await scene.picture() == before


async def test_a_key_that_may_read_changes_nothing(scene: Scene) -> None:
    reader = scene.venue.second_key(scene.ada, Permission.READ)
    trader = scene.venue.second_key(scene.ada, Permission.TRADE)
    before = await scene.picture()
    for endpoint in SIGNED:
        if endpoint.security is Security.TRADE:
            refused = await reader.may_not(endpoint.method, endpoint.path, **scene.wanted(endpoint))
        else:
            refused = await trader.may_not(endpoint.method, endpoint.path, **scene.wanted(endpoint))
        assert refused["details"]["name"] == "PERMISSION_MISSING", endpoint.door
    assert await scene.picture() == before
