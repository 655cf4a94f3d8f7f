import msgspec
import pytest

from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.reasons import code_name
from messages.layout import padded_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AmendOrder,
    CancelOrder,
    CheckOrder,
    MassAction,
    MassCancel,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
)
from messages.trading.identity import client_id
from messages.trading.terms import (
    CancelReason,
    MassActionType,
    OrderStatus,
    OrderType,
    Scope,
    Side,
    TimeInForce,
)
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory, tags_of

WHEN_NS = 1_793_527_200_123_456_789
STAMP = "20261101-10:00:00.123456"
ORDER: dict[str, int | bytes] = {
    "number": 40,
    "time_ns": WHEN_NS,
    "account": 11,
    "session": TRADER,
    "instrument": 1,
    "order_id": 5,
    "side": Side.BUY,
    "order_type": OrderType.LIMIT,
    "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
    "status": OrderStatus.NEW,
    "price_ticks": 2001,
    "quantity_lots": 5000,
    "leaves_lots": 5000,
    "client_order_id": client_id("o-1"),
}
REQUEST: dict[str, int | bytes] = {
    "number": 41,
    "time_ns": WHEN_NS,
    "account": 11,
    "session": TRADER,
    "instrument": 1,
    "order_id": 5,
    "side": Side.BUY,
    "client_order_id": client_id("c-1"),
    "original_client_order_id": client_id("o-1"),
}
NOBODY = client_id("x")


def told(record: events.Event) -> dict[int, dict[int, str]]:
    """What each session is told, by tags; one message each."""
    messages = told_by(record, directory())
    assert len({message.session for message in messages}) == len(messages)
    return {message.session: tags_of(message.text) for message in messages}


def test_an_accepted_order_is_reported_with_all_its_terms() -> None:
    record = events.OrderAccepted.make(
        **ORDER
        | {
            "order_type": OrderType.STOP_LIMIT,
            "stop_price_ticks": 1999,
            "display_lots": 100,
            "minimum_lots": 200,
            "order_flags": 1,
            "time_in_force": TimeInForce.GOOD_TILL_DATE,
            "expire_at_ns": WHEN_NS,
        }
    )
    report = told(record)[TRADER]
    assert report == {
        35: "8",
        17: "40",
        150: "0",
        39: "0",
        37: "5",
        11: "o-1",
        1: "A11",
        55: "BTC-USD",
        54: "1",
        40: "4",
        38: "0.5000",
        59: "6",
        44: "100.05",
        99: "99.95",
        18: "6",
        1138: "0.0100",
        110: "0.0200",
        126: STAMP,
        528: "A",
        151: "0.5000",
        14: "0",
        6: "0",
        60: STAMP,
    }


def test_a_drop_copy_is_the_same_report_marked_as_a_copy() -> None:
    messages = told(events.OrderAccepted.make(**ORDER))
    assert messages.keys() == {TRADER, COPY}
    assert messages[COPY] == messages[TRADER] | {797: "Y"}


TRADE: dict[str, int | bytes] = {
    "number": 50,
    "time_ns": WHEN_NS,
    "instrument": 1,
    "taker_side": Side.SELL,
    "trade_id": 7,
    "price_ticks": 2001,
    "quantity_lots": 1000,
    "maker_order_id": 5,
    "maker_account": 11,
    "maker_session": TRADER,
    "maker_order_type": OrderType.LIMIT,
    "maker_time_in_force": TimeInForce.GOOD_TILL_CANCEL,
    "maker_status": OrderStatus.PARTIALLY_FILLED,
    "maker_price_ticks": 2001,
    "maker_quantity_lots": 5000,
    "maker_leaves_lots": 4000,
    "maker_filled_lots": 1000,
    "maker_filled_value": 2001 * 1000,
    "maker_fee_atoms": -50,
    "maker_client_order_id": client_id("o-1"),
    "taker_order_id": 6,
    "taker_account": 21,
    "taker_session": OTHER,
    "taker_order_type": OrderType.MARKET,
    "taker_time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL,
    "taker_status": OrderStatus.FILLED,
    "taker_quantity_lots": 3000,
    "taker_filled_lots": 3000,
    "taker_filled_value": 2001 * 1000 + 2000 * 1999,
    "taker_fee_atoms": 1_500_000,
    "taker_client_order_id": client_id("t-1"),
}


def test_both_sides_of_a_trade_are_told_with_fees_and_liquidity() -> None:
    record = events.TradeExecuted.make(**TRADE)
    messages = told(record)
    assert messages.keys() == {TRADER, OTHER, COPY}
    fees = {message.session: fields_of(message.text)[1] for message in told_by(record, directory())}
    assert fees[TRADER][136] == [{137: "-0.000050", 138: "USD", 139: "4"}]
    assert fees[OTHER][136] == [{137: "1.500000", 138: "USD", 139: "4"}]
    maker, taker = messages[TRADER], messages[OTHER]
    assert maker == {
        35: "8",
        17: "50B",
        150: "F",
        39: "1",
        37: "5",
        11: "o-1",
        1: "A11",
        55: "BTC-USD",
        54: "1",
        40: "2",
        38: "0.5000",
        59: "1",
        44: "100.05",
        151: "0.4000",
        14: "0.1000",
        6: "100.05",
        31: "100.05",
        32: "0.1000",
        851: "1",
        880: "7",
        1057: "N",
        528: "A",
        30: "XRIA",
        29: "1",
        60: STAMP,
    }
    assert (taker[17], taker[54], taker[39], taker[851]) == ("50S", "2", "2", "2")
    assert (taker[1057], taker[528]) == ("Y", "P")
    # (2001 x 1000 + 1999 x 2000) / 3000 ticks of 0.05, rounded down ten digits after the point.
    assert taker[6] == "99.9833333333"
    assert messages[COPY] == maker | {797: "Y"}


@pytest.mark.parametrize("event", [events.OrderCancelled, events.OrderRestated])
def test_self_trade_prevention_says_what_it_prevented(event: type[events.OrderEvent]) -> None:
    prevented = {"counter_order_id": 9, "prevented_lots": 1000, "prevented_price_ticks": 2001}
    record = event.make(**ORDER | {"reason": CancelReason.SELF_TRADE} | prevented)
    report = told(record)[TRADER]
    assert (report[378], report[5032], report[5033], report[5034]) == (
        "17",
        "9",
        "0.1000",
        "100.05",
    )
    other = told(event.make(**ORDER | {"reason": CancelReason.KILL_SWITCH}))[TRADER]
    assert 5032 not in other


def test_a_cash_quantity_is_said_with_the_most_that_it_could_trade() -> None:
    cash = {"order_type": OrderType.MARKET, "order_flags": 2, "cash_atoms": 1_234_567}
    accepted = told(events.OrderAccepted.make(**ORDER | cash))[TRADER]
    assert (accepted[38], accepted[152]) == ("0.5000", "1.234567")
    trade = told(events.TradeExecuted.make(**TRADE, taker_cash_atoms=5_000_000))
    assert trade[OTHER][152] == "5.000000"
    assert 152 not in trade[TRADER]
    refused = events.OrderRejected.make(account=11, session=TRADER, instrument=1, cash_atoms=7)
    assert told(refused)[TRADER][152] == "0.000007"


def test_in_an_auction_nobody_added_or_took_liquidity() -> None:
    messages = told(events.TradeExecuted.make(**TRADE, is_auction=1))
    assert {report[851] for report in messages.values()} == {"4"}


def test_one_session_on_both_sides_is_told_twice_buyer_first() -> None:
    own: dict[str, int | bytes] = {
        "account": 11,
        "session": TRADER,
        "order_type": 2,
        "status": 4,
        "time_in_force": 1,
        "client_order_id": NOBODY,
    }
    sides = {f"{side}_{name}": value for side in ("maker", "taker") for name, value in own.items()}
    record = events.TradeExecuted.make(number=9, instrument=1, taker_side=Side.BUY, **sides)
    mine = [m for m in told_by(record, directory()) if m.session == TRADER]
    assert [(m.rank, tags_of(m.text)[17]) for m in mine] == [(0, "9B"), (1, "9S")]


def test_a_requested_cancel_answers_the_request() -> None:
    record = events.OrderCancelled.make(
        **ORDER
        | {"status": OrderStatus.CANCELLED, "leaves_lots": 0, "reason": CancelReason.REQUESTED},
        origin_session=TRADER,
        request_client_order_id=client_id("c-1"),
    )
    report = told(record)[TRADER]
    assert (report[150], report[39], report[11], report[41]) == ("4", "4", "c-1", "o-1")
    assert 378 not in report


@pytest.mark.parametrize(
    ("reason", "restated"),
    [
        (CancelReason.DISCONNECT, "12"),
        (CancelReason.SELF_TRADE, "17"),
        (CancelReason.KILL_SWITCH, "8"),
        (CancelReason.PRICE_BAND, "6"),
    ],
)
def test_an_unasked_cancel_says_why(reason: CancelReason, restated: str) -> None:
    record = events.OrderCancelled.make(
        **ORDER | {"status": OrderStatus.CANCELLED, "reason": reason}
    )
    report = told(record)[TRADER]
    assert (report[11], report[378], report[58]) == ("o-1", restated, reason.name)
    assert 41 not in report


@pytest.mark.parametrize(
    ("event", "execution"),
    [(events.OrderExpired, "C"), (events.OrderTriggered, "L"), (events.OrderRestated, "D")],
)
def test_other_changes_of_an_order(event: type[events.OrderEvent], execution: str) -> None:
    report = told(event.make(**ORDER, reason=CancelReason.SELF_TRADE))[TRADER]
    assert report[150] == execution


FIRM = {448: "F1", 447: "D", 452: "1"}
ACCOUNT = {448: "A11", 447: "D", 452: "24"}
SESSION = {448: "S1", 447: "D", 452: "55"}


def groups_of(record: events.Event, session: int = TRADER) -> dict[int, list[dict[int, str]]]:
    (text,) = [each.text for each in told_by(record, directory()) if each.session == session]
    return fields_of(text)[1]


def test_a_report_names_firm_account_and_the_session_that_the_order_came_from() -> None:
    copied = groups_of(events.OrderAccepted.make(**ORDER), COPY)
    assert copied[453] == [FIRM, ACCOUNT, SESSION]
    trade = events.TradeExecuted.make(**TRADE)
    assert groups_of(trade)[453] == [FIRM, ACCOUNT, SESSION]
    assert groups_of(trade, OTHER)[453] == [
        {448: "F2", 447: "D", 452: "1"},
        {448: "A21", 447: "D", 452: "24"},
        {448: "S2", 447: "D", 452: "55"},
    ]


def test_reports_name_the_trader_of_their_order() -> None:
    trader = "448=4711\x01447=D\x01452=11\x01"
    accepted, *_ = told_by(events.OrderAccepted.make(**ORDER, trader=4711), directory())
    assert trader in accepted.text
    refused, *_ = told_by(
        events.OrderRejected.make(account=11, session=TRADER, code=101, trader=4711), directory()
    )
    assert trader in refused.text
    trade = events.TradeExecuted.make(**TRADE, maker_trader=4711, taker_trader=8)
    texts = {(each.session, each.rank): each.text for each in told_by(trade, directory())}
    assert trader in texts[TRADER, 0]
    assert trader not in texts[OTHER, 1]
    assert trader.replace("4711", "8") in texts[OTHER, 1]


def test_parties_that_nobody_knows_are_left_out() -> None:
    record = events.OrderAccepted.make(**ORDER | {"account": 999})
    assert groups_of(record)[453] == [SESSION]
    elsewhere = events.OrderAccepted.make(**ORDER | {"session": 999})
    assert groups_of(elsewhere, COPY)[453] == [FIRM, ACCOUNT]


CAME_NS = WHEN_NS - 1_000
CAME, WHEN = "20261101-10:00:00.123455789", "20261101-10:00:00.123456789"
IN = (CAME, "2")
LIMIT, MARKET, STOP_LIMIT = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT
IOC = TimeInForce.IMMEDIATE_OR_CANCEL


@pytest.mark.parametrize(
    ("event", "changes", "stamps"),
    [
        (events.OrderAccepted, {}, [IN, (WHEN, "9")]),
        (events.OrderAccepted, {"time_in_force": IOC}, [IN]),
        (events.OrderAccepted, {"order_type": MARKET}, [IN]),
        (events.OrderAccepted, {"order_type": STOP_LIMIT}, [IN]),
        (events.OrderAccepted, {"received_at_ns": 0}, [(WHEN, "9")]),
        (events.OrderTriggered, {"order_type": STOP_LIMIT}, [(WHEN, "9")]),
        (events.OrderTriggered, {"order_type": OrderType.STOP}, []),
        (events.OrderAmended, {"kept_priority": 1}, [IN]),
        (events.OrderAmended, {"kept_priority": 0}, [IN, (WHEN, "8")]),
        (events.OrderCancelled, {"reason": CancelReason.REQUESTED}, [IN, (WHEN, "3")]),
        (events.OrderCancelled, {"reason": CancelReason.MASS_CANCEL}, [IN, (WHEN, "3")]),
        (events.OrderCancelled, {"reason": CancelReason.SELF_TRADE}, [(WHEN, "3")]),
        (events.OrderCancelled, {"reason": CancelReason.KILL_SWITCH}, [(WHEN, "3")]),
        (events.OrderExpired, {"reason": CancelReason.DAY_ENDED}, [(WHEN, "3")]),
        (events.OrderRestated, {"reason": CancelReason.SELF_TRADE}, []),
        (events.OrderReported, {"origin_session": TRADER}, [IN]),
    ],
)
def test_a_report_says_when_in_nanoseconds(
    event: type[events.OrderEvent],
    changes: dict[str, int],
    stamps: list[tuple[str, str]],
) -> None:
    record = event.make(**ORDER | {"received_at_ns": CAME_NS} | changes)
    said = [(each[769], each[770]) for each in groups_of(record).get(768, [])]
    assert said == stamps


def test_no_side_of_a_trade_learns_when_the_other_sides_request_came() -> None:
    record = events.TradeExecuted.make(**TRADE, received_at_ns=CAME_NS)
    for session in (TRADER, OTHER):
        assert groups_of(record, session)[768] == [{769: WHEN, 770: "1"}]


def test_an_auction_has_no_aggressor() -> None:
    record = events.TradeExecuted.make(**TRADE, is_auction=1)
    report = told(record)[TRADER]
    assert report[851] == "4"
    assert 1057 not in report


def test_an_amend_names_both_ids() -> None:
    record = events.OrderAmended.make(
        **ORDER | {"client_order_id": client_id("o-2")},
        origin_session=TRADER,
        previous_client_order_id=client_id("o-1"),
    )
    report = told(record)[TRADER]
    assert (report[150], report[11], report[41], report[39]) == ("5", "o-2", "o-1", "0")


def test_a_query_is_answered_to_whoever_asked() -> None:
    record = events.OrderReported.make(**ORDER, origin_session=OTHER, request_id=client_id("q"))
    messages = told(record)
    assert messages.keys() == {OTHER, COPY}
    assert (messages[OTHER][150], messages[OTHER][790]) == ("I", "q")


def test_a_rejected_order_says_code_limit_and_usage() -> None:
    record = events.OrderRejected.make(
        number=42,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        instrument=1,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=1,
        code=RejectCode.INSUFFICIENT_FUNDS,
        price_ticks=2001,
        quantity_lots=5000,
        limit=1_000_000,
        usage=50_025_000,
        client_order_id=client_id("o-1"),
    )
    report = told(record)[TRADER]
    assert report[58] == "INSUFFICIENT_FUNDS: limit 1.000000 USD, requested 50.025000 USD"
    assert (report[39], report[150], report[103], report[5001]) == ("8", "8", "25", "210")
    assert (report[37], report[151], report[14]) == ("NONE", "0", "0")
    collar = msgspec.structs.replace(
        record, code=RejectCode.PRICE_OUTSIDE_COLLAR, limit=2000, usage=2001
    )
    assert told(collar)[TRADER][58] == "PRICE_OUTSIDE_COLLAR: limit 100.00, requested 100.05"


@pytest.mark.parametrize(
    ("event", "response_to"), [(events.CancelRejected, "1"), (events.AmendRejected, "2")]
)
def test_refused_cancels_and_amends(event: type[events.RequestRejected], response_to: str) -> None:
    record = event.make(**REQUEST, code=RejectCode.ORDER_ALREADY_DONE, status=OrderStatus.FILLED)
    messages = told(record)
    assert messages.keys() == {TRADER, COPY}
    answer = messages[TRADER]
    assert (answer[35], answer[434], answer[39], answer[102]) == ("9", response_to, "2", "0")
    assert (answer[11], answer[41], answer[37], answer[5001]) == ("c-1", "o-1", "5", "231")
    assert answer[5002] == "41"
    unknown = msgspec.structs.replace(record, order_id=0, status=0, code=RejectCode.ORDER_UNKNOWN)
    answer = told(unknown)[TRADER]
    assert (answer[37], answer[39], answer[102]) == ("NONE", "8", "1")


def test_mass_cancels() -> None:
    done = events.MassCancelled.make(
        number=43,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        instrument=1,
        scope=3,
        cancelled=4,
        client_order_id=client_id("m-1"),
    )
    messages = told(done)
    assert messages.keys() == {TRADER, COPY}
    report = messages[TRADER]
    assert (report[35], report[530], report[531], report[533]) == ("r", "1", "1", "4")
    assert (report[1], report[1369]) == ("A11", "43")
    whole = events.MassCancelled.make(number=43, account=11, session=TRADER, scope=Scope.FIRM)
    report = told(whole)[TRADER]
    assert (report[530], report[531]) == ("7", "7")
    assert 1 not in report
    assert groups_of(whole)[1461] == [{1462: "F1", 1463: "D", 1464: "1"}]
    refused = events.MassCancelRejected.make(
        number=44,
        account=11,
        session=TRADER,
        scope=4,
        code=RejectCode.SESSION_CLOSED,
        client_order_id=client_id("m-1"),
    )
    report = told(refused)[TRADER]
    assert (report[530], report[531], report[532], report[5001]) == ("6", "0", "99", "103")


ACTION: dict[str, int | bytes] = {
    "number": 47,
    "time_ns": WHEN_NS,
    "account": 11,
    "session": TRADER,
    "action": MassActionType.SUSPEND,
    "scope": Scope.ACCOUNT,
    "client_order_id": client_id("a-1"),
}


def test_a_mass_action_is_accepted_then_completed_for_the_copies_too() -> None:
    accepted = told(events.MassActionAccepted.make(**ACTION))
    assert accepted.keys() == {TRADER, COPY}
    report = accepted[TRADER]
    assert (report[35], report[1373], report[1374], report[1375]) == ("BZ", "1", "7", "1")
    assert (report[11], report[1], report[1369]) == ("a-1", "A11", "47")
    assert 533 not in report
    narrowed = {"instrument": 1, "side": 2, "affected": 3, "action": MassActionType.CANCEL}
    completed = told(events.MassActionCompleted.make(**ACTION | narrowed))[TRADER]
    assert (completed[1373], completed[1374], completed[1375]) == ("3", "1", "2")
    assert (completed[533], completed[55], completed[54]) == ("3", "BTC-USD", "2")


def test_a_mass_action_of_a_firm_names_the_firm() -> None:
    record = events.MassActionCompleted.make(**ACTION | {"scope": Scope.FIRM})
    messages = told(record)
    assert 1 not in messages[TRADER]
    assert groups_of(record)[1461] == [{1462: "F1", 1463: "D", 1464: "1"}]
    assert COPY not in messages, "it sees one of the firm's accounts only"


def test_a_refused_mass_action_says_why() -> None:
    refused = {"scope": Scope.SESSION, "code": RejectCode.SUSPENSIONS_EXCEEDED}
    record = events.MassActionRejected.make(**ACTION | refused, limit=64, usage=65)
    report = told(record)[TRADER]
    assert (report[1374], report[1375], report[1376], report[5001]) == ("6", "0", "99", "264")
    assert report[58] == "SUSPENSIONS_EXCEEDED: limit 64, requested 65"


def test_a_list_says_each_orders_place_and_how_many_remain() -> None:
    place: dict[str, int | bytes] = {
        "origin_session": TRADER,
        "count": 2,
        "request_id": client_id("l-1"),
    }
    first = told(events.OrderListed.make(**ORDER | place, place=1, remaining=3))
    assert first.keys() == {TRADER}
    report = first[TRADER]
    assert (report[150], report[584], report[911], report[912]) == ("I", "l-1", "2", "N")
    assert (report[37], report[5031]) == ("5", "3")
    last = told(events.OrderListed.make(**ORDER | place, place=2))[TRADER]
    assert last[912] == "Y"
    assert 5031 not in last


def test_an_empty_list_is_one_refused_report() -> None:
    record = events.OrdersQueryRejected.make(
        number=48,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        code=RejectCode.ORDER_UNKNOWN,
        request_id=client_id("l-1"),
    )
    messages = told(record)
    assert messages.keys() == {TRADER}
    report = messages[TRADER]
    assert (report[150], report[39], report[103], report[911]) == ("I", "8", "5", "0")
    assert (report[584], report[912], report[5001]) == ("l-1", "Y", "230")


CHECKED: dict[str, int | bytes] = {
    "number": 49,
    "time_ns": WHEN_NS,
    "account": 11,
    "session": TRADER,
    "instrument": 1,
    "side": Side.BUY,
    "price_ticks": 2001,
    "quantity_lots": 5000,
    "client_order_id": client_id("d-1"),
}


def test_a_dry_run_that_passes_says_every_bound_and_what_it_would_use() -> None:
    record = events.OrderChecked.make(
        **CHECKED,
        available_atoms=100_000_000,
        needed_atoms=50_025_000,
        position_max_atoms=5_000_000_000,
        position_atoms=1,
        notional_max_atoms=90_000_000,
        notional_atoms=50_000_000,
        collar_ticks=2200,
        open_orders_max=10,
        open_orders=3,
        book_orders_max=1000,
        book_orders=7,
        message_burst=20,
        messages=2,
    )
    report = told(record)[TRADER]
    assert (report[35], report[2318], report[11], report[2319]) == ("DG", "d-1", "d-1", "49")
    assert (report[2325], report[2326], report[38], report[44]) == ("0", "0", "0.5000", "100.05")
    limits = {
        entry[1530]: (entry[1531], entry[1766], entry.get(1532))
        for entry in groups_of(record)[1529]
    }
    assert limits == {
        "0": ("100.000000", "50.025000", "USD"),
        "4": ("50.00000000", "0.00000001", "BTC"),
        "11": ("90.000000", "50.000000", "USD"),
        "17": ("20", "2", None),
        "101": ("110.00", "100.05", "USD"),
        "102": ("10", "3", None),
        "103": ("1000", "7", None),
    }


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (RejectCode.INSUFFICIENT_FUNDS, "2"),
        (RejectCode.NOTIONAL_ABOVE_MAXIMUM, "4"),
        (RejectCode.POST_ONLY_WOULD_TAKE, "99"),
    ],
)
def test_a_dry_run_that_fails_says_what_the_refusal_would(code: RejectCode, result: str) -> None:
    record = events.OrderChecked.make(**CHECKED, code=code, limit=1_000_000, usage=2_000_000)
    report = told(record)[TRADER]
    assert (report[2325], report[2326], report[5001]) == ("2", result, str(code.value))
    assert report[58].startswith(code.name)
    assert 1529 not in groups_of(record)


@pytest.mark.parametrize(
    ("kind", "message_type"),
    [
        (PlaceOrder.KIND, "8"),
        (CancelOrder.KIND, "9"),
        (AmendOrder.KIND, "9"),
        (QueryOrder.KIND, "8"),
        (MassCancel.KIND, "r"),
        (MassAction.KIND, "BZ"),
        (QueryOrders.KIND, "8"),
        (CheckOrder.KIND, "DG"),
    ],
)
def test_what_the_gateway_refused_gets_the_standard_answer(kind: int, message_type: str) -> None:
    record = events.RefusalRecorded.make(
        number=45,
        time_ns=WHEN_NS,
        session=TRADER,
        refused_kind=kind,
        code=RejectCode.GATEWAY_SYMBOL_UNKNOWN,
        client_order_id=client_id("o-1"),
        text=padded_text("no instrument XX", 96),
    )
    messages = told(record)
    report = messages[TRADER]
    assert (report[35], report[5001]) == (message_type, "1005")
    assert report[58] == "GATEWAY_SYMBOL_UNKNOWN: no instrument XX"
    # No account is known, and this drop copy sees one of the firm's two only.
    assert COPY not in messages
    known = told(msgspec.structs.replace(record, account=11))
    assert (COPY in known) == (kind not in {QueryOrders.KIND, CheckOrder.KIND})


def test_a_request_on_a_drop_copy_session_gets_a_business_reject() -> None:
    record = events.RefusalRecorded.make(
        number=46,
        session=COPY,
        refused_kind=PlaceOrder.KIND,
        code=RejectCode.GATEWAY_RIGHTS_MISSING,
        client_order_id=client_id("o-1"),
        text=padded_text("no", 96),
    )
    report = told(record)[COPY]
    assert (report[35], report[380], report[372], report[379]) == ("j", "6", "D", "o-1")


def test_other_events_tell_clients_nothing() -> None:
    silent = (events.BookLevelChanged, events.BalanceChanged, events.SessionOpened, events.Killed)
    for event in silent:
        assert told_by(event.make(number=1), directory()) == []


def test_every_code_has_a_name_and_a_newer_one_its_number() -> None:
    assert code_name(RejectCode.BOOK_FULL) == "BOOK_FULL"
    assert code_name(65_000) == "CODE_65000"
