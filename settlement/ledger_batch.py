"""A batch of events, made ready for the ledger's tables.

The fast twin of ``settlement.postings``: it reads only the fields it needs and makes rows, not
records. A property test compares the two on every kind of event.
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
from messages.trading.terms import Side
from settlement.chart import VENUE, EntryCause, LedgerAccountKind
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
from settlement.records import Handler, picker, stored_text

EntryRow = tuple[int, int, int, int, int, int, int, int]
TradeRow = tuple[int | str | bool, ...]

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

_TRADE = picker(
    TradeExecuted,
    (
        "number",
        "time_ns",
        "instrument",
        "taker_side",
        "is_auction",
        "trade_id",
        "price_ticks",
        "quantity_lots",
        "notional_atoms",
        "base_atoms",
        "maker_order_id",
        "maker_account",
        "maker_fee_atoms",
        "maker_client_order_id",
        "taker_order_id",
        "taker_account",
        "taker_fee_atoms",
        "taker_client_order_id",
    ),
)

# Plain numbers: an enum member costs more to look up and to encode than the whole row.
_FUNDS = int(LedgerAccountKind.FUNDS)
_FEE_INCOME = int(LedgerAccountKind.FEE_INCOME)
_REBATES = int(LedgerAccountKind.REBATES)
_BY_TRADE = int(EntryCause.TRADE)
_BY_FEE = int(EntryCause.FEE)
_BY_REBATE = int(EntryCause.REBATE)
_SELL = int(Side.SELL)


@dataclass
class LedgerBatch:
    """Rows for one transaction, in the order of their events.

    ``markets`` and ``lines`` outlive the batch: the instruments and credit lines so far, the
    latter by (account, asset).
    """

    markets: dict[int, Market]
    lines: dict[tuple[int, int], int] = field(default_factory=dict)
    entries: list[EntryRow] = field(default_factory=list)
    trades: list[TradeRow] = field(default_factory=list)
    corrections: list[TradeRow] = field(default_factory=list)
    assets: list[tuple[int | str, ...]] = field(default_factory=list)
    instruments: list[tuple[int | str, ...]] = field(default_factory=list)
    firms: list[tuple[int | str, ...]] = field(default_factory=list)
    accounts: list[tuple[int | str, ...]] = field(default_factory=list)
    # By (account, asset): the last line, the widest line of the batch, the last position limit.
    limits: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    # By account: the batch's first event that gives it credit. From there on it settles net.
    credited: dict[int, int] = field(default_factory=dict)

    def trade_executed(self, data: bytes, offset: int) -> None:
        """Add a TradeExecuted record: a trade and its entries."""
        (
            number, time_ns, instrument, taker_side, is_auction, trade_id, price_ticks,
            quantity_lots, notional, base_atoms, maker_order_id, maker, maker_fee, maker_client_id,
            taker_order_id, taker, taker_fee, taker_client_id,
        ) = _TRADE.unpack_from(data, offset)  # fmt: skip
        market = self.markets.get(instrument)
        if market is None:
            raise UnsettleableEventError(f"event {number}: unknown instrument {instrument}")
        base, quote = market
        self.trades.append(
            (
                number, trade_id, time_ns, instrument, price_ticks, quantity_lots, notional,
                base_atoms, taker_side, is_auction != 0,
                maker_order_id, maker, maker_fee, stored_text(maker_client_id),
                taker_order_id, taker, taker_fee, stored_text(taker_client_id),
            )
        )  # fmt: skip
        if taker_side == _SELL:
            to_maker, from_maker = base_atoms, notional
        else:
            to_maker, from_maker = -base_atoms, -notional
        add = self.entries.append
        add((number, 1, _FUNDS, _BY_TRADE, maker, base, to_maker, time_ns))
        add((number, 2, _FUNDS, _BY_TRADE, taker, base, -to_maker, time_ns))
        add((number, 3, _FUNDS, _BY_TRADE, maker, quote, -from_maker, time_ns))
        add((number, 4, _FUNDS, _BY_TRADE, taker, quote, from_maker, time_ns))
        paid = rebated = 0
        for leg, account, fee in ((5, maker, maker_fee), (6, taker, taker_fee)):
            if fee > 0:
                add((number, leg, _FUNDS, _BY_FEE, account, quote, -fee, time_ns))
                paid += fee
            elif fee:
                add((number, leg, _FUNDS, _BY_REBATE, account, quote, -fee, time_ns))
                rebated += fee
        if paid:
            add((number, 7, _FEE_INCOME, _BY_FEE, VENUE, quote, paid, time_ns))
        if rebated:
            add((number, 8, _REBATES, _BY_REBATE, VENUE, quote, rebated, time_ns))

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
