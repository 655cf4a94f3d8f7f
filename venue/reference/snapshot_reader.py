"""Reads a snapshot back into a state, or says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from messages.layout import MalformedRecordError, Record
from risk.decisions import InstrumentLimits, is_client_id
from venue.reference.accounts import Account, Asset, Firm, Withdrawal
from venue.reference.connections import RIGHTS_KNOWN
from venue.reference.deadlines import (
    INDICATIVE_PRICE,
    ORDER_EXPIRY,
    PHASE_END,
    SESSION_GRACE,
)
from venue.reference.definitions import decide_configuration, is_name
from venue.reference.instruments import Instrument, InstrumentDefinition
from venue.reference.orders import Order
from venue.reference.rfq_snapshot import read_quote_request, read_rfq_quote
from venue.reference.sessions import Session
from venue.reference.snapshot import write_snapshot
from venue.reference.snapshot_checks import (
    SnapshotMalformedError,
    are_limits_in_range,
    check_books,
    check_money,
    check_orders,
    is_account_in_range,
    is_amount,
    is_asset_in_range,
    is_balance_in_range,
    is_done_order_in_range,
    is_fee_schedule_in_range,
    is_instrument_in_range,
    is_market_in_range,
    is_open_order_in_range,
    is_order_in_range,
    is_session_in_range,
    is_venue_in_range,
    require,
)
from venue.reference.snapshot_corrections import (
    check_kept_trades,
    read_kept_trade,
    read_kept_trades,
    read_receivable,
)
from venue.reference.snapshot_quotes import read_fill, read_protection, read_quote
from venue.reference.state import Configuration, VenueState
from venue.reference.state_records import (
    STATE,
    AccountRecord,
    AssetRecord,
    AssignmentRecord,
    BalanceRecord,
    ClientIdRecord,
    ConfigurationRecord,
    EndRecord,
    FeeScheduleRecord,
    FirmRecord,
    GoneRecord,
    InstrumentRecord,
    KeptTradeRecord,
    KeptTradesRecord,
    LimitsRecord,
    MarketRecord,
    OrderRecord,
    ProtectionFillRecord,
    ProtectionRecord,
    QueueRecord,
    QuoteRecord,
    QuoteRequestRecord,
    ReceivableRecord,
    ReferenceRecord,
    RfqQuoteRecord,
    RightRecord,
    SessionRecord,
    SourceRecord,
    SuspensionRecord,
    VenueRecord,
    WithdrawalRecord,
)
from venue.reference.suspensions import decide_room
from venue.reference.values import ACCOUNT, BUY, QUOTE, SELL, SESSION


def read_snapshot(data: bytes) -> VenueState:
    """Build a state from a snapshot.

    Raises:
        SnapshotMalformedError: not the canonical bytes of any state.
    """
    venue = VenueState()
    try:
        records = list(STATE.unpack(data))
        for record in records:
            READERS[type(record)](venue, record)
    except MalformedRecordError as error:
        raise SnapshotMalformedError(str(error)) from error
    except KeyError as error:
        raise SnapshotMalformedError(f"refers to what it does not hold: {error}") from error
    require(bool(records) and isinstance(records[0], VenueRecord), "does not begin with the venue")
    require(isinstance(records[-1], EndRecord), "has no end")
    check_kept_trades(venue)
    check_orders(venue)
    check_books(venue)
    check_money(venue)
    for order in venue.client_ids.orders.values():
        if order.is_pending:
            order.instrument.stops.add(order)
    venue.late_stops = {number for number, each in venue.instruments.items() if each.has_late_stops}
    # Order, padding, counts and versions need no checks of their own: only canonical bytes are
    # written again as they were read.
    require(write_snapshot(venue) == data, "is not canonical")
    return venue


def _require_configured(venue: VenueState) -> None:
    require(venue.configuration is not None, "has definitions before its configuration")


def _name(venue: VenueState, kind: type[object], name: bytes, number: int) -> None:
    require((kind, name) not in venue.names, f"uses a name of number {number} twice")
    venue.names[kind, name] = number


def _read_venue(venue: VenueState, record: VenueRecord) -> None:
    require(is_venue_in_range(record), "has a venue out of range, or of other rules")
    venue.is_killed = record.mark == 1
    venue.last_sequence = record.last_sequence
    venue.last_time_ns = record.last_time_ns
    venue.events.number = record.last_event
    venue.last_order_id = record.last_order_id
    venue.last_trade_id = record.last_trade_id
    venue.last_arrival = record.last_arrival
    venue.rules = record.rules


def _read_configuration(venue: VenueState, record: ConfigurationRecord) -> None:
    require(decide_configuration(record) is None, "has a configuration out of range")
    venue.configuration = Configuration(
        **{name: getattr(record, name) for name in Configuration.__struct_fields__}
    )


def _read_source(venue: VenueState, record: SourceRecord) -> None:
    require(record.source != 0, "has a source without a number")
    venue.sources[record.source] = (record.epoch, record.source_sequence)


def _read_asset(venue: VenueState, record: AssetRecord) -> None:
    _require_configured(venue)
    require(is_asset_in_range(record), f"has asset {record.asset} out of range")
    asset = Asset(
        number=record.asset,
        scale=record.scale,
        supply_max_atoms=record.supply_max_atoms,
        symbol=record.symbol,
    )
    asset.supply_atoms = record.supply_atoms
    asset.fees_atoms = record.fees_atoms
    venue.assets[record.asset] = asset
    _name(venue, Asset, record.symbol, record.asset)


def _read_fee_schedule(venue: VenueState, record: FeeScheduleRecord) -> None:
    _require_configured(venue)
    number = record.fee_schedule
    require(is_fee_schedule_in_range(record), f"has fee schedule {number} out of range")
    venue.fee_schedules[record.fee_schedule] = (record.maker_ppm, record.taker_ppm)


def _read_firm(venue: VenueState, record: FirmRecord) -> None:
    _require_configured(venue)
    require(record.firm != 0 and is_name(record.name), f"has firm {record.firm} out of range")
    firm = venue.firms[record.firm] = Firm(number=record.firm, name=record.name)
    firm.is_killed = record.mark == 1
    _name(venue, Firm, record.name, record.firm)


def _read_instrument(venue: VenueState, record: InstrumentRecord) -> None:
    venue.assets[record.base_asset], venue.assets[record.quote_asset]  # known?
    venue.fee_schedules[record.fee_schedule]  # known?
    require(is_instrument_in_range(record), f"has instrument {record.instrument} out of range")
    instrument = Instrument(
        InstrumentDefinition(
            number=record.instrument,
            base_asset=record.base_asset,
            quote_asset=record.quote_asset,
            fee_schedule=record.fee_schedule,
            lot_atoms=record.lot_atoms,
            tick_lot_atoms=record.tick_lot_atoms,
            tick_units=record.tick_units,
            lot_units=record.lot_units,
            price_decimals=record.price_decimals,
            quantity_decimals=record.quantity_decimals,
            symbol=record.symbol,
        )
    )
    instrument.is_killed = record.mark == 1
    venue.instruments[record.instrument] = instrument
    _name(venue, Instrument, record.symbol, record.instrument)


def _read_limits(venue: VenueState, record: LimitsRecord) -> None:
    instrument = venue.instruments[record.instrument]
    instrument.limits = InstrumentLimits(
        **{name: getattr(record, name) for name in InstrumentLimits.__struct_fields__}
    )
    instrument.price_ceiling = record.price_ceiling
    instrument.quantity_ceiling = record.quantity_ceiling
    is_valid = are_limits_in_range(instrument)
    require(is_valid, f"has limits of instrument {record.instrument} out of order")


def _read_market(venue: VenueState, record: MarketRecord) -> None:
    instrument = venue.instruments[record.instrument]
    is_valid = is_market_in_range(record, instrument)
    require(is_valid, f"has a market of instrument {record.instrument} out of range")
    instrument.phase = record.mark
    instrument.phase_reason = record.phase_reason
    instrument.phase_until_ns = record.phase_until_ns
    instrument.last_ticks = record.last_ticks
    instrument.reference_ticks = record.reference_ticks
    instrument.band_ticks = record.band_ticks
    instrument.band_next_ticks = record.band_next_ticks
    instrument.band_window_at_ns = record.band_window_at_ns
    instrument.indicative = (
        record.indicative_ticks,
        record.indicative_volume_lots,
        record.indicative_surplus_lots,
    )
    instrument.indicative_at_ns = record.indicative_at_ns
    instrument.book.sequence = record.book_sequence
    if record.phase_until_ns:
        venue.deadlines.add(record.phase_until_ns, PHASE_END, record.instrument)
    if record.indicative_at_ns:
        venue.deadlines.add(record.indicative_at_ns, INDICATIVE_PRICE, record.instrument)


def _read_account(venue: VenueState, record: AccountRecord) -> None:
    require(is_account_in_range(record), f"has account {record.account} out of range")
    account = Account(
        number=record.account,
        firm=venue.firms[record.firm],
        owner_group=record.owner_group,
        kind=record.account_kind,
        self_trade_prevention=record.self_trade_prevention,
        name=record.name,
    )
    account.is_killed = record.mark == 1
    account.open_orders_max = record.open_orders_max
    account.message_burst = record.message_burst
    account.message_interval_ns = record.message_interval_ns
    account.next_free_ns = record.next_free_ns
    venue.accounts[record.account] = account
    _name(venue, Account, record.name, record.account)


def _read_balance(venue: VenueState, record: BalanceRecord) -> None:
    is_valid = is_balance_in_range(record)
    require(is_valid, f"has limits of account {record.account} out of range")
    balance = venue.accounts[record.account].balance(record.asset)
    balance.balance_atoms = record.balance_atoms
    balance.held_atoms = record.held_atoms
    balance.credit_line_atoms = record.credit_line_atoms
    balance.position_max_atoms = record.position_max_atoms
    asset = venue.assets[record.asset]
    asset.credit_lines_atoms += record.credit_line_atoms
    if balance.used_atoms > balance.credit_line_atoms:
        asset.overdrawn[record.account] = balance


def _read_assignment(venue: VenueState, record: AssignmentRecord) -> None:
    venue.fee_schedules[record.fee_schedule]  # known?
    if record.instrument:
        venue.instruments[record.instrument]  # known?
    schedules = venue.accounts[record.account].fee_schedules
    schedules[record.instrument] = record.fee_schedule


def _read_session(venue: VenueState, record: SessionRecord) -> None:
    require(is_session_in_range(record), f"has session {record.session} out of range")
    session = Session(number=record.session, firm=venue.firms[record.firm])
    session.is_killed = record.mark == 1
    session.cancel_on_disconnect = record.cancel_on_disconnect
    session.connection = record.connection
    session.last_connection = record.last_connection
    session.principal = record.principal
    session.disconnect_grace_ns = record.disconnect_grace_ns
    session.grace_until_ns = record.grace_until_ns
    if record.has_chosen:
        session.chosen = (record.chosen_cancel_on_disconnect, record.chosen_grace_ns)
    session.name = record.name
    venue.sessions[record.session] = session
    _name(venue, Session, record.name, record.session)
    if record.grace_until_ns:
        venue.deadlines.add(record.grace_until_ns, SESSION_GRACE, record.session)


def _read_right(venue: VenueState, record: RightRecord) -> None:
    account, session = venue.accounts[record.account], venue.sessions[record.session]
    is_valid = 1 <= record.rights <= RIGHTS_KNOWN and session.firm is account.firm
    require(is_valid, f"has rights of session {record.session} out of range")
    session.rights[account.number] = record.rights


def _read_reference(venue: VenueState, record: ReferenceRecord) -> None:
    require(is_client_id(record.reference), "has a reference out of range")
    venue.references[record.reference] = record.mark == 1


def _read_withdrawal(venue: VenueState, record: WithdrawalRecord) -> None:
    is_valid = venue.references[record.reference] and is_amount(record.amount_atoms)
    require(is_valid, "has a withdrawal that is none")
    venue.withdrawals[record.reference] = Withdrawal(
        account=venue.accounts[record.account],
        asset=venue.assets[record.asset].number,
        amount_atoms=record.amount_atoms,
    )


_COPIED: Final = (
    "order_id",
    "arrival",
    "session",
    "connection",
    "side",
    "order_type",
    "time_in_force",
    "self_trade_prevention",
    "order_flags",
    "reason",
    "trader",
    "maker_ppm",
    "taker_ppm",
    "fee_credit",
    "price_ticks",
    "quantity_lots",
    "leaves_lots",
    "shown_lots",
    "filled_lots",
    "filled_value",
    "stop_price_ticks",
    "display_lots",
    "minimum_lots",
    "expire_at_ns",
    "expires_at_ns",
    "held_atoms",
    "cash_atoms",
    "client_order_id",
)


def _read_order(venue: VenueState, record: OrderRecord) -> None:
    require(is_order_in_range(record, venue), f"has order {record.order_id} out of range")
    require(record.order_id not in venue.client_ids.orders, "has an order twice")
    order = Order()
    for name in _COPIED:
        setattr(order, name, getattr(record, name))
    order.status = record.mark
    order.account = account = venue.accounts[record.account]
    order.account_number = record.account
    order.instrument = instrument = venue.instruments[record.instrument]
    order.instrument_number = record.instrument
    order.base = account.balance(instrument.definition.base_asset)
    order.quote = account.balance(instrument.definition.quote_asset)
    order.client_ids = []
    order.quoted = None
    order.protection_group = order.last_trade_id = 0
    order.level = order.previous = order.next = None
    venue.client_ids.orders[record.order_id] = order
    is_valid = is_open_order_in_range(order) if order.is_open else is_done_order_in_range(order)
    require(is_valid, f"has order {record.order_id} out of range")
    if not order.is_open:
        return
    account.open_orders[order.order_id] = order
    instrument.open_orders += 1
    venue.open_orders += 1
    if order.side == BUY:
        order.base.buying_atoms += order.leaves_lots * instrument.lot_atoms
    if order.expires_at_ns:
        venue.deadlines.add(order.expires_at_ns, ORDER_EXPIRY, order.order_id)


def _read_client_id(venue: VenueState, record: ClientIdRecord) -> None:
    order = venue.client_ids.orders[record.order_id]
    require(is_client_id(record.client_order_id), "has a client id out of range")
    require(record.client_order_id not in order.account.client_ids, "has a client id twice")
    venue.client_ids.attach(order, record.client_order_id)


def _read_queue(venue: VenueState, record: QueueRecord) -> None:
    order = venue.client_ids.orders[record.order_id]
    require(order.is_open and not order.is_pending, "queues an order that does not rest")
    require(order.level is None, "queues an order twice")
    shown_lots = order.shown_lots
    order.instrument.book.side(order.side).append(order)
    level = order.level
    assert level is not None
    level.shown_lots += shown_lots - order.shown_lots
    order.shown_lots = shown_lots


def _read_gone(venue: VenueState, record: GoneRecord) -> None:
    gone = venue.client_ids.gone
    before_ns = gone[-1][0] if gone else 0
    is_in_order = before_ns <= record.gone_at_ns <= venue.last_time_ns
    require(is_in_order, "forgets in another order than things went")
    if record.order_id:
        order = venue.client_ids.orders[record.order_id]
        is_forgotten = not order.is_open and not order.order_flags & QUOTE
        require(is_forgotten, "forgets an open order, or a side of a quote")
        gone.append((record.gone_at_ns, order))
        return
    account = venue.accounts[record.account]
    require(is_client_id(record.client_order_id), "has a client id out of range")
    require(record.client_order_id not in account.client_ids, "has a client id twice")
    venue.client_ids.remember_mass_cancel(account, record.client_order_id, now_ns=record.gone_at_ns)


def _read_suspension(venue: VenueState, record: SuspensionRecord) -> None:
    is_known = (record.mark == ACCOUNT and record.target in venue.accounts) or (
        record.mark == SESSION and record.target in venue.sessions
    )
    is_valid = (
        is_known
        and (record.instrument == 0 or record.instrument in venue.instruments)
        and record.side <= SELL
    )
    require(is_valid, "has a suspension of what is not there")
    target, narrowed = (record.mark, record.target), (record.instrument, record.side)
    refused = decide_room(venue, [target], instrument=record.instrument, side=record.side)
    require(refused is None, "has too many suspensions")
    venue.suspensions.add((*target, *narrowed))


def _read_end(venue: VenueState, record: EndRecord) -> None:
    """Leave the count to the comparison at the end."""


READERS: Final[dict[type[Record], Callable[[VenueState, Any], None]]] = {
    VenueRecord: _read_venue,
    ConfigurationRecord: _read_configuration,
    SourceRecord: _read_source,
    AssetRecord: _read_asset,
    FeeScheduleRecord: _read_fee_schedule,
    FirmRecord: _read_firm,
    InstrumentRecord: _read_instrument,
    LimitsRecord: _read_limits,
    MarketRecord: _read_market,
    AccountRecord: _read_account,
    BalanceRecord: _read_balance,
    AssignmentRecord: _read_assignment,
    SessionRecord: _read_session,
    RightRecord: _read_right,
    ReferenceRecord: _read_reference,
    WithdrawalRecord: _read_withdrawal,
    ProtectionRecord: read_protection,
    ProtectionFillRecord: read_fill,
    OrderRecord: _read_order,
    QuoteRecord: read_quote,
    ClientIdRecord: _read_client_id,
    QueueRecord: _read_queue,
    GoneRecord: _read_gone,
    QuoteRequestRecord: read_quote_request,
    RfqQuoteRecord: read_rfq_quote,
    KeptTradesRecord: read_kept_trades,
    KeptTradeRecord: read_kept_trade,
    ReceivableRecord: read_receivable,
    SuspensionRecord: _read_suspension,
    EndRecord: _read_end,
}
