"""TLS 1.3 for the HTTP APIs wherever they are served beyond this machine."""

import ipaddress
import ssl
from pathlib import Path

from exchange.configuration import AccountsTable, AdminApiTable
from retail_gateway.settings import RetailApiTable
from retail_gateway.streams.settings import StreamsTable
from runtime.toml import SettingsError

_WHERE = "config/venue.toml: [admin_api]"


def tls_context(
    table: AdminApiTable | AccountsTable | StreamsTable | RetailApiTable,
    secrets: Path,
    *,
    where: str = _WHERE,
) -> ssl.SSLContext | None:
    """Return the context that an API is served with; None for plain HTTP on loopback.

    Raises:
        SettingsError: a network would be served without TLS, or a file is not what it should be.
    """
    if not table.certificate_file and not table.key_file:
        _check_loopback(table.host, where)
        return None
    if not table.certificate_file or not table.key_file:
        raise SettingsError(f"{where} certificate_file and key_file go together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    files = secrets / table.certificate_file, secrets / table.key_file
    try:
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{where} {files[0]}, {files[1]}: {error}") from error
    return context


def _check_loopback(host: str, where: str) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"{where} host {host}: plain HTTP is served on loopback addresses only; a network "
            "needs certificate_file and key_file"
        )
