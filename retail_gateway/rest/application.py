"""Answers HTTP requests: finds the endpoint, reads what was signed, writes the front's reply.

It is a table and two hundred bytes of headers. A framework's router and request objects would
cost each order more than its signature does (docs/decisions/0028, 0029).
"""

from collections.abc import Mapping
from typing import Final

import structlog

from retail_gateway.front import Front, Reply, Request, unknown
from retail_gateway.parameters import read
from retail_gateway.refusals import DoorCode, Refusal, door_refusal
from retail_gateway.routes import Endpoint
from retail_gateway.signing import Credentials, signed_part
from runtime.quick_http import HttpAnswer, HttpRequest

log = structlog.get_logger()

_COMMON: Final = (
    "cache-control: no-store\r\n"
    "x-content-type-options: nosniff\r\n"
    "access-control-allow-origin: *\r\n"
)
_JSON: Final = f"{_COMMON}content-type: application/json;charset=UTF-8\r\n"
_FAULT: Final = HttpAnswer(
    500,
    _JSON.encode(),
    b'{"code":-1000,"msg":"An unknown error occurred while processing the request.",'
    b'"details":{"code":0,"name":"FAULT","limit":0,"usage":0}}',
)


def page(content_type: str, body: bytes) -> HttpAnswer:
    """Make an answer that is always the same, such as the OpenAPI document."""
    policy = "content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
    return HttpAnswer(200, f"{_COMMON}content-type: {content_type}\r\n{policy}".encode(), body)


class Application:
    """Answers HTTP."""

    def __init__(
        self,
        front: Front,
        table: list[Endpoint],
        *,
        body_bytes_max: int,
        pages: Mapping[str, HttpAnswer],
    ) -> None:
        """Serve a table of endpoints, and pages beside them."""
        self._front = front
        self._body_bytes_max = body_bytes_max
        self._pages = pages
        self._doors: dict[str, dict[str, Endpoint]] = {}
        for endpoint in table:
            self._doors.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    async def __call__(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request."""
        try:
            page = self._pages.get(request.path)
            if page is not None and request.method in ("GET", "HEAD"):
                return page
            reply = await self._reply(request)
        except Exception:  # the request's edge: others go on
            log.exception("retail_request_failed", path=request.path)
            return _FAULT
        return HttpAnswer(reply.status, _head(reply), reply.body)

    async def _reply(self, request: HttpRequest) -> Reply:
        address = request.address
        endpoint = self._doors.get(request.path, {}).get(request.method)
        if endpoint is None:
            return await self._front.refuse(unknown(self._doors, request.path), address)
        if request.body_bytes > self._body_bytes_max:
            return await self._front.refuse(self._too_large(request.body_bytes), address)
        query, body = request.query, request.body
        values = read(query, body)
        if isinstance(values, Refusal):
            return await self._front.refuse(values, address)
        credentials = Credentials(
            request.headers.get(b"x-mbx-apikey", b"").decode("latin-1"),
            address,
            signed_part(query, body),
            values.get("signature", ""),
        )
        return await self._front.reply(Request(endpoint, credentials, values))

    def _too_large(self, body_bytes: int) -> Refusal:
        return door_refusal(
            DoorCode.REQUEST_TOO_LARGE,
            -1101,
            "Too many parameters; the body is too large.",
            status=413,
            limit=self._body_bytes_max,
            usage=body_bytes,
        )


def _head(reply: Reply) -> bytes:
    head, weight = _JSON, reply.usage.weight
    if weight:
        head += f"x-mbx-used-weight: {weight}\r\nx-mbx-used-weight-1m: {weight}\r\n"
    for letter, count in reply.usage.orders:
        head += f"x-mbx-order-count-{letter.lower()}: {count}\r\n"
    if reply.retry_after:
        head += f"retry-after: {reply.retry_after}\r\n"
    return head.encode()
