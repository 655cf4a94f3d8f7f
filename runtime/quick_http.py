"""HTTP/1.1 for a door of thousands of requests a second: an object a connection, a task a request.

llhttp reads (by httptools), uvloop writes, and what answers is one call. A framework's scope,
messages and events between them would cost more than an order's signature does
(docs/decisions/0029). What is not here is not needed by such a door: answers in parts, upgrades,
trailers.
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

import structlog
from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
    parse_url,
)

from runtime.connection_room import Room
from runtime.networks import network_of

log = structlog.get_logger()

PIPELINED_MAX: Final = 64
"""Requests of one connection that came before the one in hand was answered; more are cut."""
_SWEEP_SECONDS: Final = 0.5
_LINGER_SECONDS: Final = 2.0
"""How long the rest of a body that is too large may still come, once it is answered."""
_VERSIONS: Final = ("1.1", "1.0")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


@dataclass(frozen=True, kw_only=True)
class QuickBounds:
    """What the server takes."""

    connections_max: int
    """At a time; a further one takes the place of one that keeps us waiting."""
    connections_per_network_max: int
    """Of one network, TLS handshakes among them."""
    exchange_seconds_max: float
    """From a connection's beginning, or an answer, to the next request, whole; and from there to
    the end of its answer."""
    handshake_seconds_max: float
    """For TLS."""
    header_bytes_max: int
    body_bytes_max: int
    """What is larger is not kept; the handler is told so."""
    stop_seconds_max: float
    """For the requests in hand, once the server is to stop."""


@dataclass(slots=True)
class HttpRequest:
    """A request, whole: or its body is too large and was let go."""

    address: str
    target: bytes = b""
    method: str = ""
    path: str = ""
    query: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    """By their names in small letters; of several with one name, the last."""
    body: bytes = b""
    body_bytes: int = 0
    """How large the body is, or said to be; above the bound ``body`` is empty."""
    keeps_alive: bool = False


class HttpAnswer(NamedTuple):
    """An answer, ready to be written."""

    status: int
    head: bytes
    """Lines of headers, each with its end; length, date and connection are added."""
    body: bytes


Answers = Callable[[HttpRequest], Awaitable[HttpAnswer]]
"""What answers; if it raises, that is answered with 500 and the connection ends."""


class House:
    """What the connections of one server share; made in the loop that serves them."""

    def __init__(self, answer: Answers, bounds: QuickBounds) -> None:
        self.answer = answer
        self.bounds = bounds
        self.loop = asyncio.get_running_loop()
        self.room = Room(
            bounds.exchange_seconds_max, bounds.connections_max, bounds.connections_per_network_max
        )
        self.is_stopping = False
        self.someone_left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._date = b""
        self._date_second = 0

    def connection(self) -> asyncio.Protocol:
        """Return the protocol of a plain connection."""
        return _Connection(self)

    def accept_tls(self, accepted: socket.socket, address: str, context: ssl.SSLContext) -> None:
        """Begin TLS on an accepted socket; one that has to go is closed."""
        connection = _Connection(self)
        if connection.admit(address):
            connection.begin_tls(accepted, context)
        else:
            accepted.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done whose end nobody waits for."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def date(self) -> bytes:
        """Return the header that says what time it is."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
        return self._date

    def leave(self, connection: "_Connection") -> None:
        """Give a connection's place back; repeating it is harmless."""
        self.room.give_back(connection)
        self.someone_left.set()

    async def sweep(self) -> None:
        """Cut whose time is over, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.room.cut_overdue(self.loop.time())

    async def empty(self) -> None:
        """Let what is in hand be answered, and then be empty."""
        self.is_stopping = True
        connections = [cast("_Connection", each) for each in self.room.occupants()]
        for connection in connections:
            connection.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.bounds.stop_seconds_max):
                while self.room.occupants():
                    self.someone_left.clear()
                    await self.someone_left.wait()
        for left in self.room.occupants():
            left.cut()


class _Connection(asyncio.Protocol):
    """One client's connection, counted from its first packet on: before any handshake."""

    def __init__(self, house: House) -> None:
        self.network = ""
        self._house = house
        self._address = ""
        self._transport: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._parser = HttpRequestParser(self)
        self._request = HttpRequest("")
        self._parts: list[bytes] = []
        self._arrived: deque[HttpRequest] = deque()
        self._head_bytes = 0
        """Of a head; or since there was any of a body: trailers, and lengths of chunks."""
        self._is_in_head = True
        self._lines_bytes = 0
        """Of the head's lines but the first."""
        self._owes_continue = False
        self._is_busy = False
        self._is_blocked = False
        """Whether the client does not read what it is answered."""
        self._is_paused = False
        self._has_ended = False
        """Whether no further request is taken, nor read."""
        self._lingers = False
        """Whether the rest of a body that is too large may still come."""

    def admit(self, address: str) -> bool:
        """Count the connection; False if it has to go."""
        self._address, self.network = address, network_of(address)
        house = self._house
        return not house.is_stopping and house.room.take(self, house.loop.time())

    def begin_tls(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        """Begin TLS on an accepted socket, for a connection that was admitted."""
        self._handshake = self._house.spawn(self._shake_hands(accepted, context))
        self._handshake.add_done_callback(lambda _done: self._shaken(accepted))

    async def _shake_hands(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        """What is no handshake, or none in time, goes without a word."""
        try:
            await self._house.loop.connect_accepted_socket(
                lambda: self,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._house.bounds.handshake_seconds_max,
            )
        except OSError as error:
            log.debug("handshake_failed", reason=str(error))

    def _shaken(self, accepted: socket.socket) -> None:
        """Forget the handshake, and the connection if nothing came of it."""
        self._handshake = None
        if self._transport is None:
            accepted.close()
            self._house.leave(self)

    def finish(self) -> None:
        """Answer what is in hand, and close."""
        self._has_ended = True
        if self._transport is None:
            self.cut()
        elif not self._is_busy and not self._arrived:
            self._transport.close()

    # --- Occupant ---

    @property
    def keeps_waiting(self) -> bool:
        """See ``Occupant``."""
        return not self._is_busy

    def cut(self) -> None:
        """See ``Occupant``."""
        self._house.leave(self)
        self._has_ended = True
        self._arrived.clear()
        if self._transport is not None:
            self._transport.abort()
        elif self._handshake is not None:
            self._handshake.cancel()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._handshake is None:
            peer = transport.get_extra_info("peername")
            if not self.admit(str(peer[0]) if peer else ""):
                self.cut()
                return
        if self._has_ended:
            self.cut()
        elif self._house.room.is_overfull:
            self._end_with(503)

    def data_received(self, data: bytes) -> None:
        if self._has_ended:
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._has_ended = True  # nothing is upgraded here, and what follows is no HTTP
        except HttpParserError:
            self._end_with(400)
        if self._head_bytes > self._house.bounds.header_bytes_max:
            self._end_with(431)
        if self._arrived and not self._is_paused:
            self._is_paused = True
            self._open_transport().pause_reading()

    def eof_received(self) -> bool:
        """Answer one who has said all before we close; behind TLS a loop's transport cannot."""
        self._has_ended = True
        is_plain = self._open_transport().get_extra_info("sslcontext") is None
        return is_plain and (self._is_busy or bool(self._arrived))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._house.leave(self)
        self._has_ended = True
        self._arrived.clear()

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        self._is_blocked = False
        if not self._open_transport().is_closing():
            self._next()

    # --- httptools ---

    def on_message_begin(self) -> None:
        self._request = HttpRequest(self._address)
        self._parts = []
        self._is_in_head = True
        self._lines_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:
            self._request.headers[name.lower()] = value
            self._lines_bytes += len(name) + len(value) + 4
        else:
            self._end_with(400)  # a trailer, which is of no use to anybody here

    def on_headers_complete(self) -> None:
        request, headers = self._request, self._request.headers
        request.method = self._parser.get_method().decode()
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._end_with(400)
        first_line = len(request.method) + len(request.target) + 12
        if first_line + self._lines_bytes + 2 > self._house.bounds.header_bytes_max:
            self._end_with(431)  # what came at once may be more than a head
        self._is_in_head, self._head_bytes = False, 0
        request.path, request.query = _path_and_query(request.target)
        request.keeps_alive = self._parser.should_keep_alive() and (
            b"connection" not in headers or version == "1.1"
        )
        length = headers.get(b"content-length")
        if self._has_ended:
            return
        if length is not None and int(length) > self._house.bounds.body_bytes_max:
            self._let_go(int(length))
        elif b"expect" in headers:
            self._owes_continue = headers[b"expect"].lower() == b"100-continue"
            self._next()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        if self._has_ended:
            return
        request = self._request
        request.body_bytes += len(body)
        self._parts.append(body)
        if request.body_bytes > self._house.bounds.body_bytes_max:
            self._let_go(request.body_bytes)

    def on_message_complete(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._owes_continue = False
        if not self._has_ended:
            self._request.body = b"".join(self._parts)
            self._arrive()

    def _let_go(self, body_bytes: int) -> None:
        """Answer a request without the body that is too large; it is this connection's last."""
        self._request.body_bytes = body_bytes
        self._request.keeps_alive = False
        self._parts = []
        self._lingers = True
        self._arrive()

    # --- one request after the other ---

    def _arrive(self) -> None:
        self._arrived.append(self._request)
        self._has_ended = not self._request.keeps_alive
        if len(self._arrived) > PIPELINED_MAX:
            self.cut()
        else:
            self._next()

    def _next(self) -> None:
        """Serve who is next, if it can be now."""
        if self._is_busy or self._is_blocked:
            return
        if self._arrived:
            self._is_busy = True
            # Its time begins here: what is in hand is not cut for how late it came.
            self._house.room.put_last(self, self._house.loop.time())
            self._house.spawn(self._serve(self._arrived.popleft()))
            return
        if self._is_paused:
            self._read_on()
        if self._owes_continue:
            self._owes_continue = False
            self._open_transport().write(_CONTINUE)

    async def _serve(self, request: HttpRequest) -> None:
        try:
            answer = await self._house.answer(request)
        except Exception:  # the request's edge: others go on
            log.exception("answer_failed", path=request.path)
            answer = HttpAnswer(500, b"", b"")
            self._has_ended = True
        self._is_busy = False
        transport = self._open_transport()
        if transport.is_closing():
            return
        is_last = (self._has_ended or self._house.is_stopping) and not self._arrived
        status, head, body = answer
        transport.write(
            b"%b%bcontent-length: %d\r\n%b%b\r\n%b"
            % (
                _STATUS_LINES[status],
                head,
                len(body),
                self._house.date(),
                b"connection: close\r\n" if is_last else b"",
                b"" if request.method == "HEAD" else body,
            )
        )
        self._house.room.put_last(self, self._house.loop.time())
        if not is_last:
            self._next()
        elif not self._lingers:
            transport.close()
        else:
            # Of one who still sends: to close now would make the kernel take the answer back.
            self._house.loop.call_later(_LINGER_SECONDS, transport.close)
            if self._is_paused:
                self._read_on()

    def _read_on(self) -> None:
        self._is_paused = False
        self._open_transport().resume_reading()

    def _end_with(self, status: int) -> None:
        """Take no more; say why, if nothing else is to be said."""
        if self._has_ended:
            return
        self._has_ended = True
        if not self._is_busy and not self._arrived:
            transport = self._open_transport()
            line = _STATUS_LINES[status]
            transport.write(b"%bcontent-length: 0\r\nconnection: close\r\n\r\n" % line)
            transport.close()

    def _open_transport(self) -> asyncio.Transport:
        assert self._transport is not None, "nothing is written before there is a connection"
        return self._transport


def _path_and_query(target: bytes) -> tuple[str, bytes]:
    """Take a request's target apart; what is none has no path."""
    if not target.startswith(b"/"):
        try:
            url = parse_url(target)
        except HttpParserInvalidURLError:
            return "", b""
        return unquote((url.path or b"/").decode("latin-1")), url.query or b""
    raw, _, query = target.partition(b"?")
    path = raw.decode("latin-1")
    return (unquote(path) if "%" in path else path), query
