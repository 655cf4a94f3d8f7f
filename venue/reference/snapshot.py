"""Writes the state as canonical records; ``snapshot_reader`` reads them back."""

from __future__ import annotations

from collections.abc import Iterator

from messages.layout import Record
from venue.reference.instruments import Instrument
from venue.reference.limits import limits_fields
from venue.reference.orders import Order
from venue.reference.rfq_snapshot import rfq_records
from venue.reference.state import VenueState
from venue.reference.state_records import (
    AccountRecord,
    AssetRecord,
    AssignmentRecord,
    BalanceRecord,
    ClientIdRecord,
    ConfigurationRecord,
    EndRecord,
    FeeScheduleRecord,
    FirmRecord,
    GoneRecord,
    InstrumentRecord,
    KeptTradeRecord,
    KeptTradesRecord,
    LimitsRecord,
    MarketRecord,
    OrderRecord,
    ProtectionFillRecord,
    ProtectionRecord,
    QueueRecord,
    QuoteRecord,
    ReceivableRecord,
    ReferenceRecord,
    RightRecord,
    SessionRecord,
    SourceRecord,
    SuspensionRecord,
    VenueRecord,
    WithdrawalRecord,
)
from venue.reference.values import NO_CLIENT_ID


def write_snapshot(venue: VenueState) -> bytes:
    """Return the whole state; equal states give equal bytes."""
    records = list(_records(venue))
    records.append(_pack(EndRecord, 0, len(records)))
    return b"".join(records)


def _pack(record: type[Record], mark: int, *fields: int | bytes) -> bytes:
    return record.CODEC.pack(record.LENGTH, record.KIND, record.VERSION, mark, 0, *fields)


def _records(venue: VenueState) -> Iterator[bytes]:
    yield _pack(
        VenueRecord,
        int(venue.is_killed),
        venue.last_sequence,
        venue.last_time_ns,
        venue.events.number,
        venue.last_order_id,
        venue.last_trade_id,
        venue.last_arrival,
        venue.rules,
        0,
    )
    configuration = venue.configuration
    if configuration is not None:
        yield _pack(
            ConfigurationRecord,
            0,
            configuration.client_ids_max,
            configuration.references_max,
            configuration.open_orders_max,
            configuration.accounts_max,
            configuration.instruments_max,
            configuration.sessions_max,
            configuration.client_id_window_ns,
            configuration.indicative_interval_ns,
            configuration.day_offset_ns,
        )
    for source, (epoch, sequence) in sorted(venue.sources.items()):
        yield _pack(SourceRecord, 0, source, epoch, sequence)
    yield from _definitions(venue)
    yield from _instruments(venue)
    yield from _accounts(venue)
    yield from _sessions(venue)
    for reference, is_withdrawal in sorted(venue.references.items()):
        yield _pack(ReferenceRecord, int(is_withdrawal), reference)
    for reference, withdrawal in sorted(venue.withdrawals.items(), key=lambda entry: entry[0]):
        yield _pack(
            WithdrawalRecord,
            0,
            reference,
            withdrawal.account.number,
            withdrawal.asset,
            withdrawal.amount_atoms,
        )
    yield from _orders(venue)
    yield from _quoting(venue)
    yield from rfq_records(venue)
    yield from _suspensions(venue)
    yield from _kept_trades(venue)
    for number, account in sorted(venue.accounts.items()):
        for asset, balance in sorted(account.balances.items()):
            if balance.receivable_atoms:
                yield _pack(ReceivableRecord, 0, number, asset, balance.receivable_atoms)


def _definitions(venue: VenueState) -> Iterator[bytes]:
    for number, asset in sorted(venue.assets.items()):
        yield _pack(
            AssetRecord,
            0,
            number,
            asset.scale,
            asset.supply_max_atoms,
            asset.supply_atoms,
            asset.fees_atoms,
            asset.symbol,
        )
    for number, (maker_ppm, taker_ppm) in sorted(venue.fee_schedules.items()):
        yield _pack(FeeScheduleRecord, 0, number, maker_ppm, taker_ppm, 0)
    for number, firm in sorted(venue.firms.items()):
        yield _pack(FirmRecord, int(firm.is_killed), number, 0, firm.name)


def _instruments(venue: VenueState) -> Iterator[bytes]:
    instruments = [each for _, each in sorted(venue.instruments.items())]
    for instrument in instruments:
        definition = instrument.definition
        yield _pack(
            InstrumentRecord,
            int(instrument.is_killed),
            instrument.number,
            definition.base_asset,
            definition.quote_asset,
            definition.fee_schedule,
            definition.lot_atoms,
            definition.tick_lot_atoms,
            definition.tick_units,
            definition.lot_units,
            definition.price_decimals,
            definition.quantity_decimals,
            0,
            0,
            definition.symbol,
        )
    for instrument in instruments:
        yield _pack(
            LimitsRecord,
            0,
            *limits_fields(instrument)[:-2],  # without operator and approver
            instrument.price_ceiling,
            instrument.quantity_ceiling,
        )
    for instrument in instruments:
        yield _pack(
            MarketRecord,
            instrument.phase,
            instrument.number,
            instrument.phase_reason,
            instrument.phase_until_ns,
            instrument.last_ticks,
            instrument.reference_ticks,
            instrument.band_ticks,
            instrument.band_next_ticks,
            instrument.band_window_at_ns,
            *instrument.indicative,
            instrument.indicative_at_ns,
            instrument.book.sequence,
        )


def _accounts(venue: VenueState) -> Iterator[bytes]:
    accounts = [each for _, each in sorted(venue.accounts.items())]
    for account in accounts:
        yield _pack(
            AccountRecord,
            int(account.is_killed),
            account.number,
            account.firm.number,
            account.owner_group,
            account.kind,
            account.self_trade_prevention,
            0,
            account.open_orders_max,
            account.message_burst,
            account.message_interval_ns,
            account.next_free_ns,
            account.name,
        )
    for account in accounts:
        for asset, balance in sorted(account.balances.items()):
            fields = (
                balance.balance_atoms,
                balance.held_atoms,
                balance.credit_line_atoms,
                balance.position_max_atoms,
            )
            if any(fields):
                yield _pack(BalanceRecord, 0, account.number, asset, *fields)
    for account in accounts:
        for instrument, schedule in sorted(account.fee_schedules.items()):
            yield _pack(AssignmentRecord, 0, account.number, instrument, schedule, 0)


def _sessions(venue: VenueState) -> Iterator[bytes]:
    sessions = [each for _, each in sorted(venue.sessions.items())]
    for session in sessions:
        yield _pack(
            SessionRecord,
            int(session.is_killed),
            session.number,
            session.firm.number,
            session.cancel_on_disconnect,
            session.connection,
            session.last_connection,
            session.principal,
            session.disconnect_grace_ns,
            session.grace_until_ns,
            int(session.chosen is not None),
            *(session.chosen or (0, 0)),
            session.name,
        )
    for session in sessions:
        for account, rights in sorted(session.rights.items()):
            yield _pack(RightRecord, 0, session.number, account, rights, 0)


def _orders(venue: VenueState) -> Iterator[bytes]:
    orders = [each for _, each in sorted(venue.client_ids.orders.items())]
    for order in orders:
        yield _order(order)
    for order in orders:
        for client_order_id in order.client_ids:
            yield _pack(ClientIdRecord, 0, order.order_id, client_order_id)
    for _, instrument in sorted(venue.instruments.items()):
        yield from _queues(instrument)
    for gone_at_ns, owner in venue.client_ids.gone:
        if isinstance(owner, Order):
            fields = (owner.order_id, owner.account_number, 0, NO_CLIENT_ID)
        else:
            fields = (0, owner.account.number, 0, owner.client_order_id)
        yield _pack(GoneRecord, 0, gone_at_ns, *fields)


def _suspensions(venue: VenueState) -> Iterator[bytes]:
    for scope, target, instrument, side in sorted(venue.suspensions):
        yield _pack(SuspensionRecord, scope, target, instrument, side, 0)


def _kept_trades(venue: VenueState) -> Iterator[bytes]:
    kept = venue.kept_trades
    if kept.trades_max:
        yield _pack(KeptTradesRecord, 0, kept.trades_max, 0)
    for trade_id, trade in sorted(kept.trades.items()):
        yield _pack(
            KeptTradeRecord,
            0,
            trade_id,
            trade.event_number,
            trade.maker_order_id,
            trade.taker_order_id,
            trade.price_ticks,
            trade.quantity_lots,
            trade.maker_fee,
            trade.taker_fee,
            trade.maker_ppm,
            trade.taker_ppm,
        )


def _queues(instrument: Instrument) -> Iterator[bytes]:
    for side in (instrument.book.bids, instrument.book.asks):
        for level in side:
            for order in level:
                yield _pack(QueueRecord, 0, order.order_id)


def _order(order: Order) -> bytes:
    return _pack(
        OrderRecord,
        order.status,
        order.order_id,
        order.arrival,
        order.account_number,
        order.session,
        order.connection,
        order.instrument_number,
        order.side,
        order.order_type,
        order.time_in_force,
        order.self_trade_prevention,
        order.order_flags,
        order.reason,
        0,
        order.trader,
        order.maker_ppm,
        order.taker_ppm,
        order.fee_credit,
        order.price_ticks,
        order.quantity_lots,
        order.leaves_lots,
        order.shown_lots,
        order.filled_lots,
        order.filled_value,
        order.stop_price_ticks,
        order.display_lots,
        order.minimum_lots,
        order.expire_at_ns,
        order.expires_at_ns,
        order.held_atoms,
        order.cash_atoms,
        order.client_order_id,
    )


def _quoting(venue: VenueState) -> Iterator[bytes]:
    protections = [
        (account.number, number, protection)
        for _, account in sorted(venue.accounts.items())
        for number, protection in sorted(account.protections.items())
    ]
    for account_number, number, protection in protections:
        yield _pack(
            ProtectionRecord,
            int(protection.is_frozen),
            account_number,
            number,
            protection.base_asset,
            protection.quote_asset,
            protection.quantity_max_atoms,
            protection.notional_max_atoms,
            protection.delta_max_atoms,
            protection.window_ns,
            protection.frozen_ns,
            protection.frozen_until_ns,
            protection.trades_max,
            0,
        )
    for account_number, number, protection in protections:
        for fill in protection.fills:
            yield _pack(ProtectionFillRecord, 0, account_number, number, *fill)
    for order_id, order in sorted(venue.client_ids.orders.items()):
        if order.quoted is not None:
            yield _pack(QuoteRecord, 0, order_id, order.protection_group, 0)
