"""From events to entries: what double entry makes of each event that moves money.

Pure. This is the readable description; ``settlement.ledger_batch`` does the same for a stream of
records, faster, and a property test holds the two together.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from messages.trading.events import BalanceChanged, TradeExecuted
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
