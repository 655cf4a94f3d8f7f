"""What each event must be in the ledger: the auditor's own reading of docs/ledger.md."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from messages.trading import events as e
from messages.trading.terms import BalanceCause, Side


class Kind(IntEnum):
    """Ledger accounts, by their stored numbers."""

    FUNDS = 1
    WITHDRAWALS = 2
    RECEIVABLES = 3
    CREDIT_LINE = 4
    FEE_INCOME = 10
    REBATES = 11
    REWARDS = 12
    CLEARING = 20
    CREDIT_GRANTED = 21
    SUSPENSE = 50


class Cause(IntEnum):
    """Causes of entries, by their stored numbers."""

    TRADE = 1
    FEE = 2
    TRADE_REVERSED = 3
    FEE_REVERSED = 4
    TRADE_CORRECTED = 5
    FEE_CORRECTED = 6
    REBATE = 7
    REBATE_REVERSED = 8
    REBATE_CORRECTED = 9
    CREDIT = 11
    DEBIT = 12
    WITHDRAWAL_RESERVED = 13
    WITHDRAWAL_COMMITTED = 14
    WITHDRAWAL_RELEASED = 15
    TRANSFER = 16
    RECEIVABLE_RAISED = 17
    RECEIVABLE_SETTLED = 18
    CREDIT_LINE_SET = 19
    REWARD = 20
    ADJUSTMENT = 21


class EntryRow(NamedTuple):
    """A line of the ledger."""

    event_number: int
    leg: int
    kind: int
    cause: int
    account: int
    asset: int
    amount: int


class TradeRow(NamedTuple):
    """A trade as the ledger keeps it."""

    event_number: int
    trade_id: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    base_atoms: int
    taker_side: int
    maker_order_id: int
    maker_account: int
    maker_fee_atoms: int
    taker_order_id: int
    taker_account: int
    taker_fee_atoms: int


class CorrectionRow(NamedTuple):
    """A bust or a correction as the ledger keeps it."""

    event_number: int
    trade_id: int
    is_bust: bool
    corrected_event: int
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    base_atoms: int
    maker_fee_atoms: int
    taker_fee_atoms: int
    operator: int
    approver: int


Market = tuple[int, int]
"""Base and quote asset."""

_VENUE = 0

_MOVES: dict[int, tuple[Cause, Kind, Kind]] = {
    BalanceCause.CREDIT: (Cause.CREDIT, Kind.CLEARING, Kind.FUNDS),
    BalanceCause.DEBIT: (Cause.DEBIT, Kind.FUNDS, Kind.CLEARING),
    BalanceCause.REWARD: (Cause.REWARD, Kind.REWARDS, Kind.FUNDS),
    BalanceCause.ADJUSTMENT_CREDIT: (Cause.ADJUSTMENT, Kind.SUSPENSE, Kind.FUNDS),
    BalanceCause.ADJUSTMENT_DEBIT: (Cause.ADJUSTMENT, Kind.FUNDS, Kind.SUSPENSE),
    BalanceCause.WITHDRAWAL_RESERVED: (
        Cause.WITHDRAWAL_RESERVED,
        Kind.FUNDS,
        Kind.WITHDRAWALS,
    ),
    BalanceCause.WITHDRAWAL_COMMITTED: (
        Cause.WITHDRAWAL_COMMITTED,
        Kind.WITHDRAWALS,
        Kind.CLEARING,
    ),
    BalanceCause.WITHDRAWAL_RELEASED: (
        Cause.WITHDRAWAL_RELEASED,
        Kind.WITHDRAWALS,
        Kind.FUNDS,
    ),
}


class _Causes(NamedTuple):
    trade: Cause
    fee: Cause
    rebate: Cause


_BOOKED = _Causes(Cause.TRADE, Cause.FEE, Cause.REBATE)
_REVERSED = _Causes(Cause.TRADE_REVERSED, Cause.FEE_REVERSED, Cause.REBATE_REVERSED)
_CORRECTED = _Causes(Cause.TRADE_CORRECTED, Cause.FEE_CORRECTED, Cause.REBATE_CORRECTED)


def legs_of(event: Any, market: Market, *, line: int = 0) -> list[EntryRow]:
    """Return the entries that an event must have; none for one that moves no money.

    Args:
        event: any event.
        market: what its instrument trades, where it is about one.
        line: the credit line until now, where it sets one.
    """
    match event:
        case e.TradeExecuted():
            legs = _exchange(event, market, way=1, first=1, causes=_BOOKED)
        case e.TradeChanged():
            undone = _Terms(
                event.previous_base_atoms,
                event.previous_notional_atoms,
                event.maker_previous_fee_atoms,
                event.taker_previous_fee_atoms,
            )
            legs = _exchange(event, market, way=-1, first=1, causes=_REVERSED, terms=undone)
            legs += _exchange(event, market, way=1, first=9, causes=_CORRECTED)
        case e.BalanceChanged():
            cause, giver, taker = _MOVES[event.cause]
            legs = _pair(event, cause, giver, taker, event.amount_atoms)
        case e.FundsTransferred():
            legs = _pair(event, Cause.TRANSFER, Kind.FUNDS, Kind.FUNDS, event.amount_atoms)
            legs[1] = legs[1]._replace(account=event.to_account)
        case e.ReceivableChanged():
            change = event.change_atoms
            cause = Cause.RECEIVABLE_RAISED if change > 0 else Cause.RECEIVABLE_SETTLED
            legs = _pair(event, cause, Kind.RECEIVABLES, Kind.FUNDS, change)
        case e.AssetLimitsSet():
            change = line - event.credit_line_atoms
            cause = Cause.CREDIT_LINE_SET
            legs = _pair(event, cause, Kind.CREDIT_LINE, Kind.CREDIT_GRANTED, change)
        case _:
            return []
    return [leg for leg in legs if leg.amount]


class _Terms(NamedTuple):
    base: int
    notional: int
    maker_fee: int
    taker_fee: int


def _exchange(
    event: e.TradeExecuted | e.TradeChanged,
    market: Market,
    *,
    way: int,
    first: int,
    causes: _Causes,
    terms: _Terms | None = None,
) -> list[EntryRow]:
    """Return the eight legs of a trade, or of undoing one (``way`` -1)."""
    base, notional, maker_fee, taker_fee = terms or _Terms(
        event.base_atoms, event.notional_atoms, event.maker_fee_atoms, event.taker_fee_atoms
    )
    towards_taker = way if event.taker_side == Side.BUY else -way
    maker, taker, (of_base, of_quote) = event.maker_account, event.taker_account, market
    of_maker = causes.fee if maker_fee > 0 else causes.rebate
    of_taker = causes.fee if taker_fee > 0 else causes.rebate
    paid = max(maker_fee, 0) + max(taker_fee, 0)
    rebated = min(maker_fee, 0) + min(taker_fee, 0)
    rows = (
        (Kind.FUNDS, causes.trade, maker, of_base, -towards_taker * base),
        (Kind.FUNDS, causes.trade, taker, of_base, towards_taker * base),
        (Kind.FUNDS, causes.trade, maker, of_quote, towards_taker * notional),
        (Kind.FUNDS, causes.trade, taker, of_quote, -towards_taker * notional),
        (Kind.FUNDS, of_maker, maker, of_quote, -way * maker_fee),
        (Kind.FUNDS, of_taker, taker, of_quote, -way * taker_fee),
        (Kind.FEE_INCOME, causes.fee, _VENUE, of_quote, way * paid),
        (Kind.REBATES, causes.rebate, _VENUE, of_quote, way * rebated),
    )
    return [EntryRow(event.number, leg, *row) for leg, row in enumerate(rows, first)]


def _pair(event: Any, cause: Cause, giver: Kind, taker: Kind, amount: int) -> list[EntryRow]:
    """Return two legs: what one ledger account gives, the other takes."""
    return [_leg(event, 1, giver, cause, -amount), _leg(event, 2, taker, cause, amount)]


def _leg(event: Any, leg: int, kind: Kind, cause: Cause, amount: int) -> EntryRow:
    account = _VENUE if kind >= Kind.FEE_INCOME else event.account
    return EntryRow(event.number, leg, kind, cause, account, event.asset, amount)


def stated_balances(event: Any, market: Market) -> Iterator[tuple[int, int, int]]:
    """Yield (account, asset, balance) for each whole balance that an event states."""
    match event:
        case e.TradeExecuted() | e.TradeChanged():
            base, quote = market
            yield event.maker_account, base, event.maker_base_balance
            yield event.maker_account, quote, event.maker_quote_balance
            yield event.taker_account, base, event.taker_base_balance
            yield event.taker_account, quote, event.taker_quote_balance
        case e.BalanceChanged() | e.ReceivableChanged():
            yield event.account, event.asset, event.balance_atoms
        case e.FundsTransferred():
            yield event.account, event.asset, event.balance_atoms
            yield event.to_account, event.asset, event.to_balance_atoms
        case _:
            return


def trade_row(event: e.TradeExecuted) -> TradeRow:
    """Return a trade as the ledger must keep it."""
    return TradeRow(
        event.number,
        event.trade_id,
        event.instrument,
        event.price_ticks,
        event.quantity_lots,
        event.notional_atoms,
        event.base_atoms,
        event.taker_side,
        event.maker_order_id,
        event.maker_account,
        event.maker_fee_atoms,
        event.taker_order_id,
        event.taker_account,
        event.taker_fee_atoms,
    )


def correction_row(event: e.TradeChanged) -> CorrectionRow:
    """Return a bust or a correction as the ledger must keep it."""
    return CorrectionRow(
        event.number,
        event.trade_id,
        isinstance(event, e.TradeBusted),
        event.corrected_event,
        event.price_ticks,
        event.quantity_lots,
        event.notional_atoms,
        event.base_atoms,
        event.maker_fee_atoms,
        event.taker_fee_atoms,
        event.operator,
        event.approver,
    )
