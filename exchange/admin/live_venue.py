"""The venue of a state directory, as the operators' plane needs it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from exchange import operator_link
from exchange.admin.ports import Venue
from exchange.errors import VenueAwayError
from exchange.operator_link import URGENT_LANE, OperatorLink, Outcome
from exchange.state import State
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.answers import Balances
from runtime.link import LinkError


class LiveVenue:
    """One open link to the core, and the event log behind it."""

    def __init__(self, state: State, link: OperatorLink) -> None:
        self._state = state
        self._link = link

    async def definitions(self) -> list[Record]:
        """See ``Venue``."""
        return await self._link.definitions()

    async def balances(self) -> Balances:
        """See ``Venue``."""
        return await self._link.balances()

    async def ask(self, command: commands.Command, outcome: Outcome) -> Record:
        """See ``Venue``."""
        return await self._link.ask(command, outcome)

    async def trade_told(self, trade_id: int) -> events.TradeExecuted | events.TradeChanged | None:
        """See ``Venue``."""
        return await operator_link.trade_told(self._state, trade_id)

    async def movements(self, reference: bytes) -> list[events.BalanceChanged]:
        """See ``Venue``."""
        return await operator_link.movements(self._state, reference)

    async def honoured(self, reference: bytes) -> list[events.Event]:
        """See ``Venue``."""
        return await operator_link.honoured(self._state, reference)

    def events_after(self, after: int) -> AsyncIterator[list[events.Event]]:
        """See ``Venue``."""
        return operator_link.told(self._state, after=after)

    async def open_orders(self) -> int:
        """See ``Venue``."""
        known = await self._link.definitions()
        accounts = [each.account for each in known if isinstance(each, events.AccountCreated)]
        return sum([await self._link.open_order_count(account) for account in accounts])

    async def disputes(self) -> list[events.TradeDisputed]:
        """See ``Venue``."""
        return await operator_link.disputes(self._state)


class LiveVenues:
    """Opens links to the core of one state directory."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __call__(self, *, is_urgent: bool) -> AbstractAsyncContextManager[Venue]:
        """See ``Venues``."""
        return self._open(URGENT_LANE if is_urgent else 0)

    @asynccontextmanager
    async def _open(self, lane: int) -> AsyncIterator[Venue]:
        try:
            async with OperatorLink.open(self._state, lane=lane) as link:
                yield LiveVenue(self._state, link)
        except LinkError as error:
            raise VenueAwayError(f"{error}; asking again is safe") from error
