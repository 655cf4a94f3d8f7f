"""The guard's public ports."""

import asyncio
from collections.abc import Callable
from functools import partial

from fix_gateway.guard.settings import GuardSettings
from runtime.toml import SettingsError

_BACKLOG = 256


async def listen(
    settings: GuardSettings, connection: Callable[..., asyncio.Protocol]
) -> tuple[list[asyncio.Server], dict[str, str]]:
    """Listen on plain TCP, and on TLS where an address is given.

    Args:
        settings: where.
        connection: makes a client's end; ``is_tls`` says whether it begins with a handshake.

    Returns:
        The servers, and the addresses: ``fix`` and, where TLS is served, ``fixs``.

    Raises:
        SettingsError: a port cannot be used.
    """
    loop = asyncio.get_running_loop()
    servers, addresses = [], {}
    places = [("fix", settings.host, settings.port)]
    if settings.tls_host:
        places.append(("fixs", settings.tls_host, settings.tls_port))
    for name, host, port in places:
        made = partial(connection, is_tls=name == "fixs")
        try:
            server = await loop.create_server(
                made, host, port, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise SettingsError(
                f"config/venue.toml: [fix_guard] port {port} on {host}: {error.strerror}"
            ) from error
        servers.append(server)
        addresses[name] = f"{host}:{server.sockets[0].getsockname()[1]}"
    return servers, addresses
