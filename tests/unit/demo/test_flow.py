from __future__ import annotations

import random
from collections import Counter

from exchange.demo.fix_codec import Fields
from exchange.demo.flow import FairPrices, SeededFlow
from exchange.demo.market import Market
from exchange.demo.orders import OwnOrders, Request
from messages.trading.codes import RejectCode

MARKETS = {
    "BTC-USD": Market(
        instrument=1,
        symbol="BTC-USD",
        tick_units=1,
        price_decimals=2,
        lot_units=1,
        quantity_decimals=4,
        reference_ticks=6_000_000,
    ),
    "ETH-USD": Market(
        instrument=2,
        symbol="ETH-USD",
        tick_units=1,
        price_decimals=2,
        lot_units=1,
        quantity_decimals=3,
        reference_ticks=300_000,
    ),
}


class Answers:
    """Answers requests as a venue in which nothing trades but immediate orders."""

    def __init__(self) -> None:
        self.orders = {name: OwnOrders(MARKETS) for name in ("MM1", "MM2", "INST1")}

    def give(self, name: str, request: Request) -> None:
        orders = self.orders[name]
        orders.requested(request)
        if request.refusal is not None or request.message_type == "H":
            return
        answer: Fields = dict(request.fields) | {14: "0"}
        if request.message_type == "D" and answer.get(59) in ("3", "4"):
            answer |= {150: "F", 39: "2", 14: answer[38]}
        else:
            status = {"D": "0", "G": "5", "F": "4"}[request.message_type]
            answer |= {150: status, 39: "4" if status == "4" else "0"}
        orders.reported(answer)


def flow_of(seed: int, turns: int) -> list[tuple[str, Request]]:
    flow, answers = SeededFlow(MARKETS, seed=seed, run="r"), Answers()
    asked = []
    for _ in range(turns):
        turn = flow.next_request(answers.orders)
        if turn is not None:
            asked.append(turn)
            answers.give(*turn)
    return asked


def test_the_same_seed_gives_the_same_flow(seed: int) -> None:
    assert flow_of(seed, 1000) == flow_of(seed, 1000)
    assert flow_of(seed, 200) != flow_of(seed + 1, 200)


def test_the_flow_has_everything_that_it_is_to_show(seed: int) -> None:
    asked = flow_of(seed, 4000)
    purposes = Counter(request.purpose for _, request in asked)
    wanted = {
        "quote", "amend", "cancel", "status", "take: immediate", "take: market",
        "take: all or nothing", "rest: limit", "rest: iceberg", "stop: market", "stop: limit",
    }  # fmt: skip
    assert wanted <= set(purposes)
    mistakes = {RejectCode(request.refusal) for _, request in asked if request.refusal}
    assert mistakes == {
        RejectCode.GATEWAY_SYMBOL_UNKNOWN,
        RejectCode.GATEWAY_PRICE_OFF_TICK,
        RejectCode.INSUFFICIENT_FUNDS,
        RejectCode.DUPLICATE_CLIENT_ORDER_ID,
        RejectCode.ORDER_UNKNOWN,
        RejectCode.POST_ONLY_WOULD_TAKE,
    }
    assert Counter(name for name, _ in asked).keys() == {"MM1", "MM2", "INST1"}


def test_client_order_ids_are_used_once_except_by_mistake(seed: int) -> None:
    asked = flow_of(seed, 3000)
    fresh = [
        (name, request.client_order_id)
        for name, request in asked
        if request.message_type != "H" and request.refusal != RejectCode.DUPLICATE_CLIENT_ORDER_ID
    ]
    assert len(fresh) == len(set(fresh))
    assert all(1 <= len(client_order_id) <= 36 for _, client_order_id in fresh)


def test_prices_and_quantities_are_whole_ticks_and_lots_except_by_mistake(seed: int) -> None:
    for _, request in flow_of(seed, 2000):
        fields = dict(request.fields)
        if request.refusal is not None or request.message_type not in "DG":
            continue
        market = MARKETS[fields[55]]
        assert market.lots(fields[38]) > 0
        for tag in (44, 99):
            if tag in fields:
                assert market.ticks(fields[tag]) > 0
        if 111 in fields:
            assert 0 < market.lots(fields[111]) < market.lots(fields[38])


def test_orders_stay_few(seed: int) -> None:
    flow, answers = SeededFlow(MARKETS, seed=seed, run="r"), Answers()
    for _ in range(3000):
        turn = flow.next_request(answers.orders)
        if turn is not None:
            answers.give(*turn)
    assert all(0 < len(orders) <= 60 for orders in answers.orders.values())


def test_fair_prices_stay_near_the_reference(seed: int) -> None:
    fair = FairPrices(MARKETS, random.Random(seed))
    for _ in range(20_000):
        fair.step()
        for symbol, market in MARKETS.items():
            away = abs(fair.ticks(symbol) - market.reference_ticks)
            assert away <= market.reference_ticks * 15_000 // 1_000_000 + 1
