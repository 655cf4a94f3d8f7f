"""What each session is told of events, and how it is numbered."""

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fix_gateway.metrics import Metrics
from fix_gateway.publisher import Publisher
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import SessionFile
from fix_gateway.translation.outbound import Place
from messages.trading import events
from messages.trading.identity import client_id
from messages.trading.terms import Side
from runtime.link_frames import EventBatch
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory, tags_of

NAMES = {TRADER: "S1", OTHER: "S2", COPY: "S3"}


class Told:
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[dict[int, str]] = []

    def send(self, text: str) -> None:
        self.messages.append(tags_of(text))

    def numbers(self) -> list[tuple[int, int]]:
        return [(int(each[1350]), int(each[1181])) for each in self.messages]


class Fixture:
    def __init__(self) -> None:
        self.sessions = {
            number: LiveSession(
                msgspec.convert(
                    {
                        "id": number,
                        "kind": "drop_copy" if number == COPY else "order_entry",
                        "sender_comp_id": name,
                        "firm": {"id": 1, "name": "F1"},
                    },
                    SessionFile,
                ),
                3,
            )
            for number, name in NAMES.items()
        }
        self.told = {number: Told() for number in NAMES}
        self.publisher = Publisher(
            directory=directory(),
            sessions=self.sessions.values(),
            channels={NAMES[number]: told for number, told in self.told.items()},  # type: ignore[misc]
            metrics=Metrics(CollectorRegistry()),
            closing=set(),
            connection_refused=lambda session, code: pytest.fail(f"{session}: {code}"),
        )

    def publish(self, *caused: events.Event) -> None:
        after = self.publisher.position
        records = [
            msgspec.structs.replace(event, number=number)
            for number, event in enumerate(caused, after + 1)
        ]
        data = b"".join(record.pack() for record in records)
        self.publisher.publish(EventBatch(after + 1, after + len(records), data))


def accepted(session: int = TRADER, account: int = 11) -> events.Event:
    return events.OrderAccepted.make(
        account=account, session=session, instrument=1, order_id=5, client_order_id=client_id("a")
    )


def traded(*, maker: int, taker: int) -> events.Event:
    return events.TradeExecuted.make(
        instrument=1,
        taker_side=Side.SELL,
        maker_account=maker,
        maker_session=TRADER,
        taker_account=taker,
        taker_session=OTHER if taker == 21 else TRADER,
    )


def test_each_message_names_the_one_before_it_in_its_session() -> None:
    fixture = Fixture()
    fixture.publish(accepted(), accepted(OTHER, 21), traded(maker=11, taker=21), accepted())
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 30), (30, 40)]
    assert fixture.told[OTHER].numbers() == [(0, 20), (20, 31)]
    assert fixture.told[COPY].numbers() == [(0, 10), (10, 30), (30, 40)]
    assert {each[1180] for each in fixture.told[COPY].messages} == {"ORDERS"}


def test_both_sides_of_a_trade_have_numbers_of_their_own() -> None:
    fixture = Fixture()
    fixture.publish(traded(maker=11, taker=11))
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 11)]


def test_what_was_sent_already_is_left_out_and_still_named() -> None:
    fixture = Fixture()
    fixture.sessions[TRADER].skip = Place(2, 0)
    fixture.publish(accepted(), accepted(), accepted())
    assert fixture.told[TRADER].numbers() == [(20, 30)]
    assert fixture.sessions[TRADER].told == 30


def test_refusals_of_cancels_are_numbered_like_reports() -> None:
    fixture = Fixture()
    rejected = events.CancelRejected.make(account=11, session=TRADER, instrument=1)
    fixture.publish(rejected, accepted())
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 20)]
    assert fixture.told[COPY].numbers() == [(0, 10), (10, 20)]
