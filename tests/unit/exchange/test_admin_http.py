"""The API over a real socket: status codes, headers, bounds, TLS, and the client of the CLI."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.admin.client import AdminClient, RequestRefusedError
from exchange.admin.http import application
from exchange.admin.refusals import AdminCode
from exchange.admin.server import serve
from exchange.admin.signing import SignedRequest
from exchange.admin.tls import tls_context
from exchange.configuration import AdminApiTable
from exchange.errors import VenueAwayError
from exchange.operator_link import Outcome
from messages.layout import Record
from messages.trading import commands
from runtime.toml import SettingsError
from tests.unit.exchange.plane_desk import ELSEWHERE, REASON, VENUE, PlaneDesk, as_version_1
from tests.venue_support import until

BODY_BYTES_MAX = 4096
KILL = {"scope": "venue", "reason": REASON}
PHASE = {"instrument": "BTC-USD", "phase": "halted", "reason": REASON}
Returned = TypeVar("Returned")


class Served:
    """A plane behind its HTTP server, on a port of its own."""

    def __init__(self, desk: PlaneDesk, url: str, refused: list[str]) -> None:
        self.desk = desk
        self.url = url
        self.refused = refused

    def client(self, name: str) -> AdminClient:
        return AdminClient(self.url, self.desk.token(name), venue=VENUE)

    async def raw(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """Send bytes, and return status and body of the answer."""
        host, _, port = self.url.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def post(
        self, request: SignedRequest, *, body: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        data = request.body.encode() if body is None else body
        lines = [
            f"{request.method} {request.path} HTTP/1.1",
            "Host: localhost",
            f"Content-Length: {len(data)}",
            "Connection: close",
            f"Rialto-Operator: {request.operator}",
            *([f"Rialto-Venue: {request.venue}"] if request.venue else []),
            f"Rialto-Time: {request.time_ns}",
            f"Rialto-Nonce: {request.nonce}",
            f"Rialto-Signature: {request.signature}",
        ]
        return await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + data)


@asynccontextmanager
async def serving(desk: PlaneDesk, table: AdminApiTable, secrets: Path) -> AsyncIterator[Served]:
    refused: list[str] = []
    asgi = application(
        desk.plane,
        body_bytes_max=table.body_bytes_max,
        request_seconds_max=table.request_seconds_max,
        refused=refused.append,
    )
    stop, listening = asyncio.Event(), asyncio.Queue[dict[str, str]]()
    task = asyncio.create_task(
        serve(asgi, table, tls_context(table, secrets), stop, listening=listening.put_nowait)
    )
    addresses = await listening.get()
    try:
        yield Served(desk, addresses["admin"], refused)
    finally:
        stop.set()
        await task


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    desk = PlaneDesk(tmp_path)
    desk.now_ns = time.time_ns()
    desk.restarted()
    table = AdminApiTable(body_bytes_max=BODY_BYTES_MAX, request_seconds_max=20.0)
    async with serving(desk, table, tmp_path) as running:
        desk.now_ns = time.time_ns()
        yield running


async def aside(work: Callable[..., Returned], *arguments: Any) -> Returned:
    """Run what blocks beside the loop that serves it."""
    return await asyncio.to_thread(work, *arguments)


async def test_what_the_command_line_does_goes_over_the_wire(served: Served) -> None:
    ann, ben = served.client("ann"), served.client("ben")
    me = await aside(lambda: ann.get("/v1/me"))
    assert (me["name"], me["may"]["credit"], me["may"]["kill"]) == ("ann", "two", "one")
    killed = await aside(lambda: ann.act("kill", {"scope": "venue", "reason": REASON}))
    assert killed["said"] == "venue killed, 0 orders cancelled"
    body = {"account": "MM1", "asset": "USD", "amount": "5", "reference": "r", "reason": REASON}
    proposed = await aside(lambda: ann.act("credit", body))
    identity = proposed["proposal"]["id"]
    shown = await aside(lambda: ben.proposal(identity))
    assert shown["digest"] == proposed["digest"]
    done = await aside(lambda: ben.approve(identity, shown["digest"], "looked at it"))
    assert "it has 5.000000 USD" in done["said"]
    rows = await aside(lambda: ann.get("/v1/accounts"))
    assert {"account": "MM1", "balance": "5.000000 USD", "held": "0.000000 USD"} in rows
    entries = await aside(lambda: ann.get("/v1/record/5"))
    assert [row["entry"]["step"] for row in entries] == ["proposed", "approved", "done"]
    for path in ("sessions", "disputes", "operators", "definitions/accounts"):
        assert isinstance(await aside(ann.get, f"/v1/{path}"), list)
    assert served.refused == []


async def test_refusals_have_codes_and_the_command_line_their_exit_codes(served: Served) -> None:
    ann = served.client("ann")
    for action, fields, code, exit_code in (
        ("phase", {"instrument": "NO", "phase": "halted"}, AdminCode.IMPOSSIBLE, 64),
        ("phase", {"instrument": "BTC-USD"}, AdminCode.BODY_INVALID, 64),
        ("dance", {}, AdminCode.PATH_UNKNOWN, 64),
        ("release", {"account": "MM1", "reference": "none"}, 308, 1),
    ):
        body = {"reason": REASON} | fields
        with pytest.raises(RequestRefusedError) as refused:
            await aside(ann.act, action, body)
        assert (refused.value.code, refused.value.exit_code) == (code, exit_code)
    served.desk.venue.is_away = True
    with pytest.raises(RequestRefusedError) as refused:
        await aside(lambda: ann.act("kill", {"scope": "venue", "reason": REASON}))
    assert (refused.value.code, refused.value.exit_code) == (AdminCode.BUSY, 69)
    for path in ("/v1/nothing", "/", "/v1/record/x", "/v1/definitions/secrets"):
        with pytest.raises(RequestRefusedError) as refused:
            await aside(ann.get, path)
        assert refused.value.code == AdminCode.PATH_UNKNOWN, path
    nobody = AdminClient("http://127.0.0.1:1", served.desk.token("ann"), venue=VENUE)
    with pytest.raises(VenueAwayError):
        await aside(lambda: nobody.get("/"))


async def test_a_replayed_a_forged_and_an_unsigned_request_are_401(served: Served) -> None:
    text = msgspec.json.encode({"scope": "venue", "reason": REASON}).decode()
    path = "/v1/actions/kill"
    request = served.desk.signed_text("ann", path, text, now_ns=time.time_ns())
    assert (await served.post(request))[0] == 200
    for again in (
        request,
        msgspec.structs.replace(request, operator="ben"),
        msgspec.structs.replace(request, signature="f" * 128),
        msgspec.structs.replace(request, signature="short"),
        msgspec.structs.replace(request, nonce="Z" * 32),
        msgspec.structs.replace(request, path=path + "?more=1"),
    ):
        status, body = await served.post(again)
        assert status == 401
        assert body["code"] in (AdminCode.SIGNATURE_INVALID, AdminCode.REQUEST_REPEATED)
    unsigned = b"POST /v1/actions/kill HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    status, _ = await served.raw(unsigned + b"Content-Length: 2\r\n\r\n{}")
    assert status == 401
    status, _ = await served.raw(b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status == 401
    assert len(served.desk.venue.asked) == 1
    assert len(served.refused) == 8


async def test_a_request_for_another_venue_or_for_none_is_401(served: Served) -> None:
    desk, path = served.desk, "/v1/actions/kill"
    text, now_ns = msgspec.json.encode(KILL).decode(), time.time_ns()
    foreign = desk.signed_text("ann", path, text, venue=ELSEWHERE, now_ns=now_ns)
    status, answer = await served.post(foreign)
    assert (status, answer["code"], answer["name"]) == (401, 1111, "VENUE_FOREIGN")
    assert answer["said"] == f"signed for venue {ELSEWHERE}, and this is {VENUE}"
    unnamed = as_version_1(desk, desk.signed_text("ann", path, text, now_ns=now_ns))
    status, answer = await served.post(unnamed)
    assert (status, answer["code"], answer["name"]) == (401, 1110, "VENUE_NOT_SIGNED")
    assert "sign version 2" in answer["said"]
    for damaged in ("5A" * 16, "5a" * 15, VENUE + "0"):
        status, answer = await served.post(msgspec.structs.replace(foreign, venue=damaged))
        assert (status, answer["code"]) == (401, AdminCode.SIGNATURE_INVALID), damaged
    elsewhere = AdminClient(served.url, desk.token("ann"), venue=ELSEWHERE)
    with pytest.raises(RequestRefusedError) as refused:
        await aside(lambda: elsewhere.act("kill", KILL))
    assert (refused.value.code, refused.value.exit_code) == (AdminCode.VENUE_FOREIGN, 1)
    assert desk.venue.asked == []


async def test_what_is_too_large_or_no_text_is_refused(served: Served) -> None:
    path = "/v1/actions/kill"
    now_ns = time.time_ns()
    largest = served.desk.signed_text("ann", path, "x" * BODY_BYTES_MAX, now_ns=now_ns)
    status, body = await served.post(largest)
    assert (status, body["code"]) == (400, AdminCode.BODY_INVALID), "as large as may be: it is read"
    larger = served.desk.signed_text("ann", path, "x" * (BODY_BYTES_MAX + 1), now_ns=now_ns)
    status, body = await served.post(larger)
    assert (status, body["code"]) == (413, AdminCode.BODY_INVALID)
    status, body = await served.post(largest, body=b"\xff\xfe")
    assert (status, body["code"]) == (400, AdminCode.BODY_INVALID)
    status, body = await served.post(msgspec.structs.replace(largest, method="PUT"))
    assert (status, body["code"]) == (405, AdminCode.PATH_UNKNOWN)
    assert served.desk.venue.asked == []


async def test_a_body_that_does_not_come_is_waited_for_so_long_only(tmp_path: Path) -> None:
    table = AdminApiTable(request_seconds_max=0.2)
    async with serving(PlaneDesk(tmp_path), table, tmp_path) as served:
        head = b"POST /v1/actions/kill HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        status, body = await served.raw(head + b"Content-Length: 100\r\n\r\n{")
    assert (status, body["code"]) == (503, AdminCode.BUSY)


def test_a_network_is_served_with_tls_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="loopback addresses only"):
        tls_context(AdminApiTable(host="0.0.0.0"), tmp_path)  # noqa: S104  # what is refused
    with pytest.raises(SettingsError, match="go together"):
        tls_context(AdminApiTable(certificate_file="a.pem"), tmp_path)
    with pytest.raises(SettingsError, match="No such file"):
        tls_context(AdminApiTable(certificate_file="a.pem", key_file="b.pem"), tmp_path)


async def test_over_tls_the_client_knows_whom_it_talks_to(tmp_path: Path) -> None:
    certificate = _certificate(tmp_path)
    desk = PlaneDesk(tmp_path)
    desk.now_ns = time.time_ns()
    desk.restarted()
    table = AdminApiTable(certificate_file="certificate.pem", key_file="key.pem")
    async with serving(desk, table, tmp_path) as served:
        desk.now_ns = time.time_ns()
        token = desk.token("ann")
        trusting = AdminClient(served.url, token, venue=VENUE, trust=certificate)
        assert (await aside(lambda: trusting.get("/v1/me")))["name"] == "ann"
        with pytest.raises(VenueAwayError, match="CERTIFICATE_VERIFY_FAILED"):
            await aside(lambda: AdminClient(served.url, token, venue=VENUE).get("/v1/me"))


# --- connections ---

HALF = (
    b"",
    b"GET /v1/me HT",
    b"POST /v1/actions/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
)


@asynccontextmanager
async def held(url: str, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Hold connections that keep the server waiting."""
    host, _, port = url.rpartition("/")[2].partition(":")
    opened = []
    for number in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HALF[number % len(HALF)])
        opened.append((reader, writer))
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


@pytest.mark.parametrize("count", [7, 8, 30])
async def test_whoever_says_nothing_makes_room_for_a_kill(tmp_path: Path, count: int) -> None:
    desk = PlaneDesk(tmp_path)
    table = AdminApiTable(connections_max=8, request_seconds_max=60.0)
    async with serving(desk, table, tmp_path) as served, held(served.url, count) as readers:
        status, body = await served.post(desk.signed("ann", "/v1/actions/kill", KILL))
        assert (status, body["said"]) == (200, "venue killed, 0 orders cancelled")
        cut = max(0, count + 1 - 8)
        for reader in readers[:cut]:  # the oldest went, and no others
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        assert not any(reader.at_eof() for reader in readers[cut:])


async def test_a_kill_is_served_while_every_connection_has_a_request_in_hand(
    tmp_path: Path,
) -> None:
    desk = PlaneDesk(tmp_path)
    gate = asyncio.Event()
    ask, waiting = desk.venue.ask, 0

    async def slow(command: commands.Command, outcome: Outcome) -> Record:
        nonlocal waiting
        if isinstance(command, commands.ChangePhase):
            waiting += 1
            await gate.wait()
        return await ask(command, outcome)

    desk.venue.ask = slow  # type: ignore[method-assign]
    table = AdminApiTable(connections_max=4, request_seconds_max=60.0)
    async with serving(desk, table, tmp_path) as served, asyncio.TaskGroup() as group:
        acting = [
            group.create_task(served.post(desk.signed("ann", "/v1/actions/phase", PHASE)))
            for _ in range(4)
        ]
        await until(lambda: waiting == 1)
        async with held(served.url, 9):
            status, _ = await served.post(desk.signed("ben", "/v1/actions/kill", KILL))
            assert status == 200
        assert not any(task.done() for task in acting)
        gate.set()
    assert [task.result()[0] for task in acting] == [200] * 4


async def test_a_connection_has_a_time_to_say_something(tmp_path: Path) -> None:
    desk = PlaneDesk(tmp_path)
    table = AdminApiTable(request_seconds_max=0.2)
    async with serving(desk, table, tmp_path) as served, held(served.url, 2) as readers:
        for reader in readers:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""


def _certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (directory / "key.pem").write_bytes(private)
    return path
