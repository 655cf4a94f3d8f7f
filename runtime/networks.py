"""What one client can have at will, by its address: what to count by when clients are bounded."""

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

_REMEMBERED_MAX: Final = 4096


@lru_cache(_REMEMBERED_MAX)
def network_of(address: str) -> str:
    """Return an IPv4 address as it is, and of an IPv6 address its network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address  # a Unix socket, or a proxy that does not say
    if isinstance(parsed, IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
