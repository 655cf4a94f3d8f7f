"""From the bridge to the core, and the answers to what the core did not take.

On the loop, but for ``answer``, which QuickFIX's thread calls too. What could not be sent because
the link is gone is neither answered nor kept: it is asked for again at the next logon.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from fix_gateway.acceptor import Channel, StoreError
from fix_gateway.bridge import Request, not_sequenced
from fix_gateway.metrics import Metrics
from fix_gateway.ports import CommandLink
from fix_gateway.progress import Progress
from fix_gateway.sessions import LiveSession, Sent
from fix_gateway.settings import SESSION_ID_MAX, GatewaySettings
from fix_gateway.translation.kinds import message_type_of
from fix_gateway.translation.reasons import code_name
from messages.trading.codes import RejectCode
from messages.trading.identity import SOURCE_BITS
from runtime.link import LinkError
from runtime.link_frames import Refusal

log = structlog.get_logger()


class Outbox:
    """Sends requests to the core, and answers those that it refuses before it numbers them."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        sessions: Iterable[LiveSession],
        metrics: Metrics,
        progress: Progress,
        loop: asyncio.AbstractEventLoop,
        fail: Callable[[Exception], None],
    ) -> None:
        """Keep whom to answer.

        Args:
            settings: how much goes in one send, and how long a logout may take.
            sessions: those of this gateway.
            metrics: of the gateway.
            progress: is told what goes to the core, and what is refused there.
            loop: where ``fail`` runs.
            fail: called when an answer could not be stored.
        """
        self._settings = settings
        self._sessions = {session.number: session for session in sessions}
        self._metrics = metrics
        self._progress = progress
        self._loop = loop
        self._fail = fail
        self.link: CommandLink | None = None
        """None while the core is away."""
        self.channels: Mapping[str, Channel] = {}
        """QuickFIX's ends by comp id, once the acceptor is made."""
        self.closing: set[tuple[int, int]] = set()
        """Connections whose end was sent to the core and not confirmed yet."""

    def add(self, session: LiveSession) -> None:
        """Answer one session more."""
        self._sessions[session.number] = session

    def carry(self, requests: Sequence[Request]) -> None:
        """Send requests, each session's in its order and sessions in turns.

        They go in pieces that the core takes.
        """
        if self.link is None or not requests:
            return
        requests = in_turns(requests)
        self._metrics.received.inc(sum(1 for request in requests if request.sequence))
        open_count = sum(session.is_open for session in self._sessions.values())
        self._metrics.sessions.set(open_count)
        first, size = 0, 0
        for at, request in enumerate(requests):
            if not request.sequence and not request.session.is_open:
                self.closing.add((request.session.number, request.session.connection))
            if size + len(request.record) > self._settings.send_bytes_max:
                self._send(requests[first:at])
                first, size = at, 0
            size += len(request.record)
        self._send(requests[first:])

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """Answer what the core refused before it was sequenced."""
        for refusal in refusals:
            sub = refusal.source & ((1 << SOURCE_BITS) - 1)
            session = self._sessions.get(sub & SESSION_ID_MAX)
            if session is None:
                continue
            if sub > SESSION_ID_MAX:
                self.connection_refused(session.number, refusal.code)
                continue
            sent = session.recall_sent(refusal.epoch, refusal.source_sequence)
            if sent is None:
                sent = Sent(message_type_of(refusal.kind), "")
            self._metrics.rejects.labels(code_name(refusal.code)).inc()
            self._refuse(session, refusal.epoch, refusal.source_sequence, sent, refusal.code)
        self._progress.look()

    def connection_refused(self, number: int, code: int) -> None:
        """Log a session out whose connection the core did not take: its orders would all fail."""
        session = self._sessions[number]
        log.error("connection_refused", session=number, code=code)
        channel = self._channel(session)
        channel.close(f"the venue did not open this session: {code_name(code)}")
        self._loop.call_later(self._settings.logout_seconds_max, channel.open)

    def answer(self, session: LiveSession, text: str) -> None:
        """Send an answer of our own; on either thread."""
        try:
            self._channel(session).send(text)
        except StoreError as error:
            self._loop.call_soon_threadsafe(self._fail, error)

    def skip_numbers(self, session: LiveSession, count: int) -> None:
        """Leave out so many of our numbers; on QuickFIX's thread, before a Logon is answered."""
        if count:
            self._channel(session).sender_next += count

    def _send(self, requests: Sequence[Request]) -> None:
        link = self.link
        if link is None or not requests:
            return
        for request in requests:
            if request.sequence:
                # Before it is sent: an answer may come at once.
                request.session.remember_sent(request.epoch, request.sequence, request.sent)
                self._progress.sent(
                    request.session,
                    epoch=request.epoch,
                    sequence=request.sequence,
                    received_at_ns=request.received_at_ns,
                )
        try:
            if link.send(b"".join([request.record for request in requests])):
                return
        except LinkError:
            return  # the gateway hears of it too; nothing of this was sequenced
        for request in requests:
            if request.sequence:
                request.session.recall_sent(request.epoch, request.sequence)
                self._refuse(
                    request.session,
                    request.epoch,
                    request.sequence,
                    request.sent,
                    RejectCode.QUEUE_FULL,
                )
            else:
                self.connection_refused(request.session.number, RejectCode.QUEUE_FULL)

    def _refuse(
        self, session: LiveSession, epoch: int, sequence: int, sent: Sent, code: int
    ) -> None:
        if epoch != session.epoch:
            return  # the client has reset its numbers since, and would not know this one
        session.refuse(sequence)
        self.answer(session, not_sequenced(sent, sequence=sequence, code=code))

    def _channel(self, session: LiveSession) -> Channel:
        return self.channels[session.file.sender_comp_id]


def in_turns(requests: Sequence[Request]) -> Sequence[Request]:
    """Order requests so that sessions take turns, each in its own order."""
    waiting: dict[int, deque[Request]] = {}
    for request in requests:
        waiting.setdefault(request.session.number, deque()).append(request)
    if len(waiting) < 2:
        return requests
    ordered = []
    while waiting:
        for number, queue in list(waiting.items()):
            ordered.append(queue.popleft())
            if not queue:
                del waiting[number]
    return ordered
