"""What mass quotes and protection groups say over FIX: b and AI.

An acknowledgement goes to the session that quoted. What happens to a protection group is told to
the session whose quote did it or that asked, and to the account's drop copies.
"""

from itertools import groupby

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory
from fix_gateway.translation.parts import account, sentence
from fix_gateway.translation.reasons import Figures, code_name, refusal_text
from fix_gateway.translation.rfq_reasons import quote_reject_reason
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import QueryProtection
from messages.trading.decimals import decimal_text
from messages.trading.events import QuoteOutcome
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import ProtectionLimit, QuoteResponse, QuoteScope

_NOT_FOUND = frozenset({RejectCode.PROTECTION_UNKNOWN})
_CANCELLED: dict[int, str] = {
    QuoteScope.ALL: tags.QUOTE_STATUS_CANCELED_ALL,
    QuoteScope.INSTRUMENT: tags.QUOTE_STATUS_CANCEL_FOR_SYMBOL,
}


_GATEWAY_CODES_FROM = 1000
_LEVELS = frozenset(QuoteResponse)


def acknowledged(record: events.MassQuoteAcknowledged, directory: Directory) -> str:
    """Say what became of entries (b); nothing where the maker did not want to know."""
    if record.code:
        figures = Figures(0, 0, record.limit, record.usage)
        text = refusal_text(record.code, figures, directory)
        return _refused_whole(
            record, directory, record.quote_id, text, level=_level(record.response)
        )
    outcomes = QuoteOutcome.unpack(record.outcomes)[: record.count]
    is_flawless = all(outcome.code == 0 for outcome in outcomes)
    if record.response == QuoteResponse.NONE or (
        record.response == QuoteResponse.REFUSED_ENTRIES and is_flawless
    ):
        return ""
    is_last = record.first + record.count >= record.entries
    sets = [
        _set(number, list(entries), directory, is_last=is_last)
        for number, entries in groupby(outcomes, key=lambda outcome: outcome.protection_group)
    ]
    return (
        f"35=b\x01117={safe_text(record.quote_id) or 'NONE'}\x01"
        f"297={tags.QUOTE_STATUS_ACCEPTED}\x01"
        f"{_level(record.response)}{account(record.account, directory)}"
        f"296={len(sets)}\x01{''.join(sets)}5002={record.number}\x01"
    )


def _level(response: int) -> str:
    """Write QuoteResponseLevel (301), where it is one of the standard's."""
    return f"301={response}\x01" if response in _LEVELS else ""


def _set(number: int, entries: list[QuoteOutcome], directory: Directory, *, is_last: bool) -> str:
    fragment = f"302={number}\x01893={'Y' if is_last else 'N'}\x01"
    told = "".join(_entry(entry, directory) for entry in entries)
    return f"{fragment}295={len(entries)}\x01{told}"


def _entry(entry: QuoteOutcome, directory: Directory) -> str:
    unit = directory.instruments.get(entry.instrument)
    name = (
        f"299={safe_text(entry.entry_id) or 'NONE'}\x0155={unit.symbol if unit else NO_SYMBOL}\x01"
    )
    if not entry.code:
        stands = tags.QUOTE_ENTRY_STATUS_ACCEPTED
        gone = tags.QUOTE_ENTRY_STATUS_REMOVED_FROM_MARKET
        return f"{name}1167={stands if entry.stands else gone}\x01"
    if entry.code >= _GATEWAY_CODES_FROM:
        text = f"{code_name(entry.code)}: tag {entry.usage}"
    else:
        # A sum of both sides' holds is in quote atoms, which the buy's side says.
        figures = Figures(entry.instrument, 1, entry.limit, entry.usage)
        text = refusal_text(entry.code, figures, directory)
    return (
        f"{name}1167={tags.QUOTE_ENTRY_STATUS_REJECTED}\x01"
        f"368={quote_reject_reason(entry.code)}\x015010={entry.code}\x015011={text}\x01"
    )


def refused_quote(record: events.RefusalRecorded, directory: Directory) -> str:
    """Refuse a mass quote that the gateway could not read (b, 297=5)."""
    return _refused_whole(record, directory, record.client_order_id, sentence(record))


def _refused_whole(
    record: events.MassQuoteAcknowledged | events.RefusalRecorded,
    directory: Directory,
    quote_id: bytes,
    text: str,
    *,
    level: str = "",
) -> str:
    return (
        f"35=b\x01117={safe_text(quote_id) or 'NONE'}\x01297={tags.QUOTE_STATUS_REJECTED}\x01"
        f"300={quote_reject_reason(record.code)}\x01{level}{account(record.account, directory)}"
        f"58={text}\x015001={record.code}\x015002={record.number}\x01"
    )


def cancelled(record: events.QuotesCancelled, directory: Directory) -> str:
    """Say that a cancel of quotes is done (AI), with how many sides went."""
    unit = directory.instruments.get(record.instrument)
    status = _CANCELLED.get(record.scope, tags.QUOTE_STATUS_CANCELED)
    return _status(
        record,
        directory,
        named=record.request_id,
        group=record.protection_group,
        symbol=unit.symbol if unit else NO_SYMBOL,
        status=status,
        text=f"{record.cancelled} sides cancelled",
    )


def rejected(record: events.QuotingRejected, directory: Directory) -> str:
    """Refuse a cancel of quotes, or a reset or query of protection (AI): 297=9 if unknown."""
    is_query = record.refused_kind == QueryProtection.KIND
    unit = directory.instruments.get(record.instrument)
    is_unknown = record.code in _NOT_FOUND
    return _status(
        record,
        directory,
        named=NO_CLIENT_ID if is_query else record.request_id,
        query=record.request_id if is_query else NO_CLIENT_ID,
        group=record.protection_group,
        symbol=unit.symbol if unit else NO_SYMBOL,
        status=tags.QUOTE_STATUS_QUOTE_NOT_FOUND if is_unknown else tags.QUOTE_STATUS_REJECTED,
        text=refusal_text(record.code, Figures(0, 0, record.limit, record.usage), directory),
        code=record.code,
    )


def refused_status(record: events.RefusalRecorded, directory: Directory) -> str:
    """Refuse such a request that the gateway could not read (AI)."""
    return _status(
        record,
        directory,
        named=record.client_order_id,
        query=record.original_client_order_id,
        status=tags.QUOTE_STATUS_REJECTED,
        text=sentence(record),
        code=record.code,
    )


def triggered(record: events.ProtectionTriggered, directory: Directory) -> str:
    """Say that a protection group reached a limit: its quotes went, and it is frozen."""
    until = record.frozen_until_ns
    atoms = "" if record.reached == ProtectionLimit.TRADES else " atoms"
    ends = f"until {timestamp_text(until)}" if until else "until it is reset"
    return _status(
        record,
        directory,
        group=record.protection_group,
        status=tags.QUOTE_STATUS_REMOVED_FROM_MARKET,
        text=f"PROTECTION: {_limit_name(record.reached)} limit {record.limit}{atoms}, "
        f"traded {record.usage}{atoms}, {record.cancelled} sides cancelled, frozen {ends}",
    )


def reset(record: events.ProtectionReset, directory: Directory) -> str:
    """Say that a protection group counts from nothing and may quote."""
    return _status(
        record,
        directory,
        named=record.request_id,
        group=record.protection_group,
        status=tags.QUOTE_STATUS_ACCEPTED,
        text="PROTECTION: counts from nothing" + (", thawed" if record.was_frozen else ""),
    )


def reported(record: events.ProtectionReported, directory: Directory) -> str:
    """Say where a protection group stands; the last one of an answer says that none is left."""
    base, quote = directory.asset(record.base_asset), directory.asset(record.quote_asset)
    figures = (
        ("quantity", record.quantity_atoms, record.quantity_max_atoms, base),
        ("notional", record.notional_atoms, record.notional_max_atoms, quote),
        ("delta", record.delta_atoms, record.delta_max_atoms, base),
    )
    counted = ", ".join(
        f"{name} {decimal_text(usage, asset.scale)} of {decimal_text(limit, asset.scale)}"
        for name, usage, limit, asset in figures
        if limit
    )
    frozen = timestamp_text(record.frozen_until_ns) if record.frozen_until_ns else "it is reset"
    return _status(
        record,
        directory,
        query=record.request_id,
        group=record.protection_group,
        status=(
            tags.QUOTE_STATUS_REMOVED_FROM_MARKET
            if record.is_frozen
            else tags.QUOTE_STATUS_ACCEPTED
        ),
        text=(f"{counted}, " if counted else "")
        + f"trades {record.trades} of {record.trades_max}"
        + (f", frozen until {frozen}" if record.is_frozen else "")
        + f", {record.left} more",
    )


def _limit_name(reached: int) -> str:
    try:
        return ProtectionLimit(reached).name
    except ValueError:
        return f"LIMIT_{reached}"


def _status(
    record: events.QuotesCancelled
    | events.QuotingRejected
    | events.RefusalRecorded
    | events.ProtectionTriggered
    | events.ProtectionReset
    | events.ProtectionReported,
    directory: Directory,
    *,
    status: str,
    text: str,
    named: bytes = NO_CLIENT_ID,
    query: bytes = NO_CLIENT_ID,
    group: int = 0,
    symbol: str = NO_SYMBOL,
    code: int = 0,
) -> str:
    asked = safe_text(query)
    return (
        "35=AI\x01"
        + (f"649={asked}\x01" if asked else "")
        + f"131=NONE\x01117={safe_text(named) or 'NONE'}\x01"
        + (f"302={group}\x01" if group else "")
        + f"55={symbol}\x01{account(record.account, directory)}"
        f"60={timestamp_text(record.time_ns)}\x01297={status}\x01"
        + (f"300={quote_reject_reason(code)}\x01" if code else "")
        + f"58={text}\x01"
        + (f"5001={code}\x01" if code else "")
        + f"5002={record.number}\x01"
    )
