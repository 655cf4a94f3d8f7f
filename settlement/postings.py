"""From events to entries: what double entry makes of each event that moves money.

Pure. This is the readable description; ``settlement.ledger_batch`` does the same for a stream of
records, faster, and a property test holds the two together.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from messages.trading.events import (
    BalanceChanged,
    FundsTransferred,
    ReceivableChanged,
    TradeChanged,
    TradeExecuted,
)
from messages.trading.terms import BalanceCause, Side
from settlement.chart import VENUE, EntryCause, LedgerAccountKind
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


def trade_entries(trade: TradeExecuted, market: Market) -> list[Entry]:
    """Book a trade: base one way, notional the other, and each side's fee to the venue.

    A fee is an entry of its own, so that fees add up without looking at trades. A negative fee
    is a rebate: the venue's income pays it. Legs keep their numbers whether or not others exist.

    Args:
        trade: notional and fees in quote atoms, base in base atoms.
        market: what the trade's instrument trades.

    Returns:
        Entries that sum to zero in each asset, without those that would move nothing.

    Source:
        docs/ledger.md, "A trade".
    """
    maker, taker = trade.maker_account, trade.taker_account
    maker_base = trade.base_atoms if trade.taker_side == Side.SELL else -trade.base_atoms
    maker_quote = trade.notional_atoms if trade.taker_side == Side.BUY else -trade.notional_atoms
    maker_fee, taker_fee = trade.maker_fee_atoms, trade.taker_fee_atoms
    funds, income = LedgerAccountKind.FUNDS, LedgerAccountKind.FEE_INCOME
    base, quote = market
    return _booked(
        Entry(1, funds, EntryCause.TRADE, maker, base, maker_base),
        Entry(2, funds, EntryCause.TRADE, taker, base, -maker_base),
        Entry(3, funds, EntryCause.TRADE, maker, quote, maker_quote),
        Entry(4, funds, EntryCause.TRADE, taker, quote, -maker_quote),
        Entry(5, funds, EntryCause.FEE, maker, quote, -maker_fee),
        Entry(6, funds, EntryCause.FEE, taker, quote, -taker_fee),
        Entry(7, income, EntryCause.FEE, VENUE, quote, maker_fee + taker_fee),
    )


def correction_entries(event: TradeChanged, market: Market) -> list[Entry]:
    """Book a bust or a correction: the previous terms go back, and the present ones come.

    Legs 1 to 7 undo what legs 1 to 7 of a trade with the previous terms would be, legs 8 to 14
    are such a trade with the present terms; a bust has none.

    Returns:
        Entries that sum to zero in each asset, without those that would move nothing.

    Source:
        docs/ledger.md, "Busts and corrections".
    """
    previous = _legs(
        event,
        market,
        base_atoms=-event.previous_base_atoms,
        notional_atoms=-event.previous_notional_atoms,
        maker_fee=-event.maker_previous_fee_atoms,
        taker_fee=-event.taker_previous_fee_atoms,
        causes=(EntryCause.TRADE_REVERSED, EntryCause.FEE_REVERSED),
    )
    present = _legs(
        event,
        market,
        base_atoms=event.base_atoms,
        notional_atoms=event.notional_atoms,
        maker_fee=event.maker_fee_atoms,
        taker_fee=event.taker_fee_atoms,
        causes=(EntryCause.TRADE_CORRECTED, EntryCause.FEE_CORRECTED),
    )
    return _booked(*previous, *(entry._replace(leg=entry.leg + 7) for entry in present))


def _legs(
    event: TradeChanged,
    market: Market,
    *,
    base_atoms: int,
    notional_atoms: int,
    maker_fee: int,
    taker_fee: int,
    causes: tuple[EntryCause, EntryCause],
) -> list[Entry]:
    maker, taker = event.maker_account, event.taker_account
    way = 1 if event.taker_side == Side.BUY else -1
    to_taker, to_maker = way * base_atoms, way * notional_atoms
    funds, income = LedgerAccountKind.FUNDS, LedgerAccountKind.FEE_INCOME
    base, quote = market
    trade, fee = causes
    return [
        Entry(1, funds, trade, maker, base, -to_taker),
        Entry(2, funds, trade, taker, base, to_taker),
        Entry(3, funds, trade, maker, quote, to_maker),
        Entry(4, funds, trade, taker, quote, -to_maker),
        Entry(5, funds, fee, maker, quote, -maker_fee),
        Entry(6, funds, fee, taker, quote, -taker_fee),
        Entry(7, income, fee, VENUE, quote, maker_fee + taker_fee),
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
    owner = {LedgerAccountKind.CLEARING: VENUE}
    amount = event.amount_atoms
    return _booked(
        Entry(1, giver, cause, owner.get(giver, event.account), event.asset, -amount),
        Entry(2, taker, cause, owner.get(taker, event.account), event.asset, amount),
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
