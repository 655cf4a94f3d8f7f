"""Every command in the journal is answered, and every answer has its command.

Kinds without a row here are looked at only for their stamp and number: rows are added with the
kinds (docs/auditor.md, "Commands").
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from auditor.findings import Check, Findings
from auditor.picture import Picture
from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.terms import OrderFlag, OrderType

Answers = tuple[type[Record], ...]

# As plain integers: an enumeration's member costs each use a call, and this is each order's.
_CASH_QUANTITY: Final = int(OrderFlag.CASH_QUANTITY)
_PRICED: Final = frozenset({int(OrderType.LIMIT), int(OrderType.STOP_LIMIT)})

_REFUSED: Final[Answers] = (e.CommandRejected,)
_ORDER: Final[Answers] = (e.OrderAccepted, e.OrderRejected)

ANSWERS: Final[dict[type[Record], Answers]] = {
    c.PlaceOrder: _ORDER,
    c.AcceptRfqQuote: _ORDER,
    c.CancelOrder: (e.OrderCancelled, e.CancelRejected),
    c.AmendOrder: (e.OrderAmended, e.AmendRejected),
    c.MassCancel: (e.MassCancelled, e.MassCancelRejected),
    c.MassAction: (e.MassActionCompleted, e.MassActionRejected),
    c.QueryOrder: (e.OrderReported, e.QueryRejected),
    c.QueryOrders: (e.OrderListed, e.OrdersQueryRejected),
    c.CheckOrder: (e.OrderChecked,),
    c.RecordRefusal: (e.RefusalRecorded,),
    c.OpenSession: (e.SessionOpened, *_REFUSED),
    c.OpenSessionOnTerms: (e.SessionOpened, *_REFUSED),
    c.CloseSession: (e.SessionClosed, *_REFUSED),
    c.RequestForQuote: (e.QuoteRequested, e.QuoteRequestRejected),
    c.GiveRfqQuote: (e.RfqQuoteGiven, e.RfqQuoteRejected),
    c.WithdrawRfq: (e.RfqAnswered, e.RfqRefused),
    c.QueryRfq: (e.RfqAnswered, e.RfqRefused),
    c.GroupHeader: (e.MassQuoteAcknowledged, *_REFUSED),
    c.CancelQuotes: (e.QuotesCancelled, e.QuotingRejected),
    c.ResetProtection: (e.ProtectionReset, e.QuotingRejected),
    c.QueryProtection: (e.ProtectionReported, e.QuotingRejected),
    c.DefineProtection: (e.ProtectionDefined, *_REFUSED),
    c.Credit: (e.BalanceChanged, *_REFUSED),
    c.Debit: (e.BalanceChanged, *_REFUSED),
    c.ReserveWithdrawal: (e.BalanceChanged, *_REFUSED),
    c.CommitWithdrawal: (e.BalanceChanged, *_REFUSED),
    c.ReleaseWithdrawal: (e.BalanceChanged, *_REFUSED),
    c.AdjustBalance: (e.BalanceChanged, *_REFUSED),
    c.TransferFunds: (e.FundsTransferred, *_REFUSED),
    c.BustTrade: (e.TradeBusted, *_REFUSED),
    c.CorrectTrade: (e.TradeCorrected, *_REFUSED),
    c.SettleReceivable: (e.ReceivableChanged, *_REFUSED),
    c.KeepTrades: (e.TradesKept, *_REFUSED),
    c.DisputeTrade: (e.TradeDisputed, *_REFUSED),
    c.CreateAsset: (e.AssetCreated, *_REFUSED),
    c.CreateInstrument: (e.InstrumentCreated, *_REFUSED),
    c.CreateFirm: (e.FirmCreated, *_REFUSED),
    c.CreateAccount: (e.AccountCreated, *_REFUSED),
    c.SetAccountLimits: (e.AccountLimitsSet, *_REFUSED),
    c.SetAssetLimits: (e.AssetLimitsSet, *_REFUSED),
    c.SetInstrumentLimits: (e.InstrumentLimitsSet, *_REFUSED),
    c.DefineFeeSchedule: (e.FeeScheduleDefined, *_REFUSED),
    c.AssignFeeSchedule: (e.FeeScheduleAssigned, *_REFUSED),
    c.GrantSession: (e.SessionGranted, *_REFUSED),
    c.ConfigureVenue: (e.VenueConfigured, *_REFUSED),
    c.ChangePhase: (e.PhaseChanged, *_REFUSED),
    c.Kill: (e.Killed, *_REFUSED),
    c.Resume: (e.Resumed, *_REFUSED),
    c.ActivateRules: (e.RulesActivated, *_REFUSED),
}
"""What answers a command: one of these events must carry it."""

_SAME: Final = (
    "account",
    "instrument",
    "asset",
    "operator",
    "approver",
    "reference",
    "firm",
    "fee_schedule",
    "maker_ppm",
    "taker_ppm",
    "trade_id",
    "scope",
    "target",
    "phase",
    "credit_line_atoms",
    "position_max_atoms",
    "owner_group",
    "rights",
    "trades_max",
    "to_account",
    "amount_atoms",
)
"""Fields that an answer which did what was asked repeats, where both have them."""

_of_an_order: Final = attrgetter(
    "account",
    "session",
    "connection",
    "instrument",
    "side",
    "time_in_force",
    "trader",
    "client_order_id",
)

_NOT_REPEATED: Final[dict[type[Record], frozenset[str]]] = {
    # Found by number or id: what is zero was not given.
    c.CancelOrder: frozenset({"instrument", "account"}),
    c.AmendOrder: frozenset({"instrument"}),
    c.QueryOrder: frozenset({"instrument"}),
    c.AcceptRfqQuote: frozenset({"instrument"}),
    c.GiveRfqQuote: frozenset({"instrument"}),
    c.WithdrawRfq: frozenset({"instrument"}),
    c.CommitWithdrawal: frozenset({"account", "asset"}),
    c.ReleaseWithdrawal: frozenset({"account", "asset"}),
    c.QueryOrders: frozenset({"instrument", "account"}),
    c.SettleReceivable: frozenset({"amount_atoms"}),
    c.DefineProtection: frozenset({"trades_max"}),
}


def compared_fields(command: type[Record], answer: type[Record]) -> tuple[str, ...]:
    """Return the fields that an answer must have as its command."""
    left_out = _NOT_REPEATED.get(command, frozenset())
    theirs = set(answer.__struct_fields__)
    return tuple(
        name
        for name in _SAME
        if name in command.__struct_fields__ and name in theirs and name not in left_out
    )


_NEVER: Final = (-1, 0)
"""Before the first request of any source."""

_COMPARED: Final = {
    (command, answers[0]): compared_fields(command, answers[0])
    for command, answers in ANSWERS.items()
}


class Commands:
    """Puts each command beside the events of its sequence."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings

    def see(self, command: Any, events: Sequence[Any]) -> None:
        """Compare one command (of a group: its header) with all events of its sequence."""
        stamp = command.time_ns
        for event in events:
            if event.time_ns != stamp:
                self._say(command, f"event {event.number} is stamped {event.time_ns}, {stamp}")
                break
        if self._is_repeat(command):
            if events:
                self._say(command, f"came before, and event {events[0].number} answers it again")
            return
        answers = ANSWERS.get(type(command))
        if answers is None:
            return
        first = None
        for event in events:
            if type(event) in answers:
                if self._fits(command, event):
                    return
                first = first or event
        if first is None:
            self._say(command, f"none of its {len(events)} events answers it")
        else:
            self._say(command, f"event {first.number} answers it, and is about something else")

    def unknown(self, events: Sequence[Any]) -> None:
        """Say that events belong to no command."""
        self._findings.add(
            Check.COMMANDS_ANSWERED,
            f"event {events[0].number} answers command {events[0].sequence}, which the journal"
            " has not",
        )

    def _is_repeat(self, command: Any) -> bool:
        source = command.source
        if not source:
            return False
        sources, position = self._picture.sources, (command.epoch, command.source_sequence)
        if position <= sources.get(source, _NEVER):
            return True
        sources[source] = position
        return False

    def _fits(self, command: Any, event: Any) -> bool:
        if type(command) is c.PlaceOrder:
            return _of_an_order(command) == _of_an_order(event) and (
                type(event) is not e.OrderAccepted or _has_terms(command, event)
            )
        if isinstance(event, e.CommandRejected):
            return bool(event.refused_kind == command.kind)
        fields = _COMPARED.get((type(command), type(event)), ())
        return all(getattr(command, name) == getattr(event, name) for name in fields)

    def _say(self, command: Any, text: str) -> None:
        self._findings.add(
            Check.COMMANDS_ANSWERED,
            f"command {command.sequence}, {type(command).__name__}: {text}",
            account=command.account,
        )


def _has_terms(command: c.PlaceOrder, event: e.OrderAccepted) -> bool:
    """Say whether an order was accepted on the terms that were asked for."""
    if command.order_type in _PRICED and command.price_ticks != event.price_ticks:
        return False
    if command.order_flags & _CASH_QUANTITY:
        return command.cash_atoms == event.cash_atoms
    return (
        command.quantity_lots == event.quantity_lots
        and command.stop_price_ticks == event.stop_price_ticks
        and command.expire_at_ns == event.expire_at_ns
    )
