"""Market-maker protection: what a group of quotes trades in a rolling window, and its freeze.

A group belongs to one account. Every trade of one of its quotes is counted while it is younger
than the window; what reaches a limit takes all quotes of the group away at once, before anything
else trades, and freezes the group.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from messages.trading.codes import RejectCode
from messages.trading.events import ProtectionReset, ProtectionTriggered
from messages.trading.terms import ProtectionLimit, ThawCause
from risk.decisions import Refused
from venue.reference import bounds
from venue.reference.accounts import Account
from venue.reference.deadlines import PROTECTION_THAW
from venue.reference.event_writer import clipped, shape
from venue.reference.orders import Order
from venue.reference.state import VenueState, cancel_order
from venue.reference.values import BUY, PROTECTION

_PROTECTION_TRIGGERED: Final = shape(ProtectionTriggered)
PROTECTION_RESET: Final = shape(ProtectionReset)

_QUANTITY: Final = int(ProtectionLimit.QUANTITY)
_NOTIONAL: Final = int(ProtectionLimit.NOTIONAL)
_DELTA: Final = int(ProtectionLimit.DELTA)
_TRADES: Final = int(ProtectionLimit.TRADES)
_TIME: Final = int(ThawCause.TIME)

_THAW_SHIFT: Final = 32


class Fill(NamedTuple):
    """What one trade of a group's quote added: base atoms, below zero for a sale."""

    at_ns: int
    base_atoms: int
    notional_atoms: int


class Counted(NamedTuple):
    """The sums of what a group's quotes traded."""

    quantity_atoms: int
    notional_atoms: int
    delta_atoms: int
    trades: int

    def with_fill(self, fill: Fill) -> Counted:
        """Return the sums with one trade more."""
        return Counted(
            self.quantity_atoms + abs(fill.base_atoms),
            self.notional_atoms + fill.notional_atoms,
            self.delta_atoms + fill.base_atoms,
            self.trades + 1,
        )


class Protection:
    """A protection group: its limits, and what its quotes traded within the window.

    The sums are those of ``fills``, which are at most ``trades_max``: reaching that empties them.
    """

    __slots__ = (
        "base_asset",
        "delta_atoms",
        "delta_max_atoms",
        "fills",
        "frozen_ns",
        "frozen_until_ns",
        "is_frozen",
        "notional_atoms",
        "notional_max_atoms",
        "number",
        "quantity_atoms",
        "quantity_max_atoms",
        "quote_asset",
        "trades_max",
        "window_ns",
    )

    def __init__(self, *, number: int, base_asset: int, quote_asset: int) -> None:
        self.number = number
        self.base_asset = base_asset
        self.quote_asset = quote_asset
        self.quantity_max_atoms = 0
        self.notional_max_atoms = 0
        self.delta_max_atoms = 0
        self.trades_max = bounds.PROTECTION_TRADES_MAX
        self.window_ns = 0
        self.frozen_ns = 0
        self.is_frozen = False
        self.frozen_until_ns = 0
        self.fills: deque[Fill] = deque()
        self.quantity_atoms = self.notional_atoms = self.delta_atoms = 0

    def begin_anew(self) -> None:
        """Count from nothing."""
        self.fills.clear()
        self.quantity_atoms = self.notional_atoms = self.delta_atoms = 0

    def add(self, fill: Fill) -> None:
        """Count a trade."""
        self.fills.append(fill)
        self.quantity_atoms += abs(fill.base_atoms)
        self.notional_atoms += fill.notional_atoms
        self.delta_atoms += fill.base_atoms

    def forget(self, now_ns: int) -> None:
        """Leave out what is as old as the window, or older."""
        fills = self.fills
        while fills and fills[0].at_ns + self.window_ns <= now_ns:
            gone = fills.popleft()
            self.quantity_atoms -= abs(gone.base_atoms)
            self.notional_atoms -= gone.notional_atoms
            self.delta_atoms -= gone.base_atoms

    def reached(self) -> tuple[int, int, int] | None:
        """Return the first limit that is reached, its value and what reaches it."""
        return self.reached_by(self.counted())

    def counted(self) -> Counted:
        """Return the sums."""
        return Counted(self.quantity_atoms, self.notional_atoms, self.delta_atoms, len(self.fills))

    def reached_by(self, counted: Counted) -> tuple[int, int, int] | None:
        """Return the first limit that such sums would reach, its value and what reaches it."""
        checks = (
            (_QUANTITY, self.quantity_max_atoms, counted.quantity_atoms),
            (_NOTIONAL, self.notional_max_atoms, counted.notional_atoms),
            (_DELTA, self.delta_max_atoms, abs(counted.delta_atoms)),
            (_TRADES, self.trades_max, counted.trades),
        )
        for which, limit, usage in checks:
            if limit and usage >= limit:
                return which, limit, usage
        return None


def decide_protection(account: Account, group: int, *, base: int, quote: int) -> Refused | None:
    """Say whether a quote in an instrument of two assets may stand in a protection group.

    Group zero is none, and always may; any other must be defined, for a number that protects
    nothing by mistake would be found out on the worst day.
    """
    if group == 0:
        return None
    protection = account.protections.get(group)
    if protection is None:
        return Refused(RejectCode.PROTECTION_UNKNOWN, 0, group)
    if base != protection.base_asset:
        return Refused(RejectCode.PROTECTION_ASSETS_DIFFER, protection.base_asset, base)
    if protection.quote_asset not in {0, quote}:
        return Refused(RejectCode.PROTECTION_ASSETS_DIFFER, protection.quote_asset, quote)
    return decide_thawed(protection)


def decide_thawed(protection: Protection) -> Refused | None:
    """Say whether a group may quote; the limit of a refusal is when it may, zero for a reset."""
    if protection.is_frozen:
        return Refused(RejectCode.PROTECTION_FROZEN, protection.frozen_until_ns, protection.number)
    return None


def count_fill(venue: VenueState, order: Order, *, base_atoms: int, notional_atoms: int) -> None:
    """Count a trade of a quote, and protect its maker when that reaches a limit."""
    if order.protection_group == 0:
        return
    protection = order.account.protections[order.protection_group]
    now_ns = venue.last_time_ns
    protection.forget(now_ns)
    bought_atoms = base_atoms if order.side == BUY else -base_atoms
    protection.add(Fill(now_ns, bought_atoms, notional_atoms))
    reached = protection.reached()
    if reached is not None:
        _trigger(venue, order, protection, reached)


class Foresight:
    """Which quotes an incoming order would still meet, if it traded all that stands before them.

    A quote whose group is protected by then is gone. Nothing is counted that did not happen.
    """

    __slots__ = ("_groups", "_now_ns")

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._groups: dict[Protection, Counted | None] = {}

    def meets(self, order: Order) -> bool:
        """Say whether a resting order is still there, and take it as traded whole."""
        if order.protection_group == 0:
            return True
        protection = order.account.protections[order.protection_group]
        if protection not in self._groups:
            protection.forget(self._now_ns)
            self._groups[protection] = protection.counted()
        counted = self._groups[protection]
        if counted is None:
            return False
        lots, instrument = order.leaves_lots, order.instrument
        base_atoms = lots * instrument.lot_atoms
        notional_atoms = order.price_ticks * lots * instrument.tick_lot_atoms
        bought_atoms = base_atoms if order.side == BUY else -base_atoms
        counted = counted.with_fill(Fill(self._now_ns, bought_atoms, notional_atoms))
        self._groups[protection] = None if protection.reached_by(counted) else counted
        return True


def _trigger(
    venue: VenueState, order: Order, protection: Protection, reached: tuple[int, int, int]
) -> None:
    account = order.account
    protection.begin_anew()
    protection.is_frozen = True
    protection.frozen_until_ns = 0
    if protection.frozen_ns:
        protection.frozen_until_ns = venue.last_time_ns + protection.frozen_ns
        number = thaw_number(account, protection)
        venue.deadlines.add(protection.frozen_until_ns, PROTECTION_THAW, number)
    quotes = [
        each
        for _, each in sorted(account.open_orders.items())
        if each.protection_group == protection.number
    ]
    for each in quotes:
        cancel_order(venue, each, reason=PROTECTION)
    which, limit, usage = reached
    venue.events.emit(
        _PROTECTION_TRIGGERED,
        account.number,
        order.session,
        order.connection,
        protection.number,
        which,
        0,
        0,
        len(quotes),
        limit,
        clipped(usage),
        protection.frozen_until_ns,
    )


def thaw_number(account: Account, protection: Protection) -> int:
    """Number a group among all accounts', for its deadline."""
    return account.number << _THAW_SHIFT | protection.number


def thaw(venue: VenueState, number: int) -> None:
    """Let a group quote again because its time has come; its deadline has been taken out."""
    account = venue.accounts[number >> _THAW_SHIFT]
    protection = account.protections[number & ((1 << _THAW_SHIFT) - 1)]
    protection.is_frozen, protection.frozen_until_ns = False, 0
    protection.begin_anew()
    venue.events.emit(
        PROTECTION_RESET, account.number, 0, 0, protection.number, _TIME, 1, 0, 0, bytes(40)
    )


def lift_freeze(venue: VenueState, account: Account, protection: Protection) -> None:
    """Let a group quote again, before its time."""
    if protection.frozen_until_ns:
        number = thaw_number(account, protection)
        venue.deadlines.remove(protection.frozen_until_ns, PROTECTION_THAW, number)
    protection.is_frozen, protection.frozen_until_ns = False, 0
