"""A TCP proxy to PostgreSQL that understands just enough to cut a connection where it hurts.

It counts the bytes of the client's messages and can cut both directions at any byte: before the
message COMMIT, inside it, after it and before the server's answer, or inside the answer. What was
not yet forwarded is lost, as it would be on a broken line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

COMMIT_TEXT = b"commit\0"


@dataclass(frozen=True)
class Cut:
    """Where to cut next.

    ``at_commit``: around the next COMMIT; ``client_bytes`` of it reach the server first and then
    ``server_bytes`` of the answer reach the client. Else: after ``client_bytes`` of anything.
    """

    at_commit: bool
    client_bytes: int
    server_bytes: int = 0
    bytes_min: int = 0
    """Cut only what comes with so many more at least: the middle of something large."""
    is_silent: bool = False
    """Forward nothing more of this line and keep it open, as a cut cable does."""


class CuttingProxy:
    """Forwards connections to one server, and cuts as told; one cut at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_shut = False
        self.port = 0
        self.cut: Cut | None = None
        self.cuts_done: list[Cut] = []
        self.done = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_door(self) -> None:
        """Drop every connection and accept no more."""
        self._is_shut = True
        self.cut_all()

    def open_door(self) -> None:
        """Accept connections again."""
        self._is_shut = False

    def arm(self, cut: Cut) -> None:
        """Cut once, at the next opportunity."""
        self.done.clear()
        self.cut = cut

    def cut_all(self) -> None:
        """Drop every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            writer.transport.abort()
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, reader=reader, client=writer, server=upstream)
        self._writers |= {writer, upstream}
        pumps = [
            asyncio.ensure_future(line.to_server()),
            asyncio.ensure_future(line.to_client(upstream_reader)),
        ]
        self._tasks.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for side in (writer, upstream):
            side.transport.abort()
            self._writers.discard(side)
        await asyncio.gather(*pumps, return_exceptions=True)
        self._tasks.difference_update(pumps)

    def finish(self, cut: Cut) -> None:
        self.cuts_done.append(cut)
        self.done.set()


class _Line:
    """One connection: it cuts itself."""

    def __init__(
        self,
        proxy: CuttingProxy,
        *,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._client = client
        self._server = server
        self._answer_cut: Cut | None = None

    async def to_server(self) -> None:
        with contextlib.suppress(OSError):
            async for data in _chunks(self._reader):
                cut = self._claim(data)
                if cut is None:
                    self._server.write(data)
                    await self._server.drain()
                elif not await self._obey(cut, data):
                    return

    def _claim(self, data: bytes) -> Cut | None:
        """Take the armed cut if this is its moment; another line then cannot."""
        cut = self._proxy.cut
        if cut is None or (cut.at_commit and COMMIT_TEXT not in data) or len(data) < cut.bytes_min:
            return None
        self._proxy.cut = None
        return cut

    async def _obey(self, cut: Cut, data: bytes) -> bool:
        """Cut; says whether the line still waits for the server's answer."""
        if cut.is_silent:
            self._proxy.finish(cut)
            while await self._reader.read(65536):
                pass
            return False
        # The simple query message: 'Q', four bytes of length, the text.
        start = data.find(COMMIT_TEXT) - 5 if cut.at_commit else 0
        end = start + 5 + len(COMMIT_TEXT) if cut.at_commit else len(data) + 1
        is_answer_cut = cut.at_commit and start + cut.client_bytes >= end
        if is_answer_cut:
            self._answer_cut = cut
        self._server.write(data[: min(start + cut.client_bytes, end)])
        await self._server.drain()
        if not is_answer_cut:
            self._break(cut)
        return is_answer_cut

    async def to_client(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            async for data in _chunks(reader):
                cut = self._answer_cut
                # The answer is there, so the server has committed; how much of it gets through?
                self._client.write(data if cut is None else data[: cut.server_bytes])
                await self._client.drain()
                if cut is not None:
                    self._break(cut)
                    return

    def _break(self, cut: Cut) -> None:
        self._proxy.finish(cut)
        # What was written must leave first: an abort would throw it away.
        for writer in (self._server, self._client):
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(65536):
        yield data
