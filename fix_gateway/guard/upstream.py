"""The guard's end of a connection to QuickFIX, and its word to the gateway beside it."""

import asyncio
import socket
from pathlib import Path
from typing import Literal, Protocol, cast

import msgspec

from fix_gateway.more_doors import door_of
from fix_gateway.settings import Doors

CONTROL_SECONDS_MAX = 5.0
CONTROL_BYTES_MAX = 4096
_KERNEL_BYTES = 65_536


class Farewell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the guard asks of the gateway: log this session out, and tell it why."""

    credential: str
    session: str
    text: str


class Follow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the guard asks of the gateway: answer questions about messages on this connection."""

    credential: str
    follow: Literal["answers"]


class Downstream(Protocol):
    """The client's end, as QuickFIX's end sees it."""

    def from_upstream(self, data: bytes) -> None:
        """Take bytes of QuickFIX's."""
        ...

    def upstream_lost(self) -> None:
        """Take note that QuickFIX hung up."""
        ...

    def upstream_is_full(self, *, is_full: bool) -> None:
        """Take note of whether QuickFIX takes what is written."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """QuickFIX's end of one client's connection.

    It is read and written by two transports: QuickFIX may say why it ends a session and hang up
    while we write, and a transport whose writing fails reads nothing more.
    """

    def __init__(self, client: Downstream) -> None:
        """Wait for the connection."""
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._sender = _Sender(client)

    async def open(self, door: Path) -> None:
        """Connect.

        Raises:
            OSError: nobody listens.
        """
        loop = asyncio.get_running_loop()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.setblocking(False)
            await loop.sock_connect(line, str(door))
            other = line.dup()
        except BaseException:
            line.close()
            raise
        sender, _ = await loop.create_unix_connection(lambda: self._sender, sock=other)
        # Not in connection_made, after which uvloop begins to read whatever was said there.
        sender.pause_reading()
        await loop.create_unix_connection(lambda: self, sock=line)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what QuickFIX says."""
        self._client.from_upstream(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Hand on that QuickFIX is gone."""
        self._transport = None
        self._sender.close()
        self._client.upstream_lost()

    def write(self, data: bytes) -> None:
        """Send to QuickFIX; nothing once it has hung up."""
        if data and self._sender.transport is not None:
            self._sender.transport.write(data)

    def pause(self) -> None:
        """Read nothing for a while."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Hang up, after what was written; repeating it is harmless."""
        self._sender.close()
        if self._transport is not None:
            self._transport.close()


class _Sender(asyncio.Protocol):
    """The half that writes to QuickFIX."""

    def __init__(self, client: Downstream) -> None:
        self._client = client
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        # Whoever reads finds out by itself, after QuickFIX's last words.
        self.transport = None

    def pause_writing(self) -> None:
        self._client.upstream_is_full(is_full=True)

    def resume_writing(self) -> None:
        self._client.upstream_is_full(is_full=False)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def keep_little(transport: asyncio.Transport) -> None:
    """Have the kernel keep little of what a client does not read: there it cannot be merged."""
    line = transport.get_extra_info("socket")
    if line is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)


async def open_upstream(upstream: UpstreamConnection, doors: Doors, session: str) -> str:
    """Connect to QuickFIX where it has a session, and return the gateway's credential.

    Raises:
        OSError, ValueError: nobody listens, or what leads there cannot be read.
    """
    credential = await asyncio.to_thread(doors.credential.read_text)
    door = await asyncio.to_thread(door_of, doors, session)
    await upstream.open(door)
    return credential.strip()


async def ask_farewell(doors: Doors, *, session: str, text: str) -> bool:
    """Have the gateway log a session out; False when it does not answer."""
    try:
        async with asyncio.timeout(CONTROL_SECONDS_MAX):
            credential = await asyncio.to_thread(doors.credential.read_text)
            request = Farewell(credential=credential.strip(), session=session, text=text)
            reader, writer = await asyncio.open_unix_connection(str(doors.control))
            try:
                writer.write(msgspec.json.encode(request) + b"\n")
                return await reader.readline() == b"done\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
