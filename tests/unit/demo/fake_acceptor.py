"""A FIX acceptor that does as a test tells it, written with plain bytes and no shared code."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


def wire(fields: list[tuple[int, str]]) -> bytes:
    """Frame fields (35 first) as FIX 4.4."""
    body = "".join(f"{tag}={value}\x01" for tag, value in fields).encode()
    head = b"8=FIX.4.4\x019=%d\x01" % len(body)
    return head + body + b"10=%03d\x01" % (sum(head + body) % 256)


class FakeAcceptor:
    """Accepts one connection at a time; ``receive`` and ``send`` drive it."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.next_number = 1
        self.answering: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self._writers: list[asyncio.StreamWriter] = []
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await self._connected.put((reader, writer))

    async def accept(self) -> dict[int, str]:
        """Wait for the next connection and return its logon."""
        self._reader, self._writer = await asyncio.wait_for(self._connected.get(), 60)
        return await self.receive()

    async def receive(self) -> dict[int, str]:
        """Return the next message."""
        assert self._reader is not None
        async with asyncio.timeout(60):
            head = await self._reader.readuntil(b"\x01")
            length = await self._reader.readuntil(b"\x01")
            body = await self._reader.readexactly(int(length[2:-1]))
            trailer = await self._reader.readexactly(7)
        assert trailer == b"10=%03d\x01" % (sum(head + length + body) % 256)
        pairs = (field.split("=", 1) for field in body.decode().split("\x01") if field)
        return {int(tag): value for tag, value in pairs}

    async def is_hung_up_on(self) -> bool:
        """Say whether the client closes without another word."""
        assert self._reader is not None
        async with asyncio.timeout(60):
            try:
                return await self._reader.read() == b""
            except ConnectionResetError:
                return True

    def send(self, kind: str, *fields: tuple[int, str], number: int | None = None) -> None:
        """Send a message, with the next number unless given."""
        assert self._writer is not None
        if number is None:
            number = self.next_number
            self.next_number += 1
        head = [(35, kind), (34, str(number)), (49, "RIALTO"), (52, "20260102-03:04:05.678")]
        self._writer.write(wire([*head, (56, "MM1"), *fields]))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        assert self._writer is not None
        self._writer.write(data)

    def hang_up(self) -> None:
        """Close the present connection."""
        assert self._writer is not None
        self._writer.close()
