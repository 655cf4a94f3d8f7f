"""A reader that does what a library would not let it."""

import asyncio
import contextlib
import json
import os
import struct
from typing import Self

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A


def frame(first: int, payload: bytes, *, mask: bytes | None = None) -> bytes:
    """A client's frame; ``first`` is its first byte, flags and all."""
    mask = os.urandom(4) if mask is None else mask
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack(">BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, size)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class RawReader:
    """A socket that has been upgraded, and frames in both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, path: str = "/ws") -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write(REQUEST.format(path=path).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        return cls(reader, writer)

    def send(self, first: int, payload: bytes) -> None:
        self.writer.write(frame(first, payload))

    async def next(self) -> tuple[int, bytes]:
        """The next frame: first byte and payload."""
        async with asyncio.timeout(120):
            first, size = await self._reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
            return first, await self._reader.readexactly(size)

    async def text(self) -> object:
        """The next text, as JSON; pings are left out."""
        while True:
            first, payload = await self.next()
            if first == TEXT:
                return json.loads(payload)
            assert first == PING, (first, payload)

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the close frame, however much comes before it."""
        while True:
            first, payload = await self.next()
            if first == CLOSE:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def ended(self) -> None:
        """Wait until the other end has hung up."""
        async with asyncio.timeout(120):
            with contextlib.suppress(ConnectionError):
                await self._reader.read(-1)

    def close(self) -> None:
        self.writer.close()
