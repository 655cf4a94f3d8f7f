"""The front desk: one request in, one answer out, whatever carried it.

The order of checks: the address's allowance, the form of the parameters, who signed, the person's
account, the count of orders, what the endpoint takes; then the desk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from retail_gateway.allowances import Allowances, Usage
from retail_gateway.market_data import Passed, question_of
from retail_gateway.parameters import Parameters, taken
from retail_gateway.people import PersonAccounts
from retail_gateway.ports import Clock
from retail_gateway.refusals import DoorCode, Refusal, door_refusal
from retail_gateway.routes import Endpoint, Security
from retail_gateway.signing import Credentials, Notary
from retail_gateway.trading import Asked, ReplaceRefusal

log = structlog.get_logger()

_NOT_SENT: Final = frozenset({429, 503})
"""Statuses that say that nothing was done, and that the same request may be sent again."""
_NOBODY: Final = Asked(account=0, valid_until_ns=0)


class Request(NamedTuple):
    """A request, read as far as it can be without knowing what it asks for."""

    endpoint: Endpoint
    credentials: Credentials
    values: dict[str, str]


@dataclass(slots=True)
class Reply:
    """An answer, ready to be written."""

    status: int
    body: bytes
    retry_after: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True)
class Front:
    """Lets requests in to the desks."""

    allowances: Allowances
    notary: Notary
    accounts: PersonAccounts
    clock: Clock
    refused: Callable[[str], None] = lambda _name: None

    async def refuse(self, refused: Refusal, address: str) -> Reply:
        """Refuse what could not be read; it weighs as little as a request can, but it weighs."""
        usage = Usage()
        one_too_many = await self.allowances.admit(address, 1, self.clock(), usage)
        return self.refusal(one_too_many or refused, usage)

    async def reply(self, request: Request) -> Reply:
        """Answer a request."""
        usage = Usage()
        return self._written(await self._answer(request, usage), usage)

    async def reply_by(self, request: Request, handle: Callable[[int, Request], Any]) -> Reply:
        """Answer a request by what is done for its account, once it is proven."""
        usage = Usage()
        asked = await self._admitted(request, usage)
        if isinstance(asked, Refusal):
            return self.refusal(asked, usage)
        return self._written(handle(asked.account, request), usage)

    def _written(self, answer: Any, usage: Usage) -> Reply:
        if isinstance(answer, Refusal):
            return self.refusal(answer, usage)
        if isinstance(answer, Passed):
            return Reply(answer.status, answer.body, usage=usage)
        return Reply(200, msgspec.json.encode(answer), usage=usage)

    def refusal(self, refused: Refusal, usage: Usage | None = None) -> Reply:
        """Write a refusal."""
        self.refused(refused.details.name)
        said: dict[str, Any] = {
            "code": refused.code,
            "msg": refused.msg,
            "details": refused.details,
        }
        if usage is not None and usage.proven is not None and refused.status in _NOT_SENT:
            self.notary.release(usage.proven)
        if isinstance(refused, ReplaceRefusal):
            said["data"] = refused.data
        body = msgspec.json.encode(said)
        return Reply(refused.status, body, refused.retry_after, usage or Usage())

    async def _answer(self, request: Request, usage: Usage) -> Any:
        endpoint, values = request.endpoint, request.values
        asked = await self._admitted(request, usage)
        if isinstance(asked, Refusal):
            return asked
        said: dict[str, Any] | Refusal = values
        if not issubclass(endpoint.takes, Parameters):
            said = question_of(values, endpoint.takes)
        wanted = said if isinstance(said, Refusal) else taken(said, endpoint.takes)
        if isinstance(wanted, Refusal):
            return wanted
        return await endpoint.handle(asked, wanted)

    async def _admitted(self, request: Request, usage: Usage) -> Asked | Refusal:
        """Let a request in, or say why not."""
        endpoint = request.endpoint
        weigh = endpoint.weigh
        weight = endpoint.weight if weigh is None else weigh(request.values)
        address = request.credentials.address
        refused = await self.allowances.admit(address, weight, self.clock(), usage)
        return refused or await self._asked(request, usage)

    async def _asked(self, request: Request, usage: Usage) -> Asked | Refusal:
        endpoint = request.endpoint
        if endpoint.security is Security.NONE:
            return _NOBODY
        proven = await self.notary.proven(
            request.credentials,
            request.values,
            permission=endpoint.security,
            door=endpoint.door,
            changes=endpoint.changes,
        )
        if isinstance(proven, Refusal):
            return proven
        usage.proven = proven
        account = await self.accounts.account_of(proven.person_id)
        if isinstance(account, Refusal):
            return account
        if endpoint.orders:
            refused = await self.allowances.admit_orders(
                account, endpoint.orders, self.clock(), usage
            )
            if refused is not None:
                return refused
        return Asked(account, proven.held.until_ns, request.credentials.key_id)


def unknown(doors: Mapping[str, object], path: str) -> Refusal:
    """Refuse what is not in the table."""
    if path in doors:
        return door_refusal(
            DoorCode.METHOD_UNKNOWN, -1020, "This operation is not supported.", status=405
        )
    return door_refusal(
        DoorCode.ENDPOINT_UNKNOWN, -1020, "This operation is not supported.", status=404
    )
