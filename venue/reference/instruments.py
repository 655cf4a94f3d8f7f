"""Instruments: their definition, limits, phase and reference prices."""

from __future__ import annotations

from risk.decisions import InstrumentLimits
from venue.reference.book import Book
from venue.reference.stops import StopBook
from venue.reference.values import BY_OPERATOR, CLOSED, CONTINUOUS

NO_LIMITS = InstrumentLimits(
    orders_max=0,
    price_ticks_min=0,
    price_ticks_max=0,
    quantity_lots_min=0,
    quantity_lots_max=0,
    notional_min_atoms=0,
    notional_max_atoms=0,
    display_lots_min=0,
    reference_ticks=0,
    collar_ppm=0,
    protection_ppm=0,
    band_ppm=0,
    band_window_ns=0,
    halt_ns=0,
    auction_ns=0,
)
"""What an instrument has before its limits are set: it cannot leave CLOSED."""


class InstrumentDefinition:
    """What never changes about an instrument."""

    __slots__ = (
        "base_asset",
        "fee_schedule",
        "lot_atoms",
        "lot_units",
        "number",
        "price_decimals",
        "quantity_decimals",
        "quote_asset",
        "symbol",
        "tick_lot_atoms",
        "tick_units",
    )

    def __init__(
        self,
        *,
        number: int,
        base_asset: int,
        quote_asset: int,
        fee_schedule: int,
        lot_atoms: int,
        tick_lot_atoms: int,
        tick_units: int,
        lot_units: int,
        price_decimals: int,
        quantity_decimals: int,
        symbol: bytes,
    ) -> None:
        self.number = number
        self.base_asset = base_asset
        self.quote_asset = quote_asset
        self.fee_schedule = fee_schedule
        self.lot_atoms = lot_atoms
        self.tick_lot_atoms = tick_lot_atoms
        self.tick_units = tick_units
        self.lot_units = lot_units
        self.price_decimals = price_decimals
        self.quantity_decimals = quantity_decimals
        self.symbol = symbol


class Instrument:
    """An instrument as it trades.

    ``last_ticks`` is the last trade's price, ``reference_ticks`` that or what the operator put
    in its place since. ``band_ticks`` is the band's reference in the window that began at
    ``band_window_at_ns``, ``band_next_ticks`` what the next window will take. All are 0 before
    there is one. ``open_orders`` counts waiting stops too, ``quote_requests`` the open requests
    for quote. ``price_ceiling`` and ``quantity_ceiling`` are the largest bounds that any open order
    or request may have been accepted under.
    """

    __slots__ = (
        "band_next_ticks",
        "band_ticks",
        "band_window_at_ns",
        "book",
        "definition",
        "indicative",
        "indicative_at_ns",
        "is_killed",
        "last_ticks",
        "limits",
        "lot_atoms",
        "number",
        "open_orders",
        "phase",
        "phase_reason",
        "phase_until_ns",
        "price_ceiling",
        "quantity_ceiling",
        "quote_requests",
        "reference_ticks",
        "stops",
        "tick_lot_atoms",
    )

    def __init__(self, definition: InstrumentDefinition) -> None:
        self.definition = definition
        self.number = definition.number
        self.lot_atoms = definition.lot_atoms
        self.tick_lot_atoms = definition.tick_lot_atoms
        self.limits = NO_LIMITS
        self.price_ceiling = 0
        self.quantity_ceiling = 0
        self.is_killed = False
        self.phase = CLOSED
        self.phase_reason = BY_OPERATOR
        self.phase_until_ns = 0
        self.last_ticks = 0
        self.reference_ticks = 0
        self.band_ticks = 0
        self.band_next_ticks = 0
        self.band_window_at_ns = 0
        self.indicative = (0, 0, 0)
        self.indicative_at_ns = 0
        self.open_orders = 0
        self.quote_requests = 0
        self.book = Book(definition.number)
        self.stops = StopBook()

    @property
    def has_limits(self) -> bool:
        """Whether its limits were ever set."""
        return self.limits.price_ticks_max > 0

    @property
    def has_late_stops(self) -> bool:
        """Whether the last price has reached a stop that still waits though it could act.

        Never so, but after a command that had done all that one command may do.
        """
        return self.phase == CONTINUOUS and self.stops.is_reached(self.last_ticks)
