"""Requests that the venue must refuse, each with the code that it must give."""

import random
from collections.abc import Mapping
from dataclasses import replace

from exchange.demo.market import Market, decimal_text
from exchange.demo.orders import OwnOrder, OwnOrders, Request
from exchange.demo.requests import BUY, SELL, Terms, cancel, new_order, with_field
from messages.trading.codes import RejectCode

_TOO_EXPENSIVE = 40_000_000
"""Quote asset: within an instrument's bounds, and more than an institution is given."""


class Mistakes:
    """Makes every kind of mistake equally often, in the first of the markets."""

    def __init__(self, account: str, markets: Mapping[str, Market], chance: random.Random) -> None:
        self._account = account
        self._market = next(iter(markets.values()))
        self._chance = chance
        self._used_id = ""
        self.may_cross = False
        """Whether others surely offer, so that a post-only buy through them must be refused."""
        self._kinds = (
            self._unknown_symbol,
            self._off_tick,
            self._too_expensive,
            self._used_before,
            self._unknown_order,
            self._crossing_post_only,
        )

    def next_request(self, client_order_id: str, orders: OwnOrders) -> Request:
        """Return a mistake, with a client order id that may be used for it."""
        resting = orders.touchable()
        if resting:
            self._used_id = resting[0].client_order_id
        return self._chance.choice(self._kinds)(client_order_id)

    @property
    def symbol(self) -> str:
        """Where mistakes are made."""
        return self._market.symbol

    def _order(
        self,
        client_order_id: str,
        code: RejectCode,
        *,
        lots: int = 0,
        percent: int = 97,
        is_post_only: bool = False,
    ) -> Request:
        terms = Terms(
            side=BUY,
            lots=lots or self._market.lots_worth(1000),
            ticks=self._market.reference_ticks * percent // 100,
            is_post_only=is_post_only,
        )
        request = new_order(
            self._account, client_order_id, self._market, terms, purpose=_purpose(code)
        )
        return replace(request, refusal=int(code))

    def _unknown_symbol(self, client_order_id: str) -> Request:
        request = self._order(client_order_id, RejectCode.GATEWAY_SYMBOL_UNKNOWN)
        return with_field(request, 55, "DOGE-USD")

    def _off_tick(self, client_order_id: str) -> Request:
        request = self._order(client_order_id, RejectCode.GATEWAY_PRICE_OFF_TICK)
        market = self._market
        units = market.reference_ticks * market.tick_units * 10 + 1
        return with_field(request, 44, decimal_text(units, market.price_decimals + 1))

    def _too_expensive(self, client_order_id: str) -> Request:
        lots = self._market.lots_worth(_TOO_EXPENSIVE)
        return self._order(client_order_id, RejectCode.INSUFFICIENT_FUNDS, lots=lots)

    def _used_before(self, client_order_id: str) -> Request:
        if not self._used_id:
            return self._off_tick(client_order_id)
        return self._order(self._used_id, RejectCode.DUPLICATE_CLIENT_ORDER_ID)

    def _unknown_order(self, client_order_id: str) -> Request:
        ghost = OwnOrder(
            client_order_id=f"{client_order_id}-ghost",
            symbol=self._market.symbol,
            side=SELL,
            price_ticks=0,
            quantity_lots=0,
        )
        code = RejectCode.ORDER_UNKNOWN
        request = cancel(self._account, client_order_id, ghost)
        return replace(request, purpose=_purpose(code), refusal=int(code))

    def _crossing_post_only(self, client_order_id: str) -> Request:
        if not self.may_cross:
            return self._off_tick(client_order_id)
        return self._order(
            client_order_id, RejectCode.POST_ONLY_WOULD_TAKE, percent=103, is_post_only=True
        )


def _purpose(code: RejectCode) -> str:
    return f"mistake: {code.name.lower()}"
