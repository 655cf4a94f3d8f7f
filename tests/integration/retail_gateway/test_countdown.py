"""The timer that cancels all of an account's orders: the core's, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from exchange.wanted import wanted_definitions
from messages.trading import commands
from retail_gateway.core_link import CoreLink, Outcome
from retail_gateway.countdown import COUNTDOWN_MS_MAX, COUNTDOWN_MS_MIN
from retail_gateway.refusals import OVERLOADED, Refusal
from services.accounts.terms import Permission
from tests.integration.retail_gateway.small_venue import (
    CONFIGURATION,
    GENEROUS,
    AsyncTrader,
    SmallVenue,
    small_venue,
)

TIMER = "/api/v3/countdownCancelAll"
ORDER = "/api/v3/order"
OPEN = "/api/v3/openOrders"
PATIENCE_SECONDS = 120


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[SmallVenue]:
    async with small_venue(tmp_path) as venue:
        yield venue


async def rests(trader: AsyncTrader, name: str, **terms: str) -> None:
    """Place an order that nobody takes."""
    limit = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    wanted = limit | {"quantity": "0.01", "price": "55000", "newClientOrderId": name} | terms
    assert (await trader.does("POST", ORDER, **wanted))["status"] == "NEW"


async def names_of(trader: AsyncTrader) -> set[str]:
    return {each["clientOrderId"] for each in await trader.does("GET", OPEN)}


async def gone(trader: AsyncTrader) -> None:
    """Wait until an account has no order, and the API is there to say so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await trader.sends("GET", OPEN, trader.signed({}))).text != "[]":  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # it is asked


async def test_orders_of_all_markets_go_when_the_time_is_over_and_only_the_accounts(
    venue: SmallVenue,
) -> None:
    ada, ben = await venue.funded(usd=10_000), await venue.funded(usd=10_000)
    await rests(ada, "a-1")
    await rests(ada, "a-2", symbol="ETHUSD", price="3000")
    await rests(ben, "b-1")
    said = await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MIN)
    assert said["countdownTime"] == str(COUNTDOWN_MS_MIN)
    # The core's clock and this one are the same; it set the timer before it was told.
    ahead = said["triggerTime"] - said["currentTime"]
    assert ahead <= COUNTDOWN_MS_MIN
    await gone(ada)
    assert await names_of(ben) == {"b-1"}
    done = await ada.does("GET", ORDER, symbol="ETHUSD", origClientOrderId="a-2")
    assert done["status"] == "CANCELED"
    assert done["updateTime"] >= said["triggerTime"]
    # It went off once: what comes later rests.
    await rests(ada, "a-3")
    assert await names_of(ada) == {"a-3"}


async def test_a_timer_is_moved_and_stopped(venue: SmallVenue) -> None:
    ada = await venue.funded(usd=10_000)
    await rests(ada, "kept")
    first = await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MAX)
    moved = await ada.does("POST", TIMER, countdownTime=3_600_000)
    assert moved["triggerTime"] < first["triggerTime"] - 80_000_000
    stopped = await ada.does("POST", TIMER, countdownTime=0)
    assert (stopped["countdownTime"], stopped["triggerTime"]) == ("0", 0)
    assert await names_of(ada) == {"kept"}


async def test_who_never_set_one_may_stop_it(venue: SmallVenue) -> None:
    trader = venue.trader()
    said = await trader.does("POST", TIMER, countdownTime=0)
    assert said["triggerTime"] == 0


async def test_it_goes_off_though_the_api_has_lost_the_core(venue: SmallVenue) -> None:
    ada = await venue.funded(usd=10_000)
    await rests(ada, "left")
    await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MIN)
    await venue.links[-1].close()
    await gone(ada)
    done = await ada.does("GET", ORDER, symbol="BTCUSD", origClientOrderId="left")
    assert done["status"] == "CANCELED"


async def test_many_at_once_end_as_one_of_them_said(venue: SmallVenue) -> None:
    ada = await venue.funded(usd=10_000)
    await rests(ada, "kept")
    times = [COUNTDOWN_MS_MAX - each for each in range(10)]
    answers = await asyncio.gather(*(ada.does("POST", TIMER, countdownTime=each) for each in times))
    assert sorted(int(each["countdownTime"]) for each in answers) == sorted(times)
    assert all(each["triggerTime"] > each["currentTime"] for each in answers)
    assert await names_of(ada) == {"kept"}


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (1, COUNTDOWN_MS_MIN),
        (COUNTDOWN_MS_MIN - 1, COUNTDOWN_MS_MIN),
        (COUNTDOWN_MS_MAX + 1, COUNTDOWN_MS_MAX),
    ],
)
async def test_a_time_out_of_range_is_refused(venue: SmallVenue, value: int, limit: int) -> None:
    refused = await venue.trader().may_not("POST", TIMER, countdownTime=value)
    assert refused["code"] == -1130
    assert refused["details"] == {
        "code": 1300, "name": "COUNTDOWN_OUT_OF_RANGE", "limit": limit, "usage": value,
    }  # fmt: skip


@pytest.mark.parametrize("wrong", ["-1", "1.5", "9" * 30, "soon"])
async def test_what_is_no_time_is_refused(venue: SmallVenue, wrong: str) -> None:
    refused = await venue.trader().may_not("POST", TIMER, countdownTime=wrong)
    assert refused["details"]["name"] == "PARAMETER_MALFORMED"


async def test_it_is_the_accounts_so_no_symbol_is_taken(venue: SmallVenue) -> None:
    refused = await venue.trader().may_not("POST", TIMER, symbol="BTCUSD", countdownTime=0)
    assert refused["details"]["name"] == "PARAMETER_UNKNOWN"


async def test_who_may_only_read_sets_none(venue: SmallVenue) -> None:
    reader = venue.trader(permissions=(Permission.READ,))
    refused = await reader.may_not("POST", TIMER, countdownTime=0)
    assert refused["details"]["name"] == "PERMISSION_MISSING"


async def test_what_is_refused_after_the_timer_was_stopped_is_no_request_that_was_not_sent(
    venue: SmallVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await venue.funded(usd=10_000)
    await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MAX)
    ask = CoreLink.ask
    opened: list[Outcome | Refusal] = []
    refused: list[type[commands.Command]] = []

    async def overloaded(link: CoreLink, kind: Any, *rest: Any, **more: Any) -> Any:
        """Let one opening through, and nothing else of the timer."""
        if kind not in (commands.OpenSessionOnTerms, commands.CloseSession):
            return await ask(link, kind, *rest, **more)
        if kind is commands.OpenSessionOnTerms and not opened:
            opened.append(await ask(link, kind, *rest, **more))
            return opened[0]
        refused.append(kind)
        return OVERLOADED

    query = ada.signed({"countdownTime": COUNTDOWN_MS_MAX})
    with monkeypatch.context() as patched:
        patched.setattr(CoreLink, "ask", overloaded)
        answer = await ada.sends("POST", TIMER, query)
    assert not isinstance(opened[0], Refusal)
    assert {commands.OpenSessionOnTerms, commands.CloseSession} == set(refused)
    assert (answer.status_code, answer.json()["code"]) == (504, -1007)
    assert answer.json()["details"]["name"] == "OUTCOME_UNKNOWN"
    again = await ada.sends("POST", TIMER, query)
    assert again.json()["details"]["name"] == "REQUEST_REPLAYED"
    await rests(ada, "left")
    await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MIN)
    await gone(ada)


async def test_a_timer_runs_on_when_only_half_of_its_change_could_be_sent(tmp_path: Path) -> None:
    async with small_venue(tmp_path, limits=replace(GENEROUS, commands_waiting_max=1)) as venue:
        ada = venue.trader()
        query = ada.signed({"countdownTime": COUNTDOWN_MS_MAX})
        for _ in range(2):  # not sent, and so the same request may come again
            answer = await ada.sends("POST", TIMER, query)
            assert (answer.status_code, answer.json()["code"]) == (503, -1008)
            assert answer.json()["details"]["name"] == "OVERLOADED"


async def test_when_the_venue_has_no_session_left_it_says_so(venue: SmallVenue) -> None:
    ada, ben = venue.trader(), venue.trader()
    await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MAX)
    wanted: list[Any] = wanted_definitions(CONFIGURATION, {})
    bounds = next(each for each in wanted if isinstance(each, commands.ConfigureVenue))
    # As many as there are: people's own, and Ada's timer.
    await venue.operate([replace(bounds, sessions_max=2)])
    refused = await ben.may_not("POST", TIMER, countdownTime=COUNTDOWN_MS_MAX)
    assert (refused["code"], refused["details"]["name"]) == (-1008, "CAPACITY_EXCEEDED")
    assert (refused["details"]["limit"], refused["details"]["usage"]) == (2, 3)
    moved = await ada.does("POST", TIMER, countdownTime=COUNTDOWN_MS_MIN)
    assert moved["triggerTime"]
