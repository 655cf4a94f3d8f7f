"""Mass quotes over real FIX: makers in both dialects, and an institution that takes."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fix_gateway.settings import ProtectionTable
from messages.layout import plain_text
from messages.trading import events
from tests.integration.fix_gateway.fix_client import FixClient, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed
from tests.integration.fix_gateway.test_rfq import Message, name_of, told

# INST1 and MM1 speak FIX 4.4, as their files say.
GATEWAY = '{"checkpoint_seconds": 0.5, "dialects": {"MM2": "FIX.5.0SP2", "INST1-DC": "FIX.5.0SP2"}}'
BEGIN = {"MM2": "FIXT.1.1", "INST1-DC": "FIXT.1.1"}
OLD, NEW, TAKER = "MM1", "MM2", "INST1"
GROUP = "7"
Connect = Callable[..., FixClient]
Venue = tuple[Path, Process, int]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("quotes")
    prepare(directory)
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    guarded = ProtectionTable(
        group=int(GROUP), base="BTC", quote="USD", trades_max=2, window_ms=3_600_000
    )
    sessions = session_files()
    for name in (OLD, NEW):
        accounts = [
            msgspec.structs.replace(account, protection=[guarded])
            for account in sessions[name].account
        ]
        sessions[name] = msgspec.structs.replace(sessions[name], account=accounts)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=sessions))
        yield directory, gateway, gateway.start()
    finally:
        gateway.close()
        core.close()


@pytest.fixture
def connect(venue: Venue) -> Iterator[Connect]:
    made: list[FixClient] = []

    def client(name: str) -> FixClient:
        found = FixClient(
            sender=name,
            target="RIALTO",
            key=KEY,
            heartbeat_seconds=30,
            begin_string=BEGIN.get(name, "FIX.4.4"),
        )
        found.connect("127.0.0.1", venue[2])
        found.logon(is_reset=True)
        found.settle()
        made.append(found)
        return found

    yield client
    for each in made:
        each.logout()


Pairs = list[tuple[int, str | int]]


def entry(name: str, *, bid: str = "", offer: str = "", size: str = "0.1") -> Pairs:
    """One entry of a mass quote: a side for each price, of one size."""
    sides: Pairs = [(tag, px) for tag, px in ((132, bid), (133, offer)) if px]
    sizes: Pairs = [(tag, size) for tag, px in ((134, bid), (135, offer)) if px]
    return [(299, name), (55, "BTC-USD"), *sides, *sizes]


def quote(client: FixClient, name: str, *entries: Pairs, group: str = "0", level: str = "2") -> int:
    head: Pairs = [(117, name), (301, level), (296, 1), (302, group), (304, len(entries))]
    body = [pair for each in entries for pair in each]
    return client.send("i", [*head, (295, len(entries)), *body])


def take(client: FixClient, side: str, price: str, quantity: str) -> None:
    order: Pairs = [(11, name_of("take")), (55, "BTC-USD"), (54, side), (38, quantity)]
    client.send("D", [*order, (40, "2"), (44, price), (59, "3"), (60, now_text())])


def all_of(message: Message, tag: int) -> list[str]:
    """The values of a tag in the order in which they came."""
    return [value.decode() for at, value in message if int(at) == tag]


def several(client: FixClient, count: int) -> list[Message]:
    """The next messages, whatever they are."""
    found: list[Message] = []
    while len(found) < count and (message := client.receive()) is not None:
        found.append(message)
    assert len(found) == count, [str(each) for each in found]
    return found


@pytest.mark.parametrize("maker", [OLD, NEW])
def test_a_mass_quote_stands_trades_and_is_replaced(connect: Connect, maker: str) -> None:
    mm, inst = connect(maker), connect(TAKER)
    name = name_of("q")
    quote(mm, name, entry("a", bid="59990.00", offer="60010.00"), entry("b", bid="59980.00"))
    *news, answer = told(mm, "8", "8", "8", "b")
    assert [text(answer, tag) for tag in (117, 297, 301, 296, 302, 893, 295)] == [
        *(name, "0", "2", "1", "0", "Y", "2"),
    ]
    assert (all_of(answer, 299), all_of(answer, 1167)) == (["a", "b"], ["0", "0"])
    assert [(text(each, 150), text(each, 54), text(each, 299)) for each in news] == [
        ("0", "1", "a"),
        ("0", "2", "a"),
        ("0", "1", "b"),
    ]
    assert (text(news[0], 11), text(news[0], 117)) == (f"{name}/a", name)
    take(inst, "1", "60010.00", "0.04")
    told(inst, "8", "8")
    (fill,) = told(mm, "8")
    assert [text(fill, tag) for tag in (150, 117, 299, 32, 31, 151)] == [
        *("F", name, "a", "0.0400", "60010.00", "0.0600"),
    ]
    again = name_of("q")
    quote(mm, again, entry("a", bid="59985.00", offer="60010.00", size="0.05"))
    gone, kept, new, answer = several(mm, 4)
    assert [text(each, 150) for each in (gone, new, kept)].count("4") == 1
    assert (text(gone, 58), text(gone, 117)) == ("QUOTE_REPLACED", name)
    assert {text(kept, 150), text(new, 150)} == {"5", "0"}
    assert (text(answer, 35), text(answer, 117)) == ("b", again)
    mm.send("Z", [(117, "all-1"), (298, "4")])
    *ends, over = told(mm, "8", "8", "8", "AI")
    assert {text(each, 150) for each in ends} == {"4"}
    assert [text(over, tag) for tag in (117, 297, 58)] == ["all-1", "4", "3 sides cancelled"]


def test_entries_are_refused_one_by_one(connect: Connect) -> None:
    mm = connect(OLD)
    name = name_of("q")
    good, crossed = entry("a", bid="59990.00"), entry("b", bid="60010.00", offer="60000.00")
    quote(mm, name, good, crossed, level="1")
    _, answer = told(mm, "8", "b")
    assert (text(answer, 297), all_of(answer, 1167)) == ("0", ["0", "5"])
    assert (all_of(answer, 368), all_of(answer, 5010)) == (["7"], ["240"])
    quote(mm, name_of("q"), entry("a", bid="59985.00"), level="1")
    told(mm, "8", "8")  # nothing is wrong, so there is no b: what comes next is an answer to more
    quote(mm, name_of("q"), entry("a", bid="59980.00"), entry("c", bid="59980.001"), level="1")
    *_, mixed = told(mm, "8", "8", "b")
    assert (text(mixed, 297), all_of(mixed, 1167)) == ("0", ["0", "5"])
    assert (all_of(mixed, 368), all_of(mixed, 5010)) == (["8"], ["1002"])
    assert text(mixed, 5011) == "GATEWAY_PRICE_OFF_TICK: tag 132"
    mm.send("Z", [(117, "one"), (298, "1"), (299, "a"), (295, 1), (55, "BTC-USD")])
    gone, over = told(mm, "8", "AI")
    assert (text(gone, 44), text(gone, 299)) == ("59980.00", "a")
    assert [text(over, tag) for tag in (117, 55, 297)] == ["one", "BTC-USD", "17"]


def test_a_mass_quote_of_a_hundred_entries_is_acknowledged_in_parts(connect: Connect) -> None:
    mm = connect(NEW)
    entries = [entry(f"e{at}", bid=f"{59000 + at}.00", size="0.001") for at in range(100)]
    quote(mm, name_of("q"), *entries)
    found = several(mm, 100 + 13)
    parts = [each for each in found if text(each, 35) == "b"]
    assert [text(each, 893) for each in parts] == ["N"] * 12 + ["Y"]
    assert [name for each in parts for name in all_of(each, 299)] == [f"e{at}" for at in range(100)]
    quote(mm, name_of("q"), *entries, entry("more", bid="58000.00"))
    (refused,) = told(mm, "b")
    assert [text(refused, tag) for tag in (297, 300, 5001)] == ["5", "3", "1020"]
    mm.send("Z", [(298, "4")])
    *_, over = several(mm, 101)
    assert text(over, 58) == "100 sides cancelled"


def test_quotes_that_may_take_are_acknowledged_before_they_trade(connect: Connect) -> None:
    inst, mm = connect(TAKER), connect(OLD)
    rest: Pairs = [(11, name_of("rest")), (55, "BTC-USD"), (54, "2"), (38, "0.1"), (40, "2")]
    inst.send("D", [*rest, (44, "60000.00"), (59, "1"), (60, now_text())])
    told(inst, "8")
    name = name_of("q")
    quote(mm, name, entry("a", bid="60000.00"))
    (refused,) = told(mm, "b")
    assert all_of(refused, 5010) == ["220"], "post-only unless it says more"
    body: Pairs = [(296, 1), (302, "0"), (304, 1), (295, 1), *entry("a", bid="60000.00")]
    mm.send("i", [(117, name), (5012, "Y"), *body])
    new, answer, fill = told(mm, "8", "b", "8")
    assert [text(each, 150) for each in (new, fill)] == ["0", "F"]
    assert (all_of(answer, 1167), text(fill, 1057)) == (["0"], "Y")
    told(inst, "8")


@pytest.mark.parametrize("maker", [OLD, NEW])
def test_protection_trips_is_told_and_is_reset(connect: Connect, maker: str) -> None:
    mm, inst = connect(maker), connect(TAKER)
    levels = [entry(f"p{at}", bid=f"{59990 - at}.00", size="0.01") for at in range(4)]
    quote(mm, name_of("q"), *levels, group=GROUP)
    *_, answer = told(mm, *"8888b")
    assert text(answer, 302) == GROUP
    take(inst, "2", "59980.00", "0.04")
    assert len([each for each in several(inst, 4) if text(each, 150) == "F"]) == 2
    *_, first, second, tripped = told(mm, "8", "8", "8", "8", "AI")
    assert [text(each, 58) for each in (first, second)] == ["PROTECTION", "PROTECTION"]
    assert [text(tripped, tag) for tag in (302, 297)] == [GROUP, "6"]
    assert "TRADES limit 2, traded 2, 2 sides cancelled" in text(tripped, 58)
    quote(mm, name_of("q"), levels[0], group=GROUP)
    (frozen,) = told(mm, "b")
    assert all_of(frozen, 5010) == ["244"]
    mm.send("a", [(649, "s-1"), (302, "0")])
    (stands,) = told(mm, "AI")
    assert [text(stands, tag) for tag in (649, 302, 297)] == ["s-1", GROUP, "6"]
    assert "trades 0 of 2, frozen until it is reset, 0 more" in text(stands, 58)
    release: Pairs = [(1373, "2"), (1374, "7"), (302, GROUP), (60, now_text())]
    mm.send("CA", [(11, "r-1"), *release])
    (thawed,) = told(mm, "AI")
    assert [text(thawed, tag) for tag in (117, 302, 297)] == ["r-1", GROUP, "0"]
    quote(mm, name_of("q"), levels[0], group=GROUP)
    told(mm, "8", "b")
    mm.send("CA", [(11, "r-2"), (1373, "2"), (1374, "7"), (302, "99"), (60, now_text())])
    (unknown,) = told(mm, "AI")
    assert [text(unknown, tag) for tag in (297, 5001)] == ["9", "241"]
    mm.send("Z", [(117, "z"), (298, "4"), (302, GROUP)])
    _, over = told(mm, "8", "AI")
    assert (text(over, 302), text(over, 297)) == (GROUP, "17")


def test_quotes_go_with_the_line(connect: Connect, venue: Venue) -> None:
    mm = connect(OLD)
    quote(mm, name_of("q"), entry("a", bid="59990.00", offer="60010.00"))
    told(mm, "8", "8", "b")
    mm.abort()
    mm.connect("127.0.0.1", venue[2])
    mm.logon()
    gone = told(mm, "8", "8")
    assert [(text(each, 150), text(each, 378), text(each, 299)) for each in gone] == [
        ("4", "12", "a")
    ] * 2


def test_a_mass_quote_that_a_killed_gateway_lost_comes_again_and_runs_once(
    connect: Connect, venue: Venue
) -> None:
    directory, gateway, port = venue
    mm = connect(OLD)
    lost, raced = name_of("q"), name_of("q")
    many = [entry(f"k{at}", bid=f"{59000 + at}.00", size="0.001") for at in range(20)]
    quote(mm, raced, *many)
    # Whatever of the first has reached the core, the second cannot have.
    os.kill(gateway.pid, signal.SIGSTOP)
    quote(mm, lost, *many)
    gateway.kill()
    gateway.start()
    mm.connect("127.0.0.1", port)
    mm.logon()
    ended = False
    while not ended:
        message = mm.receive()
        assert message is not None
        ended = text(message, 35) == "b" and text(message, 117) == lost
        ended = ended and text(message, 893) == "Y"
    assert mm.resent >= 1, "the venue asked for it"
    said = [
        (plain_text(event.quote_id), event.first)
        for event in asyncio.run(history(directory))
        if isinstance(event, events.MassQuoteAcknowledged)
    ]
    for name in (raced, lost):
        assert [first for quoted, first in said if quoted == name] == [0, 8, 16]
