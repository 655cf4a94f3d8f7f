"""Rows of the order history, made from events.

Every event about an order says its whole state after the fact, so a row is never computed from
an earlier one: the last event about an order in a batch is what its row becomes.
"""

import msgspec

from messages.trading.commands import PlaceOrder
from messages.trading.events import (
    MassCancelled,
    MassCancelRejected,
    OrderAmended,
    OrderCancelled,
    OrderEvent,
    OrderRejected,
    RefusalRecorded,
    RequestRejected,
    TradeBusted,
    TradeChanged,
    TradeExecuted,
)
from messages.trading.terms import CancelReason, OrderStatus, Side
from settlement.records import stored_id, stored_text

OPEN_STATUSES = frozenset(
    map(int, (OrderStatus.PENDING_TRIGGER, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED))
)

Row = tuple[int | str | bool | None, ...]


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of ``order_events``, its fields in the table's order."""

    event_number: int
    leg: int = 1
    kind: int
    order_id: int | None
    account: int
    session: int
    connection: int
    instrument: int
    side: int
    status: int
    reason: int
    price_ticks: int = 0
    quantity_lots: int = 0
    leaves_lots: int = 0
    filled_lots: int = 0
    filled_value: int = 0
    held_atoms: int = 0
    client_order_id: str
    related_client_order_id: str | None = None
    origin_session: int | None = None
    trade_id: int | None = None
    last_ticks: int | None = None
    last_lots: int | None = None
    fee_atoms: int | None = None
    is_maker: bool | None = None
    limit_value: int | None = None
    usage_value: int | None = None
    refused_kind: int | None = None
    scope: int | None = None
    cancelled: int | None = None
    text: str | None = None
    time_ns: int
    received_at_ns: int


class OrderRow(msgspec.Struct, kw_only=True, gc=False):
    """One line of ``orders``, its fields in the table's order; changed while its batch lasts."""

    created_event: int
    order_id: int | None
    account: int
    session: int
    instrument: int
    client_order_id: str
    side: int
    order_type: int
    time_in_force: int
    order_flags: int = 0
    self_trade_prevention: int = 0
    status: int
    is_open: bool
    reason: int
    price_ticks: int = 0
    stop_price_ticks: int = 0
    quantity_lots: int = 0
    leaves_lots: int = 0
    filled_lots: int = 0
    filled_value: int = 0
    display_lots: int = 0
    minimum_lots: int = 0
    expire_at_ns: int = 0
    held_atoms: int = 0
    created_at_ns: int
    updated_event: int
    updated_at_ns: int


class FillRow(msgspec.Struct, kw_only=True, gc=False):
    """What a trade changes of an order that was there before the batch."""

    order_id: int
    status: int
    is_open: bool
    leaves_lots: int
    filled_lots: int
    filled_value: int
    held_atoms: int
    updated_event: int
    updated_at_ns: int


class CorrectedRow(msgspec.Struct, kw_only=True, gc=False):
    """What a bust or correction changes of an order that was there before the batch."""

    order_id: int
    status: int
    is_open: bool
    quantity_lots: int
    leaves_lots: int
    filled_lots: int
    filled_value: int
    held_atoms: int
    updated_event: int
    updated_at_ns: int


def order_row(event: OrderEvent, client_order_id: str) -> OrderRow:
    """Say how an order stands after an event about it."""
    return OrderRow(
        created_event=event.number,
        order_id=event.order_id,
        account=event.account,
        session=event.session,
        instrument=event.instrument,
        client_order_id=client_order_id,
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        order_flags=event.order_flags,
        self_trade_prevention=event.self_trade_prevention,
        status=event.status,
        is_open=event.status in OPEN_STATUSES,
        reason=event.reason,
        price_ticks=event.price_ticks,
        stop_price_ticks=event.stop_price_ticks,
        quantity_lots=event.quantity_lots,
        leaves_lots=event.leaves_lots,
        filled_lots=event.filled_lots,
        filled_value=event.filled_value,
        display_lots=event.display_lots,
        minimum_lots=event.minimum_lots,
        expire_at_ns=event.expire_at_ns,
        held_atoms=event.held_atoms,
        created_at_ns=event.time_ns,
        updated_event=event.number,
        updated_at_ns=event.time_ns,
    )


def rejected_order_row(event: OrderRejected) -> OrderRow:
    """Make the row of an order that the venue refused."""
    return OrderRow(
        created_event=event.number,
        order_id=None,
        account=event.account,
        session=event.session,
        instrument=event.instrument,
        client_order_id=stored_text(event.client_order_id),
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        order_flags=event.order_flags,
        self_trade_prevention=event.self_trade_prevention,
        status=OrderStatus.REJECTED,
        is_open=False,
        reason=event.code,
        price_ticks=event.price_ticks,
        stop_price_ticks=event.stop_price_ticks,
        quantity_lots=event.quantity_lots,
        created_at_ns=event.time_ns,
        updated_event=event.number,
        updated_at_ns=event.time_ns,
    )


def refused_order_row(event: RefusalRecorded) -> OrderRow:
    """Make the row of an order that a gateway refused; its numbers may never have been any."""
    return OrderRow(
        created_event=event.number,
        order_id=None,
        account=event.account,
        session=event.session,
        instrument=event.instrument,
        client_order_id=stored_text(event.client_order_id),
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        status=OrderStatus.REJECTED,
        is_open=False,
        reason=event.code,
        created_at_ns=event.time_ns,
        updated_event=event.number,
        updated_at_ns=event.time_ns,
    )


def order_history_row(event: OrderEvent, client_order_id: str) -> HistoryRow:
    """Make the history line of an event that carries an order's state."""
    related = origin = None
    if isinstance(event, OrderAmended):
        related, origin = event.previous_client_order_id, event.origin_session
    elif isinstance(event, OrderCancelled):
        related, origin = event.request_client_order_id, event.origin_session
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=event.order_id,
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=event.status,
        reason=event.reason,
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        leaves_lots=event.leaves_lots,
        filled_lots=event.filled_lots,
        filled_value=event.filled_value,
        held_atoms=event.held_atoms,
        client_order_id=client_order_id,
        related_client_order_id=_text_or_none(related),
        origin_session=stored_id(origin or 0),
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def order_rejection_row(event: OrderRejected) -> HistoryRow:
    """Make the history line of an order that the venue refused."""
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=None,
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=OrderStatus.REJECTED,
        reason=event.code,
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        client_order_id=stored_text(event.client_order_id),
        limit_value=event.limit,
        usage_value=event.usage,
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def request_rejection_row(event: RequestRejected) -> HistoryRow:
    """Make the history line of a cancel, amend or query that the venue refused."""
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=stored_id(event.order_id),
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=event.status,
        reason=event.code,
        client_order_id=stored_text(event.client_order_id),
        related_client_order_id=_text_or_none(event.original_client_order_id),
        limit_value=event.limit,
        usage_value=event.usage,
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def refusal_row(event: RefusalRecorded) -> HistoryRow:
    """Make the history line of a request that a gateway refused."""
    is_order = event.refused_kind == PlaceOrder.KIND
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=stored_id(event.order_id),
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=OrderStatus.REJECTED if is_order else 0,
        reason=event.code,
        client_order_id=stored_text(event.client_order_id),
        related_client_order_id=_text_or_none(event.original_client_order_id),
        refused_kind=event.refused_kind,
        text=stored_text(event.text),
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def mass_cancelled_row(event: MassCancelled) -> HistoryRow:
    """Make the history line of a mass cancel; each order it took has a line of its own."""
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=None,
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=0,
        reason=0,
        client_order_id=stored_text(event.client_order_id),
        scope=event.scope,
        cancelled=event.cancelled,
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def mass_cancel_rejection_row(event: MassCancelRejected) -> HistoryRow:
    """Make the history line of a mass cancel that the venue refused."""
    return HistoryRow(
        event_number=event.number,
        kind=event.kind,
        order_id=None,
        account=event.account,
        session=event.session,
        connection=event.connection,
        instrument=event.instrument,
        side=event.side,
        status=0,
        reason=event.code,
        client_order_id=stored_text(event.client_order_id),
        limit_value=event.limit,
        usage_value=event.usage,
        scope=event.scope,
        time_ns=event.time_ns,
        received_at_ns=event.received_at_ns,
    )


def fill_lines(trade: TradeExecuted) -> tuple[Row, Row]:
    """Make the history lines of a trade: leg 1 for the maker, leg 2 for the taker.

    These are the most frequent lines by far, so they are made without a ``HistoryRow``; a test
    compares them with one.
    """
    maker_side = int(Side.SELL if trade.taker_side == Side.BUY else Side.BUY)
    head, kind, instrument = trade.number, trade.kind, trade.instrument
    fill = trade.trade_id, trade.price_ticks, trade.quantity_lots
    end = None, None, None, None, None, None, trade.time_ns, trade.received_at_ns
    maker = (
        head, 1, kind, trade.maker_order_id, trade.maker_account, trade.maker_session,
        trade.maker_connection, instrument, maker_side, trade.maker_status, 0,
        trade.maker_price_ticks, trade.maker_quantity_lots, trade.maker_leaves_lots,
        trade.maker_filled_lots, trade.maker_filled_value, trade.maker_held_atoms,
        stored_text(trade.maker_client_order_id), None, None, *fill, trade.maker_fee_atoms, True,
        *end,
    )  # fmt: skip
    taker = (
        head, 2, kind, trade.taker_order_id, trade.taker_account, trade.taker_session,
        trade.taker_connection, instrument, trade.taker_side, trade.taker_status, 0,
        trade.taker_price_ticks, trade.taker_quantity_lots, trade.taker_leaves_lots,
        trade.taker_filled_lots, trade.taker_filled_value, trade.taker_held_atoms,
        stored_text(trade.taker_client_order_id), None, None, *fill, trade.taker_fee_atoms, False,
        *end,
    )  # fmt: skip
    return maker, taker


def correction_rows(event: TradeChanged) -> tuple[CorrectedRow, CorrectedRow]:
    """Say how both orders stand after a bust or correction: the maker's, then the taker's."""
    maker, taker = (
        CorrectedRow(
            order_id=getattr(event, f"{party}_order_id"),
            status=(status := getattr(event, f"{party}_status")),
            is_open=status in OPEN_STATUSES,
            quantity_lots=getattr(event, f"{party}_quantity_lots"),
            leaves_lots=getattr(event, f"{party}_leaves_lots"),
            filled_lots=getattr(event, f"{party}_filled_lots"),
            filled_value=getattr(event, f"{party}_filled_value"),
            held_atoms=getattr(event, f"{party}_held_atoms"),
            updated_event=event.number,
            updated_at_ns=event.time_ns,
        )
        for party in ("maker", "taker")
    )
    return maker, taker


def correction_lines(event: TradeChanged) -> tuple[HistoryRow, HistoryRow]:
    """Make the history lines of a bust or correction: leg 1 for the maker, leg 2 for the taker.

    A bust's line says the terms and the fee that were undone, a correction's the present ones.
    """
    is_bust = isinstance(event, TradeBusted)
    maker_side = int(Side.SELL if event.taker_side == Side.BUY else Side.BUY)
    maker, taker = (
        HistoryRow(
            event_number=event.number,
            leg=leg,
            kind=event.kind,
            order_id=getattr(event, f"{party}_order_id"),
            account=getattr(event, f"{party}_account"),
            session=getattr(event, f"{party}_session"),
            connection=getattr(event, f"{party}_connection"),
            instrument=event.instrument,
            side=side,
            status=getattr(event, f"{party}_status"),
            reason=int(CancelReason.BUST) if is_bust else 0,
            price_ticks=getattr(event, f"{party}_price_ticks"),
            quantity_lots=getattr(event, f"{party}_quantity_lots"),
            leaves_lots=getattr(event, f"{party}_leaves_lots"),
            filled_lots=getattr(event, f"{party}_filled_lots"),
            filled_value=getattr(event, f"{party}_filled_value"),
            held_atoms=getattr(event, f"{party}_held_atoms"),
            client_order_id=stored_text(getattr(event, f"{party}_client_order_id")),
            trade_id=event.trade_id,
            last_ticks=event.previous_price_ticks if is_bust else event.price_ticks,
            last_lots=event.previous_quantity_lots if is_bust else event.quantity_lots,
            fee_atoms=getattr(event, f"{party}_{'previous_' * is_bust}fee_atoms"),
            is_maker=party == "maker",
            text=_text_or_none(event.text),
            time_ns=event.time_ns,
            received_at_ns=event.received_at_ns,
        )
        for leg, party, side in ((1, "maker", maker_side), (2, "taker", event.taker_side))
    )
    return maker, taker


def _text_or_none(data: bytes | None) -> str | None:
    return stored_text(data) or None if data is not None else None
