"""A counterparty that comes while the venue runs: its file, `admin apply`, its key, an order."""

import asyncio
import time
from pathlib import Path

from exchange.demo.fix_codec import Fields, utc_timestamp
from exchange.demo.fix_session import FixSession, FixSessionError, SessionSettings
from exchange.demo.logon_proof import read_key
from tests.e2e.venue_run import VenueRun, until, venue_run

NEWCOMER = """
id = 41
kind = "order_entry"
sender_comp_id = "NEW1"
cancel_on_disconnect = "session"

[firm]
id = 41
name = "NEW1"

[[account]]
id = 4100
name = "NEW1"
owner_group = 41

[account.limits]
open_orders_max = 100

[[account.asset]]
asset = "USD"
credit_line = "1000000"
"""


class Client:
    """One session, and what it was told."""

    def __init__(self, run: VenueRun, name: str) -> None:
        self.told: list[Fields] = []
        self.run = run
        self.session = FixSession(
            SessionSettings(
                sender=name,
                target="RIALTO",
                key=read_key(run.state.fix_keys / f"{name}.json"),
                heartbeat_seconds=60,
                logon_seconds=60.0,
            ),
            lambda message, _number: self.told.append(message),
        )

    async def open(self) -> None:
        """Log on, as soon as guard and gateway know the session."""
        async with asyncio.timeout(180):
            while not self.session.is_open:
                try:
                    await self.session.open(*self.run.fix_address())
                except FixSessionError:
                    self.session.drop()
                    await asyncio.sleep(0.2)

    async def order(self, name: str) -> Fields:
        """Send an order, and return the report that answers it."""
        fields = [
            (11, name),
            (55, "BTC-USD"),
            (54, "1"),
            (60, utc_timestamp(time.time_ns())),
            (38, "0.01"),
            (40, "2"),
            (44, "59000.00"),
            (59, "1"),
        ]
        self.session.send("D", fields)
        await until(lambda: any(each.get(11) == name for each in self.told))
        return next(each for each in self.told if each.get(11) == name)


async def trade_beside(run: VenueRun) -> tuple[Client, Client]:
    """Let one come, go and come again beside one that trades on; return both."""
    funds = ("--account", "INST1", "--asset", "USD", "--amount", "100000")
    await asyncio.to_thread(run.operated, "credit", *funds, "--reference", "live-inst1")
    old = Client(run, "INST1")
    await old.open()
    assert (await old.order("before"))[150] == "0"
    pids = run.pids()
    (run.sessions / "NEW1.toml").write_text(NEWCOMER)
    await until((run.state.fix_keys / "NEW1.json").exists)
    assert "applied" in await asyncio.to_thread(run.operated, "apply")
    new = Client(run, "NEW1")
    await new.open()
    assert (await new.order("first"))[150] == "0"
    assert (await old.order("beside"))[150] == "0"
    (run.sessions / "NEW1.toml").unlink()
    await until(lambda: not new.session.is_open)
    (run.sessions / "NEW1.toml").write_text(NEWCOMER)
    await new.open()
    assert (await new.order("second"))[150] == "0"
    assert (await old.order("after"))[150] == "0"
    assert old.session.is_open
    assert run.pids() == pids
    return old, new


async def trade_after_a_restart(run: VenueRun, clients: tuple[Client, Client]) -> None:
    for client in clients:
        client.session.drop()
        await client.open()
        name = f"restarted-{client.session.settings.sender}"
        assert (await client.order(name))[150] == "0"
        await client.session.close()


def test_a_new_counterparty_trades_without_a_restart_and_disturbs_nobody(tmp_path: Path) -> None:
    async def everything(run: VenueRun) -> None:
        clients = await trade_beside(run)
        await asyncio.to_thread(run.stop)
        await asyncio.to_thread(run.start)
        await trade_after_a_restart(run, clients)

    with venue_run(tmp_path) as run:
        run.start()
        asyncio.run(everything(run))
