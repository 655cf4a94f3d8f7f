"""The chart of accounts and the causes of entries, with their stored values.

Values are stable for ever: the ledger is append-only, and a row written today keeps its meaning.
"""

from enum import Enum, IntEnum, StrEnum


class LedgerAccountKind(IntEnum):
    """What a ledger account stands for.

    Ranges: 1-9 belong to a trading account; all others are the venue's own: 10-19 income and
    expense, 20-29 clearing and memoranda, 30-39 custody, 40-49 own funds, 50-59 what is not yet
    explained. 5-9 are free.
    """

    FUNDS = 1
    """An account's own money. Open orders tie parts of it up in the engine, not here."""
    WITHDRAWALS = 2
    """Money of an account that is on its way out: reserved, and not yet gone or given back."""
    RECEIVABLES = 3
    """What an account owes the venue since a bust, as a negative number: a claim of the venue."""
    CREDIT_LINE = 4
    """How far an account may go below zero, by its line as it stands. A memorandum, no money."""
    FEE_INCOME = 10
    """All fees that were paid. Nothing but trades, busts and corrections moves it."""
    REBATES = 11
    """What makers got of them, as a negative number; moved by the same events alone."""
    REWARDS = 12
    """The pool of liquidity rewards: what was put in, less what was paid to accounts."""
    FEES_TAKEN = 13
    """What of the fees was put to a use, as a negative number: never more than was earned."""
    CLEARING = 20
    """The world outside: minus what came in and has not left, and is not yet in custody's books."""
    CREDIT_GRANTED = 21
    """The other side of all credit lines. A memorandum."""
    CUSTODY_HOT = 30
    """What lies in hot wallets and working bank accounts, as a negative number."""
    CUSTODY_COLD = 31
    """What lies in cold storage, as a negative number."""
    CUSTODY_IN_TRANSIT = 32
    """What is between two places of custody, as a negative number."""
    INSURANCE = 40
    """The insurance fund."""
    CAPITAL = 41
    """The venue's own funds."""
    SUSPENSE = 50
    """The other side of adjustments, until somebody has explained them."""
    ROUNDING = 51
    """What custody's places hold beyond, or short of, the atoms that the books know."""


VENUE = 0
"""The account number of ledger accounts that are the venue's own."""

HOUSE_FIRST = 10
"""Kinds from here on are the venue's own."""

MEMORANDA = (LedgerAccountKind.CREDIT_LINE, LedgerAccountKind.CREDIT_GRANTED)
"""Kinds that say what is allowed, not what is there; among themselves they sum to zero."""

EARNED = (LedgerAccountKind.FEE_INCOME, LedgerAccountKind.REBATES)
"""What the engine calls fees: moved by events alone, so that engine and ledger can be compared."""


class Sign(Enum):
    """How far the balance of a ledger account may go; checks of the database keep it."""

    ABOVE_CREDIT = "down to minus its widest credit line"
    NEVER_BELOW_ZERO = "zero or more"
    NEVER_ABOVE_ZERO = "zero or less"
    ANY = "anything"


SIGNS = {
    LedgerAccountKind.FUNDS: Sign.ABOVE_CREDIT,
    LedgerAccountKind.WITHDRAWALS: Sign.NEVER_BELOW_ZERO,
    LedgerAccountKind.RECEIVABLES: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.CREDIT_LINE: Sign.NEVER_BELOW_ZERO,
    LedgerAccountKind.FEE_INCOME: Sign.NEVER_BELOW_ZERO,
    LedgerAccountKind.REBATES: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.REWARDS: Sign.ANY,
    LedgerAccountKind.FEES_TAKEN: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.CLEARING: Sign.ANY,
    LedgerAccountKind.CREDIT_GRANTED: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.CUSTODY_HOT: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.CUSTODY_COLD: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.CUSTODY_IN_TRANSIT: Sign.NEVER_ABOVE_ZERO,
    LedgerAccountKind.INSURANCE: Sign.NEVER_BELOW_ZERO,
    LedgerAccountKind.CAPITAL: Sign.NEVER_BELOW_ZERO,
    LedgerAccountKind.SUSPENSE: Sign.ANY,
    LedgerAccountKind.ROUNDING: Sign.ANY,
}


class EntryCause(IntEnum):
    """Why an entry was made. From ``OPENING`` on: entries of the house, which no event caused."""

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
    OPENING = 40
    """Made by a migration, once: an older ledger had rebates in its fee income."""
    CUSTODY_MOVED = 41
    INSURANCE_FUNDED = 42
    REWARDS_FUNDED = 43
    HOUSE_ADJUSTMENT = 44


class Consumer(StrEnum):
    """Who keeps a position in the events."""

    LEDGER = "ledger"
    ORDER_HISTORY = "order_history"
