from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exchange.demo.fix_codec import Fields
from exchange.demo.fix_session import (
    FixSession,
    LogonRefusedError,
    SequenceError,
    SessionFullError,
    SessionLostError,
    SessionSettings,
)
from exchange.demo.logon_proof import LogonKey
from exchange.demo.sequence_store import FileSequenceStore, MemorySequenceStore, SentMessage
from tests.unit.demo.fake_acceptor import FakeAcceptor

KEY = LogonKey("MM1-1", "hmac-sha256", b"s" * 32)
SETTINGS = SessionSettings(
    sender="MM1",
    target="RIALTO",
    key=KEY,
    heartbeat_seconds=10,
    logon_seconds=60.0,
    logout_seconds=1.0,
)
ORDER = ((11, "a-1"), (38, "1"))


class Client:
    """A session and what it was told; ``count`` says when enough has come."""

    def __init__(self, settings: SessionSettings = SETTINGS) -> None:
        self.told: list[Fields] = []
        self._news = asyncio.Event()
        self.session = FixSession(settings, self._take, MemorySequenceStore())

    def _take(self, message: Fields, _received_ns: int) -> None:
        self.told.append(message)
        self._news.set()

    async def numbers(self, count: int) -> list[int]:
        async with asyncio.timeout(60):
            while len(self.told) < count:
                self._news.clear()
                await self._news.wait()
        return [int(message[34]) for message in self.told]


@pytest.fixture
async def acceptor() -> AsyncIterator[FakeAcceptor]:
    async with FakeAcceptor() as fake:
        yield fake


async def logged_on(
    client: Client, acceptor: FakeAcceptor, *, reset: bool = False
) -> dict[int, str]:
    opening = asyncio.create_task(client.session.open(acceptor.host, acceptor.port, reset=reset))
    logon = await acceptor.accept()
    acceptor.send("A", (98, "0"), (108, "10"), *([(141, "Y")] if reset else []))
    await opening
    return logon


async def test_a_logon_carries_its_proof_and_heartbeat(acceptor: FakeAcceptor) -> None:
    client = Client()
    logon = await logged_on(client, acceptor)
    assert client.session.is_open
    wanted = {35: "A", 34: "1", 49: "MM1", 56: "RIALTO", 98: "0", 108: "10"}
    payload = f"A\x01MM1\x01RIALTO\x011\x01{logon[52]}".encode()
    proof = base64.b64encode(hmac.digest(KEY.material, payload, "sha256")).decode()
    assert logon | wanted | {553: "MM1-1", 95: "44", 96: proof} == logon
    assert 141 not in logon
    client.session.drop()


async def test_a_refused_logon_says_why(acceptor: FakeAcceptor) -> None:
    client = Client()
    opening = asyncio.create_task(client.session.open(acceptor.host, acceptor.port))
    await acceptor.accept()
    acceptor.send("5", (58, "wrong password"))
    with pytest.raises(LogonRefusedError, match="wrong password"):
        await opening
    assert not client.session.is_open


async def test_nobody_there_is_a_lost_session() -> None:
    with pytest.raises(SessionLostError):
        await Client().session.open("127.0.0.1", 1)


async def test_messages_reach_the_handler_in_order(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    for _ in range(3):
        acceptor.send("8", (150, "0"))
    assert await client.numbers(3) == [2, 3, 4]
    assert client.session.store.incoming_next == 5
    client.session.drop()


async def test_a_test_request_is_answered_with_its_text(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("1", (112, "hello"))
    answer = await acceptor.receive()
    assert (answer[35], answer[112]) == ("0", "hello")
    client.session.drop()


async def test_silence_is_tested_and_then_ends_the_session(acceptor: FakeAcceptor) -> None:
    settings = SessionSettings(sender="MM1", target="RIALTO", key=KEY, heartbeat_seconds=1)
    client = Client(settings)
    await logged_on(client, acceptor)
    kinds = set()
    while "1" not in kinds:
        kinds.add((await acceptor.receive())[35])
    assert "0" in kinds
    reason = await asyncio.wait_for(client.session.wait_lost(), 60)
    assert "nothing heard" in str(reason)


async def test_a_gap_is_asked_for_once_and_closed_by_the_resend(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("8", (150, "0"))
    acceptor.send("8", (150, "F"), number=5)
    acceptor.send("8", (150, "F"), number=6)
    request = await acceptor.receive()
    assert (request[35], request[7], request[16]) == ("2", "3", "0")
    acceptor.send("4", (43, "Y"), (123, "Y"), (36, "4"), number=3)
    for number in (4, 5, 6):
        acceptor.send("8", (43, "Y"), (150, "F"), number=number)
    acceptor.send("8", (150, "4"), number=7)
    assert await client.numbers(5) == [2, 4, 5, 6, 7]
    assert client.session.gaps_found == 1
    client.session.drop()


async def test_what_was_seen_before_is_ignored_when_it_says_so(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("8", (150, "0"))
    acceptor.send("8", (43, "Y"), (150, "0"), number=2)
    acceptor.send("8", (150, "F"))
    assert await client.numbers(2) == [2, 3]
    client.session.drop()


async def test_a_number_used_twice_ends_the_session(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("8", (150, "0"))
    acceptor.send("8", (150, "0"), number=2)
    assert isinstance(await client.session.wait_lost(), SequenceError)


async def test_a_damaged_stream_ends_the_session(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send_bytes(b"nonsense")
    assert "expected a FIX 4.4 message" in str(await client.session.wait_lost())
    assert client.told == []


async def test_orders_are_sent_again_and_the_rest_is_filled(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    first = client.session.send("D", ORDER)
    sent = [await acceptor.receive()]
    acceptor.send("1", (112, "x"))
    await acceptor.receive()
    client.session.send("F", ((11, "a-2"), (41, "a-1")))
    sent.append(await acceptor.receive())
    acceptor.send("2", (7, "1"), (16, "0"))
    again = [await acceptor.receive() for _ in range(4)]
    assert [(each[35], each[34]) for each in again] == [
        ("4", "1"),
        ("D", str(first)),
        ("4", "3"),
        ("F", "4"),
    ]
    assert [each.get(36) for each in again] == ["2", None, "4", None]
    assert all(each[43] == "Y" for each in again)
    for before, after in zip(sent, (again[1], again[3]), strict=True):
        assert after[122] == before[52]
        assert {tag: after[tag] for tag in (11, 38, 41) if tag in after} == {
            tag: before[tag] for tag in (11, 38, 41) if tag in before
        }
    assert client.session.resent == 2
    client.session.drop()


async def test_a_lost_client_comes_back_with_its_numbers(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    client.session.send("D", ORDER)
    await acceptor.receive()
    acceptor.send("8", (150, "0"))
    await client.numbers(1)
    client.session.drop()
    assert await acceptor.is_hung_up_on()
    acceptor.next_number = 5  # two reports were made while it was away
    opening = asyncio.create_task(client.session.open(acceptor.host, acceptor.port))
    logon = await acceptor.accept()
    assert logon[34] == "3"
    acceptor.send("A", (98, "0"), (108, "10"))
    request = await acceptor.receive()
    assert (request[35], request[7]) == ("2", "3")
    await opening
    for number in (3, 4):
        acceptor.send("8", (43, "Y"), (150, "F"), number=number)
    acceptor.send("4", (43, "Y"), (123, "Y"), (36, "6"), number=5)
    assert await client.numbers(3) == [2, 3, 4]
    assert client.session.store.incoming_next == 6
    client.session.drop()


async def test_a_reset_logon_begins_again_at_one(acceptor: FakeAcceptor) -> None:
    client = Client()
    client.session.store.record_sent(1, None)
    client.session.store.record_received(9)
    logon = await logged_on(client, acceptor, reset=True)
    assert (logon[34], logon[141]) == ("1", "Y")
    assert client.session.store.incoming_next == 2
    client.session.drop()


async def test_a_sequence_reset_is_obeyed(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("4", (36, "50"), number=1)
    acceptor.send("8", (150, "0"), number=50)
    assert await client.numbers(1) == [50]
    client.session.drop()


async def test_a_logout_is_answered_and_waited_for(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    closing = asyncio.create_task(client.session.close())
    assert (await acceptor.receive())[35] == "5"
    assert not closing.done()
    acceptor.send("5")
    await closing
    assert await acceptor.is_hung_up_on()


async def test_the_venue_may_log_us_out(acceptor: FakeAcceptor) -> None:
    client = Client()
    await logged_on(client, acceptor)
    acceptor.send("5", (58, "closing"))
    assert "closing" in str(await client.session.wait_lost())
    assert (await acceptor.receive())[35] == "5"
    with pytest.raises(SessionLostError):
        client.session.send("D", ORDER)


async def test_a_venue_that_reads_nothing_is_not_sent_without_bound(
    acceptor: FakeAcceptor,
) -> None:
    settings = SessionSettings(sender="MM1", target="RIALTO", key=KEY, unsent_bytes_max=100_000)
    client = Client(settings)
    await logged_on(client, acceptor)

    def send_for_ever() -> None:
        while True:
            client.session.send("D", ((58, "x" * 1000),))

    with pytest.raises(SessionFullError):
        send_for_ever()
    client.session.drop()


def test_a_store_keeps_a_bounded_number_of_messages() -> None:
    store = MemorySequenceStore(sent_messages_max=2)
    for number in (1, 2, 3):
        store.record_sent(number, message(number))
    assert [store.sent(number) is not None for number in (1, 2, 3)] == [False, True, True]


def message(number: int) -> SentMessage:
    return SentMessage("D", "20260102-03:04:05.678", ((11, f"a-{number}"),))


def test_a_file_store_remembers(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    store = FileSequenceStore(path, sent_messages_max=3)
    for number in range(1, 400):
        store.record_sent(number, message(number) if number % 2 else None)
        store.record_received(number + 10)
    store.close()
    assert len(path.read_text().splitlines()) < 400
    with path.open("a") as torn:
        torn.write('["sent", 400, ["D"')
    again = FileSequenceStore(path, sent_messages_max=3)
    assert (again.outgoing_next, again.incoming_next) == (400, 409)
    assert again.sent(399) == message(399)
    assert again.sent(398) is None
    again.reset()
    again.close()
    fresh = FileSequenceStore(path)
    assert (fresh.outgoing_next, fresh.incoming_next) == (1, 1)
    fresh.close()
