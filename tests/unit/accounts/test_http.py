"""The API from outside: every endpoint, with every role, on everybody's objects."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from msgspec.structs import replace

from services.accounts.http import bodies
from services.accounts.http.application import PREFIX, application
from services.accounts.http.door import _STATUS
from services.accounts.person import Changed, Person, Session
from services.accounts.refusals import RefusalCode
from services.accounts.terms import Purpose, Role
from tests.unit.accounts.office import (
    EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    Office,
    make_office,
    token_in,
)

BODY_BYTES_MAX = 16_384

OPEN = {
    ("POST", "/registration"), ("POST", "/registration/verify"), ("POST", "/sign-in"),
    ("POST", "/sign-in/second-factor"), ("POST", "/refresh"), ("POST", "/recovery"),
    ("POST", "/recovery/complete"), ("GET", "/jwks"),
}  # fmt: skip
"""What needs no session; everything else must, and a test goes through all that there is."""

STAFF = {
    ("GET", "/people/{person}"), ("POST", "/people/{person}/freeze"),
    ("POST", "/people/{person}/unfreeze"), ("PUT", "/people/{person}/roles"),
}  # fmt: skip

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/registration"): {"email": EMAIL, "password": PASSWORD},
    ("POST", "/registration/verify"): {"token": "x", "password": PASSWORD},
    ("POST", "/sign-in"): {"email": EMAIL, "password": PASSWORD},
    ("POST", "/sign-in/second-factor"): {"challenge": "x", "proof": {"totp": "123456"}},
    ("POST", "/refresh"): {"refresh_token": "x"},
    ("POST", "/recovery"): {"email": EMAIL},
    ("POST", "/recovery/complete"): {"token": "x", "password": PASSWORD},
    ("PUT", "/me/anti-phishing-code"): {"code": "blue whale"},
    ("PUT", "/password"): {"password": OTHER_PASSWORD},
    ("POST", "/step-up"): {"purpose": "withdraw", "proof": {"password": PASSWORD}},
    ("POST", "/factors/totp/confirm"): {"code": "123456"},
    ("POST", "/factors/passkeys"): {"challenge": "x", "label": "x", "credential": {}},
    ("POST", "/api-keys"): {
        "label": "x", "kind": "hmac-sha256", "permissions": ["read"], "seconds": 60
    },
    ("PUT", "/people/{person}/roles"): {"roles": ["administrator"]},
}  # fmt: skip


def endpoints(app: Litestar) -> list[tuple[str, str]]:
    """Every method and path that the application answers."""
    found = []
    for route in app.routes:
        path = route.path_format
        if not path.startswith(PREFIX) or "/schema" in path:
            continue
        methods = getattr(route, "methods", ())
        found += [(method, path.removeprefix(PREFIX)) for method in methods if method != "OPTIONS"]
    return sorted(found)


def make_app(office: Office) -> Litestar:
    return application(office.desks, body_bytes_max=BODY_BYTES_MAX)


@asynccontextmanager
async def client(office: Office, address: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(office), client=(address, 1))  # type: ignore[arg-type]
    base = f"http://venue{PREFIX}"
    async with httpx.AsyncClient(transport=transport, base_url=base) as found:
        yield found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def promoted(office: Office, email: str, role: Role) -> dict[str, str]:
    """Somebody with a role: what its requests carry."""
    person_id = await office.register(email)

    def promote(person: Person) -> Changed[None]:
        return Changed(person=replace(person, roles=(role,)), answer=None)

    await office.store.change(person_id, promote)
    return bearer((await office.sign_in(email)).access_token)


async def test_a_life_over_http() -> None:
    office = make_office()
    async with client(office) as http:
        answer = await http.post("/registration", json={"email": EMAIL, "password": PASSWORD})
        assert answer.status_code == 202
        token = token_in((await office.mail())[-1])
        body = {"token": token, "password": PASSWORD}
        assert (await http.post("/registration/verify", json=body)).status_code == 204
        answer = await http.post("/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert answer.headers["cache-control"] == "no-store"
        tokens = answer.json()["tokens"]
        mine = bearer(tokens["access_token"])
        me = (await http.get("/me", headers=mine)).json()
        assert (me["email"], me["roles"], me["methods"]) == (EMAIL, ["customer"], [])
        step = {"purpose": "manage_api_keys", "proof": {"password": PASSWORD}}
        grant = (await http.post("/step-up", json=step, headers=mine)).json()["grant"]
        key = BODIES["POST", "/api-keys"]
        made = await http.post("/api-keys", json=key, headers=mine | {"Rialto-Step-Up": grant})
        assert made.status_code == 201
        listed = (await http.get("/api-keys", headers=mine)).json()
        assert listed == [made.json()["key"]]
        assert made.json()["secret"] not in json.dumps(listed)
        pair = (await http.post("/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
        assert pair["session"] == tokens["session"]
        activity = (await http.get("/me/activity", headers=mine)).json()
        assert {line["activity"] for line in activity} >= {"signed_in", "api_key_created"}
        assert (await http.post("/sign-out", headers=mine)).status_code == 204
        ended = await http.get("/me", headers=bearer(pair["access_token"]))
        assert (ended.status_code, ended.json()["name"]) == (401, "SESSION_ENDED")


async def test_every_endpoint_but_the_open_ones_wants_a_session() -> None:
    office = make_office()
    found = endpoints(make_app(office))
    assert set(found) >= OPEN | STAFF
    assert len(found) > 30
    async with client(office) as http:
        for method, path in found:
            if (method, path) in OPEN:
                continue
            for headers in ({}, bearer("x.y.z"), {"Authorization": "Basic YTpi"}):
                answer = await http.request(
                    method, path, json=BODIES.get((method, path)), headers=headers
                )
                assert answer.status_code == 401, (method, path, headers)
                assert answer.json()["name"] == "TOKEN_INVALID"


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_reaches_anothers_objects(role: Role) -> None:
    office = make_office()
    ada = await office.newcomer()
    grant = await office.grant(ada, Purpose.MANAGE_API_KEYS)
    await office.add_totp(ada)
    attacker = await promoted(office, "eve@example.org", role)
    before = await office.store.person(ada.person.person_id)
    assert before is not None
    ids = {
        "sid": ada.session.sid,
        "key_id": "k" * 32,
        "credential": "00",
        "person": ada.person.person_id,
    }
    async with client(office) as http:
        for method, path in endpoints(make_app(office)):
            if "{" not in path:
                continue
            answer = await http.request(
                method,
                path.format(**ids),
                json=BODIES.get((method, path)),
                headers=attacker | {"Rialto-Step-Up": grant},
            )
            may_look = (method, path) == ("GET", "/people/{person}") and role is not Role.CUSTOMER
            assert answer.status_code in ((200,) if may_look else (403, 404)), (method, path)
    assert await office.store.person(ada.person.person_id) == before


@pytest.mark.parametrize(("method", "path"), sorted(BODIES))
async def test_no_field_of_ours_can_be_set_from_outside(method: str, path: str) -> None:
    office = make_office()
    mine = await promoted(office, EMAIL, Role.CUSTOMER)
    person_id = (await office.store.person_of_email(EMAIL) or pytest.fail("nobody")).person_id
    before = await office.store.person(person_id)
    fields = {*Person.__struct_fields__, *Session.__struct_fields__} | {
        "is_admin", "balance", "fee_tier", "kyc_level", "user_id", "role", "__proto__"
    }  # fmt: skip
    taken = set(BODIES[method, path])
    async with client(office) as http:
        for field in sorted(fields - taken):
            answer = await http.request(
                method,
                path.format(person=person_id),
                json=BODIES[method, path] | {field: "administrator"},
                headers=mine,
            )
            assert (answer.status_code, answer.json()["name"]) == (400, "REQUEST_INVALID"), field
    assert await office.store.person(person_id) == before


def nonsense() -> Iterator[bytes]:
    yield b""
    yield b"{"
    yield b"null"
    yield b"[]"
    yield b'"x"'
    yield b"\xff\xfe"
    yield b"[" * (BODY_BYTES_MAX - 1)
    yield b'{"credential":' * 1000 + b"{}" + b"}" * 1000
    yield b'{"email":1e999,"password":NaN}'
    yield b'{"email":"a@b.cd","password":' + b"9" * 5000 + b"}"
    yield b'{"seconds":-1,"label":"x","kind":"hmac-sha256","permissions":["read"]}'
    yield b'{"seconds":1e400,"label":"x","kind":"hmac-sha256","permissions":["read"]}'
    yield b'{"email":"a@b.cd","password":"' + b"x" * (BODY_BYTES_MAX + 1) + b'"}'
    yield b'{"challenge":"x","label":"x","credential":' + b'{"a":' * 3000 + b"1" + b"}" * 3001
    yield b'{"code":"\\ud800"}'
    yield b'{"label":"\\u0000","kind":"hmac-sha256","permissions":["read"],"seconds":60}'


@pytest.mark.parametrize("content", list(nonsense()), ids=lambda content: repr(content[:24]))
async def test_nonsense_is_refused_and_never_a_fault(content: bytes) -> None:
    office = make_office()
    mine = await promoted(office, EMAIL, Role.CUSTOMER)
    async with client(office) as http:
        for method, path in sorted(BODIES):
            answer = await http.request(
                method,
                path.format(person="x"),
                content=content,
                headers=mine | {"Content-Type": "application/json"},
            )
            assert 400 <= answer.status_code < 500, (method, path, answer.text)


async def test_a_body_that_is_too_large_is_refused() -> None:
    office = make_office()
    async with client(office) as http:
        answer = await http.post(
            "/sign-in",
            content=b" " * (BODY_BYTES_MAX + 1),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413
        fits = json.dumps(BODIES["POST", "/sign-in"]).encode().ljust(BODY_BYTES_MAX)
        answer = await http.post(
            "/sign-in", content=fits, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 401


async def test_a_header_does_not_say_where_a_request_came_from() -> None:
    office = make_office(failures_free=2)
    await office.register()
    async with client(office) as http:
        body = {"email": EMAIL, "password": OTHER_PASSWORD}
        codes = []
        for at in range(4):
            forged = {"X-Forwarded-For": f"203.0.113.{at}", "Forwarded": f"for=203.0.113.{at}"}
            answer = await http.post("/sign-in", json=body, headers=forged)
            codes.append(answer.status_code)
        assert codes == [401, 401, 429, 429]


async def test_a_refusal_never_says_what_was_sent() -> None:
    office = make_office()
    async with client(office) as http:
        secret = "hunter2 hunter2 hunter2"
        for body in ({"email": 1, "password": secret}, {"email": EMAIL, "passwrd": secret}):
            answer = await http.post("/sign-in", json=body)
            assert secret not in answer.text


async def test_registering_and_recovering_answer_byte_for_byte_alike() -> None:
    office = make_office()
    await office.register()
    async with client(office) as http:
        answers = set()
        for email in (EMAIL, "bob@example.org"):
            for path, body in (
                ("/registration", {"email": email, "password": PASSWORD}),
                ("/recovery", {"email": email}),
            ):
                answer = await http.post(path, json=body)
                answers.add((answer.status_code, answer.content))
        assert len(answers) == 1


async def test_paths_and_methods_that_are_not_there_are_refused_alike() -> None:
    async with client(make_office()) as http:
        for method, path in (("GET", "/nothing"), ("DELETE", "/sign-in"), ("GET", "/../../x")):
            answer = await http.request(method, path)
            assert answer.status_code in (404, 405)
            assert answer.json()["name"] == "NOT_FOUND"


async def test_a_fault_of_ours_is_named_and_not_shown() -> None:
    office = make_office()
    await office.register()

    async def break_down(_email: str) -> None:
        raise ZeroDivisionError("a secret detail")

    office.store.person_of_email = break_down  # type: ignore[assignment,method-assign]
    async with client(office) as http:
        answer = await http.post("/sign-in", json={"email": EMAIL, "password": PASSWORD})
    assert (answer.status_code, answer.json()["name"]) == (500, "FAULT")
    assert "secret" not in answer.text


async def test_the_openapi_document_describes_every_endpoint_and_every_body() -> None:
    office = make_office()
    async with client(office) as http:
        document = (await http.get("/schema/openapi.json")).json()
    described = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == set(endpoints(make_app(office)))
    with_bodies = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }
    assert with_bodies == set(BODIES)


def test_every_body_refuses_what_it_does_not_know() -> None:
    shapes = [
        each
        for each in vars(bodies).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    assert len(shapes) > 10
    assert all(each.__struct_config__.forbid_unknown_fields for each in shapes)


def test_every_refusal_has_a_status_and_a_number_of_its_own() -> None:
    assert set(_STATUS) == set(RefusalCode)
    assert all(1200 <= code < 1400 for code in RefusalCode)
