"""Order flow of two market makers and an institution, decided from a seed.

A trader is asked for its next request again and again; what it asks depends on its seed, its own
orders and the fair prices alone, so the same answers bring about the same flow.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from exchange.demo import requests
from exchange.demo.market import Market
from exchange.demo.mistakes import Mistakes
from exchange.demo.orders import OwnOrder, OwnOrders, Request
from exchange.demo.requests import BUY, SELL, Numbering, Terms
from messages.trading.terms import PPM

SYMBOLS: Final = ("BTC-USD", "ETH-USD")

_LEVELS: Final = 6
_ORDERS_PER_SIDE_MAX: Final = 12
_LEVEL_PPM: Final = 100
_STEP_PPM_MAX: Final = 20
_DRIFT_PPM_MAX: Final = 15_000
_INSTITUTION_ORDERS_MAX: Final = 40


class FairPrices:
    """A random walk around each market's reference price.

    It stays within 1.5 percent, so that the flow meets neither collar nor band by itself.
    """

    def __init__(self, markets: Mapping[str, Market], chance: random.Random) -> None:
        self._chance = chance
        self._markets = markets
        self._drift_ppm = dict.fromkeys(markets, 0)

    def step(self) -> None:
        """Let each price move a little."""
        for symbol, drift in self._drift_ppm.items():
            moved = drift + self._chance.randint(-_STEP_PPM_MAX, _STEP_PPM_MAX)
            self._drift_ppm[symbol] = max(-_DRIFT_PPM_MAX, min(_DRIFT_PPM_MAX, moved))

    def ticks(self, symbol: str, *, away_ppm: int = 0) -> int:
        """Return the fair price in ticks, moved up by ``away_ppm``."""
        reference = self._markets[symbol].reference_ticks
        return reference * (PPM + self._drift_ppm[symbol] + away_ppm) // PPM


class Trader(Protocol):
    """Decides what one session asks next."""

    def next_request(self, orders: OwnOrders) -> Request | None:
        """Return the next request, or None when there is nothing to do now."""
        ...


class MarketMaker:
    """Quotes both sides of each market over several levels, and keeps them near the fair price."""

    def __init__(
        self,
        account: str,
        markets: Mapping[str, Market],
        fair: FairPrices,
        chance: random.Random,
        *,
        prefix: str,
        half_spread_ppm: int,
    ) -> None:
        self._account = account
        self._markets = markets
        self._fair = fair
        self._chance = chance
        self._ids = Numbering(prefix)
        self._half_spread_ppm = half_spread_ppm

    def next_request(self, orders: OwnOrders) -> Request | None:
        """See ``Trader``."""
        market = self._markets[self._chance.choice(list(self._markets))]
        side = self._chance.choice((BUY, SELL))
        level = self._chance.randrange(_LEVELS)
        mine = [each for each in orders if each.symbol == market.symbol and each.side == side]
        movable = [order for order in mine if order.is_open and not order.is_pending]
        if len(mine) < _LEVELS or (not movable and len(mine) < _ORDERS_PER_SIDE_MAX):
            return self._quote(market, side, level)
        if not movable:
            return None
        order = self._chance.choice(movable)
        if self._chance.random() < 0.3:
            return requests.cancel(self._account, self._ids.next_id(), order)
        return self._move(market, order, level)

    def _quote(self, market: Market, side: str, level: int) -> Request:
        terms = Terms(
            side=side,
            time_in_force=self._chance.choice((requests.DAY, requests.GOOD_TILL_CANCEL)),
            lots=self._lots(market),
            ticks=self._price(market, side, level),
        )
        return requests.new_order(
            self._account, self._ids.next_id(), market, terms, purpose="quote"
        )

    def _move(self, market: Market, order: OwnOrder, level: int) -> Request:
        """Amend to a fresh price, or keep the price and give up some of the quantity."""
        ticks, lots = self._price(market, order.side, level), order.filled_lots + self._lots(market)
        left = order.quantity_lots - order.filled_lots
        if self._chance.random() < 0.3 and left > 1:
            ticks, lots = order.price_ticks, order.quantity_lots - left // 2
        elif ticks == order.price_ticks and lots == order.quantity_lots:
            lots += 1
        return requests.amend(
            self._account, self._ids.next_id(), order, market, ticks=ticks, lots=lots
        )

    def _price(self, market: Market, side: str, level: int) -> int:
        away = self._half_spread_ppm + level * _LEVEL_PPM
        return self._fair.ticks(market.symbol, away_ppm=-away if side == BUY else away)

    def _lots(self, market: Market) -> int:
        return market.lots_worth(self._chance.randint(1_000, 10_000))


class Institution:
    """Takes liquidity, leaves icebergs and stops, changes its mind, and makes mistakes."""

    def __init__(
        self,
        account: str,
        markets: Mapping[str, Market],
        fair: FairPrices,
        chance: random.Random,
        *,
        prefix: str,
    ) -> None:
        self._account = account
        self._markets = markets
        self._fair = fair
        self._chance = chance
        self._ids = Numbering(prefix)
        self.mistakes = Mistakes(account, markets, chance)
        self._actions: dict[Callable[[OwnOrders], Request | None], int] = {
            self._take: 30,
            self._take_at_market: 14,
            self._take_all_or_nothing: 4,
            self._rest: 12,
            self._iceberg: 8,
            self._stop: 6,
            self._amend: 8,
            self._cancel: 8,
            self._ask: 3,
            self._err: 7,
        }

    def next_request(self, orders: OwnOrders) -> Request | None:
        """See ``Trader``."""
        actions, weights = list(self._actions), list(self._actions.values())
        action = self._chance.choices(actions, weights)[0]
        return (self._cancel if len(orders) > _INSTITUTION_ORDERS_MAX else action)(orders)

    def _take(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        ticks = self._price(market, side, self._chance.randint(200, 1500))
        terms = Terms(side=side, time_in_force=requests.IMMEDIATE_OR_CANCEL, ticks=ticks)
        return self._order(market, terms, "take: immediate")

    def _take_at_market(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        terms = Terms(
            side=side,
            order_type=requests.MARKET,
            time_in_force=requests.IMMEDIATE_OR_CANCEL,
        )
        return self._order(market, terms, "take: market")

    def _take_all_or_nothing(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        ticks = self._price(market, side, 800)
        terms = Terms(side=side, time_in_force=requests.FILL_OR_KILL, ticks=ticks)
        return self._order(market, terms, "take: all or nothing")

    def _rest(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        terms = Terms(
            side=side,
            time_in_force=self._chance.choice((requests.DAY, requests.GOOD_TILL_CANCEL)),
            ticks=self._price(market, side, self._chance.randint(-600, 300)),
        )
        return self._order(market, terms, "rest: limit")

    def _iceberg(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        display = market.lots_worth(self._chance.randint(1_000, 5_000))
        terms = Terms(
            side=side,
            time_in_force=requests.GOOD_TILL_CANCEL,
            ticks=self._price(market, side, self._chance.randint(-200, 100)),
            lots=display * self._chance.randint(3, 6),
            display_lots=display,
        )
        return self._order(market, terms, "rest: iceberg")

    def _stop(self, _: OwnOrders) -> Request:
        market, side = self._somewhere()
        stop = self._price(market, side, self._chance.randint(300, 1500))
        if self._chance.random() < 0.5:
            terms = Terms(side=side, order_type=requests.STOP, stop_ticks=stop)
            return self._order(market, terms, "stop: market")
        terms = Terms(
            side=side,
            order_type=requests.STOP_LIMIT,
            stop_ticks=stop,
            ticks=self._price(market, side, 4000),
        )
        return self._order(market, terms, "stop: limit")

    def _amend(self, orders: OwnOrders) -> Request | None:
        movable = [order for order in orders.touchable() if order.order_type == requests.LIMIT]
        if not movable:
            return self._rest(orders)
        order = self._chance.choice(movable)
        market = self._markets[order.symbol]
        ticks = self._price(market, order.side, self._chance.randint(-500, 100))
        lots = order.quantity_lots + (ticks == order.price_ticks)
        return requests.amend(
            self._account, self._ids.next_id(), order, market, ticks=ticks, lots=lots
        )

    def _cancel(self, orders: OwnOrders) -> Request | None:
        movable = orders.touchable()
        if not movable:
            return None
        order = self._chance.choice(movable)
        return requests.cancel(self._account, self._ids.next_id(), order)

    def _ask(self, orders: OwnOrders) -> Request | None:
        known = orders.touchable()
        if not known:
            return None
        order = self._chance.choice(known)
        return requests.order_status(self._account, self._ids.next_id(), order)

    def _err(self, orders: OwnOrders) -> Request | None:
        return self.mistakes.next_request(self._ids.next_id(), orders)

    def _order(self, market: Market, terms: Terms, purpose: str) -> Request:
        if not terms.lots:
            terms = replace(terms, lots=market.lots_worth(self._chance.randint(500, 20_000)))
        return requests.new_order(
            self._account, self._ids.next_id(), market, terms, purpose=purpose
        )

    def _somewhere(self) -> tuple[Market, str]:
        symbol = self._chance.choice(list(self._markets))
        return self._markets[symbol], self._chance.choice((BUY, SELL))

    def _price(self, market: Market, side: str, through_ppm: int) -> int:
        """Return a price on the far side of fair: above it for a buy, below it for a sell."""
        away = through_ppm if side == BUY else -through_ppm
        return self._fair.ticks(market.symbol, away_ppm=away)


class SeededFlow:
    """All traders of a run, and whose turn it is."""

    _SHARES: Final = {"MM1": 35, "MM2": 35, "INST1": 30}

    def __init__(self, markets: Mapping[str, Market], *, seed: int, run: str) -> None:
        """Make the traders.

        Args:
            markets: by symbol; the flow trades those of ``SYMBOLS`` that are there.
            seed: decides everything.
            run: makes client order ids unlike those of other runs on the same venue.
        """
        traded = {symbol: markets[symbol] for symbol in SYMBOLS if symbol in markets}
        self._chance = _chance(seed, "turns")
        self._fair = FairPrices(traded, _chance(seed, "fair"))
        self._traders: dict[str, Trader] = {
            name: MarketMaker(
                name,
                traded,
                self._fair,
                _chance(seed, name),
                prefix=f"{name}-{run}",
                half_spread_ppm=half_spread_ppm,
            )
            for name, half_spread_ppm in (("MM1", 50), ("MM2", 90))
        }
        self._institution = Institution(
            "INST1", traded, self._fair, _chance(seed, "INST1"), prefix=f"INST1-{run}"
        )

        self._traders["INST1"] = self._institution

    def next_request(self, orders: Mapping[str, OwnOrders]) -> tuple[str, Request] | None:
        """Return a session's name and its next request; None when it has nothing to do now."""
        mistakes = self._institution.mistakes
        offers = sum(
            len(orders[name].touchable(symbol=mistakes.symbol, side=SELL))
            for name in ("MM1", "MM2")
        )
        # So many cannot all go before a request of now arrives.
        mistakes.may_cross = offers >= _LEVELS
        name = self._chance.choices(list(self._SHARES), list(self._SHARES.values()))[0]
        self._fair.step()
        request = self._traders[name].next_request(orders[name])
        return None if request is None else (name, request)


def _chance(seed: int, purpose: str) -> random.Random:
    """Make a generator whose numbers depend on the seed and the purpose alone."""
    return random.Random(f"{seed} {purpose}")  # noqa: S311  # repeatable is the point, not secret
