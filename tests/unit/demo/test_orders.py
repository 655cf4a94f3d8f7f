from __future__ import annotations

from dataclasses import replace

from exchange.demo.orders import OwnOrders, Report
from exchange.demo.requests import Terms, amend, cancel, new_order, order_status
from tests.unit.demo.test_flow import MARKETS

BITCOIN = MARKETS["BTC-USD"]
TERMS = Terms(side="1", lots=50, ticks=5_999_900)


def placed() -> OwnOrders:
    orders = OwnOrders(MARKETS)
    orders.requested(new_order("MM1", "a-1", BITCOIN, TERMS, purpose="quote"))
    return orders


def accepted() -> OwnOrders:
    orders = placed()
    orders.reported({11: "a-1", 150: "0", 39: "0", 14: "0", 38: "0.0050", 44: "59999.00"})
    return orders


def test_an_order_is_touchable_once_it_is_accepted() -> None:
    assert placed().touchable() == []
    (order,) = accepted().touchable(symbol="BTC-USD", side="1")
    assert (order.price_ticks, order.quantity_lots, order.filled_lots) == (5_999_900, 50, 0)


def test_a_fill_counts_and_the_last_one_closes() -> None:
    orders = accepted()
    orders.reported({11: "a-1", 150: "F", 39: "1", 14: "0.0020"})
    assert orders.touchable()[0].filled_lots == 20
    orders.reported({11: "a-1", 150: "F", 39: "2", 14: "0.0050"})
    assert len(orders) == 0


def test_a_replaced_order_has_its_new_id() -> None:
    orders = accepted()
    order = orders.touchable()[0]
    request = amend("MM1", "a-2", order, BITCOIN, ticks=5_999_800, lots=40)
    orders.requested(request)
    assert orders.touchable() == []
    report = {11: "a-2", 41: "a-1", 150: "5", 39: "0", 14: "0", 38: "0.0040", 44: "59998.00"}
    orders.reported(report)
    (order,) = orders.touchable()
    assert (order.client_order_id, order.price_ticks, order.quantity_lots) == ("a-2", 5_999_800, 40)
    orders.reported({11: "c-1", 41: "a-2", 150: "4", 39: "4"})
    assert len(orders) == 0


def test_a_refused_cancel_leaves_the_order_touchable() -> None:
    orders = accepted()
    request = cancel("MM1", "c-1", orders.touchable()[0])
    orders.requested(request)
    assert orders.touchable() == []
    orders.refused(request)
    assert len(orders.touchable()) == 1


def test_a_refused_mistake_does_not_touch_the_order_whose_id_it_used() -> None:
    orders = accepted()
    mistake = replace(new_order("MM1", "a-1", BITCOIN, TERMS, purpose="mistake"), refusal=181)
    orders.requested(mistake)
    orders.refused(mistake)
    assert len(orders.touchable()) == 1


def test_answers_to_questions_change_nothing() -> None:
    orders = accepted()
    orders.requested(order_status("MM1", "q-1", orders.touchable()[0]))
    orders.reported({11: "a-1", 150: "I", 39: "4"})
    assert len(orders.touchable()) == 1


def test_a_report_reads_what_is_compared() -> None:
    report = Report.of({17: "7B", 150: "F", 11: "a-1", 55: "BTC-USD", 32: "0.1", 31: "5"})
    assert report.is_trade
    assert (report.execution_id, report.last_quantity, report.leaves) == ("7B", "0.1", "")
