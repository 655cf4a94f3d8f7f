"""The messages that end or refuse a request, other than execution reports: 9, r and j."""

from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.kinds import message_type_of
from fix_gateway.translation.parts import (
    ORDER_STATUS,
    account,
    identifier,
    original,
    sentence,
    side,
    target_firm,
)
from fix_gateway.translation.reasons import (
    Figures,
    cancel_reject_reason,
    mass_cancel_reject_reason,
    refusal_text,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import AmendOrder
from messages.trading.terms import Scope

MassCancelEvent = events.MassCancelled | events.MassCancelRejected | events.RefusalRecorded


def cancel_reject(
    record: events.CancelRejected | events.AmendRejected, directory: Directory, *, response_to: str
) -> str:
    """Report a cancel (1) or amend (2) that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _cancel_reject(
        record,
        directory,
        state=ORDER_STATUS.get(record.status, tags.ORD_STATUS_REJECTED),
        response_to=response_to,
        text=refusal_text(record.code, figures, directory),
    )


def refused_cancel(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a cancel or an amend that the gateway refused."""
    is_amend = record.refused_kind == AmendOrder.KIND
    return _cancel_reject(
        record,
        directory,
        state=tags.ORD_STATUS_REJECTED,
        response_to=(
            tags.CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REPLACE_REQUEST
            if is_amend
            else tags.CXL_REJ_RESPONSE_TO_ORDER_CANCEL_REQUEST
        ),
        text=sentence(record),
    )


def mass_cancel(record: events.MassCancelled, directory: Directory) -> str:
    """Report a mass cancel that is done."""
    scope = _scope(record.scope, record.instrument)
    return _mass_cancel(
        record,
        directory,
        scope=record.scope,
        outcome=f"530={scope}\x01531={scope}\x01533={record.cancelled}\x01",
    )


def mass_cancel_reject(record: events.MassCancelRejected, directory: Directory) -> str:
    """Report a mass cancel that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _mass_cancel_reject(
        record, directory, record.scope, refusal_text(record.code, figures, directory)
    )


def refused_mass_cancel(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a mass cancel that the gateway refused; 530 is 7 where the scope is unknown."""
    return _mass_cancel_reject(record, directory, 0, sentence(record))


def business_reject(record: events.RefusalRecorded) -> str:
    """Refuse a request of a session that may send none (380=6), or of a kind unknown to us (0)."""
    reason = tags.BUSINESS_REJECT_REASON_OTHER
    if record.code == RejectCode.GATEWAY_RIGHTS_MISSING:
        reason = tags.BUSINESS_REJECT_REASON_NOT_AUTHORIZED
    reference = safe_text(record.client_order_id)
    named = f"379={reference}\x01" if reference else ""
    return (
        f"35=j\x01372={message_type_of(record.refused_kind)}\x01{named}380={reason}\x01"
        f"58={sentence(record)}\x015001={record.code}\x015002={record.number}\x01"
    )


def _cancel_reject(
    record: events.CancelRejected | events.AmendRejected | events.RefusalRecorded,
    directory: Directory,
    *,
    state: str,
    response_to: str,
    text: str,
) -> str:
    return (
        f"35=9\x0137={record.order_id or 'NONE'}\x01"
        f"{identifier(record.client_order_id)}{original(record.original_client_order_id)}"
        f"39={state}\x01{account(record.account, directory)}"
        f"60={timestamp_text(record.time_ns)}\x01434={response_to}\x01"
        f"102={cancel_reject_reason(record.code)}\x0158={text}\x01"
        f"5001={record.code}\x015002={record.number}\x01"
    )


def _mass_cancel_reject(
    record: events.MassCancelRejected | events.RefusalRecorded,
    directory: Directory,
    scope: int,
    text: str,
) -> str:
    reason = mass_cancel_reject_reason(record.code)
    return _mass_cancel(
        record,
        directory,
        scope=scope,
        outcome=f"530={_scope(scope, record.instrument)}\x01531=0\x01532={reason}\x01",
        refusal=f"58={text}\x015001={record.code}\x01",
    )


def _mass_cancel(
    record: MassCancelEvent, directory: Directory, *, scope: int, outcome: str, refusal: str = ""
) -> str:
    unit = directory.instruments.get(record.instrument)
    whose = (
        target_firm(record.account, directory)
        if scope == Scope.FIRM
        else account(record.account, directory)
    )
    return (
        f"35=r\x01{identifier(record.client_order_id)}37={record.number}\x01"
        f"1369={record.number}\x01{outcome}{whose}"
        + (f"55={unit.symbol}\x01" if unit is not None else "")
        + (f"54={side(record.side)}\x01" if record.side else "")
        + f"60={timestamp_text(record.time_ns)}\x01{refusal}5002={record.number}\x01"
    )


def _scope(scope: int, instrument: int) -> str:
    if scope == Scope.SESSION:
        return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_TRADING_SESSION
    if instrument:
        return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ORDERS_FOR_SECURITY
    return tags.MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS
