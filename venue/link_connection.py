"""The core's end of one link: who it is, what it sends, how far it has read."""

import asyncio
import hmac
import math
import secrets
from collections import deque
from typing import TYPE_CHECKING, cast

import msgspec
import structlog

from runtime.link_frames import (
    NONCE_SIZE,
    PROTOCOL,
    Answer,
    Bye,
    ByeCode,
    Challenge,
    EventBatch,
    FrameError,
    FrameReader,
    FrameType,
    Hello,
    Query,
    SourcePosition,
    Welcome,
    events_frame,
    frame,
    parse_read,
    proof_of,
    struct_frame,
)
from runtime.log_format import LogError
from runtime.log_history import Cursor
from venue.admission import Inbox, MalformedCommandsError

if TYPE_CHECKING:
    from venue.link_server import LinkServer
    from venue.sequencer import Position

log = structlog.get_logger()

ANSWER_PART_BYTES = 256 * 1024
HELLO_BYTES_MAX = 4096
"""What a stranger may make us keep."""


class _OpenAnswer:
    """An answer of which parts are still to be sent."""

    def __init__(self, query_id: int, position: "Position", payload: bytes) -> None:
        self._query_id = query_id
        self._position = position
        self._payload = payload
        self._offset = 0
        self.is_durable = False
        self.is_sent = False

    def next_part(self) -> bytes:
        """Return the next frame."""
        end = self._offset + ANSWER_PART_BYTES
        self.is_sent = end >= len(self._payload)
        answer = Answer(
            self._query_id,
            self._position.event_number,
            self._position.sequence,
            self._payload[self._offset : end],
            more=not self.is_sent,
        )
        self._offset = end
        return struct_frame(FrameType.ANSWER, answer)


class Connection(asyncio.Protocol):
    """One connection, from the challenge to the goodbye."""

    def __init__(self, server: "LinkServer") -> None:
        self._server = server
        self._reader = FrameReader(HELLO_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._nonce = secrets.token_bytes(NONCE_SIZE)
        self._is_paused = False
        self._is_closing = False
        self._queries: deque[Query] = deque()
        self._answer: _OpenAnswer | None = None
        self._leaving: deque[int] = deque()
        """Where, counted in bytes sent, answers end that may not have left the buffer yet."""
        self._sent_bytes = 0
        self._cursor: Cursor | None = None
        self._file_read: asyncio.Task[None] | None = None
        self.inbox: Inbox | None = None
        self.is_welcome = False
        self.made_at = self.heard_at = self._pinged_at = server.loop.time()
        self.is_reading = False
        self.through_event = 0
        self._delivered_at = -math.inf
        self._delivery: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or say that there is no room."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._server.settings.send_buffer_bytes)
        if not self._server.add(self):
            self.say_bye(ByeCode.TOO_MANY_CONNECTIONS, "the core has no room for another link")
            return
        self._send(struct_frame(FrameType.CHALLENGE, Challenge(self._server.venue, self._nonce)))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Tell the server."""
        self._is_closing = True
        if self._file_read is not None:
            self._file_read.cancel()
        if self._delivery is not None:
            self._delivery.cancel()
        self._forget_answers()
        self._server.remove(self)

    def pause_writing(self) -> None:
        """Send nothing more: the client reads too slowly."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on where the client stopped reading."""
        self._is_paused = False
        self.catch_up()

    def data_received(self, data: bytes) -> None:
        """Take what arrived; the first thing that is not of the protocol ends the link."""
        if self._is_closing:
            return
        self.heard_at = self._server.loop.time()
        try:
            for kind, payload in self._reader.feed(data):
                if not self._is_closing:
                    self._take(kind, payload)
        except (FrameError, msgspec.MsgspecError, MalformedCommandsError) as error:
            self.say_bye(ByeCode.PROTOCOL_ERROR, str(error))

    def give_up(self) -> None:
        """Close at once, because the client does not read what the core would have to keep."""
        log.warning("link_too_slow", principal=self._name)
        self.abort()

    @property
    def buffered_bytes(self) -> int:
        """What waits to leave."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def say_bye(self, code: ByeCode, text: str) -> None:
        """Say why, and close."""
        if self._transport is None or self._is_closing:
            return
        self._is_closing = True
        self._forget_answers()
        log.info("link_closed", principal=self._name, code=code.name, reason=text)
        self._transport.write(struct_frame(FrameType.BYE, Bye(code, text)))
        self._transport.close()

    def abort(self) -> None:
        """Close without waiting for what has not left yet."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def ping(self, now: float) -> None:
        """Let the client know, at intervals, that we live; unread bytes say so as well."""
        if now - self._pinged_at >= self._server.settings.ping_seconds and not self._is_paused:
            self._pinged_at = now
            self._send(frame(FrameType.PING))

    def push(self, batch: EventBatch, parts: tuple[bytes, ...]) -> None:
        """Take a live batch and its frame; a link that lags gets it later, from memory or disk."""
        if (
            not self.is_reading
            or self._delivery is not None
            or self.through_event + 1 != batch.first
            or self._is_paused
            or self._is_closing
            or self._file_read is not None
        ):
            return
        assert self.inbox is not None
        if pause := self.inbox.events_every_seconds:
            now = self._server.loop.time()
            if now < (due := self._delivered_at + pause):
                self._delivery = self._server.loop.call_at(due, self._deliver)
                return
            self._delivered_at = now
        self._send(*parts)
        self.through_event = batch.last

    def _deliver(self) -> None:
        """Send what came since the last delivery."""
        self._delivery, self._delivered_at = None, self._server.loop.time()
        self.catch_up()

    def catch_up(self) -> None:
        """Send answers, then events, until the buffer is full or nothing is missing."""
        feed = self._server.feed
        self._send_answers()
        while (
            self.is_reading
            and self.through_event < feed.published
            and self._file_read is None
            and not (self._is_paused or self._is_closing)
        ):
            batch = feed.from_memory(self.through_event)
            if batch is None:
                self._file_read = self._server.spawn(self._read_files())
                return
            self._send_batch(batch)

    def welcome(self) -> None:
        """Say where the principal's sources stand, once that is settled and durable."""
        assert self.inbox is not None
        sequencer, principal = self._server.sequencer, self.inbox.principal
        if self._is_closing:
            return
        if sequencer.admission.has_leftovers(principal):
            sequencer.after_batch(self.welcome)
            return
        positions = [SourcePosition(*each) for each in sequencer.engine.sources(principal)]
        sequencer.when_durable(lambda: self._send_welcome(positions))

    def _send_welcome(self, positions: list[SourcePosition]) -> None:
        if self._is_closing:
            return
        assert self.inbox is not None
        server = self._server
        self.is_welcome = True
        welcome = Welcome(server.venue, self.inbox.principal, server.feed.published, positions)
        self._send(struct_frame(FrameType.WELCOME, welcome))
        log.info("link_open", principal=self._name)

    async def _read_files(self) -> None:
        try:
            batches, self._cursor = await self._server.feed.from_files(
                self.through_event, self._cursor
            )
        except (LogError, OSError) as error:
            log.exception("event_history_unreadable", principal=self._name)
            self.say_bye(ByeCode.HISTORY_DAMAGED, str(error))
            return
        finally:
            self._file_read = None
        for batch in batches:
            self._send_batch(batch)
        if batches:
            self.catch_up()
        else:
            # The files do not hold it yet: memory, which is ahead of them, soon will be asked.
            self._server.loop.call_later(0.01, self.catch_up)

    def _take(self, kind: FrameType, payload: memoryview) -> None:
        if kind is FrameType.COMMANDS and self.is_welcome:
            self._take_commands(payload)
        elif kind is FrameType.READ and self.is_welcome and not self.is_reading:
            self._take_read(parse_read(payload))
        elif kind is FrameType.QUERY and self.is_welcome:
            self._take_query(msgspec.msgpack.decode(payload, type=Query))
        elif kind is FrameType.HELLO and self.inbox is None:
            self._take_hello(msgspec.msgpack.decode(payload, type=Hello))
        elif kind is FrameType.BYE:
            self._is_closing = True
            assert self._transport is not None
            self._transport.close()
        elif kind is not FrameType.PONG:
            raise FrameError(f"unexpected {kind.name}")

    def _take_commands(self, payload: memoryview) -> None:
        assert self.inbox is not None
        refusals = self._server.sequencer.admission.admit(self.inbox, payload)
        if refusals:
            self._server.count_refusals(refusals.codes)
            self._send(frame(FrameType.REFUSED, refusals.records))
            if self.buffered_bytes > self._server.settings.send_buffer_bytes_max:
                self.give_up()
        self._server.sequencer.wake()

    def _take_read(self, after: int) -> None:
        published = self._server.feed.published
        if after > published:
            self.say_bye(
                ByeCode.AHEAD_OF_VENUE,
                f"position {after} is ahead of the venue's last event {published}",
            )
            return
        self.is_reading, self.through_event = True, after
        self.catch_up()

    def _take_query(self, query: Query) -> None:
        left = self._sent_bytes - self.buffered_bytes
        while self._leaving and self._leaving[0] <= left:
            self._leaving.popleft()
        open_queries = len(self._queries) + (self._answer is not None) + len(self._leaving)
        if open_queries >= self._server.settings.queries_per_link_max:
            raise FrameError(f"more than {open_queries} queries at once")
        self._queries.append(query)
        self.catch_up()

    def _send_answers(self) -> None:
        """Answer one question after the other: of one link only one answer is ever held."""
        while not (self._is_paused or self._is_closing):
            if self._answer is None:
                if not self._queries:
                    return
                self._begin_answer(self._queries.popleft())
            elif self._answer.is_durable:
                self._send(self._answer.next_part())
                if self._answer.is_sent:
                    self._drop_answer()
                    self._leaving.append(self._sent_bytes)
            else:
                return

    def _begin_answer(self, query: Query) -> None:
        payload = self._server.answer(query.what, query.numbers)
        if payload is None:
            self.say_bye(ByeCode.UNKNOWN_QUERY, f"unknown query {query.what[:40]!r}")
            return
        answer = _OpenAnswer(query.id, self._server.sequencer.applied, payload)
        self._answer = answer
        self._server.hold_answer(self, len(payload))

        def durable() -> None:
            answer.is_durable = True
            self._server.loop.call_soon(self.catch_up)

        self._server.sequencer.when_durable(durable)

    def _forget_answers(self) -> None:
        self._queries.clear()
        self._drop_answer()

    def _drop_answer(self) -> None:
        self._answer = None
        self._server.drop_answer(self)

    def _take_hello(self, hello: Hello) -> None:
        principal = self._server.principals.get(hello.principal)
        token = self._server.tokens.get(hello.principal, b"")
        expected = proof_of(token, nonce=self._nonce, principal=hello.principal)
        is_proven = hmac.compare_digest(expected, hello.proof)
        if principal is None or not token or not is_proven or hello.protocol != PROTOCOL:
            self.say_bye(ByeCode.NOT_AUTHENTICATED, "not known, or the proof is wrong")
            return
        if self._server.links_of(principal.number) >= principal.links_max:
            self.say_bye(ByeCode.TOO_MANY_CONNECTIONS, f"{hello.principal} has its links already")
            return
        self.inbox = Inbox(hello.principal, principal)
        self._reader.allow(self._server.settings.frame_bytes_max)
        self.welcome()

    @property
    def _name(self) -> str:
        return "" if self.inbox is None else self.inbox.name

    def _send_batch(self, batch: EventBatch) -> None:
        if not self._is_closing:
            self._send(*events_frame(batch))
            self.through_event = batch.last

    def _send(self, *parts: bytes) -> None:
        assert self._transport is not None
        self._sent_bytes += sum(map(len, parts))
        self._transport.writelines(parts)
