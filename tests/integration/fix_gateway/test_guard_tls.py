"""TLS before the guard: 1.3 only, certificates of sessions that ask for one, networks of sessions.

The guard runs in this process, without a gateway: what it lets through ends with "not available".
"""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry

from exchange.demo.logon_proof import read_key
from fix_gateway.guard.service import Guard
from fix_gateway.guard.settings import GuardSettings, Limits
from fix_gateway.settings import Doors
from runtime.toml import SettingsError
from tests.integration.fix_gateway.fix_client import FixClient

NOW = dt.datetime.now(dt.UTC)
SESSION = """
id = {id}
kind = "order_entry"
sender_comp_id = "{name}"
{more}
[firm]
id = 1
name = "F1"
[[account]]
id = {id}
name = "A{id}"
owner_group = 1
[account.limits]
open_orders_max = 1
"""
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, *, by: Pair | None = None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(by[1] if by else key, hashes.SHA256())
    )
    return made, key


def write(directory: Path, name: str, pair: Pair) -> tuple[Path, Path]:
    pem, key = directory / f"{name}.pem", directory / f"{name}.key"
    pem.write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        pair[1].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key


class Stage:
    """Where everything is, and the guard's ports."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sessions = directory / "sessions"
        self.sessions.mkdir()
        self.addresses: dict[str, str] = {}
        self.guard: Guard
        self.registry = CollectorRegistry()
        self.authority, self.stranger = issue("authority"), issue("stranger")
        self.venue = write(directory, "venue", issue("venue"))
        self.client = write(directory, "client", issue("client", by=self.authority))
        self.other = write(directory, "other", issue("other", by=self.stranger))
        self.pinned = write(directory, "pinned", issue("pinned"))
        write(self.sessions, "authority", self.authority)
        pem = self.pinned[0].read_bytes()
        (self.sessions / "pins.pem").write_bytes(pem)
        for number, (name, more) in enumerate(
            {
                "OPEN": "",
                "ISSUED": 'client_certificate_file = "authority.pem"',
                "PINNED": 'client_certificate_file = "pins.pem"',
                "AWAY": 'addresses = ["10.0.0.0/8"]',
            }.items(),
            1,
        ):
            text = SESSION.format(id=number, name=name, more=more)
            (self.sessions / f"{name}.toml").write_text(text)

    def settings(self, **changes: object) -> GuardSettings:
        values: dict[str, object] = {
            "comp_id": "RIALTO",
            "host": "127.0.0.1",
            "port": 0,
            "tls_host": "127.0.0.1",
            "certificate_file": self.venue[0],
            "key_file": self.venue[1],
            "doors": Doors(
                fix=self.directory / "f",
                control=self.directory / "c",
                credential=self.directory / "k",
            ),
            "market_data_doors": Doors(
                fix=self.directory / "mf",
                control=self.directory / "mc",
                credential=self.directory / "mk",
            ),
            "sessions": self.sessions,
            "keys": self.directory / "keys",
            "limits": Limits(logon_seconds=2.0),
        }
        return GuardSettings(**(values | changes))  # type: ignore[arg-type]

    async def log_on(
        self,
        name: str,
        pair: tuple[Path, Path] | None = None,
        *,
        is_tls: bool = True,
        latest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> str:
        """Log on, and return the Text of the answer."""
        context: ssl.SSLContext | None = None
        if is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = latest
            if pair is not None:
                context.load_cert_chain(*pair)
        host, _, port = self.addresses["fixs" if is_tls else "fix"].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        key = read_key(self.directory / "keys" / f"{name}.json")
        client = FixClient(sender=name, target="RIALTO", key=key)
        writer.write(client.encoded("A", [(98, 0), (108, 30)], number=1))
        try:
            said = (await asyncio.wait_for(reader.read(), 5)).decode()
        finally:
            writer.close()
        fields = dict(field.split("=", 1) for field in said.split("\x01") if field)
        return fields.get("58", "")


AWAY = "the venue is not available, try again"
NEEDS = "the session needs its client certificate"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with guarded(tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def guarded(tmp_path: Path, **changes: object) -> AsyncIterator[Stage]:
    made, stop, ready = Stage(tmp_path), asyncio.Event(), asyncio.Event()

    def listening(addresses: dict[str, str]) -> None:
        made.addresses = addresses
        ready.set()

    guard = made.guard = Guard(made.settings(**changes), made.registry)
    running = asyncio.create_task(guard.run(stop, listening=listening))
    await asyncio.wait_for(ready.wait(), 10)
    assert guard.health()["healthy"]
    yield made
    stop.set()
    await running


async def test_a_session_without_a_certificate_comes_over_tls_or_loopback(stage: Stage) -> None:
    assert await stage.log_on("OPEN") == AWAY
    assert await stage.log_on("OPEN", is_tls=False) == AWAY


async def test_a_session_shows_the_certificate_that_it_asks_for(stage: Stage) -> None:
    assert await stage.log_on("ISSUED", stage.client) == AWAY
    assert await stage.log_on("PINNED", stage.pinned) == AWAY
    assert await stage.log_on("ISSUED") == NEEDS
    assert await stage.log_on("ISSUED", is_tls=False) == NEEDS
    assert await stage.log_on("ISSUED", stage.pinned) == NEEDS, "another session's"
    assert await stage.log_on("PINNED", stage.client) == NEEDS


async def test_a_certificate_that_nobody_asks_for_ends_the_handshake(stage: Stage) -> None:
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert await stage.log_on("ISSUED", stage.other) == "", "nothing is said to it"


async def test_older_tls_is_refused(stage: Stage) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await stage.log_on("OPEN", latest=ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_connects_while_the_guard_is_busy_is_served(
    tmp_path: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def connect_to_busy() -> None:
        async with guarded(tmp_path, limits=Limits(logon_seconds=600)) as stage:
            host, _, port = stage.addresses["fixs"].rpartition(":")
            is_sent = threading.Event()
            loop = asyncio.get_running_loop()
            handshake = loop.run_in_executor(None, shake_hands, host, int(port), is_sent)
            assert is_sent.wait(30), "until then nothing else runs in the guard's loop"
            assert await asyncio.wait_for(handshake, 60) == "TLSv1.3"

    run(connect_to_busy())


def shake_hands(host: str, port: int, is_sent: threading.Event) -> str | None:
    """Agree on TLS, and say when the first message lies at the other end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection((host, port), timeout=30) as plain:
        while True:
            try:
                tls.do_handshake()
                return tls.version()
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                is_sent.set()
                more = plain.recv(65_536)
                assert more, "the guard hung up"
                incoming.write(more)


async def test_a_sessions_networks_are_its_own(stage: Stage) -> None:
    assert await stage.log_on("AWAY") == "the session may not log on from here"


async def test_plain_bytes_on_the_tls_port_are_cut_off(stage: Stage) -> None:
    host, _, port = stage.addresses["fixs"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"8=FIX.4.4\x019=5\x0135=A\x01")
    try:
        assert b"8=" not in await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert await stage.log_on("OPEN") == AWAY


async def test_who_goes_away_in_the_middle_of_a_handshake_harms_nobody(stage: Stage) -> None:
    host, _, port = stage.addresses["fixs"].rpartition(":")
    for number in range(100):
        line = socket.create_connection((host, int(port)))
        line.sendall(b"\x16\x03\x01" * (number % 3))
        if number % 2:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        line.close()
        await asyncio.sleep(0)
    await asyncio.sleep(0.5)
    assert stage.guard.health() == {"healthy": True, "connections": 0, "live": 0}
    assert stage.registry.get_sample_value("fix_guard_cut_total", {"reason": "defect"}) is None
    assert await stage.log_on("OPEN") == AWAY


async def test_a_new_session_file_is_taken_up(stage: Stage) -> None:
    text = SESSION.format(id=9, name="LATE", more="")
    (stage.sessions / "LATE.toml").write_text(text)
    ring = stage.directory / "keys" / "LATE.json"
    said = ""
    for _ in range(200):
        await asyncio.sleep(0.05)
        said = await stage.log_on("LATE") if ring.exists() else ""
        if said not in ("", "logon refused"):
            break
    assert said == AWAY


@pytest.mark.parametrize("host", ["192.0.2.2", "::", "192.0.2.1", "localhost.example"])
async def test_plain_fix_is_not_served_to_a_network(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="loopback") as caught:
        Guard(Stage(tmp_path).settings(host=host), CollectorRegistry())
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("file", [None, Path("none.pem")])
async def test_a_certificate_that_is_not_there_is_told(tmp_path: Path, file: Path | None) -> None:
    guard = Guard(Stage(tmp_path).settings(certificate_file=file), CollectorRegistry())
    with pytest.raises(SettingsError, match=r"fix_guard\] (tls_host needs|none\.pem)"):
        await guard.run(asyncio.Event())


async def test_a_port_in_use_is_told_by_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        guard = Guard(Stage(tmp_path).settings(port=port), CollectorRegistry())
        with pytest.raises(SettingsError, match=rf"fix_guard\] port {port} on 127\.0\.0\.1"):
            await guard.run(asyncio.Event())
