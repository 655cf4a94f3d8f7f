"""From the event feed to QuickFIX: every report once, in order, from wherever we stopped."""

import asyncio
import struct
import time
from collections.abc import Callable, Iterable

from fix_gateway.acceptor import Channel
from fix_gateway.metrics import Metrics
from fix_gateway.open_orders import orders_of
from fix_gateway.progress import Progress
from fix_gateway.sessions import LiveSession
from fix_gateway.statements.issuer import Issuer
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.numbering import number_of, numbered, with_request
from fix_gateway.translation.outbound import (
    Outgoing,
    concerns_clients,
    is_definition,
    told_by,
)
from fix_gateway.translation.reasons import code_name
from fix_gateway.watch import Watch
from messages.layout import RECORD_PREFIX
from messages.trading import events
from messages.trading.commands import OpenSession, OpenSessionOnTerms
from runtime.link_frames import EventBatch

_ACKNOWLEDGEMENTS = frozenset(
    {
        events.OrderAccepted.KIND,
        events.OrderRejected.KIND,
        events.OrderAmended.KIND,
        events.AmendRejected.KIND,
        events.CancelRejected.KIND,
        events.OrderReported.KIND,
        events.QueryRejected.KIND,
        events.MassCancelled.KIND,
        events.MassCancelRejected.KIND,
        events.RefusalRecorded.KIND,
        events.QuoteRequested.KIND,
        events.QuoteRequestRejected.KIND,
        events.RfqQuoteGiven.KIND,
        events.RfqQuoteRejected.KIND,
        events.RfqRefused.KIND,
        events.RfqAnswered.KIND,
    }
)
"""What answers a request by itself (a requested cancel's OrderCancelled is counted too)."""

_POSSIBLY_RESENT = "97=Y\x01"
_RECEIPT = struct.Struct("<32xq")
"""Where each event has the receipt of its command (``received_at_ns``)."""


class Publisher:
    """Gives to each session what events say to it."""

    def __init__(
        self,
        *,
        directory: Directory,
        sessions: Iterable[LiveSession],
        channels: dict[str, Channel],
        metrics: Metrics,
        issuer: Issuer,
        progress: Progress,
        closing: set[tuple[int, int]],
        connection_refused: Callable[[int, int], None],
    ) -> None:
        """Keep whom to tell.

        Args:
            directory: learns definitions from the same events.
            sessions: those of this gateway; what others are told is not our business.
            channels: QuickFIX's ends, by comp id.
            metrics: of the gateway.
            issuer: makes statements of the same events.
            progress: is told whose commands' events came.
            closing: connections whose end the core has still to confirm; taken out here.
            connection_refused: called with session and code when the core refused to open one.
        """
        self._directory = directory
        self._metrics = metrics
        self._issuer = issuer
        self._progress = progress
        self._closing = closing
        self._connection_refused = connection_refused
        self._to = {
            session.number: (session, channels[session.file.sender_comp_id]) for session in sessions
        }
        self._watch = Watch(directory, self._to.keys())
        self._waiter: asyncio.Future[None] | None = None
        self._sent = 0
        """Messages of the batch that is being published, or of statements before it."""
        self.position = 0
        """The last event that was published whole."""
        self.possibly_resent_through = 0
        """Events up to this one may have been sent before a crash of the machine: 97=Y."""

    def add(self, session: LiveSession, channel: Channel) -> None:
        """Tell one session more, from the next event on."""
        self._to[session.number] = (session, channel)
        self._watch.renew()
        self._issuer.add(session)

    def publish(self, batch: EventBatch) -> None:
        """Give a batch's messages to QuickFIX, and count the batch as done.

        Raises:
            StoreError: QuickFIX could not store one.
        """
        data = batch.data
        prefix = RECORD_PREFIX.unpack_from
        receipt = _RECEIPT.unpack_from
        fences = iter(self._issuer.read(data))
        for offset in self._watch.found(data):
            _, kind = prefix(data, offset)
            if concerns_clients(kind):
                self._tell(kind, data, offset)
                if kind == events.CommandRejected.KIND:
                    self._command_rejected(events.CommandRejected.unpack(data, offset))
            elif is_definition(kind):
                self._learn(kind, data, offset)
            elif kind == events.SessionClosed.KIND:
                closed = events.SessionClosed.unpack(data, offset)
                self._closing.discard((closed.session, closed.connection))
            elif kind == events.SessionFenced.KIND:
                self.state(self._issuer.receipt(next(fences)))
            self._progress.answered(*receipt(data, offset))
        self.position = batch.last
        self._progress.look()
        self._metrics.sent.inc(self._sent)
        self._sent = 0
        self._metrics.feed_event.set(batch.last)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reached(self, event: int) -> None:
        """Wait until an event is published whole; for one task at a time."""
        while self.position < event:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def state(self, statements: Iterable[Outgoing]) -> None:
        """Give statements to QuickFIX: signed, so nothing is added, and no answer to anybody.

        Raises:
            StoreError: QuickFIX could not store one.
        """
        for statement in statements:
            target = self._to.get(statement.session)
            if target is None:
                continue
            session, channel = target
            if (statement.event, statement.rank) > session.skip:
                channel.send(statement.text)
                self._sent += 1

    def _learn(self, kind: int, data: bytes, offset: int) -> None:
        record = events.EVENTS.by_kind[kind].unpack(data, offset)
        assert isinstance(record, events.Event), kind
        self._directory.learn(record)

    def _tell(self, kind: int, data: bytes, offset: int) -> None:
        record = events.EVENTS.by_kind[kind].unpack(data, offset)
        assert isinstance(record, events.Event), kind
        told = told_by(record, self._directory)
        sent_before = self._sent
        for message in told:
            target = self._to.get(message.session)
            if target is None:
                continue
            session, channel = target
            if kind in session.untold:
                continue
            # Also of what is left out: the next message names this one.
            number, after = number_of(message.event, message.rank), session.told
            session.told = number
            if session.touched is not None:
                session.touched.update(dict.fromkeys(orders_of(record), record.number))
            if (message.event, message.rank) <= session.skip:
                continue
            text = message.text
            if session.is_told_requests:
                text = with_request(text, record.sequence)
            text = numbered(text, number=number, after=after)
            if message.event <= self.possibly_resent_through:
                end = text.index("\x01") + 1
                text = text[:end] + _POSSIBLY_RESENT + text[end:]
            channel.send(text)
            self._sent += 1
        if self._sent != sent_before:
            self._count(kind, record)

    def _count(self, kind: int, record: events.Event) -> None:
        is_answer = kind in _ACKNOWLEDGEMENTS or (
            isinstance(record, events.OrderCancelled) and record.origin_session != 0
        )
        if is_answer and record.received_at_ns:
            seconds = (time.time_ns() - record.received_at_ns) / 1e9
            self._metrics.acknowledgement.observe(seconds)
        code = getattr(record, "code", 0)
        if code:
            self._metrics.rejects.labels(code_name(code)).inc()

    def _command_rejected(self, record: events.CommandRejected) -> None:
        is_opening = record.refused_kind in (OpenSession.KIND, OpenSessionOnTerms.KIND)
        if is_opening and record.session in self._to:
            self._connection_refused(record.session, record.code)
