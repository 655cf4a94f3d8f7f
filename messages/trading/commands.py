"""Commands: everything that may change trading state, asked in the imperative.

Units: ``*_ticks`` instrument ticks, ``*_lots`` instrument lots, ``*_atoms`` smallest units of an
asset, ``*_ns`` nanoseconds since the Unix epoch (durations: nanoseconds), ``*_ppm`` millionths.
Zero in an optional field means "not given".

"""

import struct

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

COMMANDS = Vocabulary("commands")

_LENGTH_AND_GROUP = struct.Struct("<H4xH")
"""The first and the last field of a record's first eight bytes."""


class Command(Record, frozen=True, gc=False):
    """What every command carries.

    ``sequence`` and ``time_ns`` are the sequencer's and zero before it. ``received_at_ns`` is the
    gateway's clock on receipt and is information only. (``source``, ``epoch``,
    ``source_sequence``) identify the request for ever: a repeat is dropped. ``group_left`` counts
    the records of an atomic group that still follow: a group is one command, and all of its
    records carry the header's sequence, stamp, source, account, session and connection.
    """

    length: U16
    kind: U16
    version: U8
    flags: U8
    group_left: U16
    sequence: U64
    time_ns: I64
    received_at_ns: I64
    source: U32
    epoch: U32
    source_sequence: U64
    account: U32
    session: U32
    connection: U32
    reserved: U32


@COMMANDS.record(1)
class PlaceOrder(Command, frozen=True, gc=False):
    """Ask for a new order."""

    instrument: U32
    side: U8
    order_type: U8
    time_in_force: U8
    self_trade_prevention: U8
    order_flags: U32
    trader: U32
    price_ticks: I64
    quantity_lots: I64
    stop_price_ticks: I64
    display_lots: I64
    minimum_lots: I64
    expire_at_ns: I64
    cash_atoms: I64
    valid_until_ns: I64
    client_order_id: ClientId


@COMMANDS.record(2)
class CancelOrder(Command, frozen=True, gc=False):
    """Ask that an order leave the book; found by ``order_id`` or else by its client's id."""

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    order_id: U64
    client_order_id: ClientId
    original_client_order_id: ClientId


@COMMANDS.record(3)
class AmendOrder(Command, frozen=True, gc=False):
    """Ask for other terms of a resting order; zero keeps a term.

    ``quantity_lots`` is the whole quantity, filled part included.
    """

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    order_id: U64
    price_ticks: I64
    quantity_lots: I64
    stop_price_ticks: I64
    display_lots: I64
    expire_at_ns: I64
    valid_until_ns: I64
    client_order_id: ClientId
    original_client_order_id: ClientId


@COMMANDS.record(4)
class MassCancel(Command, frozen=True, gc=False):
    """Ask that all orders in a scope leave the book.

    ``scope`` SESSION, ACCOUNT or FIRM, of the asking session and account; a non-zero
    ``instrument`` or ``side`` narrows it.
    """

    scope: U8
    side: U8
    spare_1: U16
    instrument: U32
    client_order_id: ClientId


@COMMANDS.record(5)
class QueryOrder(Command, frozen=True, gc=False):
    """Ask where an order stands, in sequence with everything else."""

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    order_id: U64
    client_order_id: ClientId
    request_id: ClientId


@COMMANDS.record(6)
class RecordRefusal(Command, frozen=True, gc=False):
    """Put on record that a gateway refused an authenticated request, and why."""

    refused_kind: U16
    code: U16
    instrument: U32
    side: U8
    order_type: U8
    time_in_force: U8
    spare_1: U8
    spare_2: U32
    order_id: U64
    client_order_id: ClientId
    original_client_order_id: ClientId
    text: Note


@COMMANDS.record(7)
class OpenSession(Command, frozen=True, gc=False):
    """Say that a trading session has a live connection, numbered upwards per session."""


@COMMANDS.record(8)
class CloseSession(Command, frozen=True, gc=False):
    """Say that a connection is gone: it is fenced off, and its orders go as agreed."""

    graceful: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32


@COMMANDS.record(9)
class LinkLost(Command, frozen=True, gc=False):
    """Say that a gateway is gone: every open session of its sources is closed."""

    principal: U32
    spare_1: U32


@COMMANDS.record(15)
class RequestForQuote(Command, frozen=True, gc=False):
    """Ask the venue's market makers for firm quotes; without a ``side`` for both."""

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    quantity_lots: I64
    expire_at_ns: I64
    trader: U32
    spare_3: U32
    client_request_id: ClientId


@COMMANDS.record(16)
class GiveRfqQuote(Command, frozen=True, gc=False):
    """Answer request ``request_id`` with a firm quote for its whole quantity.

    It replaces the account's earlier one. A price of zero is a side that is not quoted; without
    ``expire_at_ns`` the quote stands as long as the request. An ``instrument``, if it is named,
    must be the request's.
    """

    request_id: U64
    bid_price_ticks: I64
    ask_price_ticks: I64
    quantity_lots: I64
    expire_at_ns: I64
    trader: U32
    instrument: U32
    client_quote_id: ClientId


@COMMANDS.record(17)
class AcceptRfqQuote(Command, frozen=True, gc=False):
    """Trade with a quote, at once: ``side`` is what the requester does. Zero checks nothing."""

    instrument: U32
    side: U8
    spare_1: U8
    spare_2: U16
    quote_id: U64
    price_ticks: I64
    quantity_lots: I64
    valid_until_ns: I64
    trader: U32
    spare_3: U32
    client_order_id: ClientId


@COMMANDS.record(18)
class WithdrawRfq(Command, frozen=True, gc=False):
    """Ask that requests or quotes end; ``subject`` is an RfqSubject, and which numbers name what.

    A non-zero ``instrument`` narrows what goes when none is named.
    """

    subject: U8
    spare_1: U8
    spare_2: U16
    instrument: U32
    request_id: U64
    quote_id: U64
    client_id: ClientId
    client_request_id: ClientId


@COMMANDS.record(19)
class QueryRfq(Command, frozen=True, gc=False):
    """Ask which requests and quotes an account may act on, in sequence with everything else."""

    request_id: U64
    quote_id: U64
    client_id: ClientId
    status_request_id: ClientId


@COMMANDS.record(10)
class EnterQuote(Command, frozen=True, gc=False):
    """One entry of a mass quote; it stands only in a group of kind MASS_QUOTE.

    ``entry_id`` names the maker's quote in an instrument, ``quote_id`` the message. A side that
    ``quote_flags`` gives takes the place of the standing one; without lots it only goes. A side
    that is not given stays as it is. ``response`` is a QuoteResponse, the same in all entries.
    An entry that could not be read has the flag UNREADABLE, and is refused by itself.
    """

    instrument: U32
    protection_group: U32
    quote_flags: U8
    self_trade_prevention: U8
    response: U8
    spare_1: U8
    trader: U32
    bid_price_ticks: I64
    bid_lots: I64
    ask_price_ticks: I64
    ask_lots: I64
    valid_until_ns: I64
    entry_id: ClientId
    quote_id: ClientId


@COMMANDS.record(11)
class CancelQuotes(Command, frozen=True, gc=False):
    """Ask that the header's account's quotes in a QuoteScope go."""

    instrument: U32
    protection_group: U32
    scope: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    entry_id: ClientId
    request_id: ClientId


@COMMANDS.record(12)
class DefineProtection(Command, frozen=True, gc=False):
    """Give the header's account's protection group its limits; zero means none.

    What trades of its quotes in ``window_ns`` reach a limit, all its quotes go, and it is frozen
    for ``frozen_ns``, or until it is reset for zero. Its assets never change.
    """

    protection_group: U32
    base_asset: U32
    quote_asset: U32
    trades_max: U32
    quantity_max_atoms: I64
    notional_max_atoms: I64
    delta_max_atoms: I64
    window_ns: I64
    frozen_ns: I64
    operator: U32
    approver: U32


@COMMANDS.record(13)
class ResetProtection(Command, frozen=True, gc=False):
    """Let a protection group count from nothing again, and quote again if it was frozen."""

    protection_group: U32
    spare_1: U32
    request_id: ClientId


@COMMANDS.record(14)
class QueryProtection(Command, frozen=True, gc=False):
    """Ask where a protection group stands; zero asks for all of the account."""

    protection_group: U32
    spare_1: U32
    request_id: ClientId


@COMMANDS.record(20)
class Credit(Command, frozen=True, gc=False):
    """Add money that arrived from outside the venue; ``reference`` is honoured once."""

    asset: U32
    spare_1: U32
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(21)
class Debit(Command, frozen=True, gc=False):
    """Take free money out of the venue at once; ``reference`` is honoured once."""

    asset: U32
    spare_1: U32
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(22)
class ReserveWithdrawal(Command, frozen=True, gc=False):
    """Hold free money for a withdrawal named ``reference``."""

    asset: U32
    spare_1: U32
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(23)
class CommitWithdrawal(Command, frozen=True, gc=False):
    """Say that a reserved withdrawal has left: its money is gone."""

    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(24)
class ReleaseWithdrawal(Command, frozen=True, gc=False):
    """Say that a reserved withdrawal will not happen: its money is free again."""

    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(25)
class TransferFunds(Command, frozen=True, gc=False):
    """Move free money from the header's account to another of its firm.

    Asked by a session that may trade for both, or by two operators; ``reference`` is honoured once.
    """

    asset: U32
    to_account: U32
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(26)
class OpenSessionOnTerms(Command, frozen=True, gc=False):
    """Say that a trading session has a live connection, whose end shall do as it chose.

    Until the next connection the terms stand in the place of those that were granted.
    """

    cancel_on_disconnect: U8
    spare_1: U8
    spare_2: U16
    spare_3: U32
    disconnect_grace_ns: I64


@COMMANDS.record(30)
class CreateAsset(Command, frozen=True, gc=False):
    """Define an asset. One unit is 10**``scale`` atoms, for ever."""

    asset: U32
    scale: U8
    spare_1: U8
    spare_2: U16
    supply_max_atoms: I64
    symbol: Symbol


@COMMANDS.record(31)
class CreateInstrument(Command, frozen=True, gc=False):
    """Define an instrument; it begins CLOSED.

    Notional in quote atoms is ticks x lots x ``tick_lot_atoms``. For people: a tick is
    ``tick_units`` x 10**-``price_decimals`` of the quote asset, a lot is ``lot_units`` x
    10**-``quantity_decimals`` of the base asset.
    """

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


@COMMANDS.record(32)
class CreateFirm(Command, frozen=True, gc=False):
    """Define a firm."""

    firm: U32
    spare_1: U32
    name: Name


@COMMANDS.record(33)
class CreateAccount(Command, frozen=True, gc=False):
    """Define the header's account; orders of one ``owner_group`` never trade with each other."""

    firm: U32
    owner_group: U32
    account_kind: U8
    self_trade_prevention: U8
    spare_1: U16
    spare_2: U32
    name: Name


@COMMANDS.record(34)
class SetAccountLimits(Command, frozen=True, gc=False):
    """Set the header's account's limits; zero means none, except ``open_orders_max``.

    The throttle admits ``message_burst`` messages at once and one more each
    ``message_interval_ns``.
    """

    open_orders_max: U32
    message_burst: U32
    message_interval_ns: I64
    operator: U32
    approver: U32


@COMMANDS.record(35)
class SetAssetLimits(Command, frozen=True, gc=False):
    """Set the header's account's credit line and largest position (zero: any) in an asset."""

    asset: U32
    spare_1: U32
    credit_line_atoms: I64
    position_max_atoms: I64
    operator: U32
    approver: U32


@COMMANDS.record(36)
class DefineFeeSchedule(Command, frozen=True, gc=False):
    """Define, once and for ever, a pair of fee rates; a negative maker rate is a rebate."""

    fee_schedule: U32
    maker_ppm: I32
    taker_ppm: I32
    operator: U32
    approver: U32
    spare_1: U32


@COMMANDS.record(37)
class AssignFeeSchedule(Command, frozen=True, gc=False):
    """Let later orders of the header's account use a schedule; instrument zero means all."""

    instrument: U32
    fee_schedule: U32
    operator: U32
    approver: U32


@COMMANDS.record(38)
class GrantSession(Command, frozen=True, gc=False):
    """Give the header's session rights on the header's account; rights zero takes them away."""

    rights: U8
    cancel_on_disconnect: U8
    spare_1: U16
    firm: U32
    disconnect_grace_ns: I64
    operator: U32
    approver: U32
    name: Name


@COMMANDS.record(39)
class SetInstrumentLimits(Command, frozen=True, gc=False):
    """Set an instrument's bounds.

    ``price_ticks_max`` x ``quantity_lots_max`` x the instrument's ``tick_lot_atoms`` stays below
    2**62, and so does ``quantity_lots_max`` x ``lot_atoms``: that is why no product in matching
    can overflow. ``collar_ppm`` bounds how far through the reference price an order may reach,
    ``protection_ppm`` how far a market order may; ``band_ppm`` (zero: none) is the move within
    ``band_window_ns`` that halts trading for ``halt_ns`` and then holds a call auction of
    ``auction_ns``. A non-zero ``reference_ticks`` replaces the reference price.
    """

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


@COMMANDS.record(40)
class ConfigureVenue(Command, frozen=True, gc=False):
    """Bound the engine's memory and times; must come first, may be repeated.

    ``client_id_window_ns`` is how long a client's id is remembered after its order is gone;
    ``client_ids_max`` how many are remembered together.
    """

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


@COMMANDS.record(41)
class ChangePhase(Command, frozen=True, gc=False):
    """Move an instrument to a phase; at ``until_ns``, if given, a call auction uncrosses."""

    instrument: U32
    phase: U8
    spare_1: U8
    spare_2: U16
    until_ns: I64
    operator: U32
    approver: U32


@COMMANDS.record(42)
class Kill(Command, frozen=True, gc=False):
    """Stop new orders of ``target`` in ``scope``, and cancel the open ones if asked."""

    scope: U8
    cancel_orders: U8
    spare_1: U16
    target: U32
    operator: U32
    approver: U32
    text: Note


@COMMANDS.record(43)
class Resume(Command, frozen=True, gc=False):
    """Lift the kill switch of ``target`` in ``scope``; wider switches stay."""

    scope: U8
    spare_1: U8
    spare_2: U16
    target: U32
    operator: U32
    approver: U32
    text: Note


class TradeCommand(Command, frozen=True, gc=False):
    """What a bust and a correction carry: the trade by its id, and its terms as they stand.

    The terms must be the ones that the engine kept, so that a mistyped id, or a correction in
    between, is found out. ``reference`` is honoured once.
    """

    trade_id: U64
    instrument: U32
    maker_account: U32
    taker_account: U32
    spare_1: U32
    price_ticks: I64
    quantity_lots: I64
    operator: U32
    approver: U32
    reference: ClientId
    text: Note


@COMMANDS.record(44)
class BustTrade(TradeCommand, frozen=True, gc=False):
    """Undo a trade: all of its money goes back, fees too."""


@COMMANDS.record(45)
class CorrectTrade(TradeCommand, frozen=True, gc=False):
    """Give a trade another price, or fewer lots, between the same orders."""

    new_price_ticks: I64
    new_quantity_lots: I64


@COMMANDS.record(46)
class ActivateRules(Command, frozen=True, gc=False):
    """Run matching and risk by rule set ``rules`` from here on."""

    rules: U32
    spare_1: U32
    operator: U32
    approver: U32


@COMMANDS.record(50)
class CheckOrder(PlaceOrder, frozen=True, gc=False):
    """Ask what would become of such an order now, without placing it."""


@COMMANDS.record(51)
class MassAction(Command, frozen=True, gc=False):
    """Ask that a scope be suspended, released, or its orders cancelled: ``action``.

    ``scope``, ``side`` and ``instrument`` are those of MassCancel.
    """

    action: U8
    scope: U8
    side: U8
    spare_1: U8
    instrument: U32
    client_order_id: ClientId


@COMMANDS.record(52)
class QueryOrders(Command, frozen=True, gc=False):
    """Ask where the open orders in a scope stand, those numbered above ``after_order_id``.

    ``scope``, ``side`` and ``instrument`` are those of MassCancel.
    """

    scope: U8
    side: U8
    spare_1: U16
    instrument: U32
    after_order_id: U64
    request_id: ClientId


@COMMANDS.record(48)
class GroupHeader(Command, frozen=True, gc=False):
    """Begin an atomic group of ``group_left`` records; ``group_kind`` is a GroupKind."""

    group_kind: U32
    spare_1: U32


@COMMANDS.record(49)
class AdvanceTime(Command, frozen=True, gc=False):
    """Do what falls due at this command's stamp: expiries, graces, phase ends."""


@COMMANDS.record(57)
class SettleReceivable(Command, frozen=True, gc=False):
    """Pay, from the free money of the header's account, what it owes the venue since a bust."""

    asset: U32
    spare_1: U32
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


@COMMANDS.record(58)
class KeepTrades(Command, frozen=True, gc=False):
    """Keep the last ``trades_max`` trades, so that they can be busted or corrected."""

    trades_max: U32
    spare_1: U32
    operator: U32
    approver: U32


@COMMANDS.record(59)
class DisputeTrade(Command, frozen=True, gc=False):
    """Put on record that a client does not know an execution; ``reason`` is a DisputeReason.

    The rest is what the client said of it.
    """

    instrument: U32
    side: U8
    reason: U8
    spare_1: U16
    order_id: U64
    event_number: U64
    price_ticks: I64
    quantity_lots: I64
    client_order_id: ClientId
    text: Note


@COMMANDS.record(60)
class AdjustBalance(Command, frozen=True, gc=False):
    """Give an account money of the venue's, or take some back: a reward, or an adjustment.

    ``cause`` is REWARD, ADJUSTMENT_CREDIT or ADJUSTMENT_DEBIT, a BalanceCause. Two operators stand
    behind it; ``reference`` is honoured once.
    """

    asset: U32
    cause: U8
    spare_1: U8
    spare_2: U16
    amount_atoms: I64
    operator: U32
    approver: U32
    reference: ClientId


GROUP_MEMBERS: frozenset[type[Record]] = frozenset({EnterQuote})
"""The commands that stand in groups, and nowhere else."""

GROUP_MEMBERS_MAX = 100
"""The most records that may follow a GroupHeader: a constant of rule set 1."""


def whole_command(commands: bytes | bytearray | memoryview, offset: int) -> int:
    """Return the length of the command at ``offset``: of all its records where it is a group."""
    at = offset
    while True:
        fields: tuple[int, int] = _LENGTH_AND_GROUP.unpack_from(commands, at)
        length, group_left = fields
        at += length
        if group_left == 0:
            return at - offset
