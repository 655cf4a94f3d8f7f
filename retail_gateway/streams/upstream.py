"""The way from market data: a connection that is made again until the process stops."""

import asyncio
from typing import Any, Protocol, cast

import structlog

from messages.market_data import (
    ContractError,
    Frame,
    Kind,
    Published,
    Splitter,
    follow,
    read_published,
)

log = structlog.get_logger()


class Taker(Protocol):
    """What takes the payloads."""

    def publish(self, published: Published) -> None:
        """Take one."""
        ...

    def flush(self) -> None:
        """Take note that no more have come by now."""
        ...

    def connected(self) -> None:
        """Take note that market data is there."""
        ...

    def lost(self) -> None:
        """Take note that it is gone."""
        ...


class _Connection(asyncio.Protocol):
    """One connection to market data."""

    def __init__(self, taker: Taker) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._taker = taker
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(follow())
        self._taker.connected()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._take(frame)
        except ContractError as error:
            self.end(f"a rule of the contract is broken: {error}")
        self._taker.flush()

    def _take(self, frame: Frame) -> None:
        if frame.kind is not Kind.PUBLISHED:
            raise ContractError(f"a frame of kind {frame.kind.name}, which nobody asked for")
        self._taker.publish(read_published(frame.body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("it ended" if exc is None else str(exc))

    def end(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_result(why)
        if self._transport is not None:
            self._transport.abort()


async def follow_market_data(
    address: str, taker: Taker, stop: asyncio.Event, *, reconnect_seconds: float
) -> None:
    """Take what market data publishes, over one connection after another, until asked to stop.

    Args:
        address: ``unix:/path`` or ``tcp:host:port``.
        taker: gets the payloads.
        stop: ends it.
        reconnect_seconds: between two attempts.
    """
    stopping = asyncio.create_task(stop.wait(), name="upstream.stopping")
    complaint = ""
    try:
        while not stop.is_set():
            try:
                connection = await _connect(address, taker)
            except OSError as error:
                if str(error) != complaint:  # once, not five times a second
                    complaint = str(error)
                    log.warning("market_data_away", address=address, error=complaint)
            else:
                log.info("market_data_connected", address=address)
                complaint = ""
                waited: list[asyncio.Future[Any]] = [stopping, connection.ended]
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                taker.lost()
                if not stop.is_set():
                    log.warning("market_data_lost", why=connection.ended.result())
                connection.end("asked to stop")
            await asyncio.wait({stopping}, timeout=reconnect_seconds)
    finally:
        stopping.cancel()


async def _connect(address: str, taker: Taker) -> _Connection:
    loop = asyncio.get_running_loop()
    scheme, _, where = address.partition(":")
    if scheme == "unix":
        _, connection = await loop.create_unix_connection(lambda: _Connection(taker), where)
        return connection
    host, _, port = where.rpartition(":")
    _, connection = await loop.create_connection(lambda: _Connection(taker), host, int(port))
    return connection
