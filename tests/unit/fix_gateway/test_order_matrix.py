"""Every combination of type, time in force, flags and phase has the outcome that is documented.

Each order goes as FIX through the translation into the engine; docs/protocols/fix-orders.md,
"Every combination", says what must come of it, and is written down here a second time.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import pytest

from fix_gateway.translation.inbound import translate
from fix_gateway.translation.request import Arrival
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.terms import OrderStatus, Phase, Scope
from tests.unit.engine.scenario import ALICE, BOB, Market, without_levels
from tests.unit.fix_gateway.market import directory, request

ARRIVAL = Arrival(
    session=1, source=0, epoch=0, sequence=1, connection=1, received_at_ns=1_700_000_000 * 10**9
)
MARKET, LIMIT, STOP, STOP_LIMIT = "1", "2", "3", "4"
IOC, FOK, GTD = "3", "4", "6"
TIMES = ("0", "1", IOC, FOK, GTD)


class Combination(NamedTuple):
    """What an order has: FIX values, and whether a field is there."""

    order_type: str
    time_in_force: str
    is_post_only: bool
    has_minimum: bool
    has_display: bool
    has_stop: bool
    is_cash: bool

    def fields(self, number: int) -> dict[int, str | None]:
        """The order in FIX: a passive buy, a market order that finds liquidity, a far stop."""
        return {
            11: f"o-{number}",
            40: self.order_type,
            59: self.time_in_force,
            44: "99.00" if self.order_type in (LIMIT, STOP_LIMIT) else None,
            38: None if self.is_cash else "0.5",
            152: "50" if self.is_cash else None,
            18: "6" if self.is_post_only else None,
            110: "0.1" if self.has_minimum else None,
            1138: "0.1" if self.has_display else None,
            99: "110.00" if self.has_stop else None,
            126: "20991231-00:00:00" if self.time_in_force == GTD else None,
        }


def documented(each: Combination, phase: Phase) -> RejectCode:
    """The code that the table gives; NONE for an order that is taken."""
    never_rests = each.time_in_force in (IOC, FOK)
    rows = (
        (each.is_cash and each.order_type != MARKET, RejectCode.GATEWAY_FIELD_MALFORMED),
        (phase == Phase.CLOSED, RejectCode.INSTRUMENT_CLOSED),
        (phase == Phase.HALTED, RejectCode.INSTRUMENT_HALTED),
        (
            phase != Phase.CONTINUOUS
            and (each.order_type == MARKET or never_rests or each.is_post_only or each.has_minimum),
            RejectCode.ORDER_NOT_ALLOWED_IN_PHASE,
        ),
        (
            each.is_cash and (each.time_in_force == FOK or each.has_minimum or each.has_display),
            RejectCode.CASH_QUANTITY_NOT_ALLOWED,
        ),
        (
            each.is_post_only and (each.order_type != LIMIT or never_rests),
            RejectCode.FIELD_INVALID,
        ),
        (
            each.has_display and (each.order_type in (MARKET, STOP) or never_rests),
            RejectCode.DISPLAY_QUANTITY_INVALID,
        ),
        (each.has_minimum and each.time_in_force != IOC, RejectCode.MINIMUM_QUANTITY_INVALID),
        (each.has_stop != (each.order_type in (STOP, STOP_LIMIT)), RejectCode.STOP_PRICE_INVALID),
    )
    return next((code for applies, code in rows if applies), RejectCode.NONE)


def market_in(phase: Phase) -> Market:
    """A market with much to buy at 100.00 in the directory's ticks, in a phase."""
    market = Market(reference_ticks=2000)
    market.sell(900_000, at=2000, account=BOB)
    if phase != Phase.CONTINUOUS:
        market.phase(phase)
    if phase == Phase.CLOSED:
        assert market.query_orders(Scope.ACCOUNT, account=BOB)
    return market


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.name)
@pytest.mark.parametrize("order_type", [LIMIT, MARKET, STOP, STOP_LIMIT])
def test_every_combination_is_taken_or_refused_as_documented(phase: Phase, order_type: str) -> None:
    market, known, seen = market_in(phase), directory(), set()
    combinations = product(TIMES, product((False, True), repeat=5))
    for number, (time_in_force, flags) in enumerate(combinations):
        each = Combination(order_type, time_in_force, *flags)
        record = translate(request("D", each.fields(number)), ARRIVAL, known)
        command: Any = next(iter(c.COMMANDS.unpack(record)))
        fields = {field.name: getattr(command, field.name) for field in command.FIELDS[5:]}
        fields |= {"valid_until_ns": 0} if isinstance(command, c.PlaceOrder) else {}
        for name in ("sequence", "time_ns"):
            fields.pop(name)
        lines = without_levels(market.send(type(command), **fields))
        code = documented(each, phase)
        seen.add(code)
        said = market.records[0]
        if code != RejectCode.NONE:
            assert isinstance(said, e.OrderRejected | e.RefusalRecorded), (each, lines)
            assert said.code == code, (each, lines)
            continue
        assert isinstance(said, e.OrderAccepted), (each, lines)
        _require_outcome(each, said, market, lines)
        market.mass_cancel(Scope.ACCOUNT, account=ALICE)
    assert seen >= {RejectCode.INSTRUMENT_CLOSED} or phase != Phase.CLOSED


def _require_outcome(
    each: Combination, accepted: e.OrderAccepted, market: Market, lines: list[str]
) -> None:
    kinds = {type(record) for record in market.records}
    if each.order_type in (STOP, STOP_LIMIT):
        assert accepted.status == OrderStatus.PENDING_TRIGGER, lines
        assert kinds <= {e.OrderAccepted}, lines
    elif each.order_type == MARKET:
        assert e.TradeExecuted in kinds, lines
    elif each.time_in_force in (IOC, FOK):
        assert e.OrderExpired in kinds, lines
    else:
        assert kinds <= {e.OrderAccepted, e.BookLevelChanged}, lines
