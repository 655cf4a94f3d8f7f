"""An answer says what a command did, not what others did since."""

from messages.trading import events
from messages.trading.terms import OrderStatus, Side
from retail_gateway.adapters.memory import MemoryPeople
from retail_gateway.orders import order_after


def accepted(order_id: int = 7) -> events.OrderAccepted:
    return events.OrderAccepted.make(
        number=10,
        order_id=order_id,
        account=101,
        instrument=1,
        side=Side.BUY,
        status=OrderStatus.NEW,
        quantity_lots=5,
        leaves_lots=5,
        time_ns=1,
    )


def traded(number: int, *, lots: int, leaves: int) -> events.TradeExecuted:
    done = OrderStatus.FILLED if leaves == 0 else OrderStatus.PARTIALLY_FILLED
    return events.TradeExecuted.make(
        number=number,
        trade_id=number,
        taker_side=Side.BUY,
        taker_order_id=7,
        taker_account=101,
        taker_status=done,
        taker_filled_lots=lots,
        taker_leaves_lots=leaves,
        maker_order_id=3,
        maker_account=102,
        time_ns=2,
    )


def test_fills_of_the_command_are_in_and_later_ones_are_not() -> None:
    outcome = [accepted(), traded(11, lots=2, leaves=3)]
    order = order_after(outcome, 7, None)
    assert order is not None
    assert (order.filled_lots, order.leaves_lots, order.status) == (
        2,
        3,
        OrderStatus.PARTIALLY_FILLED,
    )
    later = order_after([*outcome, traded(12, lots=5, leaves=0)], 7, None)
    assert later is not None
    assert later.status == OrderStatus.FILLED
    assert order.filled_lots == 2, "what was answered stays"


def test_what_was_known_before_stays_as_it_was() -> None:
    known = order_after([accepted()], 7, None)
    assert known is not None
    after = order_after([traded(11, lots=5, leaves=0)], 7, known)
    assert after is not None
    assert (known.filled_lots, after.filled_lots) == (0, 5)
    assert order_after([traded(11, lots=1, leaves=4)], 8, None) is None


async def test_a_number_that_the_venue_knows_is_nobodys_new_account() -> None:
    people = MemoryPeople(first=101, last=103)
    assert await people.account_of("a", lambda number: number == 101) == 102
    assert await people.account_of("a", lambda _number: True) == 102
    assert await people.account_of("b", lambda _number: True) is None
