"""Busts and corrections: what a trade's money was goes back exactly, and other terms may follow.

A trade is found among the kept ones, and both its orders among the remembered ones: that is the
window. Source: docs/matching.md, "Busts and corrections".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from messages.trading.codes import RejectCode
from messages.trading.commands import BustTrade, CorrectTrade, KeepTrades
from messages.trading.events import Killed, TradeBusted, TradeCorrected, TradesKept
from messages.trading.terms import AMOUNT_LIMIT
from risk.decisions import Refused, decide_approval, decide_price_range, fee_of_fill
from venue.reference import bounds
from venue.reference.accounts import Account, Balance
from venue.reference.cancels import cancel_all
from venue.reference.event_writer import Shape, shape
from venue.reference.kept_trades import KeptTrade
from venue.reference.money import decide_reference
from venue.reference.orders import Order
from venue.reference.quote_requests import QuoteRequest, RfqQuote, end_all
from venue.reference.receivables import decide_receivables, raise_receivable, shortfall_of
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState
from venue.reference.values import (
    ACCOUNT,
    BUST,
    BUY,
    CANCELLED,
    FILLED,
    NEW,
    PARTIALLY_FILLED,
    RFQ_KILL_SWITCH,
)

_TRADE_BUSTED: Final = shape(TradeBusted)
_TRADE_CORRECTED: Final = shape(TradeCorrected)
_TRADES_KEPT: Final = shape(TradesKept)
_KILLED: Final = shape(Killed)


class Terms(NamedTuple):
    """A trade's terms, and the money that they mean."""

    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    base_atoms: int
    maker_fee: int
    taker_fee: int


NO_TERMS: Final = Terms(0, 0, 0, 0, 0, 0)


class Found(NamedTuple):
    """A trade that can be busted or corrected."""

    trade: KeptTrade
    maker: Order
    taker: Order
    terms: Terms


class Change(NamedTuple):
    """What one party's balances gain by other terms, and the shortfalls that this would leave."""

    order: Order
    base_atoms: int
    quote_atoms: int
    base_shortfall: int
    quote_shortfall: int
    must_cancel: bool

    @property
    def is_short(self) -> bool:
        """Whether the venue must lend the party something."""
        return self.base_shortfall > 0 or self.quote_shortfall > 0


def bust_trade(venue: VenueState, command: BustTrade) -> None:
    """Undo a trade, or refuse to."""
    found = _find(venue, command)
    if isinstance(found, Refused):
        _reject(venue, command, found)
        return
    _apply(venue, command, found, NO_TERMS, _TRADE_BUSTED)


def correct_trade(venue: VenueState, command: CorrectTrade) -> None:
    """Give a trade other terms, or refuse to."""
    found = _find(venue, command)
    refused = found if isinstance(found, Refused) else _decide_terms(found, command)
    if refused is not None:
        _reject(venue, command, refused)
        return
    assert isinstance(found, Found)
    _apply(venue, command, found, _corrected_terms(found, command), _TRADE_CORRECTED)


def keep_trades(venue: VenueState, command: KeepTrades) -> None:
    """Keep as many trades from here on; the newest of those kept so far stay."""
    limit = bounds.TRADES_KEPT_MAX
    if command.trades_max > limit:
        refused = Refused(RejectCode.LIMITS_INVALID, limit, command.trades_max)
        reject_command(venue, command, refused, subject=0)
        return
    venue.kept_trades.resize(command.trades_max, last_trade_id=venue.last_trade_id)
    venue.events.emit(_TRADES_KEPT, command.trades_max, 0, command.operator, command.approver)


def _reject(venue: VenueState, command: BustTrade | CorrectTrade, refused: Refused) -> None:
    reject_command(venue, command, refused, subject=command.instrument, reference=command.reference)


def _find(venue: VenueState, command: BustTrade | CorrectTrade) -> Found | Refused:
    """Return the trade that a command names, if it still is what the command says."""
    refused = decide_reference(venue, command.reference) or decide_approval(
        operator=command.operator, approver=command.approver
    )
    if refused is not None:
        return refused
    trade_id, last_id = command.trade_id, venue.last_trade_id
    if not 1 <= trade_id <= last_id:
        return Refused(RejectCode.TRADE_UNKNOWN, last_id, trade_id)
    trades = venue.kept_trades.trades
    trade = trades.get(trade_id)
    if trade is None:
        return Refused(RejectCode.TRADE_OUTSIDE_WINDOW, last_id - len(trades) + 1, trade_id)
    orders = venue.client_ids.orders
    maker, taker = orders.get(trade.maker_order_id), orders.get(trade.taker_order_id)
    if maker is None or taker is None:
        forgotten = trade.maker_order_id if maker is None else trade.taker_order_id
        return Refused(RejectCode.TRADE_OUTSIDE_WINDOW, 0, forgotten)
    if trade.quantity_lots == 0:
        return Refused(RejectCode.TRADE_ALREADY_BUSTED, 0, trade_id)
    said = (
        (maker.instrument_number, command.instrument),
        (maker.account_number, command.maker_account),
        (taker.account_number, command.taker_account),
        (trade.price_ticks, command.price_ticks),
        (trade.quantity_lots, command.quantity_lots),
    )
    for kept, given in said:
        if kept != given:
            return Refused(RejectCode.TRADE_TERMS_DIFFER, kept, given)
    return Found(trade, maker, taker, _terms_of(trade, maker))


def _terms_of(trade: KeptTrade, maker: Order) -> Terms:
    instrument = maker.instrument
    return Terms(
        trade.price_ticks,
        trade.quantity_lots,
        trade.price_ticks * trade.quantity_lots * instrument.tick_lot_atoms,
        trade.quantity_lots * instrument.lot_atoms,
        trade.maker_fee,
        trade.taker_fee,
    )


def _corrected_terms(found: Found, command: CorrectTrade) -> Terms:
    """Return the new terms; fees are at the trade's own rates, and round up by themselves."""
    instrument, trade = found.maker.instrument, found.trade
    lots = command.new_quantity_lots
    notional_atoms = command.new_price_ticks * lots * instrument.tick_lot_atoms
    fees = [
        fee_of_fill(notional_atoms=notional_atoms, rate_ppm=rate_ppm, credit=0)[0]
        for rate_ppm in (trade.maker_ppm, trade.taker_ppm)
    ]
    base_atoms = lots * instrument.lot_atoms
    return Terms(command.new_price_ticks, lots, notional_atoms, base_atoms, fees[0], fees[1])


def _decide_terms(found: Found, command: CorrectTrade) -> Refused | None:
    """Say whether a trade may have other terms: never more lots than its orders traded."""
    price_ticks, lots = command.new_price_ticks, command.new_quantity_lots
    instrument, trade = found.maker.instrument, found.trade
    refused = decide_price_range(price_ticks=price_ticks, limits=instrument.limits)
    if refused is not None:
        return refused
    if lots < 1:
        return Refused(RejectCode.QUANTITY_BELOW_MINIMUM, 1, lots)
    if lots > trade.quantity_lots:
        return Refused(RejectCode.QUANTITY_ABOVE_MAXIMUM, trade.quantity_lots, lots)
    if (price_ticks, lots) == (trade.price_ticks, trade.quantity_lots):
        return Refused(RejectCode.CORRECTION_CHANGES_NOTHING)
    more_value = price_ticks * lots - trade.price_ticks * trade.quantity_lots
    value = max(found.maker.filled_value, found.taker.filled_value) + more_value
    notional_atoms = value * instrument.tick_lot_atoms
    if notional_atoms >= AMOUNT_LIMIT:
        return Refused(RejectCode.NOTIONAL_ABOVE_MAXIMUM, AMOUNT_LIMIT - 1, notional_atoms)
    return None


def _apply(
    venue: VenueState,
    command: BustTrade | CorrectTrade,
    found: Found,
    terms: Terms,
    event: Shape,
) -> None:
    """Put other terms in a trade's place, unless the venue would have to lend too much."""
    trade, previous = found.trade, found.terms
    definition = found.maker.instrument.definition
    base, quote = definition.base_asset, definition.quote_asset
    changes = (
        _change_of(venue, found.maker, found, terms, is_taker=False),
        _change_of(venue, found.taker, found, terms, is_taker=True),
    )
    raised = {
        base: sum(each.base_shortfall for each in changes),
        quote: sum(each.quote_shortfall for each in changes),
    }
    refused = decide_receivables(venue, raised)
    if refused is not None:
        _reject(venue, command, refused)
        return
    venue.references[command.reference] = False
    cancelled = [_cancel_orders(venue, each) for each in changes]
    for change in changes:
        account = change.order.account
        if change.base_shortfall:
            raise_receivable(
                venue, command, account, asset=base, amount_atoms=change.base_shortfall
            )
        if change.quote_shortfall:
            raise_receivable(
                venue, command, account, asset=quote, amount_atoms=change.quote_shortfall
            )
    venue.assets[quote].fees_atoms += (
        terms.maker_fee + terms.taker_fee - previous.maker_fee - previous.taker_fee
    )
    for change in changes:
        change.order.base.balance_atoms += change.base_atoms
        change.order.quote.balance_atoms += change.quote_atoms
        _refill(change.order, previous, terms)
    _say(venue, command, found, terms, event)
    trade.event_number = venue.events.number
    trade.price_ticks, trade.quantity_lots = terms.price_ticks, terms.quantity_lots
    trade.maker_fee, trade.taker_fee = terms.maker_fee, terms.taker_fee
    for change, count in zip(changes, cancelled, strict=True):
        if change.is_short:
            _suspend(venue, command, change.order.account, count)


def _change_of(
    venue: VenueState, order: Order, found: Found, terms: Terms, *, is_taker: bool
) -> Change:
    """Return what other terms mean for one party: where it is short, its open orders go first."""
    previous = found.terms
    previous_fee, fee = (
        (previous.taker_fee, terms.taker_fee) if is_taker else (previous.maker_fee, terms.maker_fee)
    )
    sign = 1 if order.side == BUY else -1
    base_atoms = sign * (terms.base_atoms - previous.base_atoms)
    quote_atoms = previous_fee - fee - sign * (terms.notional_atoms - previous.notional_atoms)
    must_cancel = bool(
        shortfall_of(order.base, change_atoms=base_atoms)
        or shortfall_of(order.quote, change_atoms=quote_atoms)
    )
    return Change(
        order,
        base_atoms,
        quote_atoms,
        shortfall_of(
            order.base,
            change_atoms=base_atoms,
            released_atoms=_held_for_trading(venue, order.account, order.base),
        ),
        shortfall_of(
            order.quote,
            change_atoms=quote_atoms,
            released_atoms=_held_for_trading(venue, order.account, order.quote),
        ),
        must_cancel,
    )


def _held_for_trading(venue: VenueState, account: Account, balance: Balance) -> int:
    """Return what an account's open orders and quotes hold of a balance."""
    return _held_by_orders(account, balance) + sum(
        (quote.bid_held_atoms if account.balance(definition.quote_asset) is balance else 0)
        + (quote.ask_held_atoms if account.balance(definition.base_asset) is balance else 0)
        for quote in _quotes_of(venue, account)
        for definition in (quote.request.instrument.definition,)
    )


def _quotes_of(venue: VenueState, account: Account) -> list[RfqQuote]:
    return [each for each in venue.rfq_quotes.values() if each.account is account]


def _requests_of(venue: VenueState, account: Account) -> list[QuoteRequest]:
    return [each for each in venue.quote_requests.values() if each.account is account]


def _held_by_orders(account: Account, balance: Balance) -> int:
    return sum(each.held_atoms for each in account.open_orders.values() if each.holding is balance)


def _cancel_orders(venue: VenueState, change: Change) -> int:
    """Let a party's open orders and quotes go, where the change leaves it short beside them.

    If it still is short it will be killed, so nobody may answer its requests for quote either.
    """
    if not change.must_cancel:
        return 0
    account = change.order.account
    cancelled = cancel_all(venue, list(account.open_orders.values()), reason=BUST)
    requests = _requests_of(venue, account) if change.is_short else []
    end_all(venue, requests=requests, quotes=_quotes_of(venue, account), reason=RFQ_KILL_SWITCH)
    return cancelled


def _refill(order: Order, previous: Terms, terms: Terms) -> None:
    """Let an order have filled other terms.

    An open one does not get back what was busted: its quantity falls by it, its leaves stay. A
    filled one that no longer is counts as cancelled.
    """
    more_lots = terms.quantity_lots - previous.quantity_lots
    order.filled_lots += more_lots
    order.filled_value += (
        terms.price_ticks * terms.quantity_lots - previous.price_ticks * previous.quantity_lots
    )
    if order.is_open:
        order.quantity_lots += more_lots
        order.status = PARTIALLY_FILLED if order.filled_lots else NEW
    elif order.status == FILLED and more_lots:
        order.status = CANCELLED
        order.reason = BUST


def _say(
    venue: VenueState,
    command: BustTrade | CorrectTrade,
    found: Found,
    terms: Terms,
    event: Shape,
) -> None:
    previous = found.terms
    venue.events.emit(
        event,
        found.maker.instrument_number,
        found.taker.side,
        0,
        0,
        command.trade_id,
        found.trade.event_number,
        *previous[:4],
        *terms[:4],
        *_side(found.maker, previous.maker_fee, terms.maker_fee),
        *_side(found.taker, previous.taker_fee, terms.taker_fee),
        command.operator,
        command.approver,
        command.reference,
        command.text,
    )


def _side(order: Order, previous_fee: int, fee: int) -> tuple[int | bytes, ...]:
    return (
        order.order_id,
        order.account_number,
        order.session,
        order.connection,
        order.trader,
        order.order_type,
        order.time_in_force,
        order.status,
        order.order_flags,
        0,
        order.price_ticks,
        order.stop_price_ticks,
        order.quantity_lots,
        order.leaves_lots,
        order.filled_lots,
        order.filled_value,
        previous_fee,
        fee,
        order.held_atoms,
        order.base.balance_atoms,
        order.quote.balance_atoms,
        order.client_order_id,
    )


def _suspend(
    venue: VenueState, command: BustTrade | CorrectTrade, account: Account, cancelled: int
) -> None:
    """Stop new orders of an account that owes the venue; its open ones went before."""
    account.is_killed = True
    venue.events.emit(
        _KILLED,
        ACCOUNT,
        0,
        0,
        account.number,
        cancelled,
        command.operator,
        command.approver,
        0,
        command.text,
    )
