"""Orders against a real engine: every type, refusals with their words, bad numbers, lost links."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from retail_gateway.settings import Limits
from tests.integration.retail_gateway.small_venue import (
    AsyncTrader,
    SmallVenue,
    small_venue,
)
from tests.venue_support import PATIENCE_SECONDS

ORDER = "/api/v3/order"
HALF_PAST_NS = (1_796_040_000 + 30) * 1_000_000_000
"""In the middle of a minute, so that no count begins anew."""

BUY = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
SELL = {**BUY, "side": "SELL"}


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


@pytest.fixture
async def ada(venue: SmallVenue) -> AsyncTrader:
    return await venue.funded(usd=100_000)


@pytest.fixture
async def ben(venue: SmallVenue) -> AsyncTrader:
    return await venue.funded(btc=10)


async def order(trader: AsyncTrader, **terms: str | int) -> Any:
    return await trader.does("POST", ORDER, **terms)


@pytest.mark.parametrize(
    ("changes", "code", "name"),
    [
        ({"price": "59000.001"}, -1013, "PRICE_OFF_TICK"),
        ({"quantity": "0.00001"}, -1013, "QUANTITY_OFF_LOT"),
        ({"quantity": "0"}, -1013, "AMOUNT_OUT_OF_RANGE"),
        ({"price": "0.00"}, -1013, "AMOUNT_OUT_OF_RANGE"),
        ({"price": "NaN"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "Infinity"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "1e5"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "-1"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "+1"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": " 59000"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "59000\n"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "59_000"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "059000"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": ".5"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "5."}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "\u0665"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "1" * 21}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "9" * 18}, -1013, "AMOUNT_OUT_OF_RANGE"),
        ({"price": "0." + "0" * 19 + "1"}, -1100, "PARAMETER_MALFORMED"),
        ({"price": "10000000.01"}, -1013, "PRICE_OUT_OF_RANGE"),
        ({"quantity": "10000.0001"}, -1013, "QUANTITY_ABOVE_MAXIMUM"),
        ({"price": "70000"}, -1013, "PRICE_OUTSIDE_COLLAR"),
        ({"quantity": "0.0001", "price": "1"}, -1013, "NOTIONAL_BELOW_MINIMUM"),
        ({"quantity": "5"}, -2010, "INSUFFICIENT_FUNDS"),
        ({"side": "HOLD"}, -1117, "PARAMETER_MALFORMED"),
        ({"type": "TAKE_PROFIT"}, -1116, "PARAMETER_MALFORMED"),
        ({"timeInForce": "GTX"}, -1115, "PARAMETER_MALFORMED"),
        ({"symbol": "DOGEUSD"}, -1121, "SYMBOL_UNKNOWN"),
        ({"symbol": "BTC USD"}, -1100, "PARAMETER_MALFORMED"),
        ({"stopPrice": "58000"}, -1106, "PARAMETER_NOT_ALLOWED"),
        ({"quoteOrderQty": "10"}, -1106, "PARAMETER_NOT_ALLOWED"),
        ({"icebergQty": "0.0005"}, -1013, "DISPLAY_QUANTITY_INVALID"),
        ({"newClientOrderId": "a b"}, -1100, "PARAMETER_MALFORMED"),
        ({"newClientOrderId": "x" * 37}, -1100, "PARAMETER_MALFORMED"),
        ({"account": "1000002"}, -1104, "PARAMETER_UNKNOWN"),
        ({"valid_until_ns": "0"}, -1101, "PARAMETER_MALFORMED"),
    ],
)
async def test_a_refusal_says_what_and_why(
    ada: AsyncTrader, changes: dict[str, str], code: int, name: str
) -> None:
    terms = {**BUY, "quantity": "0.01", "price": "59000"} | changes
    for path in (ORDER, "/api/v3/order/test"):
        refused = await ada.may_not("POST", path, **terms)
        assert (refused["code"], refused["details"]["name"]) == (code, name), refused
    assert await ada.does("GET", "/api/v3/openOrders") == []


async def test_what_is_missing_is_named(ada: AsyncTrader) -> None:
    full = {**BUY, "quantity": "0.01", "price": "59000"}
    for name in full:
        refused = await ada.may_not("POST", ORDER, **{k: v for k, v in full.items() if k != name})
        assert (refused["code"], f"'{name}'" in refused["msg"]) == (-1102, True), refused


async def test_every_type_does_what_it_is_called(ada: AsyncTrader, ben: AsyncTrader) -> None:
    await order(ben, **SELL, quantity="1", price="60000")
    maker = {**BUY, "type": "LIMIT_MAKER", "quantity": "0.1"}
    del maker["timeInForce"]
    refused = await ada.may_not("POST", ORDER, **maker, price="60000")
    assert refused["msg"] == "Order would immediately match and take."
    rests = await order(ada, **maker, price="59999")
    seen = await ada.does("GET", ORDER, symbol="BTCUSD", orderId=rests["orderId"])
    assert (seen["type"], seen["status"]) == ("LIMIT_MAKER", "NEW")
    for force, filled, status in (("IOC", "0.1000", "FILLED"), ("FOK", "0.1000", "FILLED")):
        terms = {**BUY, "timeInForce": force, "quantity": "0.1", "price": "60000"}
        done = await order(ada, **terms)
        assert (done["executedQty"], done["status"]) == (filled, status)
    missed = await order(ada, **{**BUY, "timeInForce": "FOK"}, quantity="1.2", price="60000")
    assert (missed["executedQty"], missed["status"]) == ("0.0000", "EXPIRED")
    market = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET"}
    spent = await order(ada, **market, quoteOrderQty="3001.5")
    assert (spent["executedQty"], spent["origQuoteOrderQty"]) == ("0.0500", "3001.500000")
    assert spent["price"] == "0.00"
    stop = {"symbol": "BTCUSD", "side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC"}
    waits = await order(ada, **stop, quantity="0.1", price="59000", stopPrice="59500")
    assert "stopPrice" not in waits  # ACK: the ids only
    seen = await ada.does("GET", ORDER, symbol="BTCUSD", orderId=waits["orderId"])
    assert (seen["status"], seen["isWorking"], seen["stopPrice"]) == ("NEW", False, "59500.00")


async def test_a_cancel_is_restricted_as_it_asks(ada: AsyncTrader) -> None:
    placed = await order(ada, **BUY, quantity="0.1", price="59000")
    by = {"symbol": "BTCUSD", "orderId": placed["orderId"]}
    refused = await ada.may_not("DELETE", ORDER, **by, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert refused["details"]["name"] == "CANCEL_RESTRICTED"
    done = await ada.does("DELETE", ORDER, **by, cancelRestrictions="ONLY_NEW")
    assert done["status"] == "CANCELED"


async def test_a_replacement_says_both_halves(ada: AsyncTrader) -> None:
    path = "/api/v3/order/cancelReplace"
    first = await order(ada, **BUY, quantity="0.1", price="59000")
    terms = {**BUY, "quantity": "0.1", "price": "59100", "cancelOrderId": first["orderId"]}
    both = await ada.does("POST", path, **terms, cancelReplaceMode="STOP_ON_FAILURE")
    assert both["cancelResult"] == both["newOrderResult"] == "SUCCESS"
    assert both["cancelResponse"]["orderId"] == first["orderId"]
    none = await ada.may_not("POST", path, **terms, cancelReplaceMode="STOP_ON_FAILURE")
    assert (none["code"], none["data"]["newOrderResult"]) == (-2022, "NOT_ATTEMPTED")
    half = await ada.may_not("POST", path, **terms, cancelReplaceMode="ALLOW_FAILURE")
    assert half["code"] == -2021
    assert half["data"]["cancelResponse"]["code"] == -2011
    assert half["data"]["newOrderResponse"]["status"] == "NEW"
    assert len(await ada.does("GET", "/api/v3/openOrders")) == 2


async def test_an_amend_makes_smaller_and_keeps_its_place(
    venue: SmallVenue, ada: AsyncTrader, ben: AsyncTrader
) -> None:
    path = "/api/v3/order/amend/keepPriority"
    first = await order(ada, **BUY, quantity="0.5", price="59000", newClientOrderId="a")
    other = await venue.funded(usd=100_000)
    await order(other, **BUY, quantity="0.5", price="59000")
    by = {"symbol": "BTCUSD", "orderId": first["orderId"]}
    assert (await ada.may_not("PUT", path, **by, newQty="0.6"))["code"] == -2038
    amended = await ada.does("PUT", path, **by, newQty="0.2", newClientOrderId="b")
    assert amended["amendedOrder"]["origQty"] == "0.2000"
    assert amended["amendedOrder"]["clientOrderId"] == "b"
    await order(ben, **SELL, quantity="0.2", price="59000")
    seen = await ada.does("GET", ORDER, symbol="BTCUSD", origClientOrderId="b")
    assert seen["status"] == "FILLED"


async def test_all_open_orders_of_a_market_go(ada: AsyncTrader) -> None:
    for price in ("58000", "58001", "58002"):
        await order(ada, **BUY, quantity="0.1", price=price)
    eth = await order(ada, **{**BUY, "symbol": "ETHUSD"}, quantity="0.1", price="2900")
    gone = await ada.does("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
    assert [each["status"] for each in gone] == ["CANCELED"] * 3
    (left,) = await ada.does("GET", "/api/v3/openOrders")
    assert left["orderId"] == eth["orderId"]
    refused = await ada.may_not("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
    assert refused["code"] == -2011


async def test_pages_of_orders_and_trades_hang_together(ada: AsyncTrader, ben: AsyncTrader) -> None:
    ids = []
    for at in range(7):
        await order(ben, **SELL, quantity="0.01", price="60000")
        made = await order(ada, **BUY, quantity="0.01", price="60000", newClientOrderId=f"n{at}")
        ids.append(made["orderId"])
    path, symbol = "/api/v3/allOrders", "BTCUSD"
    whole = await ada.does("GET", path, symbol=symbol)
    assert [each["orderId"] for each in whole] == ids
    newest = await ada.does("GET", path, symbol=symbol, limit=3)
    assert [each["orderId"] for each in newest] == ids[-3:]
    later = await ada.does("GET", path, symbol=symbol, orderId=ids[2], limit=3)
    assert [each["orderId"] for each in later] == ids[2:5]
    at = whole[4]["time"]
    within = await ada.does("GET", path, symbol=symbol, startTime=at, endTime=at)
    assert ids[4] in [each["orderId"] for each in within]
    assert all(each["time"] == at for each in within)
    trades = await ada.does("GET", "/api/v3/myTrades", symbol=symbol)
    assert len(trades) == 7
    rest = await ada.does("GET", "/api/v3/myTrades", symbol=symbol, fromId=trades[5]["id"])
    assert rest == trades[5:]
    one = await ada.does("GET", "/api/v3/myTrades", symbol=symbol, orderId=ids[3])
    assert one == [trades[3]]
    day = 86_400_000
    refused = await ada.may_not("GET", path, symbol=symbol, startTime=0, endTime=day + 1)
    assert (refused["code"], refused["details"]["limit"]) == (-1127, day)


async def test_one_account_is_opened_however_many_ask_at_once(venue: SmallVenue) -> None:
    trader = venue.trader()
    others = [venue.second_key(trader) for _ in range(10)]
    answers = await asyncio.gather(*(each.does("GET", "/api/v3/account") for each in others))
    assert len({answer["uid"] for answer in answers}) == 1


async def test_a_lost_link_is_made_again_and_nothing_is_forgotten(
    venue: SmallVenue, ada: AsyncTrader
) -> None:
    placed = await order(ada, **BUY, quantity="0.1", price="59000")
    lost = venue.links[-1]
    lost._protocol.abort()
    refused = await ada.may_not("POST", ORDER, **BUY, quantity="0.1", price="59000")
    assert (refused["code"], refused["details"]["name"]) == (-1001, "VENUE_AWAY")
    # What is known may be old now, and is not shown as new.
    seen = await ada.sends("GET", "/api/v3/openOrders", ada.signed({}))
    assert seen.status_code == 200 or seen.json()["details"]["name"] == "VENUE_AWAY", seen.text

    async def trades() -> bool:
        answer = await ada.sends(
            "POST", ORDER, ada.signed({**BUY, "quantity": "0.2", "price": "59000"})
        )
        return answer.status_code == 200

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await trades():  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.01)
    assert len(await ada.does("GET", "/api/v3/openOrders")) == 2
    gone = await ada.does("DELETE", ORDER, symbol="BTCUSD", orderId=placed["orderId"])
    assert gone["status"] == "CANCELED"


async def test_no_answer_in_time_is_said_to_be_unknown_and_the_order_is_found_later(
    tmp_path: Path,
) -> None:
    async with small_venue(tmp_path) as venue:
        ada = await venue.funded(usd=1000)
        link = venue.service._link
        hasty = replace(link._settings.limits, answer_seconds_max=0.2)
        patient, link._settings = link._settings, replace(link._settings, limits=hasty)
        protocol = venue.links[-1]._protocol
        heard: list[bytes] = []
        listens = protocol.data_received
        protocol.data_received = heard.append  # type: ignore[method-assign,assignment]
        terms = {**BUY, "quantity": "0.01", "price": "59000", "newClientOrderId": "late"}
        answer = await ada.sends("POST", ORDER, ada.signed(terms))
        assert (answer.status_code, answer.json()["code"]) == (504, -1007)
        protocol.data_received = listens  # type: ignore[method-assign]
        link._settings = patient
        for data in heard:
            listens(data)
        found = await ada.does("GET", ORDER, symbol="BTCUSD", origClientOrderId="late")
        assert found["status"] == "NEW"
        again = await ada.may_not("POST", ORDER, **terms)
        assert again["msg"] == "Duplicate order sent."


async def test_too_much_is_told_to_wait_and_who_goes_on_is_banned(tmp_path: Path) -> None:
    limits = Limits(weight_per_minute=50, ignored_max=3, ban_seconds=60)
    async with small_venue(tmp_path, limits=limits, clock=lambda: HALF_PAST_NS) as venue:
        for _ in range(50):
            assert (await venue.http.get("/api/v3/ping")).status_code == 200
        answers = [await venue.http.get("/api/v3/exchangeInfo") for _ in range(8)]
        blocked = [each for each in answers if each.status_code == 429]
        assert 1 <= len(blocked) <= 2 * limits.ignored_max
        assert 1 <= int(blocked[0].headers["retry-after"]) <= 60
        assert blocked[0].json()["details"] | {"usage": 0} == {
            "code": 1229, "name": "WEIGHT_EXCEEDED", "limit": 50, "usage": 0,
        }  # fmt: skip
        assert answers[-1].status_code == 418
        assert 50 <= int(answers[-1].headers["retry-after"]) <= 60


async def test_orders_are_counted_by_account(tmp_path: Path) -> None:
    limits = Limits(orders_per_ten_seconds=1_000_000, orders_per_day=3)
    async with small_venue(tmp_path, limits=limits) as venue:
        ada, ben = await venue.funded(usd=100), await venue.funded(usd=100)
        terms = {**BUY, "quantity": "0.01", "price": "1"}
        seen = [await ada.sends("POST", ORDER, ada.signed(terms)) for _ in range(4)]
        assert [each.headers["x-mbx-order-count-1d"] for each in seen] == ["1", "2", "3", "4"]
        assert seen[2].json()["code"] == -1013
        assert (seen[3].status_code, seen[3].json()["code"]) == (429, -1015)
        assert (await ben.sends("POST", ORDER, ben.signed(terms))).json()["code"] == -1013
        counts = await ada.does("GET", "/api/v3/rateLimit/order")
        assert counts[1]["count"] == 4


async def test_a_stranger_path_and_a_large_body_are_refused(venue: SmallVenue) -> None:
    assert (await venue.http.get("/api/v3/nothing")).status_code == 404
    assert (await venue.http.put("/api/v3/ping")).status_code == 405
    answer = await venue.http.post("/api/v3/order", content=b"a" * 20_000)
    assert (answer.status_code, answer.json()["details"]["limit"]) == (413, 16_384)
    page = await venue.http.get("/api/v3/docs")
    assert "/api/v3/order/amend/keepPriority" in page.text
    document = (await venue.http.get("/api/v3/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
