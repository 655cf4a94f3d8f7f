"""An order: its terms, what became of it, and its place in a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venue.reference.values import (
    BUY,
    NEVER_RESTS,
    PARTIALLY_FILLED,
    PENDING_TRIGGER,
    WITHOUT_PRICE,
)

if TYPE_CHECKING:
    from venue.reference.accounts import Account, Balance
    from venue.reference.book import Level
    from venue.reference.instruments import Instrument
    from venue.reference.standing_quotes import Quote


class Order:
    """One order, open or done and still remembered.

    ``price_ticks`` of a market or stop order is its protection price. ``shown_lots`` is what the
    book shows of it now: an iceberg's present tranche, all its leaves otherwise. ``arrival``
    numbers arrivals in a queue, over the whole venue: the smaller one was there earlier.
    ``client_ids`` are all ids that name it, in the order they came. ``expires_at_ns`` is when its
    time ends, by date or by day, 0 for never. ``fee_credit`` is what its fees overpaid so far.
    ``cash_atoms`` is the amount that a cash-quantity order may come to, 0 for all others.
    ``quoted`` is the quote that it is one side of while it is open, ``protection_group`` what
    counts its trades, and ``last_trade_id`` the last trade of such a side that was kept, or 0.
    """

    __slots__ = (
        "account",
        "account_number",
        "arrival",
        "base",
        "cash_atoms",
        "client_ids",
        "client_order_id",
        "connection",
        "display_lots",
        "expire_at_ns",
        "expires_at_ns",
        "fee_credit",
        "filled_lots",
        "filled_value",
        "held_atoms",
        "instrument",
        "instrument_number",
        "last_trade_id",
        "leaves_lots",
        "level",
        "maker_ppm",
        "minimum_lots",
        "next",
        "order_flags",
        "order_id",
        "order_type",
        "previous",
        "price_ticks",
        "protection_group",
        "quantity_lots",
        "quote",
        "quoted",
        "reason",
        "self_trade_prevention",
        "session",
        "shown_lots",
        "side",
        "status",
        "stop_price_ticks",
        "taker_ppm",
        "time_in_force",
        "trader",
    )

    account: Account
    account_number: int
    arrival: int
    base: Balance
    cash_atoms: int
    client_ids: list[bytes]
    client_order_id: bytes
    connection: int
    display_lots: int
    expire_at_ns: int
    expires_at_ns: int
    fee_credit: int
    filled_lots: int
    filled_value: int
    held_atoms: int
    instrument: Instrument
    instrument_number: int
    last_trade_id: int
    leaves_lots: int
    level: Level | None
    maker_ppm: int
    minimum_lots: int
    next: Order | None
    order_flags: int
    order_id: int
    order_type: int
    previous: Order | None
    price_ticks: int
    protection_group: int
    quantity_lots: int
    quote: Balance
    quoted: Quote | None
    reason: int
    self_trade_prevention: int
    session: int
    shown_lots: int
    side: int
    status: int
    stop_price_ticks: int
    taker_ppm: int
    time_in_force: int
    trader: int

    @property
    def is_open(self) -> bool:
        """Whether it waits or rests."""
        return self.status <= PARTIALLY_FILLED

    @property
    def is_pending(self) -> bool:
        """Whether it is a stop that waits for its price."""
        return self.status == PENDING_TRIGGER

    @property
    def is_immediate(self) -> bool:
        """Whether what does not trade at once must go, rather than rest."""
        return self.time_in_force in NEVER_RESTS or self.order_type in WITHOUT_PRICE

    @property
    def holding(self) -> Balance:
        """The balance that its hold ties up: quote of a buy, base of a sell."""
        return self.quote if self.side == BUY else self.base
