"""The accounts API over HTTP: JSON in and out, under one prefix, with its OpenAPI document."""

from collections.abc import Callable

from litestar import Litestar, Router
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from services.accounts.desks import Desks
from services.accounts.http import own_account, staff, strangers
from services.accounts.http.door import Door

PREFIX = "/api/accounts/v1"


def application(
    desks: Desks, *, body_bytes_max: int, refused: Callable[[str], None] = lambda _name: None
) -> Litestar:
    """Make the ASGI application.

    Args:
        desks: decide everything.
        body_bytes_max: above, a request is refused.
        refused: told the name of each refusal.
    """
    door = Door(desks, refused)
    router = Router(
        PREFIX,
        route_handlers=[*strangers.routes(door), *own_account.routes(door), *staff.routes(door)],
    )
    return Litestar(
        route_handlers=[router],
        openapi_config=OpenAPIConfig(
            title="Rialto accounts",
            version="1",
            path=f"{PREFIX}/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        logging_config=None,
        request_max_body_size=body_bytes_max,
        response_headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        exception_handlers={HTTPException: door.refuse, Exception: door.refuse},
    )
