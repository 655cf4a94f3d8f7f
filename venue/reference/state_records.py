"""The records of a snapshot, in the order in which they stand in it.

Records of one kind are sorted by their first fields, unless their order means something, which is
then said. What can be derived (deadlines, level totals, counts) is not stored. Equal states give
equal bytes, in every engine.
"""

from messages.layout import I32, I64, U8, U16, U32, U64, ClientId, Name, Record, Symbol, Vocabulary

STATE = Vocabulary("state")


class StateRecord(Record, frozen=True, gc=False):
    """What every record of a snapshot begins with."""

    length: U16
    kind: U16
    version: U8
    mark: U8
    reserved: U16


@STATE.record(1)
class VenueRecord(StateRecord, frozen=True, gc=False):
    """The first record. ``mark`` is 1 when the venue's kill switch is thrown."""

    last_sequence: U64
    last_time_ns: I64
    last_event: U64
    last_order_id: U64
    last_trade_id: U64
    last_arrival: U64
    rules: U32
    spare_1: U32


@STATE.record(2)
class ConfigurationRecord(StateRecord, frozen=True, gc=False):
    """The venue's bounds; absent before it is configured."""

    client_ids_max: U32
    references_max: U32
    open_orders_max: U32
    accounts_max: U32
    instruments_max: U32
    sessions_max: U32
    client_id_window_ns: I64
    indicative_interval_ns: I64
    day_offset_ns: I64


@STATE.record(3)
class SourceRecord(StateRecord, frozen=True, gc=False):
    """Where a source stands."""

    source: U32
    epoch: U32
    source_sequence: U64


@STATE.record(4)
class AssetRecord(StateRecord, frozen=True, gc=False):
    """An asset."""

    asset: U32
    scale: U32
    supply_max_atoms: I64
    supply_atoms: I64
    fees_atoms: I64
    symbol: Symbol


@STATE.record(5)
class FeeScheduleRecord(StateRecord, frozen=True, gc=False):
    """A pair of fee rates."""

    fee_schedule: U32
    maker_ppm: I32
    taker_ppm: I32
    spare_1: U32


@STATE.record(6)
class FirmRecord(StateRecord, frozen=True, gc=False):
    """A firm. ``mark`` is 1 when its kill switch is thrown."""

    firm: U32
    spare_1: U32
    name: Name


@STATE.record(7)
class InstrumentRecord(StateRecord, frozen=True, gc=False):
    """An instrument's definition. ``mark`` is 1 when its kill switch is thrown."""

    instrument: U32
    base_asset: U32
    quote_asset: U32
    fee_schedule: U32
    lot_atoms: I64
    tick_lot_atoms: I64
    tick_units: I64
    lot_units: I64
    price_decimals: U8
    quantity_decimals: U8
    spare_1: U16
    spare_2: U32
    symbol: Symbol


@STATE.record(8)
class LimitsRecord(StateRecord, frozen=True, gc=False):
    """An instrument's limits; all zero before they are set."""

    instrument: U32
    orders_max: U32
    price_ticks_min: I64
    price_ticks_max: I64
    quantity_lots_min: I64
    quantity_lots_max: I64
    notional_min_atoms: I64
    notional_max_atoms: I64
    display_lots_min: I64
    reference_ticks: I64
    collar_ppm: U32
    protection_ppm: U32
    band_ppm: U32
    spare_1: U32
    band_window_ns: I64
    halt_ns: I64
    auction_ns: I64
    price_ceiling: I64
    quantity_ceiling: I64


@STATE.record(9)
class MarketRecord(StateRecord, frozen=True, gc=False):
    """How an instrument trades now. ``mark`` is its phase."""

    instrument: U32
    phase_reason: U32
    phase_until_ns: I64
    last_ticks: I64
    reference_ticks: I64
    band_ticks: I64
    band_next_ticks: I64
    band_window_at_ns: I64
    indicative_ticks: I64
    indicative_volume_lots: I64
    indicative_surplus_lots: I64
    indicative_at_ns: I64
    book_sequence: U64


@STATE.record(10)
class AccountRecord(StateRecord, frozen=True, gc=False):
    """An account. ``mark`` is 1 when its kill switch is thrown."""

    account: U32
    firm: U32
    owner_group: U32
    account_kind: U8
    self_trade_prevention: U8
    spare_1: U16
    open_orders_max: U32
    message_burst: U32
    message_interval_ns: I64
    next_free_ns: I64
    name: Name


@STATE.record(11)
class BalanceRecord(StateRecord, frozen=True, gc=False):
    """An account's balance in an asset, unless all of it is zero."""

    account: U32
    asset: U32
    balance_atoms: I64
    held_atoms: I64
    credit_line_atoms: I64
    position_max_atoms: I64


@STATE.record(12)
class AssignmentRecord(StateRecord, frozen=True, gc=False):
    """The fee schedule of an account's orders in an instrument, or in all others for zero."""

    account: U32
    instrument: U32
    fee_schedule: U32
    spare_1: U32


@STATE.record(13, version=2)
class SessionRecord(StateRecord, frozen=True, gc=False):
    """A session. ``mark`` is 1 when its kill switch is thrown.

    ``has_chosen`` is 1 while the terms of its last connection stand in the place of the granted.
    """

    session: U32
    firm: U32
    cancel_on_disconnect: U32
    connection: U32
    last_connection: U32
    principal: U32
    disconnect_grace_ns: I64
    grace_until_ns: I64
    has_chosen: U32
    chosen_cancel_on_disconnect: U32
    chosen_grace_ns: I64
    name: Name


@STATE.record(14)
class RightRecord(StateRecord, frozen=True, gc=False):
    """A session's rights on an account, unless it has none."""

    session: U32
    account: U32
    rights: U32
    spare_1: U32


@STATE.record(15)
class ReferenceRecord(StateRecord, frozen=True, gc=False):
    """A money reference ever honoured. ``mark`` is 1 when it named a withdrawal."""

    reference: ClientId


@STATE.record(16)
class WithdrawalRecord(StateRecord, frozen=True, gc=False):
    """An open withdrawal."""

    reference: ClientId
    account: U32
    asset: U32
    amount_atoms: I64


@STATE.record(17)
class OrderRecord(StateRecord, frozen=True, gc=False):
    """An order, open or remembered. ``mark`` is its status."""

    order_id: U64
    arrival: U64
    account: U32
    session: U32
    connection: U32
    instrument: U32
    side: U8
    order_type: U8
    time_in_force: U8
    self_trade_prevention: U8
    order_flags: U8
    reason: U8
    spare_1: U16
    trader: U32
    maker_ppm: I32
    taker_ppm: I32
    fee_credit: U32
    price_ticks: I64
    quantity_lots: I64
    leaves_lots: I64
    shown_lots: I64
    filled_lots: I64
    filled_value: I64
    stop_price_ticks: I64
    display_lots: I64
    minimum_lots: I64
    expire_at_ns: I64
    expires_at_ns: I64
    held_atoms: I64
    cash_atoms: I64
    client_order_id: ClientId


@STATE.record(18)
class ClientIdRecord(StateRecord, frozen=True, gc=False):
    """An id that names an order; those of one order stand in the order in which they came."""

    order_id: U64
    client_order_id: ClientId


@STATE.record(19)
class QueueRecord(StateRecord, frozen=True, gc=False):
    """A resting order, in queue order: by instrument; bids, best first, then asks; first first."""

    order_id: U64


@STATE.record(20)
class GoneRecord(StateRecord, frozen=True, gc=False):
    """What will be forgotten, in that order: a done order's ids, or a mass cancel's (order 0)."""

    gone_at_ns: I64
    order_id: U64
    account: U32
    spare_1: U32
    client_order_id: ClientId


@STATE.record(50)
class ProtectionRecord(StateRecord, frozen=True, gc=False):
    """A protection group. ``mark`` is 1 when it is frozen."""

    account: U32
    protection_group: U32
    base_asset: U32
    quote_asset: U32
    quantity_max_atoms: I64
    notional_max_atoms: I64
    delta_max_atoms: I64
    window_ns: I64
    frozen_ns: I64
    frozen_until_ns: I64
    trades_max: U32
    spare_1: U32


@STATE.record(51)
class ProtectionFillRecord(StateRecord, frozen=True, gc=False):
    """A trade that a protection group counts; in order of time within a group."""

    account: U32
    protection_group: U32
    at_ns: I64
    base_atoms: I64
    notional_atoms: I64


@STATE.record(52)
class QuoteRecord(StateRecord, frozen=True, gc=False):
    """One side of a quote: an open order, and the protection group that counts its trades."""

    order_id: U64
    protection_group: U32
    spare_1: U32


@STATE.record(60)
class QuoteRequestRecord(StateRecord, frozen=True, gc=False):
    """An open request for quote. ``mark`` is its side."""

    request_id: U64
    account: U32
    session: U32
    connection: U32
    instrument: U32
    quantity_lots: I64
    expires_at_ns: I64
    trader: U32
    spare_1: U32
    client_request_id: ClientId


@STATE.record(61)
class RfqQuoteRecord(StateRecord, frozen=True, gc=False):
    """A quote that stands."""

    quote_id: U64
    request_id: U64
    account: U32
    session: U32
    connection: U32
    trader: U32
    bid_price_ticks: I64
    ask_price_ticks: I64
    expires_at_ns: I64
    bid_held_atoms: I64
    ask_held_atoms: I64
    maker_ppm: I32
    taker_ppm: I32
    client_quote_id: ClientId


@STATE.record(70)
class SuspensionRecord(StateRecord, frozen=True, gc=False):
    """A client's own stop of new orders. ``mark`` is its scope: ACCOUNT or SESSION."""

    target: U32
    instrument: U32
    side: U32
    spare_1: U32


@STATE.record(80)
class KeptTradesRecord(StateRecord, frozen=True, gc=False):
    """How many trades are kept; absent when none are."""

    trades_max: U32
    spare_1: U32


@STATE.record(81)
class KeptTradeRecord(StateRecord, frozen=True, gc=False):
    """A trade that can be busted while its orders are remembered; without lots it was."""

    trade_id: U64
    event_number: U64
    maker_order_id: U64
    taker_order_id: U64
    price_ticks: I64
    quantity_lots: I64
    maker_fee_atoms: I64
    taker_fee_atoms: I64
    maker_ppm: I32
    taker_ppm: I32


@STATE.record(82)
class ReceivableRecord(StateRecord, frozen=True, gc=False):
    """What an account owes the venue of an asset, unless it is nothing."""

    account: U32
    asset: U32
    receivable_atoms: I64


@STATE.record(255)
class EndRecord(StateRecord, frozen=True, gc=False):
    """The last record, whatever kinds there will be; it counts the others."""

    records: U64
