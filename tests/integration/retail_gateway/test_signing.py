"""Who signs what: forged, replayed, moved, partly signed and late requests."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.accounts.terms import KeyKind, Permission, Status
from tests.integration.retail_gateway.small_venue import AsyncTrader, SmallVenue, small_venue

ORDER = "/api/v3/order"
LIMIT = {
    "symbol": "BTCUSD", "type": "LIMIT", "timeInForce": "GTC", "side": "BUY",
    "quantity": "0.01", "price": "59000",
}  # fmt: skip


class StoppedClock:
    """The time of venue and API, which stands still once it is told to."""

    def __init__(self) -> None:
        self._stopped_ns = 0

    def __call__(self) -> int:
        return self._stopped_ns or time.time_ns()

    def stop(self) -> int:
        self._stopped_ns = time.time_ns()
        return self._stopped_ns


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


@pytest.fixture
async def ada(venue: SmallVenue) -> AsyncTrader:
    return await venue.funded(usd=100_000)


async def open_orders(trader: AsyncTrader) -> int:
    return len(await trader.does("GET", "/api/v3/openOrders"))


@pytest.mark.parametrize("kind", list(KeyKind))
async def test_a_changed_byte_is_refused_and_nothing_happens(
    venue: SmallVenue, kind: KeyKind
) -> None:
    trader = venue.trader(kind=kind)
    good = trader.signed(LIMIT)
    for old, new in (("0.01", "0.02"), ("BUY", "SELL"), ("59000", "59001"), ("BTC", "ETH")):
        answer = await trader.sends("POST", ORDER, good.replace(old, new, 1))
        assert answer.json()["code"] == -1022, answer.text
    more = await trader.sends("POST", ORDER, good.replace("&signature", "&icebergQty=1&signature"))
    assert more.json()["code"] == -1022
    assert await open_orders(trader) == 0


async def test_a_parameter_after_the_signature_is_signed_too(ada: AsyncTrader) -> None:
    good = ada.signed(LIMIT)
    answer = await ada.sends("POST", ORDER, f"{good}&icebergQty=0.005")
    assert answer.json()["code"] == -1022
    answer = await ada.sends("POST", ORDER, good, body="icebergQty=0.005")
    assert answer.json()["code"] == -1022
    assert await open_orders(ada) == 0


async def test_nothing_is_read_that_was_not_signed_or_twice(ada: AsyncTrader) -> None:
    for query in ("price=1&price=59000", "a", "=1", "pri%zzce=1", "price=5=9", "price=%00", ""):
        text = ada.signed(LIMIT)
        answer = await ada.sends("POST", ORDER, f"{query}&{text}" if query else f"{text}&")
        assert answer.status_code == 400, query
        assert answer.json()["code"] in (-1100, -1101, -1102), answer.text
    assert await open_orders(ada) == 0


async def test_the_border_of_query_and_body_cannot_be_moved(ada: AsyncTrader) -> None:
    text = ada.signed(LIMIT)
    unsigned, _, signature = text.rpartition("&signature=")
    for at in range(1, len(unsigned)):
        query, body = unsigned[:at], unsigned[at:] + "&signature=" + signature
        answer = await ada.sends("POST", ORDER, query, body=body)
        assert answer.json()["code"] in (-1100, -1101, -1102, -1104, -1105), answer.text
    assert await open_orders(ada) == 0
    assert (await ada.sends("POST", ORDER, body=text)).status_code == 200


async def test_a_signature_is_good_once_and_for_one_door(ada: AsyncTrader) -> None:
    text = ada.signed(LIMIT)
    assert (await ada.sends("POST", "/api/v3/order/test", text)).json() == {}
    moved = await ada.sends("POST", ORDER, text)
    assert moved.json()["details"]["name"] == "REQUEST_REPLAYED"
    assert await open_orders(ada) == 0
    text = ada.signed({**LIMIT, "newClientOrderId": "x"})
    assert (await ada.sends("POST", ORDER, text)).status_code == 200
    again = await ada.sends("POST", ORDER, text)
    assert (again.json()["code"], again.json()["msg"]) == (-2010, "Duplicate order sent.")
    seen = ada.signed({"symbol": "BTCUSD"})
    for _ in range(2):  # a question may be asked twice in a millisecond
        assert (await ada.sends("GET", "/api/v3/openOrders", seen)).status_code == 200
    assert (await ada.sends("DELETE", "/api/v3/openOrders", seen)).json()["code"] == -2010
    assert await open_orders(ada) == 1


@pytest.mark.parametrize(
    ("skew_ms", "window", "code"),
    [
        (0, None, None),
        (-4_000, None, None),
        (-5_500, None, -1021),
        (-5_500, "6000.5", None),
        (900, None, None),
        (1_100, None, -1021),
        (0, "60001", -1131),
        (0, "0", -1131),
        (0, "-1", -1131),
        (0, "5000.1234", -1131),
        (0, "nan", -1131),
    ],
)
async def test_a_request_holds_for_its_window(
    tmp_path: Path, skew_ms: int, window: str | None, code: int | None
) -> None:
    clock = StoppedClock()
    async with small_venue(tmp_path, clock=clock) as venue:
        ada = await venue.funded(usd=100_000)
        parameters = LIMIT if window is None else {**LIMIT, "recvWindow": window}
        at_ms = clock.stop() // 1_000_000 + skew_ms
        answer = await ada.sends("POST", ORDER, ada.signed(parameters, at_ms=at_ms))
        assert answer.json().get("code") == code, answer.text


async def test_microseconds_are_a_time_and_nonsense_is_none(ada: AsyncTrader) -> None:
    microseconds = time.time_ns() // 1000
    answer = await ada.sends("GET", "/api/v3/account", ada.signed({}, at_ms=microseconds))
    assert answer.status_code == 200
    for stamp in (0, -1, 10**30, microseconds * 1000):
        answer = await ada.sends("GET", "/api/v3/account", ada.signed({}, at_ms=stamp))
        assert answer.json()["code"] == -1102


async def test_a_wrong_key_no_key_and_an_old_key_do_not_differ(venue: SmallVenue) -> None:
    old, stranger = venue.trader(seconds=-1), venue.trader()
    del venue.people.by_key[stranger.key_id]
    forger = venue.trader()
    forger.secret = b"guessed"
    answers = [await each.may_not("GET", "/api/v3/account") for each in (old, stranger, forger)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == -1022
    for key_id in ("", "ö", "x" * 65, "a b"):
        forger.key_id = key_id
        answer = await venue.http.get("/api/v3/account", headers={b"X-MBX-APIKEY": key_id.encode()})
        assert answer.json()["code"] == -2014, answer.text


async def test_a_key_opens_what_it_may_and_from_where(venue: SmallVenue) -> None:
    reader = venue.trader(permissions=(Permission.READ,))
    assert (await reader.does("GET", "/api/v3/account"))["uid"]
    assert (await reader.may_not("POST", ORDER, **LIMIT))["code"] == -2015
    far = venue.trader(addresses=("192.0.2.0/24",))
    refused = await far.may_not("GET", "/api/v3/account")
    assert (refused["code"], refused["details"]["name"]) == (-2015, "ADDRESS_NOT_ALLOWED")
    frozen = venue.trader()
    person = venue.people.by_key[frozen.key_id]
    venue.people.by_key[frozen.key_id] = replace(person, status=Status.FROZEN)
    assert (await frozen.may_not("GET", "/api/v3/account"))["code"] == -2015
