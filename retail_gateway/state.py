"""What this process knows of people's orders, trades and money: a function of the events.

It begins with what the database said at an event and goes on with the feed. Done orders and
trades are kept until the projectors have written them, so that an answer made of both says
nothing old; beyond ``kept_max`` the oldest go, and ``missing_through`` says up to which event
answers may lack something until the projectors have come there.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from messages.layout import RECORD_PREFIX, Record
from messages.trading import events
from messages.trading.terms import Side
from retail_gateway.market import DEFINITIONS, Market
from retail_gateway.orders import Fill, Order, Trade, fill_order, fills_of, order_of, trade_of

Key = TypeVar("Key", int, tuple[int, bool])
Kept = TypeVar("Kept", Order, Trade)

_ORDER_EVENTS = (
    events.OrderAccepted,
    events.OrderAmended,
    events.OrderCancelled,
    events.OrderExpired,
    events.OrderTriggered,
    events.OrderRestated,
)
_MONEY_EVENTS = (events.BalanceChanged, events.FundsTransferred, events.ReceivableChanged)
_ANSWER_EVENTS = (
    events.OrderRejected,
    events.AmendRejected,
    events.CancelRejected,
    events.MassCancelled,
    events.MassCancelRejected,
    events.OrderChecked,
    events.CommandRejected,
)
_SESSION_EVENTS = (events.SessionOpened, events.SessionClosed, events.SessionFenced)
_TRADE_EVENTS = (events.TradeExecuted, events.TradeBusted, events.TradeCorrected)


class RetailState:
    """The accounts from ``first`` to ``last``, and the market that they trade in."""

    def __init__(self, market: Market, *, first: int, last: int, kept_max: int) -> None:
        self.market = market
        self.position = 0
        """The last event taken in."""
        self.missing_through = 0
        self._first, self._last = first, last
        self._kept_max = kept_max
        self._definitions_through = 0
        self._money_through = 0
        self._orders: dict[int, Order] = {}
        self._orders_of: dict[int, dict[int, Order]] = {}
        self._open: dict[int, dict[int, Order]] = {}
        self._by_client_id: dict[tuple[int, str], int] = {}
        self._done: OrderedDict[int, None] = OrderedDict()
        self._trades: OrderedDict[tuple[int, bool], Trade] = OrderedDict()
        self._trades_of: dict[int, dict[tuple[int, bool], Trade]] = {}
        self._busted: OrderedDict[int, int] = OrderedDict()
        self._money: dict[tuple[int, int], tuple[int, int]] = {}
        self._handlers: dict[int, Callable[[bytes, int], Record | None]] = {
            **{kind.KIND: self._on_order(kind) for kind in _ORDER_EVENTS},
            **{kind.KIND: self._on_money(kind) for kind in _MONEY_EVENTS},
            **{kind.KIND: self._on_answer(kind) for kind in _ANSWER_EVENTS},
            **{kind.KIND: self._on_trade(kind) for kind in _TRADE_EVENTS},
            **{kind.KIND: self._on_definition(kind) for kind in DEFINITIONS},
            **{kind.KIND: kind.unpack for kind in _SESSION_EVENTS},
        }

    # --- beginning ---

    def begin(self, orders: Iterable[Order], *, after: int) -> None:
        """Take over the open orders as the database had them after an event."""
        self.position = after
        for order in orders:
            self._keep(order)

    def define(self, definitions: Iterable[Record], *, through: int) -> None:
        """Take over the venue's definitions as of an event."""
        for event in definitions:
            self.market.learn(event)
        self._definitions_through = through

    def fund(self, balances: Iterable[tuple[int, int, int, int]], *, through: int) -> None:
        """Take over all balances as of an event: account, asset, balance, held."""
        for account, asset, balance, held in balances:
            if self.is_ours(account):
                self._money[account, asset] = balance, held
        self._money_through = through

    # --- asking ---

    def is_ours(self, account: int) -> bool:
        """Say whether an account is a person's."""
        return self._first <= account <= self._last

    def order(self, account: int, order_id: int) -> Order | None:
        """Return an order of an account; another's is as if it were not there."""
        order = self._orders.get(order_id)
        return order if order is not None and order.account == account else None

    def order_of_client_id(self, account: int, client_order_id: str) -> Order | None:
        """Return the latest order that an account gave a client id."""
        order_id = self._by_client_id.get((account, client_order_id))
        return None if order_id is None else self._orders.get(order_id)

    def open_orders(self, account: int, instrument: int | None = None) -> list[Order]:
        """Return what is open, oldest first."""
        orders = self._open.get(account, {}).values()
        return [each for each in orders if instrument in (None, each.instrument)]

    def kept_orders(self, account: int, instrument: int) -> list[Order]:
        """Return the orders that are known here, open and lately done."""
        orders = self._orders_of.get(account, {}).values()
        return [each for each in orders if each.instrument == instrument]

    def kept_trades(self, account: int, instrument: int) -> list[Trade]:
        """Return the trades that are known here."""
        trades = self._trades_of.get(account, {}).values()
        return [each for each in trades if each.instrument == instrument]

    def is_busted(self, trade_id: int) -> bool:
        """Say whether a trade was undone lately."""
        return trade_id in self._busted

    def balance(self, account: int, asset: int) -> tuple[int, int]:
        """Return an account's balance of an asset, and what of it is held."""
        return self._money.get((account, asset), (0, 0))

    # --- following ---

    def follow(self, data: bytes) -> Iterator[tuple[int, Record | None]]:
        """Take events in; yield for each record where it stands, and the record if it is ours."""
        offset, end, handlers = 0, len(data), self._handlers
        unpack = RECORD_PREFIX.unpack_from
        while offset < end:
            length, kind = unpack(data, offset)
            handler = handlers.get(kind)
            yield offset, None if handler is None else handler(data, offset)
            offset += length

    def forget(self, *, orders_through: int, trades_through: int) -> None:
        """Forget what the projectors have written: done orders and trades up to these events."""
        while self._done:
            order_id = next(iter(self._done))
            if self._orders[order_id].updated_event > orders_through:
                break
            self._drop_oldest_done()
        through = min(orders_through, trades_through)
        while self._trades and next(iter(self._trades.values())).event_number <= through:
            self._drop_trade(next(iter(self._trades)))
        while self._busted and next(iter(self._busted.values())) <= through:
            self._busted.popitem(last=False)
        if through >= self.missing_through:
            self.missing_through = 0

    def _on_order(self, kind: type[events.OrderEvent]) -> Callable[[bytes, int], Record | None]:
        def handle(data: bytes, offset: int) -> Record | None:
            if not self._first <= _ACCOUNT.unpack_from(data, offset + _ACCOUNT_AT)[0] <= self._last:
                return None
            event = kind.unpack(data, offset)
            known = self._orders.get(event.order_id)
            order = order_of(event, known)
            self._hold(order, event.held_atoms - (known.held_atoms if known else 0), event.number)
            if known is not None and known.client_order_id != order.client_order_id:
                self._by_client_id.pop((known.account, known.client_order_id), None)
            self._keep(order)
            return event

        return handle

    def _on_trade(
        self, kind: type[events.TradeExecuted] | type[events.TradeChanged]
    ) -> Callable[[bytes, int], Record | None]:
        maker_at, taker_at = _offset(kind, "maker_account"), _offset(kind, "taker_account")

        def handle(data: bytes, offset: int) -> Record | None:
            (maker,) = _ACCOUNT.unpack_from(data, offset + maker_at)
            (taker,) = _ACCOUNT.unpack_from(data, offset + taker_at)
            if not (self._first <= maker <= self._last or self._first <= taker <= self._last):
                return None
            event = kind.unpack(data, offset)
            for fill in fills_of(event):
                if self.is_ours(fill.account):
                    self._fill(event, fill)
            return event

        return handle

    def _on_money(
        self,
        kind: type[events.BalanceChanged | events.FundsTransferred | events.ReceivableChanged],
    ) -> Callable[[bytes, int], Record | None]:
        def handle(data: bytes, offset: int) -> Record | None:
            event = kind.unpack(data, offset)
            is_ours = self.is_ours(event.account)
            if event.number > self._money_through and is_ours:
                self._money[event.account, event.asset] = event.balance_atoms, event.held_atoms
            if isinstance(event, events.FundsTransferred) and self.is_ours(event.to_account):
                is_ours = True
                if event.number > self._money_through:
                    after = event.to_balance_atoms, event.to_held_atoms
                    self._money[event.to_account, event.asset] = after
            return event if is_ours else None

        return handle

    def _on_answer(self, kind: type[Record]) -> Callable[[bytes, int], Record | None]:
        def handle(data: bytes, offset: int) -> Record | None:
            (account,) = _ACCOUNT.unpack_from(data, offset + _ACCOUNT_AT)
            # Account zero: a refusal of what is about none, such as opening a session.
            if account and not self._first <= account <= self._last:
                return None
            return kind.unpack(data, offset)

        return handle

    def _on_definition(self, kind: type[Record]) -> Callable[[bytes, int], Record | None]:
        number_at = _offset(kind, "number")

        def handle(data: bytes, offset: int) -> Record | None:
            event = kind.unpack(data, offset)
            if _NUMBER.unpack_from(data, offset + number_at)[0] > self._definitions_through:
                self.market.learn(event)
            return event

        return handle

    # --- keeping ---

    def _keep(self, order: Order) -> None:
        self._orders[order.order_id] = order
        self._orders_of.setdefault(order.account, {})[order.order_id] = order
        self._by_client_id[order.account, order.client_order_id] = order.order_id
        if order.is_open:
            self._open.setdefault(order.account, {})[order.order_id] = order
            self._done.pop(order.order_id, None)
            return
        _drop(self._open, order.account, order.order_id)
        self._done[order.order_id] = None
        self._done.move_to_end(order.order_id)
        if len(self._done) > self._kept_max:
            self._misses(self._drop_oldest_done().updated_event)

    def _drop_oldest_done(self) -> Order:
        order_id, _ = self._done.popitem(last=False)
        order = self._orders.pop(order_id)
        _drop(self._orders_of, order.account, order_id)
        key = order.account, order.client_order_id
        if self._by_client_id.get(key) == order_id:
            del self._by_client_id[key]
        return order

    def _misses(self, event_number: int) -> None:
        self.missing_through = max(self.missing_through, event_number)

    def _fill(self, event: events.TradeExecuted | events.TradeChanged, fill: Fill) -> None:
        key = event.trade_id, fill.is_maker
        if key in self._trades:
            self._drop_trade(key)
        if isinstance(event, events.TradeBusted):
            self._busted[event.trade_id] = event.number
        else:
            trade = self._trades[key] = trade_of(event, fill)
            self._trades_of.setdefault(fill.account, {})[key] = trade
        if len(self._trades) > self._kept_max:
            self._misses(self._drop_trade(next(iter(self._trades))).event_number)
        if len(self._busted) > self._kept_max:
            self._misses(self._busted.popitem(last=False)[1])
        instrument = self.market.instruments[event.instrument]
        if event.number > self._money_through:
            for asset, balance in (
                (instrument.base.number, fill.base_balance),
                (instrument.quote.number, fill.quote_balance),
            ):
                held = self._money.get((fill.account, asset), (0, 0))[1]
                self._money[fill.account, asset] = balance, held
        order = self._orders.get(fill.order_id)
        if order is None:
            return  # done, written, and forgotten here: a correction of long ago
        self._hold(order, fill.held_atoms - order.held_atoms, event.number)
        fill_order(order, fill, event)
        self._keep(order)

    def _drop_trade(self, key: tuple[int, bool]) -> Trade:
        trade = self._trades.pop(key)
        _drop(self._trades_of, trade.account, key)
        return trade

    def _hold(self, order: Order, more: int, number: int) -> None:
        """Count what an order holds more, or less, than before."""
        if number <= self._money_through or not more:
            return
        instrument = self.market.instruments[order.instrument]
        asset = instrument.quote if order.side == Side.BUY else instrument.base
        balance, held = self._money.get((order.account, asset.number), (0, 0))
        self._money[order.account, asset.number] = balance, held + more


def _drop(kept: dict[int, dict[Key, Kept]], account: int, key: Key) -> None:
    """Take something of an account away, and the account with its last one."""
    found = kept.get(account, {})
    found.pop(key, None)
    if not found:
        kept.pop(account, None)


def _offset(kind: type[Record], name: str) -> int:
    return next(field.offset for field in kind.FIELDS if field.name == name)


_ACCOUNT = struct.Struct("<I")
_NUMBER = struct.Struct("<Q")
_ACCOUNT_AT = _offset(events.OrderAccepted, "account")
assert all(_offset(kind, "account") == _ACCOUNT_AT for kind in (*_ORDER_EVENTS, *_ANSWER_EVENTS)), (
    "one place for the account in all of these"
)
