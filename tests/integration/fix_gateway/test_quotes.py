"""Mass quotes over real FIX: makers in both dialects, and an institution that takes."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fix_gateway.settings import ProtectionTable
from tests.integration.fix_gateway.fix_client import FixClient, now_text, text
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed, session_files
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
            heartbeat_seconds=10,
            begin_string=BEGIN.get(name, "FIX.4.4"),
        )
        found.connect("127.0.0.1", venue[2])
        found.logon(is_reset=True)
        list(found.messages(quiet_seconds=0.3))
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
    while len(found) < count and (message := client.receive(20.0)) is not None:
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
