"""Cash quantities, lists, mass actions and dry runs, on real sessions of both dialects."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simplefix

from messages.trading.codes import RejectCode
from tests.integration.fix_gateway.fix_client import FixClient, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

GATEWAY = '{"checkpoint_seconds": 0.5, "dialects": {"MM2": "FIX.5.0SP2"}}'
BEGIN = {"MM2": "FIXT.1.1"}
OLD, NEW = "INST1", "MM2"
Pairs = list[tuple[int, str | int]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory: Path = tmp_path_factory.mktemp("order-entry")
    prepare(directory)
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        yield gateway.start()
    finally:
        gateway.close()
        core.close()


@pytest.fixture
def client(port: int) -> Iterator[Callable[[str], FixClient]]:
    made: list[FixClient] = []

    def make(name: str) -> FixClient:
        begin = BEGIN.get(name, "FIX.4.4")
        made.append(
            FixClient(
                sender=name, target="RIALTO", key=KEY, heartbeat_seconds=30, begin_string=begin
            )
        )
        made[-1].connect("127.0.0.1", port)
        made[-1].logon(is_reset=True)
        return made[-1]

    yield make
    for each in made:
        each.logout()


def order(changes: dict[int, str | int | None] | None = None) -> Pairs:
    good: dict[int, str | int | None] = {
        11: fresh("o"),
        55: "BTC-USD",
        54: "1",
        38: "0.01",
        40: "2",
        44: "59000.00",
        59: "1",
        60: now_text(),
    }
    return [(tag, value) for tag, value in (good | (changes or {})).items() if value is not None]


def fresh(what: str) -> str:
    return f"{what}-{time.time_ns() // 1000}"


def told(client: FixClient, count: int = 1) -> list[simplefix.FixMessage]:
    found: list[simplefix.FixMessage] = []
    while len(found) < count and (message := client.receive()) is not None:
        found.append(message)
    assert len(found) == count, [str(message) for message in found]
    return found


def clear(client: FixClient) -> None:
    client.send("q", [(11, fresh("clear")), (530, "7"), (60, now_text())])
    while (message := client.receive()) is not None and text(message, 35) != "r":
        pass
    assert message is not None


def act(client: FixClient, action: int, *narrowed: tuple[int, str]) -> list[simplefix.FixMessage]:
    fields: Pairs = [(11, fresh("act")), (1373, action), (1374, "7"), *narrowed, (60, now_text())]
    client.send("CA", fields)
    return told(client, 2)


@pytest.mark.parametrize(("taker", "maker"), [(OLD, NEW), (NEW, OLD)])
def test_a_cash_quantity_is_spent(
    client: Callable[[str], FixClient], taker: str, maker: str
) -> None:
    buyer, seller = client(taker), client(maker)
    seller.send("D", order({54: "2", 44: "60000.00"}))
    told(seller)
    buyer.send("D", order({38: None, 152: "300.50", 40: "1", 44: None, 59: "3"}))
    accepted, traded = told(buyer, 2)
    assert (text(accepted, 150), text(accepted, 152)) == ("0", "300.500000")
    assert (text(traded, 150), text(traded, 152)) == ("F", "300.500000")
    assert (text(traded, 39), text(traded, 38)) == ("2", text(accepted, 38))
    spent = float(text(traded, 32)) * 60_000 + float(text(traded, 137))
    assert 300.5 - 6.1 < spent <= 300.5  # one lot more, of 0.0001 at 60,000, is 6
    clear(seller)


@pytest.mark.parametrize("name", [OLD, NEW])
def test_open_orders_are_listed(client: Callable[[str], FixClient], name: str) -> None:
    sender = client(name)
    clear(sender)
    numbers = []
    for price in ("58000.00", "58001.00", "58002.00"):
        sender.send("D", order({44: price, 453: None}))
        numbers.append(text(told(sender)[0], 37))
    sender.send("AF", [(584, "all"), (585, "7")])
    found = told(sender, 3)
    assert [text(each, 37) for each in found] == numbers
    assert {(text(each, 150), text(each, 584), text(each, 911)) for each in found} == {
        ("I", "all", "3")
    }
    assert [text(each, 912) for each in found] == ["N", "N", "Y"]
    sender.send("AF", [(584, "tail"), (585, "1"), (55, "BTC-USD"), (5030, numbers[1])])
    (last,) = told(sender)
    assert (text(last, 37), text(last, 911), text(last, 912)) == (numbers[2], "1", "Y")
    clear(sender)
    sender.send("AF", [(584, "none"), (585, "6")])
    (none,) = told(sender)
    assert (text(none, 39), text(none, 911), text(none, 912)) == ("8", "0", "Y")
    assert text(none, 5001) == str(RejectCode.ORDER_UNKNOWN.value)


@pytest.mark.parametrize("name", [OLD, NEW])
def test_a_client_suspends_releases_and_cancels(
    client: Callable[[str], FixClient], name: str
) -> None:
    sender = client(name)
    clear(sender)
    accepted, completed = act(sender, 1, (54, "1"))
    assert (text(accepted, 35), text(accepted, 1375)) == ("BZ", "1")
    assert (text(completed, 1375), text(completed, 533), text(completed, 54)) == ("2", "1", "1")
    sender.send("D", order())
    (refused,) = told(sender)
    assert (text(refused, 150), text(refused, 5001)) == (
        "8",
        str(RejectCode.ACCOUNT_SUSPENDED.value),
    )
    act(sender, 2)
    sender.send("D", order())
    (placed,) = told(sender)
    assert text(placed, 150) == "0"
    sender.send("CA", [(11, fresh("act")), (1373, 3), (1374, 6), (60, now_text())])
    accepted, cancelled, completed = told(sender, 3)
    assert (text(accepted, 1375), text(completed, 1375)) == ("1", "2")
    assert (text(cancelled, 150), text(cancelled, 37)) == ("4", text(placed, 37))
    sender.send("CA", [(11, fresh("act")), (1373, 1), (1374, 9), (60, now_text())])
    (refused,) = told(sender)
    assert text(refused, 35) in ("3", "BZ")


@pytest.mark.parametrize("name", [OLD, NEW])
def test_a_dry_run_decides_as_the_order_itself(
    client: Callable[[str], FixClient], name: str
) -> None:
    sender = client(name)
    dry: Pairs = [(2320, 0), (2321, 0)]
    sender.send("DF", dry + order())
    (approved,) = told(sender)
    assert (text(approved, 35), text(approved, 2325), text(approved, 2326)) == ("DG", "0", "0")
    assert text(approved, 38) == "0.0100"
    cases: tuple[tuple[dict[int, str | int | None], RejectCode], ...] = (
        ({44: "59000.001"}, RejectCode.GATEWAY_PRICE_OFF_TICK),
        ({44: "90000.00"}, RejectCode.PRICE_OUTSIDE_COLLAR),
        ({38: "1000000"}, RejectCode.QUANTITY_ABOVE_MAXIMUM),
    )
    for changes, code in cases:
        sender.send("DF", dry + order(changes))
        (refused,) = told(sender)
        sender.send("D", order(changes))
        (rejected,) = told(sender)
        assert (text(refused, 2325), text(refused, 5001)) == ("2", str(code.value))
        assert (text(rejected, 150), text(rejected, 5001)) == ("8", text(refused, 5001))
        assert text(rejected, 58) == text(refused, 58)
