"""What needs no session: registration, signing in, refreshing, recovery."""

from typing import Any

from litestar import get, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT

from services.accounts.http import answers, bodies
from services.accounts.http.door import Door, HttpRequest, RefusedError
from services.accounts.refusals import Refused


def routes(door: Door) -> list[Any]:
    """Make the handlers."""
    desks = door.desks

    @post("/registration", status_code=HTTP_202_ACCEPTED)
    async def register(request: HttpRequest, data: JSONBody[bodies.Registration]) -> None:
        """Ask for an account; the answer is the same whether there is one already."""
        visitor = door.visitor(request)
        door.accepted(await desks.registration.request(data.email, data.password, visitor))

    @post("/registration/verify", status_code=HTTP_204_NO_CONTENT)
    async def verify(request: HttpRequest, data: JSONBody[bodies.Verification]) -> None:
        """Finish a registration with the mailed token and the password."""
        visitor = door.visitor(request)
        door.accepted(await desks.registration.verify(data.token, data.password, visitor))

    @post("/sign-in", status_code=HTTP_200_OK)
    async def sign_in(
        request: HttpRequest, data: JSONBody[bodies.SigningIn]
    ) -> answers.SignInAnswer:
        """Give a password; get tokens, or the question for a second factor."""
        visitor = door.visitor(request)
        answer = await desks.sign_in.begin(data.email, data.password, visitor)
        if isinstance(answer, Refused):
            raise RefusedError(answer)
        return answers.sign_in(answer)

    @post("/sign-in/second-factor", status_code=HTTP_200_OK)
    async def second_factor(
        request: HttpRequest, data: JSONBody[bodies.SecondFactor]
    ) -> answers.TokenPair:
        """Give a second factor; get tokens."""
        visitor = door.visitor(request)
        answer = await desks.sign_in.finish(data.challenge, data.proof, visitor)
        return answers.tokens(door.accepted(answer))

    @post("/refresh", status_code=HTTP_200_OK)
    async def refresh(request: HttpRequest, data: JSONBody[bodies.Refreshing]) -> answers.TokenPair:
        """Spend a refresh token; get the next pair. Spent twice, it ends the session."""
        answer = await desks.sign_in.refresh(data.refresh_token, door.visitor(request))
        return answers.tokens(door.accepted(answer))

    @post("/recovery", status_code=HTTP_202_ACCEPTED)
    async def recovery(request: HttpRequest, data: JSONBody[bodies.Recovery]) -> None:
        """Ask for a letter that lets the owner choose a new password."""
        visitor = door.visitor(request)
        door.accepted(await desks.registration.request_recovery(data.email, visitor))

    @post("/recovery/complete", status_code=HTTP_204_NO_CONTENT)
    async def complete(request: HttpRequest, data: JSONBody[bodies.RecoveryCompletion]) -> None:
        """Choose a new password with the mailed token and the second factor."""
        visitor = door.visitor(request)
        answer = await desks.registration.recover(data.token, data.password, data.proof, visitor)
        door.accepted(answer)

    @get("/jwks")
    async def key_set() -> answers.KeySet:
        """Give the public keys of access tokens."""
        return answers.KeySet(keys=desks.registry.ring.published())

    return [register, verify, sign_in, second_factor, refresh, recovery, complete, key_set]
