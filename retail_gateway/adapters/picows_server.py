"""The readers' end over picows: handshake, frames and masks in C, on a socket of ours.

What is written is framed already (``streams.message``) and goes to the transport as it is: uvloop
gives the kernel what one turn of the loop has brought in one call, and says when it takes no more.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final, cast

import structlog
from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol

from retail_gateway.streams.ports import House, Listener, Wire
from retail_gateway.streams.refusals import CloseCode, Denied
from retail_gateway.streams.settings import Limits, StreamsSettings
from runtime.toml import SettingsError

log = structlog.get_logger()

_READ_BUFFER_BYTES: Final = 2048
"""At first, of one connection; it grows with what a reader sends."""
_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 64
_PAUSE_SECONDS: Final = 1.0
_CONTROL_BYTES_MAX: Final = 125
_PARTS_MAX: Final = 64
"""Frames of one message."""


class _Quiet:
    """What picows says of single connections, which strangers cause at will: for debugging."""

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802  # logging's name
        return False

    def log(self, _level: int, message: str, *values: object) -> None:
        log.debug("websocket", said=message % values)

    def debug(self, message: str, *values: object) -> None:
        log.debug("websocket", said=message % values)

    info = warning = error = debug

    def exception(self, message: str, *values: object) -> None:
        """Our own fault: this connection ends, and somebody has to look."""
        log.error("websocket_failed", said=message % values, exc_info=sys.exc_info())


class _Connection(WSListener):
    """One reader's connection, from the handshake on: the wire of its ``Listener``."""

    def __init__(self, limits: Limits, begin: Callable[[Wire], Listener]) -> None:
        self._limits = limits
        self._begin = begin
        self._listener: Listener | None = None
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._is_closing = False

    # --- picows.WSListener ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=self._limits.queue_bytes_max)
        self._listener = self._begin(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        assert self._listener is not None
        if self._is_closing and frame.msg_type != WSMsgType.CLOSE:
            return  # of one whom we said goodbye to: nothing is kept
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._listener.broke(CloseCode.PROTOCOL_ERROR, "reserved bits: nothing is compressed")
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._take(frame, self._listener)
        elif frame.msg_type == WSMsgType.PING:
            self._listener.pinged(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self._listener.ponged()
        elif frame.msg_type == WSMsgType.CLOSE:
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        else:
            self._listener.broke(CloseCode.UNSUPPORTED_DATA, "binary frames are not served")

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        if self._listener is not None:
            self._listener.lost()

    def pause_writing(self) -> None:
        if self._listener is not None:
            self._listener.paused()

    def resume_writing(self) -> None:
        if self._listener is not None:
            self._listener.resumed()

    def _take(self, frame: WSFrame, listener: Listener) -> None:
        """Take a text, or a part of one."""
        if (frame.msg_type == WSMsgType.CONTINUATION) != bool(self._parts):
            listener.broke(CloseCode.PROTOCOL_ERROR, "a part of no message, or one within another")
            return
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > self._limits.message_bytes_max or len(self._parts) > _PARTS_MAX:
            limit = self._limits.message_bytes_max
            text = f"a message of more than {limit} bytes or {_PARTS_MAX} parts"
            listener.broke(CloseCode.MESSAGE_TOO_BIG, text)
            return
        if not frame.fin:
            return
        text_bytes = b"".join(self._parts)
        self._parts, self._parts_bytes = [], 0
        try:
            text_bytes.decode("utf-8")
        except UnicodeDecodeError:
            listener.broke(CloseCode.INVALID_TEXT, "a text that is not UTF-8")
            return
        listener.received(text_bytes)

    # --- ports.Wire ---

    def write(self, frames: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_disconnected:
            self._transport.underlying_transport.write(frames)

    def close(self, code: CloseCode, text: str) -> None:
        assert self._transport is not None
        said = text.encode("ascii", "replace")[: _CONTROL_BYTES_MAX - 2]
        self._is_closing = True
        self._parts, self._parts_bytes = [], 0
        self._transport.send_close(WSCloseCode(code.value), said)
        asyncio.get_running_loop().call_later(self._limits.farewell_seconds, self.abort)

    def abort(self) -> None:
        assert self._transport is not None
        self._transport.disconnect(graceful=False)


class _Guest:
    """A connection from its beginning until it is a reader's, or gone; TLS is part of it."""

    def __init__(self, house: House, address: str, drop: Callable[[], None]) -> None:
        self.address = address
        self._house = house
        self._drop = drop
        self._is_counted = False
        self._timer: asyncio.TimerHandle | None = None

    def knock(self) -> bool:
        """Come in, as far as there is room; the time for all of the handshake begins."""
        self._is_counted = self._house.knocked(self)
        if self._is_counted:
            seconds = self._house.limits.handshake_seconds
            self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)
        return self._is_counted

    def abort(self) -> None:
        """Drop the connection."""
        self._drop()

    def come_out(self) -> None:
        """Be counted no more as one on its way in."""
        if self._is_counted:
            self._is_counted = False
            assert self._timer is not None
            self._timer.cancel()
            self._house.went(self)


class _Protocol(WSProtocol):
    """picows' protocol, for clients that are let in: it judges a request, we judge a connection."""

    def __init__(self, house: House, guest: _Guest | None) -> None:
        """Wait for a connection; over TLS it is that of a guest who was let in before."""
        limits = house.limits
        super().__init__(
            None,  # host and port: ours is the server's end
            None,  # path
            False,  # is the client's end
            self._judge,
            _Quiet(),
            True,  # disconnect on an exception
            None,  # its handshake timeout leaves an exception that nobody takes: ours does not
            False,  # automatic ping: a task for each connection, where one sweep does
            limits.ping_seconds,
            limits.ping_seconds,
            WSAutoPingStrategy.PING_PERIODICALLY,
            False,  # automatic pong: pings count as messages
            limits.message_bytes_max,
            None,  # extra headers
            _READ_BUFFER_BYTES,
        )
        self._house = house
        self._guest = guest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._guest is None:
            plain = cast(asyncio.Transport, transport)
            peer = transport.get_extra_info("peername")
            guest = _Guest(self._house, str(peer[0]) if peer else "", plain.abort)
            if not guest.knock():
                plain.abort()
                return
            self._guest = guest
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._guest is not None:
            self._guest.come_out()
            super().connection_lost(exc)

    def _judge(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        target = request.path.decode("ascii", "replace")
        guest = self._guest
        assert guest is not None
        verdict = self._house.judge(guest.address, target)
        if isinstance(verdict, Denied):
            return WSUpgradeResponseWithListener(_http_answer(verdict), None)

        def enter(wire: Wire) -> Listener:
            guest.come_out()
            return verdict(wire)

        connection = _Connection(self._house.limits, enter)
        response = WSUpgradeResponse.create_101_response()
        return WSUpgradeResponseWithListener(response, connection)


def _http_answer(denied: Denied) -> WSUpgradeResponse:
    headers = {"Content-Type": "application/json"}
    if denied.retry_seconds:
        headers["Retry-After"] = str(denied.retry_seconds)
    return WSUpgradeResponse.create_error_response(HTTPStatus(denied.status), denied.body, headers)


class _TlsDoor:
    """Takes connections that begin with TLS.

    A loop's own server tells nobody of a connection before its TLS handshake is done: whoever
    never finished one would be counted nowhere. So connections are accepted here.
    """

    def __init__(self, house: House, listener: socket.socket, context: ssl.SSLContext) -> None:
        self._house = house
        self._listener = listener
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._handshakes: dict[asyncio.Task[None], _Guest] = {}
        self._is_open = True
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        self._look()

    def close(self) -> None:
        """Take no more connections."""
        self._is_open = False
        self._loop.remove_reader(self._listener)
        self._listener.close()

    async def wait_closed(self) -> None:
        """End the handshakes that are not done."""
        for guest in self._handshakes.values():
            guest.abort()
        await asyncio.gather(*self._handshakes)

    def _look(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # No more files may be open: what waits stays in the queue for a moment.
                log.warning("connections_not_accepted", reason=str(error))
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_PAUSE_SECONDS, self._look)
                return
            guest = _Guest(self._house, str(peer[0]), partial(_shut, accepted))
            if guest.knock():
                task = self._loop.create_task(self._secure(accepted, guest), name="streams.tls")
                self._handshakes[task] = guest
                task.add_done_callback(self._handshakes.pop)
            else:
                accepted.close()

    async def _secure(self, accepted: socket.socket, guest: _Guest) -> None:
        accepted.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(
                lambda: _Protocol(self._house, guest),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._house.limits.handshake_seconds,
            )
        except OSError as error:  # ssl.SSLError is one, and so is a lost connection
            log.debug("tls_handshake_failed", said=str(error))
            guest.come_out()


def _shut(accepted: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        accepted.shutdown(socket.SHUT_RDWR)


class PicowsServer:
    """A listening socket whose connections speak WebSocket."""

    def __init__(self, server: asyncio.Server | _TlsDoor, address: str) -> None:
        self._server = server
        self.address = address

    async def close(self) -> None:
        """Take no more connections; those that are open stay."""
        self._server.close()
        if isinstance(self._server, _TlsDoor):
            await self._server.wait_closed()


async def serve(
    house: House, settings: StreamsSettings, context: ssl.SSLContext | None
) -> PicowsServer:
    """Listen.

    Args:
        house: judges connections and requests.
        settings: where.
        context: for TLS; None for plain WebSocket.

    Raises:
        SettingsError: the address cannot be had.
    """
    limits = settings.limits
    try:
        listener = socket.create_server(
            (settings.host, settings.port), backlog=_BACKLOG, reuse_port=settings.is_shared
        )
    except OSError as error:
        where = f"[retail_streams] {settings.host}:{settings.port}"
        raise SettingsError(f"config/venue.toml: {where}: {error.strerror}") from error
    # Accepted sockets inherit it. The kernel doubles what it is told, for its own accounts.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes // 2)
    host, port = listener.getsockname()[:2]
    if context is not None:
        return PicowsServer(_TlsDoor(house, listener, context), f"wss://{host}:{port}")
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(house, None), sock=listener, backlog=_BACKLOG
    )
    return PicowsServer(server, f"ws://{host}:{port}")
