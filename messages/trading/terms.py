"""The trading terms that commands and events share, with their wire values.

Values are stable for ever: a journal written today is read with them in ten years.
"""

from enum import IntEnum, IntFlag

PPM = 1_000_000
"""Parts per million: the unit of fee rates, collars and bands."""

AMOUNT_LIMIT = 1 << 62
"""Every amount in atoms, and an asset's whole supply, stays below this (so sums fit int64)."""

CLIENT_ID_LENGTH_MAX = 36


class Side(IntEnum):
    """The side of an order or a book."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """How an order's price is found. A stop waits for the last price to reach its stop price."""

    LIMIT = 1
    MARKET = 2
    STOP = 3
    STOP_LIMIT = 4


class TimeInForce(IntEnum):
    """How long an order may rest."""

    DAY = 1
    GOOD_TILL_CANCEL = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    GOOD_TILL_DATE = 5


class OrderFlag(IntFlag):
    """Flags of an order; unknown bits are refused."""

    POST_ONLY = 1
    CASH_QUANTITY = 2  # the quantity is what the order may come to in quote atoms
    QUOTE = 128  # one side of a quote; the engine sets it, and no order may ask for it


class SelfTradePrevention(IntEnum):
    """What happens when two orders of one owner group would trade."""

    ACCOUNT_DEFAULT = 0
    CANCEL_RESTING = 1
    CANCEL_INCOMING = 2
    CANCEL_BOTH = 3
    DECREMENT_AND_CANCEL = 4


class OrderStatus(IntEnum):
    """Where an order stands after the event that says it."""

    PENDING_TRIGGER = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELLED = 5
    EXPIRED = 6
    REJECTED = 7


class Phase(IntEnum):
    """An instrument's market phase."""

    PRE_OPEN = 1  # orders gather, nothing is matched or indicated
    CALL_AUCTION = 2  # orders gather, an indicative price is published, ends in one uncross
    CONTINUOUS = 3
    HALTED = 4  # cancels only
    CLOSED = 5  # cancels only; day orders expired on entry


class PhaseReason(IntEnum):
    """Why a phase began."""

    OPERATOR = 1
    SCHEDULE = 2
    PRICE_BAND = 3


class Scope(IntEnum):
    """What a kill switch, a resume or a mass cancel reaches."""

    VENUE = 1
    FIRM = 2
    ACCOUNT = 3
    SESSION = 4
    INSTRUMENT = 5


class AccountKind(IntEnum):
    """Whose money an account holds."""

    CLIENT = 1
    HOUSE = 2


class MassActionType(IntEnum):
    """What a client's mass action does to a scope of its own."""

    SUSPEND = 1  # no new orders and amends
    RELEASE = 2
    CANCEL = 3


class CancelOnDisconnect(IntEnum):
    """Which orders go when a session's connection is lost."""

    NONE = 0
    SESSION = 1
    ACCOUNT = 2


class SessionRight(IntFlag):
    """What a session may do for an account."""

    TRADE = 1
    DROP_COPY = 2
    QUOTE_REQUESTS = 4  # be told of requests for quote, and answer them for the account


class CancelReason(IntEnum):
    """Why an order left the book without being filled."""

    REQUESTED = 1
    MASS_CANCEL = 2
    IMMEDIATE_REMAINDER = 3  # what an IOC or market order could not fill
    FILL_OR_KILL = 4
    MINIMUM_QUANTITY = 5
    SELF_TRADE = 6
    KILL_SWITCH = 7
    DISCONNECT = 8
    DAY_ENDED = 9
    DATE_REACHED = 10
    PRICE_BAND = 11  # an immediate order's remainder when the band halted trading
    PRICE_COLLAR = 12  # a stop-limit triggered outside the collar
    BUST = 13  # gone with a bust: its trade was, or the account could no longer pay for it
    QUOTE_REPLACED = 50  # a mass quote said another price or size
    QUOTE_WITHDRAWN = 51  # the maker took it away, or what should replace it was refused
    PROTECTION = 52  # its protection group reached a limit
    POST_ONLY = 53  # it would take what came while its mass quote was acted on
    CASH_SPENT = 70  # what is left of a cash quantity is less than a lot


class BalanceCause(IntEnum):
    """What moved a balance outside a trade."""

    CREDIT = 1
    DEBIT = 2
    WITHDRAWAL_RESERVED = 3
    WITHDRAWAL_COMMITTED = 4
    WITHDRAWAL_RELEASED = 5
    TRANSFER = 6  # reserved: told by FundsTransferred
    REWARD = 7  # for liquidity: the venue's own money
    ADJUSTMENT_CREDIT = 8
    ADJUSTMENT_DEBIT = 9


class DisputeReason(IntEnum):
    """Why a client does not know an execution."""

    UNKNOWN_INSTRUMENT = 1
    WRONG_SIDE = 2
    QUANTITY_EXCEEDS_ORDER = 3
    NO_MATCHING_ORDER = 4
    PRICE_EXCEEDS_LIMIT = 5
    CALCULATION_DIFFERENCE = 6
    OTHER = 7


class RfqSubject(IntEnum):
    """What a WithdrawRfq ends.

    REQUESTS: the account's request named by number or by its client's id, else all of them.
    QUOTES: the account's quote named by its number, its request's or its client's id, else all.
    OFFER: the quote ``quote_id`` that answers a request of the account, which passes on it.
    """

    REQUESTS = 1
    QUOTES = 2
    OFFER = 3


class RfqEnd(IntEnum):
    """Why a request for quote, or a quote that answers one, ended."""

    ACCEPTED = 1  # it traded
    EXPIRED = 2
    WITHDRAWN = 3  # by who made it
    REPLACED = 4  # by a newer quote of the same account
    PASSED = 5  # the requester passed on the quote
    REQUEST_ENDED = 6
    DISCONNECT = 7
    KILL_SWITCH = 8
    PHASE_CHANGED = 9  # the instrument left continuous trading


class GroupKind(IntEnum):
    """What the records of an atomic group are together."""

    MASS_QUOTE = 1


class QuoteFlag(IntFlag):
    """Flags of a quote entry; unknown bits are refused."""

    GIVES_BID = 1
    GIVES_ASK = 2
    MAY_TAKE = 4  # without it both sides are post-only
    UNREADABLE = 8
    """The gateway could not read the entry: ``valid_until_ns`` is its RejectCode, and
    ``bid_price_ticks`` the tag that it is about. Nothing else is said."""


class QuoteResponse(IntEnum):
    """How much of an acknowledgement the maker wants to see."""

    NONE = 0
    REFUSED_ENTRIES = 1
    ALL_ENTRIES = 2


class QuoteScope(IntEnum):
    """Which of an account's quotes a cancel reaches."""

    ALL = 1
    INSTRUMENT = 2
    PROTECTION_GROUP = 3
    ENTRY = 4


class ProtectionLimit(IntEnum):
    """Which limit of a protection group was reached."""

    QUANTITY = 1
    NOTIONAL = 2
    DELTA = 3
    TRADES = 4


class ThawCause(IntEnum):
    """What made a frozen protection group quote again."""

    REQUESTED = 1
    TIME = 2
