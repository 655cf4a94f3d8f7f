"""The public streams of a whole venue: a book kept from them is the venue's, whatever dies."""

import asyncio
import json
import os
import signal
import tomllib
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.market_data_flow import PRINCIPAL, TABLE, Flow, grant
from exchange.configuration import read_configuration
from exchange.demo.funding import fund
from exchange.demo.temporary_config import toml_text
from exchange.operator_link import OperatorLink
from exchange.processes.serving import core_address
from messages.market_data import book_checksum
from messages.trading.events import SessionGranted
from runtime.link import Link
from tests.e2e.test_live_sessions import Client
from tests.e2e.venue_run import OPERATORS, VenueRun

PATIENCE_SECONDS = 180.0
BTC_USD = 1
COMMANDS_PER_SECOND = 200.0
MONEY = {
    ("MM1", "USD"): "50000000",
    ("MM1", "BTC"): "1000",
    ("INST1", "USD"): "1000000",
}
Json = dict[str, Any]


class GapError(Exception):
    """An update is missing: the book has to be begun again."""


class Book:
    """A local book, kept as docs/protocols/websocket.md says."""

    def __init__(self, snapshot: Json) -> None:
        self.through = int(snapshot["lastUpdateId"])
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        self._is_begun = False
        assert self.checksum() == snapshot["cs"]

    def apply(self, update: Json) -> None:
        if update["u"] <= self.through and not self._is_begun:
            return
        first_max = self.through + 1
        if update["U"] > first_max or (self._is_begun and update["U"] != first_max):
            raise GapError(update["U"], self.through)
        self._is_begun = True
        self.through = update["u"]
        for side, levels in self.sides.items():
            for price, quantity in update[side]:
                if float(quantity):
                    levels[price] = quantity
                else:
                    levels.pop(price, None)
        assert self.checksum() == update["cs"], update

    def levels(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Bids and asks, best first."""
        bids = sorted(self.sides["b"].items(), key=lambda each: -float(each[0]))
        return bids, sorted(self.sides["a"].items(), key=lambda each: float(each[0]))

    def checksum(self) -> int:
        return book_checksum(*self.levels())


class Keeper:
    """Keeps a book over connections that end and gaps, and compares it with every snapshot."""

    def __init__(self, run: VenueRun) -> None:
        self.run = run
        self.book: Book | None = None
        self.compared = self.begun = self.updates = 0
        self._fresh: list[Book] = []

    async def keep(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                url = await address(self.run, "retail_streams", "streams")
                async with connect(
                    f"{url}/ws/btcusd@depth@100ms", compression=None, open_timeout=60
                ) as reader:
                    await self._read(reader)
            except (OSError, ConnectionClosed, InvalidHandshake, GapError):
                await asyncio.sleep(0.05)

    async def compare(self) -> None:
        """Take a snapshot beside the book, and wait until both have been found alike."""
        wanted = self.compared + 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.compared < wanted:
                self._fresh.append(await self._snapshot())
                await asyncio.sleep(0.3)

    async def _read(self, reader: Any) -> None:
        first = json.loads(await reader.recv())
        self.book, self._fresh = await self._snapshot(), []
        self.begun += 1
        self._apply(first)
        async for text in reader:
            self._apply(json.loads(text))

    def _apply(self, update: Json) -> None:
        assert self.book is not None
        self.updates += 1
        self.book.apply(update)
        waiting = []
        for fresh in self._fresh:
            fresh.apply(update)
            if fresh.through == self.book.through:
                assert fresh.sides == self.book.sides
                assert all(fresh.sides.values())
                self.compared += 1
            else:
                waiting.append(fresh)
        self._fresh = waiting

    async def _snapshot(self) -> Book:
        return Book(await ask(self.run, "/api/v3/depth?symbol=BTCUSD&limit=5000"))


async def address(run: VenueRun, process: str, kind: str) -> str:
    """Where a process serves, as soon as it does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (page := run.state.page(process)) is None:  # noqa: ASYNC110  # a file
            await asyncio.sleep(0.05)
    return page.addresses[kind]


async def ask(run: VenueRun, path: str) -> Json:
    """Ask REST until it answers."""
    url = await address(run, "retail_api", "rest") + path

    def read() -> Json:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # on loopback
            return dict(json.loads(answer.read()))

    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await asyncio.to_thread(read)
            except OSError:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def moving_book(run: VenueRun) -> AsyncIterator[asyncio.Task[None]]:
    """Let orders come and go while the block runs."""
    configuration = read_configuration(run.config)
    account = tomllib.loads((run.sessions / "MM1.toml").read_text())["account"][0]["id"]
    firm = tomllib.loads((run.sessions / "MM1.toml").read_text())["firm"]["id"]
    async with OperatorLink.open(run.state) as operator:
        await operator.ask(grant(account, firm), lambda event: isinstance(event, SessionGranted))
    link = await Link.connect(
        core_address(configuration, run.state), PRINCIPAL, run.state.token(PRINCIPAL)
    )
    flow = Flow(link, instruments=[BTC_USD], mid_ticks=5_000_000, maker=account, taker=None)
    moving = asyncio.create_task(flow.run(COMMANDS_PER_SECOND))
    try:
        yield moving
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        await link.close()


def kill(run: VenueRun, name: str) -> None:
    page = run.state.page(name)
    assert page is not None
    os.kill(page.pid, signal.SIGKILL)


def allow_the_flow(run: VenueRun) -> None:
    path = run.config / "venue.toml"
    document = tomllib.loads(path.read_text())
    document["principals"][PRINCIPAL] = TABLE
    path.write_text(toml_text(document))
    path = run.config / "instruments.toml"
    document = tomllib.loads(path.read_text())
    document["instrument"][0]["limits"]["reference_price"] = "55000"  # near the flow and the taker
    path.write_text(toml_text(document))


async def test_a_book_kept_from_the_stream_is_the_venues_under_load_and_over_deaths(
    run: VenueRun,
) -> None:
    allow_the_flow(run)
    await asyncio.to_thread(run.start)
    await fund(run.state, MONEY, OPERATORS)
    keeper = Keeper(run)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keeper.keep())
        async with moving_book(run):
            for _ in range(3):
                await keeper.compare()
            for name in ("retail_streams", "market_data"):
                begun = keeper.begun
                kill(run, name)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while keeper.begun == begun:  # noqa: ASYNC110  # a count
                        await asyncio.sleep(0.05)
                await keeper.compare()
            await trade(run)
        await rest_alike(keeper)
        keeping.cancel()
    assert keeper.updates > 20
    assert await asyncio.to_thread(run.stop) == 0


async def trade(run: VenueRun) -> None:
    """See that an order that trades over FIX is told to everybody."""
    buyer = Client(run, "INST1")
    await buyer.open()
    url = await address(run, "retail_streams", "streams")
    names = "btcusd@trade/btcusd@aggTrade/btcusd@bookTicker/btcusd@kline_1m"
    async with connect(
        f"{url}/stream?streams={names}", compression=None, open_timeout=60
    ) as reader:
        assert (await buyer.order("taker"))[150] in ("0", "F")
        told: dict[str, Json] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(told) < 4 or not told["btcusd@kline_1m"]["k"]["n"]:
                said = json.loads(await reader.recv())
                told[said["stream"]] = said["data"]
    assert told["btcusd@trade"]["s"] == "BTCUSD"
    assert told["btcusd@aggTrade"]["p"] == told["btcusd@trade"]["p"]
    assert float(told["btcusd@kline_1m"]["k"]["v"]) > 0
    await buyer.session.close()


async def rest_alike(keeper: Keeper) -> None:
    """See that the book at rest is REST's, level by level."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            snapshot = Book(await ask(keeper.run, "/api/v3/depth?symbol=BTCUSD&limit=5000"))
            if keeper.book is not None and snapshot.sides == keeper.book.sides:
                break
            await asyncio.sleep(0.2)
    assert snapshot.sides["b"]  # the taker may have had all of the other side
