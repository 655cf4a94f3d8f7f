"""What the retail API needs of the world."""

from collections.abc import Callable
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


class Signers(Protocol):
    """Knows API keys."""

    async def signer(self, signed: Signed) -> Signer | Refusal:
        """Say who signed a request, if the key may do this, from there, now.

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


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came in or went out."""

    event_number: int
    asset: str
    amount_atoms: int
    cause: int
    reference: str
    time_ns: int


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
