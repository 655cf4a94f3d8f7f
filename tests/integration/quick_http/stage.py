"""A server that says what it was asked, clients of bytes, and a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime import quick_server
from runtime.quick_http import HttpAnswer, HttpRequest, QuickBounds

PATIENCE_SECONDS = 60
BOUNDS = QuickBounds(
    connections_max=100,
    connections_per_network_max=100,
    exchange_seconds_max=300,
    handshake_seconds_max=300,
    header_bytes_max=1000,
    body_bytes_max=100,
    stop_seconds_max=60,
)


@dataclass
class Stage:
    """The server, and a gate before its answers."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    answered: list[str] = field(default_factory=list)
    asked: int = 0

    async def is_asked(self, count: int) -> None:
        """Wait until there were so many requests."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.asked < count:  # noqa: ASYNC110  # it is asked, not told
                await asyncio.sleep(0.001)

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """Say what was asked; ``/gated`` once the gate is open, and ``/fault`` never."""
        self.asked += 1
        if request.path == "/fault":
            raise RuntimeError("a fault of the answerer")
        if request.path == "/gated":
            await self.gate.wait()
        self.answered.append(request.path)
        said = {
            "method": request.method,
            "path": request.path,
            "query": request.query.decode(),
            "body": request.body.decode(),
            "body_bytes": request.body_bytes,
            "names": sorted(name.decode() for name in request.headers),
        }
        return HttpAnswer(200, b"x-test: yes\r\n", msgspec.json.encode(said))


class Client:
    """Says bytes, and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    def says_no_more(self) -> None:
        """Close this direction."""
        self._writer.write_eof()

    async def hears(self, *, has_body: bool = True) -> tuple[int, dict[str, str], Any]:
        """Return an answer: status, headers, and what its body says."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            size = int(headers.get("content-length", 0)) if has_body else 0
            body = await self._reader.readexactly(size)
        return int(first.split()[1]), headers, msgspec.json.decode(body) if body else None

    async def is_left(self) -> bool:
        """Wait until the server has closed, and say whether it said nothing more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def ends(self) -> None:
        """Wait until the server has closed, whatever it says before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                await self._reader.read()

    def leave(self) -> None:
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def staged(
    bounds: QuickBounds = BOUNDS, context: ssl.SSLContext | None = None
) -> AsyncIterator[Stage]:
    """Have a server for the block."""
    stage, addresses = Stage(), asyncio.Queue[str]()
    serving = asyncio.create_task(
        quick_server.serve(
            stage.answer,
            ("127.0.0.1", 0),
            bounds,
            context,
            stage.stop,
            table="[test]",
            listening=addresses.put_nowait,
        )
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            stage.port = int((await addresses.get()).rpartition(":")[2])
        yield stage
    finally:
        stage.gate.set()
        stage.stop.set()
        await serving


@contextlib.asynccontextmanager
async def client(stage: Stage, trust: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """Connect for the block."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=trust)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate; return the server's context, and one that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "both.pem").write_bytes(private + pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "both.pem")
    return served, ssl.create_default_context(cadata=pem.decode())
