"""The whole process but for its being one: HTTP, PostgreSQL and a mail server, all real."""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from runtime.toml import SettingsError
from services.accounts import database as accounts_database
from services.accounts.access_tokens import KeyRing
from services.accounts.adapters.memory import MemoryBreachedPasswords
from services.accounts.adapters.postgres import postgres_store
from services.accounts.adapters.smtp import SmtpMailer
from services.accounts.http.application import PREFIX
from services.accounts.person import Mail
from services.accounts.secrets_at_rest import Vault
from services.accounts.service import AccountsService, relying_party
from services.accounts.settings import AccountsSettings, HttpSettings, Limits, SmtpSettings
from tests.unit.accounts.office import EMAIL, FAST, PASSWORD, token_in

PATIENCE_SECONDS = 180.0


class Mailbox:
    def __init__(self) -> None:
        self.received: list[Mail] = []

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: SmtpSession, envelope: Envelope
    ) -> str:
        text = (envelope.content or b"").decode() if isinstance(envelope.content, bytes) else ""
        # Quoted-printable: long links are folded and their "=" escaped.
        text = text.replace("=\r\n", "").replace("=3D", "=")
        self.received.append(Mail(to=envelope.rcpt_tos[0], subject="", text=text))
        return "250 OK"


@asynccontextmanager
async def running(
    dsn: str, mailbox: Mailbox, **http_limits: int
) -> AsyncIterator[tuple[AccountsService, httpx.AsyncClient]]:
    await accounts_database.migrate(dsn)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    settings = AccountsSettings(
        dsn=dsn,
        site="https://rialto.example",
        issuer="Rialto",
        host="127.0.0.1",
        port=0,
        http=HttpSettings(body_bytes_max=4096, **http_limits),
        smtp=SmtpSettings(host="127.0.0.1", port=port, security="none", look_seconds=0.05),
        limits=Limits(),
        hashing=FAST,
    )
    vault, stop = Vault(bytes(32)), asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    try:
        async with postgres_store(dsn, vault, secrets.token_bytes) as store:
            service = AccountsService(
                settings,
                store=store,
                vault=vault,
                ring=KeyRing({"1": Ed25519PrivateKey.generate()}, issuer="Rialto"),
                mailer=SmtpMailer(settings.smtp),
                breached=MemoryBreachedPasswords(),
                clock=time.time_ns,
                chance=secrets.token_bytes,
                registry=CollectorRegistry(),
            )
            async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
                group.create_task(service.run(stop, listening=address.set_result))
                async with httpx.AsyncClient(base_url=(await address) + PREFIX) as http:
                    yield service, http
                stop.set()
    finally:
        await asyncio.to_thread(server.stop)


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            held = condition()
            if held is True or (not isinstance(held, bool) and await held):
                return
            await asyncio.sleep(0.01)


async def test_a_person_registers_by_a_letter_and_signs_in(database: str) -> None:
    mailbox = Mailbox()
    async with running(database, mailbox) as (service, http):
        body = {"email": EMAIL, "password": PASSWORD}
        assert (await http.post("/registration", json=body)).status_code == 202
        await until(lambda: bool(mailbox.received))
        token = token_in(mailbox.received[0])
        verification = {"token": token, "password": PASSWORD}
        assert (await http.post("/registration/verify", json=verification)).status_code == 204
        tokens = (await http.post("/sign-in", json=body)).json()["tokens"]
        mine = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await http.get("/me", headers=mine)).json()["email"] == EMAIL
        await until(lambda: len(mailbox.received) == 2)
        assert "not seen" in mailbox.received[1].text
        assert service.health() == {"healthy": True, "sends_mail": True}
        too_long = await http.post("/sign-in", content=b" " * 5000)
        assert too_long.status_code in (400, 413)


async def test_what_was_asked_before_the_end_is_done(database: str) -> None:
    mailbox = Mailbox()
    async with running(database, mailbox) as (service, http):
        for at in range(5):
            body = {"email": f"{at}@example.org", "password": PASSWORD}
            assert (await http.post("/registration", json=body)).status_code == 202
    async with postgres_store(database, Vault(bytes(32)), secrets.token_bytes) as store:
        for at in range(5):
            assert await store.person_of_email(f"{at}@example.org") is not None
    assert service.desks.errands is not None


async def test_headers_that_are_too_large_are_refused(database: str) -> None:
    async with running(database, Mailbox()) as (_, http):
        # The server may answer, or hang up on who is still sending.
        with contextlib.suppress(httpx.TransportError):
            answer = await http.get("/me", headers={"X-Large": "x" * 200_000})
            assert answer.status_code == 400
        assert (await http.get("/jwks")).status_code == 200


@pytest.mark.parametrize("said", [b"", b"GET /", b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"])
async def test_who_never_finishes_a_request_is_cut_off(database: str, said: bytes) -> None:
    async with running(database, Mailbox(), request_seconds_max=3) as (_, http):
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass  # what it answers does not matter: it hangs up
        writer.close()
        assert (await http.get("/jwks")).status_code == 200


async def test_one_network_does_not_take_every_connection(database: str) -> None:
    async with running(database, Mailbox(), connections_per_network_max=2) as (_, http):
        where = http.base_url.host, http.base_url.port
        held = [await asyncio.open_connection(*where) for _ in range(2)]
        with pytest.raises(httpx.TransportError):
            await http.get("/jwks")
        for _, writer in held:
            writer.close()
        await until(lambda: _answers(http))


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/jwks")).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    "site", ["", "rialto.example", "http://rialto.example", "https://rialto.example/app"]
)
def test_a_site_that_browsers_give_no_passkeys_to_is_refused(site: str) -> None:
    with pytest.raises(SettingsError, match=r"accounts\.site"):
        relying_party(site, "Rialto")
