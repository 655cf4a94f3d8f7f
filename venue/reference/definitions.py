"""What the venue consists of: assets, instruments, firms, accounts, fee schedules.

A definition never changes once made. Numbers begin at 1: zero means "none" everywhere. Names and
symbols are in use once among their kind, for the ledger and gateways know things by them.
"""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AssignFeeSchedule,
    ConfigureVenue,
    CreateAccount,
    CreateAsset,
    CreateFirm,
    CreateInstrument,
    DefineFeeSchedule,
)
from messages.trading.events import (
    AccountCreated,
    AssetCreated,
    FeeScheduleAssigned,
    FeeScheduleDefined,
    FirmCreated,
    InstrumentCreated,
    VenueConfigured,
)
from messages.trading.terms import AMOUNT_LIMIT, PPM, AccountKind
from risk.decisions import Refused, decide_rebate
from venue.reference import bounds
from venue.reference.accounts import Account, Asset, Firm
from venue.reference.entry import DAY_NS
from venue.reference.event_writer import shape
from venue.reference.instruments import Instrument, InstrumentDefinition
from venue.reference.rejections import reject_command
from venue.reference.state import Configuration, VenueState
from venue.reference.state_records import ConfigurationRecord

_VENUE_CONFIGURED: Final = shape(VenueConfigured)
_ASSET_CREATED: Final = shape(AssetCreated)
_INSTRUMENT_CREATED: Final = shape(InstrumentCreated)
_FIRM_CREATED: Final = shape(FirmCreated)
_ACCOUNT_CREATED: Final = shape(AccountCreated)
_FEE_SCHEDULE_DEFINED: Final = shape(FeeScheduleDefined)
_FEE_SCHEDULE_ASSIGNED: Final = shape(FeeScheduleAssigned)

SCALE_MAX: Final = 18


def configure_venue(venue: VenueState, command: ConfigureVenue) -> None:
    """Set the venue's bounds; what is there already may exceed them, and only new is refused."""
    refused = decide_configuration(command)
    if refused is not None:
        reject_command(venue, command, refused, subject=0)
        return
    venue.configuration = Configuration(
        client_ids_max=command.client_ids_max,
        references_max=command.references_max,
        open_orders_max=command.open_orders_max,
        accounts_max=command.accounts_max,
        instruments_max=command.instruments_max,
        sessions_max=command.sessions_max,
        client_id_window_ns=command.client_id_window_ns,
        indicative_interval_ns=command.indicative_interval_ns,
        day_offset_ns=command.day_offset_ns,
    )
    venue.events.emit(
        _VENUE_CONFIGURED,
        command.client_ids_max,
        command.references_max,
        command.open_orders_max,
        command.accounts_max,
        command.instruments_max,
        command.sessions_max,
        command.client_id_window_ns,
        command.indicative_interval_ns,
        command.day_offset_ns,
        command.operator,
        command.approver,
    )


def decide_configuration(wanted: ConfigureVenue | ConfigurationRecord) -> Refused | None:
    """Say whether a venue may have such bounds; a stamp and either duration fit 64 bits."""
    durations = (wanted.client_id_window_ns, wanted.indicative_interval_ns)
    if (
        not all(0 <= each < AMOUNT_LIMIT for each in durations)
        or not 0 <= wanted.day_offset_ns < DAY_NS
    ):
        return Refused(RejectCode.LIMITS_INVALID)
    if wanted.open_orders_max > bounds.OPEN_ORDERS_MAX:
        limit, usage = bounds.OPEN_ORDERS_MAX, wanted.open_orders_max
        return Refused(RejectCode.LIMITS_INVALID, limit, usage)
    return None


def is_name(data: bytes) -> bool:
    """Say whether a field holds printable ASCII, at least one character, zero-padded."""
    text = data.rstrip(b"\0")
    return len(text) > 0 and all(32 <= byte < 127 for byte in text)


def create_asset(venue: VenueState, command: CreateAsset) -> None:
    """Define an asset."""
    assert venue.configuration is not None
    refused = None
    if command.asset == 0 or not is_name(command.symbol):
        refused = Refused(RejectCode.IDENTIFIER_INVALID)
    elif command.asset in venue.assets or (Asset, command.symbol) in venue.names:
        refused = Refused(RejectCode.ALREADY_EXISTS)
    elif command.scale > SCALE_MAX:
        refused = Refused(RejectCode.FIELD_INVALID, SCALE_MAX, command.scale)
    elif not 0 < command.supply_max_atoms < AMOUNT_LIMIT:
        refused = Refused(RejectCode.AMOUNT_INVALID, AMOUNT_LIMIT - 1, command.supply_max_atoms)
    else:
        # An instrument joins two assets, so this many can be of use.
        refused = _decide_capacity(len(venue.assets), 2 * venue.configuration.instruments_max)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.asset)
        return
    venue.names[Asset, command.symbol] = command.asset
    venue.assets[command.asset] = Asset(
        number=command.asset,
        scale=command.scale,
        supply_max_atoms=command.supply_max_atoms,
        symbol=command.symbol,
    )
    venue.events.emit(
        _ASSET_CREATED,
        command.asset,
        command.scale,
        0,
        0,
        command.supply_max_atoms,
        command.symbol,
    )


def _decide_capacity(count: int, limit: int) -> Refused | None:
    if count >= limit:
        return Refused(RejectCode.CAPACITY_EXCEEDED, limit, count + 1)
    return None


def create_instrument(venue: VenueState, command: CreateInstrument) -> None:
    """Define an instrument; it begins CLOSED and without limits."""
    refused = _decide_instrument(venue, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.instrument)
        return
    definition = InstrumentDefinition(
        number=command.instrument,
        base_asset=command.base_asset,
        quote_asset=command.quote_asset,
        fee_schedule=command.fee_schedule,
        lot_atoms=command.lot_atoms,
        tick_lot_atoms=command.tick_lot_atoms,
        tick_units=command.tick_units,
        lot_units=command.lot_units,
        price_decimals=command.price_decimals,
        quantity_decimals=command.quantity_decimals,
        symbol=command.symbol,
    )
    venue.names[Instrument, command.symbol] = command.instrument
    venue.instruments[command.instrument] = Instrument(definition)
    venue.events.emit(_INSTRUMENT_CREATED, *instrument_fields(definition))


def instrument_fields(definition: InstrumentDefinition) -> tuple[int | bytes, ...]:
    """Return the fields of InstrumentCreated."""
    return (
        definition.number,
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


def _decide_instrument(venue: VenueState, command: CreateInstrument) -> Refused | None:
    assert venue.configuration is not None
    if command.instrument == 0 or not is_name(command.symbol):
        return Refused(RejectCode.IDENTIFIER_INVALID)
    if command.instrument in venue.instruments or (Instrument, command.symbol) in venue.names:
        return Refused(RejectCode.ALREADY_EXISTS)
    if command.base_asset not in venue.assets or command.quote_asset not in venue.assets:
        return Refused(RejectCode.ASSET_UNKNOWN)
    if command.fee_schedule not in venue.fee_schedules:
        return Refused(RejectCode.FEE_SCHEDULE_UNKNOWN)
    factors = (command.lot_atoms, command.tick_lot_atoms, command.tick_units, command.lot_units)
    is_valid = command.base_asset != command.quote_asset and all(
        0 < factor < AMOUNT_LIMIT for factor in factors
    )
    if not is_valid or max(command.price_decimals, command.quantity_decimals) > SCALE_MAX:
        return Refused(RejectCode.FIELD_INVALID)
    return _decide_capacity(len(venue.instruments), venue.configuration.instruments_max)


def create_firm(venue: VenueState, command: CreateFirm) -> None:
    """Define a firm."""
    assert venue.configuration is not None
    refused = None
    if command.firm == 0 or not is_name(command.name):
        refused = Refused(RejectCode.IDENTIFIER_INVALID)
    elif command.firm in venue.firms or (Firm, command.name) in venue.names:
        refused = Refused(RejectCode.ALREADY_EXISTS)
    else:
        # A firm is of use with an account or with a session of its own.
        limit = venue.configuration.accounts_max + venue.configuration.sessions_max
        refused = _decide_capacity(len(venue.firms), limit)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.firm)
        return
    venue.names[Firm, command.name] = command.firm
    venue.firms[command.firm] = Firm(number=command.firm, name=command.name)
    venue.events.emit(_FIRM_CREATED, command.firm, 0, command.name)


def create_account(venue: VenueState, command: CreateAccount) -> None:
    """Define an account; it may not trade before its limits are set."""
    refused = _decide_account(venue, command)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.account)
        return
    venue.names[Account, command.name] = command.account
    venue.accounts[command.account] = Account(
        number=command.account,
        firm=venue.firms[command.firm],
        owner_group=command.owner_group,
        kind=command.account_kind,
        self_trade_prevention=command.self_trade_prevention,
        name=command.name,
    )
    venue.events.emit(
        _ACCOUNT_CREATED,
        command.account,
        command.firm,
        command.owner_group,
        command.account_kind,
        command.self_trade_prevention,
        0,
        command.name,
    )


def _decide_account(venue: VenueState, command: CreateAccount) -> Refused | None:
    assert venue.configuration is not None
    if command.account == 0 or not is_name(command.name):
        return Refused(RejectCode.IDENTIFIER_INVALID)
    if command.account in venue.accounts or (Account, command.name) in venue.names:
        return Refused(RejectCode.ALREADY_EXISTS)
    if command.firm not in venue.firms:
        return Refused(RejectCode.FIRM_UNKNOWN)
    if (
        command.account_kind not in {AccountKind.CLIENT, AccountKind.HOUSE}
        or not 1 <= command.self_trade_prevention <= 4
    ):
        return Refused(RejectCode.FIELD_INVALID)
    return _decide_capacity(len(venue.accounts), venue.configuration.accounts_max)


def define_fee_schedule(venue: VenueState, command: DefineFeeSchedule) -> None:
    """Define a pair of rates, once and for ever."""
    assert venue.configuration is not None
    refused = None
    if command.fee_schedule == 0:
        refused = Refused(RejectCode.IDENTIFIER_INVALID)
    elif command.fee_schedule in venue.fee_schedules:
        refused = Refused(RejectCode.ALREADY_EXISTS)
    elif not (-PPM <= command.maker_ppm <= PPM and -PPM <= command.taker_ppm <= PPM):
        usage = max(abs(command.maker_ppm), abs(command.taker_ppm))
        refused = Refused(RejectCode.FIELD_INVALID, PPM, usage)
    else:
        rates = (command.maker_ppm, command.taker_ppm)
        limit = venue.configuration.accounts_max + venue.configuration.instruments_max
        refused = decide_rebate([*venue.fee_schedules.values(), rates]) or _decide_capacity(
            len(venue.fee_schedules), limit
        )
    if refused is not None:
        reject_command(venue, command, refused, subject=command.fee_schedule)
        return
    venue.fee_schedules[command.fee_schedule] = (command.maker_ppm, command.taker_ppm)
    venue.events.emit(
        _FEE_SCHEDULE_DEFINED,
        command.fee_schedule,
        command.maker_ppm,
        command.taker_ppm,
        command.operator,
        command.approver,
        0,
    )


def assign_fee_schedule(venue: VenueState, command: AssignFeeSchedule) -> None:
    """Let later orders of an account use a schedule, for one instrument or for all."""
    refused = None
    account = venue.accounts.get(command.account)
    if account is None:
        refused = Refused(RejectCode.ACCOUNT_UNKNOWN)
    elif command.instrument and command.instrument not in venue.instruments:
        refused = Refused(RejectCode.INSTRUMENT_UNKNOWN)
    elif command.fee_schedule not in venue.fee_schedules:
        refused = Refused(RejectCode.FEE_SCHEDULE_UNKNOWN)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.fee_schedule)
        return
    assert account is not None
    account.fee_schedules[command.instrument] = command.fee_schedule
    venue.events.emit(
        _FEE_SCHEDULE_ASSIGNED,
        command.account,
        command.instrument,
        command.fee_schedule,
        command.operator,
        command.approver,
        0,
    )
