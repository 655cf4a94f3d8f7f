"""How every account stands, kept from events alone.

Whoever begins with nothing and reads all events knows the same as who was there all the time;
``standing_file`` only saves the reading. Trading never waits for any of this.
"""

import hashlib
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from messages.layout import RECORD_PREFIX
from messages.trading import events
from messages.trading.identity import execution_id
from messages.trading.terms import CancelReason, Side

_WRAP = (1 << 64) - 1
NUMBER = struct.Struct("<Q")
NUMBER_AT = next(at.offset for at in events.SessionFenced.FIELDS if at.name == "number")
RECEIPTS_KEPT = 4
"""Fences of one session that can be told again."""


class OpenOrder(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One open order, and the hash of its public state once somebody asked for it."""

    order_id: int
    session: int
    instrument: int
    side: int
    time_in_force: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    filled_value: int
    leaves_lots: int
    held_atoms: int
    client_order_id: bytes
    hash: int | None = None


class Traded(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """What an account has traded in one instrument, ever. ``value`` is in ticks x lots."""

    executions: int = 0
    bought_lots: int = 0
    bought_value: int = 0
    sold_lots: int = 0
    sold_value: int = 0


class Money(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """An account's money in one asset."""

    balance_atoms: int = 0
    held_atoms: int = 0


class Quote(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A firm quote on request, and what it holds of quote and base."""

    instrument: int
    bid_held_atoms: int
    ask_held_atoms: int


class AccountStanding(msgspec.Struct, array_like=True, kw_only=True):
    """One account."""

    orders: dict[int, OpenOrder] = {}
    traded: dict[int, Traded] = {}
    money: dict[int, Money] = {}
    executions: int = 0
    executions_sum: int = 0
    """The sum of all executions' hashes, modulo 2**64."""
    quotes: dict[int, Quote] = {}
    """Firm quotes that stand, by the request that they answer."""


class Gone(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """What a fence says of one order; ``event`` is that of its cancel, zero when it rests."""

    order: OpenOrder
    account: int
    event: int


class Fence(msgspec.Struct, array_like=True, kw_only=True):
    """A connection's end, with the fate of every order that it concerned."""

    event: int
    time_ns: int
    session: int
    connection: int
    mode: int
    epoch: int
    last_sequence: int
    grace_until_ns: int
    orders: list[Gone]

    @property
    def cancelled(self) -> int:
        """How many orders went."""
        return sum(gone.event != 0 for gone in self.orders)


@dataclass(frozen=True, slots=True)
class Pair:
    """The assets of an instrument."""

    base: int
    quote: int


def execution_hash(event: int, side: int) -> int:
    """Hash one execution: the first eight bytes of SHA-256 of its ExecID (17)."""
    return hash_of(execution_id(event, side))


def hash_of(text: str) -> int:
    """Return the first eight bytes of SHA-256 of a text, as a number."""
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big")


@dataclass(slots=True)
class Standing:
    """Every account, and the latest fences of every session."""

    event: int = 0
    """The last event that was taken."""
    accounts: dict[int, AccountStanding] = field(default_factory=dict)
    pairs: dict[int, Pair] = field(default_factory=dict)
    firms: dict[int, int] = field(default_factory=dict)
    """By session; and by account, negative."""
    fences: dict[int, deque[Fence]] = field(default_factory=dict)
    _cancelled: list[Gone] = field(default_factory=list)
    _sequence: int = 0
    _placing: set[int] = field(default_factory=set, compare=False)
    """Sessions that something may rest of: of others no order is looked for at a fence."""

    def __post_init__(self) -> None:
        """Know the sessions of the orders that we begin with."""
        self._placing |= {
            order.session for each in self.accounts.values() for order in each.orders.values()
        }

    def read(self, data: bytes, *, through: int) -> int:
        """Take the events of a batch up to one; return where in the batch the next begins."""
        offset, end = 0, len(data)
        while offset < end:
            length, kind = RECORD_PREFIX.unpack_from(data, offset)
            if NUMBER.unpack_from(data, offset + NUMBER_AT)[0] > through:
                break
            if kind in KINDS:
                record = events.EVENTS.by_kind[kind].unpack(data, offset)
                assert isinstance(record, events.Event)
                self.take(record)
            offset += length
        return offset

    def take(self, record: events.Event) -> Fence | None:
        """Take one event of ``KINDS``, each once and in order; a fence is returned."""
        return _TAKERS[type(record)](self, record)

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
            self._placing.add(record.session)
            self.hold(account, order, order.held_atoms)
            return
        self.hold(account, order, record.held_atoms - order.held_atoms)
        order.price_ticks, order.quantity_lots = record.price_ticks, record.quantity_lots
        order.filled_lots, order.filled_value = record.filled_lots, record.filled_value
        order.leaves_lots, order.held_atoms = record.leaves_lots, record.held_atoms
        order.client_order_id = record.client_order_id.rstrip(b"\0")
        order.session = record.session  # a quote renewed from another session is that one's
        self._placing.add(record.session)
        order.hash = None

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
        order.held_atoms, order.leaves_lots, order.hash = held_atoms, leaves_lots, None
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
        accounts = self.accounts.items() if record.session in self._placing else ()
        resting = [
            Gone(order=msgspec.structs.replace(order), account=number, event=0)
            for number, account in accounts
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
        if made.orders:
            kept = self.fences.setdefault(record.session, deque(maxlen=RECEIPTS_KEPT))
            kept.append(made)
        return made

    def _new_command(self, sequence: int) -> None:
        if sequence != self._sequence:
            self._sequence, self._cancelled = sequence, []


def orders_digest(account: AccountStanding, text_of: Callable[[OpenOrder], str]) -> int:
    """Sum the hashes of an account's open orders; only those that changed are computed anew."""
    total = 0
    for order in account.orders.values():
        if order.hash is None:
            order.hash = hash_of(text_of(order))
        total += order.hash
    return total & _WRAP


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


_TAKERS: dict[type[events.Event], Callable[[Standing, Any], Fence | None]] = {
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
KINDS = frozenset(record.KIND for record in _TAKERS)
"""The events that change how somebody stands."""
