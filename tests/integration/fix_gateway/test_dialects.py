"""Both dialects on one port: sessions of each trade with each other and learn what was wrong."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import simplefix

from fix_gateway.translation.times import timestamp_ns
from messages.trading.codes import RejectCode
from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.places import ROOT
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

Fields = dict[int, str | int]
# INST1 and MM1 speak FIX 4.4, as their files say.
GATEWAY = '{"checkpoint_seconds": 0.5, "dialects": {"MM2": "FIX.5.0SP2", "INST1-DC": "FIX.5.0SP2"}}'
BEGIN = {"MM2": "FIXT.1.1", "INST1-DC": "FIXT.1.1"}
OLD, NEW = "INST1", "MM2"


class Venue(NamedTuple):
    directory: Path
    port: int

    def unconnected(self, name: str, *, begin_string: str = "", version: str = "9") -> FixClient:
        return FixClient(
            sender=name,
            target="RIALTO",
            key=KEY,
            heartbeat_seconds=30,
            begin_string=begin_string or BEGIN.get(name, "FIX.4.4"),
            version=version,
        )

    def client(self, name: str) -> FixClient:
        made = self.unconnected(name)
        made.connect("127.0.0.1", self.port)
        made.logon(is_reset=True)
        return made


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("dialects")
    prepare(directory)
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        yield Venue(directory, gateway.start())
    finally:
        gateway.close()
        core.close()


@pytest.fixture
def client(venue: Venue) -> Iterator[Callable[[str], FixClient]]:
    made: list[FixClient] = []

    def make(name: str) -> FixClient:
        made.append(venue.client(name))
        return made[-1]

    yield make
    for each in made:
        each.logout()


def order(
    name: str, changes: dict[int, str | int | None] | None = None
) -> list[tuple[int, str | int]]:
    good: dict[int, str | int | None] = {
        11: name,
        55: "BTC-USD",
        54: "1",
        38: "0.01",
        40: "2",
        44: "59000.00",
        59: "1",
        60: now_text(),
    }
    return [(tag, value) for tag, value in (good | (changes or {})).items() if value is not None]


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


def name_of(test: str) -> str:
    return f"{test}-{time.time_ns() // 1000}"


def test_sessions_of_both_dialects_trade_with_each_other_and_are_copied(
    client: Callable[[str], FixClient],
) -> None:
    maker, taker, copy = client(NEW), client(OLD), client("INST1-DC")
    bid, ask = name_of("bid"), name_of("ask")
    maker.send("D", order(bid, {44: "60000.00"}))
    (placed,) = told(maker)
    assert (text(placed, 8), text(placed, 150)) == ("FIXT.1.1", "0")
    taker.send("D", order(ask, {54: "2", 44: "60000.00", 38: "0.004"}))
    accepted, traded = told(taker, 2)
    (made,) = told(maker)
    assert (text(traded, 8), text(made, 8)) == ("FIX.4.4", "FIXT.1.1")
    assert (text(traded, 150), text(made, 150), text(made, 151)) == ("F", "F", "0.0060")
    copies = copies_of(copy, {ask}, 2)
    assert [text(each, 17) for each in copies] == [text(accepted, 17), text(traded, 17)]
    assert {(text(each, 8), text(each, 797)) for each in copies} == {("FIXT.1.1", "Y")}
    second = name_of("second")
    maker.send("G", order(second, {41: bid, 44: "58000.00"}))
    (amended,) = told(maker)
    assert (text(amended, 150), text(amended, 41)) == ("5", bid)
    # FIX 5.0 SP2 lets a request name the order by the venue's number alone.
    number = text(placed, 37)
    tail = [(55, "BTC-USD"), (54, "1")]
    maker.send("H", [(37, number), *tail])
    (status,) = told(maker)
    assert (text(status, 150), text(status, 11)) == ("I", second)
    maker.send("F", [(37, number), (11, name_of("cancel")), *tail, (60, now_text())])
    (cancelled,) = told(maker)
    assert (text(cancelled, 150), text(cancelled, 37)) == ("4", number)


SESSION_REJECTS: list[tuple[str, dict[int, str | int | None], str, str]] = [
    # what is wrong, changes of a good order, 371, 373
    ("a tag that FIX does not have", {9999: "1"}, "9999", "0"),
    ("a tag that only other messages have", {75: "20261101"}, "75", "2"),
    ("a tag of the venue's answers", {5001: "1"}, "5001", "2"),
    ("a required tag missing", {54: None}, "54", "1"),
    ("a tag without a value", {44: ""}, "44", "4"),
    ("a value that FIX does not have", {54: "Z"}, "54", "5"),
    ("a value of the wrong form", {38: "1e3"}, "38", "6"),
    ("a time of the wrong form", {60: "yesterday"}, "60", "6"),
]


@pytest.mark.parametrize("session", [OLD, NEW])
@pytest.mark.parametrize(
    ("changes", "tag", "reason"),
    [case[1:] for case in SESSION_REJECTS],
    ids=[case[0] for case in SESSION_REJECTS],
)
def test_what_is_not_fix_gets_a_session_reject(
    client: Callable[[str], FixClient],
    session: str,
    *,
    changes: dict[int, str | int | None],
    tag: str,
    reason: str,
) -> None:
    sender = client(session)
    number = sender.send("D", order(name_of("bad"), changes))
    (answer,) = told(sender)
    assert text(answer, 35) == "3"
    assert (text(answer, 371), text(answer, 373)) == (tag, reason)
    assert (text(answer, 372), text(answer, 45)) == ("D", str(number))
    assert text(answer, 58), "a refusal says why"
    sender.send("D", order(name_of("good")))
    assert text(told(sender)[0], 150) == "0", "the session goes on"


@pytest.mark.parametrize("session", [OLD, NEW])
def test_a_tag_that_stands_twice_gets_a_session_reject(
    client: Callable[[str], FixClient], session: str
) -> None:
    sender = client(session)
    sender.send("D", [*order(name_of("twice")), (44, "1.00")])
    (answer,) = told(sender)
    assert (text(answer, 35), text(answer, 371), text(answer, 373)) == ("3", "44", "13")


@pytest.mark.parametrize(
    ("session", "kind", "is_known"),
    [
        (OLD, "V", True),
        (NEW, "V", True),
        (OLD, "DH", False),  # PartyActionRequest came with FIX 5.0 SP2
        (NEW, "DH", True),
        (OLD, "ZZ", False),
        (NEW, "ZZ", False),
    ],
)
def test_a_type_that_is_not_offered_is_told_apart_from_one_that_fix_does_not_have(
    client: Callable[[str], FixClient], session: str, kind: str, is_known: bool
) -> None:
    sender = client(session)
    # A group, which no dictionary of ours has: twice the same tag must not mislead.
    number = sender.send(kind, [(262, "1"), (267, 2), (269, 0), (269, 1), (58, "x")])
    (answer,) = told(sender)
    assert (text(answer, 45), text(answer, 372)) == (str(number), kind)
    expected = ("j", "3", "") if is_known else ("3", "", "11")
    assert (text(answer, 35), text(answer, 380), text(answer, 373)) == expected
    sender.send("D", order(name_of("good")))
    assert text(told(sender)[0], 150) == "0"


def party(name: str, role: int) -> list[tuple[int, str | int]]:
    return [(448, name), (447, "D"), (452, role)]


def all_of(message: simplefix.FixMessage, *tags: int) -> list[str]:
    """The values of tags in the order in which they came, repeated ones too."""
    return [value.decode() for tag, value in message if int(tag) in tags]


Pairs = list[tuple[int, str | int]]
LYING_GROUPS: list[tuple[str, Pairs, str, str]] = [
    # what is wrong, the end of the message, 371, 373
    ("fewer than counted", [(453, 2), *party("F", 1)], "453", "16"),
    ("more than counted", [(453, 1), *party("F", 1), *party("7", 11)], "453", "16"),
    ("counted and not there", [(453, 1)], "453", "16"),
    ("not a count", [(453, "x"), *party("F", 1)], "453", "6"),
    ("another member first", [(453, 1), (447, "D"), (448, "F"), (452, 1)], "453", "16"),
    ("without its count", party("F", 1), "447", "2"),
    ("a member that is not ours", [(453, 1), *party("F", 1), (802, 1)], "802", "2"),
]


@pytest.mark.parametrize("session", [OLD, NEW])
@pytest.mark.parametrize(
    ("end", "tag", "reason"),
    [case[1:] for case in LYING_GROUPS],
    ids=[case[0] for case in LYING_GROUPS],
)
def test_a_group_that_lies_gets_a_session_reject(
    client: Callable[[str], FixClient],
    session: str,
    *,
    end: list[tuple[int, str | int]],
    tag: str,
    reason: str,
) -> None:
    sender = client(session)
    sender.send("D", [*order(name_of("group")), *end])
    (answer,) = told(sender)
    assert text(answer, 35) == "3"
    assert (text(answer, 371), text(answer, 373)) == (tag, reason)
    sender.send("D", order(name_of("good")))
    assert text(told(sender)[0], 150) == "0", "the session goes on"


@pytest.mark.parametrize("session", [OLD, NEW])
@pytest.mark.parametrize(
    "members",
    [
        [(448, "{session}"), (447, "D")],
        [(448, "{session}"), (447, "?"), (452, 1)],
        [(448, "{session}"), (447, "D"), (452, 13)],
    ],
)
def test_what_stands_inside_a_group_is_refused_with_a_code(
    client: Callable[[str], FixClient], session: str, members: list[tuple[int, str | int]]
) -> None:
    """QuickFIX looks neither at values inside groups nor for members that are missing."""
    sender = client(session)
    own = [(tag, str(value).format(session=session)) for tag, value in members]
    sender.send("D", [*order(name_of("inside")), (453, 1), *own])
    (answer,) = told(sender)
    assert (text(answer, 35), text(answer, 150), text(answer, 5001)) == ("8", "8", "1013")


@pytest.mark.parametrize("session", [OLD, NEW])
def test_parties_are_taken_and_told(client: Callable[[str], FixClient], session: str) -> None:
    sender = client(session)
    named = [(453, 3), *party(session, 1), *party("4711", 11), *party(session, 24)]
    sender.send("D", [*order(name_of("party")), *named])
    (placed,) = told(sender)
    assert text(placed, 150) == "0"
    assert all_of(placed, 448) == [session, session, "4711", session]
    assert all_of(placed, 452) == ["1", "24", "11", "55"]
    assert text(placed, 528) == "A"
    sender.send("D", [*order(name_of("other")), (453, 1), *party("MM1", 1)])
    (refused,) = told(sender)
    assert (text(refused, 150), text(refused, 5001)) == ("8", "1007")


@pytest.mark.parametrize("session", [OLD, NEW])
def test_times_market_and_aggressor_are_told(
    client: Callable[[str], FixClient], session: str
) -> None:
    maker, taker = client("MM1"), client(session)
    bid = name_of("bid")
    maker.send("D", order(bid, {44: "61000.00"}))
    told(maker)
    before_ns = time.time_ns()
    taker.send("D", order(name_of("ask"), {54: "2", 44: "61000.00", 59: "3"}))
    accepted, traded = told(taker, 2)
    (made,) = told(maker)
    assert all_of(accepted, 770) == ["2"]
    (came,) = all_of(accepted, 769)
    came_ns = timestamp_ns(came)
    assert came_ns is not None
    assert before_ns <= came_ns <= time.time_ns()
    assert len(came.partition(".")[2]) == 9
    for report, aggressor in ((traded, "Y"), (made, "N")):
        assert (text(report, 1057), text(report, 29), text(report, 30)) == (aggressor, "1", "XXXX")
        assert all_of(report, 770) == ["1"]
        (when,) = all_of(report, 769)
        assert when.startswith(text(report, 60)), "the sequencer's stamp, with three digits more"


@pytest.mark.parametrize("session", [OLD, NEW])
def test_a_mass_cancel_of_the_firm_is_told_as_asked(
    client: Callable[[str], FixClient], session: str
) -> None:
    sender = client(session)
    sender.send("D", order(name_of("open"), {44: "58000.00"}))
    told(sender)
    firm: Pairs = [(1461, 1), (1462, session), (1463, "D"), (1464, 1)]
    sender.send("q", [(11, name_of("all")), (530, "7"), *firm, (60, now_text())])
    messages = told(sender)
    while text(messages[-1], 35) != "r":
        messages += told(sender)
    report = messages[-1]
    assert {text(each, 150) for each in messages[:-1]} == {"4"}
    assert (text(report, 35), text(report, 531)) == ("r", "7")
    assert text(report, 533) == str(len(messages) - 1)
    assert (text(report, 1462), text(report, 1369)) == (session, text(report, 5002))
    other: Pairs = [(1461, 1), (1462, "MM1"), (1463, "D"), (1464, 1)]
    sender.send("q", [(11, name_of("theirs")), (530, "7"), *other, (60, now_text())])
    (refused,) = told(sender)
    assert (text(refused, 35), text(refused, 531), text(refused, 5001)) == ("r", "0", "1007")


@pytest.mark.parametrize("session", [OLD, NEW])
def test_a_cash_quantity_that_is_all_or_nothing_is_refused_with_a_code(
    client: Callable[[str], FixClient], session: str
) -> None:
    sender = client(session)
    sender.send("D", order(name_of("cash"), {38: None, 40: "1", 44: None, 59: "4", 152: "100"}))
    (refused,) = told(sender)
    assert (text(refused, 150), text(refused, 103)) == ("8", "13")
    assert text(refused, 152) == "100.000000"
    assert text(refused, 5001) == str(RejectCode.CASH_QUANTITY_NOT_ALLOWED.value)


@pytest.mark.parametrize("session", [OLD, NEW])
def test_a_value_that_the_venue_does_not_offer_is_refused_with_a_code(
    client: Callable[[str], FixClient], session: str
) -> None:
    sender = client(session)
    sender.send("D", order(name_of("pegged"), {40: "P"}))
    (answer,) = told(sender)
    assert (text(answer, 35), text(answer, 150), text(answer, 5001)) == ("8", "8", "1009")


def test_an_application_version_for_one_message_alone_is_refused(
    client: Callable[[str], FixClient],
) -> None:
    """Else its sender would choose the dictionary that it is checked by."""
    sender = client(NEW)
    sender.send("D", [(1128, "6"), *order(name_of("other"))])
    (answer,) = told(sender)
    assert (text(answer, 35), text(answer, 371), text(answer, 373)) == ("3", "1128", "5")
    sender.send("D", [(1128, "9"), *order(name_of("same"))])
    assert text(told(sender)[0], 150) == "0"


@pytest.mark.parametrize(
    ("session", "begin_string", "version", "reason"),
    [
        (NEW, "FIXT.1.1", "6", "1137"),
        (NEW, "FIXT.1.1", "10", "1137"),
        (NEW, "FIXT.1.1", "", "no reason given"),
        (NEW, "FIX.4.4", "", "must be FIXT.1.1"),
        (OLD, "FIXT.1.1", "9", "must be FIX.4.4"),
    ],
)
def test_a_logon_in_another_version_is_refused_and_disturbs_nobody(
    venue: Venue, session: str, begin_string: str, version: str, reason: str
) -> None:
    wrong = venue.unconnected(session, begin_string=begin_string, version=version)
    wrong.connect("127.0.0.1", venue.port)
    with pytest.raises(FixClientError, match=reason):
        wrong.logon(is_reset=True)
    wrong.abort()
    right = venue.client(session)
    right.send("D", order(name_of("right")))
    assert text(told(right)[0], 150) == "0"
    right.logout()


def test_what_was_missed_is_resent_in_the_sessions_dialect(
    venue: Venue, client: Callable[[str], FixClient]
) -> None:
    copy, trader = venue.client("INST1-DC"), client(OLD)
    copy.abort()
    missed = name_of("missed")
    trader.send("D", order(missed))
    (placed,) = told(trader)
    copy.connect("127.0.0.1", venue.port)
    copy.logon()
    (resent,) = copies_of(copy, {missed}, 1)
    assert (text(resent, 8), text(resent, 43)) == ("FIXT.1.1", "Y")
    assert text(resent, 17) == text(placed, 17)
    copy.logout()


@pytest.mark.parametrize(("session", "dialect"), [("MM1", "FIX.4.4"), (NEW, "FIX.5.0SP2")])
def test_a_quickfix_initiator_trades_with_the_published_dictionaries(
    venue: Venue, client: Callable[[str], FixClient], session: str, dialect: str
) -> None:
    seller = client(OLD)
    terms: dict[int, str | int | None] = {55: "ETH-USD", 54: "2", 38: "0.02", 44: "2900.00"}
    seller.send("D", order(name_of("ask"), terms))
    told(seller)
    (venue.directory / "store").mkdir(exist_ok=True)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.integration.fix_gateway.initiator",
            str(venue.port),
            session,
            str(venue.directory),
            "5",
            dialect,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[0])
    assert said["rejected"] == [], "the client's dictionary refused a message of ours"
    # Orders of 0.01 each: the first two find the 0.02 on offer, the others are cancelled.
    kinds = [report.get("150", "9") for report in said["told"]]
    assert kinds == ["0", "F", "0", "F", "0", "0", "0", "9", "9", "4", "4", "4"]
    assert [text(each, 150) for each in told(seller, 2)] == ["F", "F"]


def test_a_session_may_change_its_dialect_between_runs(tmp_path: Path) -> None:
    prepare(tmp_path)
    core, old = Process("core", tmp_path), Process("gateway", tmp_path)
    new = Process("gateway", tmp_path, GATEWAY)
    before, after = name_of("before"), name_of("after")
    client = FixClient(sender=NEW, target="RIALTO", key=KEY)
    try:
        core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        client.connect("127.0.0.1", old.start())
        client.logon()
        client.send("D", order(before))
        told(client)
        old.terminate()
        with pytest.raises(FixClientError, match="the venue is stopping"):
            client.receive()
        assert old.stop() == 0
        venue = Venue(tmp_path, new.start())
        changed = venue.unconnected(NEW)
        changed.next_out, changed.next_in = client.next_out, client.next_in
        changed.connect("127.0.0.1", venue.port)
        changed.logon()
        (missed,) = told(changed)
        assert (text(missed, 8), text(missed, 11), text(missed, 378)) == ("FIXT.1.1", before, "12")
        (receipt,) = told(changed)
        assert text(receipt, 35) == "N", "what the disconnect left behind"
        changed.send("D", order(after))
        assert [text(each, 11) for each in told(changed)] == [after], "nothing comes twice"
        assert (changed.gaps, changed.resends_asked) == (1, 0), "both sides' numbers go on"
        changed.logout()
    finally:
        client.abort()
        old.close()
        new.close()
        core.close()
