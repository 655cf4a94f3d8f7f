"""The readers' end over picows: handshake, frames and masks in C, on a socket of ours.

What is written is framed already (``streams.message``) and goes to the transport as it is: uvloop
gives the kernel what one turn of the loop has brought in one call, and says when it takes no more.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
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
        self.has_begun = False
        self._limits = limits
        self._begin = begin
        self._listener: Listener | None = None
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._is_closing = False

    # --- picows.WSListener ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.has_begun = True
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


class _Protocol(WSProtocol):
    """picows' protocol, for clients that are let in: it judges a request, we judge a connection."""

    def __init__(self, house: House) -> None:
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
        self._address = ""
        self._is_let_in = False
        self._is_counted = False
        self._connection: _Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._is_let_in = self._is_counted = self._house.knocked(self._address)
        if not self._is_let_in:
            cast(asyncio.Transport, transport).abort()
            return
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        loop.call_later(self._house.limits.handshake_seconds, self._drop_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._come_out()
        if self._is_let_in:
            super().connection_lost(exc)

    def _judge(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        target = request.path.decode("ascii", "replace")
        verdict = self._house.judge(self._address, target)
        if isinstance(verdict, Denied):
            return WSUpgradeResponseWithListener(_http_answer(verdict), None)
        self._connection = _Connection(self._house.limits, self._entering(verdict))
        response = WSUpgradeResponse.create_101_response()
        return WSUpgradeResponseWithListener(response, self._connection)

    def _entering(self, begin: Callable[[Wire], Listener]) -> Callable[[Wire], Listener]:
        def enter(wire: Wire) -> Listener:
            self._come_out()
            return begin(wire)

        return enter

    def _come_out(self) -> None:
        """Count a connection no more that was on its way in."""
        if self._is_counted:
            self._is_counted = False
            self._house.went(self._address)

    def _drop_if_silent(self) -> None:
        if self._connection is None or not self._connection.has_begun:
            self.transport.disconnect(graceful=False)


def _http_answer(denied: Denied) -> WSUpgradeResponse:
    headers = {"Content-Type": "application/json"}
    if denied.retry_seconds:
        headers["Retry-After"] = str(denied.retry_seconds)
    return WSUpgradeResponse.create_error_response(HTTPStatus(denied.status), denied.body, headers)


class PicowsServer:
    """A listening socket whose connections speak WebSocket."""

    def __init__(self, server: asyncio.Server, address: str) -> None:
        self._server = server
        self.address = address

    async def close(self) -> None:
        """Take no more connections; those that are open stay."""
        self._server.close()


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
    handshake = None if context is None else limits.handshake_seconds
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(house),
        sock=listener,
        backlog=_BACKLOG,
        ssl=context,
        ssl_handshake_timeout=handshake,
    )
    host, port = listener.getsockname()[:2]
    return PicowsServer(server, f"{'ws' if context is None else 'wss'}://{host}:{port}")
