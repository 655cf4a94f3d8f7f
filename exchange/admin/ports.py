"""What the operators' plane needs of a venue."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from exchange.operator_link import Outcome
from exchange.settlement_desk import CycleOrder, Planned
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.answers import Balances
from settlement.cycle_decisions import Ask
from settlement.house import HousePosting
from settlement.volumes import FirmVolume


class Venue(Protocol):
    """A way into the core, open while one action is planned and carried out."""

    async def definitions(self) -> list[Record]:
        """Return what the venue knows, as events."""
        ...

    async def balances(self) -> Balances:
        """Return the engine's money."""
        ...

    async def ask(self, command: commands.Command, outcome: Outcome) -> Record:
        """Send a command and return what it brought about.

        Raises:
            CommandRefusedError: the venue said no. VenueAwayError: the outcome is not known.
        """
        ...

    async def trade_told(self, trade_id: int) -> events.TradeExecuted | events.TradeChanged | None:
        """Return the event that told a trade's present terms."""
        ...

    async def movements(self, reference: bytes) -> list[events.BalanceChanged]:
        """Return every movement of money that a reference was honoured for."""
        ...

    async def honoured(self, reference: bytes) -> list[events.Event]:
        """Return every event that carries a reference, refusals not."""
        ...

    def events_after(self, after: int) -> AsyncIterator[list[events.Event]]:
        """Yield every event after a number, in batches, as far as the venue is now."""
        ...

    async def open_orders(self) -> int:
        """Count the open orders of all accounts, stops that wait included."""
        ...

    async def disputes(self) -> list[events.TradeDisputed]:
        """Return every dispute of an execution."""
        ...


class Venues(Protocol):
    """Opens ways into the core."""

    def __call__(self, *, is_urgent: bool) -> AbstractAsyncContextManager[Venue]:
        """Open one; an urgent one waits for no other.

        Raises:
            VenueAwayError: no core answers.
        """
        ...


class Ledger(Protocol):
    """What the plane reads of the books, and the postings of the house that it makes."""

    async def volumes(self, from_ns: int, until_ns: int) -> list[FirmVolume]:
        """Return what each firm traded in a time that is over.

        Raises:
            VenueAwayError: the database is away, or has not yet all that happened until then.
        """
        ...

    async def post(self, posting: HousePosting) -> int:
        """Add a posting of the house once, and return its number.

        Raises:
            CommandError: a rule of the ledger is broken. VenueAwayError: the outcome is not known;
                a repeat finds out.
        """
        ...

    async def cycle_plan(self, order: CycleOrder) -> Planned:
        """Say what a decision about settlement would be about, and fix it, as things stand.

        Raises:
            CommandError: there is nothing such to decide. VenueAwayError: the database is away.
        """
        ...

    async def decide(self, order: CycleOrder, ask: Ask) -> str:
        """Make a decision about settlement as it was planned, once, and say what came of it.

        Raises:
            CommandError: it cannot be. VenueAwayError: the outcome is not known; a repeat tells.
        """
        ...
