"""An order and a trade of a person's, as this process keeps and answers them."""

from collections.abc import Iterable

import msgspec

from messages.layout import Record, plain_text
from messages.trading import events
from messages.trading.terms import OrderStatus, Side

OPEN = frozenset({OrderStatus.PENDING_TRIGGER, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class Order(msgspec.Struct, kw_only=True, gc=False):
    """Where an order stands; units are the venue's own."""

    order_id: int
    account: int
    instrument: int
    client_order_id: str
    side: int
    order_type: int
    time_in_force: int
    order_flags: int
    self_trade_prevention: int
    status: int
    reason: int
    price_ticks: int
    stop_price_ticks: int
    quantity_lots: int
    leaves_lots: int
    filled_lots: int
    filled_value: int
    display_lots: int
    held_atoms: int
    cash_atoms: int
    created_at_ns: int
    updated_at_ns: int
    updated_event: int

    @property
    def is_open(self) -> bool:
        """Say whether it may still trade."""
        return self.status in OPEN


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person's side of a trade, as it stands now: a bust takes it away."""

    trade_id: int
    event_number: int
    account: int
    instrument: int
    order_id: int
    side: int
    is_maker: bool
    price_ticks: int
    quantity_lots: int
    notional_atoms: int
    fee_atoms: int
    time_ns: int


def order_of(event: events.OrderEvent, known: Order | None) -> Order:
    """Return the order as an event says it; ``known`` is what was known of it before."""
    created_at_ns = event.time_ns if known is None else known.created_at_ns
    return Order(
        order_id=event.order_id,
        account=event.account,
        instrument=event.instrument,
        client_order_id=plain_text(event.client_order_id),
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        order_flags=event.order_flags,
        self_trade_prevention=event.self_trade_prevention,
        status=event.status,
        reason=event.reason,
        price_ticks=event.price_ticks,
        stop_price_ticks=event.stop_price_ticks,
        quantity_lots=event.quantity_lots,
        leaves_lots=event.leaves_lots,
        filled_lots=event.filled_lots,
        filled_value=event.filled_value,
        display_lots=event.display_lots,
        held_atoms=event.held_atoms,
        cash_atoms=event.cash_atoms,
        created_at_ns=created_at_ns,
        updated_at_ns=event.time_ns,
        updated_event=event.number,
    )


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One side of a trade, or of its bust or correction: what became of the order."""

    order_id: int
    account: int
    side: int
    is_maker: bool
    status: int
    leaves_lots: int
    filled_lots: int
    filled_value: int
    held_atoms: int
    fee_atoms: int
    base_balance: int
    quote_balance: int


def fills_of(event: events.TradeExecuted | events.TradeChanged) -> tuple[Fill, Fill]:
    """Return the maker's and the taker's side."""
    taker_side = event.taker_side
    maker = Fill(
        event.maker_order_id,
        event.maker_account,
        Side.SELL if taker_side == Side.BUY else Side.BUY,
        True,  # positional, because thousands a second are made
        event.maker_status,
        event.maker_leaves_lots,
        event.maker_filled_lots,
        event.maker_filled_value,
        event.maker_held_atoms,
        event.maker_fee_atoms,
        event.maker_base_balance,
        event.maker_quote_balance,
    )
    taker = Fill(
        event.taker_order_id,
        event.taker_account,
        taker_side,
        False,
        event.taker_status,
        event.taker_leaves_lots,
        event.taker_filled_lots,
        event.taker_filled_value,
        event.taker_held_atoms,
        event.taker_fee_atoms,
        event.taker_base_balance,
        event.taker_quote_balance,
    )
    return maker, taker


def fill_order(order: Order, fill: Fill, event: events.TradeExecuted | events.TradeChanged) -> None:
    """Bring an order to where its side of a trade left it."""
    order.status = fill.status
    order.leaves_lots = fill.leaves_lots
    order.filled_lots = fill.filled_lots
    order.filled_value = fill.filled_value
    order.held_atoms = fill.held_atoms
    order.updated_at_ns = event.time_ns
    order.updated_event = event.number


def order_after(outcome: Iterable[Record], order_id: int, known: Order | None) -> Order | None:
    """Return an order as a command's own events left it, whatever others did to it since.

    Args:
        outcome: the events, in order.
        order_id: which order.
        known: what was known of it before; it stays as it is.
    """
    order = known
    for event in outcome:
        if isinstance(event, events.OrderEvent) and event.order_id == order_id:
            order = order_of(event, order)
        elif isinstance(event, events.TradeExecuted) and order is not None:
            for fill in fills_of(event):
                if fill.order_id == order_id:
                    order = msgspec.structs.replace(order)
                    fill_order(order, fill, event)
    return order


def trade_of(event: events.TradeExecuted | events.TradeChanged, fill: Fill) -> Trade:
    """Return one side's trade."""
    return Trade(
        trade_id=event.trade_id,
        event_number=event.number,
        account=fill.account,
        instrument=event.instrument,
        order_id=fill.order_id,
        side=fill.side,
        is_maker=fill.is_maker,
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        notional_atoms=event.notional_atoms,
        fee_atoms=fill.fee_atoms,
        time_ns=event.time_ns,
    )
