"""TLS 1.3 for the public port, and whose certificate a client has shown."""

import asyncio
import ipaddress
import ssl
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from runtime.toml import SettingsError


def check_plain_host(host: str) -> None:
    """Let plain TCP be served on loopback only.

    Raises:
        SettingsError: another address is asked for.
    """
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"config/venue.toml: [fix_guard] host {host}: plain FIX is served on loopback "
            "addresses only; a network is served by tls_host with certificate_file and key_file"
        )


def server_context(
    certificate_file: Path | None, key_file: Path | None, *, trusted_pem: str
) -> ssl.SSLContext:
    """Make the context of one TLS port.

    A client is asked for its certificate and need not have one: which session must is known only
    after its Logon. What it shows has to be trusted by some session, or the handshake fails.

    Args:
        certificate_file: PEM, the venue's certificate with its chain.
        key_file: PEM, its key.
        trusted_pem: the certificates of all sessions that ask for one; may be empty.

    Raises:
        SettingsError: a file is missing, or is not what it should be.
    """
    if certificate_file is None or key_file is None:
        raise SettingsError(
            "config/venue.toml: [fix_guard] tls_host needs certificate_file and key_file"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"config/venue.toml: [fix_guard] {certificate_file}, {key_file}: {error}"
        ) from error
    if trusted_pem:
        context.verify_mode = ssl.CERT_OPTIONAL
        # A pinned certificate is trusted by itself, whoever issued it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=trusted_pem)
    return context


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates that open one session.

    Raises:
        SettingsError: there are none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error


def is_shown(der: bytes | None, accepted: tuple[x509.Certificate, ...]) -> bool:
    """Say whether a peer's certificate is one of those accepted, or issued by one of them.

    Args:
        der: as OpenSSL verified it; None when the peer showed none.
        accepted: the session's.
    """
    if der is None:
        return False
    shown = x509.load_der_x509_certificate(der)
    return any(shown == each or _is_issued_by(shown, each) for each in accepted)


def _is_issued_by(shown: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        shown.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def has_shown(transport: asyncio.BaseTransport, trusted: tuple[x509.Certificate, ...]) -> bool:
    """Say whether a client has shown a certificate that opens its session."""
    over = transport.get_extra_info("ssl_object")
    return is_shown(over.getpeercert(binary_form=True) if over is not None else None, trusted)


class EarlyBytes(asyncio.Protocol):
    """Keeps what a client sends before TLS begins with it.

    A loop reads once a connection is made, paused or not, and of a client that connected while
    the loop was busy the first message is there by then. Taken for anything else than the
    handshake's beginning it would leave the client waiting until its time is over.
    """

    def __init__(self, client: asyncio.Protocol) -> None:
        self.data = b""
        self._client = client

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whose connection it was."""
        self._client.connection_lost(exc)


async def begin_tls(
    transport: asyncio.Transport,
    client: asyncio.Protocol,
    context: ssl.SSLContext,
    early: EarlyBytes,
    *,
    handshake_seconds: float,
    shutdown_seconds: float,
) -> asyncio.Transport | None:
    """Agree on TLS with a client, from the first byte that it sent.

    Returns:
        The transport to go on with; None when the client hung up as the handshake ended.

    Raises:
        OSError: they did not agree in time.
    """
    starting = asyncio.ensure_future(
        asyncio.get_running_loop().start_tls(
            transport,
            client,
            context,
            server_side=True,
            ssl_handshake_timeout=handshake_seconds,
            ssl_shutdown_timeout=shutdown_seconds,
        )
    )
    try:
        await asyncio.sleep(0)  # the transport is TLS's now, and nothing was read of it yet
        _hand_over(early.data, cast(asyncio.BufferedProtocol, transport.get_protocol()))
        return await starting
    finally:
        starting.cancel()


def _hand_over(data: bytes, taker: asyncio.BufferedProtocol) -> None:
    rest = memoryview(data)
    while rest:
        room = memoryview(taker.get_buffer(len(rest)))
        count = min(len(room), len(rest))
        room[:count] = rest[:count]
        taker.buffer_updated(count)
        rest = rest[count:]
