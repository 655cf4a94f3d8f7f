"""The operators' API over HTTP: JSON in and out; every request carries its proof in headers.

``Rialto-Operator``, ``Rialto-Venue`` (32 hexadecimal digits), ``Rialto-Time`` (nanoseconds),
``Rialto-Nonce`` (32) and ``Rialto-Signature`` (128). What is signed is in ``signing.py``;
docs/operators.md has an example.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State as AppState
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from exchange.admin import answers
from exchange.admin.plane import Outcome, Plane
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.signing import SignedRequest
from exchange.errors import CommandError, CommandRefusedError, VenueAwayError
from exchange.operators import Operator
from runtime.chained_lines import ChainBrokenError

log = structlog.get_logger()

AdminRequest = Request[Any, Any, AppState]

_STATUS: Final = {
    AdminCode.SIGNATURE_INVALID: 401,
    AdminCode.REQUEST_STALE: 401,
    AdminCode.REQUEST_REPEATED: 401,
    AdminCode.ROLE_MISSING: 403,
    AdminCode.BODY_INVALID: 400,
    AdminCode.PATH_UNKNOWN: 404,
    AdminCode.PROPOSAL_NOT_OPEN: 409,
    AdminCode.SECOND_OPERATOR_MISSING: 403,
    AdminCode.BUSY: 503,
    AdminCode.IMPOSSIBLE: 422,
    AdminCode.VENUE_NOT_SIGNED: 401,
    AdminCode.VENUE_FOREIGN: 401,
}


class Refusal(msgspec.Struct, frozen=True):
    """The body of every answer that is no success: a stable number, its name, and words."""

    code: int
    name: str
    said: str


def application(
    plane: Plane,
    *,
    body_bytes_max: int,
    request_seconds_max: float,
    refused: Callable[[str], None] = lambda _name: None,
) -> Litestar:
    """Make the ASGI application of one plane.

    Args:
        plane: decides everything.
        body_bytes_max: above, a request is refused unread.
        request_seconds_max: until a request is answered, its body's arrival included.
        refused: told the name of each refusal.
    """

    def refuse(_: AdminRequest, error: Exception) -> Response[Refusal]:
        status, refusal = _described(error)
        if status == 500:
            log.error("admin_request_failed", exc_info=error)
        refused(refusal.name)
        return Response(refusal, status_code=status)

    door = _Door(plane, body_bytes_max, request_seconds_max)
    return Litestar(
        route_handlers=[*_questions(plane, door), *_actions(plane, door)],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=body_bytes_max,
        exception_handlers={HTTPException: refuse, Exception: refuse},
    )


class _Door:
    """Takes requests in, and bounds what one may take of time and memory."""

    def __init__(self, plane: Plane, body_bytes_max: int, seconds_max: float) -> None:
        self._plane = plane
        self._body_bytes_max = body_bytes_max
        self._seconds_max = seconds_max

    async def signed(self, request: AdminRequest) -> SignedRequest:
        """Return a request with its proof, read from the wire."""
        async with asyncio.timeout(self._seconds_max):
            body = await request.body()
        path = bytes(request.scope["raw_path"]).decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        try:
            fields = {
                "operator": request.headers.get("rialto-operator", ""),
                "venue": request.headers.get("rialto-venue", ""),
                "method": request.method,
                "path": f"{path}?{query}" if query else path,
                "body": body.decode(),
                "time_ns": _number(request.headers.get("rialto-time", "")),
                "nonce": request.headers.get("rialto-nonce", ""),
                "signature": request.headers.get("rialto-signature", ""),
            }
            return msgspec.convert(fields, SignedRequest)
        except UnicodeDecodeError as error:
            raise AdminRefusedError(AdminCode.BODY_INVALID, "the body is not UTF-8") from error
        except msgspec.ValidationError as error:
            raise AdminRefusedError(AdminCode.SIGNATURE_INVALID, f"headers: {error}") from error

    async def reader(self, request: AdminRequest) -> Operator:
        """Return who asks a question."""
        return self._plane.reader(await self.signed(request))

    async def outcome(self, working: Awaitable[Outcome]) -> Response[Outcome]:
        """Return what came of an action: done, or 202 while another operator is waited for."""
        async with asyncio.timeout(self._seconds_max):
            outcome = await working
        return Response(outcome, status_code=202 if outcome.proposal is not None else 200)


def _questions(plane: Plane, door: _Door) -> list[Any]:
    listing: dict[str, Callable[[], Awaitable[list[answers.Row]]]] = {
        "accounts": lambda: answers.accounts(plane),
        "firms": lambda: answers.firms(plane),
        "sessions": lambda: answers.sessions(plane),
        "disputes": lambda: answers.disputes(plane),
    }

    @get("/v1/me")
    async def me(request: AdminRequest) -> answers.Row:
        return answers.myself(await door.reader(request))

    @get(["/v1/accounts", "/v1/firms", "/v1/sessions", "/v1/disputes"])
    async def listed(request: AdminRequest) -> list[answers.Row]:
        await door.reader(request)
        return await listing[request.url.path.removeprefix("/v1/")]()

    @get("/v1/definitions/{kind:str}")
    async def defined(request: AdminRequest, kind: FromPath[str]) -> list[answers.Row]:
        await door.reader(request)
        return await answers.definitions(plane, kind)

    @get("/v1/fees")
    async def fees(request: AdminRequest) -> list[str]:
        await door.reader(request)
        return await answers.fees(plane)

    @get("/v1/operators")
    async def operators(request: AdminRequest) -> list[answers.Row]:
        await door.reader(request)
        return answers.operators(plane)

    @get("/v1/proposals")
    async def proposals(request: AdminRequest) -> list[answers.Row]:
        await door.reader(request)
        return answers.proposals(plane)

    @get("/v1/proposals/{proposal:str}")
    async def proposal(request: AdminRequest, proposal: FromPath[str]) -> answers.Row:
        await door.reader(request)
        return answers.proposal(plane, proposal)

    @get("/v1/record/{after:int}")
    async def record(request: AdminRequest, after: FromPath[int]) -> list[answers.Row]:
        await door.reader(request)
        return await asyncio.to_thread(answers.record, plane, after)

    return [me, listed, defined, fees, operators, proposals, proposal, record]


def _actions(plane: Plane, door: _Door) -> list[Any]:
    @post("/v1/actions/{action:str}")
    async def act(request: AdminRequest, action: FromPath[str]) -> Response[Outcome]:
        return await door.outcome(plane.act(await door.signed(request), action))

    @post("/v1/proposals/{proposal:str}/approve")
    async def approve(request: AdminRequest, proposal: FromPath[str]) -> Response[Outcome]:
        return await door.outcome(plane.approve(await door.signed(request), proposal))

    @post("/v1/proposals/{proposal:str}/withdraw")
    async def withdraw(request: AdminRequest, proposal: FromPath[str]) -> Response[Outcome]:
        return await door.outcome(plane.withdraw(await door.signed(request), proposal))

    return [act, approve, withdraw]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _described(error: Exception) -> tuple[int, Refusal]:
    """Say in JSON why a request was refused; what is our own fault is only named."""
    match error:
        case AdminRefusedError():
            return _STATUS[error.code], _refusal(error.code, error.text)
        case CommandRefusedError():
            return 409, Refusal(error.code.value, error.code.name, str(error))
        case VenueAwayError():
            return 503, _refusal(AdminCode.BUSY, str(error))
        case CommandError():
            return 422, _refusal(AdminCode.IMPOSSIBLE, str(error))
        case TimeoutError():
            return 503, _refusal(AdminCode.BUSY, "no outcome in time; asking again is safe")
        case OSError() | ChainBrokenError():
            text = f"the record cannot be written, so nothing is done: {error}"
            return 503, _refusal(AdminCode.BUSY, text)
        case HTTPException() if error.status_code in (404, 405):
            return error.status_code, _refusal(AdminCode.PATH_UNKNOWN, error.detail)
        case HTTPException() if error.status_code < 500:
            return error.status_code, _refusal(AdminCode.BODY_INVALID, error.detail)
        case _:
            return 500, Refusal(0, "FAULT", "a fault of ours; the log has it")


def _refusal(code: AdminCode, said: str) -> Refusal:
    return Refusal(code.value, code.name, said)
