"""Every process killed in mid-flow: nothing acknowledged is lost, nothing is invented."""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field

import asyncpg
import pytest

from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.demo.fix_codec import Fields, utc_timestamp
from exchange.demo.fix_session import FixSession, FixSessionError, SessionSettings
from exchange.demo.logon_proof import read_key
from runtime.postgres import Connection
from tests.e2e.venue_run import VenueRun, until

CL_ORD_ID, EXEC_ID, ORDER_ID, EXEC_TYPE, BUSINESS_REJECT_REF_ID = 11, 17, 37, 150, 379
REFUSED = "refused"
PATIENCE_SECONDS = 180.0


@dataclass
class Trader:
    """A client that keeps its own log of what it was told, over as many connections as it takes."""

    run: VenueRun
    name: str
    side: str
    price: str
    answered: dict[str, list[str]] = field(default_factory=dict)
    executions: dict[str, str] = field(default_factory=dict)
    repeats: list[str] = field(default_factory=list)
    asked: int = 0

    def make(self) -> FixSession:
        return FixSession(
            SessionSettings(
                sender=self.name,
                target="RIALTO",
                key=read_key(self.run.state.fix_keys / f"{self.name}.json"),
            ),
            self.take,
        )

    def take(self, message: Fields, _: int) -> None:
        if message[35] == "j":
            # Refused before it was sequenced, by a gateway that cannot reach the core.
            self.answered.setdefault(message[BUSINESS_REJECT_REF_ID], []).append(REFUSED)
        if message[35] != "8":
            return
        execution = message[EXEC_ID]
        told = "|".join(message.get(tag, "") for tag in (ORDER_ID, EXEC_TYPE, 31, 32, 14, 151))
        if execution in self.executions:
            assert self.executions[execution] == told
            self.repeats.append(execution)
            return
        self.executions[execution] = told
        self.answered.setdefault(message[CL_ORD_ID], []).append(message[EXEC_TYPE])

    async def trade(self, stop: asyncio.Event, chance: random.Random) -> None:
        """Send orders until asked to stop, coming back whenever the connection is lost."""
        session = self.make()
        while not stop.is_set():
            try:
                if not session.is_open:
                    await session.open(*self.run.fix_address())
                self.place(session, chance)
            except FixSessionError:
                session.drop()
            await asyncio.sleep(0.005)
        await self.come_to_rest(session)

    def place(self, session: FixSession, chance: random.Random) -> None:
        self.asked += 1
        fields = [
            (CL_ORD_ID, f"{self.name}-{self.asked}"),
            (55, "BTC-USD"),
            (54, self.side),
            (60, utc_timestamp(time.time_ns())),
            (38, f"0.00{chance.randint(1, 9)}"),
            (40, "2"),
            (44, self.price),
            (59, "1"),
        ]
        session.send("D", fields)

    async def come_to_rest(self, session: FixSession) -> None:
        """Log on once more and wait until every order that was sent has an answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.answered) < self.asked:  # for another process
                try:
                    if not session.is_open:
                        await session.open(*self.run.fix_address())
                except FixSessionError:
                    session.drop()
                await asyncio.sleep(0.05)
        await session.close()


async def flow_with_kills(run: VenueRun, chance: random.Random, victims: list[str]) -> list[Trader]:
    traders = [Trader(run, "MM1", "2", "60000"), Trader(run, "INST1", "1", "60000")]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(trader.trade(stop, chance)) for trader in traders]
        for victim in victims:
            before = sum(len(trader.executions) for trader in traders)
            await until(lambda before=before: _count(traders) > before + 50)
            await asyncio.sleep(chance.random() * 0.2)
            await asyncio.to_thread(kill_and_wait, run, victim)
        before = _count(traders)
        await until(lambda: _count(traders) > before + 50)
        stop.set()
        await asyncio.gather(*tasks)
    return traders


def _count(traders: list[Trader]) -> int:
    return sum(len(trader.executions) for trader in traders)


def kill_and_wait(run: VenueRun, victim: str) -> None:
    """Kill a process, or the supervisor with all of them, and wait until all is well again."""
    if victim == "supervisor":
        run.kill_supervisor()
        run.start()
        return
    old = run.pids()[victim]
    os.kill(old, signal.SIGKILL)
    while run.pids().get(victim, old) == old:
        time.sleep(0.01)
    run.wait_healthy()


async def compare_with_books(run: VenueRun, traders: list[Trader]) -> None:
    """Compare what the clients were told with the order history and the ledger."""
    connection = await asyncpg.connect(database_dsn(read_configuration(run.config), run.state))
    try:
        rows = await connection.fetch(
            "select account, client_order_id from settlement.orders where account in (1001, 1003)"
        )
        fills = await connection.fetchval("select count(*) from settlement.trades")
        await every_interval_has(connection, fills)
    finally:
        await connection.close()
    known = {row["client_order_id"] for row in rows}
    # One refused by a gateway without a core is asked for again by the next gateway, which may
    # still be without one: it is then refused twice.
    told = {
        name
        for trader in traders
        for name, kinds in trader.answered.items()
        if set(kinds) != {REFUSED}
    }
    differ = told ^ known
    assert not differ, [(name, t.answered.get(name)) for t in traders for name in sorted(differ)]
    assert len(rows) == len(known)
    for trader in traders:
        for name, kinds in trader.answered.items():
            assert set(kinds) == {REFUSED} or kinds.count("0") == 1, (name, kinds)
        executed = [e for e in trader.executions.values() if e.split("|")[1] == "F"]
        assert len(executed) == fills


async def every_interval_has(connection: Connection, fills: int) -> None:
    """Wait until the candles of each interval are made of so many trades, and no more."""
    counts: list[int] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while set(counts) != {fills}:  # for another process, which writes several times a second
            await asyncio.sleep(0.05)
            rows = await connection.fetch(
                "select sum(trades)::bigint from market_data.candles group by span"
            )
            counts = [row[0] for row in rows]
            assert max(counts, default=0) <= fills
    assert len(counts) == 16
    assert await connection.fetchval("select count(*) from market_data.trades") == fills


@pytest.mark.parametrize(
    "victims",
    [
        ["core", "fix_gateway", "fix_guard"],
        [
            "postgres",
            "settlement",
            "follower",
            "auditor",
            "market_data",
            "fix_market_data",
            "admin_api",
        ],
        ["supervisor"],
    ],
    ids="+".join,
)
async def test_killed_in_mid_flow_nothing_acknowledged_is_lost(
    run: VenueRun, chance: random.Random, victims: list[str]
) -> None:
    await asyncio.to_thread(run.start)
    for account, asset, amount in (("MM1", "BTC", "1000"), ("INST1", "USD", "50000000")):
        reference = f"opening-{account}"
        money = ("--account", account, "--asset", asset, "--amount", amount)
        await asyncio.to_thread(run.operated, "credit", *money, "--reference", reference)
    traders = await flow_with_kills(run, chance, victims)
    clean = await asyncio.to_thread(run.done, "reconcile")
    assert clean.endswith("clean\n")
    await compare_with_books(run, traders)
    assert await asyncio.to_thread(run.stop) == 0
    await asyncio.to_thread(run.done, "replay", "--engine", "both")


async def test_trading_goes_on_while_postgresql_is_away(
    run: VenueRun, chance: random.Random
) -> None:
    await asyncio.to_thread(run.start)
    money = ("--account", "MM1", "--asset", "BTC", "--amount", "1000", "--reference", "opening")
    await asyncio.to_thread(run.operated, "credit", *money)
    data = run.state.postgres
    hidden = data.with_name("postgres.hidden")
    data.rename(hidden)
    data.write_text("in the way of a restart")
    os.kill(run.pids()["postgres"], signal.SIGKILL)
    trader = Trader(run, "MM1", "2", "60000")
    stop = asyncio.Event()
    task = asyncio.create_task(trader.trade(stop, chance))
    await until(lambda: len(trader.executions) > 200)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            status = await asyncio.to_thread(run.command, "status")
            if status.returncode == 69 and "trying again" in status.stdout:
                break
    data.unlink()
    hidden.rename(data)
    await asyncio.to_thread(run.wait_healthy)
    stop.set()
    await task
    assert (await asyncio.to_thread(run.done, "reconcile")).endswith("clean\n")
    assert await asyncio.to_thread(run.stop) == 0
