"""Events: what became true, in the past tense, numbered 1, 2, 3, … without gaps.

An event's ``number`` is the only position a consumer keeps. Units are those of the commands.
Events carry state after the fact (leaves, balances, holds), so that a consumer needs no history
to read one.
"""

import struct
from typing import Annotated, NamedTuple

from messages.layout import (
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    ClientId,
    Name,
    Note,
    Record,
    Symbol,
    Vocabulary,
)

EVENTS = Vocabulary("events")

OUTCOMES_PER_EVENT = 8

Outcomes = Annotated[bytes, "384s"]
"""So many QuoteOutcomes, 48 bytes each; zeros behind the last."""

LAST_OF_COMMAND = 1
"""Set in ``flags`` on the last event of a command: a consumer may commit here."""


class QuoteOutcome(NamedTuple):
    """What became of one entry of a mass quote.

    ``code`` is zero when it was accepted; the sides that a refused one gave stand no more.
    ``stands`` is which sides stand now, as QuoteFlags.
    """

    entry_id: bytes
    instrument: int
    protection_group: int
    code: int
    stands: int
    limit: int
    usage: int

    def pack(self) -> bytes:
        """Return its 48 bytes; of an id that is too long, the beginning."""
        return _OUTCOME.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> list["QuoteOutcome"]:
        """Read the outcomes that stand one behind the other."""
        return [cls._make(fields) for fields in _OUTCOME.iter_unpack(data)]


_OUTCOME = struct.Struct("<16sIIHB5xqq")


class Event(Record, frozen=True, gc=False):
    """What every event carries: its number, and the sequence, stamp and receipt of its command."""

    length: U16
    kind: U16
    version: U8
    flags: U8
    reserved: U16
    number: U64
    sequence: U64
    time_ns: I64
    received_at_ns: I64


class OrderEvent(Event, frozen=True, gc=False):
    """An order's whole public state after the event.

    ``session`` and ``connection`` are where the order came from. ``filled_value`` is the sum of
    ticks x lots over its trades, so the average price is ``filled_value / filled_lots``.
    ``price_ticks`` of a market order is its protection price. ``held_atoms`` is what the order
    still ties up: quote atoms for a buy, base atoms for a sell. ``cash_atoms`` is the amount of a
    cash-quantity order, whose ``quantity_lots`` is the most that it could trade. ``trader`` is
    who sent it, a number of the client's own; ``spare_order`` is zero.
    """

    account: U32
    session: U32
    connection: U32
    instrument: U32
    order_id: U64
    side: U8
    order_type: U8
    time_in_force: U8
    status: U8
    self_trade_prevention: U8
    order_flags: U8
    reason: U16
    price_ticks: I64
    quantity_lots: I64
    leaves_lots: I64
    filled_lots: I64
    filled_value: I64
    stop_price_ticks: I64
    display_lots: I64
    minimum_lots: I64
    expire_at_ns: I64
    held_atoms: I64
    cash_atoms: I64
    trader: U32
    spare_order: U32
    client_order_id: ClientId


@EVENTS.record(1)
class OrderAccepted(OrderEvent, frozen=True, gc=False):
    """An order passed risk and entered its book, or waits for its stop price."""


@EVENTS.record(2)
class OrderRejected(Event, frozen=True, gc=False):
    """A new order was refused; nothing else changed. ``limit`` and ``usage`` explain ``code``."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    side: U8
    order_type: U8
    time_in_force: U8
    self_trade_prevention: U8
    order_flags: U8
    spare_1: U8
    code: U16
    price_ticks: I64
    quantity_lots: I64
    stop_price_ticks: I64
    cash_atoms: I64
    limit: I64
    usage: I64
    trader: U32
    spare_2: U32
    client_order_id: ClientId


@EVENTS.record(3)
class OrderCancelled(OrderEvent, frozen=True, gc=False):
    """An order left its book; ``reason`` is a CancelReason, the origin who asked, if anyone.

    Where self-trade prevention did it: the other order of its owner group, and what the two would
    have traded at which price.
    """

    origin_session: U32
    origin_connection: U32
    request_client_order_id: ClientId
    counter_order_id: U64
    prevented_lots: I64
    prevented_price_ticks: I64


@EVENTS.record(4)
class OrderExpired(OrderEvent, frozen=True, gc=False):
    """An order's time ended, or an immediate order found nothing more; ``reason`` says which."""


@EVENTS.record(5)
class OrderAmended(OrderEvent, frozen=True, gc=False):
    """An order has new terms; ``client_order_id`` is the new one, ``kept_priority`` 1 or 0."""

    origin_session: U32
    origin_connection: U32
    kept_priority: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    previous_client_order_id: ClientId


class RequestRejected(Event, frozen=True, gc=False):
    """What a refused cancel, amend or query carries; ``order_id`` and ``status`` when known."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    order_id: U64
    side: U8
    status: U8
    code: U16
    spare_1: U32
    limit: I64
    usage: I64
    client_order_id: ClientId
    original_client_order_id: ClientId


@EVENTS.record(6)
class AmendRejected(RequestRejected, frozen=True, gc=False):
    """An amend was refused; the order stands as it was."""


@EVENTS.record(7)
class CancelRejected(RequestRejected, frozen=True, gc=False):
    """A cancel was refused."""


@EVENTS.record(8)
class OrderTriggered(OrderEvent, frozen=True, gc=False):
    """A stop's price was reached: it acts now as a market or limit order."""


@EVENTS.record(9)
class OrderRestated(OrderEvent, frozen=True, gc=False):
    """The venue itself changed an open order; ``reason`` is a CancelReason.

    The counter order and what was prevented are those of OrderCancelled.
    """

    counter_order_id: U64
    prevented_lots: I64
    prevented_price_ticks: I64


@EVENTS.record(10)
class TradeExecuted(Event, frozen=True, gc=False):
    """Two orders traded: the resting one (maker) and the incoming one (taker).

    In an uncross (``is_auction``) the maker is the earlier order. A trade that a request for quote
    led to (``is_negotiated``) passed by the book: neither order was ever in it. Fees are in quote
    atoms, negative for a rebate, at the rate ``*_fee_ppm``; balances are the accounts' whole
    balances after the trade. ``taker_cash_atoms`` is the amount of a cash-quantity order; such an
    order never rests, so it is never the maker.
    """

    instrument: U32
    taker_side: U8
    is_auction: U8
    is_negotiated: U16
    trade_id: U64
    price_ticks: I64
    quantity_lots: I64
    notional_atoms: I64
    base_atoms: I64
    maker_order_id: U64
    maker_account: U32
    maker_session: U32
    maker_connection: U32
    maker_order_type: U8
    maker_time_in_force: U8
    maker_status: U8
    maker_order_flags: U8
    maker_trader: U32
    maker_fee_ppm: I32
    maker_price_ticks: I64
    maker_stop_price_ticks: I64
    maker_quantity_lots: I64
    maker_leaves_lots: I64
    maker_filled_lots: I64
    maker_filled_value: I64
    maker_fee_atoms: I64
    maker_held_atoms: I64
    maker_base_balance: I64
    maker_quote_balance: I64
    maker_client_order_id: ClientId
    taker_order_id: U64
    taker_account: U32
    taker_session: U32
    taker_connection: U32
    taker_order_type: U8
    taker_time_in_force: U8
    taker_status: U8
    taker_order_flags: U8
    taker_trader: U32
    taker_fee_ppm: I32
    taker_price_ticks: I64
    taker_stop_price_ticks: I64
    taker_quantity_lots: I64
    taker_leaves_lots: I64
    taker_filled_lots: I64
    taker_filled_value: I64
    taker_fee_atoms: I64
    taker_held_atoms: I64
    taker_base_balance: I64
    taker_quote_balance: I64
    taker_client_order_id: ClientId
    taker_cash_atoms: I64


@EVENTS.record(11)
class BookLevelChanged(Event, frozen=True, gc=False):
    """A price level's displayed quantity after a command; zero means the level is gone.

    ``book_sequence`` counts the level changes of one instrument without gaps.
    """

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    book_sequence: U64
    price_ticks: I64
    quantity_lots: I64
    orders: U32
    spare_3: U32


@EVENTS.record(12)
class OrderReported(OrderEvent, frozen=True, gc=False):
    """The answer to a query: where the order stands."""

    origin_session: U32
    origin_connection: U32
    request_id: ClientId


@EVENTS.record(13)
class QueryRejected(RequestRejected, frozen=True, gc=False):
    """A query named no order of the account; ``original_client_order_id`` is the request id."""


@EVENTS.record(14)
class MassCancelled(Event, frozen=True, gc=False):
    """A mass cancel is done; one OrderCancelled per order came before it."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    scope: U8
    side: U8
    spare_1: U16
    cancelled: U32
    client_order_id: ClientId


@EVENTS.record(15)
class MassCancelRejected(Event, frozen=True, gc=False):
    """A mass cancel was refused."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    scope: U8
    side: U8
    code: U16
    spare_1: U32
    limit: I64
    usage: I64
    client_order_id: ClientId


@EVENTS.record(16)
class RefusalRecorded(Event, frozen=True, gc=False):
    """A gateway refused a request; the fields are those of the RecordRefusal command."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    refused_kind: U16
    code: U16
    side: U8
    order_type: U8
    time_in_force: U8
    spare_1: U8
    order_id: U64
    client_order_id: ClientId
    original_client_order_id: ClientId
    text: Note


@EVENTS.record(17)
class SessionOpened(Event, frozen=True, gc=False):
    """A session has a live connection."""

    session: U32
    connection: U32


@EVENTS.record(18)
class SessionClosed(Event, frozen=True, gc=False):
    """A session's connection is fenced off; ``cancelled`` orders went with it so far."""

    session: U32
    connection: U32
    graceful: U8
    spare_1: U8
    spare_2: U16
    cancelled: U32


@EVENTS.record(19)
class SessionFenced(Event, frozen=True, gc=False):
    """What a lost connection leaves behind; told behind SessionClosed, and when a grace ran out.

    ``cancelled`` orders went with this command, by the terms ``cancel_on_disconnect``; the others
    rest. ``grace_until_ns`` is when they go unless the session comes back, zero when that is
    settled. (``epoch``, ``last_source_sequence``) is the last request of the session that was
    sequenced, zero if there was none.
    """

    session: U32
    connection: U32
    cancel_on_disconnect: U8
    spare_1: U8
    spare_2: U16
    cancelled: U32
    epoch: U32
    spare_3: U32
    last_source_sequence: U64
    grace_until_ns: I64


@EVENTS.record(70)
class OrderChecked(Event, frozen=True, gc=False):
    """A dry run was decided as the order itself would have been; nothing changed.

    ``code`` zero is approved, any other the refusal, with its ``limit`` and ``usage``. The rest is
    what an approved order would meet, each bound with what would be used of it, this order
    included: ``price_ticks`` is its limit or protection price, ``quantity_lots`` the most that it
    could trade, ``collar_ticks`` the last price that the collar allows its side. Zero is no bound.
    """

    account: U32
    session: U32
    connection: U32
    instrument: U32
    side: U8
    order_type: U8
    time_in_force: U8
    order_flags: U8
    code: U16
    spare_1: U16
    price_ticks: I64
    quantity_lots: I64
    limit: I64
    usage: I64
    available_atoms: I64
    needed_atoms: I64
    position_max_atoms: I64
    position_atoms: I64
    notional_min_atoms: I64
    notional_max_atoms: I64
    notional_atoms: I64
    collar_ticks: I64
    open_orders_max: U32
    open_orders: U32
    book_orders_max: U32
    book_orders: U32
    message_burst: U32
    messages: U32
    client_order_id: ClientId


class MassActionEvent(Event, frozen=True, gc=False):
    """What the events of a mass action carry: the request, and how much it ``affected``.

    That is orders cancelled, or suspensions put or lifted; zero until it is completed.
    """

    account: U32
    session: U32
    connection: U32
    instrument: U32
    action: U8
    scope: U8
    side: U8
    spare_1: U8
    affected: U32
    client_order_id: ClientId


@EVENTS.record(71)
class MassActionAccepted(MassActionEvent, frozen=True, gc=False):
    """A mass action will be done now; what it does comes before MassActionCompleted."""


@EVENTS.record(72)
class MassActionCompleted(MassActionEvent, frozen=True, gc=False):
    """A mass action is done."""


@EVENTS.record(73)
class MassActionRejected(MassActionEvent, frozen=True, gc=False):
    """A mass action was refused; nothing changed."""

    code: U16
    spare_2: U16
    spare_3: U32
    limit: I64
    usage: I64


@EVENTS.record(74)
class OrderListed(OrderEvent, frozen=True, gc=False):
    """An answer to QueryOrders: where the order in ``place`` 1 to ``count`` of it stands.

    ``remaining`` are the orders in the scope that come after this answer.
    """

    origin_session: U32
    origin_connection: U32
    place: U32
    count: U32
    remaining: U32
    spare_1: U32
    request_id: ClientId


@EVENTS.record(75)
class OrdersQueryRejected(Event, frozen=True, gc=False):
    """No order is in the scope of a QueryOrders (ORDER_UNKNOWN), or it was refused."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    scope: U8
    side: U8
    code: U16
    spare_1: U32
    limit: I64
    usage: I64
    request_id: ClientId


@EVENTS.record(20)
class BalanceChanged(Event, frozen=True, gc=False):
    """Money moved outside a trade; ``cause`` is a BalanceCause.

    ``change_atoms`` is what was added to the balance, ``held_atoms`` all that is held after.
    """

    account: U32
    asset: U32
    cause: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    amount_atoms: I64
    change_atoms: I64
    balance_atoms: I64
    held_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@EVENTS.record(21)
class CommandRejected(Event, frozen=True, gc=False):
    """A money, definition or operator command was refused; nothing changed.

    ``subject`` is the id it was about (asset, instrument, account, …), ``refused_kind`` its kind.
    """

    account: U32
    session: U32
    refused_kind: U16
    code: U16
    subject: U32
    source: U32
    spare_1: U32
    source_sequence: U64
    limit: I64
    usage: I64
    reference: ClientId


@EVENTS.record(30)
class AssetCreated(Event, frozen=True, gc=False):
    """An asset exists."""

    asset: U32
    scale: U8
    spare_1: U8
    spare_2: U16
    supply_max_atoms: I64
    symbol: Symbol


@EVENTS.record(31)
class InstrumentCreated(Event, frozen=True, gc=False):
    """An instrument exists; units as in CreateInstrument."""

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


@EVENTS.record(32)
class FirmCreated(Event, frozen=True, gc=False):
    """A firm exists."""

    firm: U32
    spare_1: U32
    name: Name


@EVENTS.record(33)
class AccountCreated(Event, frozen=True, gc=False):
    """An account exists."""

    account: U32
    firm: U32
    owner_group: U32
    account_kind: U8
    self_trade_prevention: U8
    spare_1: U16
    name: Name


@EVENTS.record(34)
class AccountLimitsSet(Event, frozen=True, gc=False):
    """An account has these limits."""

    account: U32
    open_orders_max: U32
    message_burst: U32
    spare_1: U32
    message_interval_ns: I64
    operator: U32
    approver: U32


@EVENTS.record(35)
class AssetLimitsSet(Event, frozen=True, gc=False):
    """An account has this credit line and largest position in an asset."""

    account: U32
    asset: U32
    credit_line_atoms: I64
    position_max_atoms: I64
    operator: U32
    approver: U32


@EVENTS.record(36)
class FeeScheduleDefined(Event, frozen=True, gc=False):
    """A pair of fee rates has a number."""

    fee_schedule: U32
    maker_ppm: I32
    taker_ppm: I32
    operator: U32
    approver: U32
    spare_1: U32


@EVENTS.record(37)
class FeeScheduleAssigned(Event, frozen=True, gc=False):
    """Later orders of an account use a schedule; instrument zero means all."""

    account: U32
    instrument: U32
    fee_schedule: U32
    operator: U32
    approver: U32
    spare_1: U32


@EVENTS.record(38)
class SessionGranted(Event, frozen=True, gc=False):
    """A session has these rights on an account."""

    account: U32
    session: U32
    rights: U8
    cancel_on_disconnect: U8
    spare_1: U16
    firm: U32
    disconnect_grace_ns: I64
    operator: U32
    approver: U32
    name: Name


@EVENTS.record(39)
class InstrumentLimitsSet(Event, frozen=True, gc=False):
    """An instrument has these bounds, as in SetInstrumentLimits."""

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
    operator: U32
    approver: U32


@EVENTS.record(40)
class VenueConfigured(Event, frozen=True, gc=False):
    """The engine has these bounds, as in ConfigureVenue."""

    client_ids_max: U32
    references_max: U32
    open_orders_max: U32
    accounts_max: U32
    instruments_max: U32
    sessions_max: U32
    client_id_window_ns: I64
    indicative_interval_ns: I64
    day_offset_ns: I64
    operator: U32
    approver: U32


@EVENTS.record(41)
class PhaseChanged(Event, frozen=True, gc=False):
    """An instrument is in ``phase``, until ``until_ns`` if that is not zero."""

    instrument: U32
    phase: U8
    previous_phase: U8
    reason: U8
    spare_1: U8
    until_ns: I64
    operator: U32
    approver: U32


@EVENTS.record(42)
class Killed(Event, frozen=True, gc=False):
    """No new orders of ``target`` in ``scope``; ``cancelled`` open ones went before this event."""

    scope: U8
    spare_1: U8
    spare_2: U16
    target: U32
    cancelled: U32
    operator: U32
    approver: U32
    spare_3: U32
    text: Note


@EVENTS.record(43)
class Resumed(Event, frozen=True, gc=False):
    """The kill switch of ``target`` in ``scope`` is lifted."""

    scope: U8
    spare_1: U8
    spare_2: U16
    target: U32
    operator: U32
    approver: U32
    text: Note


@EVENTS.record(44)
class IndicativePriceChanged(Event, frozen=True, gc=False):
    """Where the auction would uncross now; all zero when nothing would trade.

    ``surplus_lots`` is what would stay unmatched at that price: positive on the buy side.
    """

    instrument: U32
    spare_1: U32
    price_ticks: I64
    volume_lots: I64
    surplus_lots: I64


@EVENTS.record(45)
class AuctionUncrossed(Event, frozen=True, gc=False):
    """A call auction ended: ``volume_lots`` traded at ``price_ticks``, or nothing at zero."""

    instrument: U32
    trades: U32
    price_ticks: I64
    volume_lots: I64


@EVENTS.record(46)
class RulesActivated(Event, frozen=True, gc=False):
    """Matching and risk run by rule set ``rules``."""

    rules: U32
    spare_1: U32


class QuoteRequestState(Event, frozen=True, gc=False):
    """A request for quote after the event; ``quotes`` of them stand.

    ``session`` and ``connection`` are where it came from. Makers are told nothing of who asks.
    """

    account: U32
    session: U32
    connection: U32
    instrument: U32
    request_id: U64
    side: U8
    reason: U8
    quotes: U16
    trader: U32
    quantity_lots: I64
    expires_at_ns: I64
    client_request_id: ClientId


@EVENTS.record(60)
class QuoteRequested(QuoteRequestState, frozen=True, gc=False):
    """A request for quote is open: the entitled market makers may answer it."""


@EVENTS.record(61)
class QuoteRequestRejected(Event, frozen=True, gc=False):
    """A request for quote was refused; nothing changed but the throttle."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    side: U8
    spare_1: U8
    code: U16
    trader: U32
    quantity_lots: I64
    expire_at_ns: I64
    limit: I64
    usage: I64
    client_request_id: ClientId


@EVENTS.record(62)
class QuoteRequestEnded(QuoteRequestState, frozen=True, gc=False):
    """A request is over, and every quote with it; ``reason`` is an RfqEnd."""


class RfqQuoteState(Event, frozen=True, gc=False):
    """A firm quote after the event, and whom it answers.

    ``account``, ``session`` and ``connection`` are the maker's; ``held_atoms`` of the bid are
    quote atoms, of the ask base atoms. Neither side is told who the other is.
    """

    account: U32
    session: U32
    connection: U32
    instrument: U32
    quote_id: U64
    request_id: U64
    requester_account: U32
    requester_session: U32
    requester_connection: U32
    request_side: U8
    reason: U8
    spare_1: U16
    trader: U32
    spare_2: U32
    bid_price_ticks: I64
    ask_price_ticks: I64
    quantity_lots: I64
    expires_at_ns: I64
    bid_held_atoms: I64
    ask_held_atoms: I64
    client_quote_id: ClientId
    client_request_id: ClientId


@EVENTS.record(63)
class RfqQuoteGiven(RfqQuoteState, frozen=True, gc=False):
    """A quote stands, firm, with the maker's funds held for it."""


@EVENTS.record(64)
class RfqQuoteRejected(Event, frozen=True, gc=False):
    """A quote was refused; an earlier one of the account stands as it was."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    request_id: U64
    code: U16
    spare_1: U16
    trader: U32
    bid_price_ticks: I64
    ask_price_ticks: I64
    quantity_lots: I64
    expire_at_ns: I64
    limit: I64
    usage: I64
    client_quote_id: ClientId


@EVENTS.record(65)
class RfqQuoteEnded(RfqQuoteState, frozen=True, gc=False):
    """A quote no longer stands and holds nothing; ``reason`` is an RfqEnd."""


@EVENTS.record(66)
class RfqRefused(Event, frozen=True, gc=False):
    """A WithdrawRfq or QueryRfq (``refused_kind``) was refused."""

    account: U32
    session: U32
    connection: U32
    refused_kind: U16
    code: U16
    request_id: U64
    quote_id: U64
    subject: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    limit: I64
    usage: I64
    client_id: ClientId
    client_request_id: ClientId


@EVENTS.record(67)
class QuoteRequestReported(QuoteRequestState, frozen=True, gc=False):
    """The answer to a query: a request that is open, the account's own or one it may answer."""

    origin_account: U32
    origin_session: U32
    origin_connection: U32
    spare_1: U32
    status_request_id: ClientId


@EVENTS.record(68)
class RfqQuoteReported(RfqQuoteState, frozen=True, gc=False):
    """The answer to a query: a quote that stands, the account's own or one for its request."""

    origin_account: U32
    origin_session: U32
    origin_connection: U32
    spare_3: U32
    status_request_id: ClientId


@EVENTS.record(69)
class RfqAnswered(Event, frozen=True, gc=False):
    """A WithdrawRfq or QueryRfq (``answered_kind``) is done; so much went, or was reported."""

    account: U32
    session: U32
    connection: U32
    answered_kind: U16
    subject: U8
    spare_1: U8
    requests: U32
    quotes: U32
    request_id: ClientId


class TradeChanged(Event, frozen=True, gc=False):
    """What a bust and a correction say: the trade's terms before and now, and both orders now.

    ``corrected_event`` is the number of the event that told the previous terms. Of a bust, the
    present terms and fees are zero. Balances are the accounts' whole balances afterwards.
    """

    instrument: U32
    taker_side: U8
    spare_1: U8
    spare_2: U16
    trade_id: U64
    corrected_event: U64
    previous_price_ticks: I64
    previous_quantity_lots: I64
    previous_notional_atoms: I64
    previous_base_atoms: I64
    price_ticks: I64
    quantity_lots: I64
    notional_atoms: I64
    base_atoms: I64
    maker_order_id: U64
    maker_account: U32
    maker_session: U32
    maker_connection: U32
    maker_trader: U32
    maker_order_type: U8
    maker_time_in_force: U8
    maker_status: U8
    maker_order_flags: U8
    maker_spare: U32
    maker_price_ticks: I64
    maker_stop_price_ticks: I64
    maker_quantity_lots: I64
    maker_leaves_lots: I64
    maker_filled_lots: I64
    maker_filled_value: I64
    maker_previous_fee_atoms: I64
    maker_fee_atoms: I64
    maker_held_atoms: I64
    maker_base_balance: I64
    maker_quote_balance: I64
    maker_client_order_id: ClientId
    taker_order_id: U64
    taker_account: U32
    taker_session: U32
    taker_connection: U32
    taker_trader: U32
    taker_order_type: U8
    taker_time_in_force: U8
    taker_status: U8
    taker_order_flags: U8
    taker_spare: U32
    taker_price_ticks: I64
    taker_stop_price_ticks: I64
    taker_quantity_lots: I64
    taker_leaves_lots: I64
    taker_filled_lots: I64
    taker_filled_value: I64
    taker_previous_fee_atoms: I64
    taker_fee_atoms: I64
    taker_held_atoms: I64
    taker_base_balance: I64
    taker_quote_balance: I64
    taker_client_order_id: ClientId
    operator: U32
    approver: U32
    reference: ClientId
    text: Note


@EVENTS.record(80)
class TradeBusted(TradeChanged, frozen=True, gc=False):
    """A trade is undone: its money went back, fees too, and its orders never filled it."""


@EVENTS.record(81)
class TradeCorrected(TradeChanged, frozen=True, gc=False):
    """A trade has other terms, from the beginning; its id stays."""


@EVENTS.record(82)
class FundsTransferred(Event, frozen=True, gc=False):
    """Free money moved between two accounts of one firm; balances are those afterwards."""

    account: U32
    to_account: U32
    asset: U32
    session: U32
    amount_atoms: I64
    balance_atoms: I64
    held_atoms: I64
    to_balance_atoms: I64
    to_held_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@EVENTS.record(83)
class ReceivableChanged(Event, frozen=True, gc=False):
    """The venue lent an account what a bust would have left it short of, or was paid back.

    ``change_atoms`` was added both to the balance and to what the account owes:
    ``receivable_atoms`` in all. Before the bust's own event, so that no balance is ever too low.
    """

    account: U32
    asset: U32
    change_atoms: I64
    receivable_atoms: I64
    balance_atoms: I64
    held_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@EVENTS.record(84)
class TradesKept(Event, frozen=True, gc=False):
    """The engine keeps the last ``trades_max`` trades for busts and corrections."""

    trades_max: U32
    spare_1: U32
    operator: U32
    approver: U32


@EVENTS.record(85)
class TradeDisputed(Event, frozen=True, gc=False):
    """A client does not know an execution; the fields are those of the DisputeTrade command."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    side: U8
    reason: U8
    spare_1: U16
    spare_2: U32
    order_id: U64
    event_number: U64
    price_ticks: I64
    quantity_lots: I64
    client_order_id: ClientId
    text: Note


@EVENTS.record(52)
class MassQuoteAcknowledged(Event, frozen=True, gc=False):
    """Entries of a mass quote are judged; what they trade comes after all of these events.

    ``outcomes`` are ``count`` QuoteOutcomes from place ``first`` on, at most eight: a longer
    message has several such events, one behind the other. With a ``code`` all of it was refused
    before any entry was looked at, which changed nothing.
    """

    account: U32
    session: U32
    connection: U32
    code: U16
    response: U8
    spare_1: U8
    entries: U16
    accepted: U16
    first: U16
    count: U16
    limit: I64
    usage: I64
    quote_id: ClientId
    outcomes: Outcomes


@EVENTS.record(53)
class QuotesCancelled(Event, frozen=True, gc=False):
    """A cancel of quotes is done; one OrderCancelled for each side came before it."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    protection_group: U32
    scope: U8
    spare_1: U8
    spare_2: U16
    cancelled: U32
    spare_3: U32
    entry_id: ClientId
    request_id: ClientId


@EVENTS.record(54)
class QuotingRejected(Event, frozen=True, gc=False):
    """A CancelQuotes, ResetProtection or QueryProtection (``refused_kind``) was refused."""

    account: U32
    session: U32
    connection: U32
    instrument: U32
    protection_group: U32
    refused_kind: U16
    code: U16
    scope: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    limit: I64
    usage: I64
    request_id: ClientId


@EVENTS.record(55)
class ProtectionDefined(Event, frozen=True, gc=False):
    """A protection group has these limits, and counts from nothing."""

    account: U32
    protection_group: U32
    base_asset: U32
    quote_asset: U32
    quantity_max_atoms: I64
    notional_max_atoms: I64
    delta_max_atoms: I64
    window_ns: I64
    frozen_ns: I64
    trades_max: U32
    operator: U32
    approver: U32
    spare_1: U32


@EVENTS.record(56)
class ProtectionTriggered(Event, frozen=True, gc=False):
    """A protection group reached a limit: its quotes went before this, and it is frozen.

    ``frozen_until_ns`` of zero is until it is reset. The session is the one whose quote traded.
    """

    account: U32
    session: U32
    connection: U32
    protection_group: U32
    reached: U8
    spare_1: U8
    spare_2: U16
    cancelled: U32
    limit: I64
    usage: I64
    frozen_until_ns: I64


@EVENTS.record(57)
class ProtectionReset(Event, frozen=True, gc=False):
    """A protection group counts from nothing and may quote; ``cause`` is a ThawCause."""

    account: U32
    session: U32
    connection: U32
    protection_group: U32
    cause: U8
    was_frozen: U8
    spare_1: U16
    spare_2: U32
    request_id: ClientId


@EVENTS.record(58)
class ProtectionReported(Event, frozen=True, gc=False):
    """Where a protection group stands; ``left`` more reports answer the same query."""

    account: U32
    session: U32
    connection: U32
    protection_group: U32
    base_asset: U32
    quote_asset: U32
    is_frozen: U8
    spare_1: U8
    left: U16
    trades: U32
    trades_max: U32
    spare_2: U32
    quantity_atoms: I64
    quantity_max_atoms: I64
    notional_atoms: I64
    notional_max_atoms: I64
    delta_atoms: I64
    delta_max_atoms: I64
    window_ns: I64
    frozen_until_ns: I64
    request_id: ClientId
