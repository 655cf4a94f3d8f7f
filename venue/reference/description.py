"""Describes what is defined now, as the events that would say so, all numbered zero; and books."""

from __future__ import annotations

from typing import Final

from messages.trading.answers import BOOK_HEAD, RESTING_ORDER
from messages.trading.events import (
    AccountCreated,
    AccountLimitsSet,
    AssetCreated,
    AssetLimitsSet,
    FeeScheduleAssigned,
    FeeScheduleDefined,
    FirmCreated,
    InstrumentCreated,
    InstrumentLimitsSet,
    Killed,
    PhaseChanged,
    ProtectionDefined,
    SessionGranted,
    TradesKept,
    VenueConfigured,
)
from messages.trading.identity import NO_CLIENT_ID
from venue.reference.accounts import Account
from venue.reference.connections import grant_fields
from venue.reference.definitions import instrument_fields
from venue.reference.event_writer import REPORTED, EventWriter, Shape, shape
from venue.reference.instruments import Instrument
from venue.reference.limits import limits_fields
from venue.reference.protection_groups import protection_fields
from venue.reference.state import VenueState
from venue.reference.values import ACCOUNT, FIRM, INSTRUMENT, SESSION, VENUE

_VENUE_CONFIGURED: Final = shape(VenueConfigured)
_ASSET_CREATED: Final = shape(AssetCreated)
_FEE_SCHEDULE_DEFINED: Final = shape(FeeScheduleDefined)
_FIRM_CREATED: Final = shape(FirmCreated)
_INSTRUMENT_CREATED: Final = shape(InstrumentCreated)
_INSTRUMENT_LIMITS_SET: Final = shape(InstrumentLimitsSet)
_PHASE_CHANGED: Final = shape(PhaseChanged)
_ACCOUNT_CREATED: Final = shape(AccountCreated)
_ACCOUNT_LIMITS_SET: Final = shape(AccountLimitsSet)
_ASSET_LIMITS_SET: Final = shape(AssetLimitsSet)
_FEE_SCHEDULE_ASSIGNED: Final = shape(FeeScheduleAssigned)
_SESSION_GRANTED: Final = shape(SessionGranted)
_PROTECTION_DEFINED: Final = shape(ProtectionDefined)
_KILLED: Final = shape(Killed)
_TRADES_KEPT: Final = shape(TradesKept)


class _Description:
    """Event records under a header of zeros: equal definitions give equal bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def say(self, event: Shape, *fields: int | bytes) -> None:
        self.data += event.pack(event.length, event.kind, 1, 0, 0, 0, 0, 0, 0, *fields)


def describe(venue: VenueState) -> bytes:
    """Return the definitions in an order in which each refers to earlier ones only."""
    description = _Description()
    say = description.say
    configuration = venue.configuration
    if configuration is None:
        return b""
    say(
        _VENUE_CONFIGURED,
        configuration.client_ids_max,
        configuration.references_max,
        configuration.open_orders_max,
        configuration.accounts_max,
        configuration.instruments_max,
        configuration.sessions_max,
        configuration.client_id_window_ns,
        configuration.indicative_interval_ns,
        configuration.day_offset_ns,
        0,
        0,
    )
    if venue.kept_trades.trades_max:
        say(_TRADES_KEPT, venue.kept_trades.trades_max, 0, 0, 0)
    for _, asset in sorted(venue.assets.items()):
        say(
            _ASSET_CREATED,
            asset.number,
            asset.scale,
            0,
            0,
            asset.supply_max_atoms,
            asset.symbol,
        )
    for schedule, (maker_ppm, taker_ppm) in sorted(venue.fee_schedules.items()):
        say(_FEE_SCHEDULE_DEFINED, schedule, maker_ppm, taker_ppm, 0, 0, 0)
    for _, firm in sorted(venue.firms.items()):
        say(_FIRM_CREATED, firm.number, 0, firm.name)
    for _, instrument in sorted(venue.instruments.items()):
        _describe_instrument(description, instrument)
    for _, account in sorted(venue.accounts.items()):
        _describe_account(description, account)
    for _, session in sorted(venue.sessions.items()):
        for number, rights in sorted(session.rights.items()):
            fields = grant_fields(session, account=number, rights=rights)
            say(_SESSION_GRANTED, *fields)
    _describe_switches(description, venue)
    return bytes(description.data)


def describe_books(venue: VenueState) -> bytes:
    """Return every instrument's queues, as ``messages.trading.answers`` has them."""
    data = bytearray()
    for _, instrument in sorted(venue.instruments.items()):
        book = instrument.book
        resting = [order for side in (book.bids, book.asks) for level in side for order in level]
        data += BOOK_HEAD.pack(instrument.number, len(resting), book.sequence)
        for order in resting:
            data += RESTING_ORDER.pack(
                order.order_id,
                order.price_ticks,
                order.shown_lots,
                order.leaves_lots,
                order.display_lots,
                order.side,
            )
    return bytes(data)


def _describe_instrument(description: _Description, instrument: Instrument) -> None:
    description.say(_INSTRUMENT_CREATED, *instrument_fields(instrument.definition))
    if instrument.has_limits:
        description.say(_INSTRUMENT_LIMITS_SET, *limits_fields(instrument))
    description.say(
        _PHASE_CHANGED,
        instrument.number,
        instrument.phase,
        instrument.phase,
        instrument.phase_reason,
        0,
        instrument.phase_until_ns,
        0,
        0,
    )


def _describe_account(description: _Description, account: Account) -> None:
    description.say(
        _ACCOUNT_CREATED,
        account.number,
        account.firm.number,
        account.owner_group,
        account.kind,
        account.self_trade_prevention,
        0,
        account.name,
    )
    description.say(
        _ACCOUNT_LIMITS_SET,
        account.number,
        account.open_orders_max,
        account.message_burst,
        0,
        account.message_interval_ns,
        0,
        0,
    )
    for asset, balance in sorted(account.balances.items()):
        if balance.credit_line_atoms or balance.position_max_atoms:
            description.say(
                _ASSET_LIMITS_SET,
                account.number,
                asset,
                balance.credit_line_atoms,
                balance.position_max_atoms,
                0,
                0,
            )
    for instrument, schedule in sorted(account.fee_schedules.items()):
        description.say(_FEE_SCHEDULE_ASSIGNED, account.number, instrument, schedule, 0, 0, 0)
    for _, protection in sorted(account.protections.items()):
        description.say(_PROTECTION_DEFINED, *protection_fields(account, protection))


def _describe_switches(description: _Description, venue: VenueState) -> None:
    killed = [(VENUE, 0)] if venue.is_killed else []
    killed += [(FIRM, number) for number, each in venue.firms.items() if each.is_killed]
    killed += [(ACCOUNT, number) for number, each in venue.accounts.items() if each.is_killed]
    killed += [(SESSION, number) for number, each in venue.sessions.items() if each.is_killed]
    killed += [(INSTRUMENT, number) for number, each in venue.instruments.items() if each.is_killed]
    for scope, target in sorted(killed):
        description.say(_KILLED, scope, 0, 0, target, 0, 0, 0, 0, bytes(96))


def describe_open_orders(venue: VenueState, account: int, *, after: int, limit: int) -> bytes:
    """Return a page of an account's open orders, the oldest first, as they stand now."""
    description = EventWriter()
    description.time_ns = venue.last_time_ns
    known = venue.accounts.get(account)
    if known is not None:
        orders = known.open_orders.values()
        page = sorted(
            (order for order in orders if order.order_id > after),
            key=lambda order: order.order_id,
        )
        for order in page[:limit]:
            description.number = -1  # and so each record is numbered zero
            description.order(REPORTED, order, 0, 0, NO_CLIENT_ID)
    return bytes(description.data)
