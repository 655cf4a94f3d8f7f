"""How every account stands, kept from events one by one: what ``core._native.Standing`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fix_gateway.statements.standing import (
    Fence,
    Gone,
    Money,
    OpenOrder,
    Traded,
    execution_hash,
)
from messages.trading import events
from messages.trading.terms import CancelReason, Side

_WRAP = (1 << 64) - 1


class Quote(msgspec.Struct):
    """A firm quote on request, and what it holds of quote and base."""

    instrument: int
    bid_held_atoms: int
    ask_held_atoms: int


class AccountStanding(msgspec.Struct):
    """One account."""

    orders: dict[int, OpenOrder] = {}
    traded: dict[int, Traded] = {}
    money: dict[int, Money] = {}
    executions: int = 0
    executions_sum: int = 0
    """The sum of all executions' hashes, modulo 2**64."""
    quotes: dict[int, Quote] = {}
    """Firm quotes that stand, by the request that they answer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The assets of an instrument."""

    base: int
    quote: int


@dataclass(slots=True)
class Standing:
    """Every account."""

    accounts: dict[int, AccountStanding] = field(default_factory=dict)
    pairs: dict[int, Pair] = field(default_factory=dict)
    firms: dict[int, int] = field(default_factory=dict)
    """By session; and by account, negative."""
    _cancelled: list[Gone] = field(default_factory=list)
    _sequence: int = 0

    def read(self, data: bytes) -> list[Fence]:
        """Take the events of a batch; fences are returned."""
        found = []
        for record in events.EVENTS.unpack(data):
            assert isinstance(record, events.Event)
            taker = _TAKERS.get(type(record))
            fence = taker(self, record) if taker is not None else None
            if fence is not None:
                found.append(fence)
        return found

    def account(self, number: int) -> AccountStanding:
        """Return an account; of one without history, an empty one."""
        found = self.accounts.get(number)
        if found is None:
            found = self.accounts[number] = AccountStanding()
        return found

    def money(self, account: AccountStanding, asset: int) -> Money:
        """Return an account's money in an asset."""
        found = account.money.get(asset)
        if found is None:
            found = account.money[asset] = Money()
        return found

    def hold(self, account: AccountStanding, order: OpenOrder, change_atoms: int) -> None:
        """Take note of what an order ties up more than before."""
        pair = self.pairs.get(order.instrument)
        if change_atoms and pair is not None:
            asset = pair.quote if order.side == Side.BUY else pair.base
            self.money(account, asset).held_atoms += change_atoms

    def keep(self, record: events.OrderEvent) -> None:
        """Take note of an open order's present state."""
        account = self.account(record.account)
        order = account.orders.get(record.order_id)
        if record.leaves_lots == 0:
            self.drop(record)
            return
        if order is None:
            order = _opened(record)
            account.orders[record.order_id] = order
            self.hold(account, order, order.held_atoms)
            return
        self.hold(account, order, record.held_atoms - order.held_atoms)
        order.price_ticks, order.quantity_lots = record.price_ticks, record.quantity_lots
        order.filled_lots, order.filled_value = record.filled_lots, record.filled_value
        order.leaves_lots, order.held_atoms = record.leaves_lots, record.held_atoms
        order.client_order_id = record.client_order_id.rstrip(b"\0")
        order.session = record.session  # a quote renewed from another session is that one's

    def drop(self, record: events.OrderEvent) -> None:
        """Take note that an order is open no more."""
        account = self.account(record.account)
        order = account.orders.pop(record.order_id, None)
        if order is not None:
            self.hold(account, order, -order.held_atoms)

    def cancel(self, record: events.OrderCancelled) -> None:
        """Take note of a cancelled order, and whether a disconnect took it."""
        if record.reason == CancelReason.DISCONNECT:
            self._new_command(record.sequence)
            gone = _opened(record)
            self._cancelled.append(Gone(order=gone, account=record.account, event=record.number))
        self.drop(record)

    def trade(self, record: events.TradeExecuted) -> None:
        """Take note of both sides of a trade."""
        for number, is_taker in ((record.maker_account, False), (record.taker_account, True)):
            bought = (record.taker_side == Side.BUY) == is_taker
            _count(self.account(number), record, Side.BUY if bought else Side.SELL)
        self._settle(record)

    def change(self, record: events.TradeChanged) -> None:
        """Take note of a bust or a correction; what was executed once stays executed."""
        before = record.previous_price_ticks * record.previous_quantity_lots
        lots = record.quantity_lots - record.previous_quantity_lots
        value = record.price_ticks * record.quantity_lots - before
        for number, is_taker in ((record.maker_account, False), (record.taker_account, True)):
            traded = self.account(number).traded.setdefault(record.instrument, Traded())
            if (record.taker_side == Side.BUY) == is_taker:
                traded.bought_lots += lots
                traded.bought_value += value
            else:
                traded.sold_lots += lots
                traded.sold_value += value
        self._settle(record)

    def _settle(self, record: events.TradeExecuted | events.TradeChanged) -> None:
        """Take over what both accounts and both orders have after a trade or its change."""
        maker = self.account(record.maker_account)
        self._pay(record.instrument, maker, record.maker_base_balance, record.maker_quote_balance)
        order = maker.orders.get(record.maker_order_id)
        if order is not None:
            order.quantity_lots = record.maker_quantity_lots
            order.filled_lots = record.maker_filled_lots
            order.filled_value = record.maker_filled_value
            self._leave(maker, order, record.maker_leaves_lots, record.maker_held_atoms)
        taker = self.account(record.taker_account)
        self._pay(record.instrument, taker, record.taker_base_balance, record.taker_quote_balance)
        order = taker.orders.get(record.taker_order_id)
        if order is not None:
            order.quantity_lots = record.taker_quantity_lots
            order.filled_lots = record.taker_filled_lots
            order.filled_value = record.taker_filled_value
            self._leave(taker, order, record.taker_leaves_lots, record.taker_held_atoms)

    def _pay(
        self, instrument: int, account: AccountStanding, base_atoms: int, quote_atoms: int
    ) -> None:
        pair = self.pairs.get(instrument)
        if pair is not None:  # or it was defined before the first event that we have
            self.money(account, pair.base).balance_atoms = base_atoms
            self.money(account, pair.quote).balance_atoms = quote_atoms

    def _leave(
        self, account: AccountStanding, order: OpenOrder, leaves_lots: int, held_atoms: int
    ) -> None:
        if leaves_lots == 0:
            held_atoms = 0  # what a cash quantity did not spend is free again without a word
        self.hold(account, order, held_atoms - order.held_atoms)
        order.held_atoms, order.leaves_lots = held_atoms, leaves_lots
        if leaves_lots == 0:
            del account.orders[order.order_id]

    def move(self, record: events.BalanceChanged) -> None:
        """Take note of money that moved outside a trade."""
        money = self.money(self.account(record.account), record.asset)
        money.balance_atoms, money.held_atoms = record.balance_atoms, record.held_atoms

    def quote(self, record: events.RfqQuoteGiven) -> None:
        """Take note of what a firm quote holds, in the place of the account's earlier one."""
        self.unquote(record)
        account = self.account(record.account)
        made = Quote(
            instrument=record.instrument,
            bid_held_atoms=record.bid_held_atoms,
            ask_held_atoms=record.ask_held_atoms,
        )
        account.quotes[record.request_id] = made
        self._hold_quote(account, made, sign=1)

    def unquote(self, record: events.RfqQuoteGiven | events.RfqQuoteEnded) -> None:
        """Take note that an account's quote for a request holds nothing any more."""
        account = self.account(record.account)
        gone = account.quotes.pop(record.request_id, None)
        if gone is not None:
            self._hold_quote(account, gone, sign=-1)

    def _hold_quote(self, account: AccountStanding, quote: Quote, *, sign: int) -> None:
        pair = self.pairs.get(quote.instrument)
        if pair is not None:
            self.money(account, pair.quote).held_atoms += sign * quote.bid_held_atoms
            self.money(account, pair.base).held_atoms += sign * quote.ask_held_atoms

    def owe(self, record: events.ReceivableChanged) -> None:
        """Take note of what the venue lent an account, or was paid back."""
        money = self.money(self.account(record.account), record.asset)
        money.balance_atoms, money.held_atoms = record.balance_atoms, record.held_atoms

    def transfer(self, record: events.FundsTransferred) -> None:
        """Take note of money that moved between two accounts."""
        money = self.money(self.account(record.account), record.asset)
        money.balance_atoms, money.held_atoms = record.balance_atoms, record.held_atoms
        money = self.money(self.account(record.to_account), record.asset)
        money.balance_atoms, money.held_atoms = record.to_balance_atoms, record.to_held_atoms

    def fence(self, record: events.SessionFenced) -> Fence:
        """Take note of a connection's end, and of what it leaves behind."""
        self._new_command(record.sequence)
        firm = self.firms.get(record.session, 0)
        resting = [
            Gone(order=msgspec.structs.replace(order), account=number, event=0)
            for number, account in self.accounts.items()
            if self.firms.get(-number) == firm
            for order in account.orders.values()
            if order.session == record.session
        ]
        resting.sort(key=lambda gone: gone.order.order_id)
        made = Fence(
            event=record.number,
            time_ns=record.time_ns,
            session=record.session,
            connection=record.connection,
            mode=record.cancel_on_disconnect,
            epoch=record.epoch,
            last_sequence=record.last_source_sequence,
            grace_until_ns=record.grace_until_ns,
            orders=[*self._cancelled, *resting],
        )
        self._cancelled = []
        return made

    def _new_command(self, sequence: int) -> None:
        if sequence != self._sequence:
            self._sequence, self._cancelled = sequence, []


def _opened(record: events.OrderEvent) -> OpenOrder:
    return OpenOrder(
        order_id=record.order_id,
        session=record.session,
        instrument=record.instrument,
        side=record.side,
        time_in_force=record.time_in_force,
        price_ticks=record.price_ticks,
        quantity_lots=record.quantity_lots,
        filled_lots=record.filled_lots,
        filled_value=record.filled_value,
        leaves_lots=record.leaves_lots,
        held_atoms=record.held_atoms,
        client_order_id=record.client_order_id.rstrip(b"\0"),
    )


def _count(account: AccountStanding, record: events.TradeExecuted, side: Side) -> None:
    traded = account.traded.get(record.instrument)
    if traded is None:
        traded = account.traded[record.instrument] = Traded()
    lots, value = record.quantity_lots, record.price_ticks * record.quantity_lots
    traded.executions += 1
    if side == Side.BUY:
        traded.bought_lots += lots
        traded.bought_value += value
    else:
        traded.sold_lots += lots
        traded.sold_value += value
    account.executions += 1
    account.executions_sum = (account.executions_sum + execution_hash(record.number, side)) & _WRAP


def _instrument(standing: Standing, record: events.InstrumentCreated) -> None:
    standing.pairs[record.instrument] = Pair(record.base_asset, record.quote_asset)


def _account(standing: Standing, record: events.AccountCreated) -> None:
    standing.firms[-record.account] = record.firm


def _granted(standing: Standing, record: events.SessionGranted) -> None:
    standing.firms[record.session] = record.firm


_TAKERS: dict[type[Any], Callable[[Standing, Any], Fence | None]] = {
    events.OrderAccepted: Standing.keep,
    events.OrderAmended: Standing.keep,
    events.OrderTriggered: Standing.keep,
    events.OrderRestated: Standing.keep,
    events.OrderCancelled: Standing.cancel,
    events.OrderExpired: Standing.drop,
    events.TradeExecuted: Standing.trade,
    events.TradeBusted: Standing.change,
    events.TradeCorrected: Standing.change,
    events.RfqQuoteGiven: Standing.quote,
    events.RfqQuoteEnded: Standing.unquote,
    events.FundsTransferred: Standing.transfer,
    events.ReceivableChanged: Standing.owe,
    events.BalanceChanged: Standing.move,
    events.InstrumentCreated: _instrument,
    events.AccountCreated: _account,
    events.SessionGranted: _granted,
    events.SessionFenced: Standing.fence,
}
