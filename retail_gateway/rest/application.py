"""The ASGI application: finds the endpoint, gathers the body within its bound, writes the answer.

It is a table and two hundred bytes of headers. A framework's router and request objects would
cost each order more than its signature does (docs/decisions/0028).
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import structlog

from retail_gateway.front import Front, Reply, Request, unknown
from retail_gateway.parameters import read
from retail_gateway.refusals import DoorCode, Refusal, door_refusal
from retail_gateway.routes import Endpoint
from retail_gateway.signing import Credentials, signed_part

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_COMMON: Final[Headers] = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-origin", b"*"),
]
_JSON: Final = (b"content-type", b"application/json;charset=UTF-8")
_FAULT: Final = (
    b'{"code":-1000,"msg":"An unknown error occurred while processing the request.",'
    b'"details":{"code":0,"name":"FAULT","limit":0,"usage":0}}'
)


class Page:
    """Something that is always the same, such as the OpenAPI document."""

    def __init__(self, content_type: bytes, body: bytes) -> None:
        self.headers: Headers = [
            *_COMMON,
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
        ]
        self.body = body


class Application:
    """Answers HTTP."""

    def __init__(
        self,
        front: Front,
        table: list[Endpoint],
        *,
        body_bytes_max: int,
        pages: Mapping[str, Page],
    ) -> None:
        """Serve a table of endpoints, and pages beside them."""
        self._front = front
        self._body_bytes_max = body_bytes_max
        self._pages = pages
        self._doors: dict[str, dict[str, Endpoint]] = {}
        for endpoint in table:
            self._doors.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http", scope["type"]
        try:
            page = self._pages.get(scope["path"])
            if page is not None and scope["method"] in ("GET", "HEAD"):
                await _write(send, 200, page.headers, page.body)
                return
            reply = await self._reply(scope, receive)
        except Exception:  # the request's edge: others go on
            log.exception("retail_request_failed", path=scope["path"])
            reply = Reply(500, _FAULT)
        await _write(send, reply.status, _headers(reply), reply.body)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        client = scope["client"]
        address = client[0] if client else ""
        endpoint = self._doors.get(scope["path"], {}).get(scope["method"])
        if endpoint is None:
            return await self._front.refuse(unknown(self._doors, scope["path"]), address)
        body = await self._body(receive)
        if isinstance(body, Refusal):
            return await self._front.refuse(body, address)
        key_id = b""
        for name, value in scope["headers"]:
            if name == b"x-mbx-apikey":
                key_id = value
        query = scope["query_string"]
        values = read(query, body)
        if isinstance(values, Refusal):
            return await self._front.refuse(values, address)
        credentials = Credentials(
            key_id.decode("latin-1"),
            address,
            signed_part(query, body),
            values.get("signature", ""),
        )
        return await self._front.reply(Request(endpoint, credentials, values))

    async def _body(self, receive: Receive) -> bytes | Refusal:
        parts, size = [], 0
        while True:
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if size > self._body_bytes_max:
                return door_refusal(
                    DoorCode.REQUEST_TOO_LARGE,
                    -1101,
                    "Too many parameters; the body is too large.",
                    status=413,
                    limit=self._body_bytes_max,
                    usage=size,
                )
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _headers(reply: Reply) -> Headers:
    headers = [*_COMMON, _JSON, (b"content-length", b"%d" % len(reply.body))]
    if reply.usage.weight:
        weight = b"%d" % reply.usage.weight
        headers += [(b"x-mbx-used-weight", weight), (b"x-mbx-used-weight-1m", weight)]
    headers += [
        (b"x-mbx-order-count-" + letter.lower().encode(), b"%d" % count)
        for letter, count in reply.usage.orders
    ]
    if reply.retry_after:
        headers.append((b"retry-after", b"%d" % reply.retry_after))
    return headers


async def _write(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
