"""The door: who comes in, and how a refusal looks from outside."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from services.accounts.desks import Desks
from services.accounts.errors import StoreAwayError
from services.accounts.http.answers import Refusal, refusal
from services.accounts.refusals import TOKEN_INVALID, RefusalCode, Refused
from services.accounts.registry import Caller
from services.accounts.sessions import AGENT_LENGTH_MAX, Visitor

log = structlog.get_logger()

HttpRequest = Request[Any, Any, State]
Answer = TypeVar("Answer")

_STATUS: Final = {
    RefusalCode.CREDENTIALS_INVALID: 401,
    RefusalCode.TOO_MANY_ATTEMPTS: 429,
    RefusalCode.TOKEN_INVALID: 401,
    RefusalCode.SESSION_ENDED: 401,
    RefusalCode.STEP_UP_MISSING: 403,
    RefusalCode.ROLE_MISSING: 403,
    RefusalCode.NOT_FOUND: 404,
    RefusalCode.REQUEST_INVALID: 400,
    RefusalCode.PASSWORD_TOO_WEAK: 422,
    RefusalCode.PASSWORD_BREACHED: 422,
    RefusalCode.FACTOR_NOT_READY: 409,
    RefusalCode.LIMIT_REACHED: 409,
    RefusalCode.SIGNATURE_INVALID: 401,
    RefusalCode.ADDRESS_NOT_ALLOWED: 403,
    RefusalCode.PERMISSION_MISSING: 403,
    RefusalCode.FROZEN: 403,
    RefusalCode.BUSY: 503,
    RefusalCode.VALUE_INVALID: 422,
    RefusalCode.HELD: 403,
}

# Never what was sent: it may be a secret.
_INVALID = refusal(
    Refused(
        RefusalCode.REQUEST_INVALID,
        "the request is not what this path takes; see the OpenAPI document",
    )
)
_FAULT = Refusal(code=0, name="FAULT", said="a fault of ours; the log has it")


class RefusedError(Exception):
    """A refusal on its way out of a handler."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.said)
        self.refused = refused


class Door:
    """Lets requests in, and refusals out."""

    def __init__(self, desks: Desks, counted: Callable[[str], None]) -> None:
        self.desks = desks
        self._counted = counted

    def visitor(self, request: HttpRequest) -> Visitor:
        """Return where a request came from: the socket, and never what a header says of it."""
        address = request.client.host if request.client is not None else ""
        agent = request.headers.get("user-agent", "")[:AGENT_LENGTH_MAX]
        return Visitor(address=address, agent=agent)

    async def caller(self, request: HttpRequest) -> Caller:
        """Return who makes a request.

        Raises:
            RefusedError: nobody that we know.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise RefusedError(TOKEN_INVALID)
        return self.accepted(await self.desks.sign_in.caller(token, self.visitor(request)))

    def grant(self, request: HttpRequest) -> str:
        """Return the fresh proof that a request brings; empty when it brings none."""
        return request.headers.get("rialto-step-up", "")[:64]

    def accepted(self, answer: Answer | Refused) -> Answer:
        """Return an answer that is none of refusal.

        Raises:
            RefusedError: it is one.
        """
        if isinstance(answer, Refused):
            raise RefusedError(answer)
        return answer

    def refuse(self, _: HttpRequest, error: Exception) -> Response[Refusal]:
        """Answer an error: what is our own fault is only named."""
        status, body = _described(error)
        if status == 500:
            log.error("accounts_request_failed", exc_info=error)
        self._counted(body.name)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(body, status_code=status, headers=headers)


def _described(error: Exception) -> tuple[int, Refusal]:
    match error:
        case RefusedError():
            return _STATUS[error.refused.code], refusal(error.refused)
        case StoreAwayError() | TimeoutError():
            said = "no outcome in time: ask again in a moment"
            return 503, refusal(Refused(RefusalCode.BUSY, said))
        case HTTPException() if error.status_code in (404, 405):
            return error.status_code, refusal(Refused(RefusalCode.NOT_FOUND, "no such path"))
        case HTTPException() if error.status_code < 500:
            return error.status_code, _INVALID
        case RecursionError():
            return 400, _INVALID  # JSON that is nested deeper than it can be read
        case _:
            return 500, _FAULT
