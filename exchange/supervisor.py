"""One machine's venue: start its processes in order, watch them, stop them in reverse."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from exchange.configuration import Configuration
from exchange.state import ProcessPage, State
from runtime.embedded_postgres import EmbeddedPostgres
from runtime.process import EXIT_UNAVAILABLE, NEVER_RESTART

log = structlog.get_logger()

POSTGRES = "postgres"
PROCESSES = ("core", "follower", "settlement", "fix_gateway")
"""Started in this order, stopped in the reverse one."""

LOG_TAIL_BYTES = 65536
_POLL_SECONDS = 0.02
_BACKOFF_SECONDS_MAX = 5.0


class ProcessFailedError(Exception):
    """A process ended in a way that a person has to look at, or too often."""

    def __init__(self, name: str, code: int, log_file: Path) -> None:
        said = _last_error(log_file)
        super().__init__(f"{name} ended with code {code}{said}; its log is {log_file}")
        self.exit_code = code if code in NEVER_RESTART else EXIT_UNAVAILABLE


class Supervisor:
    """Starts, watches and stops the processes of one state directory.

    A process that dies is started again, unless its exit code says that a person has to look
    first, or it died too often within the configured window: then everything stops.
    """

    def __init__(
        self,
        state: State,
        configuration: Configuration,
        arguments: list[str],
        *,
        prepare_database: Callable[[], Awaitable[None]],
        seed: Callable[[], Awaitable[None]],
    ) -> None:
        """Describe the venue; nothing happens before ``run``.

        Args:
            state: a prepared state directory that is held.
            configuration: checked.
            arguments: ``--state``, ``--config`` and ``--sessions`` for the processes.
            prepare_database: called once PostgreSQL answers.
            seed: called once the core answers, before the gateways start.
        """
        self._state = state
        self._settings = configuration.venue.supervisor
        self._postgres_settings = configuration.venue.postgres
        self._arguments = arguments
        self._prepare_database = prepare_database
        self._seed = seed
        self._postgres: EmbeddedPostgres | None = None
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.restarts: dict[str, int] = dict.fromkeys((POSTGRES, *PROCESSES), 0)

    async def run(self, stop: asyncio.Event, started: Callable[[], Awaitable[None]]) -> None:
        """Run the venue until asked to stop or something fails for good.

        Args:
            stop: ends it.
            started: called once everything runs.

        Raises:
            ProcessFailedError: a process cannot be kept running.
            EmbeddedPostgresError: the database cannot be started.
        """
        try:
            await self._start_all(stop)
            if not stop.is_set():
                await started()
                await self._watch_all(stop)
        finally:
            await self._stop_all()

    async def _start_all(self, stop: asyncio.Event) -> None:
        if not self._postgres_settings.dsn:
            await self._start_postgres()
        await self._prepare_database()
        for name in PROCESSES:
            if stop.is_set():
                return
            if not await self._start(name, stop):
                raise ProcessFailedError(name, self._code(name), self._log_file(name))
            if name == "core" and not stop.is_set():
                await self._seed()

    async def _start_postgres(self) -> None:
        port = self._postgres_settings.port
        previous = self._state.run / "postgres.port"
        if port == 0 and previous.exists() and self.restarts[POSTGRES]:
            port = int(previous.read_text())  # whoever holds a connection string keeps it
        self._postgres = EmbeddedPostgres(
            self._state.postgres, port=port, stop_seconds_max=self._settings.stop_seconds_max
        )
        dsn = await asyncio.to_thread(self._postgres.start)
        previous.write_text(f"{dsn.port}\n")
        self._state.announce(
            ProcessPage(
                name=POSTGRES,
                pid=self._postgres.pid or 0,
                started_at_ns=time.time_ns(),
                addresses={"postgres": f"{dsn.host}:{dsn.port}"},
            )
        )
        log.info("postgres_started", port=dsn.port)

    async def _start(self, name: str, stop: asyncio.Event) -> bool:
        """Start a process and wait for its page, which it writes when it serves.

        Returns:
            False when it ended, or had to be ended, before it served.
        """
        self._state.withdraw(name)
        with (self._state.logs / f"{name}.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "exchange", "run", name, *self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the supervisor, who stops them in order
            )
        self._running[name] = process
        deadline = time.monotonic() + self._settings.start_seconds_max
        while not stop.is_set():
            page = self._state.page(name)
            if page is not None and page.pid == process.pid:
                log.info("process_started", name=name, pid=process.pid, addresses=page.addresses)
                return True
            if process.returncode is not None:
                return False
            if time.monotonic() > deadline:
                log.error("process_does_not_serve", name=name, pid=process.pid)
                process.kill()
                await process.wait()
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _code(self, name: str) -> int:
        code = self._running[name].returncode
        return EXIT_UNAVAILABLE if code is None else code

    async def _watch_all(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            watchers = [
                group.create_task(self._watch(name, stop), name=f"watch {name}")
                for name in PROCESSES
            ]
            if self._postgres is not None:
                watchers.append(
                    group.create_task(self._watch_postgres(stop), name="watch postgres")
                )
            await stop.wait()
            for watcher in watchers:
                watcher.cancel()

    async def _watch(self, name: str, stop: asyncio.Event) -> None:
        deaths: deque[float] = deque()
        while True:
            code = await self._running[name].wait()
            if stop.is_set():
                return
            self._admit_restart(name, code, deaths)
            await asyncio.sleep(_backoff(len(deaths)))
            log.warning("process_restarting", name=name, exit_code=code)
            await self._start(name, stop)

    async def _watch_postgres(self, stop: asyncio.Event) -> None:
        deaths: deque[float] = deque()
        while True:
            assert self._postgres is not None
            code = await self._postgres.wait_for_exit()
            if stop.is_set():
                return
            self._admit_restart(POSTGRES, code, deaths)
            await asyncio.to_thread(self._postgres.stop)
            log.warning("process_restarting", name=POSTGRES, exit_code=code)
            await self._start_postgres()

    def _admit_restart(self, name: str, code: int, deaths: deque[float]) -> None:
        """Count a death.

        Raises:
            ProcessFailedError: it must not, or must not again, be started.
        """
        now = time.monotonic()
        deaths.append(now)
        while now - deaths[0] > self._settings.restart_window_seconds:
            deaths.popleft()
        log.error("process_died", name=name, exit_code=code, deaths_in_window=len(deaths))
        if code in NEVER_RESTART or len(deaths) > self._settings.restarts_max:
            raise ProcessFailedError(name, code, self._log_file(name))
        self.restarts[name] += 1

    async def _stop_all(self) -> None:
        for name in reversed(PROCESSES):
            process = self._running.pop(name, None)
            if process is not None:
                await self._stop(name, process)
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.stop)
            self._state.withdraw(POSTGRES)
            log.info("process_stopped", name=POSTGRES)

    async def _stop(self, name: str, process: asyncio.subprocess.Process) -> None:
        """Ask a process to drain and end; after the configured patience, end it."""
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._settings.stop_seconds_max):
                    await process.wait()
            except TimeoutError:
                log.warning("process_did_not_stop", name=name, pid=process.pid)
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()
        self._state.withdraw(name)
        log.info("process_stopped", name=name, exit_code=process.returncode)

    def _log_file(self, name: str) -> Path:
        return self._state.logs / f"{name}.log"


def _last_error(log_file: Path) -> str:
    """Return what a process said last of why it ended, if it could."""
    if not log_file.exists():
        return ""
    for line in reversed(log_file.read_bytes()[-LOG_TAIL_BYTES:].splitlines()):
        try:
            entry = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            continue
        if entry.get("level") in ("error", "critical"):
            return f": {entry.get('error') or entry.get('reason') or entry.get('event')}"
    return ""


def _backoff(deaths: int) -> float:
    return min(0.1 * float(2 ** (deaths - 1)), _BACKOFF_SECONDS_MAX)
