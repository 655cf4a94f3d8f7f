"""What a drop copy is told rebuilds exactly the orders that the engine has."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.interest import Interest, interest_of
from fix_gateway.translation.outbound import is_definition, told_by
from messages.trading import events as e
from messages.trading.terms import SessionRight
from tests.property.flow import Flow
from venue.engines import create_engine
from venue.ports import Engine

COMMANDS = 3_000
COPY = 500_001
"""A session of the test's own, which sees every account."""


class State(NamedTuple):
    """An open order, in units and words that FIX and engine share."""

    account: str
    client_order_id: str
    side: int
    quantity: Fraction
    leaves: Fraction
    filled: Fraction
    price: Fraction


class Reader:
    """Keeps orders by what reports say of them: text in, and nothing of the gateway's."""

    def __init__(self) -> None:
        self.orders: dict[int, State] = {}
        self.executions: set[str] = set()
        self.unsaid: set[int] = set()
        """Orders of trades that were changed afterwards without a word over FIX."""

    def read(self, text: str) -> None:
        fields = dict(field.split("=", 1) for field in text.split("\x01") if field)
        if fields["35"] != "8" or fields["39"] == "8" or fields["37"] == "NONE":
            return
        if fields["150"] != "I":
            assert fields["17"] not in self.executions, "an execution is told once"
            self.executions.add(fields["17"])
        order = int(fields["37"])
        self.unsaid.discard(order)
        if fields["39"] in ("0", "1"):
            self.orders[order] = State(
                fields["1"],
                # A cancel's report has the request's id; only an open order's own is kept here.
                fields["11"],
                int(fields["54"]),
                Fraction(fields.get("38", "0")),
                Fraction(fields["151"]),
                Fraction(fields["14"]),
                Fraction(fields.get("44", "0")),
            )
        else:
            self.orders.pop(order, None)


def engines_orders(engine: Engine, directory: Directory) -> dict[int, State]:
    found = {}
    for account in directory.accounts.values():
        for record in e.EVENTS.unpack(engine.open_orders(account.number, after=0, limit=10**6)):
            assert isinstance(record, e.OrderReported)
            unit = directory.instruments[record.instrument]
            lot = Fraction(unit.lot_units, 10**unit.quantity_decimals)
            tick = Fraction(unit.tick_units, 10**unit.price_decimals)
            found[record.order_id] = State(
                account.name,
                record.client_order_id.rstrip(b"\0").decode("latin-1"),
                record.side,
                record.quantity_lots * lot,
                record.leaves_lots * lot,
                record.filled_lots * lot,
                record.price_ticks * tick,
            )
    return found


def learn(directory: Directory, record: Any) -> None:
    directory.learn(record)
    if isinstance(record, e.AccountCreated):
        directory.learn(
            e.SessionGranted.make(
                session=COPY,
                account=record.account,
                firm=record.firm,
                rights=SessionRight.DROP_COPY,
            )
        )


@pytest.mark.parametrize("calm", [True, False])
def test_reports_rebuild_exactly_the_engines_orders(chance: random.Random, calm: bool) -> None:
    engine, directory, reader = create_engine("native"), Directory(), Reader()
    interests: dict[int, Interest] = {}
    compared = 0
    for step, (_, told) in enumerate(Flow(chance.getrandbits(32), calm=calm).run(engine, COMMANDS)):
        for offset, kind in e.EVENTS.walk(told):
            record: Any = kind.unpack(told, offset)
            if is_definition(kind.KIND):
                learn(directory, record)
                interests.clear()
            messages = told_by(record, directory)
            for message in messages:
                if message.session not in interests:
                    interests[message.session] = interest_of([message.session], directory)
                assert interests[message.session].may_concern(kind.KIND, told, offset), record
                if message.session == COPY:
                    reader.read(message.text)
            if isinstance(record, e.TradeChanged) and not messages:
                reader.unsaid |= {record.maker_order_id, record.taker_order_id}
        if step % 25 == 0:
            expected = engines_orders(engine, directory)
            assert without(reader.orders, reader.unsaid) == without(expected, reader.unsaid), step
            compared += len(expected)
    assert compared > 100, "hardly an order was ever open"


def without(orders: dict[int, State], unsaid: set[int]) -> dict[int, State]:
    return {order: state for order, state in orders.items() if order not in unsaid}
