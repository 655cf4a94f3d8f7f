"""What requests for quote and their quotes say over FIX: R, S, AI and AG, and to whom.

Nobody is told who asks or who quotes. A request is told to the sessions that may answer it (R), a
quote to its requester (S); what becomes of either is told in QuoteStatusReports (AI).
"""

from typing import NamedTuple

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory
from fix_gateway.translation.parts import account, price, quantity, sentence
from fix_gateway.translation.reasons import Figures, refusal_text
from fix_gateway.translation.rfq_ids import quote_name, request_name
from fix_gateway.translation.rfq_reasons import (
    end_name,
    end_status,
    quote_reject_reason,
    request_reject_reason,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import QueryRfq
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import RfqEnd

Told = tuple[int, str]
"""A session, and what it is told."""

_ACCEPTED = tags.QUOTE_STATUS_ACCEPTED
_NOT_FOUND = frozenset({RejectCode.QUOTE_REQUEST_UNKNOWN, RejectCode.RFQ_QUOTE_UNKNOWN})


class Status(NamedTuple):
    """What an AI says, in the order of its fields; empty where there is nothing to say."""

    request: str
    quote: str = "NONE"
    query: bytes = NO_CLIENT_ID
    symbol: str = NO_SYMBOL
    asked: str = ""
    expiry: str = ""
    prices: str = ""
    status: str = _ACCEPTED
    reason: int | None = None
    text: str = ""
    code: int = 0


def requested(record: events.QuoteRequested, directory: Directory) -> list[Told]:
    """Tell the requester that its request is open, and the makers what is asked."""
    told = [(record.session, _own_request(record, directory, NO_CLIENT_ID))]
    asked = _asked(record, directory)
    return told + [(session, asked) for session in directory.asked_sessions(record.account)]


def request_rejected(record: events.QuoteRequestRejected, directory: Directory) -> list[Told]:
    """Refuse a request (AG)."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    text = refusal_text(record.code, figures, directory)
    return [(record.session, _reject(record, directory, record.client_request_id, text))]


def refused_request(record: events.RefusalRecorded, directory: Directory) -> str:
    """Refuse a request that the gateway could not read (AG)."""
    return _reject(record, directory, record.client_order_id, sentence(record))


def request_ended(record: events.QuoteRequestEnded, directory: Directory) -> list[Told]:
    """Tell requester and makers that a request is over; makers are not told that it traded."""
    symbol = directory.instrument(record.instrument).symbol
    own = Status(
        safe_text(record.client_request_id),
        symbol=symbol,
        status=end_status(record.reason),
        text=end_name(record.reason),
    )
    is_expired = record.reason == RfqEnd.EXPIRED
    others = Status(
        request_name(record.request_id),
        symbol=symbol,
        status=end_status(RfqEnd.EXPIRED if is_expired else RfqEnd.REQUEST_ENDED),
        text=end_name(RfqEnd.EXPIRED if is_expired else RfqEnd.REQUEST_ENDED),
    )
    told = [(record.session, _status(record, directory, record.account, own))]
    text = _status(record, directory, 0, others)
    return told + [(session, text) for session in directory.asked_sessions(record.account)]


def quote_given(record: events.RfqQuoteGiven, directory: Directory) -> list[Told]:
    """Acknowledge a quote to its maker (AI) and tell it to the requester (S)."""
    return [
        (record.session, _own_quote(record, directory, NO_CLIENT_ID)),
        (record.requester_session, _offer(record, directory)),
    ]


def quote_rejected(record: events.RfqQuoteRejected, directory: Directory) -> list[Told]:
    """Refuse a quote (AI, 297=5)."""
    side = 1 if record.bid_price_ticks else 2
    figures = Figures(record.instrument, side, record.limit, record.usage)
    said = Status(
        request_name(record.request_id) if record.request_id else "NONE",
        safe_text(record.client_quote_id) or "NONE",
        status=tags.QUOTE_STATUS_REJECTED,
        reason=quote_reject_reason(record.code),
        text=refusal_text(record.code, figures, directory),
        code=record.code,
    )
    return [(record.session, _status(record, directory, record.account, said))]


def quote_ended(record: events.RfqQuoteEnded, directory: Directory) -> list[Told]:
    """Tell the maker and the requester that a quote stands no more."""
    status, text = end_status(record.reason), end_name(record.reason)
    symbol, prices = directory.instrument(record.instrument).symbol, _prices(record, directory)
    own = Status(
        request_name(record.request_id),
        safe_text(record.client_quote_id),
        symbol=symbol,
        prices=prices,
        status=status,
        text=text,
    )
    theirs = Status(
        safe_text(record.client_request_id),
        quote_name(record.request_id, record.quote_id),
        symbol=symbol,
        prices=prices,
        status=status,
        text=text,
    )
    return [
        (record.session, _status(record, directory, record.account, own)),
        (record.requester_session, _status(record, directory, record.requester_account, theirs)),
    ]


def refused(record: events.RfqRefused, directory: Directory) -> list[Told]:
    """Refuse a cancel or a status request (AI): 297=9 when what it names is not there."""
    is_query = record.refused_kind == QueryRfq.KIND
    named = safe_text(record.client_id)
    if record.quote_id:
        named = quote_name(record.request_id, record.quote_id) if record.request_id else named
    said = Status(
        request_name(record.request_id) if record.request_id else "NONE",
        named or safe_text(record.client_request_id) or "NONE",
        query=record.client_request_id if is_query else NO_CLIENT_ID,
        status=(
            tags.QUOTE_STATUS_QUOTE_NOT_FOUND
            if record.code in _NOT_FOUND
            else tags.QUOTE_STATUS_REJECTED
        ),
        reason=quote_reject_reason(record.code),
        text=refusal_text(record.code, Figures(0, 0, record.limit, record.usage), directory),
        code=record.code,
    )
    return [(record.session, _status(record, directory, record.account, said))]


def refused_status(record: events.RefusalRecorded, directory: Directory) -> str:
    """Refuse a quote, a cancel or a status request that the gateway could not read (AI)."""
    said = Status(
        request_name(record.order_id) if record.order_id else "NONE",
        safe_text(record.client_order_id) or "NONE",
        query=record.original_client_order_id,
        status=tags.QUOTE_STATUS_REJECTED,
        reason=quote_reject_reason(record.code),
        text=sentence(record),
        code=record.code,
    )
    return _status(record, directory, record.account, said)


def request_reported(record: events.QuoteRequestReported, directory: Directory) -> list[Told]:
    """Answer a query with an open request: its own (AI), or one that may be answered (R again)."""
    if record.account == record.origin_account:
        text = _own_request(record, directory, record.status_request_id)
    else:
        text = _asked(record, directory)
    return [(record.origin_session, text)]


def quote_reported(record: events.RfqQuoteReported, directory: Directory) -> list[Told]:
    """Answer a query with a standing quote: its own (AI), or one for its request (S again)."""
    if record.account == record.origin_account:
        text = _own_quote(record, directory, record.status_request_id)
    else:
        text = _offer(record, directory)
    return [(record.origin_session, text)]


def answered(record: events.RfqAnswered, directory: Directory) -> list[Told]:
    """End an answer: a query's with 297=8, a cancel's that had an id of its own with 297=4."""
    counts = f"{record.requests} requests, {record.quotes} quotes"
    if record.answered_kind == QueryRfq.KIND:
        said = Status("NONE", query=record.request_id, status=tags.QUOTE_STATUS_QUERY, text=counts)
    elif record.request_id == NO_CLIENT_ID:
        return []  # what ended has been told by itself
    else:
        said = Status(
            "NONE",
            safe_text(record.request_id),
            status=tags.QUOTE_STATUS_CANCELED_ALL,
            text=counts,
        )
    return [(record.session, _status(record, directory, record.account, said))]


def _own_request(record: events.QuoteRequestState, directory: Directory, query: bytes) -> str:
    unit = directory.instrument(record.instrument)
    side = f"54={record.side}\x01" if record.side in (1, 2) else ""
    said = Status(
        safe_text(record.client_request_id),
        query=query,
        symbol=unit.symbol,
        asked=f"{side}38={quantity(record.quantity_lots, unit)}\x01",
        expiry=f"126={timestamp_text(record.expires_at_ns)}\x01",
    )
    return _status(record, directory, record.account, said)


def _asked(record: events.QuoteRequestState, directory: Directory) -> str:
    """Write a request for those who may answer it."""
    unit = directory.instrument(record.instrument)
    side = f"54={record.side}\x01" if record.side in (1, 2) else ""
    return (
        f"35=R\x01131={request_name(record.request_id)}\x01146=1\x0155={unit.symbol}\x01{side}"
        f"38={quantity(record.quantity_lots, unit)}\x01"
        f"126={timestamp_text(record.expires_at_ns)}\x01"
        f"60={timestamp_text(record.time_ns)}\x015002={record.number}\x01"
    )


def _offer(record: events.RfqQuoteState, directory: Directory) -> str:
    """Write a quote for its requester."""
    unit = directory.instrument(record.instrument)
    return (
        f"35=S\x01131={safe_text(record.client_request_id) or 'NONE'}\x01"
        f"117={quote_name(record.request_id, record.quote_id)}\x01"
        f"537={tags.QUOTE_TYPE_TRADEABLE}\x0155={unit.symbol}\x01"
        f"{account(record.requester_account, directory)}{_prices(record, directory)}"
        f"60={timestamp_text(record.time_ns)}\x015002={record.number}\x01"
    )


def _own_quote(record: events.RfqQuoteState, directory: Directory, query: bytes) -> str:
    said = Status(
        request_name(record.request_id),
        safe_text(record.client_quote_id),
        query=query,
        symbol=directory.instrument(record.instrument).symbol,
        prices=_prices(record, directory),
    )
    return _status(record, directory, record.account, said)


def _prices(record: events.RfqQuoteState, directory: Directory) -> str:
    unit = directory.instrument(record.instrument)
    lots = quantity(record.quantity_lots, unit)
    bid, ask = record.bid_price_ticks, record.ask_price_ticks
    return (
        (f"132={price(bid, unit)}\x01" if bid else "")
        + (f"133={price(ask, unit)}\x01" if ask else "")
        + (f"134={lots}\x01" if bid else "")
        + (f"135={lots}\x01" if ask else "")
        + f"62={timestamp_text(record.expires_at_ns)}\x01"
    )


def _status(record: events.Event, directory: Directory, number: int, said: Status) -> str:
    """Write an AI; ``number`` is the account that it is about, zero to name none."""
    query = safe_text(said.query)
    return (
        "35=AI\x01"
        + (f"649={query}\x01" if query else "")
        + f"131={said.request or 'NONE'}\x01117={said.quote or 'NONE'}\x0155={said.symbol}\x01"
        f"{said.asked}{account(number, directory)}{said.expiry}{said.prices}"
        f"60={timestamp_text(record.time_ns)}\x01297={said.status}\x01"
        + (f"300={said.reason}\x01" if said.reason is not None else "")
        + (f"58={said.text}\x01" if said.text else "")
        + (f"5001={said.code}\x01" if said.code else "")
        + f"5002={record.number}\x01"
    )


def _reject(
    record: events.QuoteRequestRejected | events.RefusalRecorded,
    directory: Directory,
    client_request_id: bytes,
    text: str,
) -> str:
    unit = directory.instruments.get(record.instrument)
    side = f"54={record.side}\x01" if record.side in (1, 2) else ""
    return (
        f"35=AG\x01131={safe_text(client_request_id) or 'NONE'}\x01"
        f"658={request_reject_reason(record.code)}\x01146=1\x01"
        f"55={unit.symbol if unit else NO_SYMBOL}\x01{side}{account(record.account, directory)}"
        f"60={timestamp_text(record.time_ns)}\x0158={text}\x01"
        f"5001={record.code}\x015002={record.number}\x01"
    )
