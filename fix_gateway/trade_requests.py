"""Answers requests for trades (AD) from the event log, one session's turn after the other.

As requests for messages are answered (``recovery``): over a link of its own, in turns of bounded
length and with a bounded share of the gateway's time, never ahead of what was published.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from fix_gateway.acceptor import Channel
from fix_gateway.history import History, number_at, offset_after
from fix_gateway.metrics import Metrics
from fix_gateway.pace import Pace
from fix_gateway.ports import LinkFactory, is_transient
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import RecoverySettings
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Fault
from fix_gateway.translation.times import timestamp_text
from fix_gateway.translation.trade_requests import (
    Wanted,
    accepted,
    completed,
    read_request,
    refused,
)
from messages.layout import RECORD_PREFIX
from messages.trading import events
from messages.trading.codes import RejectCode
from runtime.link import LinkError
from runtime.link_frames import EventBatch

log = structlog.get_logger()

_LOOK_EVENTS = 256
"""How many events are passed over between two looks at the clock."""
_NANOSECONDS_A_DAY = 86_400 * 10**9
_TRADES: dict[int, type[events.TradeExecuted | events.TradeBusted | events.TradeCorrected]] = {
    each.KIND: each for each in (events.TradeExecuted, events.TradeBusted, events.TradeCorrected)
}


@dataclass(slots=True)
class Answer:
    """One request on its way."""

    session: LiveSession
    channel: Channel
    connection: int
    wanted: Wanted
    position: int
    """The event after which we go on."""
    end: int
    """The last event that is looked at."""
    is_begun: bool = False
    sent: int = 0
    last_ns: int = 0
    """The stamp of the last trade that was told."""
    ended: str = ""
    """Why it ends before its end; empty while it goes on."""

    @property
    def is_heard(self) -> bool:
        """Whether whoever asked is still there."""
        return self.session.is_open and self.session.connection == self.connection

    @property
    def goes_on(self) -> bool:
        """Whether there is more to look at, and somebody to tell."""
        return self.is_heard and not self.ended and self.position < self.end


class TradeRequests:
    """The requests of all sessions, and the task that answers them."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        channels: Mapping[str, Channel],
        directory: Directory,
        metrics: Metrics,
        published: Callable[[], int],
    ) -> None:
        """Keep whom to answer.

        Args:
            settings: how far back, how much and how fast; as for messages.
            channels: QuickFIX's ends, by comp id.
            directory: the venue's definitions as known now.
            metrics: of the gateway.
            published: returns the last event whose messages the sessions were given.
        """
        self._settings = settings
        self._channels = channels
        self._directory = directory
        self._metrics = metrics
        self._published = published
        self._answers: dict[int, Answer] = {}
        """At most one a session, by its number."""
        self._turns: deque[Answer] = deque()
        self._asked = asyncio.Event()
        self._pace = Pace(
            share=settings.time_percent_max / 100, messages_per_second=settings.messages_per_second
        )

    def ask(self, session: LiveSession, connection: int, fields: Fields) -> bool:
        """Take a request (AD), or refuse it; say whether it was taken.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        channel = self._channels[session.file.sender_comp_id]
        wanted, fault = read_request(fields, self._directory, session=session.number)
        if fault is None and session.number in self._answers:
            running = self._answers[session.number].wanted.name
            text = f"one request at a time, and {running} is being answered"
            fault = Fault(RejectCode.GATEWAY_TRADE_REQUEST_BUSY, text)
        if fault is not None:
            self._metrics.rejects.labels(fault.code.name).inc()
            channel.send(refused(wanted, fault))
            return False
        last = self._published()
        answer = Answer(session, channel, connection, wanted, 0, last)
        if wanted.event:
            answer.position, answer.end = wanted.event - 1, min(wanted.event, last)
        self._answers[session.number] = answer
        self._turns.append(answer)
        self._asked.set()
        channel.send(accepted(wanted))
        return True

    def end(self, session: LiveSession, fields: Fields, *, known: str) -> bool:
        """Answer the end of a subscription (263=2); say whether it was the one that is known.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        channel = self._channels[session.file.sender_comp_id]
        wanted, fault = read_request(fields, self._directory, session=session.number)
        if fault is None and wanted.name != known:
            text = f"subscription {known} is there" if known else "there is no subscription"
            fault = Fault(RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED, text)
        if fault is not None:
            self._metrics.rejects.labels(fault.code.name).inc()
        channel.send(refused(wanted, fault) if fault else completed(wanted, sent=0))
        return fault is None

    async def run(self, connect: LinkFactory) -> None:
        """Answer until cancelled, over links of its own.

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
                answer = self._turns.popleft()
                try:
                    await self._take_turn(answer, history)
                except LinkError as error:
                    if not is_transient(error):
                        raise
                    await history.close()
                    answer.ended = "the venue's history could not be read: ask again"
                self._go_on(answer)
        finally:
            self._turns.clear()
            self._answers.clear()
            await history.close()

    def _go_on(self, answer: Answer) -> None:
        """Queue a request for its next turn, or end it."""
        if answer.goes_on:
            self._turns.append(answer)
            return
        if answer.is_heard:
            answer.channel.send(completed(answer.wanted, sent=answer.sent, why=answer.ended))
        del self._answers[answer.session.number]
        log.info("trades_told", session=answer.session.number, count=answer.sent)

    async def _take_turn(self, answer: Answer, history: History) -> None:
        """Answer a part of a request; short enough that the others' turns come soon."""
        deadline = time.monotonic() + self._settings.turn_seconds
        if not answer.is_begun:
            await self._open(answer, history)
        while answer.goes_on:
            batch = await history.after(answer.position)
            # A batch may be a single command's, so a slice goes on from one to the next.
            self._pace.go_on()
            await self._tell(answer, batch, deadline)
            if self._pace.is_over:
                await self._pace.rest()
            self._pace.hold()
            if time.monotonic() >= deadline:
                return

    async def _open(self, answer: Answer, history: History) -> None:
        """Find the first event of the time asked for, within what is kept."""
        answer.is_begun = True
        if answer.wanted.event or answer.end == 0:
            return
        kept_ns = time.time_ns() - self._settings.days * _NANOSECONDS_A_DAY
        since_ns = max(answer.wanted.since_ns, kept_ns)
        if await history.time_of(answer.end) < since_ns:
            answer.position = answer.end
            return
        answer.position = await history.first_since(since_ns, last=answer.end) - 1

    async def _tell(self, answer: Answer, batch: EventBatch, deadline: float) -> None:
        """Send a batch's trades to the session, in slices, until the turn is over."""
        data, end, looked = batch.data, len(batch.data), 0
        offset = offset_after(batch, answer.position)
        prefix, last = RECORD_PREFIX.unpack_from, min(batch.last, answer.end)
        while offset < end and number_at(data, offset) <= last:
            length, kind = prefix(data, offset)
            if kind in _TRADES:
                self._tell_trade(answer, _TRADES[kind].unpack(data, offset))
                looked += _LOOK_EVENTS // 16
            if answer.ended or answer.position == answer.end:
                return
            looked += 1
            offset += length
            if looked > _LOOK_EVENTS:
                looked = 0
                if self._pace.is_over:
                    await self._pace.rest()
                    if (time.monotonic() >= deadline or not answer.is_heard) and offset < end:
                        answer.position = number_at(data, offset) - 1
                        return
        answer.position = last

    def _tell_trade(
        self,
        answer: Answer,
        record: events.TradeExecuted | events.TradeBusted | events.TradeCorrected,
    ) -> None:
        wanted = answer.wanted
        if wanted.until_ns and record.time_ns >= wanted.until_ns:
            answer.position = answer.end
            return
        texts = list(wanted.captures(record, self._directory, session=answer.session.number))
        if answer.sent + len(texts) > self._settings.messages_max:
            answer.ended = f"the most for one request: ask on from {timestamp_text(answer.last_ns)}"
            return
        for text in texts:
            answer.channel.send(text)
            self._pace.sent()
        if texts:
            answer.sent += len(texts)
            answer.last_ns = record.time_ns
