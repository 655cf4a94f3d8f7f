"""The part of picows 2.3.1 that Rialto uses, and its protocol, which picows does not annotate."""

from asyncio import Server, Transport
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus

class WSMsgType(Enum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    PING = 9
    PONG = 10
    CLOSE = 8

class WSCloseCode(Enum):
    NO_INFO = 0
    OK = 1000

class WSAutoPingStrategy(Enum):
    PING_WHEN_IDLE = 1
    PING_PERIODICALLY = 2

class WSFrame:
    @property
    def msg_type(self) -> WSMsgType: ...
    @property
    def fin(self) -> bool: ...
    @property
    def rsv1(self) -> bool: ...
    @property
    def rsv2(self) -> bool: ...
    @property
    def rsv3(self) -> bool: ...
    @property
    def payload_size(self) -> int: ...
    def get_payload_as_bytes(self) -> bytes: ...

class WSTransport:
    @property
    def underlying_transport(self) -> Transport: ...
    @property
    def is_close_frame_sent(self) -> bool: ...
    @property
    def is_disconnected(self) -> bool: ...
    def send(self, msg_type: WSMsgType, message: bytes) -> None: ...
    def send_close(
        self, close_code: WSCloseCode = ..., close_message: bytes | None = ...
    ) -> None: ...
    def disconnect(self, graceful: bool = ...) -> None: ...

class WSListener:
    def on_ws_connected(self, transport: WSTransport) -> None: ...
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...
    def on_ws_disconnected(self, transport: WSTransport) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...

class WSUpgradeRequest:
    path: bytes

class WSUpgradeResponse:
    @staticmethod
    def create_101_response() -> WSUpgradeResponse: ...
    @staticmethod
    def create_error_response(
        status: HTTPStatus, body: bytes, extra_headers: Mapping[str, str]
    ) -> WSUpgradeResponse: ...

class WSUpgradeResponseWithListener:
    def __init__(self, response: WSUpgradeResponse, listener: WSListener | None) -> None: ...

async def ws_create_server(
    ws_listener_factory: Callable[[WSUpgradeRequest], WSListener], host: str, port: int
) -> Server: ...
async def ws_connect(
    ws_listener_factory: Callable[[], WSListener],
    url: str,
    *,
    websocket_handshake_timeout: float | None = ...,
    use_aiofastnet: bool = ...,
) -> tuple[WSTransport, WSListener]: ...
