"""What a statement of an account says: its words and figures, in atoms.

Every figure is one that a query of ``docs/statements.md`` derives from entries and trades again.
"""

import msgspec


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A period of time, and of events: after one and through another."""

    from_ns: int
    until_ns: int
    """Exclusive."""
    after_event: int
    through_event: int


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger account over the period: opening, what moved it by cause, closing."""

    kind: int
    asset: int
    opening_atoms: int
    movements: dict[str, int]
    closing_atoms: int


class FillLine(msgspec.Struct, frozen=True, kw_only=True):
    """A side of a trade that was the account's, or what a bust or correction made of one.

    Of a bust or a correction the line says the change: base and quote that came (above zero) or
    went, and the fee that fell due (above zero) or came back.
    """

    event_number: int
    time_ns: int
    trade_id: int
    what: str
    """``trade``, ``bust`` or ``correction``."""
    instrument: int
    side: int
    is_maker: bool
    price_ticks: int
    quantity_lots: int
    base_atoms: int
    quote_atoms: int
    fee_atoms: int
    order_id: int
    client_order_id: str


class FeeLine(msgspec.Struct, frozen=True, kw_only=True):
    """Fees in an asset: what was charged, what came as rebates, and what corrections gave back."""

    asset: int
    charged_atoms: int
    rebated_atoms: int
    corrected_atoms: int
    """Above zero when corrections and busts gave back more than they took."""
    total_atoms: int
    """Charged, less rebated and corrected: what the account paid."""


class EntryLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal, and what the ledger account had after it."""

    event_number: int
    leg: int
    time_ns: int
    kind: int
    cause: int
    asset: int
    amount_atoms: int
    balance_atoms: int


class ProfitLine(msgspec.Struct, frozen=True, kw_only=True):
    """Trading in an instrument: position, average cost, realised profit before and after fees."""

    instrument: int
    opening_base_atoms: int
    opening_cost_atoms: int
    closing_base_atoms: int
    closing_cost_atoms: int
    realised_atoms: int
    fees_atoms: int
    net_atoms: int
    """Realised, less fees."""


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction of a cycle whose business date is in the period, as it stands now."""

    cycle: int
    business_date: str
    instruction: int
    attempt: int
    asset: int
    amount_atoms: int
    confirmed_atoms: int
    state: int


class AccountStatement(msgspec.Struct, frozen=True, kw_only=True):
    """All that happened to an account's money in a period."""

    account: int
    period: Period
    mode: str
    balances: list[BalanceLine]
    fills: list[FillLine]
    fees: list[FeeLine]
    entries: list[EntryLine]
    profits: list[ProfitLine]
    settlements: list[SettlementLine]
