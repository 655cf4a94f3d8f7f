from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from exchange.demo import participant as module
from exchange.demo.fix_session import SessionSettings
from exchange.demo.logon_proof import LogonKey
from exchange.demo.orders import Request
from exchange.demo.participant import DropCopy, Participant, TooManyReportsError
from exchange.demo.requests import Terms, cancel, mass_cancel, new_order, order_status
from messages.trading.codes import RejectCode
from tests.unit.demo.fake_acceptor import FakeAcceptor
from tests.unit.demo.test_flow import MARKETS

BITCOIN = MARKETS["BTC-USD"]
KEY = LogonKey("MM1-1", "hmac-sha256", b"s" * 32)
SETTINGS = SessionSettings(sender="MM1", target="RIALTO", key=KEY)


def order(client_order_id: str, *, refusal: int | None = None) -> Request:
    terms = Terms(side="1", lots=50, ticks=5_999_900)
    request = new_order("MM1", client_order_id, BITCOIN, terms, purpose="quote")
    return replace(request, refusal=refusal)


class Venue:
    """A participant with an acceptor that answers as told."""

    def __init__(self, acceptor: FakeAcceptor) -> None:
        self.acceptor = acceptor
        self.client = Participant(SETTINGS, MARKETS)

    async def log_on(self) -> None:
        opening = asyncio.create_task(
            self.client.session.open(self.acceptor.host, self.acceptor.port)
        )
        await self.acceptor.accept()
        self.acceptor.send("A", (98, "0"), (108, "10"))
        await opening

    async def answer(self, kind: str, *fields: tuple[int, str]) -> None:
        """Send a message, and a test request whose answer says that it has been taken."""
        self.acceptor.send(kind, *fields)
        self.acceptor.send("1", (112, "taken"))
        while (await self.acceptor.receive())[35] != "0":
            pass

    async def accept(self, client_order_id: str) -> None:
        terms = ((11, client_order_id), (150, "0"), (39, "0"), (14, "0"), (38, "0.0050"))
        await self.answer("8", (17, "5"), *terms, (44, "59999.00"))


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with FakeAcceptor() as acceptor:
        venue = Venue(acceptor)
        await venue.log_on()
        yield venue
        venue.client.session.drop()


async def test_an_acknowledged_order_is_timed_and_open(venue: Venue) -> None:
    assert venue.client.submit(order("a-1"))
    assert venue.client.in_flight == 1
    await venue.accept("a-1")
    assert venue.client.in_flight == 0
    assert venue.client.latency.count == 1
    assert len(venue.client.orders.touchable()) == 1


async def test_a_mistake_refused_with_its_code_is_counted(venue: Venue) -> None:
    venue.client.submit(order("a-1", refusal=int(RejectCode.INSUFFICIENT_FUNDS)))
    await venue.answer("8", (17, "6"), (11, "a-1"), (150, "8"), (39, "8"), (5001, "210"))
    assert (venue.client.mistakes, venue.client.mistakes_refused) == (1, 1)
    assert venue.client.surprises == []
    assert venue.client.refused == {"insufficient_funds": 1}


async def test_a_mistake_refused_otherwise_or_accepted_is_a_surprise(venue: Venue) -> None:
    venue.client.submit(order("a-1", refusal=int(RejectCode.INSUFFICIENT_FUNDS)))
    venue.client.submit(order("a-2", refusal=int(RejectCode.INSUFFICIENT_FUNDS)))
    await venue.answer("8", (17, "6"), (11, "a-1"), (150, "8"), (39, "8"), (5001, "120"))
    await venue.accept("a-2")
    assert len(venue.client.surprises) == 2
    assert venue.client.mistakes_refused == 0


async def test_news_of_an_older_order_does_not_answer_its_duplicate(venue: Venue) -> None:
    venue.client.submit(order("a-1"))
    await venue.accept("a-1")
    venue.client.submit(order("a-1", refusal=int(RejectCode.DUPLICATE_CLIENT_ORDER_ID)))
    fill = ((17, "7B"), (11, "a-1"), (150, "F"), (39, "1"), (14, "0.0010"))
    await venue.answer("8", *fill)
    assert venue.client.in_flight == 1
    await venue.answer("8", (17, "8"), (11, "a-1"), (150, "8"), (39, "8"), (5001, "181"))
    assert venue.client.mistakes_refused == 1
    assert venue.client.orders.touchable()[0].filled_lots == 10
    assert venue.client.executions == 1


async def test_a_refused_cancel_of_a_filled_order_forgets_it(venue: Venue) -> None:
    venue.client.submit(order("a-1"))
    await venue.accept("a-1")
    venue.client.submit(cancel("MM1", "c-1", venue.client.orders.touchable()[0]))
    await venue.answer("9", (11, "c-1"), (41, "a-1"), (39, "2"), (434, "1"), (5001, "231"))
    assert len(venue.client.orders) == 0
    assert venue.client.refused == {"order_already_done": 1}


async def test_answers_to_questions_and_mass_cancels_end_them(venue: Venue) -> None:
    venue.client.submit(order("a-1"))
    await venue.accept("a-1")
    venue.client.submit(order_status("MM1", "q-1", venue.client.orders.touchable()[0]))
    venue.client.submit(mass_cancel("m-1"))
    await venue.answer("8", (17, "0"), (11, "a-1"), (150, "I"), (39, "0"), (790, "q-1"))
    await venue.answer("r", (11, "m-1"), (531, "7"))
    assert venue.client.in_flight == 0


async def test_a_protocol_reject_is_a_surprise_and_ends_the_request(venue: Venue) -> None:
    venue.client.submit(order("a-1"))
    await venue.answer("3", (45, "2"), (58, "tag missing"))
    assert venue.client.in_flight == 0
    assert len(venue.client.orders) == 0
    assert venue.client.surprises == ["3 for message 2: tag missing"]


async def test_no_more_than_so_many_are_under_way(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT_MAX", 2)
    assert [venue.client.submit(order(f"a-{number}")) for number in range(3)] == [
        True,
        True,
        False,
    ]


async def test_reports_are_kept_up_to_a_bound(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORTS_MAX", 1)
    await venue.accept("x")
    with pytest.raises(TooManyReportsError):
        venue.client._take({35: "8", 17: "9", 150: "0", 11: "y"}, 0)


def test_a_copy_without_its_mark_is_counted() -> None:
    copy = DropCopy(SETTINGS)
    copy._take({35: "8", 17: "9", 150: "0", 797: "Y"}, 0)
    copy._take({35: "8", 17: "10", 150: "0"}, 0)
    copy._take({35: "9"}, 0)
    assert (len(copy.reports), copy.unmarked, copy.other) == (2, 1, {"9": 1})
