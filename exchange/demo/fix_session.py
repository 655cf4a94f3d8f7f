"""A FIX 4.4 session from the client's side: logon, heartbeats, gaps in both directions, return.

Errors, all of ``FixSessionError``:

- ``LogonRefusedError``: the venue answered the logon with a logout, or closed; its text says why.
- ``SessionLostError``: the connection ended, or the other side fell silent.
- ``SessionFullError``: so much waits to leave that the bound would be passed; nothing was sent.
- ``SequenceError``: the other side used a number that was used before.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from exchange.demo.fix_codec import (
    Decoder,
    Fields,
    Framer,
    MalformedStreamError,
    encode,
    utc_timestamp,
)
from exchange.demo.logon_proof import LogonKey
from exchange.demo.sequence_store import MemorySequenceStore, SentMessage, SequenceStore

Body = Sequence[tuple[int, str]]
MessageHandler = Callable[[Fields, int], None]
"""Called with an application message and when it was received, on the performance counter."""

_ADMINISTRATIVE: Final = frozenset("A012345")
_RESEND_REQUEST, _SEQUENCE_RESET = "2", "4"
_SILENCE_BEFORE_TEST: Final = 1.2
_SILENCE_MAX: Final = 2.4


class FixSessionError(Exception):
    """Anything that ends a session or keeps it from beginning."""


class LogonRefusedError(FixSessionError):
    """The venue did not let us in."""


class SessionLostError(FixSessionError):
    """The connection is gone."""


class SessionFullError(FixSessionError):
    """The venue takes what we send too slowly."""


class SequenceError(FixSessionError):
    """Numbers went backwards: one side has lost its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Who we are, to whom we speak, and what a session may take of memory and time."""

    sender: str
    target: str
    key: LogonKey
    heartbeat_seconds: int = 10
    unsent_bytes_max: int = 1 << 20
    logon_seconds: float = 10.0
    logout_seconds: float = 5.0


class FixSession:
    """One session, over as many connections as it takes."""

    def __init__(
        self,
        settings: SessionSettings,
        handler: MessageHandler,
        store: SequenceStore | None = None,
    ) -> None:
        """Describe the session; nothing happens before ``open``."""
        self.settings = settings
        self.store = store if store is not None else MemorySequenceStore()
        self._handler = handler
        self._connection: _Connection | None = None
        self.gaps_found = 0
        """How often the other side's numbers left something out that was then asked for."""
        self.resent = 0
        """Application messages that we sent again because we were asked to."""

    @property
    def is_open(self) -> bool:
        """Whether we are logged on."""
        return self._connection is not None and self._connection.is_logged_on

    async def open(self, host: str, port: int, *, reset: bool = False) -> None:
        """Connect and log on, going on from the stored numbers.

        Args:
            host: of the acceptor.
            port: of the acceptor.
            reset: begin again at one in both directions (ResetSeqNumFlag).

        Raises:
            LogonRefusedError: a wrong key, an unknown session, a number too low.
            SessionLostError: nobody answers.
        """
        assert not self.is_open
        if reset:
            self.store.reset()
        loop = asyncio.get_running_loop()
        connection = _Connection(self, loop, self._handler)
        try:
            async with asyncio.timeout(self.settings.logon_seconds):
                await loop.create_connection(lambda: connection, host, port)
                connection.log_on(reset=reset)
                refused = await asyncio.shield(connection.logged_on)
        except TimeoutError:
            connection.abort()
            raise SessionLostError(
                f"{self.settings.sender}: no logon in {self.settings.logon_seconds:g} s"
            ) from None
        except OSError as error:
            raise SessionLostError(f"{self.settings.sender}: {error}") from error
        if refused is not None:
            connection.abort()
            raise refused
        self._connection = connection

    def send(self, message_type: str, fields: Body) -> int:
        """Send an application message and return its number.

        Raises:
            SessionFullError: as it says.
            FixSessionError: the session is not open; the reason it ended.
        """
        if self._connection is None:
            raise SessionLostError(f"{self.settings.sender}: not open")
        return self._connection.send_application(message_type, fields)

    async def wait_lost(self) -> FixSessionError:
        """Wait until the connection ends, and return why."""
        assert self._connection is not None
        return await asyncio.shield(self._connection.ended)

    async def close(self) -> None:
        """Log out and close; repeating it is harmless."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.log_out(self.settings.logout_seconds)

    def drop(self) -> None:
        """Cut the connection without a word, as a broken network would."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


class _Connection(asyncio.Protocol):
    """One TCP connection of a session."""

    def __init__(
        self, session: FixSession, loop: asyncio.AbstractEventLoop, handler: MessageHandler
    ) -> None:
        self._session = session
        self._settings = session.settings
        self._store = session.store
        self._loop = loop
        self._handler = handler
        self._framer = Framer()
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._failure: FixSessionError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = self._heard_at = loop.time()
        self._is_testing = False
        self._is_leaving = False
        self._gap_until = 0
        self.is_logged_on = False
        self.logged_on: asyncio.Future[FixSessionError | None] = loop.create_future()
        self.ended: asyncio.Future[FixSessionError] = loop.create_future()

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received_ns = time.perf_counter_ns()
        self._heard_at = self._loop.time()
        self._is_testing = False
        try:
            for message in self._framer.feed(data):
                if self._failure is None:
                    self._take(self._decoder.decode(message), received_ns)
        except MalformedStreamError as error:
            self._end(SessionLostError(f"{self._settings.sender}: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(SessionLostError(f"{self._settings.sender}: {exc or 'closed by the venue'}"))

    def abort(self) -> None:
        """End at once, saying nothing."""
        if self._transport is not None:
            self._transport.abort()
        self._end(SessionLostError(f"{self._settings.sender}: dropped"))

    # --- sending ---

    def log_on(self, *, reset: bool) -> None:
        """Send the logon."""
        body = [
            (98, "0"),
            (108, str(self._settings.heartbeat_seconds)),
            *([(141, "Y")] if reset else []),
        ]
        self._send("A", body)

    def send_application(self, message_type: str, fields: Body) -> int:
        """Send a message that the other side may ask for again."""
        if self._failure is not None:
            raise self._failure
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > self._settings.unsent_bytes_max:
            raise SessionFullError(
                f"{self._settings.sender}: {self._transport.get_write_buffer_size()} bytes wait"
            )
        return self._send(message_type, fields)

    async def log_out(self, seconds: float) -> None:
        """Say goodbye, wait for the answer, close."""
        if self._failure is None:
            self._is_leaving = True
            self._send("5", [])
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.shield(self.ended)
            except TimeoutError:
                pass  # the venue does not answer: close without its word
        if self._transport is not None:
            self._transport.close()
        self._end(SessionLostError(f"{self._settings.sender}: closed"))

    def _send(self, message_type: str, fields: Body) -> int:
        number = self._store.outgoing_next
        sending_time = utc_timestamp(time.time_ns())
        body = tuple(fields)
        if message_type == "A":
            body += tuple(
                self._settings.key.fields(
                    sender=self._settings.sender,
                    target=self._settings.target,
                    number=number,
                    sending_time=sending_time,
                )
            )
        is_application = message_type not in _ADMINISTRATIVE
        # Remembered before it leaves: a number that may have been seen is never used again.
        self._store.record_sent(
            number, SentMessage(message_type, sending_time, body) if is_application else None
        )
        self._write(message_type, body, number=number, sending_time=sending_time)
        return number

    def _write(
        self,
        message_type: str,
        fields: Iterable[tuple[int, str]],
        *,
        number: int,
        sending_time: str,
        original_sending_time: str | None = None,
    ) -> None:
        if self._transport is None or self._failure is not None:
            return
        data = encode(
            message_type,
            fields,
            sender=self._settings.sender,
            target=self._settings.target,
            number=number,
            sending_time=sending_time,
            original_sending_time=original_sending_time,
        )
        self._transport.write(data)
        self._sent_at = self._loop.time()

    # --- receiving ---

    def _take(self, message: Fields, received_ns: int) -> None:
        try:
            number, message_type = int(message[34]), message[35]
        except (KeyError, ValueError):
            raise MalformedStreamError(f"no number or type: {message}") from None
        if message_type == _SEQUENCE_RESET and message.get(123) != "Y":
            self._store.record_received(int(message[36]))  # a reset is obeyed whatever its number
            return
        expected = self._store.incoming_next
        if message_type == "A" and message.get(141) == "Y":
            expected = 1
        if number < expected:
            self._take_repeat(message, number=number, expected=expected)
            return
        if number > expected:
            self._take_early(message, number=number, expected=expected)
            return
        self._store.record_received(number + 1)
        self._act(message, message_type, received_ns)

    def _take_repeat(self, message: Fields, *, number: int, expected: int) -> None:
        if message.get(43) == "Y":
            return  # seen before; the resend overlaps with what arrived
        text = message.get(58, "")
        if message[35] == "5":
            self._end(LogonRefusedError(f"{self._settings.sender}: {text}"))
            return
        self._end(SequenceError(f"{self._settings.sender}: expected {expected}, received {number}"))

    def _take_early(self, message: Fields, *, number: int, expected: int) -> None:
        """Ask for what is missing; this message comes again with it, so it is not kept."""
        if message[35] == "A":
            self._act(message, "A", 0)  # the logon itself is answered at once
        elif message[35] == _RESEND_REQUEST:
            # Answered at once: were both sides to wait for the other's gap, neither would end.
            self._act(message, _RESEND_REQUEST, 0)
        elif message[35] == "5":
            self._act(message, "5", 0)
            return
        if self._gap_until >= expected:
            return
        self._gap_until = number
        self._session.gaps_found += 1
        self._send(_RESEND_REQUEST, [(7, str(expected)), (16, "0")])

    def _act(self, message: Fields, message_type: str, received_ns: int) -> None:
        match message_type:
            case "A":
                self._begin()
            case "0" | "3":
                pass
            case "1":
                self._send("0", [(112, message.get(112, ""))])
            case "2":
                self._resend(int(message[7]), int(message[16]))
            case "4":
                self._store.record_received(max(int(message[36]), self._store.incoming_next))
            case "5":
                self._leave(message.get(58, "logged out by the venue"))
            case _:
                self._handler(message, received_ns)
        if message_type == "3":
            self._handler(message, received_ns)  # a session-level reject of something we sent

    def _begin(self) -> None:
        if not self.is_logged_on:
            self.is_logged_on = True
            if not self.logged_on.done():
                self.logged_on.set_result(None)
            self._watch()

    def _leave(self, text: str) -> None:
        if not self.is_logged_on:
            self._end(LogonRefusedError(f"{self._settings.sender}: {text}"))
            return
        if not self._is_leaving:
            self._send("5", [])
        if self._transport is not None:
            self._transport.close()
        self._end(SessionLostError(f"{self._settings.sender}: {text}"))

    def _resend(self, first: int, last: int) -> None:
        """Send application messages again; administrative ones become gap fills."""
        end = min(last, self._store.outgoing_next - 1) if last else self._store.outgoing_next - 1
        gap_from: int | None = None
        for number in range(first, end + 1):
            message = self._store.sent(number)
            if message is None:
                gap_from = number if gap_from is None else gap_from
                continue
            self._fill_gap(gap_from, number)
            gap_from = None
            self._session.resent += 1
            self._write(
                message.message_type,
                message.fields,
                number=number,
                sending_time=utc_timestamp(time.time_ns()),
                original_sending_time=message.sending_time,
            )
        self._fill_gap(gap_from, end + 1)

    def _fill_gap(self, first: int | None, upto: int) -> None:
        if first is not None:
            now = utc_timestamp(time.time_ns())
            self._write(
                _SEQUENCE_RESET,
                [(36, str(upto)), (123, "Y")],
                number=first,
                sending_time=now,
                original_sending_time=now,
            )

    # --- time ---

    def _watch(self) -> None:
        """Keep the line warm, and notice when the other side has gone."""
        if self._failure is not None:
            return
        interval = self._settings.heartbeat_seconds
        now = self._loop.time()
        silence = now - self._heard_at
        if silence > interval * _SILENCE_MAX:
            self._end(SessionLostError(f"{self._settings.sender}: nothing heard, {silence:.1f} s"))
            return
        if silence > interval * _SILENCE_BEFORE_TEST and not self._is_testing:
            self._is_testing = True
            self._send("1", [(112, "are you there")])
        elif now - self._sent_at >= interval * 0.9:
            self._send("0", [])
        self._timer = self._loop.call_later(interval / 10, self._watch)

    def _end(self, reason: FixSessionError) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        self.is_logged_on = False
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
        if not self.logged_on.done():
            self.logged_on.set_result(
                reason
                if isinstance(reason, LogonRefusedError)
                else LogonRefusedError(f"{reason} before the logon was answered")
            )
        self.ended.set_result(reason)
