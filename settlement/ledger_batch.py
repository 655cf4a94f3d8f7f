"""A batch of events, made ready for the ledger's tables.

Trades are nearly all of what a ledger holds: their rows are made in ``core`` and come encoded. All
other events are booked here, by ``settlement.postings``; a property test compares the two.
"""

from dataclasses import dataclass, field

from messages.layout import Record
from messages.trading.events import (
    AccountCreated,
    AssetCreated,
    AssetLimitsSet,
    BalanceChanged,
    FirmCreated,
    FundsTransferred,
    InstrumentCreated,
    ReceivableChanged,
    TradeBusted,
    TradeChanged,
    TradeExecuted,
)
from settlement.binary_copy import encode_entries
from settlement.errors import UnsettleableEventError
from settlement.postings import (
    Entry,
    Market,
    balance_entries,
    correction_entries,
    credit_line_entries,
    receivable_entries,
    transfer_entries,
)
from settlement.records import Handler, stored_text

EntryRow = tuple[int, int, int, int, int, int, int, int]
CorrectionRow = tuple[int | str | bool, ...]

ENTRY_COLUMNS = (
    "event_number",
    "leg",
    "kind",
    "cause",
    "account",
    "asset",
    "amount_atoms",
    "time_ns",
)

TRADE_COLUMNS = (
    "event_number",
    "trade_id",
    "time_ns",
    "instrument",
    "price_ticks",
    "quantity_lots",
    "notional_atoms",
    "base_atoms",
    "taker_side",
    "is_auction",
    "maker_order_id",
    "maker_account",
    "maker_fee_atoms",
    "maker_client_order_id",
    "taker_order_id",
    "taker_account",
    "taker_fee_atoms",
    "taker_client_order_id",
)

MARK_COLUMNS = ("kind", "account", "asset", "event_number", "balance_atoms")

CORRECTION_COLUMNS = (
    "event_number",
    "trade_id",
    "is_bust",
    "corrected_event",
    "time_ns",
    "instrument",
    "previous_price_ticks",
    "previous_quantity_lots",
    "previous_notional_atoms",
    "previous_base_atoms",
    "price_ticks",
    "quantity_lots",
    "notional_atoms",
    "base_atoms",
    "taker_side",
    "maker_order_id",
    "maker_account",
    "maker_previous_fee_atoms",
    "maker_fee_atoms",
    "taker_order_id",
    "taker_account",
    "taker_previous_fee_atoms",
    "taker_fee_atoms",
    "operator",
    "approver",
    "reference",
    "text",
)

_CORRECTION_FIELDS = CORRECTION_COLUMNS[3:]


@dataclass
class LedgerBatch:
    """Rows for one transaction, in the order of their events.

    ``markets`` and ``lines`` outlive the batch: the instruments and credit lines so far, the
    latter by (account, asset).
    """

    markets: dict[int, Market]
    lines: dict[tuple[int, int], int] = field(default_factory=dict)
    traded: bytes = b""
    """The entries of trades, encoded."""
    trades: bytes = b""
    """Rows of trades, encoded."""
    trade_count: int = 0
    entries: list[EntryRow] = field(default_factory=list)
    """Of all other events."""
    mark_places: list[tuple[int, int]] = field(default_factory=list)
    """Events at which balances are written down, with the stamps of the last entries before."""
    mark_rows: bytes = b""
    """The balances that are written down, encoded."""
    corrections: list[CorrectionRow] = field(default_factory=list)
    assets: list[tuple[int | str, ...]] = field(default_factory=list)
    instruments: list[tuple[int | str, ...]] = field(default_factory=list)
    firms: list[tuple[int | str, ...]] = field(default_factory=list)
    accounts: list[tuple[int | str, ...]] = field(default_factory=list)
    # By (account, asset): the last line, the widest line of the batch, the last position limit.
    limits: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    # By account: the batch's first event that gives it credit. From there on it settles net.
    credited: dict[int, int] = field(default_factory=dict)

    def trade_executed(self, data: bytes, offset: int) -> None:
        """Look at a TradeExecuted record that ``core`` did not take: say why."""
        event = TradeExecuted.unpack(data, offset)
        if event.instrument not in self.markets:
            raise UnsettleableEventError(
                f"event {event.number}: unknown instrument {event.instrument}"
            )

    def entry_rows(self) -> list[bytes]:
        """Return all entries, encoded, in parts."""
        return [part for part in (self.traded, encode_entries(self.entries)) if part]

    @property
    def is_independent(self) -> bool:
        """Whether all rows but balances could be added without the batches before this one.

        Not so are definitions, limits and corrections: they name what was made before them, or are
        for the statement of the entries to find.
        """
        return not (
            self.corrections
            or self.assets
            or self.instruments
            or self.firms
            or self.accounts
            or self.limits
            or self.credited
        )

    def balance_changed(self, data: bytes, offset: int) -> None:
        """Add a BalanceChanged record: its entries."""
        event = BalanceChanged.unpack(data, offset)
        self._add(event.number, event.time_ns, balance_entries(event))

    def trade_changed(self, record: type[TradeChanged]) -> Handler:
        """Return the handler of TradeBusted or TradeCorrected: a line about it and its entries."""

        def handle(data: bytes, offset: int) -> None:
            event = record.unpack(data, offset)
            market = self.markets.get(event.instrument)
            if market is None:
                raise UnsettleableEventError(
                    f"event {event.number}: unknown instrument {event.instrument}"
                )
            is_bust = record is TradeBusted
            self.corrections.append(
                (event.number, event.trade_id, is_bust, *_row(event, _CORRECTION_FIELDS))
            )
            self._add(event.number, event.time_ns, correction_entries(event, market))

        return handle

    def funds_transferred(self, data: bytes, offset: int) -> None:
        """Add a FundsTransferred record: its entries."""
        event = FundsTransferred.unpack(data, offset)
        self._add(event.number, event.time_ns, transfer_entries(event))

    def receivable_changed(self, data: bytes, offset: int) -> None:
        """Add a ReceivableChanged record: its entries."""
        event = ReceivableChanged.unpack(data, offset)
        self._add(event.number, event.time_ns, receivable_entries(event))

    def _add(self, number: int, time_ns: int, entries: list[Entry]) -> None:
        self.entries.extend(
            (number, leg, kind, cause, account, asset, amount, time_ns)
            for leg, kind, cause, account, asset, amount in entries
        )

    def asset_limits_set(self, data: bytes, offset: int) -> None:
        """Add an AssetLimitsSet record: the line that a balance may go below zero by."""
        event = AssetLimitsSet.unpack(data, offset)
        key, line = (event.account, event.asset), event.credit_line_atoms
        entries = credit_line_entries(event, previous_atoms=self.lines.get(key, 0))
        self._add(event.number, event.time_ns, entries)
        self.lines[key] = line
        _, widest, _ = self.limits.get(key, (0, 0, 0))
        self.limits[key] = line, max(line, widest), event.position_max_atoms
        if line:
            self.credited.setdefault(event.account, event.number)

    def asset_created(self, data: bytes, offset: int) -> None:
        """Add an AssetCreated record."""
        self.assets.append(_row(AssetCreated.unpack(data, offset), _ASSET))

    def firm_created(self, data: bytes, offset: int) -> None:
        """Add a FirmCreated record."""
        self.firms.append(_row(FirmCreated.unpack(data, offset), _FIRM))

    def account_created(self, data: bytes, offset: int) -> None:
        """Add an AccountCreated record."""
        self.accounts.append(_row(AccountCreated.unpack(data, offset), _ACCOUNT))

    def instrument_created(self, data: bytes, offset: int) -> None:
        """Add an InstrumentCreated record: from here on its trades can be booked."""
        event = InstrumentCreated.unpack(data, offset)
        self.markets[event.instrument] = Market(event.base_asset, event.quote_asset)
        self.instruments.append(_row(event, _INSTRUMENT))


_ASSET = ("asset", "symbol", "scale", "supply_max_atoms", "number")
_FIRM = ("firm", "name", "number")
_ACCOUNT = ("account", "firm", "owner_group", "account_kind", "name", "number")
_INSTRUMENT = (
    "instrument",
    "symbol",
    "base_asset",
    "quote_asset",
    "lot_atoms",
    "tick_lot_atoms",
    "tick_units",
    "lot_units",
    "price_decimals",
    "quantity_decimals",
    "number",
)

DEFINITION_COLUMNS = {
    "assets": (*_ASSET[:-1], "event_number"),
    "firms": (*_FIRM[:-1], "event_number"),
    "accounts": (*_ACCOUNT[:-1], "event_number"),
    "instruments": (*_INSTRUMENT[:-1], "event_number"),
}


def _row(event: Record, names: tuple[str, ...]) -> tuple[int | str, ...]:
    values = (getattr(event, name) for name in names)
    return tuple(stored_text(value) if isinstance(value, bytes) else value for value in values)
