"""Both engines bound suspensions and lists alike, at their real bounds."""

from messages.trading import commands as c
from messages.trading.terms import MassActionType, Scope
from tests.crash.killed_core import records as cut_records
from tests.native.comparison import Pair
from tests.unit.engine.scenario import ALICE, Market
from venue.reference import bounds


def test_the_bound_on_suspensions_is_met_alike() -> None:
    market = Market()
    market.configure(instruments_max=30)
    for instrument in range(2, 24):
        market.create_instrument(instrument)
    said = [
        market.mass_action(MassActionType.SUSPEND, Scope.ACCOUNT, instrument=instrument, side=side)
        for instrument in range(23)
        for side in range(3)
    ]
    limit = bounds.SUSPENSIONS_OF_TARGET_MAX
    assert said[limit - 1][-1] == "action SUSPEND completed 1"
    assert said[limit] == [f"action rejected SUSPENSIONS_EXCEEDED {limit} {limit + 1}"]
    market.mass_action(MassActionType.RELEASE, Scope.ACCOUNT, side=2)
    pair = Pair()
    pair.give_all(cut_records(bytes(market.journal)))
    pair.exchange_states()
    pair.check()


def test_long_lists_are_cut_alike() -> None:
    market = Market()
    market.limit(orders_max=2000)
    market.configure(open_orders_max=3000, client_ids_max=9000)
    market.send(c.SetAccountLimits, account=ALICE, open_orders_max=2000)
    limit = bounds.ORDERS_PER_QUERY_MAX
    for _ in range(limit + 2):
        market.buy(1, at=90)
    assert market.query_orders(Scope.ACCOUNT)[-1].startswith(f"listed {limit}/{limit}+2 ")
    assert market.query_orders(Scope.ACCOUNT, after_order_id=limit)[0].startswith("listed 1/2+0 ")
    pair = Pair()
    pair.give_all(cut_records(bytes(market.journal)))
    pair.check()
