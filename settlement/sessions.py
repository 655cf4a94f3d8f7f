"""The sessions of one consumer with the database: one for each of its lanes, each with its lock."""

import asyncio
import time

import structlog

from runtime.postgres import Connection, connect, drop
from runtime.waiting import stopped_within
from settlement import database
from settlement.chart import Consumer
from settlement.errors import ConsumerBusyError
from settlement.locks import try_lane
from settlement.settings import SettlementSettings

log = structlog.get_logger()

_WORK_MEMORY = "64MB"
"""What a statement's new rows take that triggers look at, and their sums: beyond it they would go
to the disk and come back."""


class Sessions:
    """All are open, or none is wanted: where one is lost, all are opened again."""

    def __init__(
        self, settings: SettlementSettings, consumer: Consumer, *, lanes: int, application: str
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._lanes = lanes
        self._application = application
        self._sessions: list[Connection] = []
        self._are_locked = False

    @property
    def are_open(self) -> bool:
        """Whether every one was there when we last needed it."""
        return self._are_locked and not any(each.is_closed() for each in self._sessions)

    def __getitem__(self, lane: int) -> Connection:
        return self._sessions[lane]

    async def open(self, stop: asyncio.Event) -> bool:
        """Connect, check, and take the locks; False when asked to stop meanwhile.

        Raises:
            ConsumerBusyError: another process holds a lock and goes on.
            Exception: what ``runtime.postgres.FAILURES`` lists; none is open then.
        """
        self.close()
        settings = self._settings
        for lane in range(self._lanes):
            session = await connect(
                settings.dsn,
                application=self._application,
                seconds_max=settings.connect_seconds_max,
            )
            self._sessions.append(session)
            async with asyncio.timeout(settings.takeover_seconds_max + settings.post_seconds_max):
                await database.check(session)
                await session.execute(f"set role {database.APPLICATION_ROLE}")
                await session.execute(f"set work_mem = '{_WORK_MEMORY}'")
                if not await self._lock(session, stop, lane=lane):
                    return False
        self._are_locked = True
        return True

    def close(self) -> None:
        """Give all up at once, without waiting for a server that may be gone."""
        sessions, self._sessions, self._are_locked = self._sessions, [], False
        for session in sessions:
            drop(session)

    async def _lock(self, session: Connection, stop: asyncio.Event, *, lane: int) -> bool:
        settings = self._settings
        deadline = time.monotonic() + settings.takeover_seconds_max
        pause = settings.pause_seconds_first
        while not await try_lane(session, self._consumer, lane):
            if stop.is_set():
                return False
            if time.monotonic() > deadline:
                raise ConsumerBusyError(
                    f"another process consumes into this database as {self._consumer}"
                )
            log.info("consumer_waits_for_lock", consumer=self._consumer, pause_seconds=pause)
            await stopped_within(stop, pause)
            pause = min(2 * pause, settings.pause_seconds_last)
        return True
