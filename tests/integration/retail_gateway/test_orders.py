"""Orders over REST, from the first to the last answer, on a whole venue."""

import asyncio

import httpx

from services.accounts.terms import KeyKind
from tests.integration.retail_gateway.trader import Registrar, Trader

ORDER = "/api/v3/order"
LIMIT = {"symbol": "BTCUSD", "type": "LIMIT", "timeInForce": "GTC"}


def test_strangers_learn_the_time_and_the_markets(registrar: Registrar) -> None:
    assert httpx.get(f"{registrar.url}/api/v3/ping").json() == {}
    assert httpx.get(f"{registrar.url}/api/v3/time").json()["serverTime"] > 1_700_000_000_000
    said = httpx.get(f"{registrar.url}/api/v3/exchangeInfo").json()
    markets = {market["symbol"]: market for market in said["symbols"]}
    assert set(markets) == {"BTCUSD", "ETHUSD", "ETHBTC"}
    filters = {each["filterType"]: each for each in markets["BTCUSD"]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01"
    assert filters["LOT_SIZE"]["stepSize"] == "0.0001"


async def test_an_account_is_opened_by_the_first_request_and_stays(registrar: Registrar) -> None:
    trader = await registrar.trader()
    first = trader.ask("GET", "/api/v3/account")
    assert first["canTrade"]
    assert {each["free"] for each in first["balances"]} == {"0.000000", "0.00000000", "0.000000000"}
    assert trader.account == first["uid"]


async def test_an_order_rests_is_seen_and_is_cancelled(ada: Trader) -> None:
    placed = ada.ask(
        "POST", ORDER, **LIMIT, side="BUY", quantity="0.5", price="59000", newClientOrderId="a-1"
    )
    assert placed["status"] == "NEW"
    assert (placed["price"], placed["origQty"]) == ("59000.00", "0.5000")
    assert ada.ask("GET", "/api/v3/openOrders") == [
        ada.ask("GET", ORDER, symbol="BTCUSD", orderId=placed["orderId"])
    ]
    money = {each["asset"]: each for each in ada.ask("GET", "/api/v3/account")["balances"]}
    # 29,500 and the largest fee on it, 5 basis points.
    assert (money["USD"]["locked"], money["USD"]["free"]) == ("29514.750000", "70485.250000")
    gone = ada.ask("DELETE", ORDER, symbol="BTCUSD", origClientOrderId="a-1")
    assert (gone["status"], gone["orderId"]) == ("CANCELED", placed["orderId"])
    assert ada.ask("GET", "/api/v3/openOrders") == []
    refused = ada.refused("DELETE", ORDER, symbol="BTCUSD", origClientOrderId="a-1")
    assert (refused["code"], refused["msg"]) == (-2011, "Unknown order sent.")
    money = {each["asset"]: each for each in ada.ask("GET", "/api/v3/account")["balances"]}
    assert (money["USD"]["locked"], money["USD"]["free"]) == ("0.000000", "100000.000000")


async def test_a_client_id_is_good_once_also_when_its_order_is_gone(ada: Trader) -> None:
    terms = {**LIMIT, "side": "BUY", "quantity": "0.01", "price": "59000"}
    ada.ask("POST", ORDER, **terms, newClientOrderId="once")
    ada.ask("DELETE", ORDER, symbol="BTCUSD", origClientOrderId="once")
    refused = ada.refused("POST", ORDER, **terms, newClientOrderId="once")
    assert (refused["code"], refused["msg"]) == (-2010, "Duplicate order sent.")
    assert refused["details"]["name"] == "DUPLICATE_CLIENT_ORDER_ID"


async def test_two_people_trade_and_both_know_it(ada: Trader, ben: Trader) -> None:
    sold = ben.ask("POST", ORDER, **LIMIT, side="SELL", quantity="0.3", price="60000")
    bought = ada.ask("POST", ORDER, symbol="BTCUSD", type="MARKET", side="BUY", quantity="0.2")
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "0.2000")
    assert bought["cummulativeQuoteQty"] == "12000.000000"
    (fill,) = bought["fills"]
    assert (fill["price"], fill["qty"], fill["commission"]) == ("60000.00", "0.2000", "6.000000")
    resting = ben.ask("GET", ORDER, symbol="BTCUSD", orderId=sold["orderId"])
    assert (resting["status"], resting["executedQty"]) == ("PARTIALLY_FILLED", "0.2000")
    (hers,) = ada.ask("GET", "/api/v3/myTrades", symbol="BTCUSD")
    (his,) = ben.ask("GET", "/api/v3/myTrades", symbol="BTCUSD")
    assert hers["id"] == his["id"] == fill["tradeId"]
    assert (hers["isBuyer"], hers["isMaker"]) == (True, False)
    assert (his["isBuyer"], his["isMaker"], his["commission"]) == (False, True, "2.400000")
    money = {each["asset"]: each for each in ben.ask("GET", "/api/v3/account")["balances"]}
    assert (money["BTC"]["free"], money["BTC"]["locked"]) == ("9.70000000", "0.10000000")
    assert money["USD"]["free"] == "11997.600000"
    ben.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


async def test_market_data_is_passed_on(ada: Trader, ben: Trader) -> None:
    limit = {**LIMIT, "symbol": "ETHUSD"}
    ada.ask("POST", ORDER, **limit, side="BUY", quantity="0.5", price="2990")

    def asked(path: str, **parameters: str | int) -> httpx.Response:
        return ada.client.get(f"{ada.url}/api/v3/{path}", params=parameters)

    async with asyncio.timeout(120):
        while not asked("depth", symbol="ETHUSD").json().get("bids"):  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.05)
    book = asked("depth", symbol="ETHUSD", limit=5).json()
    assert book["bids"] == [["2990.00", "0.500"]]
    assert asked("depth", symbol="ETHUSD", limit=5).headers["x-mbx-used-weight-1m"]
    assert asked("ticker/bookTicker", symbol="ETHUSD").json()["bidPrice"] == "2990.00"
    refused = asked("klines", symbol="DOGEUSD", interval="1m")
    assert (refused.status_code, refused.json()["code"]) == (400, -1121)
    ada.ask("DELETE", "/api/v3/openOrders", symbol="ETHUSD")


async def test_an_ed25519_key_signs_too(registrar: Registrar) -> None:
    trader = await registrar.trader(kind=KeyKind.ED25519)
    assert trader.ask("GET", "/api/v3/account")["uid"] > 1_000_000
    assert trader.ask("GET", "/api/v3/openOrders", symbol="ETHUSD") == []
