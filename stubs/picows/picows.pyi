"""The compiled half of picows."""

from asyncio import BaseProtocol, BaseTransport
from collections.abc import Callable

from picows import (
    WSAutoPingStrategy,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponseWithListener,
)

class WSProtocol(BaseProtocol):
    transport: WSTransport
    def __init__(
        self,
        host_port: str | None,
        ws_path: str | None,
        is_client_side: bool,
        ws_listener_factory: Callable[[WSUpgradeRequest], WSUpgradeResponseWithListener],
        logger: object,
        disconnect_on_exception: bool,
        websocket_handshake_timeout: float | None,
        enable_auto_ping: bool,
        auto_ping_idle_timeout: float,
        auto_ping_reply_timeout: float,
        auto_ping_strategy: WSAutoPingStrategy,
        enable_auto_pong: bool,
        max_frame_size: int,
        extra_headers: object,
        read_buffer_init_size: int,
    ) -> None: ...
    def connection_made(self, transport: BaseTransport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
