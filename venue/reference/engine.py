"""The reference engine: dispatches commands, one at a time, to the parts that act on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from messages.layout import RECORD_PREFIX, Record
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    GROUP_MEMBERS,
    GROUP_MEMBERS_MAX,
    AcceptRfqQuote,
    ActivateRules,
    AdjustBalance,
    AdvanceTime,
    AmendOrder,
    AssignFeeSchedule,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    ChangePhase,
    CheckOrder,
    CloseSession,
    Command,
    CommitWithdrawal,
    ConfigureVenue,
    CorrectTrade,
    CreateAccount,
    CreateAsset,
    CreateFirm,
    CreateInstrument,
    Credit,
    Debit,
    DefineFeeSchedule,
    DefineProtection,
    DisputeTrade,
    EnterQuote,
    GiveRfqQuote,
    GrantSession,
    GroupHeader,
    KeepTrades,
    Kill,
    LinkLost,
    MassAction,
    MassCancel,
    OpenSession,
    OpenSessionOnTerms,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
    QueryProtection,
    QueryRfq,
    RecordRefusal,
    ReleaseWithdrawal,
    RequestForQuote,
    ReserveWithdrawal,
    ResetProtection,
    Resume,
    SetAccountLimits,
    SetAssetLimits,
    SetInstrumentLimits,
    SettleReceivable,
    TransferFunds,
    WithdrawRfq,
)
from messages.trading.events import RulesActivated
from messages.trading.identity import principal_of
from messages.trading.terms import AMOUNT_LIMIT, GroupKind
from risk.decisions import Refused
from venue.reference import bounds
from venue.reference.amend import amend_order
from venue.reference.cancels import cancel, mass_cancel, query_order, record_refusal
from venue.reference.connections import (
    close_session,
    grant_session,
    lose_link,
    open_session,
    open_session_on_terms,
)
from venue.reference.corrections import bust_trade, correct_trade, keep_trades
from venue.reference.definitions import (
    assign_fee_schedule,
    configure_venue,
    create_account,
    create_asset,
    create_firm,
    create_instrument,
    define_fee_schedule,
)
from venue.reference.description import describe, describe_books, describe_open_orders
from venue.reference.disputes import dispute_trade
from venue.reference.dry_run import check_order, refuse_check
from venue.reference.entry import place_order
from venue.reference.event_writer import shape
from venue.reference.limits import set_account_limits, set_asset_limits, set_instrument_limits
from venue.reference.listings import query_orders, reject_orders_query
from venue.reference.mass_actions import mass_action, reject_mass_action
from venue.reference.money import (
    adjust_balance,
    commit_withdrawal,
    credit,
    debit,
    release_withdrawal,
    reserve_withdrawal,
)
from venue.reference.protection_groups import (
    define_protection,
    query_protection,
    reset_protection,
)
from venue.reference.quote_cancels import cancel_quotes
from venue.reference.quotes import mass_quote
from venue.reference.receivables import settle_receivable
from venue.reference.rejections import (
    AMEND_REJECTED,
    CANCEL_REJECTED,
    QUERY_REJECTED,
    reject_command,
    reject_mass_cancel,
    reject_order,
    reject_quoting,
    reject_request,
)
from venue.reference.requests_for_quote import give_rfq_quote, request_for_quote
from venue.reference.rfq_acceptance import accept_rfq_quote
from venue.reference.rfq_ending import query_rfq, withdraw_rfq
from venue.reference.snapshot import write_snapshot
from venue.reference.snapshot_reader import read_snapshot
from venue.reference.state import RULES, VenueState, forget_done_quotes
from venue.reference.switches import kill, resume
from venue.reference.timers import advance_time
from venue.reference.transfers import transfer_funds
from venue.reference.transitions import change_phase

Handler = Callable[[VenueState, Any], None]

_RULES_ACTIVATED: Final = shape(RulesActivated)


def _activate_rules(venue: VenueState, command: ActivateRules) -> None:
    if command.rules != RULES:
        refused = Refused(RejectCode.RULES_UNKNOWN, RULES, command.rules)
        reject_command(venue, command, refused, subject=command.rules)
        return
    venue.rules = command.rules
    venue.events.emit(_RULES_ACTIVATED, command.rules, 0)


HANDLERS: Final[dict[type[Record], Handler]] = {
    PlaceOrder: place_order,
    CancelOrder: cancel,
    AmendOrder: amend_order,
    MassCancel: mass_cancel,
    QueryOrder: query_order,
    CancelQuotes: cancel_quotes,
    DefineProtection: define_protection,
    ResetProtection: reset_protection,
    QueryProtection: query_protection,
    RecordRefusal: record_refusal,
    OpenSession: open_session,
    OpenSessionOnTerms: open_session_on_terms,
    CloseSession: close_session,
    LinkLost: lose_link,
    RequestForQuote: request_for_quote,
    GiveRfqQuote: give_rfq_quote,
    AcceptRfqQuote: accept_rfq_quote,
    WithdrawRfq: withdraw_rfq,
    QueryRfq: query_rfq,
    Credit: credit,
    AdjustBalance: adjust_balance,
    Debit: debit,
    ReserveWithdrawal: reserve_withdrawal,
    CommitWithdrawal: commit_withdrawal,
    ReleaseWithdrawal: release_withdrawal,
    TransferFunds: transfer_funds,
    CreateAsset: create_asset,
    CreateInstrument: create_instrument,
    CreateFirm: create_firm,
    CreateAccount: create_account,
    SetAccountLimits: set_account_limits,
    SetAssetLimits: set_asset_limits,
    DefineFeeSchedule: define_fee_schedule,
    AssignFeeSchedule: assign_fee_schedule,
    GrantSession: grant_session,
    SetInstrumentLimits: set_instrument_limits,
    ConfigureVenue: configure_venue,
    ChangePhase: change_phase,
    Kill: kill,
    Resume: resume,
    BustTrade: bust_trade,
    CorrectTrade: correct_trade,
    SettleReceivable: settle_receivable,
    KeepTrades: keep_trades,
    DisputeTrade: dispute_trade,
    ActivateRules: _activate_rules,
    AdvanceTime: advance_time,
    CheckOrder: check_order,
    MassAction: mass_action,
    QueryOrders: query_orders,
}

_ALWAYS_ACCEPTED: Final = (ConfigureVenue, AdvanceTime, LinkLost)

Group = list[EnterQuote]


def _apply_group(venue: VenueState, header: GroupHeader, members: Group) -> None:
    if header.group_kind != GroupKind.MASS_QUOTE:
        refused = Refused(RejectCode.NOT_SUPPORTED, GroupKind.MASS_QUOTE, header.group_kind)
        reject_command(venue, header, refused, subject=header.group_kind)
        return
    mass_quote(venue, header, members)


def _refuse_unconfigured(venue: VenueState, command: Command) -> None:
    refused = Refused(RejectCode.NOT_CONFIGURED)
    if isinstance(command, CheckOrder):
        refuse_check(venue, command, refused)
    elif isinstance(command, PlaceOrder):
        reject_order(venue, command, refused)
    elif isinstance(command, MassAction):
        reject_mass_action(venue, command, refused)
    elif isinstance(command, QueryOrders):
        reject_orders_query(venue, command, refused)
    elif isinstance(command, MassCancel):
        reject_mass_cancel(venue, command, refused)
    elif isinstance(command, AmendOrder | CancelOrder):
        reject_request(
            venue,
            AMEND_REJECTED if isinstance(command, AmendOrder) else CANCEL_REJECTED,
            command,
            refused,
            order=None,
            client_order_id=command.client_order_id,
            original_client_order_id=command.original_client_order_id,
        )
    elif isinstance(command, QueryOrder):
        reject_request(
            venue,
            QUERY_REJECTED,
            command,
            refused,
            order=None,
            client_order_id=command.client_order_id,
            original_client_order_id=command.request_id,
        )
    elif isinstance(command, CancelQuotes | ResetProtection | QueryProtection):
        reject_quoting(venue, command, refused)
    else:
        reject_command(venue, command, refused, subject=0)


class ReferenceEngine:
    """An Engine (``venue.ports``) in plain Python."""

    def __init__(self) -> None:
        self._venue = VenueState()
        self._parts = {
            cls.KIND: (cls, cls.CODEC.unpack_from, handler) for cls, handler in HANDLERS.items()
        }
        groups = {GroupHeader.KIND, *(cls.KIND for cls in GROUP_MEMBERS)}
        assert self._parts.keys() == COMMANDS.by_kind.keys() - groups

    @property
    def last_sequence(self) -> int:
        """The number of the last command applied; zero before the first."""
        return self._venue.last_sequence

    @property
    def last_event(self) -> int:
        """The number of the last event emitted; zero before the first."""
        return self._venue.events.number

    @property
    def last_time_ns(self) -> int:
        """The stamp of the last command applied; zero before the first."""
        return self._venue.last_time_ns

    def apply(self, commands: bytes) -> bytes:
        """Apply whole records, numbered and stamped by the sequencer; return the event records.

        A record that is not of this vocabulary never gets here: the core refuses it before it is
        sequenced. One that does is a broken invariant, as is a gap in the sequence, or a group
        that is not whole.
        """
        events = self._venue.events
        offset, end = 0, len(commands)
        while offset < end:
            length, kind = RECORD_PREFIX.unpack_from(commands, offset)
            if kind == GroupHeader.KIND:
                length = self._apply_group(commands, offset)
            else:
                cls, unpack_from, handler = self._parts[kind]
                assert length == cls.LENGTH, (kind, length)
                command: Any = cls(*unpack_from(commands, offset))
                assert command.group_left == 0, (kind, offset)
                self._apply_one(command, handler)
            offset += length
        assert offset == end, (offset, end)
        data = bytes(events.data)
        events.data.clear()
        return data

    def _apply_group(self, commands: bytes, offset: int) -> int:
        """Apply a group, which is one command; return how many bytes it takes."""
        header = GroupHeader.unpack(commands, offset)
        assert header.length == GroupHeader.LENGTH, header
        assert 1 <= header.group_left <= GROUP_MEMBERS_MAX, header.group_left
        at = offset + header.length
        members: Group = []
        for left in range(header.group_left - 1, -1, -1):
            length, kind = RECORD_PREFIX.unpack_from(commands, at)
            cls = COMMANDS.by_kind[kind]
            assert cls in GROUP_MEMBERS, (kind, at)
            assert length == cls.LENGTH, (kind, length)
            member = cls.unpack(commands, at)
            assert isinstance(member, EnterQuote)
            assert member.version == 1, member.version
            assert (member.group_left, member.sequence) == (left, header.sequence), member
            assert member.time_ns == header.time_ns, member
            members.append(member)
            at += length
        self._apply_one(header, partial(_apply_group, members=members))
        return at - offset

    def _apply_one(self, command: Any, handler: Handler) -> None:
        venue = self._venue
        if not self._admit(command):
            return
        events = venue.events
        data_at = len(events.data)
        venue.steps_left = bounds.STEPS_PER_COMMAND_MAX
        if venue.configuration is not None:
            gone = venue.client_ids.gone
            window_ns = venue.configuration.client_id_window_ns
            if gone and gone[0][0] + window_ns <= venue.last_time_ns:
                venue.client_ids.forget(now_ns=venue.last_time_ns, window_ns=window_ns)
            handler(venue, command)
        elif isinstance(command, _ALWAYS_ACCEPTED):
            handler(venue, command)
        else:
            _refuse_unconfigured(venue, command)
        events.end_command(data_at)
        if venue.done_quotes or venue.kept_trades.quoted:
            forget_done_quotes(venue)

    def _admit(self, command: Any) -> bool:
        """Take over a command's number and stamp; say whether it is not a repeat."""
        venue, events = self._venue, self._venue.events
        sequence = command.sequence
        time_ns = command.time_ns
        assert command.version == 1, command.version
        assert sequence == venue.last_sequence + 1, (sequence, venue.last_sequence)
        assert venue.last_time_ns <= time_ns < AMOUNT_LIMIT, (time_ns, venue.last_time_ns)
        venue.last_sequence = events.sequence = sequence
        venue.last_time_ns = events.time_ns = time_ns
        events.received_at_ns = command.received_at_ns
        source = command.source
        if source:
            position = (command.epoch, command.source_sequence)
            if position <= venue.sources.get(source, (-1, 0)):
                return False
            venue.sources[source] = position
        return True

    def snapshot(self) -> bytes:
        """Return the state: equal states give equal bytes; SHA-256 of them is the digest."""
        return write_snapshot(self._venue)

    def restore(self, snapshot: bytes) -> None:
        """Take over the state of ``snapshot``.

        Raises:
            SnapshotMalformedError: not a snapshot of this engine and layout version.
        """
        self._venue = read_snapshot(snapshot)

    def next_deadline(self) -> int:
        """Return the stamp, in nanoseconds, at which AdvanceTime is due; zero for none."""
        venue = self._venue
        if venue.late_stops and venue.late_instruments():
            return venue.last_time_ns
        return venue.deadlines.next_at_ns()

    def sources(self, principal: int) -> list[tuple[int, int, int]]:
        """Return (source, epoch, source sequence) for each source of a principal seen so far."""
        return [
            (source, *position)
            for source, position in sorted(self._venue.sources.items())
            if principal_of(source) == principal
        ]

    def definitions(self) -> bytes:
        """Return event records, all numbered zero, that describe what is defined now."""
        return describe(self._venue)

    def books(self) -> bytes:
        """Return every book with its queues: see ``messages.trading.answers.read_books``."""
        return describe_books(self._venue)

    def open_orders(self, account: int, *, after: int, limit: int) -> bytes:
        """Return a page of an account's open orders: see ``venue.ports.Engine``."""
        return describe_open_orders(self._venue, account, after=after, limit=limit)

    def balances(self) -> list[tuple[int, int, int, int]]:
        """Return (account, asset, balance atoms, held atoms), sorted, where one is not zero."""
        return [
            (account.number, asset, balance.balance_atoms, balance.held_atoms)
            for _, account in sorted(self._venue.accounts.items())
            for asset, balance in sorted(account.balances.items())
            if balance.balance_atoms or balance.held_atoms
        ]

    def receivables(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms owed to the venue), sorted, where something is."""
        return [
            (account.number, asset, balance.receivable_atoms)
            for _, account in sorted(self._venue.accounts.items())
            for asset, balance in sorted(account.balances.items())
            if balance.receivable_atoms
        ]

    def rfq_holds(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms that its answers to requests for quote tie up), sorted."""
        holds: Counter[tuple[int, int]] = Counter()
        for quote in self._venue.rfq_quotes.values():
            definition = quote.request.instrument.definition
            holds[quote.account.number, definition.quote_asset] += quote.bid_held_atoms
            holds[quote.account.number, definition.base_asset] += quote.ask_held_atoms
        return [(*key, atoms) for key, atoms in sorted(holds.items()) if atoms]

    def assets(self) -> list[tuple[int, int, int]]:
        """Return (asset, supply atoms, fees collected atoms), sorted."""
        return [
            (asset.number, asset.supply_atoms, asset.fees_atoms)
            for _, asset in sorted(self._venue.assets.items())
        ]
