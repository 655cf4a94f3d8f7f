"""What the auditor knows of the venue, from the events alone.

Plain data, so that it can be written down and taken up again. Each part is changed by one check
(``auditor/checks``); the others read it. Its size is bounded by the bounds of the venue itself:
open orders, accounts and assets, kept trades, references.
"""

import msgspec


class Asset(msgspec.Struct, kw_only=True):
    """An asset's sums. ``owned`` is what the accounts own together, as the events said it."""

    supply: int = 0
    fees: int = 0
    receivables: int = 0
    owned: int = 0


class Account(msgspec.Struct, kw_only=True):
    """An account; ``group`` is its owner group, or a number of its own where it has none."""

    firm: int
    group: int
    schedules: dict[int, int] = {}


class Instrument(msgspec.Struct, kw_only=True):
    """An instrument: what it trades, its bounds, and what moves with trading.

    The reference price is the last trade's or the operator's. An event of limits repeats the
    operator's price even where he gave none this time: then either may hold.
    """

    base: int
    quote: int
    schedule: int
    lot_atoms: int
    tick_lot_atoms: int
    phase: int = 5
    collar_ppm: int = 0
    price_min: int = 0
    price_max: int = 0
    reference: int = 0
    other_reference: int = 0
    operator_reference: int = 0
    book_sequence: int = 0


class Order(msgspec.Struct):
    """An open order. ``fee_credit`` is what its fees overpaid, in millionths of an atom.

    The first fields, up to ``cash``, are those of its event (``auditor.checks.orders``).
    """

    account: int
    session: int
    instrument: int
    side: int
    flags: int
    price: int
    quantity: int
    leaves: int
    filled: int
    value: int
    display: int
    cash: int
    held: int
    maker_ppm: int
    taker_ppm: int
    arrival: int
    is_waiting: bool
    fee_credit: int = 0


class Holding(msgspec.Struct, kw_only=True):
    """What an account has of an asset; ``floor`` is the widest credit line there ever was."""

    balance: int = 0
    held: int = 0
    owed: int = 0
    floor: int = 0


class RfqQuote(msgspec.Struct, kw_only=True):
    """A standing answer to a request for quote."""

    account: int
    instrument: int
    bid_held: int
    ask_held: int
    maker_ppm: int
    taker_ppm: int
    client_id: bytes


class Withdrawal(msgspec.Struct, kw_only=True):
    """A withdrawal that is reserved."""

    account: int
    asset: int
    amount: int


class Trade(msgspec.Struct, kw_only=True):
    """A trade that may yet be busted or corrected, on its present terms."""

    number: int
    instrument: int
    price: int
    lots: int
    maker_account: int
    taker_account: int
    maker_fee: int
    taker_fee: int
    maker_ppm: int
    taker_ppm: int


class Level(msgspec.Struct, kw_only=True):
    """A price's queue, first to trade first: what each order shows."""

    shown: int = 0
    queue: dict[int, int] = {}


class Picture(msgspec.Struct, kw_only=True):
    """Everything, as it is after event ``number`` and command ``sequence``."""

    venue: bytes = b""
    number: int = 0
    sequence: int = 0
    time_ns: int = 0
    last_order_id: int = 0
    last_trade_id: int = 0
    last_arrival: int = 0
    trades_max: int = 0
    references_max: int = 0
    schedules: dict[int, tuple[int, int]] = {}
    assets: dict[int, Asset] = {}
    accounts: dict[int, Account] = {}
    sessions: dict[int, int] = {}
    instruments: dict[int, Instrument] = {}
    orders: dict[int, Order] = {}
    holdings: dict[tuple[int, int], Holding] = {}
    rfq_quotes: dict[int, RfqQuote] = {}
    withdrawals: dict[bytes, Withdrawal] = {}
    references: set[int] = set()
    trades: dict[int, Trade] = {}
    levels: dict[tuple[int, int, int], Level] = {}
    killed: set[tuple[int, int]] = set()
    sources: dict[int, tuple[int, int]] = {}
    """The last request of each source: what comes again was dropped, and has no answer."""

    def rates(self, account: int, instrument: int) -> tuple[int, int] | None:
        """Return the maker and taker rate that an account's orders get now, if there is one.

        The account's schedule for the instrument, else its schedule for all, else the
        instrument's own (docs/matching.md, "Fees and holds").
        """
        owner, market = self.accounts.get(account), self.instruments.get(instrument)
        if owner is None or market is None:
            return None
        given = owner.schedules
        return self.schedules.get(given.get(instrument) or given.get(0) or market.schedule)

    def holding(self, account: int, asset: int) -> Holding:
        """Return what an account has of an asset, making an empty one."""
        key = (account, asset)
        found = self.holdings.get(key)
        if found is None:
            found = self.holdings[key] = Holding()
        return found
