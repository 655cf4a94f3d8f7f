"""The dialects that the gateway speaks: their names, versions and dictionaries."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DialectName = Literal["FIX.4.4", "FIX.5.0SP2"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect; which one a session speaks is in its file under ``sessions/``."""

    name: DialectName
    begin_string: str
    """BeginString (8) of every message."""
    version: str
    """DefaultApplVerID (1137) of the Logon; empty before FIXT."""
    transport: str
    """Name of the dictionary of the session layer."""
    application: str
    """Name of the dictionary of requests and answers; before FIXT the same one."""

    @property
    def dictionaries(self) -> tuple[str, ...]:
        """Its dictionaries by name, each once."""
        return tuple(dict.fromkeys((self.transport, self.application)))


FIX_44 = Dialect("FIX.4.4", "FIX.4.4", "", "RIALTO44", "RIALTO44")
FIX_50_SP2 = Dialect("FIX.5.0SP2", "FIXT.1.1", "9", "RIALTOT11", "RIALTO50SP2")

DIALECTS: MappingProxyType[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (FIX_44, FIX_50_SP2)}
)
"""By name, in the order of the description's presences."""

MARKET_DATA_TYPES = frozenset("VWXYxyefgh")
"""MsgTypes (35) of market-data sessions alone, of which QuickFIX knows nothing."""
