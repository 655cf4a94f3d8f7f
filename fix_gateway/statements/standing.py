"""How every account stands, kept from events alone.

Whoever begins with nothing and reads all events knows the same as who was there all the time;
``standing_file`` only saves the reading. Every event of everybody is read, for rights may come
later, so it is done in C++ (``core/native/src/statements``); ``tests/twins/standing.py`` is the
same in Python, slow and easy to read. Trading never waits for any of this.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from core import _native
from messages.trading.identity import execution_id

RECEIPTS_KEPT = 4
"""Fences of one session that can be told again."""


class OpenOrder(msgspec.Struct, array_like=True, gc=False):
    """One open order, and the hash of its public state once somebody asked for it."""

    order_id: int
    session: int
    instrument: int
    side: int
    time_in_force: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    filled_value: int
    leaves_lots: int
    held_atoms: int
    client_order_id: bytes
    hash: int | None = None


class Traded(msgspec.Struct, gc=False):
    """What an account has traded in one instrument, ever. ``value`` is in ticks x lots."""

    executions: int = 0
    bought_lots: int = 0
    bought_value: int = 0
    sold_lots: int = 0
    sold_value: int = 0


class Money(msgspec.Struct, gc=False):
    """An account's money in one asset."""

    balance_atoms: int = 0
    held_atoms: int = 0


class AccountStanding(msgspec.Struct, kw_only=True):
    """One account, at this moment. Sums are those of hashes, modulo 2**64."""

    orders: int = 0
    """How many are open."""
    orders_sum: int = 0
    """Of those that are hashed."""
    executions: int = 0
    executions_sum: int = 0
    traded: dict[int, Traded] = {}
    """By instrument."""
    money: dict[int, Money] = {}
    """By asset."""


class Gone(msgspec.Struct, array_like=True, gc=False):
    """What a fence says of one order; ``event`` is that of its cancel, zero when it rests."""

    order: OpenOrder
    account: int
    event: int


class Fence(msgspec.Struct, array_like=True):
    """A connection's end, with the fate of every order that it concerned."""

    event: int
    time_ns: int
    session: int
    connection: int
    mode: int
    epoch: int
    last_sequence: int
    grace_until_ns: int
    orders: list[Gone]

    @property
    def cancelled(self) -> int:
        """How many orders went."""
        return sum(gone.event != 0 for gone in self.orders)


class Reading(NamedTuple):
    """What a batch brought: where the first event stands that was not taken, and the fences."""

    end: int
    fences: list[Fence]


def execution_hash(event: int, side: int) -> int:
    """Hash one execution: the first eight bytes of SHA-256 of its ExecID (17)."""
    return hash_of(execution_id(event, side))


def hash_of(text: str) -> int:
    """Return the first eight bytes of SHA-256 of a text, as a number."""
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big")


class Standing:
    """Every account, and the latest fences of every session."""

    def __init__(self) -> None:
        self.event = 0
        """The last event that was taken."""
        self.fences: dict[int, deque[Fence]] = {}
        """By session, those that concerned an order."""
        self._native = _native.Standing()

    def read(self, data: bytes, *, through: int) -> Reading:
        """Take the events of a batch up to one, each once and in order.

        Raises:
            ValueError: what stands in the batch is no event.
        """
        end, rows = self._native.read(data, through)
        fences = [_fence(*row) for row in rows]
        for fence in fences:
            if fence.orders:
                kept = self.fences.setdefault(fence.session, deque(maxlen=RECEIPTS_KEPT))
                kept.append(fence)
        return Reading(end, fences)

    @property
    def accounts(self) -> list[int]:
        """The accounts of which an event spoke."""
        return self._native.accounts

    def account(self, number: int) -> AccountStanding:
        """Say how an account stands; of one without history, that it has nothing."""
        orders, orders_sum, executions, executions_sum, traded, money = self._native.account(number)
        return AccountStanding(
            orders=orders,
            orders_sum=orders_sum,
            executions=executions,
            executions_sum=executions_sum,
            traded={instrument: Traded(*figures) for instrument, *figures in traded},
            money={asset: Money(*atoms) for asset, *atoms in money},
        )

    def orders(self, account: int) -> list[OpenOrder]:
        """Return an account's open orders."""
        return [OpenOrder(*row) for row in self._native.orders(account)]

    def unhashed(self, account: int) -> list[int]:
        """Return the ids of the orders that changed since they were hashed."""
        return self._native.unhashed(account)

    def hash_order(self, account: int, order_id: int, text_of: Callable[[OpenOrder], str]) -> None:
        """Hash what is public of an order, should it still be open."""
        row = self._native.order(account, order_id)
        if row is not None:
            self._native.keep_hash(account, order_id, hash_of(text_of(OpenOrder(*row))))

    def image(self) -> bytes:
        """Return all but the fences, to be saved."""
        return self._native.image()

    def restore(self, image: bytes) -> bool:
        """Begin with what was saved; False for what is no image, which changes nothing."""
        return self._native.restore(image)


def _fence(*row: Any) -> Fence:
    *head, orders = row
    gone = [Gone(OpenOrder(*order), account, event) for order, account, event in orders]
    return Fence(*head, orders=gone)  # type: ignore[misc]  # as many as there are fields
