"""What the retail API needs of the world."""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Protocol

import msgspec

from retail_gateway.orders import Order, Trade
from retail_gateway.refusals import Refusal

Clock = Callable[[], int]
"""Tells the time in nanoseconds since 1970."""


class HistoryAwayError(Exception):
    """The database does not answer; trying again later is safe."""


class Signed(NamedTuple):
    """A request as it was signed: ``payload`` is every byte that the signature is over."""

    key_id: str
    payload: bytes
    signature: bytes
    address: str
    permission: str


class Signer(NamedTuple):
    """Who signed."""

    person_id: str


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an API key may do; times are in nanoseconds."""

    permissions: frozenset[str]
    has_addresses: bool
    """Whether it works from some addresses only."""
    created_at_ns: int
    expires_at_ns: int


class Signers(Protocol):
    """Knows API keys."""

    async def signer(self, signed: Signed) -> Signer | Refusal:
        """Say who signed a request, if the key may do this, from there, now.

        Raises:
            HistoryAwayError: keys cannot be looked up now.
        """
        ...

    async def terms(self, key_id: str) -> KeyTerms | None:
        """Say what a key may do; None: there is no such key any more.

        Raises:
            HistoryAwayError: keys cannot be looked up now.
        """
        ...


class Beginning(NamedTuple):
    """Where the process goes on from: open orders as of an event of a venue."""

    venue: bytes | None
    position: int
    orders: list[Order]


class Range(NamedTuple):
    """Which rows of an account's history: by id from ``from_id``, or by time; oldest first.

    Without ``from_id`` and ``start_ns`` it is the newest rows up to ``end_ns``.
    """

    limit: int
    from_id: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    order_id: int | None = None


class MovementState(IntEnum):
    """What became of it."""

    PENDING = 0
    DONE = 1
    TAKEN_BACK = 2


class MoneyRange(NamedTuple):
    """Which deposits or withdrawals of an account, newest first."""

    start_ns: int
    end_ns: int
    limit: int
    offset: int = 0
    asset: int | None = None
    """The venue's number of it; None: of all."""
    state: MovementState | None = None
    event_number: int | None = None
    """Only the one that this event began."""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came in or is on its way out, by the event that began it."""

    event_number: int
    asset: int
    amount_atoms: int
    state: MovementState
    began_at_ns: int
    ended_at_ns: int
    """Zero while it is pending."""


class MoneyHistory(Protocol):
    """What settlement has booked of people's money, other than trades.

    Every method raises ``HistoryAwayError``.
    """

    async def deposits(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """Return what came in."""
        ...

    async def withdrawals(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """Return what went out, or is on its way."""
        ...

    async def withdrawing(self, account: int) -> dict[int, int]:
        """Return what is on its way out, in atoms by asset."""
        ...


class History(Protocol):
    """What settlement has written of people's orders and trades.

    Every method raises ``HistoryAwayError``.
    """

    async def beginning(self, first: int, last: int) -> Beginning:
        """Return the open orders of accounts ``first`` to ``last`` as of the projector's event."""
        ...

    async def positions(self) -> tuple[int, int]:
        """Return how far the order history and the ledger have come."""
        ...

    async def order(self, account: int, order_id: int) -> Order | None:
        """Return an order of an account."""
        ...

    async def order_of_client_id(self, account: int, client_order_id: str) -> Order | None:
        """Return the latest order that an account gave a client id."""
        ...

    async def orders(self, account: int, instrument: int, wanted: Range) -> list[Order]:
        """Return orders of an account, oldest first."""
        ...

    async def trades(self, account: int, instrument: int, wanted: Range) -> list[Trade]:
        """Return trades of an account as they stand now, oldest first."""
        ...


class People(Protocol):
    """Which trading account a person has."""

    async def account_of(self, person_id: str, is_taken: Callable[[int], bool]) -> int | None:
        """Return a person's account number, given now if there was none; None: all are given.

        However many ask at once, and whoever dies in between, a person has one number.

        Args:
            person_id: whose.
            is_taken: whether the venue has an account of a number already. Such a one is never
                given: it is of somebody whom a database restored from a backup has forgotten.

        Raises:
            HistoryAwayError: it cannot be known now.
        """
        ...
