"""The engine against an independent book: any run of orders makes the same trades and levels."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from messages.trading import events as e
from messages.trading.terms import TimeInForce
from tests.property.naive_book import NaiveBook, Trade
from tests.unit.engine.scenario import ALICE, BASE, BOB, CAROL, QUOTE, RICH, Market

PRICES = st.integers(95, 105)
LOTS = st.integers(1, 20)
SELLERS, BUYERS = (ALICE,), (BOB, CAROL)


class Matching(RuleBasedStateMachine):
    """Alice sells, Bob and Carol buy, so nobody meets an order of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.market = Market(maker_ppm=-100, taker_ppm=777)
        self.book = NaiveBook()
        self.owners: dict[int, int] = {}
        self.levels: dict[tuple[int, int], tuple[int, int]] = {}

    @rule(
        side=st.sampled_from([1, 2]),
        price=PRICES,
        lots=LOTS,
        display=st.integers(0, 6),
        rests=st.booleans(),
        account=st.sampled_from(BUYERS),
    )
    def place(
        self, *, side: int, price: int, lots: int, display: int, rests: bool, account: int
    ) -> None:
        account = account if side == 1 else ALICE
        shown = display if rests and display < lots else 0
        kind = TimeInForce.GOOD_TILL_CANCEL if rests else TimeInForce.IMMEDIATE_OR_CANCEL
        self.market.place(
            account=account,
            side=side,
            price_ticks=price,
            quantity_lots=lots,
            display_lots=shown,
            time_in_force=kind,
        )
        order_id = self.market.event(e.OrderAccepted).order_id
        self.owners[order_id] = account
        expected = self.book.place(order_id, side, price, lots, display=shown, rests=rests)
        assert expected == [
            Trade(each.maker_order_id, each.taker_order_id, each.price_ticks, each.quantity_lots)
            for each in self.market.records
            if isinstance(each, e.TradeExecuted)
        ]
        self._see_levels()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.book.orders:
            order = data.draw(st.sampled_from(self.book.orders))
            lines = self.market.cancel(order.order_id, account=self.owners[order.order_id])
            assert lines[0].startswith("cancelled")
            self.book.cancel(order.order_id)
            self._see_levels()

    @rule(data=st.data())
    def shrink(self, data: st.DataObject) -> None:
        orders = [each for each in self.book.orders if each.leaves > 1]
        if orders:
            order = data.draw(st.sampled_from(orders))
            account = self.owners[order.order_id]
            self.market.query(order.order_id, account=account)
            reported = self.market.event(e.OrderReported)
            lots = data.draw(st.integers(reported.filled_lots + 1, reported.quantity_lots - 1))
            lines = self.market.amend(order.order_id, account=account, quantity_lots=lots)
            assert lines[0].endswith("kept")
            self.book.reduce(order.order_id, lots - reported.filled_lots)
            self._see_levels()

    def _see_levels(self) -> None:
        for event in self.market.records:
            if isinstance(event, e.BookLevelChanged):
                key = (event.side, event.price_ticks)
                self.levels[key] = (event.quantity_lots, event.orders)
                if event.orders == 0:
                    del self.levels[key]

    @invariant()
    def levels_are_the_books(self) -> None:
        assert self.levels == self.book.levels()

    @invariant()
    def money_is_conserved(self) -> None:
        sums = {BASE: 0, QUOTE: 0}
        for _, asset, balance, held in self.market.engine.balances():
            sums[asset] += balance
            assert 0 <= held <= balance
        for asset, supply, fees in self.market.engine.assets():
            assert sums[asset] + fees == supply == 4 * RICH


TestMatching = Matching.TestCase
TestMatching.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
