"""What each session is told of events, and how it is numbered."""

import msgspec
import pytest

from fix_gateway import publisher as publisher_module
from fix_gateway.settings import DropCopyTable
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.outbound import Outgoing, Place, told_by
from messages.trading import events
from messages.trading.commands import MassCancel, PlaceOrder
from messages.trading.terms import SessionRight
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER
from tests.unit.fix_gateway.telling import Sessions, accepted, traded


def test_each_message_names_the_one_before_it_in_its_session() -> None:
    fixture = Sessions()
    fixture.publish(accepted(), accepted(OTHER, 21), traded(maker=11, taker=21), accepted())
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 30), (30, 40)]
    assert fixture.told[OTHER].numbers() == [(0, 20), (20, 31)]
    assert fixture.told[COPY].numbers() == [(0, 10), (10, 30), (30, 40)]
    assert {each[1180] for each in fixture.told[COPY].messages} == {"ORDERS"}


def test_both_sides_of_a_trade_have_numbers_of_their_own() -> None:
    fixture = Sessions()
    fixture.publish(traded(maker=11, taker=11))
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 11)]


def test_what_was_sent_already_is_left_out_and_still_named() -> None:
    fixture = Sessions()
    fixture.sessions[TRADER].skip = Place(2, 0)
    fixture.publish(accepted(), accepted(), accepted())
    assert fixture.told[TRADER].numbers() == [(20, 30)]
    assert fixture.sessions[TRADER].told == 30


def test_refusals_of_cancels_are_numbered_like_reports() -> None:
    fixture = Sessions()
    rejected = events.CancelRejected.make(account=11, session=TRADER, instrument=1)
    fixture.publish(rejected, accepted())
    assert fixture.told[TRADER].numbers() == [(0, 10), (10, 20)]
    assert fixture.told[COPY].numbers() == [(0, 10), (10, 20)]


def whole_flow() -> list[events.Event]:
    """One event of each kind that an account's drop copy may be told."""
    asked = {"account": 11, "session": TRADER, "instrument": 1}
    return [
        accepted(),
        events.OrderRejected.make(**asked, code=150),
        traded(maker=11, taker=21),
        events.OrderCancelled.make(**asked, order_id=5),
        events.CancelRejected.make(**asked, code=231),
        events.OrderReported.make(**asked, order_id=5, origin_session=TRADER),
        events.QueryRejected.make(**asked, code=230),
        events.MassCancelled.make(**asked, scope=2),
        events.MassCancelRejected.make(**asked, scope=2, code=313),
        events.RefusalRecorded.make(**asked, refused_kind=PlaceOrder.KIND, code=1005),
        events.RefusalRecorded.make(**asked, refused_kind=MassCancel.KIND, code=1014),
        events.RefusalRecorded.make(**asked, refused_kind=999, code=1013),
    ]


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("trades", ["8F"]),
        ("orders", ["80", "88", "8F", "84", "9"]),
        ("requests", ["80", "88", "8F", "84", "9", "8I", "8I", "r", "r", "88", "r", "j"]),
    ],
)
def test_a_drop_copy_is_told_what_its_level_says(level: str, kinds: list[str]) -> None:
    sessions = Sessions(level=level)
    sessions.publish(*whole_flow())
    told = sessions.told[COPY].messages
    assert [each[35] + each.get(150, "") for each in told] == kinds
    assert all(each[797] == "Y" for each in told)
    numbers = sessions.told[COPY].numbers()
    assert [after for after, _ in numbers] == [0, *(number for _, number in numbers[:-1])]
    assert len(sessions.told[TRADER].messages) == 12, "who asked is told whatever copies are"


def test_copies_of_requests_name_the_request_that_caused_them() -> None:
    sessions = Sessions(level="requests")
    caused = [
        msgspec.structs.replace(event, sequence=77)
        for event in (accepted(), traded(maker=21, taker=11))
    ]
    sessions.publish(*caused)
    assert [each[5050] for each in sessions.told[COPY].messages] == ["77", "77"]
    assert all(5050 not in each for each in sessions.told[TRADER].messages)
    orders = Sessions(level="orders")
    orders.publish(*caused)
    assert all(5050 not in each for each in orders.told[COPY].messages)


def test_what_names_no_account_is_told_to_copies_of_the_whole_firm_alone() -> None:
    sessions = Sessions()
    lost = events.RefusalRecorded.make(session=TRADER, refused_kind=PlaceOrder.KIND, code=1006)
    sessions.publish(lost)
    assert sessions.told[COPY].messages == [], "it sees one account of two"
    grant = events.SessionGranted.make(
        session=COPY, account=12, firm=1, rights=SessionRight.DROP_COPY
    )
    sessions.publish(grant, lost)
    assert [each[150] for each in sessions.told[COPY].messages] == ["8"]
    assert [each[5001] for each in sessions.told[COPY].messages] == ["1006"]


def test_what_concerns_no_session_of_ours_is_not_even_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sessions = Sessions()
    written = []

    def tell(record: events.Event, known: Directory) -> list[Outgoing]:
        written.append(record.number)
        return told_by(record, known)

    monkeypatch.setattr(publisher_module, "told_by", tell)
    stranger = events.OrderAccepted.make(account=12, session=99, instrument=1, order_id=5)
    sessions.publish(stranger, accepted(), stranger)
    assert written == [2]
    grant = events.SessionGranted.make(
        session=COPY, account=12, firm=1, rights=SessionRight.DROP_COPY
    )
    sessions.publish(stranger, grant, stranger)
    assert written == [2, 6], "from the very event after the right"
    assert [each[1181] for each in sessions.told[COPY].messages] == ["20", "60"]


def test_a_session_that_comes_later_is_told_from_then_on() -> None:
    sessions = Sessions()
    late, channel = sessions.sessions[OTHER], sessions.told[OTHER]
    del sessions.publisher._to[OTHER]
    sessions.publish(accepted(OTHER, 21))
    assert channel.messages == []
    sessions.publisher.add(late, channel)  # type: ignore[arg-type]
    sessions.publish(accepted(OTHER, 21))
    assert channel.numbers() == [(0, 20)]


def test_a_changed_level_holds_at_once() -> None:
    sessions = Sessions(level="requests")
    session = sessions.sessions[COPY]
    session.take_file(
        msgspec.structs.replace(session.file, drop_copy=DropCopyTable(level="trades"))
    )
    sessions.publish(*whole_flow())
    assert [each[150] for each in sessions.told[COPY].messages] == ["F"]
    assert all(5050 not in each for each in sessions.told[COPY].messages)
