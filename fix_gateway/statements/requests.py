"""Answers requests (BW) for the venue's statements: receipts once more, and digests as of now.

Source: docs/protocols/fix-presence.md, "Asking for statements".
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import structlog

from fix_gateway.acceptor import Channel
from fix_gateway.metrics import Metrics
from fix_gateway.pace import Pace
from fix_gateway.sessions import LiveSession
from fix_gateway.statements.issuer import Issuer
from fix_gateway.translation import tags
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Fault
from fix_gateway.translation.retransmission import (
    Asked,
    acknowledgement,
    completion,
    read_request,
    refusal,
)
from messages.trading.codes import RejectCode

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Request:
    session: LiveSession
    channel: Channel
    connection: int
    asked: Asked

    @property
    def is_heard(self) -> bool:
        """Whether whoever asked is still there."""
        return self.session.is_open and self.session.connection == self.connection


class StatementRequests:
    """The requests that wait, at most one of each session."""

    def __init__(
        self, *, channels: Mapping[str, Channel], issuer: Issuer, metrics: Metrics
    ) -> None:
        """Keep whom to answer.

        Args:
            channels: QuickFIX's ends, by comp id.
            issuer: makes the statements.
            metrics: of the gateway.
        """
        self._channels = channels
        self._issuer = issuer
        self._metrics = metrics
        self._waiting: dict[int, _Request] = {}

    def ask(
        self, session: LiveSession, connection: int, sequence: int, fields: Fields, *, event: int
    ) -> None:
        """Take a request for statements, or refuse it.

        Args:
            session: who asks.
            connection: the one that it asks on.
            sequence: the request's MsgSeqNum.
            fields: the whole message.
            event: the last one that was published.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        asked, fault = read_request(fields, answer=f"{connection}-{sequence}")
        channel = self._channels[session.file.sender_comp_id]
        fault = fault or self._fault(session, asked, event)
        if fault is not None:
            self._metrics.rejects.labels(fault.code.name).inc()
            channel.send(refusal(asked, fault, told=event))
        elif asked.kind == tags.APPL_REQ_TYPE_REQUEST_LAST_SEQ_NUM:
            channel.send(acknowledgement(asked, told=event))
        else:
            self._waiting[session.number] = _Request(session, channel, connection, asked)

    def _fault(self, session: LiveSession, asked: Asked, event: int) -> Fault | None:
        waiting = self._waiting.get(session.number)
        if asked.kind == tags.APPL_REQ_TYPE_CANCEL_RETRANSMISSION:
            text = "an answer of statements is not ended: it is short"
            return Fault(RejectCode.GATEWAY_REQUEST_UNKNOWN, text)
        if waiting is not None and waiting.is_heard:
            text = f"one request at a time, and {waiting.asked.name} is being answered"
            return Fault(RejectCode.GATEWAY_RECOVERY_BUSY, text)
        if asked.begin > event or 0 < asked.end < asked.begin:
            text = f"{asked.begin} to {asked.end or event}: the last event is {event}"
            return Fault(RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE, text)
        return None

    async def answer(self, pace: Pace, position: Callable[[], int]) -> None:
        """Answer all that wait, in slices, so that nobody's orders wait for it.

        Args:
            pace: how much of the time may be spent.
            position: the last event that was published, and that the standing has taken.

        Raises:
            StoreError: QuickFIX could not store an answer.
        """
        waiting = list(self._waiting.values())
        pace.begin()
        for request in waiting:
            for _ in self._issuer.hashing(request.session.number):
                if pace.is_over:
                    await pace.rest()
            del self._waiting[request.session.number]
            if request.is_heard:
                await self._tell(request, pace, event=position())

    async def _tell(self, request: _Request, pace: Pace, *, event: int) -> None:
        reader, asked, send = request.session.number, request.asked, request.channel.send
        last = min(asked.end or event, event)
        send(acknowledgement(asked, told=event, begin=asked.begin, end=last))
        # Before anything is awaited: the digests are of this moment.
        made = self._issuer.digests(reader, now_ns=time.time_ns(), event=event)
        digests = (each.text for each in made) if last == event else ()
        sent = 0
        for page in chain(self._issuer.receipts_again(reader, asked.begin, last), digests):
            send(page)
            sent += 1
            pace.sent()
            if pace.is_over:
                await pace.rest()
                if not request.is_heard:
                    return
        send(completion(asked, through=last, sent=sent))
        log.info("statements_told", session=reader, count=sent)
