"""The chart of accounts and the causes of entries, with their stored values.

Values are stable for ever: the ledger is append-only, and a row written today keeps its meaning.
"""

from enum import IntEnum, StrEnum


class LedgerAccountKind(IntEnum):
    """What a ledger account stands for.

    Ranges: 1-9 belong to a trading account, 10-19 are the venue's income and expense, 20-29 its
    clearing; 30-39 (custody), 40-49 (insurance) and 50-59 (suspense, rounding) are free.
    """

    FUNDS = 1
    """An account's own money. Open orders tie parts of it up in the engine, not here."""
    WITHDRAWALS = 2
    """Money of an account that is on its way out: reserved, and not yet gone or given back."""
    RECEIVABLES = 3
    """What an account owes the venue since a bust, as a negative number: a claim of the venue."""
    FEE_INCOME = 10
    """The venue's fees; rebates paid out of them go the other way."""
    CLEARING = 20
    """The world outside: minus what came in and has not left, so that all entries sum to zero."""


VENUE = 0
"""The account number of ledger accounts that are the venue's own."""


class EntryCause(IntEnum):
    """Why an entry was made."""

    TRADE = 1
    FEE = 2
    TRADE_REVERSED = 3
    FEE_REVERSED = 4
    TRADE_CORRECTED = 5
    FEE_CORRECTED = 6
    CREDIT = 11
    DEBIT = 12
    WITHDRAWAL_RESERVED = 13
    WITHDRAWAL_COMMITTED = 14
    WITHDRAWAL_RELEASED = 15
    TRANSFER = 16
    RECEIVABLE_RAISED = 17
    RECEIVABLE_SETTLED = 18


class Consumer(StrEnum):
    """Who keeps a position in the events."""

    LEDGER = "ledger"
    ORDER_HISTORY = "order_history"
