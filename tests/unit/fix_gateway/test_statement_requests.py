"""Who asks for statements gets receipts once more and digests as of now, one request at a time."""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from fix_gateway.metrics import Metrics
from fix_gateway.pace import Pace
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.requests import StatementRequests
from fix_gateway.statements.signing import Signer
from fix_gateway.translation.raw import Fields
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.terms import CancelReason
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory
from tests.unit.fix_gateway.telling import Sessions


def fields_in(text: str) -> dict[int, str]:
    """Return a message's fields; signed ones stand in the order of their tags."""
    pairs = (field.partition("=") for field in text.rstrip("\x01").split("\x01"))
    return {int(tag): value for tag, _, value in pairs}


class Asking:
    """Sessions that ask, and statements of what happened through event 60."""

    event = 60

    def __init__(self) -> None:
        self.fixture = Sessions()
        for session in self.fixture.sessions.values():
            session.is_open, session.connection = True, 5
        self.issuer = Issuer(
            directory=directory(),
            sessions=self.fixture.sessions.values(),
            signer=Signer(Ed25519PrivateKey.generate()),
        )
        self.requests = StatementRequests(
            channels=self.fixture.channels,  # type: ignore[arg-type]
            issuer=self.issuer,
            metrics=Metrics(CollectorRegistry()),
        )
        self.pace = Pace(share=0.5, messages_per_second=100_000)

    def fence(self, number: int, session: int = TRADER, account: int = 11) -> None:
        """Let a connection end that takes an order with it."""
        terms = {"account": account, "session": session, "order_id": number, "instrument": 1}
        opened = {"number": number - 2, "quantity_lots": 5, "leaves_lots": 5}
        reason = CancelReason.DISCONNECT
        ended = {"number": number, "sequence": number, "session": session, "connection": 1}
        caused: list[events.Event] = [
            events.OrderAccepted.make(**opened, **terms),
            events.OrderCancelled.make(number=number - 1, sequence=number, reason=reason, **terms),
            events.SessionFenced.make(**ended),
        ]
        self.issuer.read(b"".join(event.pack() for event in caused))

    def ask(
        self, session: int = TRADER, *, name: str = "s-1", kind: str = "0", **entry: str
    ) -> None:
        asked = Fields({35: "BW", 34: "8", 1346: name, 1347: kind})
        values = {"t1355": "STATEMENTS", "t1182": "0"} | entry
        asked.groups = {1351: [{int(tag[1:]): value for tag, value in values.items()}]}
        known = self.fixture.sessions[session]
        self.requests.ask(known, 5, 8, asked, event=self.event)

    async def told(self, session: int = TRADER) -> list[dict[int, str]]:
        await self.requests.answer(self.pace, lambda: self.event)
        texts = self.fixture.told[session].texts
        found = [fields_in(text) for text in texts]
        texts.clear()
        return found


async def test_the_answer_is_the_receipts_and_then_how_each_account_stands_now() -> None:
    asking = Asking()
    for number in (10, 20):
        asking.fence(number)
    asking.fence(30, OTHER, 21)
    asking.ask()
    begun, *statements, ended = await asking.told()
    assert (begun[35], begun[1348], begun[1355], begun[1357]) == ("BX", "0", "STATEMENTS", "60")
    assert [each.get(66) for each in statements[:2]] == ["FENCE-10", "FENCE-20"]
    assert [each[148] for each in statements[2:]] == ["STATE DIGEST A11 at event 60 page 1 of 1"]
    assert all(5073 in each and 1352 not in each for each in statements)
    assert (ended[35], ended[1357], ended[58]) == ("BY", "60", "3 messages")


async def test_a_drop_copy_gets_the_receipts_of_the_sessions_that_it_watches() -> None:
    asking = Asking()
    asking.fence(10)
    asking.fence(30, OTHER, 21)
    asking.ask(COPY)
    told = await asking.told(COPY)
    assert [each[66] for each in told if each[35] == "N"] == ["FENCE-10"]
    assert [each[5002] for each in told if each[35] == "B"] == ["60"]


@pytest.mark.parametrize(
    ("begin", "end", "receipts", "digests"),
    [("0", "0", ["10", "20"], 1), ("11", "60", ["20"], 1), ("10", "19", ["10"], 0)],
)
async def test_a_range_is_of_events_and_only_the_present_has_digests(
    begin: str, end: str, receipts: list[str], digests: int
) -> None:
    asking = Asking()
    for number in (10, 20):
        asking.fence(number)
    asking.ask(t1182=begin, t1183=end)
    told = await asking.told()
    assert [each[5002] for each in told if each[35] == "N"] == receipts
    assert len([each for each in told if each[35] == "B"]) == digests
    assert told[-1][1357] == (end if int(end) else "60")


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"t1182": "61"}, RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE),
        ({"t1182": "9", "t1183": "8"}, RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE),
        ({"t1182": "x"}, RejectCode.GATEWAY_FIELD_MALFORMED),
        ({"kind": "5"}, RejectCode.GATEWAY_REQUEST_UNKNOWN),
        ({"kind": "1"}, RejectCode.GATEWAY_REQUEST_TYPE_UNSUPPORTED),
    ],
)
async def test_what_cannot_be_answered_is_refused(entry: Any, code: RejectCode) -> None:
    asking = Asking()
    asking.ask(**entry)
    (refused,) = await asking.told()
    assert (refused[35], refused[1355], refused[5001]) == ("BX", "STATEMENTS", str(int(code)))


async def test_the_last_event_is_told_at_once() -> None:
    asking = Asking()
    asking.ask(kind="2")
    assert [fields_in(each)[1357] for each in asking.fixture.told[TRADER].texts] == ["60"]


async def test_one_request_at_a_time_and_the_next_one_after_its_answer() -> None:
    asking = Asking()
    asking.ask()
    asking.ask(name="s-2")
    refused, begun, *_, ended = await asking.told()
    assert (refused[1346], refused[5001]) == ("s-2", str(int(RejectCode.GATEWAY_RECOVERY_BUSY)))
    assert (begun[1346], ended[1346]) == ("s-1", "s-1")
    asking.ask(name="s-3")
    assert (await asking.told())[-1][1346] == "s-3"


async def test_who_has_gone_is_told_nothing_and_does_not_keep_its_next_connection_waiting() -> None:
    asking = Asking()
    asking.ask()
    asking.fixture.sessions[TRADER].connection = 6
    assert await asking.told() == []
    asking.fixture.sessions[TRADER].connection = 5
    asking.ask(name="s-2")
    assert (await asking.told())[0][1346] == "s-2"


async def test_many_pages_leave_the_others_their_turn() -> None:
    asking = Asking()
    terms = {"account": 11, "session": TRADER, "instrument": 1, "leaves_lots": 5}
    for number in range(1, 4001):
        asking.issuer.read(
            events.OrderAccepted.make(number=number, order_id=number, **terms).pack()
        )
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    asking.ask()
    await asking.told()
    other.cancel()
    assert turns > 5
