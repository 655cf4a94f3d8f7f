"""Requests for quote over FIX: what becomes a command, who is told of what, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.inbound import translate
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import Entry, Fields
from messages.layout import Record, padded_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    AcceptRfqQuote,
    GiveRfqQuote,
    PlaceOrder,
    QueryRfq,
    RecordRefusal,
    RequestForQuote,
    WithdrawRfq,
)
from messages.trading.identity import NO_CLIENT_ID, client_id
from messages.trading.terms import RfqEnd, RfqSubject, SessionRight, Side
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import ARRIVAL, COPY, OTHER, TRADER, directory

WHEN_NS = 1_793_527_200_123_456_789
STAMP = "20261101-10:00:00.123456"
MAKER, SAME_GROUP = 4, 5
REQUEST: dict[str, int | bytes] = {
    "number": 40,
    "time_ns": WHEN_NS,
    "account": 11,
    "session": TRADER,
    "instrument": 1,
    "request_id": 17,
    "side": Side.BUY,
    "quantity_lots": 5000,
    "expires_at_ns": WHEN_NS,
    "client_request_id": client_id("ask-1"),
}
QUOTE: dict[str, int | bytes] = {
    "number": 41,
    "time_ns": WHEN_NS,
    "account": 21,
    "session": MAKER,
    "instrument": 1,
    "quote_id": 18,
    "request_id": 17,
    "requester_account": 11,
    "requester_session": TRADER,
    "bid_price_ticks": 2000,
    "ask_price_ticks": 2002,
    "quantity_lots": 5000,
    "expires_at_ns": WHEN_NS,
    "client_quote_id": client_id("mine-1"),
    "client_request_id": client_id("ask-1"),
}


def market() -> Directory:
    """The usual definitions, a maker of firm 2, and one of firm 3 in the requester's group."""
    known = directory()
    name = padded_text("A31", 32)
    for record in (
        events.FirmCreated.make(firm=3, name=padded_text("F3", 32)),
        events.AccountCreated.make(account=11, firm=1, owner_group=7, name=padded_text("A11", 32)),
        events.AccountCreated.make(account=31, firm=3, owner_group=7, name=name),
        *(
            events.SessionGranted.make(
                session=session,
                account=account,
                firm=firm,
                rights=SessionRight.TRADE | SessionRight.QUOTE_REQUESTS,
                name=padded_text(f"S{session}", 32),
            )
            for session, account, firm in ((MAKER, 21, 2), (SAME_GROUP, 31, 3))
        ),
    ):
        known.learn(record)
    return known


def command(kind: str, fields: dict[int, str], groups: dict[int, list[Entry]] | None = None) -> Any:
    """Translate a message, and read the record that it becomes."""
    made = Fields({35: kind, 34: "7", 60: "20261101-10:00:00.000"} | fields)
    made.groups = groups or {}
    (record,) = COMMANDS.unpack(translate(made, ARRIVAL, market()))
    return record


def ask(**entry: str) -> dict[int, list[Entry]]:
    good = {55: "BTC-USD", 54: "1", 38: "0.5", 126: "20261101-10:01:00.000"}
    return {146: [good | {int(tag.lstrip("_")): value for tag, value in entry.items()}]}


def told(record: Record) -> dict[int, tuple[dict[int, str], Any]]:
    assert isinstance(record, events.Event)
    messages = told_by(record, market())
    assert len({message.session for message in messages}) == len(messages)
    return {message.session: fields_of(message.text) for message in messages}


def test_a_quote_request_becomes_a_request_for_quote() -> None:
    record = command("R", {131: "ask-1"}, ask())
    assert isinstance(record, RequestForQuote)
    assert (record.account, record.instrument, record.side) == (11, 1, Side.BUY)
    assert (record.quantity_lots, record.client_request_id) == (5000, client_id("ask-1"))
    assert record.expire_at_ns == 1_793_527_260_000_000_000
    assert (record.session, record.connection, record.source_sequence) == (TRADER, 9, 7)


def test_a_quote_becomes_a_firm_quote() -> None:
    fields = {117: "mine-1", 131: "RFQ-17", 55: "BTC-USD", 132: "100.00", 133: "100.10"}
    record = command("S", fields | {134: "0.5", 135: "0.5", 62: "20261101-10:00:30.000"})
    assert isinstance(record, GiveRfqQuote)
    assert (record.request_id, record.instrument) == (17, 1)
    assert (record.bid_price_ticks, record.ask_price_ticks) == (2000, 2002)
    assert (record.quantity_lots, record.client_quote_id) == (5000, client_id("mine-1"))
    assert record.expire_at_ns == 1_793_527_230_000_000_000


RESPONSE = {693: "take-1", 117: "RFQ-17-18", 694: "1", 55: "BTC-USD", 54: "1"}


def test_a_hit_and_a_previously_quoted_order_accept_alike() -> None:
    hit = command("AJ", RESPONSE | {38: "0.5", 44: "100.10"})
    order = command(
        "D",
        {11: "take-1", 117: "RFQ-17-18", 40: "D", 55: "BTC-USD", 54: "1", 38: "0.5", 44: "100.10"},
    )
    assert isinstance(hit, AcceptRfqQuote)
    assert hit == order
    assert (hit.quote_id, hit.side, hit.price_ticks, hit.quantity_lots) == (18, 1, 2002, 5000)
    assert hit.client_order_id == client_id("take-1")
    assert command("AJ", RESPONSE | {11: "order-1"}).client_order_id == client_id("order-1")


def test_a_pass_and_cancels_name_what_ends() -> None:
    passed = command("AJ", RESPONSE | {694: "6"})
    assert isinstance(passed, WithdrawRfq)
    assert (passed.subject, passed.quote_id) == (RfqSubject.OFFER, 18)
    own_quote = command("Z", {131: "RFQ-17", 298: "5"})
    assert (own_quote.subject, own_quote.request_id) == (RfqSubject.QUOTES, 17)
    own_request = command("Z", {131: "ask-1", 298: "5"})
    assert own_request.subject == RfqSubject.REQUESTS
    assert own_request.client_id == client_id("ask-1")
    named = command("Z", {117: "mine-1", 298: "5", 537: "1"})
    assert (named.subject, named.client_id) == (RfqSubject.QUOTES, client_id("mine-1"))
    every = command("Z", {117: "all-1", 298: "4", 537: "1"})
    assert (every.subject, every.client_id) == (RfqSubject.QUOTES, NO_CLIENT_ID)
    assert every.client_request_id == client_id("all-1")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, (0, 0, NO_CLIENT_ID)),
        ({117: "RFQ-17"}, (17, 0, NO_CLIENT_ID)),
        ({117: "RFQ-17-18"}, (0, 18, NO_CLIENT_ID)),
        ({117: "mine-1"}, (0, 0, client_id("mine-1"))),
    ],
)
def test_a_status_request_names_a_request_a_quote_or_all(
    named: dict[int, str], expected: tuple[int, int, bytes]
) -> None:
    record = command("a", {649: "status-1"} | named)
    assert isinstance(record, QueryRfq)
    assert (record.request_id, record.quote_id, record.client_id) == expected
    assert record.status_request_id == client_id("status-1")


@pytest.mark.parametrize(
    ("kind", "fields", "groups", "code"),
    [
        ("R", {131: "RFQ-1"}, ask(), RejectCode.GATEWAY_RFQ_ID_MALFORMED),
        ("R", {131: "ask"}, {}, RejectCode.GATEWAY_FIELD_MALFORMED),
        ("R", {131: "ask"}, ask(_55="XRP"), RejectCode.GATEWAY_SYMBOL_UNKNOWN),
        ("R", {131: "ask"}, ask(_38="0.00001"), RejectCode.GATEWAY_QUANTITY_OFF_LOT),
        ("R", {131: "ask"}, {146: [{55: "BTC-USD", 38: "1"}]}, RejectCode.GATEWAY_FIELD_MISSING),
        ("S", {117: "q", 55: "BTC-USD"}, {}, RejectCode.GATEWAY_FIELD_MISSING),
        ("S", {117: "q", 131: "ask", 55: "BTC-USD"}, {}, RejectCode.GATEWAY_RFQ_ID_MALFORMED),
        (
            "S",
            {117: "q", 131: "RFQ-1", 55: "BTC-USD", 134: "1", 135: "2"},
            {},
            RejectCode.GATEWAY_FIELD_MALFORMED,
        ),
        ("AJ", RESPONSE | {694: "2"}, {}, RejectCode.GATEWAY_RFQ_RESPONSE_UNSUPPORTED),
        ("AJ", RESPONSE | {117: "RFQ-17"}, {}, RejectCode.GATEWAY_RFQ_ID_MALFORMED),
        ("D", RESPONSE | {11: "o", 40: "2"}, {}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
        ("Z", {298: "3"}, {}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("Z", {298: "1", 537: "1"}, {}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("Z", {298: "5", 537: "1"}, {}, RejectCode.GATEWAY_FIELD_MISSING),
        ("a", {}, {}, RejectCode.GATEWAY_FIELD_MISSING),
    ],
)
def test_what_cannot_be_read_is_put_on_record(
    kind: str, fields: dict[int, str], groups: dict[int, list[Entry]], code: RejectCode
) -> None:
    record = command(kind, fields, groups)
    assert isinstance(record, RecordRefusal)
    assert record.code == code


def test_a_request_is_told_to_its_requester_and_without_its_name_to_makers() -> None:
    messages = told(events.QuoteRequested.make(**REQUEST))
    assert messages.keys() == {TRADER, MAKER}
    own, _ = messages[TRADER]
    assert (own[35], own[131], own[117], own[297]) == ("AI", "ask-1", "NONE", "0")
    fields, groups = messages[MAKER]
    assert fields == {35: "R", 131: "RFQ-17", 5002: "40"}
    assert groups == {
        146: [{55: "BTC-USD", 54: "1", 38: "0.5000", 126: STAMP, 60: STAMP}],
    }


def test_a_quote_is_acknowledged_to_its_maker_and_told_to_the_requester_without_its_name() -> None:
    messages = told(events.RfqQuoteGiven.make(**QUOTE))
    assert messages.keys() == {MAKER, TRADER}
    assert messages[TRADER][0] == {
        35: "S",
        131: "ask-1",
        117: "RFQ-17-18",
        537: "1",
        55: "BTC-USD",
        1: "A11",
        132: "100.00",
        133: "100.10",
        134: "0.5000",
        135: "0.5000",
        62: STAMP,
        60: STAMP,
        5002: "41",
    }
    own = messages[MAKER][0]
    assert (own[131], own[117], own[297], own[1]) == ("RFQ-17", "mine-1", "0", "A21")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (RfqEnd.ACCEPTED, "22"),
        (RfqEnd.EXPIRED, "7"),
        (RfqEnd.WITHDRAWN, "17"),
        (RfqEnd.PASSED, "11"),
        (RfqEnd.REPLACED, "6"),
        (RfqEnd.KILL_SWITCH, "6"),
        (99, "6"),
    ],
)
def test_an_end_is_told_to_both_sides_of_a_quote(reason: int, status: str) -> None:
    messages = told(events.RfqQuoteEnded.make(**QUOTE, reason=reason))
    assert {session: fields[297] for session, (fields, _) in messages.items()} == {
        MAKER: status,
        TRADER: status,
    }


def test_makers_are_not_told_that_a_request_traded() -> None:
    messages = told(events.QuoteRequestEnded.make(**REQUEST, reason=RfqEnd.ACCEPTED))
    assert messages[TRADER][0][297] == "22"
    assert (messages[MAKER][0][297], messages[MAKER][0][58]) == ("6", "REQUEST_ENDED")
    messages = told(events.QuoteRequestEnded.make(**REQUEST, reason=RfqEnd.EXPIRED))
    assert messages[MAKER][0][297] == "7"


def test_refusals_say_code_limit_and_usage() -> None:
    refusal = {"number": 42, "time_ns": WHEN_NS, "account": 11, "session": TRADER, "instrument": 1}
    (fields, _) = told(
        events.QuoteRequestRejected.make(
            **refusal,
            side=1,
            code=RejectCode.QUOTE_REQUESTS_EXCEEDED,
            limit=16,
            usage=17,
            client_request_id=client_id("ask-1"),
        )
    )[TRADER]
    assert (fields[35], fields[658], fields[5001]) == ("AG", "3", "251")
    assert fields[58] == "QUOTE_REQUESTS_EXCEEDED: limit 16, requested 17"
    (fields, _) = told(
        events.RfqQuoteRejected.make(
            **refusal,
            request_id=17,
            code=RejectCode.RFQ_PRICES_CROSSED,
            bid_price_ticks=2002,
            limit=2001,
            usage=2002,
            client_quote_id=client_id("mine-1"),
        )
    )[TRADER]
    assert (fields[35], fields[297], fields[300], fields[5001]) == ("AI", "5", "7", "256")
    assert fields[58] == "RFQ_PRICES_CROSSED: limit 100.05, requested 100.10"


@pytest.mark.parametrize(
    ("code", "status"),
    [(RejectCode.RFQ_QUOTE_UNKNOWN, "9"), (RejectCode.SESSION_CLOSED, "5")],
)
def test_a_refused_query_or_cancel_says_what_it_named(code: RejectCode, status: str) -> None:
    record = events.RfqRefused.make(
        number=43,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        refused_kind=QueryRfq.KIND,
        code=code,
        client_id=client_id("mine-1"),
        client_request_id=client_id("status-1"),
    )
    (fields, _) = told(record)[TRADER]
    assert (fields[649], fields[117], fields[297]) == ("status-1", "mine-1", status)


def test_a_query_is_answered_by_what_is_open_and_an_end() -> None:
    origin: dict[str, int | bytes] = {
        "origin_session": MAKER,
        "origin_account": 21,
        "status_request_id": client_id("s"),
    }
    (asked, _) = told(events.QuoteRequestReported.make(**REQUEST, **origin))[MAKER]
    assert (asked[35], asked[131]) == ("R", "RFQ-17")
    (own, _) = told(events.RfqQuoteReported.make(**QUOTE, **origin))[MAKER]
    assert (own[35], own[649], own[117]) == ("AI", "s", "mine-1")
    origin |= {"origin_session": TRADER, "origin_account": 11}
    (mine, _) = told(events.QuoteRequestReported.make(**REQUEST, **origin))[TRADER]
    assert (mine[35], mine[649], mine[131]) == ("AI", "s", "ask-1")
    (offer, _) = told(events.RfqQuoteReported.make(**QUOTE, **origin))[TRADER]
    assert (offer[35], offer[117]) == ("S", "RFQ-17-18")
    end: dict[str, int | bytes] = {
        "number": 44,
        "time_ns": WHEN_NS,
        "account": 11,
        "session": TRADER,
        "requests": 1,
    }
    query: dict[str, int | bytes] = {"answered_kind": QueryRfq.KIND, "request_id": client_id("s")}
    (done, _) = told(events.RfqAnswered.make(**end, **query))[TRADER]
    assert (done[649], done[297], done[58]) == ("s", "8", "1 requests, 0 quotes")
    withdrawal: dict[str, int | bytes] = {"answered_kind": WithdrawRfq.KIND}
    assert told(events.RfqAnswered.make(**end, **withdrawal)) == {}
    named = withdrawal | {"request_id": client_id("all-1")}
    (done, _) = told(events.RfqAnswered.make(**end, **named))[TRADER]
    assert (done[117], done[297]) == ("all-1", "4")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (RequestForQuote.KIND, "AG"),
        (GiveRfqQuote.KIND, "AI"),
        (WithdrawRfq.KIND, "AI"),
        (QueryRfq.KIND, "AI"),
        (AcceptRfqQuote.KIND, "8"),
        (PlaceOrder.KIND, "8"),
    ],
)
def test_a_refusal_of_the_gateway_is_told_in_the_message_of_its_kind(
    kind: int, message: str
) -> None:
    record = events.RefusalRecorded.make(
        number=45,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        refused_kind=kind,
        code=RejectCode.GATEWAY_FIELD_MISSING,
        client_order_id=client_id("x-1"),
        text=padded_text("something is missing", 96),
    )
    messages = told(record)
    assert messages[TRADER][0][35] == message
    assert (COPY in messages) == (message == "8")


def test_those_who_may_answer_are_of_other_firms_and_groups() -> None:
    assert market().asked_sessions(11) == (MAKER,)
    assert market().asked_sessions(21) == (SAME_GROUP,)
    assert market().asked_sessions(99) == ()
    assert OTHER not in market().asked_sessions(11)


@pytest.mark.parametrize("is_negotiated", [0, 1])
def test_a_negotiated_trade_says_so(is_negotiated: int) -> None:
    record = events.TradeExecuted.make(
        number=50,
        time_ns=WHEN_NS,
        instrument=1,
        taker_side=Side.BUY,
        is_negotiated=is_negotiated,
        trade_id=7,
        price_ticks=2001,
        quantity_lots=1000,
        maker_account=21,
        maker_session=MAKER,
        maker_client_order_id=client_id("mine-1"),
        taker_account=11,
        taker_session=TRADER,
        taker_client_order_id=client_id("take-1"),
    )
    for message in told_by(record, market()):
        assert fields_of(message.text.removesuffix("797=Y\x01"))[0].get(1115) == (
            "3" if is_negotiated else None
        )
