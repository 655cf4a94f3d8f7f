"""The one connection of a process that writes into PostgreSQL as nobody else does.

Whatever fails, the way on is the same: connect, take the lock, and see from the stored position
whether the last commit came through. An outage is waited for, with pauses that double; what waiting
does not mend is raised as one of the owner's own errors.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from runtime.postgres import (
    FAILURES,
    Connection,
    connect,
    drop,
    is_outage,
    lets_nobody_in,
    state_of,
)
from runtime.waiting import stopped_within

log = structlog.get_logger()

Result = TypeVar("Result")


class WriterSettings(Protocol):
    """How to reach the database, and how patiently."""

    @property
    def dsn(self) -> str:
        """As asyncpg reads it."""
        ...

    @property
    def connect_seconds_max(self) -> float:
        """For the whole of connecting."""
        ...

    @property
    def takeover_seconds_max(self) -> float:
        """For another holder of the lock to go."""
        ...

    @property
    def pause_seconds_first(self) -> float:
        """Before the second attempt."""
        ...

    @property
    def pause_seconds_last(self) -> float:
        """Between later ones, at most."""
        ...


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The owner's errors: each takes a text."""

    moved: type[Exception]
    """The stored position is not where we left it."""
    refused: type[Exception]
    """The database refused what breaks its rules."""
    busy: type[Exception]
    """Another process has the lock."""
    login: type[Exception]
    """The database does not let us in."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is one writer's own."""

    application: str
    """What the server shows of the connection."""
    role: str
    """Taken on after the check."""
    lock: tuple[int, int]
    """The advisory lock that the connection holds."""
    check: Callable[[Connection], Awaitable[None]]
    """Refuses a schema that is not ours."""
    faults: Faults
    connected: Gauge
    outages: Counter


class SoleWriter:
    """Has the connection, and gets it back."""

    def __init__(self, settings: WriterSettings, terms: Terms) -> None:
        """Describe it; nothing happens before it is needed."""
        self._settings = settings
        self._terms = terms
        self._connection: Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the database was there when we last needed it."""
        return self._connection is not None and not self._connection.is_closed()

    @property
    def connection(self) -> Connection:
        """The connection, which must be there."""
        assert self._connection is not None
        return self._connection

    async def persist(
        self, act: Callable[[], Awaitable[Result]], stop: asyncio.Event, *, through: int
    ) -> Result | None:
        """Do something however often it takes; None once asked to stop while it cannot be done.

        Args:
            act: what to do; it reaches the database itself, by ``open`` or ``resume``.
            stop: ends the waiting.
            through: the last event that is stored, as far as we know, for the log.

        Raises:
            Exception: one of the owner's, for what waiting does not mend.
        """
        pause = self._settings.pause_seconds_first
        while True:
            try:
                return await act()
            except FAILURES as error:
                self.disconnect()
                self._judge(error, pause, through)
            if await stopped_within(stop, pause):
                return None
            pause = min(2 * pause, self._settings.pause_seconds_last)

    async def resume(
        self,
        read: Callable[[Connection], Awaitable[int]],
        stop: asyncio.Event,
        *,
        left_at: int,
        through: int,
    ) -> int:
        """Be connected, and return the stored position.

        Args:
            read: reads it.
            stop: ends the waiting.
            left_at: where we left it.
            through: where it is if the transaction in hand came through before.

        Raises:
            TimeoutError: asked to stop while the database is away.
            Exception: the owner's ``moved``, where it is neither.
        """
        if self.is_connected:
            return left_at
        if stop.is_set():
            raise TimeoutError("asked to stop while PostgreSQL is away")
        stored = await read(await self.open(stop))
        if stored not in (left_at, through):
            raise self._terms.faults.moved(
                f"the database stands at event {stored}; we left it at {left_at},"
                f" or {through} if our last commit came through"
            )
        return stored

    async def open(self, stop: asyncio.Event) -> Connection:
        """Connect, and take the lock.

        Raises:
            TimeoutError: asked to stop while another process has it.
            Exception: the owner's ``busy``, where the other one does not go.
        """
        settings, terms = self._settings, self._terms
        self._connection = connection = await connect(
            settings.dsn, application=terms.application, seconds_max=settings.connect_seconds_max
        )
        await terms.check(connection)
        await connection.execute(f"set role {terms.role}")
        deadline = time.monotonic() + settings.takeover_seconds_max
        while not await connection.fetchval("select pg_try_advisory_lock($1, $2)", *terms.lock):
            if time.monotonic() > deadline:
                raise terms.faults.busy(f"another {terms.application} writes into this database")
            if await stopped_within(stop, settings.pause_seconds_first):
                raise TimeoutError("asked to stop while another process has the lock")
        terms.connected.set(1)
        return connection

    def disconnect(self) -> None:
        """Give the connection up at once; the next need makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)
        self._terms.connected.set(0)

    def _judge(self, error: Exception, pause: float, through: int) -> None:
        """Note an outage; raise what is none."""
        if is_outage(error):
            self._terms.outages.inc()
            log.warning(
                "postgres_away",
                error=f"{type(error).__name__}: {error}",
                through=through,
                pause_seconds=pause,
            )
            return
        if not isinstance(error, asyncpg.PostgresError):
            raise error
        faults = self._terms.faults
        if lets_nobody_in(error):
            raise faults.login(f"the database does not let us in: {error}") from error
        raise faults.refused(
            f"after event {through} the database refused: {error} ({state_of(error)})"
        ) from error
