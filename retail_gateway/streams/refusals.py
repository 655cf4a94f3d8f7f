"""Why a reader does not get what it asked for, by number (docs/protocols/websocket.md)."""

from enum import IntEnum
from typing import Final, NamedTuple

import msgspec


class Reason(IntEnum):
    """Numbers never change their meaning."""

    NO_SUCH_STREAM = 1260
    NO_SUCH_SYMBOL = 1261
    TOO_MANY_STREAMS = 1262
    TOO_MANY_MESSAGES = 1263
    TOO_SLOW = 1264
    MESSAGE_TOO_LONG = 1265
    LIFE_IS_OVER = 1266
    STOPPING = 1267
    TOO_MANY_OF_ADDRESS = 1268
    TOO_MANY_CONNECTIONS = 1269
    TOO_MANY_ATTEMPTS = 1270
    NO_PONG = 1271
    NOT_TEXT = 1272
    NO_SUCH_PATH = 1273
    NOT_READY = 1274
    BROKEN_FRAME = 1275
    MALFORMED = 1276


class CloseCode(IntEnum):
    """RFC 6455, section 7.4.1, as far as we use it."""

    OK = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009


class Refusal(NamedTuple):
    """A reason, and what it means here: the limit and the usage."""

    reason: Reason
    text: str


class Denied(NamedTuple):
    """No connection: an HTTP answer instead."""

    status: int
    body: bytes
    retry_seconds: int = 0


_HTTP_STATUS: Final = {
    Reason.NO_SUCH_PATH: 404,
    Reason.NOT_READY: 503,
    Reason.TOO_MANY_CONNECTIONS: 503,
    Reason.TOO_MANY_OF_ADDRESS: 429,
    Reason.TOO_MANY_ATTEMPTS: 429,
    Reason.STOPPING: 503,
}


def denied(refusal: Refusal, *, attempts_seconds: float) -> Denied:
    """Make the HTTP answer to who cannot be served, and say when to try again."""
    status = _HTTP_STATUS.get(refusal.reason, 400)
    is_attempts = refusal.reason is Reason.TOO_MANY_ATTEMPTS
    wait = 0 if status == 404 else int(attempts_seconds) if is_attempts else 1
    body = msgspec.json.encode({"code": refusal.reason.value, "msg": refusal.text})
    return Denied(status, body, wait)


def farewell(refusal: Refusal) -> str:
    """Return a refusal as a close frame has it: at most 123 bytes of plain text."""
    return f"{refusal.reason.value} {refusal.text}"[:123]
