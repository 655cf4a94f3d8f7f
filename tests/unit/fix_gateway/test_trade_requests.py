"""Requests for trades are answered from the record: whole, capped, one at a time, in turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from fix_gateway.adapters.in_memory import InMemoryCore
from fix_gateway.bridge import Inquiry
from fix_gateway.inquiries import Inquiries
from fix_gateway.metrics import Metrics
from fix_gateway.settings import RecoverySettings
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.signing import Signer
from fix_gateway.trade_requests import TradeRequests
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import Entry, Fields
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.codes import RejectCode
from runtime.link_frames import EventBatch
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import OTHER, TRADER, directory
from tests.unit.fix_gateway.telling import Sessions, Told, accepted, traded

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


class Venue:
    """Sessions that ask, and a core that has the events; the newest is a second old."""

    def __init__(self, **settings: float) -> None:
        self.sessions = Sessions()
        self.core = InMemoryCore(definitions=[], respond=lambda _command: [])
        for session in self.sessions.sessions.values():
            session.is_open, session.connection = True, 5
        self.told = {number: Told() for number in self.sessions.told}
        names = {name: number for number, name in enumerate(self.sessions.channels, 1)}
        self.published = 0
        self.now_ns = time.time_ns() - SECOND_NS
        self.requests = TradeRequests(
            msgspec.convert({"messages_per_second": 100_000, **settings}, RecoverySettings),
            channels={name: self.told[number] for name, number in names.items()},  # type: ignore[misc]
            directory=directory(),
            metrics=Metrics(CollectorRegistry()),
            published=lambda: self.published,
        )

    def happen(self, *caused: events.Event, age_ns: int = 0) -> None:
        time_ns = self.now_ns - age_ns
        self.core.emit([msgspec.structs.replace(each, time_ns=time_ns) for each in caused])
        self.published += len(caused)

    def ask(
        self,
        session: int = TRADER,
        *,
        name: str = "r-1",
        dates: list[Entry] | None = None,
        **fields: str,
    ) -> None:
        asked = Fields({35: "AD", 34: "8", 568: name, 569: "1"})
        asked |= {int(tag[1:]): value for tag, value in fields.items()}
        asked.groups = {580: dates} if dates else {}
        self.requests.ask(self.sessions.sessions[session], 5, asked)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.requests.run(self.core.connect))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled():
                task.result()

    def of(self, session: int, kind: str) -> list[dict[int, str]]:
        texts = [each for each in self.told[session].texts if each.startswith(f"35={kind}\x01")]
        return [fields_of(text)[0] for text in texts]

    async def answered(self, session: int = TRADER, count: int = 1) -> list[str]:
        """Wait for whole answers, and return the captures' names."""
        await until(lambda: [each[750] for each in self.of(session, "AQ")].count("1") >= count)
        return [each[571] for each in self.of(session, "AE")]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  # what is waited for says nothing by itself
            await asyncio.sleep(0.001)


async def test_a_request_gets_all_of_its_accounts_and_nothing_of_others() -> None:
    venue = Venue()
    venue.happen(accepted(), traded(maker=11, taker=21), accepted(), traded(maker=11, taker=11))
    venue.happen(traded(maker=21, taker=21))
    async with venue.running():
        venue.ask()
        assert await venue.answered() == ["2B", "4B", "4S"]
        venue.ask(OTHER)
        assert await venue.answered(OTHER) == ["2S", "5B", "5S"]
    begun, ended = venue.of(TRADER, "AQ")
    assert (begun[750], ended[748]) == ("0", "3")


async def test_one_execution_is_found_by_its_name() -> None:
    venue = Venue()
    venue.happen(*[traded(maker=11, taker=21) for _ in range(50)])
    async with venue.running():
        venue.ask(t17="17B")
        assert await venue.answered() == ["17B"]
        venue.ask(name="r-2", t17="17S")  # the other side's
        assert await venue.answered(count=2) == ["17B"]
        venue.ask(name="r-3", t17="99B")  # not there yet
        assert await venue.answered(count=3) == ["17B"]


async def test_a_time_begins_and_ends_where_it_says() -> None:
    venue = Venue()
    for age in (50, 40, 30, 20, 10):
        venue.happen(traded(maker=11, taker=21), age_ns=age * SECOND_NS)
    moments = [timestamp_text(venue.now_ns - age * SECOND_NS) for age in (40, 20)]
    dates: list[Entry] = [{75: each[:8], 60: f"{each[:17]}.000000"} for each in moments]
    async with venue.running():
        venue.ask(dates=dates)
        assert await venue.answered() in (["2B", "3B"], ["2B", "3B", "4B"])
        venue.ask(name="r-2", dates=[{75: "20360101"}])
        await venue.answered(count=2)
    assert venue.of(TRADER, "AQ")[-1][748] == "0"


async def test_what_is_later_than_asked_for_is_not_even_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    venue = Venue()
    venue.core.batch_events_max = 1
    venue.happen(*[traded(maker=11, taker=21) for _ in range(5)], age_ns=20 * SECOND_NS)
    venue.happen(*[traded(maker=11, taker=21) for _ in range(500)])
    read: list[int] = []
    batch = venue.core.batch

    def reading(after: int) -> EventBatch | None:
        read.append(after)
        return batch(after)

    monkeypatch.setattr(venue.core, "batch", reading)
    moments = [timestamp_text(venue.now_ns - age * SECOND_NS) for age in (30, 10)]
    async with venue.running():
        venue.ask(dates=[{75: each[:8], 60: f"{each[:17]}.000000"} for each in moments])
        assert len(await venue.answered()) == 5
    assert len(read) < 50, "the beginning is found by halving"


async def test_nothing_older_than_is_kept_is_told() -> None:
    venue = Venue(days=2)
    venue.happen(traded(maker=11, taker=21), age_ns=3 * DAY_NS)
    venue.happen(traded(maker=11, taker=21), age_ns=1 * DAY_NS)
    async with venue.running():
        venue.ask()
        assert await venue.answered() == ["2B"]


async def test_the_most_for_one_request_is_told_and_how_to_go_on() -> None:
    venue = Venue(messages_max=2)
    for age in (3, 2, 1):
        venue.happen(traded(maker=11, taker=21), age_ns=age * SECOND_NS)
    async with venue.running():
        venue.ask()
        assert await venue.answered() == ["1B", "2B"]
        moment = timestamp_text(venue.now_ns - 2 * SECOND_NS)
        (ended,) = [each for each in venue.of(TRADER, "AQ") if each[750] == "1"]
        assert ended[58] == f"the most for one request: ask on from {moment}"
        venue.ask(name="r-2", dates=[{75: moment[:8], 60: moment}])
        assert (await venue.answered(count=2))[2:] == ["2B", "3B"]


async def test_a_session_has_one_request_at_a_time_and_others_do_not_wait() -> None:
    venue = Venue(messages_per_second=1000, turn_seconds=0.001)
    venue.happen(*[traded(maker=11, taker=11) for _ in range(200)])
    venue.happen(traded(maker=21, taker=21))
    async with venue.running():
        venue.ask()
        venue.ask(name="r-2")
        venue.ask(OTHER)
        assert await venue.answered(OTHER) == ["201B", "201S"]
        assert len(await venue.answered()) == 400
    refusals = [each for each in venue.of(TRADER, "AQ") if each[750] == "2"]
    assert [each[5001] for each in refusals] == [str(int(RejectCode.GATEWAY_TRADE_REQUEST_BUSY))]
    assert refusals[0][568] == "r-2"


async def test_the_batches_of_single_commands_are_paced_like_large_ones() -> None:
    venue = Venue(messages_per_second=500, turn_seconds=10)
    venue.core.batch_events_max = 1
    venue.happen(*[accepted() for _ in range(2000)])
    venue.happen(*[traded(maker=11, taker=21) for _ in range(500)])
    turns, began = 0, time.monotonic()
    async with venue.running():
        venue.ask()
        while len(venue.of(TRADER, "AQ")) < 2:
            turns += 1
            await asyncio.sleep(0)
    assert len(venue.of(TRADER, "AE")) == 500
    assert turns > 20, "others had their turn"
    assert time.monotonic() - began > 0.9, "a second, but for the last slice"


async def test_who_has_gone_is_told_nothing_more() -> None:
    venue = Venue()
    venue.happen(*[traded(maker=11, taker=21) for _ in range(20)])
    async with venue.running():
        venue.ask()
        venue.sessions.sessions[TRADER].connection += 1
        venue.ask(OTHER)
        assert len(await venue.answered(OTHER)) == 20
        await until(lambda: TRADER not in venue.requests._answers)
    assert [each[750] for each in venue.of(TRADER, "AQ")] == ["0"]


class Subscribing(Venue):
    """The same sessions, and all that answers inquiries."""

    def __init__(self) -> None:
        super().__init__()
        names = {name: number for number, name in enumerate(self.sessions.channels, 1)}
        self.directory = directory()
        self.inquiries = Inquiries(
            RecoverySettings(),
            sessions=self.sessions.sessions.values(),
            channels={name: self.told[number] for name, number in names.items()},  # type: ignore[misc]
            directory=self.directory,
            metrics=Metrics(CollectorRegistry()),
            publisher=self.sessions.publisher,
            issuer=Issuer(
                directory=self.directory,
                sessions=self.sessions.sessions.values(),
                signer=Signer(Ed25519PrivateKey.generate()),
            ),
        )

    def inquire(self, kind: str = "AD", *, connection: int = 5, **fields: str) -> None:
        asked = Fields({35: kind, 34: "8", 568: "sub-1", 569: "1"})
        asked |= {int(tag[1:]): value for tag, value in fields.items()}
        session = self.sessions.sessions[TRADER]
        self.inquiries.ask(Inquiry(session, connection, 8, asked))

    def answer(self) -> dict[int, str]:
        return self.of(TRADER, "AQ")[-1]


def test_a_subscription_is_told_captures_until_it_ends() -> None:
    venue = Subscribing()
    venue.inquire(t263="1")
    assert venue.answer()[750] == "0"
    assert venue.directory.capturing == {TRADER}
    told = told_by(msgspec.structs.replace(traded(maker=11, taker=21), number=7), venue.directory)
    assert [each.session for each in told if each.text.startswith("35=AE")] == [TRADER]
    venue.inquire(t263="2", t568="another")
    assert venue.answer()[750] == "2"
    assert venue.directory.capturing == {TRADER}
    venue.inquire(t263="2")
    assert (venue.answer()[750], venue.answer()[748]) == ("1", "0")
    assert venue.directory.capturing == frozenset()
    venue.inquire(t263="2")
    assert venue.answer()[58].endswith("there is no subscription")


def test_a_subscription_ends_with_its_connection_and_leaves_the_files_setting_alone() -> None:
    venue = Subscribing()
    session = venue.sessions.sessions[TRADER]
    venue.inquire(t263="1")
    venue.inquire("5", connection=4)
    assert venue.directory.capturing == {TRADER}
    session.file = msgspec.structs.replace(session.file, trade_captures=True)
    venue.inquiries.tell_captures([session])
    venue.inquire("5")
    assert venue.directory.capturing == {TRADER}
    assert not session.is_subscribed
    session.file = msgspec.structs.replace(session.file, trade_captures=False)
    venue.inquiries.tell_captures([session])
    assert venue.directory.capturing == frozenset()


def test_who_left_before_its_request_was_read_has_no_subscription() -> None:
    venue = Subscribing()
    venue.sessions.sessions[TRADER].is_open = False
    venue.inquire(t263="1")
    assert venue.directory.capturing == frozenset()


@pytest.mark.parametrize("narrowed", ["t17", "t37", "t1003", "t55", "t54"])
def test_a_subscription_to_some_captures_is_refused(narrowed: str) -> None:
    narrowing: Any = {narrowed: {"t17": "7B", "t55": "I1"}.get(narrowed, "1")}
    venue = Subscribing()
    venue.inquire(t263="1", **narrowing)
    unsupported = RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED
    assert (venue.answer()[750], venue.answer()[5001]) == ("2", str(int(unsupported)))
    assert venue.directory.capturing == frozenset()
