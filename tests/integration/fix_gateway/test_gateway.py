"""The gateway against a real core, through real sockets and independent clients."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import simplefix

from exchange.demo.logon_proof import LogonKey
from messages.trading import events
from messages.trading.codes import RejectCode
from runtime.process import EXIT_DISK
from tests.integration.fix_gateway.fix_client import (
    PATIENCE_SECONDS,
    FixClient,
    FixClientError,
    now_text,
    text,
)
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.places import ROOT
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed

Fields = dict[int, str | int]
GATEWAY = '{"checkpoint_seconds": 0.5}'


class Venue(NamedTuple):
    """A running core and gateway."""

    directory: Path
    core: Process
    gateway: Process

    @property
    def port(self) -> int:
        return int((self.directory / "guard.port").read_text())

    def client(self, name: str, *, heartbeat_seconds: int = 30) -> FixClient:
        """A client that is logged on; numbers start anew, as after losing everything."""
        made = FixClient(sender=name, target="RIALTO", key=KEY, heartbeat_seconds=heartbeat_seconds)
        made.connect("127.0.0.1", self.port)
        made.logon(is_reset=True)
        return made


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("venue")
    prepare(directory)
    made = Venue(directory, Process("core", directory), Process("gateway", directory, GATEWAY))
    try:
        made.core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        made.gateway.start()
        yield made
    finally:
        made.gateway.close()
        made.core.close()


@pytest.fixture
def client(venue: Venue) -> Iterator[Callable[..., FixClient]]:
    made: list[FixClient] = []

    def make(name: str, **options: int) -> FixClient:
        made.append(venue.client(name, **options))
        return made[-1]

    yield make
    for each in made:
        each.logout()


def order(name: str, changes: Fields | None = None) -> list[tuple[int, str | int]]:
    good: Fields = {
        11: name,
        55: "BTC-USD",
        54: "1",
        38: "0.01",
        40: "2",
        44: "59000.00",
        59: "1",
        60: now_text(),
    }
    return list((good | (changes or {})).items())


def told(client: FixClient, count: int = 1) -> list[simplefix.FixMessage]:
    found: list[simplefix.FixMessage] = []
    while len(found) < count and (message := client.receive()) is not None:
        found.append(message)
    assert len(found) == count, [str(message) for message in found]
    return found


def copies_of(copy: FixClient, names: set[str], count: int) -> list[simplefix.FixMessage]:
    """The next copies of some orders' reports; of others there may be some still on their way."""
    found: list[simplefix.FixMessage] = []
    while len(found) < count:
        message = copy.receive()
        assert message is not None, [str(each) for each in found]
        found += [message] if text(message, 11) in names else []
    return found


def metrics_of(venue: Venue) -> str:
    return (venue.directory / "gateway.metrics").read_text()


def name_of(test: str, number: int = 0) -> str:
    return f"{test}-{time.time_ns() // 1000}-{number}"


def test_an_order_is_acknowledged_traded_and_copied(client: Callable[..., FixClient]) -> None:
    maker, taker, copy = client("MM1"), client("INST1"), client("INST1-DC")
    bid, ask = name_of("bid"), name_of("ask")
    maker.send("D", order(bid, {44: "60000.00"}))
    assert text(told(maker)[0], 150) == "0"
    taker.send("D", order(ask, {54: "2", 44: "60000.00", 38: "0.004"}))
    accepted, traded = told(taker, 2)
    (made,) = told(maker)
    assert (text(accepted, 150), text(traded, 150), text(made, 150)) == ("0", "F", "F")
    assert (text(traded, 32), text(traded, 31), text(traded, 151)) == ("0.0040", "60000.00", "0")
    assert (text(made, 39), text(made, 151), text(made, 6)) == ("1", "0.0060", "60000")
    assert (text(traded, 851), text(made, 851)) == ("2", "1")
    assert text(traded, 17)[:-1] == text(made, 17)[:-1], "both sides are one event"
    copies = copies_of(copy, {ask}, 2)
    for original, copied in zip((accepted, traded), copies, strict=True):
        assert text(copied, 797) == "Y"
        assert text(copied, 17) == text(original, 17)
    maker.send("q", [(11, name_of("mass")), (530, "7"), (60, now_text())])
    cancelled, report = told(maker, 2)
    assert (text(cancelled, 150), text(cancelled, 11)) == ("4", bid)
    assert (text(report, 35), text(report, 533)) == ("r", "1")


def test_an_order_is_amended_queried_and_cancelled_by_its_names(
    client: Callable[..., FixClient],
) -> None:
    inst = client("INST1")
    first, second, third = (name_of("chain", number) for number in range(3))
    inst.send("D", order(first))
    (placed,) = told(inst)
    inst.send("G", order(second, {41: first, 38: "0.005", 44: "58000.00"}))
    (amended,) = told(inst)
    assert (text(amended, 150), text(amended, 11), text(amended, 41)) == ("5", second, first)
    assert text(amended, 37) == text(placed, 37)
    inst.send("H", [(11, second), (55, "BTC-USD"), (54, "1"), (790, "q-1")])
    (status,) = told(inst)
    assert (text(status, 150), text(status, 38), text(status, 790)) == ("I", "0.0050", "q-1")
    inst.send("F", [(11, third), (41, second), (55, "BTC-USD"), (54, "1"), (60, now_text())])
    (cancelled,) = told(inst)
    assert (text(cancelled, 150), text(cancelled, 11), text(cancelled, 41)) == ("4", third, second)


SESSION_REJECT, REPORT = "3", "8"
BAD_ORDERS: list[tuple[Fields, str, int, str]] = [
    # changes, answer's type, tag that names the reason, its value
    ({44: "1E+2000000"}, SESSION_REJECT, 373, "6"),
    ({44: "NaN"}, SESSION_REJECT, 373, "6"),
    ({38: "Infinity"}, SESSION_REJECT, 373, "6"),
    ({44: ""}, SESSION_REJECT, 373, "4"),
    ({54: "Z"}, SESSION_REJECT, 373, "5"),
    ({40: "?"}, SESSION_REJECT, 373, "5"),
    ({60: "yesterday"}, SESSION_REJECT, 373, "6"),
    ({9999: "1"}, SESSION_REJECT, 373, "0"),
    ({75: "20261101"}, SESSION_REJECT, 373, "2"),
    ({44: "-1"}, REPORT, 5001, str(RejectCode.GATEWAY_PRICE_MALFORMED.value)),
    ({44: "1234567890123456789"}, REPORT, 5001, str(RejectCode.GATEWAY_PRICE_MALFORMED.value)),
    ({44: "999999999999999999"}, REPORT, 5001, str(RejectCode.GATEWAY_OUT_OF_RANGE.value)),
    ({44: "59000.001"}, REPORT, 5001, str(RejectCode.GATEWAY_PRICE_OFF_TICK.value)),
    ({38: "0"}, REPORT, 5001, str(RejectCode.GATEWAY_OUT_OF_RANGE.value)),
    ({38: "0.00001"}, REPORT, 5001, str(RejectCode.GATEWAY_QUANTITY_OFF_LOT.value)),
    ({54: "5"}, REPORT, 5001, str(RejectCode.GATEWAY_SIDE_UNSUPPORTED.value)),
    ({40: "P"}, REPORT, 5001, str(RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED.value)),
    ({59: "7"}, REPORT, 5001, str(RejectCode.GATEWAY_TIME_IN_FORCE_UNSUPPORTED.value)),
    ({18: "A"}, REPORT, 5001, str(RejectCode.GATEWAY_FIELD_MALFORMED.value)),
    ({55: "XX-YY"}, REPORT, 5001, str(RejectCode.GATEWAY_SYMBOL_UNKNOWN.value)),
    ({1: "MM1"}, REPORT, 5001, str(RejectCode.GATEWAY_ACCOUNT_UNKNOWN.value)),
    ({1: "nobody"}, REPORT, 5001, str(RejectCode.GATEWAY_ACCOUNT_UNKNOWN.value)),
    ({11: "x" * 40}, REPORT, 5001, str(RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED.value)),
    ({44: "90000.00"}, REPORT, 5001, str(RejectCode.PRICE_OUTSIDE_COLLAR.value)),
    ({38: "9000"}, REPORT, 5001, str(RejectCode.NOTIONAL_ABOVE_MAXIMUM.value)),
]


@pytest.mark.parametrize(("changes", "kind", "tag", "value"), BAD_ORDERS)
def test_a_bad_order_gets_the_standard_message_and_changes_nothing(
    client: Callable[..., FixClient],
    venue: Venue,
    *,
    changes: Fields,
    kind: str,
    tag: int,
    value: str,
) -> None:
    inst = client("INST1")
    before = len(asyncio.run(history(venue.directory)))
    inst.send("D", order(name_of("bad"), changes))
    (answer,) = told(inst)
    assert (text(answer, 35), text(answer, tag)) == (kind, value)
    assert text(answer, 58), "a refusal says why"
    if kind == REPORT:
        assert (text(answer, 39), text(answer, 150), text(answer, 14)) == ("8", "8", "0")
    after = asyncio.run(history(venue.directory))[before:]
    refusals = [e for e in after if isinstance(e, events.OrderRejected | events.RefusalRecorded)]
    assert len(refusals) == (kind == REPORT)
    changing = (events.OrderAccepted, events.TradeExecuted, events.BalanceChanged)
    assert not any(isinstance(event, changing) for event in after)


def test_requests_about_orders_that_are_not_there_get_their_rejects(
    client: Callable[..., FixClient],
) -> None:
    inst, other = client("INST1"), client("MM1")
    gone, theirs = name_of("gone"), name_of("theirs")
    inst.send("D", order(gone, {59: "3", 44: "58000.00"}))
    told(inst, 2)
    other.send("D", order(theirs))
    (placed,) = told(other)
    tail = [(55, "BTC-USD"), (54, "1"), (60, now_text())]

    def refused(kind: str, fields: list[tuple[int, str | int]], code: RejectCode) -> None:
        inst.send(kind, fields)
        (answer,) = told(inst)
        response_to = {"F": "1", "G": "2"}[kind]
        assert (text(answer, 35), text(answer, 434)) == ("9", response_to)
        assert text(answer, 5001) == str(code.value)
        assert text(answer, 58).startswith(code.name)

    refused("F", [(11, name_of("c", 1)), (41, "never"), *tail], RejectCode.ORDER_UNKNOWN)
    refused("F", [(11, name_of("c", 2)), (41, gone), *tail], RejectCode.ORDER_ALREADY_DONE)
    refused("G", order(name_of("c", 3), {41: gone}), RejectCode.ORDER_ALREADY_DONE)
    refused("F", [(11, name_of("c", 4)), (41, theirs), *tail], RejectCode.ORDER_UNKNOWN)
    order_id = text(placed, 37)
    refused(
        "F", [(11, name_of("c", 5)), (41, theirs), (37, order_id), *tail], RejectCode.ORDER_UNKNOWN
    )
    inst.send("D", order(gone))
    (duplicate,) = told(inst)
    assert (text(duplicate, 103), text(duplicate, 5001)) == ("6", "181")
    other.send("H", [(11, theirs), (55, "BTC-USD"), (54, "1")])
    assert text(told(other)[0], 39) == "0", "the other's order is as it was"


def test_types_that_the_venue_does_not_offer(client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    inst.send("V", [(262, "x"), (263, 0), (264, 0), (267, 1), (269, 0), (146, 1), (55, "BTC-USD")])
    inst.send("ZZ", [(58, "x")])
    offered, unknown = told(inst, 2)
    assert (text(offered, 35), text(offered, 380), text(offered, 372)) == ("j", "3", "V")
    assert (text(unknown, 35), text(unknown, 373)) == ("3", "11")


def test_a_drop_copy_session_may_only_listen(client: Callable[..., FixClient]) -> None:
    copy = client("INST1-DC")
    copy.send("D", order(name_of("copy")))
    while text(answer := told(copy)[0], 35) == "8":
        pass  # a copy that was still on its way
    assert (text(answer, 35), text(answer, 380), text(answer, 5001)) == ("j", "6", "1015")


def test_a_drop_copy_gets_what_it_missed_by_resend(
    venue: Venue, client: Callable[..., FixClient]
) -> None:
    copy, inst = venue.client("INST1-DC"), client("INST1")
    copy.abort()
    executions = []
    names = [name_of("missed", number) for number in range(20)]
    for name in names:
        inst.send("D", order(name))
        executions.append(text(told(inst)[0], 17))
    copy.connect("127.0.0.1", venue.port)
    copy.logon()
    copies = copies_of(copy, {*names}, 20)
    assert [text(message, 17) for message in copies] == executions
    assert {text(message, 797) for message in copies} == {"Y"}
    assert {text(message, 43) for message in copies} == {"Y"}
    copy.logout()


WRONG = LogonKey(KEY.id, KEY.kind, bytes(32))
UNKNOWN = LogonKey("none", KEY.kind, KEY.material)


@pytest.mark.parametrize(
    ("sender", "key", "heartbeat", "reason"),
    [
        ("MM2", WRONG, 10, "logon refused"),
        ("MM2", UNKNOWN, 10, "logon refused"),
        ("MM2", None, 10, "no reason given"),
        ("MM2", KEY, 1, "HeartBtInt"),
        ("MM2", KEY, 100_000, "HeartBtInt"),
        ("NOBODY", KEY, 10, "logon refused"),
        ("RIALTO-PACEMAKER", KEY, 10, "logon refused"),
    ],
)
def test_a_refused_logon_learns_little(
    venue: Venue, sender: str, key: LogonKey | None, heartbeat: int, reason: str
) -> None:
    client = FixClient(sender=sender, target="RIALTO", key=key, heartbeat_seconds=heartbeat)
    client.connect("127.0.0.1", venue.port)
    with pytest.raises(FixClientError, match=reason):
        client.logon()
    client.abort()


def test_a_second_connection_does_not_disturb_the_first(
    venue: Venue, client: Callable[..., FixClient]
) -> None:
    first = client("INST1")
    second = FixClient(sender="INST1", target="RIALTO", key=KEY)
    second.connect("127.0.0.1", venue.port)
    with pytest.raises(FixClientError):
        second.logon()
    first.send("D", order(name_of("still")))
    assert text(told(first)[0], 150) == "0"


def test_idle_sessions_keep_their_heartbeats_while_another_is_busy(
    client: Callable[..., FixClient],
) -> None:
    """QuickFIX alone would stop the clocks of all sessions: see ``fix_gateway.pacemaker``."""
    busy, idle = client("INST1"), client("MM1", heartbeat_seconds=5)
    idle.settle()
    idle._heartbeat_seconds = 3600  # it asks for nothing itself
    heard, deadline = idle.heard_at, time.monotonic() + PATIENCE_SECONDS
    while idle.heard_at == heard:
        assert time.monotonic() < deadline, "no heartbeat came"
        busy.send("H", [(11, "none"), (55, "BTC-USD"), (54, "1")])
        told(busy)
        idle.receive(0.05)


def test_no_network_reaches_the_gateway(venue: Venue) -> None:
    process = psutil.Process(venue.gateway.pid)
    assert process.net_connections(kind="inet") == []
    doors = {str(each.laddr) for each in process.net_connections(kind="unix")} - {""}
    assert doors == {str(venue.directory / name) for name in ("fix.sock", "control.sock")}
    for door in doors:
        assert Path(door).stat().st_mode & 0o077 == 0


def test_garbage_before_logon_harms_nobody(venue: Venue, client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    for junk in (
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"8=FIX.4.4\x019=-5\x0135=A\x0110=000\x01",
    ):
        with socket.create_connection(("127.0.0.1", venue.port)) as stranger:
            stranger.sendall(junk)
    inst.send("D", order(name_of("fine")))
    assert text(told(inst)[0], 150) == "0"


def test_a_quickfix_initiator_trades_against_our_dictionary(venue: Venue) -> None:
    (venue.directory / "store").mkdir(exist_ok=True)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.fix_gateway.initiator",
            str(venue.port),
            "MM2",
            str(venue.directory),
            "25",
            "FIX.4.4",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = json.loads(run.stdout.splitlines()[0])
    assert said["rejected"] == [], "the client's dictionary refused a message of ours"
    kinds = [report["150"] for report in said["told"] if report["35"] == "8"]
    assert kinds == ["0"] * 25 + ["4"] * 25


def test_a_gateway_that_cannot_write_its_position_stops_and_says_so(tmp_path: Path) -> None:
    prepare(tmp_path)
    core, gateway = Process("core", tmp_path), Process("gateway", tmp_path, GATEWAY)
    inst = FixClient(sender="INST1", target="RIALTO", key=KEY)
    try:
        core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        venue = Venue(tmp_path, core, gateway)
        gateway.start()
        (tmp_path / "fix" / "checkpoint.new").mkdir()
        inst.connect("127.0.0.1", venue.port)
        inst.logon()
        inst.send("D", order("last"))
        assert gateway.wait() == EXIT_DISK
        assert "StoreError" in gateway.log()
    finally:
        inst.abort()
        gateway.close()
        core.close()


def test_an_orderly_restart_asks_nobody_for_anything(tmp_path: Path) -> None:
    prepare(tmp_path)
    core, gateway = Process("core", tmp_path), Process("gateway", tmp_path, GATEWAY)
    inst = FixClient(sender="INST1", target="RIALTO", key=KEY)
    try:
        core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        venue = Venue(tmp_path, core, gateway)
        gateway.start()
        inst.connect("127.0.0.1", venue.port)
        inst.logon()
        inst.send("D", order("before"))
        told(inst)
        inst.send("1", [(112, "x")])
        gateway.terminate()
        with pytest.raises(FixClientError, match="the venue is stopping"):
            inst.receive()
        assert gateway.stop() == 0
        kept = re.search(r"^fix_store_messages (\S+)$", metrics_of(venue), re.MULTILINE)
        # A Logon, a report, the answer to the TestRequest, a Logout; heartbeats as they come.
        assert kept is not None
        assert float(kept.group(1)) >= 4
        assert core.stop() == 0
        core.start()
        gateway.start()
        inst.connect("127.0.0.1", venue.port)
        inst.logon()
        inst.send("D", order("after"))
        assert text(told(inst)[0], 11) == "after"
        assert (inst.gaps, inst.resent, inst.duplicates) == (0, 0, 0)
        assert inst.resends_asked == 0
    finally:
        inst.abort()
        gateway.close()
        core.close()
