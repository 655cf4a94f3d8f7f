from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from bench.fix_client import LoadClient, LoadError
from bench.fix_load import Load, Workload
from bench.processor_time import process_times_ns
from exchange.demo.logon_proof import LogonKey
from tests.unit.demo.fake_acceptor import FakeAcceptor


async def fields_of(workload: Workload) -> dict[int, str]:
    client = LoadClient("BENCH1", "RIALTO", lambda _number, _ns: None)
    _, body = workload.next_order(client, "BENCH1")
    pairs = (part.split("=", 1) for part in body.decode().split("\x01") if part)
    return {int(tag): value for tag, value in pairs}


@dataclass
class Book:
    """Prices that rest, without a trade."""

    bids: list[float] = field(default_factory=list)
    asks: list[float] = field(default_factory=list)


async def test_resting_orders_never_meet() -> None:
    workload, book = Workload(is_trading=False), Book()
    numbers = set()
    for _ in range(500):
        fields = await fields_of(workload)
        numbers.add(fields[11])
        (book.bids if fields[54] == "1" else book.asks).append(float(fields[44]))
        assert fields[59] == "1"
    assert max(book.bids) < min(book.asks)
    assert len(numbers) == 500


async def test_takers_take_as_much_as_makers_make() -> None:
    workload = Workload(is_trading=True)
    made: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for _ in range(1000):
        fields = await fields_of(workload)
        lots = round(float(fields[38]) * 10_000)
        if fields[59] == "3":
            assert fields[1] == "BENCH1-T"
            taken["2" if fields[54] == "1" else "1"] += lots
        else:
            assert fields[1] == "BENCH1-M"
            made[fields[54]] += lots
    assert made == taken


KEY = LogonKey("BENCH1-1", "hmac-sha256", b"s" * 32)


@pytest.fixture
async def acceptor() -> AsyncIterator[FakeAcceptor]:
    async with FakeAcceptor() as fake:
        yield fake


async def answered(acceptor: FakeAcceptor, load: Load, kind: str = "0") -> None:
    """Let a load log on, and answer its orders until it says goodbye."""
    opening = asyncio.create_task(load.open(acceptor.host, acceptor.port, {"BENCH1": KEY}))
    logon = await acceptor.accept()
    assert (logon[553], logon[95]) == (KEY.id, "44")
    acceptor.send("A", (98, "0"), (108, "300"))
    await opening

    async def answer() -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while (message := await acceptor.receive())[35] != "5":
                acceptor.send("8", (11, message[11]), (150, kind))
        acceptor.hang_up()

    acceptor.answering = asyncio.create_task(answer())


async def test_every_order_is_acknowledged_and_timed(acceptor: FakeAcceptor) -> None:
    load = Load(Workload(is_trading=False), target="RIALTO")
    await answered(acceptor, load)
    one = await load.one_in_flight(20)
    many = await load.saturated(50, in_flight=8)
    paced = await load.open_loop(rate=1000.0, seconds=0.05)
    assert (one.orders, many.orders, paced.orders) == (20, 50, 50)
    assert one.latency.count == 20
    assert paced.seconds >= 0.049
    assert load.reports == 120
    await load.close()


async def test_a_refused_order_ends_the_measurement(acceptor: FakeAcceptor) -> None:
    load = Load(Workload(is_trading=False), target="RIALTO")
    await answered(acceptor, load, kind="8")
    with pytest.raises(LoadError, match="refused"):
        await load.open_loop(rate=100.0, seconds=5)
    load.abort()


def test_processor_time_grows_with_work() -> None:
    before = process_times_ns({"me": os.getpid()})["me"]
    sum(range(2_000_000))
    assert process_times_ns({"me": os.getpid()})["me"] > before
