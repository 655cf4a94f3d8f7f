"""What a client is told survives everything: lost connections, and the gateway's whole state."""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
import simplefix

from messages.trading import events
from tests.conftest import SEED
from tests.integration.fix_gateway.fix_client import FixClient, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed
from tests.integration.fix_gateway.recovering import Pairs, Recovering
from tests.integration.fix_gateway.test_kills import expected_by, place

BID: Pairs = [(55, "BTC-USD"), (54, 1), (38, "0.005"), (40, 2), (44, "60000.00"), (59, 1)]
TAKE: Pairs = [(55, "BTC-USD"), (54, 2), (38, "0.001"), (40, 2), (44, "60000.00"), (59, 3)]
DIALECTS = {"INST1": "FIX.5.0SP2"}
GATEWAY = msgspec.json.encode(
    {
        "checkpoint_seconds": 0.5,
        "dialects": DIALECTS,
        "files": {"INST1-DC": {"drop_copy": {"firms": ["INST1"], "open_orders": True}}},
    }
).decode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


@pytest.fixture
def venue(directory: Path) -> Iterator[tuple[Process, Process]]:
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        gateway.start()
        yield core, gateway
    finally:
        gateway.close()
        core.close()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.config.stash[SEED])


def sessions(
    directory: Path, chance: random.Random, *, cut_after: tuple[int, int] | None
) -> list[Recovering]:
    """A maker, a taker and the taker's drop copy."""

    def session(name: str, orders: Pairs | None, rate: float) -> Recovering:
        return Recovering(
            name,
            directory,
            random.Random(chance.random()),
            orders=orders,
            orders_per_second=rate,
            cut_after=cut_after,
            begin_string="FIXT.1.1" if name in DIALECTS else "FIX.4.4",
        )

    return [session("MM1", BID, 150), session("INST1", TAKE, 500), session("INST1-DC", None, 1)]


def until(holds: Callable[[], bool], *, what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def traded_on(clients: list[Recovering], reached: list[int]) -> bool:
    return all(
        len(client.stream.told) > before + 300
        for client, before in zip(clients, reached, strict=True)
    )


def end(clients: list[Recovering]) -> None:
    for client in clients:
        client.done.set()
    for client in clients:
        client.join(timeout=120)
        assert client.failure is None, client.failure


def executions(found: list[events.Event], account: int) -> list[str]:
    """The ExecIDs of an account's trades, worked out from the event log."""
    ids = []
    for event in found:
        if isinstance(event, events.TradeExecuted):
            taker_side = event.taker_side
            if event.taker_account == account:
                ids.append(f"{event.number}{'BS'[taker_side - 1]}")
            if event.maker_account == account:
                ids.append(f"{event.number}{'BS'[2 - taker_side]}")
    return ids


def settled(directory: Path, clients: list[Recovering]) -> list[events.Event]:
    """Wait until everybody was told of everything, and return the venue's events."""
    for client in clients:
        client.quiet.set()

    def waiting() -> list[str]:
        found = asyncio.run(history(directory))
        return [
            client.name
            for client in clients
            if expected_by(client.name, found) - set(client.stream.execution_ids())
        ]

    until(lambda: not waiting(), what="not everybody was told of everything", seconds=300)
    return asyncio.run(history(directory))


def check_told(clients: list[Recovering], found: list[events.Event]) -> None:
    for client in clients:
        told = list(client.stream.execution_ids())
        assert set(told) == expected_by(client.name, found), client.name
        assert [key for key, times in Counter(told).items() if times > 1] == [], client.name
        assert [place(key) for key in told] == sorted(map(place, told)), client.name


def logged_on(directory: Path, name: str) -> FixClient:
    begin_string = "FIXT.1.1" if name in DIALECTS else "FIX.4.4"
    client = FixClient(sender=name, target="RIALTO", key=KEY, begin_string=begin_string)
    client.connect("127.0.0.1", int((directory / "guard.port").read_text()))
    client.logon()
    return client


def received(client: FixClient, kind: str, tag: int) -> list[simplefix.FixMessage]:
    """What comes up to the first message of a kind that has a field."""
    found: list[simplefix.FixMessage] = []
    while (message := client.receive()) is not None:
        found.append(message)
        if text(message, 35) == kind and text(message, tag):
            return found
    raise AssertionError([str(message) for message in found])


def test_a_drop_copy_is_told_the_open_orders_at_each_logon(
    directory: Path, venue: tuple[Process, Process]
) -> None:
    inst = logged_on(directory, "INST1")
    for number in range(3):
        inst.send(
            "D",
            [
                (11, f"open-{number}"),
                *BID[:3],
                (40, 2),
                (44, f"5900{number}.00"),
                (59, 1),
                (60, now_text()),
            ],
        )
        received(inst, "8", 17)
    inst.send("F", [(11, "gone"), (41, "open-1"), *BID[:2], (60, now_text())])
    received(inst, "8", 17)
    copy = logged_on(directory, "INST1-DC")
    told: list[simplefix.FixMessage] = []
    while not (told and text(told[-1], 912) == "Y"):
        told += received(copy, "8", 912)
    listed = [message for message in told if text(message, 912)]
    assert [text(message, 11) for message in listed] == ["open-0", "open-2"]
    assert {text(message, 911) for message in listed} == {"2"}
    live = [int(text(message, 1181)) // 10 for message in told if text(message, 1181)]
    assert all(int(text(message, 5002)) >= live[-1] for message in listed), "and in their place"
    inst.send("F", [(11, "gone-too"), (41, "open-0"), *BID[:2], (60, now_text())])
    received(inst, "8", 17)
    inst.send("F", [(11, "gone-last"), (41, "open-2"), *BID[:2], (60, now_text())])
    received(inst, "8", 17)
    copy.logout()
    copy.connect("127.0.0.1", int((directory / "guard.port").read_text()))
    copy.logon()
    (*_, last) = received(copy, "8", 912)
    assert (text(last, 37), text(last, 911), text(last, 912)) == ("NONE", "0", "Y")
    copy.logout()
    inst.logout()


@pytest.mark.parametrize(
    "count", [2_000, pytest.param(100_000, marks=pytest.mark.long)], ids=["CI", "long"]
)
def test_a_drop_copy_is_the_executions_however_often_its_line_is_cut(
    directory: Path, venue: tuple[Process, Process], chance: random.Random, count: int
) -> None:
    clients = sessions(directory, chance, cut_after=(50, 250))
    copy = clients[2]
    try:
        for client in clients:
            client.start()
        until(
            lambda: copy.stream.executions >= count,
            what=f"{[client.connections for client in clients]}",
            seconds=300 + count / 20,
        )
        found = settled(directory, clients)
    finally:
        end(clients)
    trades = executions(found, 1003)
    told = [key for key in copy.stream.execution_ids() if key[-1] in "BS"]
    assert told == trades, "a drop copy says what was executed, each once and in order"
    assert len(trades) >= count
    check_told(clients, found)
    assert min(client.connections for client in clients) > count // 500
    print(  # noqa: T201  # figures of the run, shown with -s
        f"{len(trades)} executions; connections {[client.connections for client in clients]}, "
        f"dropped as possible duplicates {[client.client.duplicates for client in clients]}"
    )


def test_all_reports_are_told_again_when_the_gateway_has_lost_its_whole_state(
    directory: Path, venue: tuple[Process, Process], chance: random.Random
) -> None:
    _, gateway = venue
    clients = sessions(directory, chance, cut_after=None)
    try:
        for client in clients:
            client.start()
        for _ in range(2):
            reached = [len(client.stream.told) for client in clients]
            until(partial(traded_on, clients, reached), what="they do not trade")
            gateway.kill()
            shutil.rmtree(directory / "fix")
            for client in clients:
                client.must_reset.set()
            gateway.start()
        # Who is told nothing new asks by itself: nothing would show it a gap.
        for client in clients:
            client.quiet.set()
            client.must_ask.set()
        found = settled(directory, clients)
    finally:
        end(clients)
    check_told(clients, found)
    for client in clients:
        assert client.stream.again > 0, f"{client.name} lost nothing, and nothing was proved"
        assert client.stream.refusals == []
        assert client.connections >= 3
