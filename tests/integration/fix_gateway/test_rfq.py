"""Requests for quote over real FIX: an institution in FIX 4.4, makers in both dialects."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simplefix

from fix_gateway.translation.times import timestamp_text
from tests.integration.fix_gateway.fix_client import FixClient, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

# INST1 and MM1 speak FIX 4.4, as their files say.
GATEWAY = '{"checkpoint_seconds": 0.5, "dialects": {"MM2": "FIX.5.0SP2", "INST1-DC": "FIX.5.0SP2"}}'
BEGIN = {"MM2": "FIXT.1.1", "INST1-DC": "FIXT.1.1"}
REQUESTER, OLD_MAKER, NEW_MAKER, COPY = "INST1", "MM1", "MM2", "INST1-DC"
Connect = Callable[[str], FixClient]
Message = simplefix.FixMessage


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    directory = tmp_path_factory.mktemp("rfq")
    prepare(directory)
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        yield directory, gateway.start()
    finally:
        gateway.close()
        core.close()


@pytest.fixture
def connect(venue: tuple[Path, int]) -> Iterator[Connect]:
    made: list[FixClient] = []

    def client(name: str) -> FixClient:
        begin_string = BEGIN.get(name, "FIX.4.4")
        found = FixClient(
            sender=name,
            target="RIALTO",
            key=KEY,
            heartbeat_seconds=30,
            begin_string=begin_string,
            version="9",
        )
        found.connect("127.0.0.1", venue[1])
        found.logon(is_reset=True)
        if name != COPY:
            found.settle()
        made.append(found)
        return found

    yield client
    for each in made:
        each.logout()


def told(client: FixClient, *kinds: str) -> list[Message]:
    """The next messages, which are of these kinds (35) in this order."""
    found: list[Message] = []
    while len(found) < len(kinds) and (message := client.receive()) is not None:
        found.append(message)
    assert [text(each, 35) for each in found] == list(kinds), [str(each) for each in found]
    return found


def name_of(test: str) -> str:
    return f"{test}-{time.time_ns() // 1000}"


def in_seconds(seconds: int) -> str:
    return timestamp_text(time.time_ns() + seconds * 1_000_000_000)


def ask(client: FixClient, name: str, *, side: str | None = None, quantity: str = "0.5") -> None:
    sides = [] if side is None else [(54, side)]
    entry = [(55, "BTC-USD"), *sides, (38, quantity), (126, in_seconds(60))]
    client.send("R", [(131, name), (146, 1), *entry])


def quote(client: FixClient, request: str, name: str, *, bid: str, offer: str) -> None:
    prices = [(132, bid), (133, offer), (134, "0.5"), (135, "0.5")]
    client.send("S", [(131, request), (117, name), (55, "BTC-USD"), *prices, (60, now_text())])


def test_a_request_is_quoted_by_two_dialects_and_the_better_one_is_taken(connect: Connect) -> None:
    inst, old, new, copy = (connect(each) for each in (REQUESTER, OLD_MAKER, NEW_MAKER, COPY))
    name = name_of("ask")
    ask(inst, name)
    (opened,) = told(inst, "AI")
    assert (text(opened, 131), text(opened, 297)) == (name, "0")
    requests = [told(maker, "R")[0] for maker in (old, new)]
    request = text(requests[0], 131)
    for each in requests:
        assert (text(each, 131), text(each, 38), text(each, 55)) == (request, "0.5000", "BTC-USD")
        assert "INST1" not in str(each).replace("56=INST1", "")
    mine, theirs = name_of("q1"), name_of("q2")
    quote(old, request, mine, bid="59990.00", offer="60010.00")
    assert text(told(old, "AI")[0], 297) == "0"
    quote(new, request, theirs, bid="59980.00", offer="60005.00")
    assert text(told(new, "AI")[0], 117) == theirs
    offers = told(inst, "S", "S")
    best = min(offers, key=lambda each: float(text(each, 133)))
    assert (text(best, 131), text(best, 133), text(best, 135)) == (name, "60005.00", "0.5000")
    taken = name_of("take")
    answer = [(693, taken), (117, text(best, 117)), (694, "1"), (55, "BTC-USD"), (54, "1")]
    inst.send("AJ", [*answer, (38, "0.5"), (44, "60005.00"), (60, now_text())])
    accepted, traded, *_, ended = told(inst, "8", "8", "AI", "AI", "AI")
    assert (text(accepted, 11), text(accepted, 150)) == (taken, "0")
    assert [text(traded, tag) for tag in (1115, 11, 150, 39, 31, 32, 54)] == [
        "3",
        taken,
        "F",
        "2",
        "60005.00",
        "0.5000",
        "1",
    ]
    assert (text(ended, 117), text(ended, 297)) == ("NONE", "22")
    _, sold, own, over = told(new, "8", "8", "AI", "AI")
    assert [text(sold, tag) for tag in (11, 31, 54, 880)] == [
        theirs,
        "60005.00",
        "2",
        text(traded, 880),
    ]
    assert (text(own, 297), text(over, 297)) == ("22", "6")
    lost, over = told(old, "AI", "AI")
    assert (text(lost, 117), text(lost, 297), text(over, 297)) == (mine, "6", "6")
    copies: list[Message] = []
    while len(copies) < 2:
        copies += [each for each in told(copy, "8") if text(each, 11) == taken]
    assert [text(each, 17) for each in copies] == [text(accepted, 17), text(traded, 17)]


def test_a_previously_quoted_order_hits_a_bid(connect: Connect) -> None:
    inst, maker = connect(REQUESTER), connect(OLD_MAKER)
    ask(inst, name_of("ask"), side="2")
    told(inst, "AI")
    request = text(told(maker, "R")[0], 131)
    prices = [(55, "BTC-USD"), (132, "59990.00"), (60, now_text())]
    maker.send("S", [(131, request), (117, name_of("q")), *prices])
    told(maker, "AI")
    offer = text(told(inst, "S")[0], 117)
    order = [(11, name_of("hit")), (117, offer), (40, "D"), (55, "BTC-USD"), (54, "2")]
    inst.send("D", [*order, (38, "0.5"), (44, "59990.00"), (60, now_text())])
    _, traded, _, _ = told(inst, "8", "8", "AI", "AI")
    assert (text(traded, 150), text(traded, 31), text(traded, 54)) == ("F", "59990.00", "2")


def test_what_is_open_is_told_again_after_a_reconnect(connect: Connect) -> None:
    inst, maker = connect(REQUESTER), connect(OLD_MAKER)
    name = name_of("ask")
    ask(inst, name)
    told(inst, "AI")
    request = text(told(maker, "R")[0], 131)
    again = connect(NEW_MAKER)  # its numbers begin anew, so it has heard nothing
    again.send("a", [(649, "all-1")])
    known, end = told(again, "R", "AI")
    assert (text(known, 131), text(end, 649), text(end, 297)) == (request, "all-1", "8")
    mine = name_of("q")
    quote(maker, request, mine, bid="59990.00", offer="60010.00")
    told(maker, "AI")
    told(inst, "S")
    inst.send("a", [(649, "mine-1"), (117, name)])
    own, offer, end = told(inst, "AI", "S", "AI")
    assert (text(own, 649), text(own, 131), text(offer, 131)) == ("mine-1", name, name)
    assert text(end, 58) == "1 requests, 1 quotes"
    maker.send("Z", [(131, request), (117, name_of("z")), (298, "5")])
    gone, _ = told(maker, "AI", "AI")
    assert (text(gone, 117), text(gone, 297)) == (mine, "17")
    assert text(told(inst, "AI")[0], 297) == "17"
    inst.send("Z", [(131, name), (117, name_of("z")), (298, "5")])
    over, _ = told(inst, "AI", "AI")
    assert (text(over, 131), text(over, 297)) == (name, "17")
    assert text(told(maker, "AI")[0], 297) == "6"


def test_refusals_are_told_in_the_standards_words(connect: Connect) -> None:
    inst, maker = connect(REQUESTER), connect(OLD_MAKER)
    ask(inst, name_of("ask"), quantity="0.00001")
    (refused,) = told(inst, "AG")
    assert text(refused, 5001) == "1004"
    quote(maker, "RFQ-999999", name_of("q"), bid="59990.00", offer="60010.00")
    (unknown,) = told(maker, "AI")
    assert [text(unknown, tag) for tag in (297, 300, 5001)] == ["5", "5", "250"]
    quote(inst, "RFQ-999999", name_of("q"), bid="59990.00", offer="60010.00")
    (denied,) = told(inst, "AI")
    assert [text(denied, tag) for tag in (297, 300, 5001)] == ["5", "9", "102"]
    answer = [(693, name_of("t")), (117, "RFQ-1-2"), (694, "1"), (55, "BTC-USD"), (54, "1")]
    inst.send("AJ", [*answer, (60, now_text())])
    (rejected,) = told(inst, "8")
    assert (text(rejected, 39), text(rejected, 5001)) == ("8", "253")
