"""Answers requests for messages (BW) from the event log, one session's turn after the other.

An answer is read from the core over a link of its own and made by the same translation as the
live reports, so it says the same. It never runs ahead of them: its end is at most what had been
published when it was asked for. Sessions take turns of bounded length, and all of them together
a share of the gateway's time, so nobody's orders wait for anybody's history.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from fix_gateway.acceptor import Channel
from fix_gateway.history import History, number_at, offset_after, stamp_of
from fix_gateway.metrics import Metrics
from fix_gateway.open_orders import Listing
from fix_gateway.pace import Pace
from fix_gateway.ports import LinkFactory, is_transient
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import RecoverySettings
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.interest import Interest, interest_of
from fix_gateway.translation.numbering import (
    last_number_of,
    number_of,
    place_at,
    told_again,
    with_request,
)
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Fault
from fix_gateway.translation.retransmission import (
    Asked,
    acknowledgement,
    completion,
    read_request,
    refusal,
)
from messages.layout import RECORD_PREFIX
from messages.trading import events
from messages.trading.codes import RejectCode
from runtime.link import LinkError
from runtime.link_frames import Answer, EventBatch

log = structlog.get_logger()

_LOOK_EVENTS = 64
"""How many events are passed over between two looks at the clock."""
_NANOSECONDS_A_DAY = 86_400 * 10**9


Query = Callable[..., Awaitable[Answer]]
"""Asks the core: what, and the numbers that say of what (``CommandLink.query``)."""


class Published(Protocol):
    """How far the live messages have come."""

    position: int
    """The last event whose messages the sessions were given."""

    async def reached(self, event: int) -> None:
        """Wait until an event is published."""
        ...


@dataclass(slots=True)
class Replay:
    """One request on its way."""

    session: LiveSession
    channel: Channel
    connection: int
    asked: Asked
    begin: int
    end: int
    position: int
    """The event after which we go on."""
    told: int
    """The last number of the answer so far, or the one before its range."""
    interest: Interest
    is_begun: bool = False
    is_refused: bool = False
    sent: int = 0
    ended: str = ""
    """Why it ends before its end; empty while it goes on."""

    @property
    def is_done(self) -> bool:
        """Whether nothing of the range is left."""
        return self.position >= place_at(self.end).event

    @property
    def is_heard(self) -> bool:
        """Whether whoever asked is still there."""
        return self.session.is_open and self.session.connection == self.connection


class Recovery:
    """The requests of all sessions, and the task that answers them."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        sessions: Iterable[LiveSession],
        channels: Mapping[str, Channel],
        directory: Directory,
        metrics: Metrics,
        publisher: Published,
    ) -> None:
        """Keep whom to answer.

        Args:
            settings: how far back, how much and how fast.
            sessions: those of this gateway.
            channels: QuickFIX's ends, by comp id.
            directory: the venue's definitions as known now.
            metrics: of the gateway.
            publisher: knows the last event whose messages the sessions were given.
        """
        self._settings = settings
        self._sessions = {session.number: session for session in sessions}
        self._channels = channels
        self._directory = directory
        self._metrics = metrics
        self._publisher = publisher
        self._replays: dict[int, Replay] = {}
        """At most one a session, by its number."""
        self._turns: deque[Replay | Listing] = deque()
        self._asked = asyncio.Event()
        self._pace = Pace(
            share=settings.time_percent_max / 100, messages_per_second=settings.messages_per_second
        )

    def add(self, session: LiveSession) -> None:
        """Answer one session more."""
        self._sessions[session.number] = session

    def ask(self, session: LiveSession, connection: int, sequence: int, fields: Fields) -> None:
        """Take a request (BW), or refuse it.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        asked, fault = read_request(fields, answer=f"{connection}-{sequence}")
        channel = self._channels[session.file.sender_comp_id]
        if fault is None and asked.kind == tags.APPL_REQ_TYPE_RETRANSMISSION:
            fault = self._begin(session, channel, connection, asked)
        elif fault is None and asked.kind == tags.APPL_REQ_TYPE_CANCEL_RETRANSMISSION:
            fault = self._cancel(session, channel, asked)
        elif fault is None:
            channel.send(acknowledgement(asked, told=session.told))
        if fault is not None:
            self._refuse(session, channel, asked, fault)

    def list_open_orders(self, session: LiveSession, connection: int) -> None:
        """Tell a session that has logged on which orders are open."""
        channel = self._channels[session.file.sender_comp_id]
        accounts = tuple(sorted(interest_of([session.number], self._directory).accounts))
        self._turns = deque(
            each for each in self._turns if isinstance(each, Replay) or each.session is not session
        )
        self._turns.append(Listing(session, channel, connection, accounts))
        self._asked.set()

    async def run(self, connect: LinkFactory, query: Query) -> None:
        """Answer until cancelled, over links of its own.

        Args:
            connect: makes a link that reads history.
            query: asks the core over the link that the live events come by.

        Raises:
            LinkError: one that connecting again does not mend. StoreError: the disk.
        """
        history = History(connect)
        try:
            while True:
                self._asked.clear()
                if not self._turns:
                    await history.close()
                    await self._asked.wait()
                    continue
                replay = self._turns.popleft()
                if isinstance(replay, Listing):
                    await self._list(replay, query)
                    continue
                try:
                    await self._take_turn(replay, history)
                except LinkError as error:
                    if not is_transient(error):
                        raise
                    await history.close()
                    replay.ended = "the venue's history could not be read: ask on"
                self._go_on(replay)
        finally:
            self._turns.clear()
            self._replays.clear()
            for session in self._sessions.values():
                session.touched = None
            self._metrics.replays.set(0)
            await history.close()

    def _begin(
        self, session: LiveSession, channel: Channel, connection: int, asked: Asked
    ) -> Fault | None:
        if session.number in self._replays:
            running = self._replays[session.number].asked.name
            text = f"one request at a time, and {running} is being answered: wait for BY, or end it"
            return Fault(RejectCode.GATEWAY_RECOVERY_BUSY, text)
        last = last_number_of(self._publisher.position)
        end = min(asked.end or last, last)
        if asked.begin > end:
            text = f"{asked.begin} to {asked.end or last}: the last number there can be is {last}"
            return Fault(RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE, text)
        replay = Replay(
            session=session,
            channel=channel,
            connection=connection,
            asked=asked,
            begin=asked.begin,
            end=end,
            position=max(place_at(asked.begin).event - 1, 0),
            told=max(asked.begin - 1, 0),
            interest=interest_of([session.number], self._directory),
        )
        self._replays[session.number] = replay
        self._turns.append(replay)
        self._metrics.replays.set(len(self._replays))
        self._asked.set()
        return None

    def _cancel(self, session: LiveSession, channel: Channel, asked: Asked) -> Fault | None:
        replay = self._replays.get(session.number)
        if replay is None or asked.reference not in ("", replay.asked.name):
            text = "nothing is being answered"
            if replay is not None:
                text = f"what is being answered is {replay.asked.name}"
            return Fault(RejectCode.GATEWAY_REQUEST_UNKNOWN, text)
        replay.ended = "ended by request"
        channel.send(acknowledgement(asked, told=session.told))
        return None

    def _refuse(
        self, session: LiveSession, channel: Channel, asked: Asked, fault: Fault, *, first: int = 0
    ) -> None:
        self._metrics.rejects.labels(fault.code.name).inc()
        channel.send(refusal(asked, fault, told=session.told, first=first))

    def _go_on(self, replay: Replay) -> None:
        """Queue a request for its next turn, or end it."""
        if replay.is_heard and not (replay.is_done or replay.ended):
            self._turns.append(replay)
            return
        if replay.is_heard and not replay.is_refused:
            through = replay.end if replay.is_done else replay.told
            replay.channel.send(
                completion(replay.asked, through=through, sent=replay.sent, why=replay.ended)
            )
        del self._replays[replay.session.number]
        self._metrics.replays.set(len(self._replays))
        log.info(
            "messages_told_again",
            session=replay.session.number,
            first_number=replay.begin,
            through_number=replay.told,
            count=replay.sent,
            why=replay.ended or ("done" if replay.is_done else "gone"),
        )

    async def _list(self, listing: Listing, query: Query) -> None:
        """Tell a part of a session's open orders, and queue it for its next turn if any is left."""

        async def ask(account: int, after: int, limit: int) -> Answer:
            return await query("open_orders", account, after, limit)

        deadline = time.monotonic() + self._settings.turn_seconds
        if not listing.is_counted:
            await listing.count(ask)
        self._pace.begin()
        while listing.is_heard and not listing.is_done:
            if time.monotonic() >= deadline:
                self._turns.append(listing)
                return
            await listing.fetch(ask, self._publisher.reached)
            listing.tell(self._directory)
            self._pace.sent()
            if self._pace.is_over:
                await self._pace.rest()
        if listing.connection == listing.session.connection:
            listing.end()
        log.info("open_orders_told", session=listing.session.number, count=listing.sent)

    async def _take_turn(self, replay: Replay, history: History) -> None:
        """Answer a part of a request; short enough that the others' turns come soon."""
        deadline = time.monotonic() + self._settings.turn_seconds
        if not replay.is_begun and not await self._open(replay, history):
            return
        while not (replay.is_done or replay.ended) and replay.is_heard:
            batch = await history.after(replay.position)
            # A batch may be a single command's, so a slice goes on from one to the next.
            self._pace.go_on()
            await self._tell(replay, batch, deadline)
            if self._pace.is_over:
                await self._pace.rest()
            self._pace.hold()
            if time.monotonic() >= deadline:
                return

    async def _open(self, replay: Replay, history: History) -> bool:
        """Acknowledge a request once it is known that its first event is young enough."""
        since_ns = time.time_ns() - self._settings.days * _NANOSECONDS_A_DAY
        batch = await history.after(replay.position)
        if stamp_of(batch, replay.position + 1) < since_ns:
            first = await history.first_since(since_ns, last=self._publisher.position)
            number = number_of(first, 0)
            if replay.begin > 1:
                text = f"older than {self._settings.days} days: from {number} on there is all"
                fault = Fault(RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE, text)
                self._refuse(replay.session, replay.channel, replay.asked, fault, first=number)
                replay.is_refused, replay.ended = True, "too old"
                return False
            replay.position, replay.begin, replay.told = first - 1, number, number - 1
        replay.is_begun = True
        replay.channel.send(
            acknowledgement(
                replay.asked,
                told=replay.session.told,
                begin=max(replay.begin, 1),
                end=replay.end,
            )
        )
        return True

    async def _tell(self, replay: Replay, batch: EventBatch, deadline: float) -> None:
        """Send what a batch says to the session, in slices, until the turn is over."""
        data, end, looked = batch.data, len(batch.data), 0
        offset = offset_after(batch, replay.position)
        prefix, may_concern = RECORD_PREFIX.unpack_from, replay.interest.may_concern
        while offset < end:
            length, kind = prefix(data, offset)
            if may_concern(kind, data, offset):
                self._tell_event(replay, kind, data, offset)
                looked = _LOOK_EVENTS
            looked += 1
            offset += length
            if looked > _LOOK_EVENTS:
                looked = 0
                if replay.ended or not replay.is_heard:
                    return
                if self._pace.is_over:
                    await self._pace.rest()
                    if time.monotonic() >= deadline and offset < end:
                        replay.position = number_at(data, offset) - 1
                        return
        replay.position = batch.last

    def _tell_event(self, replay: Replay, kind: int, data: bytes, offset: int) -> None:
        session = replay.session
        if kind in session.untold:
            return
        record = events.EVENTS.by_kind[kind].unpack(data, offset)
        assert isinstance(record, events.Event), kind
        for message in told_by(record, self._directory):
            number = number_of(message.event, message.rank)
            if message.session != session.number or not replay.begin <= number <= replay.end:
                continue
            if replay.sent >= self._settings.messages_max:
                replay.ended = f"the most for one request: ask on from {replay.told + 1}"
                return
            text = message.text
            if session.is_told_requests:
                text = with_request(text, record.sequence)
            replay.channel.send(told_again(text, number=number, after=replay.told))
            replay.told = number
            replay.sent += 1
            self._pace.sent()
            self._metrics.told_again.inc()
