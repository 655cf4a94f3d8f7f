"""Busts, corrections, captures, disputes and requests for trades, in the words of FIX."""

from __future__ import annotations

from typing import Any

import pytest

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.inbound import translate
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import Entry, Fields
from fix_gateway.translation.trade_requests import (
    Wanted,
    accepted,
    completed,
    read_request,
    refused,
)
from messages.layout import padded_text, plain_text
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import DisputeReason, OrderStatus, OrderType, Side, TimeInForce
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import ARRIVAL, COPY, OTHER, TRADER, directory

WHEN_NS = 1_793_527_200_123_456_789
PARTY: dict[str, int | bytes] = {
    "order_id": 5,
    "account": 11,
    "session": TRADER,
    "order_type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
    "status": OrderStatus.PARTIALLY_FILLED,
    "price_ticks": 2001,
    "quantity_lots": 5000,
    "leaves_lots": 3000,
    "filled_lots": 2000,
    "filled_value": 2000 * 2000,
    "client_order_id": client_id("o-1"),
}
TRADE: dict[str, int | bytes] = {
    "number": 60,
    "time_ns": WHEN_NS,
    "instrument": 1,
    "taker_side": Side.SELL,
    "trade_id": 7,
    "price_ticks": 2000,
    "quantity_lots": 2000,
    "notional_atoms": 20_000_000,
    "base_atoms": 20_000_000,
    **{f"maker_{name}": value for name, value in PARTY.items()},
    **{f"taker_{name}": value for name, value in PARTY.items()},
    "taker_account": 21,
    "taker_session": OTHER,
    "taker_order_id": 6,
    "maker_fee_atoms": -2_000,
    "taker_fee_atoms": 10_000,
}
CHANGE: dict[str, int | bytes] = TRADE | {
    "number": 80,
    "corrected_event": 60,
    "previous_price_ticks": 2000,
    "previous_quantity_lots": 2000,
    "previous_notional_atoms": 20_000_000,
    "text": padded_text("fat finger", 96),
}
BUST = CHANGE | {
    "price_ticks": 0,
    "quantity_lots": 0,
    "notional_atoms": 0,
    "maker_fee_atoms": 0,
    "taker_fee_atoms": 0,
    "maker_filled_lots": 0,
    "maker_filled_value": 0,
    "maker_quantity_lots": 3000,
    "maker_status": OrderStatus.NEW,
    "taker_status": OrderStatus.CANCELLED,
    "taker_leaves_lots": 0,
}


def capturing(*sessions: int) -> Directory:
    known = directory()
    known.capturing = frozenset(sessions)
    return known


def told(record: events.Event, known: Directory | None = None) -> dict[tuple[int, str], Any]:
    """What each session is told, by session and type: fields and groups."""
    messages = told_by(record, known or directory())
    places = [(message.event, message.rank) for message in messages]
    assert places == sorted(places)
    read = [(message.session, *fields_of(message.text)) for message in messages]
    found = {(session, fields[35]): (fields, groups) for session, fields, groups in read}
    assert len(found) == len(messages)
    return found


def test_a_bust_is_told_to_both_sides_and_the_drop_copy_under_what_it_undoes() -> None:
    reports = told(events.TradeBusted.make(**BUST))
    assert set(reports) == {(TRADER, "8"), (OTHER, "8"), (COPY, "8")}
    own, groups = reports[TRADER, "8"]
    assert (
        own.items()
        >= {
            150: "H",
            17: "80B",
            19: "60B",
            880: "7",
            37: "5",
            11: "o-1",
            39: "0",
            38: "0.3000",
            151: "0.3000",
            14: "0",
            32: "0.2000",
            31: "100.00",
            58: "fat finger",
        }.items()
    )
    assert groups[136] == [{137: "0.000000", 138: "USD", 139: "4"}]
    other, _ = reports[OTHER, "8"]
    assert other.items() >= {17: "80S", 19: "60S", 39: "4", 54: "2", 37: "6"}.items()
    copy, _ = reports[COPY, "8"]
    assert copy == own | {797: "Y"}


def test_a_correction_says_what_holds_now() -> None:
    corrected = CHANGE | {"price_ticks": 1990, "quantity_lots": 1000, "maker_fee_atoms": -999}
    own, groups = told(events.TradeCorrected.make(**corrected))[TRADER, "8"]
    assert own.items() >= {150: "G", 19: "60B", 32: "0.1000", 31: "99.50"}.items()
    assert groups[136][0][137] == "-0.000999"


def test_captures_are_told_to_sessions_that_want_them_each_its_own_side() -> None:
    reports = told(events.TradeExecuted.make(**TRADE), capturing(TRADER, COPY))
    assert set(reports) == {(TRADER, "8"), (OTHER, "8"), (COPY, "8"), (TRADER, "AE"), (COPY, "AE")}
    capture, groups = reports[TRADER, "AE"]
    assert (
        capture.items()
        >= {
            571: "60B",
            17: "60B",
            487: "0",
            856: "0",
            150: "F",
            1003: "7",
            32: "0.2000",
            31: "100.00",
            75: "20261101",
            715: "20261101",
            64: "20261101",
            63: "1",
            573: "0",
        }.items()
    )
    (side,) = groups[552]
    assert side.items() >= {54: "1", 1: "A11", 37: "5", 11: "o-1", 1154: "USD"}.items()
    assert side[1072] == "20.000000"
    assert side[1057] == "N"
    text = next(
        each.text
        for each in told_by(events.TradeExecuted.make(**TRADE), capturing(TRADER))
        if each.session == TRADER and each.text.startswith("35=AE")
    )
    assert "137=-0.002000\x01" in text
    assert "A21" not in text
    assert "F2" not in text


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (events.TradeBusted.make(**BUST), {487: "1", 856: "6", 150: "H", 572: "60B", 571: "80B"}),
        (events.TradeCorrected.make(**CHANGE), {487: "2", 856: "5", 150: "G", 572: "60B"}),
    ],
)
def test_a_capture_of_a_change_refers_to_the_one_before(
    record: events.Event, fields: dict[int, str]
) -> None:
    capture, _ = told(record, capturing(TRADER))[TRADER, "AE"]
    assert capture.items() >= fields.items()
    assert capture[58] == "fat finger"


def dispute(**changes: str | None) -> Fields:
    good: dict[int, str | None] = {
        35: "Q",
        34: "7",
        37: "5",
        17: "60B",
        127: "D",
        55: "BTC-USD",
        54: "1",
        32: "0.2",
        31: "100.00",
        58: "not ours",
    }
    good |= {int(tag[1:]): value for tag, value in changes.items()}
    return Fields({tag: value for tag, value in good.items() if value is not None})


def test_a_dispute_becomes_a_command_and_a_copy_of_itself() -> None:
    record = commands.DisputeTrade.unpack(translate(dispute(), ARRIVAL, directory()))
    assert (record.account, record.session, record.order_id) == (11, TRADER, 5)
    assert (record.event_number, record.reason) == (60, DisputeReason.NO_MATCHING_ORDER)
    assert (record.quantity_lots, record.price_ticks) == (2000, 2000)
    assert plain_text(record.text) == "not ours"
    fields = {
        name: getattr(record, name)
        for name in ("account", "session", "instrument", "side", "reason", "order_id")
    }
    more: dict[str, Any] = {
        "event_number": 60,
        "quantity_lots": 2000,
        "price_ticks": 2000,
        "text": record.text,
    }
    copies = told(events.TradeDisputed.make(number=81, **fields, **more))
    assert set(copies) == {(COPY, "Q")}
    assert copies[COPY, "Q"][0] == {
        35: "Q",
        37: "5",
        17: "60B",
        127: "D",
        1: "A11",
        55: "BTC-USD",
        54: "1",
        32: "0.2000",
        31: "100.00",
        58: "not ours",
        797: "Y",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"t17": None}, RejectCode.GATEWAY_FIELD_MISSING),
        ({"t17": "60X"}, RejectCode.GATEWAY_EXECUTION_UNKNOWN),
        ({"t17": "0"}, RejectCode.GATEWAY_EXECUTION_UNKNOWN),
        ({"t127": "Y"}, RejectCode.GATEWAY_FIELD_MALFORMED),
        ({"t31": "100.01"}, RejectCode.GATEWAY_PRICE_OFF_TICK),
    ],
)
def test_a_dispute_that_cannot_be_read_is_refused_on_record(
    changes: dict[str, str | None], code: RejectCode
) -> None:
    record = commands.RecordRefusal.unpack(translate(dispute(**changes), ARRIVAL, directory()))
    assert (record.refused_kind, record.code) == (commands.DisputeTrade.KIND, code)
    refusal = events.RefusalRecorded.make(
        session=TRADER, account=11, refused_kind=record.refused_kind, code=code, text=record.text
    )
    answers = told(refusal)
    assert set(answers) == {(TRADER, "j"), (COPY, "j")}
    for fields, _ in answers.values():
        assert (fields[35], fields[372], fields[5001]) == ("j", "Q", str(int(code)))


def test_a_dispute_that_the_venue_refuses_is_answered() -> None:
    rejected = events.CommandRejected.make(
        number=9,
        account=11,
        session=TRADER,
        refused_kind=commands.DisputeTrade.KIND,
        code=RejectCode.SESSION_NOT_ENTITLED,
        reference=client_id("d-1"),
    )
    ((fields, _),) = told(rejected).values()
    assert (fields[35], fields[372], fields[379], fields[380]) == ("j", "Q", "d-1", "6")
    other = events.CommandRejected.make(session=TRADER, refused_kind=commands.Credit.KIND)
    assert told_by(other, directory()) == []


def asked(
    changes: dict[int, str | None] | None = None, groups: dict[int, list[Entry]] | None = None
) -> Fields:
    good: dict[int, str | None] = {35: "AD", 34: "8", 568: "r-1", 569: "1"}
    good |= changes or {}
    made = Fields({tag: value for tag, value in good.items() if value is not None})
    made.groups = groups or {}
    return made


def captures(wanted: Wanted, session: int = TRADER) -> list[dict[int, str]]:
    texts = wanted.captures(events.TradeExecuted.make(**TRADE), directory(), session=session)
    return [fields_of(text)[0] for text in texts]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ["60B"]),
        ({17: "60B"}, ["60B"]),
        ({17: "60S"}, []),
        ({37: "5"}, ["60B"]),
        ({37: "6"}, []),
        ({1003: "7"}, ["60B"]),
        ({1003: "8"}, []),
        ({54: "1"}, ["60B"]),
        ({54: "2"}, []),
        ({55: "BTC-USD"}, ["60B"]),
    ],
)
def test_a_request_gets_the_trades_that_it_names_of_its_own_accounts(
    changes: dict[int, str | None], found: list[str]
) -> None:
    wanted, fault = read_request(asked(changes), directory(), session=TRADER)
    assert fault is None
    assert [each[571] for each in captures(wanted)] == found
    assert all(each[568] == "r-1" for each in captures(wanted))


def test_a_drop_copy_asks_too_and_gets_copies() -> None:
    wanted, fault = read_request(asked(), directory(), session=COPY)
    assert fault is None
    assert [(each[571], each[797]) for each in captures(wanted, COPY)] == [("60B", "Y")]


def test_a_request_is_for_a_time() -> None:
    dates = [{75: "20261101", 60: "20261101-10:00:00"}, {75: "20261102"}]
    wanted, fault = read_request(asked(groups={580: dates}), directory(), session=TRADER)
    assert fault is None
    assert (wanted.since_ns, wanted.until_ns) == (
        1_793_527_200_000_000_000,
        1_793_577_600_000_000_000,
    )


ROLE_24 = [{448: "A11", 447: "D", 452: "24"}]


def test_a_request_is_for_one_account() -> None:
    wanted, fault = read_request(asked(groups={453: ROLE_24}), directory(), session=TRADER)
    assert fault is None
    assert wanted.accounts == frozenset({11})


@pytest.mark.parametrize(
    ("changes", "groups", "code", "result"),
    [
        ({568: "x" * 37}, {}, RejectCode.GATEWAY_FIELD_MALFORMED, "99"),
        ({569: "4"}, {}, RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED, "8"),
        ({263: "3"}, {}, RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED, "8"),
        ({17: "60"}, {}, RejectCode.GATEWAY_EXECUTION_UNKNOWN, "2"),
        ({37: "x"}, {}, RejectCode.GATEWAY_FIELD_MALFORMED, "99"),
        ({1003: "0"}, {}, RejectCode.GATEWAY_FIELD_MALFORMED, "99"),
        ({55: "NONE"}, {}, RejectCode.GATEWAY_SYMBOL_UNKNOWN, "1"),
        ({54: "5"}, {}, RejectCode.GATEWAY_SIDE_UNSUPPORTED, "99"),
        ({}, {453: [{448: "A21", 452: "24"}]}, RejectCode.GATEWAY_ACCOUNT_UNKNOWN, "3"),
        ({}, {453: [{448: "F1", 452: "1"}]}, RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED, "8"),
        ({}, {580: [{75: "x"}]}, RejectCode.GATEWAY_FIELD_MALFORMED, "99"),
        ({}, {580: [{75: "20261101"}] * 2}, RejectCode.GATEWAY_FIELD_MALFORMED, "99"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(
    changes: dict[int, str | None],
    groups: dict[int, list[Entry]],
    code: RejectCode,
    result: str,
) -> None:
    wanted, fault = read_request(asked(changes, groups), directory(), session=TRADER)
    assert fault is not None
    assert fault.code == code
    fields, _ = fields_of(refused(wanted, fault))
    assert (fields[749], fields[750], fields[5001]) == (result, "2", str(int(code)))


def test_an_answer_has_a_beginning_and_an_end() -> None:
    wanted, _ = read_request(asked(), directory(), session=TRADER)
    begun, _ = fields_of(accepted(wanted))
    assert begun == {35: "AQ", 568: "r-1", 569: "1", 749: "0", 750: "0"}
    ended, _ = fields_of(completed(wanted, sent=3, why="more"))
    assert ended.items() >= {748: "3", 750: "1", 58: "more"}.items()
