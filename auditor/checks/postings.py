"""What each event must be in the ledger: the auditor's own reading of docs/ledger.md."""

from collections.abc import Iterable
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final, NamedTuple

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


Row = Any
"""A row, or what it must be: a plain tuple or the driver's record, for there are many of them."""


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

_VENUE: Final = 0

# As plain integers: an enumeration's member costs each use a call, and these are each trade's.
_BUY: Final = int(Side.BUY)
_FUNDS: Final = int(Kind.FUNDS)
_FEE_INCOME: Final = int(Kind.FEE_INCOME)
_REBATES: Final = int(Kind.REBATES)

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
    trade: int
    fee: int
    rebate: int

    @classmethod
    def of(cls, *causes: Cause) -> "_Causes":
        """Keep causes as plain integers."""
        return cls(*map(int, causes))


_BOOKED: Final = _Causes.of(Cause.TRADE, Cause.FEE, Cause.REBATE)
_REVERSED: Final = _Causes.of(Cause.TRADE_REVERSED, Cause.FEE_REVERSED, Cause.REBATE_REVERSED)
_CORRECTED: Final = _Causes.of(Cause.TRADE_CORRECTED, Cause.FEE_CORRECTED, Cause.REBATE_CORRECTED)


def legs_of(event: Any, market: Market, *, line: int = 0) -> list[Row]:
    """Return the entries that an event must have, as ``EntryRow``; none where no money moves.

    Args:
        event: any event.
        market: what its instrument trades, where it is about one.
        line: the credit line until now, where it sets one.
    """
    match event:
        case e.TradeExecuted():
            legs = _exchange(event, market, _terms(event), way=1, first=1, causes=_BOOKED)
        case e.TradeChanged():
            undone = _undone_terms(event)
            legs = _exchange(event, market, undone, way=-1, first=1, causes=_REVERSED)
            legs += _exchange(event, market, _terms(event), way=1, first=9, causes=_CORRECTED)
        case e.BalanceChanged():
            cause, giver, taker = _MOVES[event.cause]
            legs = _pair(event, cause, giver, taker, event.amount_atoms)
        case e.FundsTransferred():
            given, taken = _pair(event, Cause.TRANSFER, _FUNDS, _FUNDS, event.amount_atoms)
            legs = [given, EntryRow._make(taken)._replace(account=event.to_account)]
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
    return [leg for leg in legs if leg[_AMOUNT]]


_AMOUNT: Final = EntryRow._fields.index("amount")

_Terms = tuple[int, int, int, int]
"""Base and notional, the maker's fee and the taker's."""

_terms: Final = attrgetter("base_atoms", "notional_atoms", "maker_fee_atoms", "taker_fee_atoms")
_undone_terms: Final = attrgetter(
    "previous_base_atoms",
    "previous_notional_atoms",
    "maker_previous_fee_atoms",
    "taker_previous_fee_atoms",
)


def _exchange(
    event: e.TradeExecuted | e.TradeChanged,
    market: Market,
    terms: _Terms,
    *,
    way: int,
    first: int,
    causes: _Causes,
) -> list[Row]:
    """Return the eight legs of a trade, or of undoing one (``way`` -1)."""
    base, notional, maker_fee, taker_fee = terms
    trade, fee, rebate = causes
    number, maker, taker = event.number, event.maker_account, event.taker_account
    of_base, of_quote = market
    to_taker = way if event.taker_side == _BUY else -way
    of_maker = fee if maker_fee > 0 else rebate
    of_taker = fee if taker_fee > 0 else rebate
    paid = max(maker_fee, 0) + max(taker_fee, 0)
    rebated = min(maker_fee, 0) + min(taker_fee, 0)
    return [
        (number, first, _FUNDS, trade, maker, of_base, -to_taker * base),
        (number, first + 1, _FUNDS, trade, taker, of_base, to_taker * base),
        (number, first + 2, _FUNDS, trade, maker, of_quote, to_taker * notional),
        (number, first + 3, _FUNDS, trade, taker, of_quote, -to_taker * notional),
        (number, first + 4, _FUNDS, of_maker, maker, of_quote, -way * maker_fee),
        (number, first + 5, _FUNDS, of_taker, taker, of_quote, -way * taker_fee),
        (number, first + 6, _FEE_INCOME, fee, _VENUE, of_quote, way * paid),
        (number, first + 7, _REBATES, rebate, _VENUE, of_quote, way * rebated),
    ]


def _pair(event: Any, cause: int, giver: int, taker: int, amount: int) -> list[Row]:
    """Return two legs: what one ledger account gives, the other takes."""
    return [_leg(event, 1, giver, cause, -amount), _leg(event, 2, taker, cause, amount)]


def _leg(event: Any, leg: int, kind: int, cause: int, amount: int) -> Row:
    account = _VENUE if kind >= _FEE_INCOME else event.account
    return (event.number, leg, int(kind), int(cause), account, event.asset, amount)


def stated_balances(event: Any, market: Market) -> Iterable[tuple[int, int, int]]:
    """Return (account, asset, balance) for each whole balance that an event states."""
    match event:
        case e.TradeExecuted() | e.TradeChanged():
            base, quote = market
            maker, taker = event.maker_account, event.taker_account
            return (
                (maker, base, event.maker_base_balance),
                (maker, quote, event.maker_quote_balance),
                (taker, base, event.taker_base_balance),
                (taker, quote, event.taker_quote_balance),
            )
        case e.BalanceChanged() | e.ReceivableChanged():
            return ((event.account, event.asset, event.balance_atoms),)
        case e.FundsTransferred():
            return (
                (event.account, event.asset, event.balance_atoms),
                (event.to_account, event.asset, event.to_balance_atoms),
            )
        case _:
            return ()


trade_row: Final = attrgetter("number", *TradeRow._fields[1:])
"""Returns a trade as the ledger must keep it, as ``TradeRow``."""


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
