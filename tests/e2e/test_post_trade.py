"""A trade is corrected and busted by two operators; clients, ledger and records follow."""

from __future__ import annotations

import asyncio
import re
import time

from exchange.demo.fix_codec import Fields, utc_timestamp
from exchange.demo.fix_session import FixSession, SessionSettings
from exchange.demo.logon_proof import read_key
from tests.e2e.venue_run import VenueRun, until

SETTING = 'kind = "order_entry"\n'


class Client:
    """A session that keeps all that it is told."""

    def __init__(self, run: VenueRun, name: str) -> None:
        self.run = run
        self.messages: list[Fields] = []
        key = read_key(run.state.fix_keys / f"{name}.json")
        settings = SessionSettings(
            sender=name, target="RIALTO", key=key, heartbeat_seconds=60, logon_seconds=60.0
        )
        self.session = FixSession(settings, lambda message, _: self.messages.append(message))

    async def order(self, name: str, side: str) -> None:
        now = utc_timestamp(time.time_ns())
        terms = [(11, name), (55, "BTC-USD"), (54, side), (60, now), (38, "0.01"), (40, "2")]
        self.session.send("D", [*terms, (44, "60000"), (59, "1")])
        await self.told(lambda message: message.get(11) == name)

    async def told(self, is_it: object, count: int = 1) -> list[Fields]:
        """Wait for messages, and return them."""
        assert callable(is_it)
        await until(lambda: sum(map(is_it, self.messages)) >= count)
        return [message for message in self.messages if is_it(message)]


def executions(kind: str) -> object:
    return lambda message: message[35] == "8" and message.get(150) == kind


def agreed(run: VenueRun, action: str, *arguments: str, reason: str) -> str:
    """Let one operator propose and the other approve; return what came of it."""
    said = run.done("admin", action, *arguments, "--reason", reason)
    found = re.search(r"proposal (\w+):", said)
    assert found is not None, said
    why = ("--reason", "looked at it")
    alone = run.command("admin", "approve", found[1], *why)
    assert alone.returncode != 0
    assert "another operator" in alone.stdout + alone.stderr
    done = run.done("admin", "approve", found[1], "--as", "ben", *why)
    again = run.command("admin", "approve", found[1], "--as", "ben", *why)
    assert "executed as event" in again.stdout + again.stderr
    assert "executed as event" in run.done("admin", "proposals")
    return done


async def test_two_operators_correct_and_bust_a_trade(run: VenueRun) -> None:
    for name in ("MM1", "INST1"):
        path = run.sessions / f"{name}.toml"
        path.write_text(path.read_text().replace(SETTING, SETTING + "trade_captures = true\n"))
    await asyncio.to_thread(run.start)
    for account, asset, amount in (("MM1", "BTC", "1"), ("INST1", "USD", "1000")):
        money = ("--account", account, "--asset", asset, "--amount", amount)
        run.operated("credit", *money, "--reference", f"opening-{account}")
    before = run.done("admin", "accounts").splitlines()[1:]
    maker, taker = Client(run, "MM1"), Client(run, "INST1")
    for client in (maker, taker):
        await client.session.open(*run.fix_address())
    await maker.order("s-1", "2")
    await taker.order("b-1", "1")
    (fill,) = await taker.told(executions("F"))
    trade = ("--trade", fill[880])

    done = await asyncio.to_thread(
        agreed, run, "correct", *trade, "--price", "59000", reason="too dear"
    )
    assert "0.0100 at 59000.00: done" in done
    (correction,) = await taker.told(executions("G"))
    assert (correction[19], correction[31], correction[58]) == (fill[17], "59000.00", "too dear")
    assert "clean" in await asyncio.to_thread(run.done, "reconcile")

    await asyncio.to_thread(agreed, run, "bust", *trade, reason="both agreed")
    (bust,) = await maker.told(executions("H"))
    (own,) = await taker.told(executions("H"))
    assert (own[19], own[14], bust[14]) == (correction[17], "0", "0")
    assert "clean" in await asyncio.to_thread(run.done, "reconcile")
    assert (await asyncio.to_thread(run.done, "admin", "accounts")).splitlines()[1:] == before

    (taken, *_) = await taker.told(lambda message: message[35] == "AE")
    taker.session.send("AR", [(571, taken[571]), (150, "F")])
    taker.session.send("AD", [(568, "r-1"), (569, "1"), (1003, fill[880])])
    await taker.told(lambda message: message[35] == "AQ" and message[750] == "1")
    answer = await taker.told(lambda message: message.get(568) == "r-1" and message[35] == "AE")
    assert [each[487] for each in answer] == ["0", "2", "1"]
    assert [each[571] for each in answer] == [fill[17], correction[17], own[17]]

    named = [(37, fill[37]), (17, fill[17]), (127, "D"), (55, "BTC-USD"), (54, "1")]
    taker.session.send("Q", [*named, (58, "never heard of it")])
    for client in (maker, taker):
        await client.session.close()
    async with asyncio.timeout(180):
        while "never heard of it" not in await asyncio.to_thread(run.done, "admin", "disputes"):
            pass
    refused = run.tried("bust", *trade)
    assert "was busted by event" in refused.stdout + refused.stderr
