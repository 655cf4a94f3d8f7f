"""CheckOrder: what would become of an order, decided as PlaceOrder decides, changing nothing."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import CheckOrder
from messages.trading.events import OrderChecked
from risk.decisions import Refused, collar_price
from venue.reference.accounts import Account
from venue.reference.entry import NewOrder, decide_new, look_at_throttle
from venue.reference.event_writer import clipped, shape
from venue.reference.orders import Order
from venue.reference.state import VenueState
from venue.reference.values import BUY, LIMIT, STOP_LIMIT

_ORDER_CHECKED: Final = shape(OrderChecked)
_APPROVED: Final = Refused(RejectCode.NONE)
_UNKNOWN: Final = (0,) * 14
"""The fields of OrderChecked between ``usage`` and the client's id, when they are not told."""


def check_order(venue: VenueState, command: CheckOrder) -> None:
    """Say whether an order would be accepted now, and how near each bound it would come."""
    decided = decide_new(venue, command, pass_rate=look_at_throttle)
    if isinstance(decided, Refused):
        refuse_check(venue, command, decided)
    else:
        order = decided.order
        terms = (order.price_ticks, order.quantity_lots)
        _say(venue, command, _APPROVED, terms=terms, figures=_figures(venue, decided))


def refuse_check(venue: VenueState, command: CheckOrder, refused: Refused) -> None:
    """Say that such an order would be refused; what it would meet further on is left out."""
    terms = (command.price_ticks, command.quantity_lots)
    _say(venue, command, refused, terms=terms, figures=_UNKNOWN)


def _say(
    venue: VenueState,
    command: CheckOrder,
    refused: Refused,
    *,
    terms: tuple[int, int],
    figures: tuple[int, ...],
) -> None:
    venue.events.emit(
        _ORDER_CHECKED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.side,
        command.order_type,
        command.time_in_force,
        command.order_flags & 0xFF,
        refused.code,
        0,
        *terms,
        clipped(refused.limit),
        clipped(refused.usage),
        *figures,
        command.client_order_id,
    )


def _figures(venue: VenueState, new: NewOrder) -> tuple[int, ...]:
    """Return what an approved order would meet: each bound and what would be used of it."""
    order = new.order
    instrument, account, base = order.instrument, order.account, order.base
    limits = instrument.limits
    is_buy = order.side == BUY
    position_atoms = base.balance_atoms + base.buying_atoms
    position_atoms += order.quantity_lots * instrument.lot_atoms
    return (
        order.holding.available_atoms,
        new.held_atoms,
        base.position_max_atoms if is_buy else 0,
        position_atoms if is_buy else 0,
        limits.notional_min_atoms,
        limits.notional_max_atoms,
        new.notional_atoms,
        _collar(order),
        account.open_orders_max,
        len(account.open_orders) + 1,
        limits.orders_max,
        instrument.open_orders + 1,
        *_messages(venue, account),
    )


def _collar(order: Order) -> int:
    """Return the last price that the collar allows such an order; 0 where nothing is compared."""
    instrument = order.instrument
    reference_ticks = {
        LIMIT: instrument.reference_ticks,
        STOP_LIMIT: order.stop_price_ticks,
    }.get(order.order_type, 0)
    collar_ppm = instrument.limits.collar_ppm
    if collar_ppm == 0 or reference_ticks == 0:
        return 0
    return collar_price(side=order.side, reference_ticks=reference_ticks, collar_ppm=collar_ppm)


def _messages(venue: VenueState, account: Account) -> tuple[int, int]:
    """Return the throttle's burst, and the messages of it in use with this one; 0 for none."""
    interval_ns = account.message_interval_ns
    if account.message_burst == 0 or interval_ns == 0:
        return 0, 0
    pending = -((venue.last_time_ns - account.next_free_ns) // interval_ns)
    return account.message_burst, max(pending, 0) + 1
