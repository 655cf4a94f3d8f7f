"""Who may trade, when, and at which price: phases, kill switches, collars, owner groups."""

from typing import Final

from auditor.checks.arithmetic import is_within_collar
from auditor.checks.handlers import Handlers
from auditor.findings import Check, Findings
from auditor.picture import Instrument, Order, Picture
from messages.trading import events as e
from messages.trading.terms import OrderType, Phase, Scope, Side

_TAKES_NO_ORDERS: Final = frozenset({Phase.HALTED, Phase.CLOSED})

# As plain integers: an enumeration's member costs each use a call, and this is each order's.
_BUY: Final = int(Side.BUY)
_CONTINUOUS: Final = int(Phase.CONTINUOUS)
_LIMIT: Final = int(OrderType.LIMIT)


class Rules:
    """Looks at each order as it comes, and at each trade; before the others take them over."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings
        self._under_a_switch: dict[int, tuple[Scope, int]] = {}
        """Orders accepted under a kill switch; a quote's side of a negotiated trade may be."""

    def handlers(self) -> Handlers:
        """Say which events are looked at."""
        return {e.OrderAccepted: self._accepted, e.TradeExecuted: self._traded}

    def end_command(self) -> None:
        """Say which orders of the command came in under a kill switch."""
        if not self._under_a_switch:
            return
        for order_id, (scope, target) in self._under_a_switch.items():
            order = self._picture.orders.get(order_id)
            self._findings.add(
                Check.KILL_SWITCHES,
                f"order {order_id} was accepted, and {scope.name} {target} is killed",
                instrument=0 if order is None else order.instrument,
            )
        self._under_a_switch.clear()

    def _accepted(self, event: e.OrderAccepted) -> None:
        market = self._picture.instruments.get(event.instrument)
        account = self._picture.accounts.get(event.account)
        if market is None or account is None:
            self._say(Check.PHASES, event, "no such instrument or account")
            return
        if market.phase in _TAKES_NO_ORDERS:
            self._say(Check.PHASES, event, f"accepted in phase {market.phase}")
        if self._picture.killed:
            self._require_no_switch(event, account.firm)
        if event.order_type == _LIMIT and market.collar_ppm:
            self._require_collar(event, market)

    def _require_no_switch(self, event: e.OrderAccepted, firm: int) -> None:
        targets = (
            (Scope.VENUE, 0),
            (Scope.FIRM, firm),
            (Scope.ACCOUNT, event.account),
            (Scope.SESSION, event.session),
            (Scope.INSTRUMENT, event.instrument),
        )
        for target in targets:
            if target in self._picture.killed:
                self._under_a_switch[event.order_id] = target

    def _require_collar(self, event: e.OrderAccepted, market: Instrument) -> None:
        side, price, collar_ppm = event.side, event.price_ticks, market.collar_ppm
        reference, other = market.reference, market.other_reference
        is_within = is_within_collar(
            side=side, price=price, reference=reference, collar_ppm=collar_ppm
        )
        if not is_within and other:
            is_within = is_within_collar(
                side=side, price=price, reference=other, collar_ppm=collar_ppm
            )
        if not is_within:
            self._say(
                Check.PRICES,
                event,
                f"{event.price_ticks} is further than {market.collar_ppm} ppm through"
                f" {market.reference}",
            )

    def _traded(self, event: e.TradeExecuted) -> None:
        picture = self._picture
        market = picture.instruments.get(event.instrument)
        if market is None:
            return
        if event.is_negotiated:
            for order_id in (event.maker_order_id, event.taker_order_id):
                self._under_a_switch.pop(order_id, None)
        else:
            market.reference, market.other_reference = event.price_ticks, 0
        if (market.phase == _CONTINUOUS) == bool(event.is_auction):
            self._trade_say(Check.PHASES, event, f"in phase {market.phase}")
        maker = picture.accounts.get(event.maker_account)
        taker = picture.accounts.get(event.taker_account)
        if maker is not None and taker is not None and maker.group == taker.group:
            self._trade_say(
                Check.SELF_TRADES,
                event,
                f"accounts {event.maker_account} and {event.taker_account} are of one owner group",
            )
        self._require_price(event)

    def _require_price(self, event: e.TradeExecuted) -> None:
        """Require that a trade's price is the resting order's, and within both limits."""
        orders, price = self._picture.orders, event.price_ticks
        is_taker_buy = event.taker_side == _BUY
        maker = orders.get(event.maker_order_id)
        if maker is not None:
            self._require_limit(event, event.maker_order_id, maker, is_buy=not is_taker_buy)
            if price != maker.price and not event.is_auction:
                self._trade_say(
                    Check.PRICES, event, f"at {price}, and the resting order is at {maker.price}"
                )
        taker = orders.get(event.taker_order_id)
        if taker is not None:
            self._require_limit(event, event.taker_order_id, taker, is_buy=is_taker_buy)

    def _require_limit(
        self, event: e.TradeExecuted, order_id: int, order: Order, *, is_buy: bool
    ) -> None:
        price, limit = event.price_ticks, order.price
        if price > limit if is_buy else price < limit:
            self._trade_say(Check.PRICES, event, f"at {price}, and order {order_id} said {limit}")

    def _say(self, check: Check, event: e.OrderAccepted, text: str) -> None:
        self._findings.add(
            check,
            f"order {event.order_id}: {text}",
            instrument=event.instrument,
            account=event.account,
        )

    def _trade_say(self, check: Check, event: e.TradeExecuted, text: str) -> None:
        self._findings.add(check, f"trade {event.trade_id}: {text}", instrument=event.instrument)
