"""Reads quotes and protection groups of a snapshot; ``snapshot_reader`` reads the rest."""

from __future__ import annotations

from venue.reference.deadlines import PROTECTION_THAW
from venue.reference.protection import Fill, Protection, decide_protection, thaw_number
from venue.reference.protection_groups import decide_protection_limits
from venue.reference.snapshot_checks import is_amount, require
from venue.reference.standing_quotes import entry_id_of, is_quote_name, join_quote
from venue.reference.state import VenueState
from venue.reference.state_records import ProtectionFillRecord, ProtectionRecord, QuoteRecord
from venue.reference.values import QUOTE


def read_protection(venue: VenueState, record: ProtectionRecord) -> None:
    """Take over a protection group."""
    account, number = venue.accounts[record.account], record.protection_group
    require(number not in account.protections, "has a protection group twice")
    for asset in {record.base_asset, record.quote_asset} - {0}:
        venue.assets[asset]  # known?
    protection = Protection(
        number=number, base_asset=record.base_asset, quote_asset=record.quote_asset
    )
    protection.quantity_max_atoms = record.quantity_max_atoms
    protection.notional_max_atoms = record.notional_max_atoms
    protection.delta_max_atoms = record.delta_max_atoms
    protection.trades_max = record.trades_max
    protection.window_ns = record.window_ns
    protection.frozen_ns = record.frozen_ns
    protection.is_frozen = record.mark == 1
    protection.frozen_until_ns = record.frozen_until_ns
    is_valid = _is_protection_in_range(protection)
    require(is_valid, f"has protection group {number} out of range")
    account.protections[number] = protection
    if record.frozen_until_ns:
        thawing = thaw_number(account, protection)
        venue.deadlines.add(record.frozen_until_ns, PROTECTION_THAW, thawing)


def read_fill(venue: VenueState, record: ProtectionFillRecord) -> None:
    """Take over a trade that a group counts, after those before it."""
    protection = venue.accounts[record.account].protections[record.protection_group]
    fill = Fill(record.at_ns, record.base_atoms, record.notional_atoms)
    is_valid = _is_fill_in_range(fill, protection) and fill.at_ns <= venue.last_time_ns
    require(is_valid, f"has a trade of protection group {protection.number} out of range")
    protection.add(fill)
    is_below = protection.reached() is None
    require(is_below, f"has protection group {protection.number} at a limit")


def read_quote(venue: VenueState, record: QuoteRecord) -> None:
    """Let an order that was read be a side of a quote."""
    order = venue.client_ids.orders[record.order_id]
    require(order.is_open and order.order_flags & QUOTE != 0, "has a quote that is none")
    require(order.quoted is None, "has a side of a quote twice")
    key = (order.instrument_number, entry_id_of(order.client_order_id))
    quote = order.account.quotes.get(key)
    is_free = quote is None or quote.side(order.side) is None
    require(is_quote_name(order.client_order_id) and is_free, "has two quotes of a name")
    definition = order.instrument.definition
    refused = decide_protection(
        order.account,
        record.protection_group,
        base=definition.base_asset,
        quote=definition.quote_asset,
    )
    require(refused is None, f"has order {order.order_id} in no protection group that may quote")
    order.protection_group = record.protection_group
    join_quote(order, key)


def _is_protection_in_range(protection: Protection) -> bool:
    return (
        protection.number != 0
        and protection.base_asset != 0
        and decide_protection_limits(protection) is None
        and protection.trades_max != 0
        and protection.frozen_until_ns >= 0
        and (protection.is_frozen or protection.frozen_until_ns == 0)
        and (
            not protection.is_frozen
            or (protection.frozen_until_ns != 0) == (protection.frozen_ns != 0)
        )
    )


def _is_fill_in_range(fill: Fill, protection: Protection) -> bool:
    before_ns = protection.fills[-1].at_ns if protection.fills else 0
    return (
        not protection.is_frozen
        and before_ns <= fill.at_ns
        and is_amount(abs(fill.base_atoms))
        and is_amount(fill.notional_atoms)
    )
