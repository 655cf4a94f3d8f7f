"""What support and administrators do with others' accounts."""

from typing import Any

from litestar import get, post, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from services.accounts.http import answers, bodies
from services.accounts.http.door import Door, HttpRequest


def routes(door: Door) -> list[Any]:
    """Make the handlers."""
    people = door.desks.people

    @get("/people/{person:str}")
    async def look(request: HttpRequest, person: FromPath[str]) -> answers.PersonView:
        """See somebody's account (support, administrator)."""
        found = await people.look(await door.caller(request), person)
        return answers.somebody(door.accepted(found))

    @post("/people/{person:str}/freeze", status_code=HTTP_204_NO_CONTENT)
    async def freeze(request: HttpRequest, person: FromPath[str]) -> None:
        """Freeze an account (support, administrator; step-up by passkey: ``manage_people``)."""
        caller = await door.caller(request)
        grant = door.grant(request)
        door.accepted(await people.freeze(caller, person, is_frozen=True, grant=grant))

    @post("/people/{person:str}/unfreeze", status_code=HTTP_204_NO_CONTENT)
    async def unfreeze(request: HttpRequest, person: FromPath[str]) -> None:
        """Let a frozen account be used again (as for freezing)."""
        caller = await door.caller(request)
        grant = door.grant(request)
        door.accepted(await people.freeze(caller, person, is_frozen=False, grant=grant))

    @put("/people/{person:str}/roles", status_code=HTTP_204_NO_CONTENT)
    async def set_roles(
        request: HttpRequest, person: FromPath[str], data: JSONBody[bodies.Roles]
    ) -> None:
        """Set somebody's roles (administrator; step-up by passkey: ``manage_people``)."""
        caller = await door.caller(request)
        door.accepted(await people.set_roles(caller, person, data.roles, door.grant(request)))

    return [look, freeze, unfreeze, set_roles]
