"""A timer of a whole venue, whose core and API are killed before it goes off."""

import asyncio
import os
import signal
import time

import httpx

from tests.e2e.venue_run import VenueRun
from tests.integration.retail_gateway.trader import Trader

PATIENCE_SECONDS = 240.0


async def test_a_timer_goes_off_though_api_and_core_are_killed(
    venue: VenueRun, ada: Trader
) -> None:
    placed = ada.ask(
        "POST", "/api/v3/order", symbol="BTCUSD", side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="0.5", price="55000",
    )  # fmt: skip
    said = ada.ask("POST", "/api/v3/countdownCancelAll", countdownTime=4000)
    before = venue.pids()
    for name in ("retail_api", "core"):
        os.kill(before[name], signal.SIGKILL)
    named = {"symbol": "BTCUSD", "orderId": placed["orderId"]}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < deadline, venue.said()
        await asyncio.sleep(0.1)
        page = venue.state.page("retail_api")
        if page is None or "rest" not in page.addresses:
            continue
        ada.url = page.addresses["rest"]
        try:
            answer = ada.send("GET", "/api/v3/order", ada.signed(named))
        except httpx.TransportError:
            continue  # it is not back yet
        if answer.status_code == 200 and answer.json()["status"] != "NEW":
            break
    assert answer.json()["status"] == "CANCELED"
    assert answer.json()["updateTime"] >= said["triggerTime"]
    after = await asyncio.to_thread(venue.wait_healthy)
    assert after
    now = venue.pids()
    assert all(now[name] != before[name] for name in ("retail_api", "core"))
