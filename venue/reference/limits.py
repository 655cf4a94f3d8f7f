"""Limits of accounts, assets and instruments: changed by sequenced commands only."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import SetAccountLimits, SetAssetLimits, SetInstrumentLimits
from messages.trading.events import AccountLimitsSet, AssetLimitsSet, InstrumentLimitsSet
from messages.trading.terms import AMOUNT_LIMIT, PPM
from risk.decisions import InstrumentLimits, Refused
from venue.reference.event_writer import shape
from venue.reference.instruments import Instrument
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState

_ACCOUNT_LIMITS_SET: Final = shape(AccountLimitsSet)
_ASSET_LIMITS_SET: Final = shape(AssetLimitsSet)
_INSTRUMENT_LIMITS_SET: Final = shape(InstrumentLimitsSet)


def set_account_limits(venue: VenueState, command: SetAccountLimits) -> None:
    """Set an account's open-order count and throttle; the throttle starts anew."""
    account = venue.accounts.get(command.account)
    refused = None
    if account is None:
        refused = Refused(RejectCode.ACCOUNT_UNKNOWN)
    elif (
        not 0 <= command.message_interval_ns < AMOUNT_LIMIT
        or command.message_interval_ns * command.message_burst >= AMOUNT_LIMIT
    ):
        refused = Refused(RejectCode.LIMITS_INVALID)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.account)
        return
    assert account is not None
    account.open_orders_max = command.open_orders_max
    account.message_burst = command.message_burst
    account.message_interval_ns = command.message_interval_ns
    account.next_free_ns = 0
    venue.events.emit(
        _ACCOUNT_LIMITS_SET,
        command.account,
        command.open_orders_max,
        command.message_burst,
        0,
        command.message_interval_ns,
        command.operator,
        command.approver,
    )


def set_asset_limits(venue: VenueState, command: SetAssetLimits) -> None:
    """Set an account's credit line and largest position in an asset.

    What all accounts may owe of an asset and its largest supply stay below 2**62 together: that
    is why no balance can overflow. A line below what is used stands; it only stops further use,
    and what is used goes on to count.
    """
    account = venue.accounts.get(command.account)
    asset = venue.assets.get(command.asset)
    if account is None or asset is None:
        code = RejectCode.ACCOUNT_UNKNOWN if account is None else RejectCode.ASSET_UNKNOWN
        reject_command(venue, command, Refused(code), subject=command.asset)
        return
    balance = account.balance(command.asset)
    used_atoms = balance.used_atoms
    lent_atoms = (
        asset.lent_atoms()
        - max(balance.credit_line_atoms, used_atoms)
        + max(command.credit_line_atoms, used_atoms)
    )
    refused = None
    if command.credit_line_atoms < 0 or not 0 <= command.position_max_atoms < AMOUNT_LIMIT:
        refused = Refused(RejectCode.LIMITS_INVALID)
    elif lent_atoms + asset.supply_max_atoms >= AMOUNT_LIMIT:
        limit = AMOUNT_LIMIT - 1 - asset.supply_max_atoms
        refused = Refused(RejectCode.CREDIT_LINES_EXCEEDED, limit, lent_atoms)
    if refused is not None:
        reject_command(venue, command, refused, subject=command.asset)
        return
    asset.credit_lines_atoms += command.credit_line_atoms - balance.credit_line_atoms
    balance.credit_line_atoms = command.credit_line_atoms
    if used_atoms > command.credit_line_atoms:
        asset.overdrawn[command.account] = balance
    balance.position_max_atoms = command.position_max_atoms
    venue.events.emit(
        _ASSET_LIMITS_SET,
        command.account,
        command.asset,
        command.credit_line_atoms,
        command.position_max_atoms,
        command.operator,
        command.approver,
    )


def set_instrument_limits(venue: VenueState, command: SetInstrumentLimits) -> None:
    """Set an instrument's bounds; open orders that would not fit them any more stay."""
    instrument = venue.instruments.get(command.instrument)
    if instrument is None:
        refused = Refused(RejectCode.INSTRUMENT_UNKNOWN)
        reject_command(venue, command, refused, subject=command.instrument)
        return
    price_ceiling, quantity_ceiling = command.price_ticks_max, command.quantity_lots_max
    if instrument.open_orders or instrument.quote_requests:
        price_ceiling = max(price_ceiling, instrument.price_ceiling)
        quantity_ceiling = max(quantity_ceiling, instrument.quantity_ceiling)
    refused_limits = decide_limits(command) or decide_products(
        instrument, price_ceiling=price_ceiling, quantity_ceiling=quantity_ceiling
    )
    if refused_limits is not None:
        reject_command(venue, command, refused_limits, subject=command.instrument)
        return
    previous_ticks = instrument.limits.reference_ticks
    instrument.limits = InstrumentLimits(
        orders_max=command.orders_max,
        price_ticks_min=command.price_ticks_min,
        price_ticks_max=command.price_ticks_max,
        quantity_lots_min=command.quantity_lots_min,
        quantity_lots_max=command.quantity_lots_max,
        notional_min_atoms=command.notional_min_atoms,
        notional_max_atoms=command.notional_max_atoms,
        display_lots_min=command.display_lots_min,
        reference_ticks=command.reference_ticks or previous_ticks,
        collar_ppm=command.collar_ppm,
        protection_ppm=command.protection_ppm,
        band_ppm=command.band_ppm,
        band_window_ns=command.band_window_ns,
        halt_ns=command.halt_ns,
        auction_ns=command.auction_ns,
    )
    instrument.price_ceiling = price_ceiling
    instrument.quantity_ceiling = quantity_ceiling
    if command.reference_ticks:
        instrument.reference_ticks = command.reference_ticks
        instrument.band_ticks = instrument.band_next_ticks = command.reference_ticks
    fields = limits_fields(instrument, operator=command.operator, approver=command.approver)
    venue.events.emit(_INSTRUMENT_LIMITS_SET, *fields)


def limits_fields(
    instrument: Instrument, *, operator: int = 0, approver: int = 0
) -> tuple[int, ...]:
    """Return the fields of InstrumentLimitsSet."""
    limits = instrument.limits
    return (
        instrument.number,
        limits.orders_max,
        limits.price_ticks_min,
        limits.price_ticks_max,
        limits.quantity_lots_min,
        limits.quantity_lots_max,
        limits.notional_min_atoms,
        limits.notional_max_atoms,
        limits.display_lots_min,
        limits.reference_ticks,
        limits.collar_ppm,
        limits.protection_ppm,
        limits.band_ppm,
        0,
        limits.band_window_ns,
        limits.halt_ns,
        limits.auction_ns,
        operator,
        approver,
    )


def decide_limits(wanted: SetInstrumentLimits | InstrumentLimits) -> Refused | None:
    """Say whether bounds are in order: each range not empty, each band with its times."""
    is_in_order = (
        1 <= wanted.price_ticks_min <= wanted.price_ticks_max < AMOUNT_LIMIT
        and 1 <= wanted.quantity_lots_min <= wanted.quantity_lots_max < AMOUNT_LIMIT
        and 0 <= wanted.notional_min_atoms < AMOUNT_LIMIT
        and 0 <= wanted.notional_max_atoms < AMOUNT_LIMIT
        and (
            wanted.notional_max_atoms == 0 or wanted.notional_min_atoms <= wanted.notional_max_atoms
        )
        and 0 <= wanted.display_lots_min <= wanted.quantity_lots_max
    )
    are_prices_valid = (
        wanted.reference_ticks == 0
        or wanted.price_ticks_min <= wanted.reference_ticks <= wanted.price_ticks_max
    ) and max(wanted.collar_ppm, wanted.protection_ppm, wanted.band_ppm) <= PPM
    times = (wanted.band_window_ns, wanted.halt_ns, wanted.auction_ns)
    are_times_valid = all(0 <= time < AMOUNT_LIMIT for time in times) and (
        wanted.band_ppm == 0 or 0 not in times
    )
    if is_in_order and are_prices_valid and are_times_valid:
        return None
    return Refused(RejectCode.LIMITS_INVALID)


def decide_products(
    instrument: Instrument, *, price_ceiling: int, quantity_ceiling: int
) -> Refused | None:
    """Say whether no order, old or new, can be worth 2**62 atoms of either asset."""
    usage = max(
        price_ceiling * quantity_ceiling * instrument.tick_lot_atoms,
        quantity_ceiling * instrument.lot_atoms,
    )
    if usage >= AMOUNT_LIMIT:
        return Refused(RejectCode.LIMITS_INVALID, AMOUNT_LIMIT - 1, usage)
    return None
