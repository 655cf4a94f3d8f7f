"""Market data through the public port: a core, a gateway, a guard, and the process that serves it.

What is told is compared with the engine's own books, which the core is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simplefix

from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.guard.keys import KeyRing
from messages.trading.answers import Book, read_books
from messages.trading.terms import Side
from runtime.link import Link
from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.places import ROOT, TOKEN, address
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed
from tests.unit.fix_gateway.market_data_client import ClientBook

WAIT = 120.0
LIMITS = {
    "subscriptions_max": 12,
    "symbols_max": 3,
    "depth_max": 10,
    "entries_per_message_max": 10,
    "queue_bytes_max": 8192,
    "slow_seconds_max": 120.0,
    "moments_max": 8,
}
ALL: list[tuple[int, str | int]] = [(267, 3), (269, 0), (269, 1), (269, 2)]
BTC: list[tuple[int, str | int]] = [(146, 1), (55, "BTC-USD")]


class Floor:
    """The processes, two who trade, and the way to the engine's books."""

    def __init__(self, directory: Path) -> None:
        prepare(directory)
        self.directory = directory
        self.core = Process("core", directory)
        self.gateway = Process("gateway", directory)
        self.data = Process("market_data", directory, json.dumps({"limits": LIMITS}))
        self.port = 0
        self.orders = 0

    def start(self) -> None:
        self.core.start()
        asyncio.run(seed(self.directory, sessions=session_files()))
        self.port = self.gateway.start()
        self.data.start()

    def close(self) -> None:
        for process in (self.data, self.gateway, self.core):
            process.close()

    def client(self, name: str, **options: object) -> FixClient:
        made = FixClient(sender=name, target="RIALTO", key=KEY, **options)  # type: ignore[arg-type]
        deadline = time.monotonic() + WAIT
        while True:
            made.connect("127.0.0.1", self.port)
            try:
                made.logon(is_reset=True)
            except FixClientError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return made

    def order(self, client: FixClient, side: int, quantity: str, price: str) -> str:
        self.orders += 1
        name = f"md-{self.orders}-{time.monotonic_ns()}"
        stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
        fields: list[tuple[int, str | int]] = [
            (11, name),
            (55, "BTC-USD"),
            (54, side),
            (60, stamp),
            (38, quantity),
            (40, 2),
        ]
        client.send("D", [*fields, (44, price), (59, 1)])
        return name

    def cancel_all(self, client: FixClient) -> None:
        self.orders += 1
        stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
        name = f"md-q-{self.orders}-{time.monotonic_ns()}"
        client.send("q", [(11, name), (530, 7), (60, stamp)])
        while (message := client.receive()) is not None and text(message, 35) != "r":
            pass

    def book(self) -> Book:
        async def ask() -> Book:
            link = await Link.connect(address(self.directory), "admin", TOKEN)
            try:
                answer = await link.query("books")
            finally:
                await link.close()
            return next(each for each in read_books(answer.payload) if each.instrument == 1)

        return asyncio.run(ask())

    def metric(self, name: str) -> float:
        port = int((self.directory / "market_data.metrics_port").read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            lines = page.read().decode()
        found = re.search(rf"^fix_market_data_{re.escape(name)} (\S+)$", lines, re.MULTILINE)
        return float(found.group(1)) if found else 0.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    made = Floor(tmp_path_factory.mktemp("floor"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def floor(running: Floor) -> Iterator[Floor]:
    yield running
    for name in ("MM1", "MM2"):
        client = running.client(name)
        running.cancel_all(client)
        client.logout()


@pytest.fixture
def client(floor: Floor) -> Iterator[Callable[..., FixClient]]:
    made: list[FixClient] = []

    def make(name: str, **options: object) -> FixClient:
        one = floor.client(name, **options)
        made.append(one)
        return one

    yield make
    for one in made:
        with contextlib.suppress(FixClientError):
            one.logout()


def plain(message: simplefix.FixMessage) -> str:
    return message.encode(raw=True).decode("latin-1")


def expect(client: FixClient, kind: str) -> simplefix.FixMessage:
    message = client.receive()
    assert message is not None, f"no {kind}"
    assert text(message, 35) == kind, plain(message)
    return message


def follow(client: FixClient, books: dict[str, ClientBook], sequence: int) -> None:
    """Read until the full book has come to a sequence, and the others as far as they changed."""
    deadline = time.monotonic() + WAIT
    while books["levels"].sequence < sequence:
        assert time.monotonic() < deadline, books["levels"].sequence
        message = received(client)
        if text(message, 35) in "WX":
            books[text(message, 262)].take(plain(message))
    client.send("x", [(320, "barrier"), (559, 0), (55, "BTC-USD")])
    while text(message := received(client), 35) != "y":
        books[text(message, 262)].take(plain(message))
    assert all(book.is_complete for book in books.values())


def received(client: FixClient) -> simplefix.FixMessage:
    message = client.receive()
    assert message is not None
    return message


def compare(told: ClientBook, book: Book) -> None:
    for side, mark in ((Side.BUY, "0"), (Side.SELL, "1")):
        resting = [order for order in book.orders if order.side == side]
        if told.is_by_order:
            assert [number for number, _, _ in told.queue(mark)] == [
                str(order.order_id) for order in resting
            ]
            continue
        levels: dict[int, list[int]] = {}
        for order in resting:
            levels.setdefault(order.price_ticks, []).append(order.shown_lots)
        expected = [
            (f"{ticks / 100:.2f}", f"{sum(lots) / 10_000:.4f}", len(lots))
            for ticks, lots in levels.items()
        ]
        assert told.best(mark) == (expected[: told.depth] if told.depth else expected)


def subscribe(client: FixClient) -> dict[str, ClientBook]:
    """Ask for every kind of book."""
    books = {
        "levels": ClientBook(),
        "top": ClientBook(depth=1),
        "three": ClientBook(depth=3),
        "orders": ClientBook(is_by_order=True),
    }
    for name, book in books.items():
        way: list[tuple[int, str | int]] = [(266, "N")] if book.is_by_order else []
        client.send("V", [(262, name), (263, 1), (264, book.depth), (265, 1), *way, *ALL, *BTC])
    return books


def trade(floor: Floor, chance: random.Random, makers: list[FixClient], count: int) -> None:
    for _ in range(count):
        maker, side = chance.choice(makers), chance.choice((1, 2))
        away = chance.randrange(-8, 12)
        price = 60_000 - away if side == 1 else 60_000 + away
        floor.order(maker, side, f"0.{chance.randrange(1, 400):04d}", f"{price}.00")
    for maker in makers:
        maker.settle()


def test_books_follow_the_engines_through_the_public_port(
    floor: Floor, client: Callable[..., FixClient], chance: random.Random
) -> None:
    makers = [client("MM1"), client("MM2")]
    trade(floor, chance, makers, 40)
    data = client("MD1")
    books = subscribe(data)
    for _ in range(3):
        trade(floor, chance, makers, 60)
        book = floor.book()
        follow(data, books, book.sequence)
        for told in books.values():
            compare(told, book)
    assert {each.snapshots for each in books.values()} == {1}
    assert books["levels"].trades
    assert books["levels"].trades == books["orders"].trades
    for name in books:
        data.send("V", [(262, name), (263, 2), (264, 0), *ALL, *BTC])
    trade(floor, chance, makers, 10)
    data.send("x", [(320, "end"), (559, 0), (55, "BTC-USD")])
    while text(message := received(data), 35) in "WX":
        pass
    assert text(message, 35) == "y", plain(message)


def test_a_killed_process_comes_back_with_the_engines_sequences(
    floor: Floor, client: Callable[..., FixClient], chance: random.Random
) -> None:
    makers = [client("MM1"), client("MM2")]
    data = client("MD1")
    books = subscribe(data)
    trade(floor, chance, makers, 20)
    follow(data, books, floor.book().sequence)
    before = books["levels"].sequence
    floor.data.kill()
    trade(floor, chance, makers, 20)
    floor.data.start()
    again = client("MD1")
    books = subscribe(again)
    book = floor.book()
    follow(again, books, book.sequence)
    assert book.sequence > before
    for told in books.values():
        compare(told, book)


def test_a_lost_core_logs_out_and_the_books_go_on_after_it(
    floor: Floor, client: Callable[..., FixClient], chance: random.Random
) -> None:
    data = client("MD1")
    subscribe(data)
    floor.core.kill()
    with pytest.raises(FixClientError, match="not available"):
        list(data.messages())
    floor.core.start()
    again = client("MD1")
    books = subscribe(again)
    makers = [client("MM1"), client("MM2")]
    trade(floor, chance, makers, 20)
    book = floor.book()
    follow(again, books, book.sequence)
    for told in books.values():
        compare(told, book)


def test_who_reads_slowly_gets_the_state(
    floor: Floor, client: Callable[..., FixClient], chance: random.Random
) -> None:
    makers = [client("MM1"), client("MM2")]
    data = client("MD1", heartbeat_seconds=300)
    assert data._socket is not None
    data._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    books = subscribe(data)
    pauses = floor.metric("paused_total")
    deadline = time.monotonic() + 3 * WAIT
    while floor.metric("paused_total") == pauses:
        assert time.monotonic() < deadline, "never full"
        trade(floor, chance, makers, 100)
    again = floor.metric("merged_total") + floor.metric("begun_again_total")
    book = floor.book()
    follow(data, books, book.sequence)
    for told in books.values():
        compare(told, book)
    assert floor.metric("merged_total") + floor.metric("begun_again_total") > again


def test_who_does_not_read_is_cut_off(
    floor: Floor, client: Callable[..., FixClient], chance: random.Random
) -> None:
    floor.data.stop()
    floor.data.arguments = (json.dumps({"limits": LIMITS | {"slow_seconds_max": 1.0}}),)
    floor.data.start()
    makers = [client("MM1"), client("MM2")]
    deaf = client("MD1", heartbeat_seconds=300)
    assert deaf._socket is not None
    deaf._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    subscribe(deaf)
    cut = floor.metric('cut_total{reason="slow_reader"}')
    deadline = time.monotonic() + 3 * WAIT
    while floor.metric('cut_total{reason="slow_reader"}') == cut:
        assert time.monotonic() < deadline, "never cut off"
        trade(floor, chance, makers, 100)
    with pytest.raises(FixClientError):
        list(deaf.messages())
    floor.data.stop()
    floor.data.arguments = (json.dumps({"limits": LIMITS}),)
    floor.data.start()


def test_sessions_come_and_go_while_it_runs(floor: Floor, client: Callable[..., FixClient]) -> None:
    # Its intervals and dialects are the files' here, and the guard's own directory has them.
    floor.data.stop()
    sessions = floor.directory / "sessions"
    floor.data.arguments = (json.dumps({"limits": LIMITS, "sessions": str(sessions)}),)
    floor.data.start()
    key = KeyFiles(floor.directory / "keys").read("MD1").keys[0]
    KeyFiles(floor.directory / "keys").write(KeyRing(session="MD2", keys=(key,)))
    text_of_file = (sessions / "MD1.toml").read_text()
    newcomer = sessions / "MD2.toml"
    newcomer.write_text(text_of_file.replace("MD1", "MD2").replace("id = 5", "id = 55", 1))
    data = client("MD2")
    books = subscribe(data)
    follow(data, books, 0)
    newcomer.unlink()
    with pytest.raises(FixClientError, match=r"removed|revoked"):
        list(data.messages())


def test_quickfix_listens_as_a_client(
    floor: Floor, client: Callable[..., FixClient], tmp_path: Path
) -> None:
    maker = client("MM1")  # whose orders go with its connection
    floor.order(maker, 1, "0.5", "59000.00")
    expect(maker, "8")
    output = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.integration.fix_gateway.market_data_initiator"),
            *(str(floor.port), "MD1", str(tmp_path), "FIX.4.4"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-3000:]
    told = json.loads(output.stdout.splitlines()[-1])
    assert [kind for kind, _ in told["told"]] == ["W", "y", "f"]
    assert told["rejected"] == []
    assert "270=59000.00|" in told["told"][0][1]
    assert "|146=3|" in told["told"][1][1]
