"""Event records to FIX messages: who is told of an event, and in which words.

A message's text is whole but for what the session layer adds (8, 9, 34, 49, 52, 56, 10). The same
event always gives the same messages in the same order, so a gateway that lost its place reads the
feed again and leaves out what it has already sent.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fix_gateway.translation import (
    mass_reports,
    post_trade,
    quote_reports,
    rejects,
    reports,
    rfq_reports,
)
from fix_gateway.translation.directory import Directory
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AcceptRfqQuote,
    AmendOrder,
    CancelOrder,
    CancelQuotes,
    CheckOrder,
    DisputeTrade,
    GiveRfqQuote,
    GroupHeader,
    MassAction,
    MassCancel,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
    QueryProtection,
    QueryRfq,
    RequestForQuote,
    ResetProtection,
    WithdrawRfq,
)
from messages.trading.terms import Scope, Side


class Place(NamedTuple):
    """Where a session stands in the feed: the event, and which of its messages."""

    event: int
    rank: int


NOWHERE = Place(0, 0)
"""Before the first event."""


class Outgoing(NamedTuple):
    """One message for one session; ``rank`` tells apart the messages of one event."""

    session: int
    event: int
    rank: int
    text: str


_COPY = "797=Y\x01"
_CAPTURE_RANK = 2
"""Captures come behind both sides' execution reports."""


def told_by(record: events.Event, directory: Directory) -> list[Outgoing]:
    """Translate one event into the messages that it causes, in order.

    Args:
        record: any event; those that concern no client cause nothing.
        directory: the venue's definitions up to this event.
    """
    tell = _TELLERS.get(type(record))
    return [] if tell is None else tell(record, directory)


def concerns_clients(kind: int) -> bool:
    """Say whether events of this kind cause messages."""
    return kind in _TELLING_KINDS


def is_definition(kind: int) -> bool:
    """Say whether events of this kind change the directory."""
    return kind in _DEFINING_KINDS


def _addressed(
    text: str,
    record: events.Event,
    directory: Directory,
    account: int,
    *sessions: int,
    rank: int = 0,
) -> list[Outgoing]:
    """Address a message to sessions, each once, and copies of it to the account's copy sessions."""
    number = record.number
    told = [
        Outgoing(session, number, rank, text)
        for session in dict.fromkeys(sessions)
        if session and session in directory.firm_of_session
    ]
    copies = directory.copies_of_account.get(account)
    if account == 0 and sessions:
        copies = directory.copies_of_firm.get(directory.firm_of_session.get(sessions[0], 0))
    if copies:
        copy = text + _COPY
        told += [
            Outgoing(session, number, rank, copy) for session in copies if session not in sessions
        ]
    return told


def _accepted(record: events.OrderAccepted, directory: Directory) -> list[Outgoing]:
    text = reports.accepted(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _rejected(record: events.OrderRejected, directory: Directory) -> list[Outgoing]:
    text = reports.rejected(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _cancelled(record: events.OrderCancelled, directory: Directory) -> list[Outgoing]:
    text = reports.cancelled(record, directory)
    return _addressed(
        text, record, directory, record.account, record.session, record.origin_session
    )


def _expired(record: events.OrderExpired, directory: Directory) -> list[Outgoing]:
    text = reports.expired(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _amended(record: events.OrderAmended, directory: Directory) -> list[Outgoing]:
    text = reports.amended(record, directory)
    return _addressed(
        text, record, directory, record.account, record.session, record.origin_session
    )


def _triggered(record: events.OrderTriggered, directory: Directory) -> list[Outgoing]:
    text = reports.triggered(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _restated(record: events.OrderRestated, directory: Directory) -> list[Outgoing]:
    text = reports.restated(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _reported(record: events.OrderReported, directory: Directory) -> list[Outgoing]:
    text = reports.status(record, directory)
    return _addressed(text, record, directory, record.account, record.origin_session)


def _traded(record: events.TradeExecuted, directory: Directory) -> list[Outgoing]:
    told = []
    for rank, side in enumerate((Side.BUY, Side.SELL)):
        is_taker = record.taker_side == side
        text = reports.trade(record, directory, side=side)
        told += _addressed(
            text,
            record,
            directory,
            record.taker_account if is_taker else record.maker_account,
            record.taker_session if is_taker else record.maker_session,
            rank=rank,
        )
    return told + _captures(record, directory) if directory.capturing else told


def _changed(record: post_trade.Change, directory: Directory) -> list[Outgoing]:
    told = []
    for rank, side in enumerate((Side.BUY, Side.SELL)):
        is_taker = record.taker_side == side
        text = post_trade.changed(record, directory, side=side)
        told += _addressed(
            text,
            record,
            directory,
            record.taker_account if is_taker else record.maker_account,
            record.taker_session if is_taker else record.maker_session,
            rank=rank,
        )
    return told + _captures(record, directory) if directory.capturing else told


def _captures(record: post_trade.Trade, directory: Directory) -> list[Outgoing]:
    """Address both sides' captures to those of their sessions that are told captures."""
    told = []
    for rank, side in enumerate((Side.BUY, Side.SELL), start=_CAPTURE_RANK):
        is_taker = record.taker_side == side
        who = _addressed(
            post_trade.capture(record, directory, side=side),
            record,
            directory,
            record.taker_account if is_taker else record.maker_account,
            record.taker_session if is_taker else record.maker_session,
            rank=rank,
        )
        told += [each for each in who if each.session in directory.capturing]
    return told


def _disputed(record: events.TradeDisputed, directory: Directory) -> list[Outgoing]:
    """Tell drop copies; the one who said it knows."""
    text = post_trade.dispute(record, directory)
    return _addressed(text, record, directory, record.account)


def _command_rejected(record: events.CommandRejected, _: Directory) -> list[Outgoing]:
    if record.refused_kind != DisputeTrade.KIND:
        return []
    return [Outgoing(record.session, record.number, 0, post_trade.dispute_reject(record))]


def _cancel_rejected(record: events.CancelRejected, directory: Directory) -> list[Outgoing]:
    text = rejects.cancel_reject(record, directory, response_to="1")
    return _addressed(text, record, directory, record.account, record.session)


def _amend_rejected(record: events.AmendRejected, directory: Directory) -> list[Outgoing]:
    text = rejects.cancel_reject(record, directory, response_to="2")
    return _addressed(text, record, directory, record.account, record.session)


def _query_rejected(record: events.QueryRejected, directory: Directory) -> list[Outgoing]:
    text = reports.status_reject(record, directory)
    return _addressed(text, record, directory, record.account, record.session)


def _answered(
    text: str,
    record: events.MassCancelled | events.MassCancelRejected | events.RefusalRecorded,
    directory: Directory,
) -> list[Outgoing]:
    """Address an answer to whoever asked, known or not, and copies of it as of a report."""
    asker = Outgoing(record.session, record.number, 0, text)
    told = _addressed(text, record, directory, record.account, record.session)
    return [asker, *(copy for copy in told if copy.session != record.session)]


def _mass_cancelled(record: events.MassCancelled, directory: Directory) -> list[Outgoing]:
    return _answered(rejects.mass_cancel(record, directory), record, directory)


def _mass_cancel_rejected(
    record: events.MassCancelRejected, directory: Directory
) -> list[Outgoing]:
    return _answered(rejects.mass_cancel_reject(record, directory), record, directory)


def _listed(record: events.OrderListed, directory: Directory) -> list[Outgoing]:
    text = reports.listed(record, directory)
    return [Outgoing(record.origin_session, record.number, 0, text)]


def _list_rejected(record: events.OrdersQueryRejected, directory: Directory) -> list[Outgoing]:
    text = reports.list_reject(record, directory)
    return [Outgoing(record.session, record.number, 0, text)]


def _checked(record: events.OrderChecked, directory: Directory) -> list[Outgoing]:
    text = mass_reports.checked_order(record, directory)
    return [Outgoing(record.session, record.number, 0, text)]


def _action_accepted(record: events.MassActionAccepted, directory: Directory) -> list[Outgoing]:
    return _action(mass_reports.accepted_action(record, directory), record, directory)


def _action_completed(record: events.MassActionCompleted, directory: Directory) -> list[Outgoing]:
    return _action(mass_reports.completed_action(record, directory), record, directory)


def _action_rejected(record: events.MassActionRejected, directory: Directory) -> list[Outgoing]:
    return _action(mass_reports.rejected_action(record, directory), record, directory)


def _action(text: str, record: events.MassActionEvent, directory: Directory) -> list[Outgoing]:
    # What is done to a firm concerns all copies of it, not those of one account.
    account = 0 if record.scope == Scope.FIRM else record.account
    return _addressed(text, record, directory, account, record.session)


def _refused(record: events.RefusalRecorded, directory: Directory) -> list[Outgoing]:
    report = _REFUSALS.get(record.refused_kind)
    if record.code == RejectCode.GATEWAY_RIGHTS_MISSING or report is None:
        return _answered(rejects.business_reject(record), record, directory)
    text = report(record, directory)
    if record.refused_kind in _ANSWERED_ALONE | _NEGOTIATIONS:
        return [Outgoing(record.session, record.number, 0, text)]
    if record.refused_kind == MassCancel.KIND:
        return _answered(text, record, directory)
    return _addressed(text, record, directory, record.account, record.session)


_REFUSALS: dict[int, Callable[[events.RefusalRecorded, Directory], str]] = {
    PlaceOrder.KIND: reports.refused_order,
    CancelOrder.KIND: rejects.refused_cancel,
    AmendOrder.KIND: rejects.refused_cancel,
    QueryOrder.KIND: reports.refused_status,
    MassCancel.KIND: rejects.refused_mass_cancel,
    RequestForQuote.KIND: rfq_reports.refused_request,
    GiveRfqQuote.KIND: rfq_reports.refused_status,
    AcceptRfqQuote.KIND: reports.refused_order,
    WithdrawRfq.KIND: rfq_reports.refused_status,
    QueryRfq.KIND: rfq_reports.refused_status,
    MassAction.KIND: mass_reports.refused_action,
    QueryOrders.KIND: reports.refused_list,
    CheckOrder.KIND: mass_reports.refused_check,
    GroupHeader.KIND: quote_reports.refused_quote,
    CancelQuotes.KIND: quote_reports.refused_status,
    ResetProtection.KIND: quote_reports.refused_status,
    QueryProtection.KIND: quote_reports.refused_status,
}
_ANSWERED_ALONE = frozenset(
    {
        QueryOrders.KIND,
        CheckOrder.KIND,
        GroupHeader.KIND,
        CancelQuotes.KIND,
        ResetProtection.KIND,
        QueryProtection.KIND,
    }
)
"""Requests whose refusals drop copies are not told."""
_NEGOTIATIONS = frozenset(
    {RequestForQuote.KIND, GiveRfqQuote.KIND, WithdrawRfq.KIND, QueryRfq.KIND}
)
"""Refusals of these are for the session alone, like all that is said before a trade."""


def _negotiated(
    say: Callable[[Any, Directory], list[rfq_reports.Told]],
) -> Callable[[Any, Directory], list[Outgoing]]:
    """Address what a negotiation says: each session hears of an event once, and nobody else."""

    def tell(record: events.Event, directory: Directory) -> list[Outgoing]:
        return [
            Outgoing(session, record.number, 0, text)
            for session, text in say(record, directory)
            if session in directory.firm_of_session
        ]

    return tell


def _acknowledged(record: events.MassQuoteAcknowledged, directory: Directory) -> list[Outgoing]:
    text = quote_reports.acknowledged(record, directory)
    return [Outgoing(record.session, record.number, 0, text)] if text else []


def _to_asker(say: Callable[[Any, Directory], str]) -> Callable[[Any, Directory], list[Outgoing]]:
    """Address what a session asked about quotes to that session alone."""

    def tell(record: Any, directory: Directory) -> list[Outgoing]:
        return [Outgoing(record.session, record.number, 0, say(record, directory))]

    return tell


def _to_account(say: Callable[[Any, Directory], str]) -> Callable[[Any, Directory], list[Outgoing]]:
    """Address what became of a protection group to its session, and to the account's copies.

    A group that thaws by itself is nobody's doing, so all who trade for the account hear of it.
    """

    def tell(record: Any, directory: Directory) -> list[Outgoing]:
        text, account = say(record, directory), record.account
        who = [record.session] if record.session else directory.sessions_trading_for(account)
        return _addressed(text, record, directory, account, *who)

    return tell


_TELLERS: dict[type[events.Event], Callable[[Any, Directory], list[Outgoing]]] = {
    events.OrderAccepted: _accepted,
    events.OrderRejected: _rejected,
    events.OrderCancelled: _cancelled,
    events.OrderExpired: _expired,
    events.OrderAmended: _amended,
    events.OrderTriggered: _triggered,
    events.OrderRestated: _restated,
    events.OrderReported: _reported,
    events.TradeExecuted: _traded,
    events.CancelRejected: _cancel_rejected,
    events.AmendRejected: _amend_rejected,
    events.QueryRejected: _query_rejected,
    events.MassCancelled: _mass_cancelled,
    events.MassCancelRejected: _mass_cancel_rejected,
    events.RefusalRecorded: _refused,
    events.TradeBusted: _changed,
    events.TradeCorrected: _changed,
    events.TradeDisputed: _disputed,
    events.CommandRejected: _command_rejected,
    events.QuoteRequested: _negotiated(rfq_reports.requested),
    events.QuoteRequestRejected: _negotiated(rfq_reports.request_rejected),
    events.QuoteRequestEnded: _negotiated(rfq_reports.request_ended),
    events.RfqQuoteGiven: _negotiated(rfq_reports.quote_given),
    events.RfqQuoteRejected: _negotiated(rfq_reports.quote_rejected),
    events.RfqQuoteEnded: _negotiated(rfq_reports.quote_ended),
    events.RfqRefused: _negotiated(rfq_reports.refused),
    events.QuoteRequestReported: _negotiated(rfq_reports.request_reported),
    events.RfqQuoteReported: _negotiated(rfq_reports.quote_reported),
    events.RfqAnswered: _negotiated(rfq_reports.answered),
    events.OrderListed: _listed,
    events.OrdersQueryRejected: _list_rejected,
    events.OrderChecked: _checked,
    events.MassActionAccepted: _action_accepted,
    events.MassActionCompleted: _action_completed,
    events.MassActionRejected: _action_rejected,
    events.MassQuoteAcknowledged: _acknowledged,
    events.QuotesCancelled: _to_asker(quote_reports.cancelled),
    events.QuotingRejected: _to_asker(quote_reports.rejected),
    events.ProtectionTriggered: _to_account(quote_reports.triggered),
    events.ProtectionReset: _to_account(quote_reports.reset),
    events.ProtectionReported: _to_asker(quote_reports.reported),
}
_TELLING_KINDS = frozenset(record.KIND for record in _TELLERS)
_DEFINING_KINDS = frozenset(
    {
        events.AssetCreated.KIND,
        events.InstrumentCreated.KIND,
        events.FirmCreated.KIND,
        events.AccountCreated.KIND,
        events.SessionGranted.KIND,
    }
)
