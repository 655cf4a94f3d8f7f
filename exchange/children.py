"""What a supervisor keeps running: our own processes, and the embedded PostgreSQL.

Errors: ``ChildFailedError``, when a child did not come to serve.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from exchange.configuration import PostgresTable, SupervisorTable
from exchange.database import POSTGRES
from exchange.state import ProcessPage, State
from retail_gateway.streams.settings import PROCESSES_MAX
from runtime.embedded_postgres import (
    DataDirectoryBusyError,
    EmbeddedPostgres,
    EmbeddedPostgresError,
)
from runtime.postgres import is_outage
from runtime.priority import let_session_go_after_others
from runtime.process import EXIT_IN_USE, EXIT_UNAVAILABLE, exit_code_of

log = structlog.get_logger()

PROCESSES = (
    "core",
    "follower",
    "settlement",
    "auditor",
    "surveillance",
    "market_data",
    "accounts",
    "fix_guard",
    "fix_gateway",
    "fix_market_data",
    "admin_api",
    "retail_streams",
    "retail_api",
)
"""Our own processes, as ``./rialto run`` knows them."""

BACKGROUND = frozenset(
    {
        *("follower", "settlement", "auditor", "surveillance"),
        *("market_data", "fix_market_data", "retail_streams", "accounts"),
    }
)
"""Those that follow what is traded, and the slow work of signing in (decision 0030)."""

COPIES_MAX = {"retail_streams": PROCESSES_MAX}
"""Processes of which there may be several."""


def copies(name: str, count: int) -> list[str]:
    """Name the processes of one kind: the first by the kind, others with their number."""
    return [name, *(f"{name}_{number}" for number in range(2, count + 1))]


def kind_of(name: str) -> str:
    """Return the kind of process that a name of ``copies`` says."""
    found = [kind for kind, count in COPIES_MAX.items() if name in copies(kind, count)]
    return found[0] if found else name


COPIES = tuple(
    name for kind, count in COPIES_MAX.items() for name in copies(kind, count) if name != kind
)
"""Those beyond the first, which run where the configuration asks for them."""

SWITCHED_OFF = "switched off in the configuration"
"""What is said of a process that is not wanted: no trouble, though it does not run."""

LOG_TAIL_BYTES = 65536
_POLL_SECONDS = 0.02


class ChildFailedError(Exception):
    """A child did not come to serve; ``code`` is its exit code, or what it would have been."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Child(Protocol):
    """Something that is started, ends, and can be stopped."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    async def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            ChildFailedError: it does not.
        """
        ...

    async def ended(self) -> tuple[int, str]:
        """Wait until it ends; return its exit code and what it said of why."""
        ...

    async def stop(self) -> None:
        """Stop it if it runs, and wait until it is gone; repeating it is harmless."""
        ...


class ProcessChild:
    """One of our own processes; it serves once it has written its page."""

    def __init__(
        self,
        name: str,
        state: State,
        settings: SupervisorTable,
        arguments: list[str],
        *,
        after: "PostgresChild | None" = None,
    ) -> None:
        """Describe it.

        Args:
            name: as ``./rialto run`` knows it.
            state: where it writes its page and its log.
            settings: how patient to be.
            arguments: where things live.
            after: the database, for a process that needs it prepared.
        """
        self.name = name
        self._state = state
        self._settings = settings
        self._arguments = arguments
        self._after = after
        self._log = state.logs / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """See ``Child.start``."""
        if self._after is not None:
            await self._after.was_tried.wait()
            if not self._after.is_ready:
                raise ChildFailedError(EXIT_UNAVAILABLE, f"it waits for {self._after.name}")
        self._state.withdraw(self.name)
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "exchange", "run", self.name, *self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the supervisor, who stops them in order
            )
        if kind_of(self.name) in BACKGROUND:
            nice = self._settings.background_nice
            await let_session_go_after_others(self._process.pid, nice)
        await self._wait_for_page(self._process)

    async def _wait_for_page(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + self._settings.start_seconds_max
        while True:
            page = self._state.page(self.name)
            if page is not None and page.pid == process.pid:
                log.info(
                    "process_started", name=self.name, pid=process.pid, addresses=page.addresses
                )
                return
            if process.returncode is not None:
                raise ChildFailedError(process.returncode, last_error(self._log))
            if time.monotonic() > deadline:
                process.kill()
                await process.wait()
                seconds = self._settings.start_seconds_max
                raise ChildFailedError(EXIT_UNAVAILABLE, f"it does not serve after {seconds:g} s")
            await asyncio.sleep(_POLL_SECONDS)

    async def ended(self) -> tuple[int, str]:
        """See ``Child.ended``."""
        assert self._process is not None, "not started"
        code = await self._process.wait()
        self._state.withdraw(self.name)
        text = f"ended by signal {-code}" if code < 0 else last_error(self._log)
        return code, text

    async def stop(self) -> None:
        """Ask it to drain and end; after the configured patience, end it."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._settings.stop_seconds_max):
                    await process.wait()
            except TimeoutError:
                log.warning("process_did_not_stop", name=self.name, pid=process.pid)
                process.kill()
                await process.wait()
        self._state.withdraw(self.name)


class PostgresChild:
    """The database: an embedded server that we run, or somebody else's that we only prepare."""

    name = POSTGRES

    def __init__(
        self,
        state: State,
        settings: SupervisorTable,
        table: PostgresTable,
        *,
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        """Describe it; ``prepare`` brings the database to our schema."""
        self.is_ready = False
        """Whether it has served with our schema, since when its users can wait by themselves."""
        self.was_tried = asyncio.Event()
        self._state = state
        self._settings = settings
        self._table = table
        self._prepare = prepare
        self._port = table.port
        self._server: EmbeddedPostgres | None = None

    async def start(self) -> None:
        """See ``Child.start``."""
        try:
            if not self._table.dsn:
                await self._start_server()
            await self._prepare()
            self.is_ready = True
        except DataDirectoryBusyError as error:
            raise ChildFailedError(EXIT_IN_USE, str(error)) from error
        except Exception as error:
            await self.stop()
            if isinstance(error, EmbeddedPostgresError) or is_outage(error):
                raise ChildFailedError(EXIT_UNAVAILABLE, str(error)) from error
            raise ChildFailedError(exit_code_of(error), str(error)) from error
        finally:
            self.was_tried.set()

    async def _start_server(self) -> None:
        server = EmbeddedPostgres(
            self._state.postgres,
            port=self._port,
            start_seconds_max=self._settings.start_seconds_max,
            stop_seconds_max=self._settings.stop_seconds_max,
            nice=self._settings.background_nice,
        )
        dsn = await asyncio.to_thread(server.start)
        self._server = server
        self._port = dsn.port  # whoever holds a connection string keeps it over a restart
        page = ProcessPage(
            name=self.name,
            pid=server.pid or 0,
            started_at_ns=time.time_ns(),
            addresses={self.name: f"{dsn.host}:{dsn.port}"},
        )
        self._state.announce(page)
        log.info("process_started", name=self.name, pid=server.pid, addresses=page.addresses)

    async def ended(self) -> tuple[int, str]:
        """See ``Child.ended``; somebody else's server never ends for us."""
        if self._server is None:
            await asyncio.Event().wait()
        assert self._server is not None
        code = await self._server.wait_for_exit()
        await self.stop()
        return EXIT_UNAVAILABLE, f"the server ended ({code})"

    async def stop(self) -> None:
        """See ``Child.stop``."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)
        self._state.withdraw(self.name)


def last_error(log_file: Path) -> str:
    """Return what a process said last of why it ended, if it could."""
    nothing = f"it said nothing; its log is {log_file}"
    if not log_file.exists():
        return nothing
    with log_file.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            entry = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            continue
        if entry.get("level") in ("error", "critical"):
            said = entry.get("error") or entry.get("reason") or entry.get("event")
            return f"{said}; its log is {log_file}"
    return nothing
