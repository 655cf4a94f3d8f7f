"""Every order with its whole history, as a projection of the events with a position of its own.

Nothing depends on it: it can be thrown away and made again from event 1 (``rebuild``).
"""

from collections.abc import Sequence

from msgspec.structs import astuple

from messages.trading.commands import PlaceOrder
from messages.trading.events import (
    AmendRejected,
    CancelRejected,
    MassCancelled,
    MassCancelRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderRejected,
    OrderReported,
    OrderRestated,
    OrderTriggered,
    QueryRejected,
    RefusalRecorded,
    RequestRejected,
    TradeBusted,
    TradeChanged,
    TradeCorrected,
    TradeExecuted,
)
from messages.trading.terms import CancelReason, OrderStatus
from runtime.postgres import Connection, connect, drop
from settlement import database
from settlement.chart import Consumer
from settlement.consumer import Turn
from settlement.errors import ConsumerBusyError
from settlement.locks import read_position, try_lock
from settlement.order_rows import (
    OPEN_STATUSES,
    CorrectedRow,
    FillRow,
    HistoryRow,
    OrderRow,
    Row,
    correction_lines,
    correction_rows,
    fill_lines,
    mass_cancel_rejection_row,
    mass_cancelled_row,
    order_history_row,
    order_rejection_row,
    order_row,
    refusal_row,
    refused_order_row,
    rejected_order_row,
    request_rejection_row,
)
from settlement.ports import EventBatch
from settlement.records import Handler, dispatch, stored_text
from settlement.schema import NAMESPACE, order_events, orders

_ORDER_COLUMNS = tuple(orders.columns.keys())
_HISTORY_COLUMNS = tuple(order_events.columns.keys())
assert OrderRow.__struct_fields__ == _ORDER_COLUMNS, "OrderRow does not match its table"
assert HistoryRow.__struct_fields__ == _HISTORY_COLUMNS, "HistoryRow does not match its table"

_NEVER_CHANGES = frozenset({"created_event", "order_id", "created_at_ns"})


class OrderHistoryBatch:
    """Rows for one transaction: orders begun in it, orders changed by it, and all that happened."""

    def __init__(self) -> None:
        self.history: list[Row] = []
        self.begun: dict[int, OrderRow] = {}
        self.refused: list[OrderRow] = []
        self.changed: dict[int, OrderRow] = {}
        self.filled: dict[int, FillRow] = {}
        self.corrected: dict[int, CorrectedRow] = {}

    def accepted(self, data: bytes, offset: int) -> None:
        """Add an OrderAccepted record."""
        event = OrderAccepted.unpack(data, offset)
        name = stored_text(event.client_order_id)
        self.history.append(astuple(order_history_row(event, name)))
        self.begun[event.order_id] = order_row(event, name)

    def changed_by(self, record: type[OrderEvent]) -> Handler:
        """Return the handler of a kind of record that says an order's new state."""

        def handle(data: bytes, offset: int) -> None:
            event = record.unpack(data, offset)
            name = stored_text(event.client_order_id)
            self.history.append(astuple(order_history_row(event, name)))
            row = order_row(event, name)
            begun = self.begun.get(event.order_id)
            if begun is None:
                self.changed[event.order_id] = row
                self.filled.pop(event.order_id, None)
                self.corrected.pop(event.order_id, None)
            else:
                row.created_event = begun.created_event
                row.created_at_ns = begun.created_at_ns
                self.begun[event.order_id] = row

        return handle

    def reported(self, data: bytes, offset: int) -> None:
        """Add an OrderReported record: somebody asked, nothing changed."""
        event = OrderReported.unpack(data, offset)
        name = stored_text(event.client_order_id)
        self.history.append(astuple(order_history_row(event, name)))

    def traded(self, data: bytes, offset: int) -> None:
        """Add a TradeExecuted record: a line and a new state for each side's order."""
        trade = TradeExecuted.unpack(data, offset)
        self.history.extend(fill_lines(trade))
        for fill in (
            FillRow(
                order_id=trade.maker_order_id,
                status=trade.maker_status,
                is_open=trade.maker_status in OPEN_STATUSES,
                leaves_lots=trade.maker_leaves_lots,
                filled_lots=trade.maker_filled_lots,
                filled_value=trade.maker_filled_value,
                held_atoms=trade.maker_held_atoms,
                updated_event=trade.number,
                updated_at_ns=trade.time_ns,
            ),
            FillRow(
                order_id=trade.taker_order_id,
                status=trade.taker_status,
                is_open=trade.taker_status in OPEN_STATUSES,
                leaves_lots=trade.taker_leaves_lots,
                filled_lots=trade.taker_filled_lots,
                filled_value=trade.taker_filled_value,
                held_atoms=trade.taker_held_atoms,
                updated_event=trade.number,
                updated_at_ns=trade.time_ns,
            ),
        ):
            self._fill(fill)

    def corrected_by(self, record: type[TradeChanged]) -> Handler:
        """Return the handler of TradeBusted or TradeCorrected: lines, and both orders' states."""

        def handle(data: bytes, offset: int) -> None:
            event = record.unpack(data, offset)
            self.history.extend(astuple(line) for line in correction_lines(event))
            for corrected in correction_rows(event):
                self._correct(corrected)

        return handle

    def _correct(self, corrected: CorrectedRow) -> None:
        """Let an order stand as a correction says, in the row that the batch has or will make.

        An order that is cancelled only since then was filled before: its reason is the bust.
        """
        order_id = corrected.order_id
        row = self.begun.get(order_id) or self.changed.get(order_id)
        if row is None:
            self.filled.pop(order_id, None)
            self.corrected[order_id] = corrected
            return
        if corrected.status == OrderStatus.CANCELLED != row.status:
            row.reason = CancelReason.BUST
        for name in CorrectedRow.__struct_fields__:
            setattr(row, name, getattr(corrected, name))

    def _fill(self, fill: FillRow) -> None:
        order_id = fill.order_id
        row: OrderRow | CorrectedRow | None = self.begun.get(order_id) or self.changed.get(order_id)
        if row is None:
            row = self.corrected.get(order_id)
        if row is None:
            self.filled[fill.order_id] = fill
            return
        row.status = fill.status
        row.is_open = fill.is_open
        row.leaves_lots = fill.leaves_lots
        row.filled_lots = fill.filled_lots
        row.filled_value = fill.filled_value
        row.held_atoms = fill.held_atoms
        row.updated_event = fill.updated_event
        row.updated_at_ns = fill.updated_at_ns

    def order_rejected(self, data: bytes, offset: int) -> None:
        """Add an OrderRejected record: an order that never was."""
        event = OrderRejected.unpack(data, offset)
        self.history.append(astuple(order_rejection_row(event)))
        self.refused.append(rejected_order_row(event))

    def refusal_recorded(self, data: bytes, offset: int) -> None:
        """Add a RefusalRecorded record: if it was an order, that order never was either."""
        event = RefusalRecorded.unpack(data, offset)
        self.history.append(astuple(refusal_row(event)))
        if event.refused_kind == PlaceOrder.KIND:
            self.refused.append(refused_order_row(event))

    def rejected_by(self, record: type[RequestRejected]) -> Handler:
        """Return the handler of a kind of record that refuses a request about an order."""

        def handle(data: bytes, offset: int) -> None:
            self.history.append(astuple(request_rejection_row(record.unpack(data, offset))))

        return handle

    def mass_cancelled(self, data: bytes, offset: int) -> None:
        """Add a MassCancelled record."""
        event = MassCancelled.unpack(data, offset)
        self.history.append(astuple(mass_cancelled_row(event)))

    def mass_cancel_rejected(self, data: bytes, offset: int) -> None:
        """Add a MassCancelRejected record."""
        event = MassCancelRejected.unpack(data, offset)
        self.history.append(astuple(mass_cancel_rejection_row(event)))

    def handlers(self) -> dict[int, Handler]:
        """Return what to do with each kind of event; the others are not about orders."""
        changing = (OrderAmended, OrderCancelled, OrderExpired, OrderRestated, OrderTriggered)
        rejecting = (AmendRejected, CancelRejected, QueryRejected)
        return {
            OrderAccepted.KIND: self.accepted,
            OrderRejected.KIND: self.order_rejected,
            OrderReported.KIND: self.reported,
            RefusalRecorded.KIND: self.refusal_recorded,
            TradeExecuted.KIND: self.traded,
            **{each.KIND: self.corrected_by(each) for each in (TradeBusted, TradeCorrected)},
            MassCancelled.KIND: self.mass_cancelled,
            MassCancelRejected.KIND: self.mass_cancel_rejected,
            **{record.KIND: self.changed_by(record) for record in changing},
            **{record.KIND: self.rejected_by(record) for record in rejecting},
        }


class OrderHistoryProjection:
    """Keeps the order history: decodes a batch without the database, then writes it."""

    consumer = Consumer.ORDER_HISTORY
    # A batch changes the rows of orders that the one before it began.
    lanes = 1

    async def load(self, connection: Connection) -> None:
        """Need nothing: events carry the whole state of an order."""

    def decode(self, batches: Sequence[EventBatch]) -> tuple[OrderHistoryBatch, int]:
        """Make rows of contiguous batches; returns them and the last event's stamp."""
        ready, time_ns = OrderHistoryBatch(), 0
        handlers = ready.handlers()
        for batch in batches:
            time_ns = dispatch(batch, handlers)
        return ready, time_ns

    async def write(self, connection: Connection, ready: OrderHistoryBatch, turn: Turn) -> None:
        """Write a batch in the caller's transaction."""
        await turn()
        new = [astuple(row) for row in (*ready.begun.values(), *ready.refused)]
        for table, columns, rows in (
            ("orders", _ORDER_COLUMNS, new),
            ("order_events", _HISTORY_COLUMNS, ready.history),
        ):
            if rows:
                await connection.copy_records_to_table(
                    table, schema_name=NAMESPACE, columns=columns, records=rows
                )
        for statement, changes in (
            (_CHANGE, [astuple(row) for row in ready.changed.values()]),
            (_FILL, [astuple(row) for row in ready.filled.values()]),
            (_CORRECT, [astuple(row) for row in ready.corrected.values()]),
        ):
            if changes:
                columns_of = [list(column) for column in zip(*changes, strict=True)]
                updated = await connection.execute(statement, *columns_of)
                # An order that was never accepted would be silently without a row.
                assert updated == f"UPDATE {len(changes)}", (updated, len(changes))


def _update_statement(columns: Sequence[str], *, more: str = "") -> str:
    """Update orders by order id from one array parameter per column, and what ``more`` sets."""
    types = {name: orders.c[name].type.compile() for name in columns}
    arrays = ", ".join(f"${i}::{types[name]}[]" for i, name in enumerate(columns, start=1))
    changing = [name for name in columns if name not in _NEVER_CHANGES]
    assignments = ", ".join(f"{name} = wanted.{name}" for name in changing)
    # S608: every name in it is a column of our own schema.
    update = f"update settlement.orders as known set {assignments}{more}"  # noqa: S608
    source = f"from unnest({arrays}) as wanted ({', '.join(columns)})"
    return f"{update} {source} where known.order_id = wanted.order_id"


_CHANGE = _update_statement(_ORDER_COLUMNS)
_FILL = _update_statement(FillRow.__struct_fields__)
# An order that only a correction cancels was filled: CancelReason.BUST, OrderStatus.CANCELLED.
_CORRECT = _update_statement(
    CorrectedRow.__struct_fields__,
    more=", reason = case when wanted.status = 5 and known.status <> 5 then 13"
    " else known.reason end",
)


async def rebuild(dsn: str) -> None:
    """Empty the order history and its position, so that the projector makes it again.

    Raises:
        ConsumerBusyError: the projector runs.
        settlement.errors.DatabaseError: the database is not ours.
    """
    connection = await connect(dsn, application="settlement.rebuild")
    try:
        await database.check(connection)
        if not await try_lock(connection, Consumer.ORDER_HISTORY):
            raise ConsumerBusyError("stop settlement first: it is writing the order history")
        await connection.execute(f"set role {database.APPLICATION_ROLE}")
        await read_position(connection, Consumer.ORDER_HISTORY)
        async with connection.transaction():
            await connection.execute("truncate settlement.orders, settlement.order_events")
            await connection.execute(
                "update settlement.positions set event_number = 0, time_ns = 0 where consumer = $1",
                Consumer.ORDER_HISTORY,
            )
    finally:
        drop(connection)
