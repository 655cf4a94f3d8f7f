"""What the gateway needs of the core."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from runtime.link import LinkError, LinkLost, LinkRefused
from runtime.link_frames import Answer, ByeCode, EventBatch, Refusal, Welcome

RefusalHandler = Callable[[Sequence[Refusal]], None]


class CommandLink(Protocol):
    """A live link to the core, as ``runtime.link.Link`` is one."""

    welcome: Welcome

    def send(self, commands: bytes) -> bool:
        """Send whole records; False when too much waits already. Raises ``LinkError``."""
        ...

    def events(self, after: int) -> AsyncIterator[EventBatch]:
        """Yield history after an event, then live batches. Raises ``LinkError``."""
        ...

    async def query(self, what: str, *numbers: int) -> Answer:
        """Ask the core. Raises ``LinkError``."""
        ...

    async def wait_lost(self) -> LinkError:
        """Wait until the link ends, and say why."""
        ...

    async def close(self) -> None:
        """Say goodbye; harmless when repeated."""
        ...


LinkFactory = Callable[[RefusalHandler], Awaitable[CommandLink]]
"""Connects once, or raises ``LinkError``; handed the callback for unsequenced commands."""

_TRANSIENT = frozenset({ByeCode.STOPPING, ByeCode.TOO_SLOW, ByeCode.TOO_MANY_CONNECTIONS})


def is_transient(error: LinkError) -> bool:
    """Say whether connecting again may help."""
    if isinstance(error, LinkRefused):
        return error.code in _TRANSIENT
    return isinstance(error, LinkLost)
