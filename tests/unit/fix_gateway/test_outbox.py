"""Answers to what the core did not take, by a core and a QuickFIX of the tests."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fix_gateway.bridge import Request
from fix_gateway.metrics import Metrics
from fix_gateway.outbox import Outbox
from fix_gateway.progress import Progress
from fix_gateway.sessions import LiveSession, Sent
from fix_gateway.settings import Doors, GatewaySettings, SessionFile
from messages.trading.codes import RejectCode
from messages.trading.commands import PlaceOrder, QueryOrder
from runtime.link import LinkLost
from runtime.link_frames import Refusal
from tests.unit.fix_gateway.market import tags_of

SETTINGS = GatewaySettings(
    principal=3,
    comp_id="RIALTO",
    doors=Doors(fix=Path(), control=Path(), credential=Path()),
    state=Path(),
    dictionaries=Path(),
    send_bytes_max=4096,
)


class FakeChannel:
    """Keeps what a session is told."""

    def __init__(self) -> None:
        self.told: list[dict[int, str]] = []
        self.closed: list[str] = []

    def send(self, text: str) -> None:
        self.told.append(tags_of(text))

    def close(self, reason: str) -> None:
        self.closed.append(reason)

    def open(self) -> None: ...


class FakeLink:
    """Takes what it is told to take."""

    def __init__(self, *, takes: bool = True, is_lost: bool = False) -> None:
        self.sent: list[bytes] = []
        self._takes, self._is_lost = takes, is_lost

    def send(self, commands: bytes) -> bool:
        if self._is_lost:
            raise LinkLost("cut")
        if self._takes:
            self.sent.append(commands)
        return self._takes


class Fixture:
    def __init__(self) -> None:
        file = {
            "id": 1,
            "kind": "order_entry",
            "sender_comp_id": "MM1",
            "firm": {"id": 1, "name": "F"},
        }
        self.live = LiveSession(msgspec.convert(file, SessionFile), 3, messages_max=3)
        self.channel = FakeChannel()
        self.outbox = Outbox(
            SETTINGS,
            sessions=[self.live],
            metrics=Metrics(CollectorRegistry()),
            progress=Progress({"MM1": self.live}),
            loop=asyncio.get_running_loop(),
            fail=lambda error: pytest.fail(str(error)),
        )
        self.outbox.channels = {"MM1": self.channel}  # type: ignore[dict-item]

    def link(self, link: FakeLink) -> FakeLink:
        self.outbox.link = link  # type: ignore[assignment]
        return link

    def request(self, sequence: int, *, size: int = 8) -> Request:
        return Request(self.live, 1, sequence, bytes(size), Sent("D", f"o-{sequence}"))

    def refusal(self, sequence: int, *, epoch: int = 1, kind: int = PlaceOrder.KIND) -> Refusal:
        return Refusal(self.live.requests, epoch, sequence, RejectCode.QUEUE_FULL, kind)


async def test_what_the_core_refuses_is_answered_under_the_clients_own_name() -> None:
    made = Fixture()
    made.link(FakeLink())
    made.outbox.carry([made.request(5)])
    made.outbox.refused([made.refusal(5)])
    (answer,) = made.channel.told
    assert (answer[35], answer[45], answer[372], answer[379]) == ("j", "5", "D", "o-5")
    assert (answer[380], answer[5001]) == ("4", "404")
    assert made.live.refused == {5}


async def test_of_too_many_requests_under_way_the_oldest_lose_only_their_name() -> None:
    made = Fixture()
    made.link(FakeLink())
    made.outbox.carry([made.request(number) for number in range(5, 9)])
    made.outbox.refused([made.refusal(5, kind=QueryOrder.KIND), made.refusal(6)])
    oldest, kept = made.channel.told
    assert (oldest[45], oldest[372]) == ("5", "H")
    assert 379 not in oldest
    assert kept[379] == "o-6"


async def test_a_refusal_from_before_a_reset_is_nobodys() -> None:
    made = Fixture()
    made.link(FakeLink())
    made.outbox.carry([made.request(5)])
    made.live.reset()
    made.outbox.refused([made.refusal(5)])
    assert (made.channel.told, made.live.refused) == ([], set())


async def test_a_link_that_takes_no_more_is_answered_at_once_and_a_lost_one_not_at_all() -> None:
    made = Fixture()
    made.link(FakeLink(takes=False))
    made.outbox.carry([made.request(5)])
    assert [answer[379] for answer in made.channel.told] == ["o-5"]
    made.link(FakeLink(is_lost=True))
    made.outbox.carry([made.request(6)])
    made.outbox.link = None
    made.outbox.carry([made.request(7)])
    assert len(made.channel.told) == 1


async def test_a_burst_goes_in_pieces_of_the_configured_size_and_in_order() -> None:
    made = Fixture()
    link = made.link(FakeLink())
    made.outbox.carry([made.request(number, size=3000) for number in range(5, 8)])
    assert [len(piece) for piece in link.sent] == [3000, 3000, 3000]


async def test_a_request_that_is_larger_than_a_piece_goes_whole() -> None:
    """A mass quote is one request of many records, which the core takes together or not."""
    made = Fixture()
    link = made.link(FakeLink())
    sizes = {5: 3000, 6: SETTINGS.send_bytes_max + 1, 7: 3000}
    made.outbox.carry([made.request(number, size=size) for number, size in sizes.items()])
    assert [len(piece) for piece in link.sent] == list(sizes.values())


async def test_a_connection_that_the_core_refuses_is_logged_out_and_may_come_again() -> None:
    made = Fixture()
    source = made.live.connections
    made.outbox.refused([Refusal(source, 1, 2, RejectCode.QUEUE_FULL, 1)])
    assert made.channel.closed == ["the venue did not open this session: QUEUE_FULL"]
