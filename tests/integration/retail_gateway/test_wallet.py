"""The wallet subset of ``/sapi/v1``, on a core and an API: what is asked, and the bounds of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from retail_gateway.adapters.memory import MemoryMoney
from retail_gateway.ports import HistoryAwayError, MoneyRange, Movement, MovementState
from retail_gateway.wallet import RANGE_MS_MAX
from retail_gateway.wallet_terms import MOVEMENTS_MAX, OFFSET_MAX
from services.accounts.terms import Permission
from tests.integration.retail_gateway.small_venue import AsyncTrader, SmallVenue, small_venue

DEPOSITS = "/sapi/v1/capital/deposit/hisrec"
WITHDRAWALS = "/sapi/v1/capital/withdraw/history"
COINS = "/sapi/v1/capital/config/getall"
MIDNIGHT_NS = time.time_ns() // 86_400_000_000_000 * 86_400_000_000_000
MIDNIGHT_MS = MIDNIGHT_NS // 1_000_000


def movement(number: int, state: MovementState = MovementState.DONE, **changes: int) -> Movement:
    fields = {"asset": 2, "amount_atoms": 150_000_000, "began_at_ns": MIDNIGHT_NS, "ended_at_ns": 0}
    if state is not MovementState.PENDING:
        fields["ended_at_ns"] = MIDNIGHT_NS + 61_000_000_000
    return Movement(event_number=number, state=state, **fields | changes)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


@pytest.fixture
async def ada(venue: SmallVenue) -> AsyncTrader:
    """Somebody with bitcoin, and a past in the ledger."""
    ada = await venue.funded(btc=5)
    account = (await ada.does("GET", "/api/v3/account"))["uid"]
    venue.money.came_in[account] = [movement(7), movement(8, asset=1, amount_atoms=2_500_000)]
    venue.money.went_out[account] = [
        movement(9, state, amount_atoms=100 + state) for state in MovementState
    ]
    return ada


async def test_everybody_may_know_whether_the_venue_takes_orders(venue: SmallVenue) -> None:
    answer = await venue.http.get("/sapi/v1/system/status")
    assert answer.json() == {"status": 0, "msg": "normal"}
    await venue.core.finish()
    async with asyncio.timeout(60):
        while answer.json()["status"] == 0:
            answer = await venue.http.get("/sapi/v1/system/status")
    assert answer.json() == {"status": 1, "msg": "system_maintenance"}


async def test_coins_say_what_is_free_tied_up_and_on_its_way(
    venue: SmallVenue, ada: AsyncTrader
) -> None:
    await ada.does(
        "POST", "/api/v3/order", symbol="BTCUSD", side="SELL", type="LIMIT", timeInForce="GTC",
        quantity="2", price="61000",
    )  # fmt: skip
    coins = {each["coin"]: each for each in await ada.does("GET", COINS)}
    assert set(coins) == {"BTC", "ETH", "USD"}
    bitcoin = coins["BTC"]
    assert (bitcoin["free"], bitcoin["withdrawing"]) == ("3.00000000", "0.00000100")
    assert bitcoin["locked"] == "1.99999900", "what is on its way is not locked as well"
    assert (bitcoin["trading"], bitcoin["isLegalMoney"]) == (True, False)
    assert coins["USD"]["isLegalMoney"]
    (network,) = bitcoin["networkList"]
    assert network["withdrawIntegerMultiple"] == "0.00000001"
    assert not network["depositEnable"]
    assert not network["withdrawEnable"]
    stranger = {each["coin"]: each for each in await venue.trader().does("GET", COINS)}
    nothing = ("0.00000000", "0.00000000", "0.00000000")
    assert tuple(stranger["BTC"][each] for each in ("free", "locked", "withdrawing")) == nothing


async def test_fees_are_those_of_the_commission(ada: AsyncTrader) -> None:
    fees = {each["symbol"]: each for each in await ada.does("GET", "/sapi/v1/asset/tradeFee")}
    assert set(fees) == {"BTCUSD", "ETHUSD", "ETHBTC"}
    said = await ada.does("GET", "/api/v3/account/commission", symbol="ETHBTC")
    standard = said["standardCommission"]
    fee = fees["ETHBTC"]
    assert (fee["makerCommission"], fee["takerCommission"]) == (
        standard["maker"],
        standard["taker"],
    )
    assert await ada.does("GET", "/sapi/v1/asset/tradeFee", symbol="ETHBTC") == [fee]
    refused = await ada.may_not("GET", "/sapi/v1/asset/tradeFee", symbol="DOGEUSD")
    assert (refused["code"], refused["details"]["name"]) == (-1121, "SYMBOL_UNKNOWN")


async def test_deposits_are_told_to_whom_they_came(venue: SmallVenue, ada: AsyncTrader) -> None:
    newest, older = await ada.does("GET", DEPOSITS)
    assert (newest["coin"], newest["amount"], newest["txId"]) == ("USD", "2.500000", "8")
    assert (older["coin"], older["amount"], older["status"]) == ("BTC", "1.50000000", 1)
    assert older["insertTime"] == MIDNIGHT_MS
    assert await ada.does("GET", DEPOSITS, coin="BTC") == [older]
    assert await ada.does("GET", DEPOSITS, limit=1, offset=1) == [older]
    assert await ada.does("GET", DEPOSITS, txId="8") == [newest]
    assert await ada.does("GET", DEPOSITS, txId="no-number") == []
    assert await ada.does("GET", DEPOSITS, status=1) == [newest, older]
    assert await ada.does("GET", DEPOSITS, status=0) == []
    assert await venue.trader().does("GET", DEPOSITS) == []


async def test_withdrawals_say_where_they_stand(venue: SmallVenue, ada: AsyncTrader) -> None:
    rows = {each["status"]: each for each in await ada.does("GET", WITHDRAWALS)}
    assert set(rows) == {1, 4, 6}
    pending, done = rows[4], rows[6]
    assert (pending["amount"], pending["completeTime"]) == ("0.00000100", None)
    day = time.strftime("%Y-%m-%d", time.gmtime(MIDNIGHT_MS // 1000))
    assert (done["applyTime"], done["completeTime"]) == (f"{day} 00:00:00", f"{day} 00:01:01")
    for status, row in rows.items():
        assert await ada.does("GET", WITHDRAWALS, status=status) == [row]
    assert await ada.does("GET", WITHDRAWALS, status=3) == []
    assert await ada.does("GET", WITHDRAWALS, withdrawOrderId="x") == []
    assert await ada.does("GET", WITHDRAWALS, coin="ETH") == []
    assert await venue.trader().does("GET", WITHDRAWALS) == []


@pytest.mark.parametrize("path", [DEPOSITS, WITHDRAWALS])
async def test_ranges_and_pages_are_bounded(ada: AsyncTrader, path: str) -> None:
    end = MIDNIGHT_MS + 1000
    for times in (
        {"startTime": end - RANGE_MS_MAX, "endTime": end},
        {"startTime": MIDNIGHT_MS},
        {"endTime": end},
    ):
        assert await ada.does("GET", path, **times)
    assert not await ada.does("GET", path, endTime=MIDNIGHT_MS - 1)
    assert not await ada.does("GET", path, startTime=MIDNIGHT_MS + 1)
    wide = {"startTime": end - RANGE_MS_MAX - 1, "endTime": end}
    refused = await ada.may_not("GET", path, **wide)
    assert refused["code"] == -1127
    assert refused["details"] == {
        "code": 1246, "name": "RANGE_INVALID", "limit": RANGE_MS_MAX, "usage": RANGE_MS_MAX + 1,
    }  # fmt: skip
    backwards = await ada.may_not("GET", path, startTime=end, endTime=end - 1)
    assert (backwards["code"], backwards["msg"]) == (-1127, "startTime after endTime.")
    assert backwards["details"]["name"] == "RANGE_INVALID"
    assert await ada.does("GET", path, limit=MOVEMENTS_MAX)
    assert await ada.does("GET", path, offset=OFFSET_MAX) == []
    for beyond in (
        {"limit": 0}, {"limit": MOVEMENTS_MAX + 1}, {"offset": OFFSET_MAX + 1}, {"status": 9},
    ):  # fmt: skip
        refused = await ada.may_not("GET", path, **beyond)
        assert refused["details"]["name"] == "PARAMETER_MALFORMED", beyond
    refused = await ada.may_not("GET", path, coin="DOGE")
    assert (refused["code"], refused["details"]["code"]) == (-1121, 1301)


async def test_a_key_says_what_it_may(venue: SmallVenue) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    here = venue.trader(permissions=(Permission.READ,), addresses=("127.0.0.0/8",))
    said = await here.does("GET", path)
    key = venue.people.by_key[here.key_id].api_keys[0]
    assert said["createTime"] == key.created_at_ns // 1_000_000
    assert said["tradingAuthorityExpirationTime"] == key.expires_at_ns // 1_000_000
    rights = ("ipRestrict", "enableReading", "enableSpotAndMarginTrading", "enableWithdrawals")
    assert [said[each] for each in rights] == [True, True, False, False]
    said = await venue.trader().does("GET", path)
    assert [said[each] for each in rights] == [False, True, True, False]


class AwayMoney(MemoryMoney):
    """A ledger that does not answer."""

    async def deposits(self, account: int, wanted: MoneyRange) -> list[Movement]:
        raise HistoryAwayError("away")

    async def withdrawals(self, account: int, wanted: MoneyRange) -> list[Movement]:
        raise HistoryAwayError("away")

    async def withdrawing(self, account: int) -> dict[int, int]:
        raise HistoryAwayError("away")


async def test_while_the_ledger_is_away_it_says_so(tmp_path: Path) -> None:
    async with small_venue(tmp_path, money=AwayMoney()) as venue:
        trader = venue.trader()
        for path in (COINS, DEPOSITS, WITHDRAWALS):
            answer: Any = await trader.sends("GET", path, trader.signed({}))
            assert answer.status_code == 503, path
            assert answer.json()["details"]["name"] == "DATABASE_AWAY"
