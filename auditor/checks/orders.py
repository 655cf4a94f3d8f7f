"""Every order's life: what it filled, what it still may, what it ties up, and what it pays."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from auditor.checks.arithmetic import fee_of, hold_of_buy
from auditor.checks.handlers import Handlers
from auditor.findings import Check, Findings
from auditor.picture import Instrument, Order, Picture, RfqQuote
from messages.trading import events as e
from messages.trading.terms import OrderFlag, OrderStatus, Side, TimeInForce

# As plain integers: an enumeration's member costs each use a call, and this is each order's.
_BUY: Final = int(Side.BUY)
_SELL: Final = int(Side.SELL)
_CASH_QUANTITY: Final = int(OrderFlag.CASH_QUANTITY)
_QUOTE: Final = int(OrderFlag.QUOTE)
_PENDING_TRIGGER: Final = int(OrderStatus.PENDING_TRIGGER)
_PARTIALLY_FILLED: Final = int(OrderStatus.PARTIALLY_FILLED)
_FILL_OR_KILL: Final = int(TimeInForce.FILL_OR_KILL)

_Terms = tuple[int, int, int, int, int, int, int, int, int, int, int, int]

_TERMS: Final[Callable[[e.OrderAccepted], _Terms]] = attrgetter(
    "account",
    "session",
    "instrument",
    "side",
    "order_flags",
    "price_ticks",
    "quantity_lots",
    "leaves_lots",
    "filled_lots",
    "filled_value",
    "display_lots",
    "cash_atoms",
)
"""What a new order is, in the order of ``Order``: one look for all of it."""

_Party = tuple[int, int, int, int, int, int, int, int, int]
"""One side of a trade, as its event states it."""

_STATED: Final = (
    "order_id",
    "account",
    "fee_atoms",
    "fee_ppm",
    "held_atoms",
    "quantity_lots",
    "leaves_lots",
    "filled_lots",
    "filled_value",
)
_OF_MAKER: Final = attrgetter(*(f"maker_{name}" for name in _STATED))
_OF_TAKER: Final = attrgetter(*(f"taker_{name}" for name in _STATED))

_DONE: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})


class Orders:
    """Follows open orders and standing answers to requests for quote."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings

    def handlers(self) -> Handlers:
        """Say which events are looked at."""
        return {
            e.OrderAccepted: self._accepted,
            e.OrderAmended: self._amended,
            e.OrderTriggered: self._triggered,
            e.OrderRestated: self._restated,
            e.OrderCancelled: self._gone,
            e.OrderExpired: self._gone,
            e.OrderReported: self._reported,
            e.OrderListed: self._reported,
            e.TradeExecuted: self._traded,
            e.TradeBusted: self._changed,
            e.TradeCorrected: self._changed,
            e.RfqQuoteGiven: self._quote_given,
            e.RfqQuoteEnded: self._quote_ended,
        }

    def _say(self, check: Check, event: e.OrderEvent, text: str) -> None:
        self._findings.add(
            check,
            f"order {event.order_id}: {text}",
            instrument=event.instrument,
            account=event.account,
        )

    # What becomes of an order outside a trade.

    def _accepted(self, event: e.OrderAccepted) -> None:
        picture, order_id = self._picture, event.order_id
        if order_id != picture.last_order_id + 1:
            self._say(Check.QUANTITIES, event, f"accepted after order {picture.last_order_id}")
        picture.last_order_id = order_id
        arrival = picture.last_arrival = picture.last_arrival + 1
        rates = self._rates_of_new(event)
        if rates is None:
            self._say(Check.FEES, event, "no fee schedule for it")
            rates = (0, 0)
        if event.filled_lots or event.filled_value or event.leaves_lots != event.quantity_lots:
            self._say(
                Check.QUANTITIES,
                event,
                f"new with {event.filled_lots} filled and {event.leaves_lots} left of"
                f" {event.quantity_lots}",
            )
        order = picture.orders[order_id] = Order(
            *_TERMS(event),
            held=0,
            maker_ppm=rates[0],
            taker_ppm=rates[1],
            arrival=arrival,
            is_waiting=event.status == _PENDING_TRIGGER,
        )
        market = picture.instruments.get(order.instrument)
        is_cash_buy = order.flags & _CASH_QUANTITY and order.side == _BUY
        expected = order.cash if is_cash_buy else _hold(order, market)
        self._compare_hold(event, expected)
        self._hold_now(order, event.held_atoms, market)

    def _rates_of_new(self, event: e.OrderAccepted) -> tuple[int, int] | None:
        """Return the rates of now, or those that a quote was given at, if it is one."""
        if event.time_in_force == _FILL_OR_KILL:
            for quote in self._picture.rfq_quotes.values():
                if (quote.account, quote.client_id) == (event.account, event.client_order_id):
                    return quote.maker_ppm, quote.taker_ppm
        return self._picture.rates(event.account, event.instrument)

    def _amended(self, event: e.OrderAmended) -> None:
        order = self._known(event)
        if order is None:
            return
        self._compare_fills(event, order)
        # A quote that stays in its place keeps its rates; every other amend takes those of now.
        rates = self._picture.rates(order.account, order.instrument)
        if rates is not None and not event.order_flags & _QUOTE:
            order.maker_ppm, order.taker_ppm = rates
        if not event.kept_priority:
            self._picture.last_arrival += 1
            order.arrival = self._picture.last_arrival
        elif event.quantity_lots > order.quantity or event.price_ticks != order.price:
            self._say(Check.PRIORITY, event, "kept its place with more lots or another price")
        order.session, order.flags = event.session, event.order_flags
        order.price, order.display = event.price_ticks, event.display_lots
        order.quantity, order.leaves = event.quantity_lots, event.leaves_lots
        self._compare_left(event, order)
        market = self._picture.instruments.get(order.instrument)
        self._compare_hold(event, _hold(order, market))
        self._hold_now(order, event.held_atoms, market)

    def _triggered(self, event: e.OrderTriggered) -> None:
        order = self._known(event)
        if order is None:
            return
        if not order.is_waiting:
            self._say(Check.QUANTITIES, event, "triggered, and it did not wait")
        order.is_waiting = False
        self._picture.last_arrival += 1
        order.arrival = self._picture.last_arrival
        self._compare_state(event, order)

    def _restated(self, event: e.OrderRestated) -> None:
        order = self._known(event)
        if order is None:
            return
        less = event.prevented_lots
        if (event.quantity_lots, event.leaves_lots) != (order.quantity - less, order.leaves - less):
            self._say(
                Check.QUANTITIES,
                event,
                f"{less} lots prevented of {order.leaves} left: {event.leaves_lots} left",
            )
        order.quantity, order.leaves = event.quantity_lots, event.leaves_lots
        self._compare_fills(event, order)
        self._compare_left(event, order)
        market = self._picture.instruments.get(order.instrument)
        if market is not None and order.flags & _CASH_QUANTITY and order.side == _BUY:
            expected = order.held - less * event.prevented_price_ticks * market.tick_lot_atoms
        else:
            expected = _hold(order, market)
        self._compare_hold(event, expected)
        self._hold_now(order, event.held_atoms, market)

    def _gone(self, event: e.OrderCancelled | e.OrderExpired) -> None:
        order = self._known(event)
        if order is None:
            return
        self._compare_fills(event, order)
        if event.status not in _DONE or event.leaves_lots or event.held_atoms:
            self._say(
                Check.QUANTITIES,
                event,
                f"gone with status {event.status}, {event.leaves_lots} left and"
                f" {event.held_atoms} held",
            )
        if event.quantity_lots != order.quantity:
            self._say(Check.QUANTITIES, event, f"{event.quantity_lots} lots, not {order.quantity}")
        self._hold_now(order, 0, self._picture.instruments.get(order.instrument))
        del self._picture.orders[event.order_id]

    def _reported(self, event: e.OrderReported | e.OrderListed) -> None:
        order = self._picture.orders.get(event.order_id)
        if order is not None:
            self._compare_state(event, order)
        elif event.status <= _PARTIALLY_FILLED:
            self._say(Check.QUANTITIES, event, "reported as open, and it is done or unknown")

    # Trades.

    def _traded(self, event: e.TradeExecuted) -> None:
        self._fill(event, _OF_MAKER(event), 3 - event.taker_side, is_maker=True)
        self._fill(event, _OF_TAKER(event), event.taker_side, is_maker=False)

    def _fill(self, event: e.TradeExecuted, party: _Party, side: int, *, is_maker: bool) -> None:
        picture, lots, instrument = self._picture, event.quantity_lots, event.instrument
        order_id, account, fee, fee_ppm, held, quantity, left, filled, value = party
        order = picture.orders.get(order_id)
        if order is None:
            self._say_of(event, party, Check.QUANTITIES, "traded, and it is not open")
            return
        if order.account != account or order.side != side or order.instrument != instrument:
            self._say_of(event, party, Check.QUANTITIES, "not its account, side or instrument")
        leaves = order.leaves - lots
        known = (
            order.quantity,
            leaves,
            order.filled + lots,
            order.value + event.price_ticks * lots,
        )
        stated = (quantity, left, filled, value)
        if stated != known or leaves < 0:
            text = f"quantity, left, filled, value {list(stated)}, not {list(known)}"
            self._say_of(event, party, Check.QUANTITIES, text)
        order.quantity, order.leaves, order.filled, order.value = stated
        rate = order.maker_ppm if is_maker or event.is_auction else order.taker_ppm
        if rate < 0 and event.is_auction:
            rate = 0
        due, order.fee_credit = fee_of(
            notional=event.notional_atoms, rate_ppm=rate, credit=order.fee_credit
        )
        if fee != due or fee_ppm != rate:
            text = f"fee {fee} at {fee_ppm} ppm, its schedule comes to {due} at {rate} ppm"
            self._say_of(event, party, Check.FEES, text)
        market = picture.instruments.get(order.instrument)
        # What a filled cash order did not spend is told here, and free right after.
        is_cash_buy = order.flags & _CASH_QUANTITY and order.side == _BUY
        spent = event.notional_atoms + max(fee, 0)
        expected = order.held - spent if is_cash_buy else _hold(order, market)
        if held != expected:
            self._say_of(event, party, Check.HOLDS, f"holds {held}, needs {expected}")
        is_done = order.leaves <= 0
        self._hold_now(order, 0 if is_done else held, market)
        if is_done:
            del picture.orders[order_id]

    def _say_of(self, event: e.TradeExecuted, party: _Party, check: Check, text: str) -> None:
        order_id, account, *_ = party
        self._findings.add(
            check,
            f"trade {event.trade_id}, order {order_id}: {text}",
            instrument=event.instrument,
            account=account,
        )

    def _changed(self, event: e.TradeChanged) -> None:
        for party in ("maker", "taker"):
            order = self._picture.orders.get(getattr(event, f"{party}_order_id"))
            if order is None:
                continue
            more = event.quantity_lots - event.previous_quantity_lots
            order.quantity += more
            order.filled += more
            order.value += (
                event.price_ticks * event.quantity_lots
                - event.previous_price_ticks * event.previous_quantity_lots
            )
            names = ("quantity_lots", "leaves_lots", "filled_lots", "filled_value", "held_atoms")
            stated = tuple(getattr(event, f"{party}_{field}") for field in names)
            known = (order.quantity, order.leaves, order.filled, order.value, order.held)
            if stated != known:
                self._findings.add(
                    Check.QUANTITIES,
                    f"trade {event.trade_id} changed, {party}: {names} {stated}, not {known}",
                    instrument=event.instrument,
                    account=order.account,
                )
                order.quantity, order.leaves, order.filled, order.value, _ = stated

    # Answers to requests for quote.

    def _quote_given(self, event: e.RfqQuoteGiven) -> None:
        picture = self._picture
        market = picture.instruments.get(event.instrument)
        rates = picture.rates(event.account, event.instrument)
        if market is None or rates is None:
            return
        expected = (
            hold_of_buy(
                leaves=event.quantity_lots,
                price=event.bid_price_ticks,
                factor=market.tick_lot_atoms,
                rate_ppm=max(rates),
                credit=0,
            ),
            event.quantity_lots * market.lot_atoms if event.ask_price_ticks else 0,
        )
        stated = (event.bid_held_atoms, event.ask_held_atoms)
        if stated != expected:
            self._findings.add(
                Check.HOLDS,
                f"quote {event.quote_id} holds {stated}, needs {expected}",
                instrument=event.instrument,
                account=event.account,
            )
        picture.rfq_quotes[event.quote_id] = RfqQuote(
            account=event.account,
            instrument=event.instrument,
            bid_held=event.bid_held_atoms,
            ask_held=event.ask_held_atoms,
            maker_ppm=rates[0],
            taker_ppm=rates[1],
            client_id=event.client_quote_id,
        )
        picture.holding(event.account, market.quote).held += event.bid_held_atoms
        picture.holding(event.account, market.base).held += event.ask_held_atoms

    def _quote_ended(self, event: e.RfqQuoteEnded) -> None:
        quote = self._picture.rfq_quotes.pop(event.quote_id, None)
        if quote is None:
            return
        market = self._picture.instruments[quote.instrument]
        self._picture.holding(quote.account, market.quote).held -= quote.bid_held
        self._picture.holding(quote.account, market.base).held -= quote.ask_held

    # What all of them share.

    def _known(self, event: e.OrderEvent) -> Order | None:
        order = self._picture.orders.get(event.order_id)
        if order is None:
            self._say(Check.QUANTITIES, event, f"{type(event).__name__}, and it is not open")
        return order

    def _compare_state(self, event: e.OrderEvent, order: Order) -> None:
        self._compare_fills(event, order)
        stated = (event.quantity_lots, event.leaves_lots, event.price_ticks, event.side)
        known = (order.quantity, order.leaves, order.price, order.side)
        if stated != known:
            self._say(Check.QUANTITIES, event, f"quantity, left, price, side {stated}, not {known}")
        self._compare_hold(event, order.held)

    def _compare_fills(self, event: e.OrderEvent, order: Order) -> None:
        stated, known = (event.filled_lots, event.filled_value), (order.filled, order.value)
        if stated != known:
            self._say(Check.QUANTITIES, event, f"filled lots and value {stated}, not {known}")
            order.filled, order.value = stated

    def _compare_left(self, event: e.OrderEvent, order: Order) -> None:
        if not 0 < order.leaves == order.quantity - order.filled:
            self._say(
                Check.QUANTITIES,
                event,
                f"{order.leaves} left of {order.quantity} with {order.filled} filled",
            )

    def _compare_hold(self, event: e.OrderEvent, expected: int) -> None:
        if event.held_atoms != expected:
            self._say(Check.HOLDS, event, f"holds {event.held_atoms}, needs {expected}")

    def _hold_now(self, order: Order, held: int, market: Instrument | None) -> None:
        if held == order.held:
            return
        if market is not None:
            key = (order.account, market.quote if order.side == _BUY else market.base)
            holding = self._picture.holdings.get(key) or self._picture.holding(*key)
            holding.held += held - order.held
        order.held = held


def _hold(order: Order, market: Instrument | None) -> int:
    """Return what an open order ties up; of an instrument that never was, what it says."""
    if market is None:
        return order.held
    if order.side == _SELL:
        return order.leaves * market.lot_atoms
    return hold_of_buy(
        leaves=order.leaves,
        price=order.price,
        factor=market.tick_lot_atoms,
        rate_ppm=max(order.maker_ppm, order.taker_ppm),
        credit=order.fee_credit,
    )
