"""SIGKILL of gateway and core in mid-flow, seen by clients that keep their own log."""

import asyncio
import contextlib
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import simplefix

from messages.layout import plain_text
from messages.trading import events
from tests.conftest import SEED
from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed

KILLS = int(os.environ.get("RIALTO_KILLS", "6"))
ORDERS_A_SECOND = 500
SETTLED_SECONDS_MAX = 300.0


class Trader(threading.Thread):
    """A client that sends orders, comes back after every loss, and writes everything down."""

    def __init__(
        self, name: str, directory: Path, *, sells: bool, is_watcher: bool = False
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.client = FixClient(sender=name, target="RIALTO", key=KEY, heartbeat_seconds=5)
        self.sent: list[str] = []
        self.log: list[simplefix.FixMessage] = []
        self.losses = 0
        self.failure: BaseException | None = None
        self._directory = directory
        self._sells = sells
        self._is_watcher = is_watcher
        self.quiet = threading.Event()
        self.done = threading.Event()

    def run(self) -> None:
        try:
            while not self.done.is_set():
                with contextlib.suppress(OSError, FixClientError, ValueError):
                    self._connect()
                    self._trade()
                self.losses += 1
                self.done.wait(0.1)
            self.client.logout()
        except BaseException as error:
            self.failure = error
            raise

    def _connect(self) -> None:
        port = int((self._directory / "guard.port").read_text())
        self.client.connect("127.0.0.1", port)
        self.client.logon()

    def _trade(self) -> None:
        while not self.done.is_set():
            if not self.quiet.is_set() and not self._is_watcher:
                self._order()
            wait = 1 / ORDERS_A_SECOND if not self.quiet.is_set() else 0.05
            while (message := self.client.receive(wait)) is not None:
                self.log.append(message)

    def _order(self) -> None:
        name = f"{self.name}-{len(self.sent)}"
        # Written down before it is sent: what the client numbered, it owns.
        self.sent.append(name)
        side, price = ("2", "60000.00") if self._sells else ("1", "60000.00")
        self.client.send(
            "D",
            [
                (11, name),
                (55, "BTC-USD"),
                (54, side),
                (38, "0.001"),
                (40, 2),
                (44, price),
                (59, 1),
                (60, now_text()),
            ],
        )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


def test_nothing_acknowledged_is_lost_and_nothing_runs_twice_when_processes_are_killed(
    directory: Path, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(request.config.stash[SEED])
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY_OVERRIDES)
    traders = [
        Trader("MM1", directory, sells=False),
        Trader("INST1", directory, sells=True),
        Trader("INST1-DC", directory, sells=False, is_watcher=True),
    ]
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        gateway.start()
        for trader in traders:
            trader.start()
        for kill in range(KILLS):
            time.sleep(chance.uniform(0.3, 1.5))
            victim = (gateway, core)[kill % 2]
            victim.kill()
            time.sleep(chance.uniform(0, 0.3))
            victim.start()
        time.sleep(1)
        for trader in traders:
            trader.quiet.set()
        found = _settled(directory, traders)
        _check(found, traders)
        for trader in traders:
            client = trader.client
            print(  # noqa: T201  # figures of the run, shown with -s
                f"{trader.name}: {len(trader.sent)} orders, {len(told_to(trader))} reports, "
                f"{trader.losses} losses, {client.gaps} gaps, {client.resent} sent again, "
                f"{client.duplicates} possible duplicates dropped"
            )
    finally:
        for trader in traders:
            trader.done.set()
        for trader in traders:
            trader.join(timeout=120)
        gateway.close()
        core.close()


GATEWAY_OVERRIDES = '{"checkpoint_seconds": 0.5}'


def _settled(directory: Path, traders: list[Trader]) -> list[events.Event]:
    """Wait until everybody has heard everything."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while True:
        found = asyncio.run(history(directory))
        waiting = [t.name for t in traders if expected_by(t.name, found) - set(told_to(t))]
        unsequenced = set(traders[0].sent + traders[1].sent) - ordered_in(found)
        if not waiting and not unsequenced:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waiting: {waiting}, unsequenced: {sorted(unsequenced)[:5]}, "
                f"losses: {[t.losses for t in traders]}, {[t.client.last_text for t in traders]}, "
                f"{[(t.client.next_in, t.client.next_out) for t in traders]}"
            )
        time.sleep(0.3)


def _check(found: list[events.Event], traders: list[Trader]) -> None:
    placed = Counter(
        plain_text(event.client_order_id)
        for event in found
        if isinstance(event, events.OrderAccepted | events.OrderRejected)
    )
    twice = {name: times for name, times in placed.items() if times > 1}
    assert not twice, "an order ran twice"
    assert len(placed) == len(traders[0].sent) + len(traders[1].sent)
    for trader in traders:
        told = told_to(trader)
        again = [key for key, times in Counter(told).items() if times > 1]
        assert not again, f"{trader.name} was told twice of {again[:5]}"
        assert set(told) == expected_by(trader.name, found), trader.name
        numbers = [place(key) for key in told]
        assert numbers == sorted(numbers), f"{trader.name} was told out of order"
        assert trader.losses > 0, "nothing was killed under this client"


def told_to(trader: Trader) -> list[str]:
    """ExecIDs, or event numbers of messages that have none."""
    return [text(m, 17) or text(m, 5002) for m in list(trader.log) if text(m, 35) in ("8", "9")]


def place(key: str) -> tuple[int, int]:
    return int(key.rstrip("BS")), int(key.endswith("S"))


def ordered_in(found: list[events.Event]) -> set[str]:
    return {
        plain_text(event.client_order_id)
        for event in found
        if isinstance(event, events.OrderAccepted | events.OrderRejected)
    }


def expected_by(name: str, found: list[events.Event]) -> set[str]:
    """What a client should be told, worked out from the event log without the gateway's code."""
    session, account = {"MM1": (1, 0), "INST1": (3, 0), "INST1-DC": (0, 1003)}[name]
    expected: set[str] = set()
    for event in found:
        if isinstance(event, events.TradeExecuted):
            for prefix in ("maker", "taker"):
                is_taker = prefix == "taker"
                side = event.taker_side if is_taker else 3 - event.taker_side
                its_session = getattr(event, f"{prefix}_session")
                its_account = getattr(event, f"{prefix}_account")
                if session == its_session or account == its_account:
                    expected.add(f"{event.number}{'BS'[side - 1]}")
        elif isinstance(event, events.OrderEvent | events.OrderRejected) and (
            session == event.session or account == event.account
        ):
            expected.add(f"{event.number}")
    return expected
