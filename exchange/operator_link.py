"""An operator's way into the core: send a command, wait for what became of it."""

import asyncio
import fcntl
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import IO, Protocol, Self

import msgspec

from exchange.errors import CommandRefusedError, VenueAwayError
from exchange.state import State
from messages.layout import RECORD_PREFIX, Record, plain_text
from messages.trading.answers import OPEN_ORDERS_PAGE_MAX, Balances
from messages.trading.codes import RejectCode
from messages.trading.commands import Command
from messages.trading.events import (
    EVENTS,
    BalanceChanged,
    CommandRejected,
    Event,
    OrderReported,
    TradeChanged,
    TradeDisputed,
    TradeExecuted,
)
from messages.trading.identity import source_number
from runtime.link import Link, LinkError, LinkLost, LinkRefused
from runtime.link_frames import Answer, EventBatch, Refusal

ADMIN = "admin"
OUTCOME_SECONDS_MAX = 15.0
URGENT_LANE = 1
RETURN_SECONDS_MAX = 30.0
"""How long a core that its supervisor starts again is waited for."""

_POLL_SECONDS = 0.05

Outcome = Callable[[Record], bool]
"""Says whether an event is what a command was to bring about."""


class Asking(Protocol):
    """Somewhere to send commands to, such as ``OperatorLink``."""

    async def ask(self, command: Command, outcome: Outcome) -> Record:
        """Send a command and return the event that it brought about."""
        ...


class OperatorLink:
    """One operator at a time, holding a link to the core as the principal ``admin``."""

    def __init__(self, link: Link, lane: int = 0) -> None:
        self._link = link
        self._source = source_number(link.welcome.principal, lane)
        here = [place for place in link.welcome.positions if place.source == self._source]
        self._epoch = here[0].epoch if here else 1
        self._sequence = here[0].source_sequence if here else 0
        self._events = link.events(link.welcome.last_event)
        self._waiting: asyncio.Future[EventBatch] | None = None
        self.refused: list[Refusal] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, state: State, *, lane: int = 0) -> AsyncIterator[Self]:
        """Connect to the core of a state directory.

        Args:
            state: whose core.
            lane: one at a time in each; ``URGENT_LANE`` is for what cannot wait for another.

        Raises:
            VenueAwayError: none answers there.
        """
        # Before the lock: a directory without a venue is left alone.
        await core_address(state)
        name = f"operator-{lane}.lock" if lane else "operator.lock"
        with (state.run / name).open("w") as lock:
            await _lock(lock)
            refused: list[Refusal] = []
            link = await connect(state, ADMIN, refused.extend)
            operator = cls(link, lane)
            operator.refused = refused
            try:
                yield operator
            finally:
                operator.stop_waiting()
                await link.close()

    async def query(self, what: str) -> Answer:
        """Ask the core; see ``messages/trading/answers.py``."""
        return await self._link.query(what)

    async def balances(self) -> Balances:
        """Return the engine's money."""
        answer = await self.query("balances")
        return msgspec.msgpack.decode(answer.payload, type=Balances)

    async def open_order_count(self, account: int) -> int:
        """Count an account's open orders, page by page."""
        count, after = 0, 0
        while True:
            answer = await self._link.query("open_orders", account, after, OPEN_ORDERS_PAGE_MAX)
            page = [e for e in EVENTS.unpack(answer.payload) if isinstance(e, OrderReported)]
            count += len(page)
            if len(page) < OPEN_ORDERS_PAGE_MAX:
                return count
            after = page[-1].order_id

    async def definitions(self) -> list[Record]:
        """Return what the venue knows, as events."""
        return list(EVENTS.unpack((await self.query("definitions")).payload))

    async def ask(self, command: Command, outcome: Outcome) -> Record:
        """Send a command and return the event that it brought about.

        Raises:
            CommandRefusedError: the venue said no; the message has its code, limit and usage.
            VenueAwayError: the link was lost before the outcome was known. Asking again is safe.
        """
        self._sequence += 1
        identified = {
            "source": self._source,
            "epoch": self._epoch,
            "source_sequence": self._sequence,
        }
        fields = {name: getattr(command, name) for name in command.__struct_fields__}
        if not self._link.send(type(command)(**fields | identified).pack()):
            raise VenueAwayError("the link to the core is full")
        try:
            async with asyncio.timeout(OUTCOME_SECONDS_MAX):
                return await self._outcome(outcome)
        except TimeoutError:
            raise VenueAwayError(
                f"no outcome in {OUTCOME_SECONDS_MAX:g} s; asking again is safe"
            ) from None
        except (LinkLost, LinkRefused) as error:
            raise VenueAwayError(f"{error}; asking again is safe") from error

    async def _outcome(self, outcome: Outcome) -> Record:
        while (batch := await self._next_batch()) is not None:
            for event in EVENTS.unpack(batch.data):
                if isinstance(event, CommandRejected) and self._is_ours(event):
                    raise CommandRefusedError(RejectCode(event.code), explain(event))
                if outcome(event):
                    return event
        code = RejectCode(self.refused[0].code)
        raise CommandRefusedError(code, f"refused: {code.name} ({code.value})")

    async def _next_batch(self) -> EventBatch | None:
        """Return the next events, or None when the core refused what we sent."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(anext(self._events))
        while not self.refused:
            done, _ = await asyncio.wait([self._waiting], timeout=0.1)
            if done:
                batch, self._waiting = self._waiting.result(), None
                return batch
        return None

    def stop_waiting(self) -> None:
        """Forget the events that a command given up on is still waited for with."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _is_ours(self, event: CommandRejected) -> bool:
        return event.source == self._source and event.source_sequence == self._sequence


async def _lock(file: IO[str]) -> None:
    """Wait for a lock that another process holds, and take no thread for it: it may be long."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


async def movements(state: State, reference: bytes) -> list[BalanceChanged]:
    """Return every movement of money that a reference was ever honoured for, from the event log.

    Raises:
        VenueAwayError: no venue answers.
    """
    link = await connect(state, ADMIN)
    found: list[BalanceChanged] = []
    try:
        async for batch in link.events(0):
            if reference in batch.data:  # decoding what cannot be it would take minutes
                found += [
                    event
                    for event in EVENTS.unpack(batch.data)
                    if isinstance(event, BalanceChanged) and event.reference == reference
                ]
            if batch.last >= link.welcome.last_event:
                break
    finally:
        await link.close()
    return found


async def trade_told(state: State, trade_id: int) -> TradeExecuted | TradeChanged | None:
    """Return the event that told a trade's present terms, from the event log.

    Raises:
        VenueAwayError: no venue answers.
    """
    link = await connect(state, ADMIN)
    sought = struct.pack("<Q", trade_id)
    told: TradeExecuted | TradeChanged | None = None
    try:
        if link.welcome.last_event == 0:
            return None
        async for batch in link.events(0):
            if sought in batch.data:  # decoding what cannot be it would take minutes
                for event in EVENTS.unpack(batch.data):
                    if not isinstance(event, TradeExecuted | TradeChanged):
                        continue
                    told = event if event.trade_id == trade_id else told
            if batch.last >= link.welcome.last_event:
                break
    finally:
        await link.close()
    return told


async def told(state: State, *, after: int = 0) -> AsyncIterator[list[Event]]:
    """Yield every event after a number that the venue has durably told, in batches.

    Raises:
        VenueAwayError: no venue answers.
    """
    link = await connect(state, ADMIN)
    try:
        if link.welcome.last_event <= after:
            return
        async for batch in link.events(after):
            yield [each for each in EVENTS.unpack(batch.data) if isinstance(each, Event)]
            if batch.last >= link.welcome.last_event:
                return
    finally:
        await link.close()


async def honoured(state: State, reference: bytes) -> list[Event]:
    """Return every event that carries a reference, refusals not, from the event log.

    Raises:
        VenueAwayError: no venue answers.
    """
    link = await connect(state, ADMIN)
    found: list[Event] = []
    try:
        if link.welcome.last_event == 0:
            return found
        async for batch in link.events(0):
            if reference in batch.data:  # decoding what cannot be it would take minutes
                found += [
                    event
                    for event in EVENTS.unpack(batch.data)
                    if isinstance(event, Event)
                    and not isinstance(event, CommandRejected)
                    and getattr(event, "reference", b"") == reference
                ]
            if batch.last >= link.welcome.last_event:
                break
    finally:
        await link.close()
    return found


async def disputes(state: State) -> list[TradeDisputed]:
    """Return every dispute of an execution, from the event log.

    Raises:
        VenueAwayError: no venue answers.
    """
    link = await connect(state, ADMIN)
    found: list[TradeDisputed] = []
    prefix = RECORD_PREFIX.pack(TradeDisputed.LENGTH, TradeDisputed.KIND)
    try:
        if link.welcome.last_event == 0:
            return found
        async for batch in link.events(0):
            if prefix in batch.data:  # decoding what cannot be it would take minutes
                told = EVENTS.unpack(batch.data)
                found += [event for event in told if isinstance(event, TradeDisputed)]
            if batch.last >= link.welcome.last_event:
                break
    finally:
        await link.close()
    return found


def explain(event: CommandRejected) -> str:
    """Say in words why the venue refused."""
    code = RejectCode(event.code)
    reference = plain_text(event.reference)
    words = [f"refused: {code.name} ({code.value}), about {event.subject}"]
    if reference:
        words.append(f"reference {reference}")
    if event.limit or event.usage:
        words.append(f"limit {event.limit}, usage {event.usage}")
    return ", ".join(words)


async def connect(
    state: State,
    principal: str,
    refusals: Callable[[Sequence[Refusal]], None] | None = None,
    *,
    patience_seconds: float = RETURN_SECONDS_MAX,
) -> Link:
    """Connect to the core of a state directory as a principal.

    Args:
        state: whose core.
        principal: who connects; its secret is the state's.
        refusals: takes what the core refuses before it is sequenced.
        patience_seconds: how long to wait for a core that its supervisor starts again.

    Raises:
        VenueAwayError: none answers there.
    """
    address = await core_address(state, patience_seconds=patience_seconds)
    try:
        if refusals is None:
            return await Link.connect(address, principal, state.token(principal))
        return await Link.connect(address, principal, state.token(principal), refusals=refusals)
    except LinkError as error:
        raise VenueAwayError(str(error)) from error


async def core_address(state: State, *, patience_seconds: float = RETURN_SECONDS_MAX) -> str:
    """Say where the core of a state directory listens, once it does.

    Raises:
        VenueAwayError: it does not run, and nobody starts it, or not in time.
    """
    deadline = time.monotonic() + patience_seconds
    while (page := state.page("core")) is None:
        if not state.is_held():
            raise VenueAwayError(f"no venue runs in {state.root}; start one with ./rialto up")
        if time.monotonic() >= deadline:
            raise VenueAwayError(f"the core of {state.root} is away; ./rialto status says why")
        await asyncio.sleep(_POLL_SECONDS)
    return page.addresses.get("unix") or page.addresses["tcp"]


def matching(kind: type[Record], **wanted: int | bytes) -> Outcome:
    """Make an outcome: an event of a kind with these fields."""

    def is_it(event: Record) -> bool:
        return isinstance(event, kind) and all(
            getattr(event, name) == value for name, value in wanted.items()
        )

    return is_it
