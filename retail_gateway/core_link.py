"""The way to the core and back: a command goes out, its events come in and are its answer.

Every command carries a receipt time of its own, never used twice by this process, and the events
of a command carry it too: that is how an answer finds its request. What became true is durable
before it is told, so an HTTP answer never says more than the venue will remember.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from messages.layout import Record
from messages.trading import commands, events
from messages.trading.answers import Balances
from messages.trading.codes import RejectCode
from messages.trading.events import LAST_OF_COMMAND
from messages.trading.identity import source_number
from retail_gateway.ports import Clock
from retail_gateway.refusals import (
    OUTCOME_UNKNOWN,
    OVERLOADED,
    VENUE_AWAY,
    Refusal,
    venue_refusal,
)
from retail_gateway.settings import RetailSettings
from retail_gateway.state import RetailState
from retail_gateway.user_data import UserData
from runtime.feed import is_transient
from runtime.link import Link, LinkError, LinkLost, LinkRefused
from runtime.link_frames import EventBatch
from runtime.link_frames import Refusal as Unsequenced

log = structlog.get_logger()

Dial = Callable[[Callable[[Sequence[Unsequenced]], None], bytes | None], Awaitable[Link]]
"""Connects to the core: with who takes refusals, and the venue whose events we hold."""

Outcome = list[Record]
"""The events of one command that are about its account."""

_FLAGS_AND_RECEIPT: Final = struct.Struct("<5xB26xq")
"""Of an event: its flags, and when its command was received."""

_PAUSE_SECONDS_FIRST: Final = 0.05
_PAUSE_SECONDS_LAST: Final = 2.0


class _Waiting:
    """A command on its way."""

    __slots__ = ("account", "answer", "events", "sequence", "until")

    def __init__(
        self, account: int, sequence: int, answer: "asyncio.Future[Any]", until: float
    ) -> None:
        self.account = account
        self.sequence = sequence
        self.answer = answer
        self.until = until
        self.events: Outcome = []


class CoreLink:
    """Sends commands as one source and one session, and follows the feed into the state."""

    def __init__(
        self,
        dial: Dial,
        state: RetailState,
        settings: RetailSettings,
        *,
        clock: Clock,
        user_data: UserData,
    ) -> None:
        """Describe the link; ``user_data`` is told of what the state has taken in."""
        self._venue: bytes | None = None
        self._dial = dial
        self._state = state
        self._settings = settings
        self._clock = clock
        self._user_data = user_data
        self._link: Link | None = None
        self._source = self._epoch = self._sequence = 0
        self._stamp = 0
        self._connection = self._last_connection = 0
        self._waiting: dict[int, _Waiting] = {}
        self._expiring: asyncio.TimerHandle | None = None
        self._stamps: dict[int, int] = {}
        self._outgoing: list[bytes] = []
        self.is_caught_up = asyncio.Event()
        """Whether the state has all that the venue had told when the link was made."""

    @property
    def waiting_count(self) -> int:
        """Return how many commands have no answer yet."""
        return len(self._waiting)

    def expect(self, venue: bytes | None) -> None:
        """Say whose events the state begins with; None before there are any."""
        self._venue = venue

    async def run(self, stop: asyncio.Event) -> None:
        """Be linked until asked to stop.

        Raises:
            LinkError: one that is never retried.
        """
        stopping = asyncio.ensure_future(stop.wait())
        pause = _PAUSE_SECONDS_FIRST
        try:
            while not stopping.done():
                try:
                    link = await self._dial(self._refused, self._venue)
                except (LinkLost, LinkRefused) as error:
                    self._judge(error)
                    await asyncio.wait([stopping], timeout=pause)
                    pause = min(2 * pause, _PAUSE_SECONDS_LAST)
                    continue
                pause = _PAUSE_SECONDS_FIRST
                await self._use(link, stopping)
        finally:
            stopping.cancel()

    async def _use(self, link: Link, stopping: "asyncio.Future[Any]") -> None:
        self._venue = link.welcome.venue
        try:
            await self._serve(link, stopping)
        except (LinkLost, LinkRefused) as error:
            self._judge(error)
        finally:
            self._unlink()
            await link.close()

    def _judge(self, error: LinkLost | LinkRefused) -> None:
        if not is_transient(error):
            raise error
        log.warning("core_link_lost", reason=str(error), through=self._state.position)

    async def _serve(self, link: Link, stopping: "asyncio.Future[Any]") -> None:
        settings, welcome = self._settings, link.welcome
        self._source = source_number(welcome.principal, 0)
        here = next((each for each in welcome.positions if each.source == self._source), None)
        self._epoch = here.epoch if here else 1
        self._sequence = max(self._sequence, here.source_sequence if here else 0)
        if not self._state.market.assets:
            await self._learn(link)
        self._link = link
        stopping.add_done_callback(lambda _done: link.stop_events())
        opening = asyncio.create_task(self.open_session(), name="retail.open_session")
        try:
            if self._state.position >= welcome.last_event:
                self.is_caught_up.set()
            async for batch in link.events(self._state.position):
                self._take(batch)
                if batch.last >= welcome.last_event:
                    self.is_caught_up.set()
        finally:
            opening.cancel()
        log.info("core_link_closed", session=settings.session, through=self._state.position)

    async def _learn(self, link: Link) -> None:
        """Ask for definitions and balances, as they stand now; orders came from the database."""
        answer = await link.query("definitions")
        self._state.define(events.EVENTS.unpack(answer.payload), through=answer.event_number)
        answer = await link.query("balances")
        figures = msgspec.msgpack.decode(answer.payload, type=Balances)
        self._state.fund(figures.balances, through=answer.event_number)

    def _unlink(self) -> None:
        self._link = None
        self._connection = 0
        self.is_caught_up.clear()

    # --- sessions ---

    async def open_session(self) -> None:
        """Open our session's next connection, once there is a grant that made the session."""
        await self.is_caught_up.wait()
        connection = max(self._last_connection + 1, self._clock() // 1_000_000_000)
        while self._link is not None and self._state.market.granted and not self._connection:
            outcome = await self.ask(
                commands.OpenSession,
                0,
                {"session": self._settings.session, "connection": connection},
                with_session=False,
            )
            if not isinstance(outcome, Refusal):
                self._connection = self._last_connection = connection
                return
            log.warning("session_not_opened", reason=outcome.details.name)
            if outcome.details.code == RejectCode.IDENTIFIER_INVALID:
                connection = max(connection + 1, outcome.details.limit)
            await asyncio.sleep(_PAUSE_SECONDS_FIRST)

    # --- asking ---

    async def ask(
        self,
        kind: type[commands.Command],
        account: int,
        fields: Mapping[str, int | bytes],
        *,
        with_session: bool = True,
    ) -> Outcome | Refusal:
        """Send a command and return the events of it that are about its account.

        Args:
            kind: the command's.
            account: its account; zero for what is about none.
            fields: of the command, but for who sends it.
            with_session: whether it is one of our session's, that only an open one may send.

        Returns:
            The events; or the refusal: of the venue, or because it was not sent, or because its
            outcome is unknown.
        """
        if self._link is None or not self.is_caught_up.is_set():
            return VENUE_AWAY
        if with_session and not self._connection:
            return VENUE_AWAY
        if len(self._waiting) >= self._settings.limits.commands_waiting_max:
            return OVERLOADED
        record = self._record(kind, account, fields, with_session=with_session)
        outcome = await self._answered(self._stamp, account, record)
        return outcome if isinstance(outcome, Refusal) else _refusal_in(outcome) or outcome

    def _record(
        self,
        kind: type[commands.Command],
        account: int,
        fields: Mapping[str, int | bytes],
        *,
        with_session: bool,
    ) -> bytes:
        """Make the next record of our source, received at a time of its own."""
        self._stamp = max(self._clock(), self._stamp + 1)
        self._sequence += 1
        said: dict[str, int | bytes] = {
            **fields,
            "source": self._source,
            "epoch": self._epoch,
            "source_sequence": self._sequence,
            "received_at_ns": self._stamp,
            "account": account,
        }
        if with_session:
            said["session"] = self._settings.session
            said["connection"] = self._connection
        return kind.packed(said)

    async def _answered(self, stamp: int, account: int, record: bytes) -> Outcome | Refusal:
        loop, seconds = asyncio.get_running_loop(), self._settings.limits.answer_seconds_max
        answer: asyncio.Future[Outcome | Refusal] = loop.create_future()
        waiting = _Waiting(account, self._sequence, answer, loop.time() + seconds)
        self._waiting[stamp] = waiting
        self._stamps[self._sequence] = stamp
        self._expire_at(waiting.until)
        self._send(record)
        try:
            return await answer
        finally:
            del self._waiting[stamp]
            self._stamps.pop(waiting.sequence, None)

    def _expire_at(self, until: float) -> None:
        """Look no later than this at who has waited for too long: one timer is for all."""
        if self._expiring is not None:
            if self._expiring.when() <= until:
                return
            self._expiring.cancel()
        self._expiring = asyncio.get_running_loop().call_at(until, self._expire)

    def _expire(self) -> None:
        """Answer who has waited for too long."""
        self._expiring, now = None, asyncio.get_running_loop().time()
        for waiting in self._waiting.values():
            if waiting.until <= now and not waiting.answer.done():
                waiting.answer.set_result(OUTCOME_UNKNOWN)
        left = [waiting.until for waiting in self._waiting.values() if waiting.until > now]
        if left:
            self._expire_at(min(left))

    def tell(
        self, kind: type[commands.Command], account: int, fields: Mapping[str, int | bytes]
    ) -> None:
        """Send a command whose answer nobody waits for, if it can be sent now."""
        if self._link is not None and self._connection:
            self._send(self._record(kind, account, fields, with_session=True))

    def _send(self, record: bytes) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(record)

    def _flush(self) -> None:
        """Send what this turn of the loop gathered, in one piece."""
        records, self._outgoing = self._outgoing, []
        link = self._link
        if not records:
            return
        try:
            is_sent = link is not None and link.send(b"".join(records))
            refusal = VENUE_AWAY if link is None else OVERLOADED
        except LinkError:
            is_sent, refusal = False, VENUE_AWAY
        if is_sent:
            return
        for record in records:
            stamp = _RECEIPT.unpack_from(record, _RECEIPT_AT)[0]
            self._resolve(stamp, refusal)

    def _refused(self, refusals: Sequence[Unsequenced]) -> None:
        """Answer what the core refused before it was sequenced."""
        for each in refusals:
            stamp = self._stamps.get(each.source_sequence)
            if stamp is not None and each.source == self._source:
                self._resolve(stamp, venue_refusal(each.code))

    def _resolve(self, stamp: int, answer: Outcome | Refusal) -> None:
        waiting = self._waiting.get(stamp)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(answer)

    # --- following ---

    def _take(self, batch: EventBatch) -> None:
        data, waiting, tell = bytes(batch.data), self._waiting, self._user_data.take
        unpack = _FLAGS_AND_RECEIPT.unpack_from
        for offset, event in self._state.follow(data):
            if event is not None:
                tell(event)
            flags, stamp = unpack(data, offset)
            ours = waiting.get(stamp)
            if ours is None:
                continue
            if event is not None and _is_about(event, ours.account):
                ours.events.append(event)
            # Another door's command may have been received at the same nanosecond: then none
            # of its events is about our account, and we go on waiting.
            if flags & LAST_OF_COMMAND and ours.events and not ours.answer.done():
                ours.answer.set_result(ours.events)
        self._state.position = batch.last
        self._user_data.flush()


_RECEIPT_AT: Final = next(
    field.offset for field in commands.PlaceOrder.FIELDS if field.name == "received_at_ns"
)
_RECEIPT: Final = struct.Struct("<q")


_TRADES: Final = (events.TradeExecuted, events.TradeChanged)


def _is_about(event: Record, account: int) -> bool:
    if isinstance(event, _TRADES):
        return account in (event.maker_account, event.taker_account)
    return account in (0, getattr(event, "account", 0))


def _refusal_in(outcome: Outcome) -> Refusal | None:
    for event in outcome:
        if isinstance(event, _REJECTIONS) and event.code:
            return venue_refusal(event.code, limit=event.limit, usage=event.usage)
    return None


_REJECTIONS: Final = (
    events.OrderRejected,
    events.RequestRejected,
    events.MassCancelRejected,
    events.CommandRejected,
    events.OrderChecked,
)
