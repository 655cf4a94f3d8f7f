"""Cancels, mass cancels, queries and recorded refusals: allowed in every phase and under kill."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AmendOrder,
    CancelOrder,
    MassAction,
    MassCancel,
    QueryOrder,
    QueryOrders,
    RecordRefusal,
)
from messages.trading.events import MassCancelled, RefusalRecorded
from risk.decisions import Refused, is_client_id
from venue.reference.accounts import Account
from venue.reference.entry import decide_session
from venue.reference.event_writer import REPORTED, shape
from venue.reference.orders import Order
from venue.reference.rejections import (
    CANCEL_REJECTED,
    QUERY_REJECTED,
    reject_mass_cancel,
    reject_request,
)
from venue.reference.sessions import Session
from venue.reference.state import VenueState, cancel_order, decide_client_id, decide_id_room
from venue.reference.values import (
    ACCOUNT,
    FIRM,
    MASS_CANCEL,
    NO_CLIENT_ID,
    REQUESTED,
    RIGHT_TRADE,
    SELL,
    SESSION,
)

_MASS_CANCELLED: Final = shape(MassCancelled)
_REFUSAL_RECORDED: Final = shape(RefusalRecorded)


def find_order(
    venue: VenueState, account: Account, *, order_id: int, client_order_id: bytes
) -> Order | None:
    """Return an account's order, open or remembered, by its number or else by any of its ids."""
    if order_id:
        order = venue.client_ids.orders.get(order_id)
        return order if order is not None and order.account is account else None
    named = account.client_ids.get(client_order_id)
    return named if isinstance(named, Order) else None


def decide_target(
    order: Order | None, command: CancelOrder | AmendOrder | QueryOrder
) -> Refused | None:
    """Say whether a request names an open order, and the one that it thinks it names."""
    if order is None:
        return Refused(RejectCode.ORDER_UNKNOWN)
    if command.instrument and command.instrument != order.instrument_number:
        return Refused(RejectCode.INSTRUMENT_MISMATCH, order.instrument_number, command.instrument)
    if command.side and command.side != order.side:
        return Refused(RejectCode.SIDE_MISMATCH, order.side, command.side)
    if not order.is_open:
        return Refused(RejectCode.ORDER_ALREADY_DONE, 0, order.status)
    return None


def decide_request_id(
    venue: VenueState, account: Account, client_order_id: bytes, *, is_needed: bool
) -> Refused | None:
    """Say whether a request's own id is well formed and new; none given is well."""
    if client_order_id == NO_CLIENT_ID:
        return None
    if not is_client_id(client_order_id):
        return Refused(RejectCode.CLIENT_ORDER_ID_INVALID)
    return decide_client_id(venue, account, client_order_id, is_needed=is_needed)


def cancel(venue: VenueState, command: CancelOrder) -> None:
    """Cancel one order, or refuse to."""
    account = venue.accounts.get(command.account)
    order = None
    refused = decide_session(venue, command, account)
    if refused is None:
        assert account is not None
        order = find_order(
            venue,
            account,
            order_id=command.order_id,
            client_order_id=command.original_client_order_id,
        )
        refused = decide_target(order, command) or decide_request_id(
            venue, account, command.client_order_id, is_needed=False
        )
    if refused is not None:
        reject_request(
            venue,
            CANCEL_REJECTED,
            command,
            refused,
            order=order,
            client_order_id=command.client_order_id,
            original_client_order_id=command.original_client_order_id,
        )
        return
    assert order is not None
    if (
        order.quoted is None
        and command.client_order_id != NO_CLIENT_ID
        and _has_room_for_id(venue, order.account)
    ):
        venue.client_ids.attach(order, command.client_order_id)
    cancel_order(
        venue,
        order,
        reason=REQUESTED,
        origin_session=command.session,
        origin_connection=command.connection,
        request_id=command.client_order_id,
    )


def _has_room_for_id(venue: VenueState, account: Account) -> bool:
    """Say whether a cancel's own id can be remembered; a cancel is never refused for it."""
    return decide_id_room(venue, account) is None


def mass_cancel(venue: VenueState, command: MassCancel) -> None:
    """Cancel all open orders in a scope, oldest first, or refuse to."""
    account = venue.accounts.get(command.account)
    refused = decide_scope(venue, command, account)
    if refused is not None:
        reject_mass_cancel(venue, command, refused)
        return
    assert account is not None
    remember_request(venue, account, command.client_order_id)
    cancelled = cancel_all(
        venue,
        orders_in_scope(venue, command, account),
        reason=MASS_CANCEL,
        origin_session=command.session,
        origin_connection=command.connection,
        request_id=command.client_order_id,
    )
    venue.events.emit(
        _MASS_CANCELLED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.scope,
        command.side,
        0,
        cancelled,
        command.client_order_id,
    )


def decide_scope(
    venue: VenueState, command: MassCancel | MassAction | QueryOrders, account: Account | None
) -> Refused | None:
    """Say whether a request may reach its scope, and whether an id of its own is well and new."""
    refused = decide_session(venue, command, account)
    if refused is None and command.scope not in {SESSION, ACCOUNT, FIRM}:
        refused = Refused(RejectCode.SCOPE_INVALID, 0, command.scope)
    if refused is None and command.side > SELL:
        refused = Refused(RejectCode.FIELD_INVALID, SELL, command.side)
    if refused is None and command.instrument and command.instrument not in venue.instruments:
        refused = Refused(RejectCode.INSTRUMENT_UNKNOWN)
    if refused is not None or isinstance(command, QueryOrders):
        return refused
    assert account is not None
    return decide_request_id(venue, account, command.client_order_id, is_needed=False)


def remember_request(venue: VenueState, account: Account, client_order_id: bytes) -> None:
    """Remember the id of a request about many orders, if it has one and there is room."""
    if client_order_id != NO_CLIENT_ID and _has_room_for_id(venue, account):
        venue.client_ids.remember_mass_cancel(account, client_order_id, now_ns=venue.last_time_ns)


def orders_in_scope(
    venue: VenueState, command: MassCancel | MassAction | QueryOrders, account: Account
) -> list[Order]:
    """Return the open orders that a request about many reaches, in no order."""
    session = venue.sessions[command.session]
    accounts = [account] if command.scope == ACCOUNT else tradable_accounts(venue, session)
    return [
        order
        for each in accounts
        for order in each.open_orders.values()
        if (command.scope != SESSION or order.session == session.number)
        and (command.instrument in {0, order.instrument_number})
        and (command.side in {0, order.side})
    ]


def tradable_accounts(venue: VenueState, session: Session) -> list[Account]:
    """Return the accounts that a session may trade for."""
    return [
        venue.accounts[number] for number, rights in session.rights.items() if rights & RIGHT_TRADE
    ]


def cancel_all(
    venue: VenueState,
    orders: Iterable[Order],
    *,
    reason: int,
    origin_session: int = 0,
    origin_connection: int = 0,
    request_id: bytes = NO_CLIENT_ID,
) -> int:
    """Cancel open orders, the smallest order number first; return how many."""
    chosen = sorted(orders, key=lambda order: order.order_id)
    for order in chosen:
        cancel_order(
            venue,
            order,
            reason=reason,
            origin_session=origin_session,
            origin_connection=origin_connection,
            request_id=request_id,
        )
    return len(chosen)


def query_order(venue: VenueState, command: QueryOrder) -> None:
    """Say where an order stands, done ones included while they are remembered."""
    account = venue.accounts.get(command.account)
    order = None
    refused = decide_session(venue, command, account)
    if refused is None:
        assert account is not None
        order = find_order(
            venue, account, order_id=command.order_id, client_order_id=command.client_order_id
        )
        refused = decide_target(order, command)
        if refused is not None and refused.code == RejectCode.ORDER_ALREADY_DONE:
            refused = None
    if refused is not None:
        reject_request(
            venue,
            QUERY_REJECTED,
            command,
            refused,
            order=order,
            client_order_id=command.client_order_id,
            original_client_order_id=command.request_id,
        )
        return
    assert order is not None
    venue.events.order(REPORTED, order, command.session, command.connection, command.request_id)


def record_refusal(venue: VenueState, command: RecordRefusal) -> None:
    """Put a gateway's refusal on record; nothing is checked and nothing remembered."""
    venue.events.emit(
        _REFUSAL_RECORDED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.refused_kind,
        command.code,
        command.side,
        command.order_type,
        command.time_in_force,
        0,
        command.order_id,
        command.client_order_id,
        command.original_client_order_id,
        command.text,
    )
