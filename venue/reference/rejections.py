"""Says that a command was refused, in the event that its kind has for that."""

from __future__ import annotations

from typing import Final

from messages.trading.commands import (
    AmendOrder,
    CancelOrder,
    CancelQuotes,
    Command,
    MassCancel,
    PlaceOrder,
    QueryOrder,
    QueryProtection,
    ResetProtection,
)
from messages.trading.events import (
    AmendRejected,
    CancelRejected,
    CommandRejected,
    MassCancelRejected,
    OrderRejected,
    QueryRejected,
    QuotingRejected,
)
from risk.decisions import Refused
from venue.reference.event_writer import Shape, clipped, shape
from venue.reference.orders import Order
from venue.reference.state import VenueState
from venue.reference.values import NO_CLIENT_ID

_ORDER_REJECTED: Final = shape(OrderRejected)
_MASS_CANCEL_REJECTED: Final = shape(MassCancelRejected)
_COMMAND_REJECTED: Final = shape(CommandRejected)
_QUOTING_REJECTED: Final = shape(QuotingRejected)
AMEND_REJECTED: Final = shape(AmendRejected)
CANCEL_REJECTED: Final = shape(CancelRejected)
QUERY_REJECTED: Final = shape(QueryRejected)


def reject_order(venue: VenueState, command: PlaceOrder, refused: Refused) -> None:
    """Refuse a PlaceOrder."""
    venue.events.emit(
        _ORDER_REJECTED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.side,
        command.order_type,
        command.time_in_force,
        command.self_trade_prevention,
        command.order_flags & 0xFF,
        0,
        refused.code,
        command.price_ticks,
        command.quantity_lots,
        command.stop_price_ticks,
        command.cash_atoms,
        clipped(refused.limit),
        clipped(refused.usage),
        command.trader,
        0,
        command.client_order_id,
    )


def reject_request(
    venue: VenueState,
    event: Shape,
    command: AmendOrder | CancelOrder | QueryOrder,
    refused: Refused,
    *,
    order: Order | None,
    client_order_id: bytes,
    original_client_order_id: bytes,
) -> None:
    """Refuse an amend, a cancel or a query, saying where its order stands if there is one."""
    venue.events.emit(
        event,
        command.account,
        command.session,
        command.connection,
        command.instrument if order is None else order.instrument_number,
        command.order_id if order is None else order.order_id,
        command.side if order is None else order.side,
        0 if order is None else order.status,
        refused.code,
        0,
        clipped(refused.limit),
        clipped(refused.usage),
        client_order_id,
        original_client_order_id,
    )


def reject_mass_cancel(venue: VenueState, command: MassCancel, refused: Refused) -> None:
    """Refuse a MassCancel."""
    venue.events.emit(
        _MASS_CANCEL_REJECTED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.scope,
        command.side,
        refused.code,
        0,
        clipped(refused.limit),
        clipped(refused.usage),
        command.client_order_id,
    )


def reject_quoting(
    venue: VenueState,
    command: CancelQuotes | ResetProtection | QueryProtection,
    refused: Refused,
) -> None:
    """Refuse a cancel of quotes, or a reset or query of a protection group."""
    instrument, scope = 0, 0
    if isinstance(command, CancelQuotes):
        instrument, scope = command.instrument, command.scope
    venue.events.emit(
        _QUOTING_REJECTED,
        command.account,
        command.session,
        command.connection,
        instrument,
        command.protection_group,
        command.kind,
        refused.code,
        scope,
        0,
        0,
        0,
        clipped(refused.limit),
        clipped(refused.usage),
        command.request_id,
    )


def reject_command(
    venue: VenueState,
    command: Command,
    refused: Refused,
    *,
    subject: int,
    reference: bytes = NO_CLIENT_ID,
) -> None:
    """Refuse a money, definition, session or operator command, about the number ``subject``."""
    venue.events.emit(
        _COMMAND_REJECTED,
        command.account,
        command.session,
        command.kind,
        refused.code,
        subject,
        command.source,
        0,
        command.source_sequence,
        clipped(refused.limit),
        clipped(refused.usage),
        reference,
    )
