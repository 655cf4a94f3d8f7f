"""TLS 1.3 for the operators' API wherever it is served beyond this machine."""

import ipaddress
import ssl
from pathlib import Path

from exchange.configuration import AdminApiTable
from runtime.toml import SettingsError

_WHERE = "config/venue.toml: [admin_api]"


def tls_context(table: AdminApiTable, secrets: Path) -> ssl.SSLContext | None:
    """Return the context that the API is served with; None for plain HTTP on loopback.

    Raises:
        SettingsError: a network would be served without TLS, or a file is not what it should be.
    """
    if not table.certificate_file and not table.key_file:
        _check_loopback(table.host)
        return None
    if not table.certificate_file or not table.key_file:
        raise SettingsError(f"{_WHERE} certificate_file and key_file go together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    files = secrets / table.certificate_file, secrets / table.key_file
    try:
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{_WHERE} {files[0]}, {files[1]}: {error}") from error
    return context


def _check_loopback(host: str) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingsError(
            f"{_WHERE} host {host}: plain HTTP is served on loopback addresses only; a network "
            "needs certificate_file and key_file"
        )
