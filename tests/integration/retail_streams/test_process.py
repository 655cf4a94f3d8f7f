"""The streams as processes of a venue: wrongly set, over TLS, and several on one port."""

import asyncio
import datetime as dt
import ipaddress
import json
import socket
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from websockets.asyncio.client import connect

from exchange.bootstrap import process_main
from exchange.children import COPIES, SWITCHED_OFF, copies, kind_of
from exchange.commands.up import _supervisor
from exchange.configuration import Configuration, read_configuration
from exchange.places import Places
from exchange.state import State
from exchange.streams_settings import streams_context
from messages.market_data import Delivery
from retail_gateway.streams.settings import Limits
from runtime.toml import SettingsError
from tests.integration.retail_streams.raw import REQUEST
from tests.integration.retail_streams.stage import (
    PATIENCE_SECONDS,
    FakeMarketData,
    heard,
    stage,
    until,
)

ROOT = Path(__file__).resolve().parents[3]


def configured(tmp_path: Path, *changes: tuple[str, str]) -> Configuration:
    config = tmp_path / "config"
    config.mkdir()
    for path in (ROOT / "config").glob("*.toml"):
        text = path.read_text()
        if path.name == "venue.toml":
            head, mark, tables = text.partition("[market_data]")
            for old, new in changes:
                assert old in tables
                tables = tables.replace(old, new, 1)
            text = head + mark + tables
        (config / path.name).write_text(text)
    return read_configuration(config)


async def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('host = "127.0.0.1"', 'host = "0.0.0.0"', "retail_streams.*needs certificate_file"),
        ('certificate_file = ""', 'certificate_file = "x"', "retail_streams.*go together"),
        ("port = 9443\nprocesses = 1", "port = 0\nprocesses = 2", "they share a port"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    configuration = configured(tmp_path, (old, new))
    with pytest.raises(SettingsError, match=said):
        streams_context(configuration, State(tmp_path / "state"))


LIMITS = "[retail_streams.limits]\n"


@pytest.mark.parametrize(
    "change", [("processes = 1", "processes = 9"), (LIMITS, f"{LIMITS}other = 1\n")]
)
def test_what_is_out_of_bounds_or_unknown_is_refused(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    with pytest.raises(SettingsError, match="retail_streams"):
        configured(tmp_path, change)


@pytest.mark.parametrize(("is_on", "count"), [(True, 3), (True, 1), (False, 3)])
async def test_as_many_processes_run_as_are_asked_for(
    tmp_path: Path, is_on: bool, count: int
) -> None:
    configuration = configured(tmp_path, ("processes = 1", f"processes = {count}"))
    table = configuration.venue.retail_streams
    venue = replace(configuration.venue, retail_streams=replace(table, enabled=is_on))
    configuration = replace(configuration, venue=venue)
    state = State(tmp_path / "state")
    state.prepare()
    supervisor = _supervisor(state, configuration, [], nothing)
    names = [child.name for child in supervisor._others if "streams" in child.name]
    assert names == (copies("retail_streams", count) if is_on else [])
    assert supervisor.troubles.get("retail_streams") == (None if is_on else SWITCHED_OFF)


def test_each_copy_is_of_one_kind() -> None:
    assert {kind_of(name) for name in COPIES} == {"retail_streams"}
    assert kind_of("core") == "core"
    assert kind_of("core_2") == "core_2"


@asynccontextmanager
async def running(configuration: Configuration, places: Places, name: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    process = process_main(name)
    task = asyncio.ensure_future(process(configuration, places, stop))
    try:
        await until(lambda: places.state.page(name) is not None or task.done())
        yield
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await task == 0


async def test_processes_share_a_port_and_the_kernel_spreads_the_readers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as reserved:
        port = reserved.getsockname()[1]
        market = FakeMarketData()
        await market.listen()
        configuration = configured(
            tmp_path,
            ('address = ""', f'address = "tcp:127.0.0.1:{market.port}"'),
            ("port = 9443\nprocesses = 1", f"port = {port}\nprocesses = 2"),
        )
        state = State(tmp_path / "state")
        state.prepare()
        places = Places(state=state, config=tmp_path / "config", sessions=ROOT / "sessions")
        reserved.close()  # it would be given connections, too
        async with (
            running(configuration, places, "retail_streams"),
            running(configuration, places, "retail_streams_2"),
        ):
            await until(lambda: market.connections == 2)
            pages = [state.page(name) for name in copies("retail_streams", 2)]
            assert [page.addresses for page in pages if page is not None] == [
                {"streams": f"ws://127.0.0.1:{port}"}
            ] * 2
            await _spread(state, f"ws://127.0.0.1:{port}/ws/btcusd@trade", market)
        await market.close()


async def _spread(state: State, url: str, market: FakeMarketData) -> None:
    """See that forty readers get what is published, and neither process has them all."""
    readers = [await connect(url, compression=None) for _ in range(40)]
    market.publish(Delivery.EVERY, "btcusd@trade", {"t": 1})
    for reader in readers:
        assert await heard(reader) == {"t": 1}
    counts = [await asyncio.to_thread(_connections, state, name) for name in NAMES]
    assert sum(counts) == 40
    assert min(counts) > 0
    for reader in readers:
        await reader.close()


NAMES = copies("retail_streams", 2)


def _connections(state: State, name: str) -> int:
    page = state.page(name)
    assert page is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{page.metrics_port}/health") as answer:
        return int(json.loads(answer.read())["connections"])


async def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    served, trusted = _contexts(tmp_path)
    async with (
        stage(context=served) as shown,
        shown.connect("/ws/btcusd@trade", ssl=trusted) as reader,
    ):
        assert shown.url.startswith("wss://")
        for number in range(50):
            trade = {"t": number, "x": "x" * 3000}
            shown.market.publish(Delivery.EVERY, "btcusd@trade", trade)
            assert await heard(reader) == trade
        plain_reader, plain_writer = await asyncio.open_connection("127.0.0.1", shown.port)
        plain_writer.write(b"GET /ws HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert b"HTTP" not in await _until_end(plain_reader)
        plain_writer.close()


async def test_who_does_not_finish_tls_takes_no_room_and_no_time(tmp_path: Path) -> None:
    served, trusted = _contexts(tmp_path)
    limits = Limits(handshakes_per_address_max=4, handshake_seconds=600)
    async with stage(limits, context=served) as shown:
        silent = [await asyncio.open_connection("127.0.0.1", shown.port) for _ in range(4)]
        async with shown.connect("/ws/btcusd@trade", ssl=trusted) as reader:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await _until_end(silent[0][0]) == b""
            assert shown.count("refused_total", reason="handshakes") == 1
            shown.market.publish(Delivery.EVERY, "btcusd@trade", {"t": 1})
            assert await heard(reader) == {"t": 1}
        for _, writer in silent:
            writer.close()


async def test_tls_has_to_be_agreed_on_in_time(tmp_path: Path) -> None:
    served, _ = _contexts(tmp_path)
    async with stage(Limits(handshake_seconds=0.2), context=served) as shown:
        reader, writer = await asyncio.open_connection("127.0.0.1", shown.port)
        writer.write(b"\x16\x03\x01")  # the beginning of a ClientHello
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await _until_end(reader) == b""
        writer.close()


async def test_what_comes_with_the_end_of_tls_is_not_lost(tmp_path: Path) -> None:
    served, trusted = _contexts(tmp_path)
    async with stage(context=served) as shown:
        for _ in range(20):
            said = await asyncio.to_thread(_hasty, shown.port, trusted)
            assert said.startswith(b"HTTP/1.1 101 "), said


def _hasty(port: int, trusted: ssl.SSLContext) -> bytes:
    """Send the request in the same piece as the last of the handshake; return the answer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusted.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as plain:

        def done(step: Callable[[], Any]) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    more = plain.recv(65_536)
                    assert more, "the server hung up"
                    incoming.write(more)

        done(tls.do_handshake)
        tls.write(REQUEST.format(path="/ws").encode())
        return bytes(done(lambda: tls.read(65_536)))


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionError:
        return b""


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return served, ssl.create_default_context(cadata=pem.decode())
