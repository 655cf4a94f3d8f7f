"""Who may trade, when, and at which price: phases, kill switches, collars, owner groups."""

from auditor.checks.arithmetic import is_within_collar
from auditor.checks.handlers import Handlers
from auditor.findings import Check, Findings
from auditor.picture import Instrument, Picture
from messages.trading import events as e
from messages.trading.terms import OrderType, Phase, Scope, Side

_TAKES_NO_ORDERS = frozenset({Phase.HALTED, Phase.CLOSED})


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
        if event.order_type == OrderType.LIMIT:
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
        references = (market.reference, market.other_reference or market.reference)
        if not any(
            is_within_collar(
                side=event.side,
                price=event.price_ticks,
                reference=reference,
                collar_ppm=market.collar_ppm,
            )
            for reference in references
        ):
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
        elif not event.is_auction:
            market.reference = event.price_ticks
            market.other_reference = 0
        else:
            market.reference, market.other_reference = event.price_ticks, 0
        if (market.phase == Phase.CONTINUOUS) == bool(event.is_auction):
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
        sides = (
            (event.maker_order_id, event.taker_side == Side.SELL),
            (event.taker_order_id, event.taker_side == Side.BUY),
        )
        for order_id, is_buy in sides:
            order = orders.get(order_id)
            if order is not None and (price > order.price if is_buy else price < order.price):
                self._trade_say(
                    Check.PRICES, event, f"at {price}, and order {order_id} said {order.price}"
                )
        maker = orders.get(event.maker_order_id)
        if maker is not None and not event.is_auction and price != maker.price:
            self._trade_say(
                Check.PRICES, event, f"at {price}, and the resting order is at {maker.price}"
            )

    def _say(self, check: Check, event: e.OrderAccepted, text: str) -> None:
        self._findings.add(
            check,
            f"order {event.order_id}: {text}",
            instrument=event.instrument,
            account=event.account,
        )

    def _trade_say(self, check: Check, event: e.TradeExecuted, text: str) -> None:
        self._findings.add(check, f"trade {event.trade_id}: {text}", instrument=event.instrument)
