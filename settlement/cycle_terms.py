"""The words of settlement cycles, with their stored values, which are stable for ever."""

from enum import IntEnum

from settlement.chart import EntryCause


class SettlementMode(IntEnum):
    """How an account's trades are settled."""

    GROSS = 1
    """Each trade at once: what the account trades with is prefunded."""
    NET = 2
    """In cycles: what a cycle's trades come to is one obligation for each asset."""


class Party(IntEnum):
    """Who has an obligation. All parties of a cycle together have none: theirs sum to zero."""

    ACCOUNT = 1
    """An account that settles net."""
    FEES = 2
    """The venue, for the fees that net accounts owe, less their rebates."""
    PREFUNDED = 3
    """The venue, for the other side of trades with accounts that settled theirs at once."""


class DecisionKind(IntEnum):
    """What was decided."""

    CLOSE_CYCLE = 1
    CONFIRM = 2
    FAIL = 3
    SET_MODE = 4


class InstructionEventKind(IntEnum):
    """What was decided about an instruction."""

    CONFIRMED = 1
    FAILED = 2


class InstructionState(IntEnum):
    """Where an instruction stands; it follows from what was decided about it."""

    PENDING = 1
    PARTIALLY_SETTLED = 2
    SETTLED = 3
    FAILED = 4
    """Nothing more comes of it; the next close asks again for what is left."""


class SettlementCode(IntEnum):
    """Why settlement refused what an operator asked for."""

    NO_SUCH_INSTRUCTION = 2001
    INSTRUCTION_IS_OVER = 2002
    """Settled or failed: nothing more can be decided about it."""
    AMOUNT_ABOVE_REST = 2003
    NOT_COVERED = 2004
    """An account delivers out of its settled money, and has too little."""
    REFERENCE_IN_USE = 2005
    """Another decision has this reference."""
    NO_SUCH_CYCLE = 2006
    NO_SUCH_ACCOUNT = 2007
    MODE_HOLDS_ALREADY = 2008
    TEXT_TOO_LONG = 2009
    TOO_MANY_INSTRUCTIONS = 2010
    AMOUNT_NOT_POSITIVE = 2011
    STATEMENT_TOO_LONG = 2012
    NOT_EMPTY = 2013
    """Settlement is made again in a ledger without decisions only."""
    LEDGER_TOO_SHORT = 2014
    """The ledger has not all events that decisions were made after."""
    REFERENCE_RESERVED = 2015
    """The schedule and the configuration make references that begin so."""
    INSTRUCTIONS_CHANGED = 2016
    """What was to be decided is not what was agreed to."""


SCHEDULE = 0
"""The operator number of decisions that the venue's own schedule made."""

RESERVED_REFERENCES = ("schedule-", "configured-")
"""How references of decisions begin that no operator makes."""

TRADE_CAUSES = (EntryCause.TRADE, EntryCause.TRADE_REVERSED, EntryCause.TRADE_CORRECTED)
FEE_CAUSES = (
    EntryCause.FEE,
    EntryCause.FEE_REVERSED,
    EntryCause.FEE_CORRECTED,
    EntryCause.REBATE,
    EntryCause.REBATE_REVERSED,
    EntryCause.REBATE_CORRECTED,
)
NETTED_CAUSES = TRADE_CAUSES + FEE_CAUSES
"""What cycles settle: trades, their fees, and what busts and corrections make of both. All other
entries (money in and out, transfers, receivables) are settled when they are made."""

TEXT_CHARACTERS_MAX = 200
"""Of a decision's reference and reason, each."""

INSTRUCTIONS_PER_DECISION_MAX = 10_000
"""That one confirmation or fail may be about."""
