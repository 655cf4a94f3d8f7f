"""What each session is told of events, and how it is numbered."""

from fix_gateway.translation.outbound import Place
from messages.trading import events
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
