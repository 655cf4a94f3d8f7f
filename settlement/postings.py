"""From events to entries: what double entry makes of each event that moves money.

Pure. This is the readable description. ``core/native/src/ledger/rows.cpp`` makes trades' rows,
faster, and a property test holds the two together; ``settlement.ledger_batch`` books all other
events with what is here.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from messages.trading.events import (
    AssetLimitsSet,
    BalanceChanged,
    FundsTransferred,
    ReceivableChanged,
    TradeChanged,
    TradeExecuted,
)
from messages.trading.terms import BalanceCause, Side
from settlement.chart import HOUSE_FIRST, VENUE, EntryCause, LedgerAccountKind
from settlement.errors import UnsettleableEventError


class Entry(NamedTuple):
    """One line of the journal; the event's number and ``leg`` are its key for ever."""

    leg: int
    kind: LedgerAccountKind
    cause: EntryCause
    account: int
    asset: int
    amount_atoms: int


class Market(NamedTuple):
    """The assets that an instrument trades."""

    base_asset: int
    quote_asset: int


class Causes(NamedTuple):
    """What the entries of a trade are caused by, or those that undo or replace one."""

    trade: EntryCause
    fee: EntryCause
    rebate: EntryCause


BOOKED = Causes(EntryCause.TRADE, EntryCause.FEE, EntryCause.REBATE)
REVERSED = Causes(EntryCause.TRADE_REVERSED, EntryCause.FEE_REVERSED, EntryCause.REBATE_REVERSED)
CORRECTED = Causes(
    EntryCause.TRADE_CORRECTED, EntryCause.FEE_CORRECTED, EntryCause.REBATE_CORRECTED
)

TRADE_LEGS = 8
"""Of a trade; a correction has as many to undo, and as many again for the present terms."""


def trade_entries(trade: TradeExecuted, market: Market) -> list[Entry]:
    """Book a trade: base one way, notional the other, and each side's fee to the venue.

    A fee is an entry of its own, so that fees add up without looking at trades. A negative fee
    is a rebate: it comes from an account of its own, so that fees and rebates can both be seen.
    Legs keep their numbers whether or not others exist.

    Args:
        trade: notional and fees in quote atoms, base in base atoms.
        market: what the trade's instrument trades.

    Returns:
        Entries that sum to zero in each asset, without those that would move nothing.

    Source:
        docs/ledger.md, "A trade".
    """
    return _booked(
        *_legs(
            trade,
            market,
            base_atoms=trade.base_atoms,
            notional_atoms=trade.notional_atoms,
            fees=(trade.maker_fee_atoms, trade.taker_fee_atoms),
            causes=BOOKED,
        )
    )


def correction_entries(event: TradeChanged, market: Market) -> list[Entry]:
    """Book a bust or a correction: the previous terms go back, and the present ones come.

    Legs 1 to 8 undo what legs 1 to 8 of a trade with the previous terms would be, legs 9 to 16
    are such a trade with the present terms; a bust has none.

    Returns:
        Entries that sum to zero in each asset, without those that would move nothing.

    Source:
        docs/ledger.md, "Busts and corrections".
    """
    previous = _legs(
        event,
        market,
        base_atoms=event.previous_base_atoms,
        notional_atoms=event.previous_notional_atoms,
        fees=(event.maker_previous_fee_atoms, event.taker_previous_fee_atoms),
        causes=REVERSED,
    )
    present = _legs(
        event,
        market,
        base_atoms=event.base_atoms,
        notional_atoms=event.notional_atoms,
        fees=(event.maker_fee_atoms, event.taker_fee_atoms),
        causes=CORRECTED,
    )
    return _booked(
        *(entry._replace(amount_atoms=-entry.amount_atoms) for entry in previous),
        *(entry._replace(leg=entry.leg + TRADE_LEGS) for entry in present),
    )


def _legs(
    event: TradeExecuted | TradeChanged,
    market: Market,
    *,
    base_atoms: int,
    notional_atoms: int,
    fees: tuple[int, int],
    causes: Causes,
) -> list[Entry]:
    maker, taker = event.maker_account, event.taker_account
    way = 1 if event.taker_side == Side.BUY else -1
    to_taker, to_maker = way * base_atoms, way * notional_atoms
    funds = LedgerAccountKind.FUNDS
    of_maker, of_taker = (causes.fee if fee > 0 else causes.rebate for fee in fees)
    paid, rebated = sum(max(fee, 0) for fee in fees), sum(min(fee, 0) for fee in fees)
    base, quote = market
    return [
        Entry(1, funds, causes.trade, maker, base, -to_taker),
        Entry(2, funds, causes.trade, taker, base, to_taker),
        Entry(3, funds, causes.trade, maker, quote, to_maker),
        Entry(4, funds, causes.trade, taker, quote, -to_maker),
        Entry(5, funds, of_maker, maker, quote, -fees[0]),
        Entry(6, funds, of_taker, taker, quote, -fees[1]),
        Entry(7, LedgerAccountKind.FEE_INCOME, causes.fee, VENUE, quote, paid),
        Entry(8, LedgerAccountKind.REBATES, causes.rebate, VENUE, quote, rebated),
    ]


def transfer_entries(event: FundsTransferred) -> list[Entry]:
    """Book money that moved between two accounts of one firm."""
    funds, cause, amount = LedgerAccountKind.FUNDS, EntryCause.TRANSFER, event.amount_atoms
    return _booked(
        Entry(1, funds, cause, event.account, event.asset, -amount),
        Entry(2, funds, cause, event.to_account, event.asset, amount),
    )


def receivable_entries(event: ReceivableChanged) -> list[Entry]:
    """Book what the venue lent an account at a bust, or was paid back: a claim and its money."""
    change = event.change_atoms
    cause = EntryCause.RECEIVABLE_RAISED if change > 0 else EntryCause.RECEIVABLE_SETTLED
    funds, owed = LedgerAccountKind.FUNDS, LedgerAccountKind.RECEIVABLES
    return _booked(
        Entry(1, owed, cause, event.account, event.asset, -change),
        Entry(2, funds, cause, event.account, event.asset, change),
    )


def credit_line_entries(event: AssetLimitsSet, *, previous_atoms: int) -> list[Entry]:
    """Book a change of a credit line: a memorandum, which moves no money.

    Args:
        event: the line from now on.
        previous_atoms: the line until now.

    Source:
        docs/ledger.md, "Credit lines".
    """
    change, cause = event.credit_line_atoms - previous_atoms, EntryCause.CREDIT_LINE_SET
    line, granted = LedgerAccountKind.CREDIT_LINE, LedgerAccountKind.CREDIT_GRANTED
    return _booked(
        Entry(1, line, cause, event.account, event.asset, change),
        Entry(2, granted, cause, VENUE, event.asset, -change),
    )


def balance_entries(event: BalanceChanged) -> list[Entry]:
    """Book money that moved outside a trade.

    What a withdrawal reserves leaves the account's funds at once: from then on it is money on
    its way out, which comes back (released) or leaves the venue (committed).

    Returns:
        Entries that sum to zero, without those that would move nothing.

    Raises:
        UnsettleableEventError: a cause that has no rule here.

    Source:
        docs/ledger.md, "Money in and out".
    """
    rule = _MONEY_RULES.get(event.cause)
    if rule is None:
        raise UnsettleableEventError(
            f"event {event.number}: no posting rule for balance cause {event.cause}"
        )
    cause, giver, taker = rule
    # The engine's balance has funds and withdrawals in it: what moves between them is no change.
    own = (LedgerAccountKind.FUNDS, LedgerAccountKind.WITHDRAWALS)
    change = event.amount_atoms * ((taker in own) - (giver in own))
    if event.change_atoms != change:
        raise UnsettleableEventError(
            f"event {event.number}: cause {event.cause} of {event.amount_atoms} changes the balance"
            f" by {event.change_atoms}, not by {change}"
        )
    amount = event.amount_atoms
    of_giver, of_taker = (
        VENUE if kind >= HOUSE_FIRST else event.account for kind in (giver, taker)
    )
    return _booked(
        Entry(1, giver, cause, of_giver, event.asset, -amount),
        Entry(2, taker, cause, of_taker, event.asset, amount),
    )


_MONEY_RULES: dict[int, tuple[EntryCause, LedgerAccountKind, LedgerAccountKind]] = {
    BalanceCause.CREDIT: (
        EntryCause.CREDIT,
        LedgerAccountKind.CLEARING,
        LedgerAccountKind.FUNDS,
    ),
    BalanceCause.DEBIT: (
        EntryCause.DEBIT,
        LedgerAccountKind.FUNDS,
        LedgerAccountKind.CLEARING,
    ),
    BalanceCause.WITHDRAWAL_RESERVED: (
        EntryCause.WITHDRAWAL_RESERVED,
        LedgerAccountKind.FUNDS,
        LedgerAccountKind.WITHDRAWALS,
    ),
    BalanceCause.WITHDRAWAL_COMMITTED: (
        EntryCause.WITHDRAWAL_COMMITTED,
        LedgerAccountKind.WITHDRAWALS,
        LedgerAccountKind.CLEARING,
    ),
    BalanceCause.WITHDRAWAL_RELEASED: (
        EntryCause.WITHDRAWAL_RELEASED,
        LedgerAccountKind.WITHDRAWALS,
        LedgerAccountKind.FUNDS,
    ),
    BalanceCause.REWARD: (
        EntryCause.REWARD,
        LedgerAccountKind.REWARDS,
        LedgerAccountKind.FUNDS,
    ),
    BalanceCause.ADJUSTMENT_CREDIT: (
        EntryCause.ADJUSTMENT,
        LedgerAccountKind.SUSPENSE,
        LedgerAccountKind.FUNDS,
    ),
    BalanceCause.ADJUSTMENT_DEBIT: (
        EntryCause.ADJUSTMENT,
        LedgerAccountKind.FUNDS,
        LedgerAccountKind.SUSPENSE,
    ),
}


def _booked(*entries: Entry) -> list[Entry]:
    assert is_balanced(entries), entries
    return [entry for entry in entries if entry.amount_atoms]


def is_balanced(entries: Iterable[Entry]) -> bool:
    """Say whether entries sum to zero in each asset."""
    sums: Counter[int] = Counter()
    for entry in entries:
        sums[entry.asset] += entry.amount_atoms
    return not any(sums.values())
